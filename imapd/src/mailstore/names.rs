//! Changes of mailbox names: what CREATE, DELETE, RENAME and SUBSCRIBE come to as steps and rows.
//!
//! Planning reads the committed names and takes numbers; nothing is changed until the steps are committed. Such
//! requests run alone, so a plan is never overtaken.

use std::sync::Arc;

use bytes::Bytes;

use super::backend::Op;
use super::catalog::Catalog;
use super::entries::{self, Entries, Limits};
use super::error::StoreError;
use super::open::OpenMailbox;
use super::own_seen::OwnSeen;
use super::stage::Stage;
use super::text_room::commit_in_room;
use super::types::{Attributes, MailboxId, MailboxRow, Uid, UidValidity, UserHeader, seconds};
use super::user::{AccessChange, Outcome, Request, UserStore};
use crate::syntax::mailbox_name::MailboxName;

/// Steps of the work unit, and the rows as they are afterwards.
pub(super) type Plan = (Vec<Op>, Vec<MailboxRow>);

impl UserStore {
    /// A new row of that name with numbers of its own; the header carries them on.
    fn new_row(
        &self,
        catalog: &mut Catalog,
        header: &mut UserHeader,
        name: &MailboxName,
    ) -> Result<MailboxRow, StoreError> {
        let now = self.now();
        header.last_mailbox_id += 1;
        let next = header.last_uid_validity.checked_add(1);
        let next = next.ok_or(StoreError::Limit("user has no UIDVALIDITY left"))?;
        header.last_uid_validity = seconds(now).max(next);
        let id = MailboxId(header.last_mailbox_id);
        let mut row = MailboxRow::empty(id, name.clone(), UidValidity(header.last_uid_validity), now);
        row.slot = catalog.slots.take();
        if name.as_str().len() > MailboxRow::INLINE_NAME {
            row.name_slot = catalog.slots.take();
        }
        Ok(row)
    }

    /// Rows and steps that make `name`, with special uses, and its missing superiors exist; its row is the last. What is noted with
    /// `inbox`, whose messages come here because it is renamed, is noted here, too (RFC 5464 section 4.1).
    pub(super) fn plan_create(
        &self,
        name: &MailboxName,
        uses: u32,
        inbox: Option<&MailboxName>,
    ) -> Result<Plan, StoreError> {
        let mut catalog = self.catalog_mut();
        let exists = |r: &&MailboxRow| r.attributes.has(Attributes::EXISTS);
        if catalog.get(name).filter(exists).is_some_and(MailboxRow::selectable) {
            return Err(StoreError::AlreadyExists);
        }
        let missing: Vec<MailboxName> = name
            .ancestors()
            .filter(|n| catalog.get(n).is_none_or(|r| !r.attributes.has(Attributes::EXISTS)))
            .chain([name.clone()])
            .collect();
        Self::room_for_names(&catalog, &missing)?;
        let mut header = catalog.header.clone();
        let (mut ops, mut rows) = (Vec::new(), Vec::new());
        // What others may do goes on to the new mailboxes.
        let mut above = name.ancestors().filter_map(|n| catalog.get(&n).filter(exists)).last().map(|r| r.id);
        let given = above.filter(|id| catalog.entries.access.entries(*id).next().is_some());
        let mut entries = given.map(|_| catalog.entries.clone());
        let mut inherited = false;
        for missing in missing {
            let old = catalog.get(&missing).cloned();
            let mut row = self.new_row(&mut catalog, &mut header, &missing)?;
            row.attributes.set(uses, missing == *name);
            let own_seen =
                above.and_then(|id| catalog.row(id)).is_some_and(|r| r.attributes.has(Attributes::OWN_SEEN));
            inherited |= own_seen;
            row.attributes.set(Attributes::OWN_SEEN, inherited);
            if let Some(old) = old {
                // The row of a subscription or of a name that could not be selected comes to life.
                catalog.slots.give(row.slot);
                if row.name_slot != 0 {
                    catalog.slots.give(row.name_slot);
                }
                (row.id, row.dir) = (old.id, if old.dir.is_empty() { row.dir } else { old.dir });
                (row.slot, row.name_slot) = (old.slot, old.name_slot);
                let subscribed = old.attributes.has(Attributes::SUBSCRIBED);
                row.attributes.set(Attributes::SUBSCRIBED, subscribed);
            }
            if let (Some(entries), Some(above)) = (&mut entries, above) {
                entries.access.inherit(above, row.id)?;
            }
            above = Some(row.id);
            ops.push(Op::CreateDir { dir: row.dir.clone() });
            ops.push(Op::PutRow(row.clone()));
            rows.push(row);
        }
        if let (Some(inbox), Some(row)) = (inbox.and_then(|inbox| catalog.get(inbox)), rows.last()) {
            entries = with_annotations(&catalog.entries, inbox.id, entries, row.id);
        }
        ops.extend(entries.map(Op::PutEntries));
        ops.push(Op::PutHeader(header));
        Ok((ops, rows))
    }

    /// Whether all of `names` can be added to what is there, superiors that come with a mailbox as well: each is a row, and one
    /// that does not exist yet is a mailbox more for the user's limit (RFC 9208 section 5.3).
    fn room_for_names(catalog: &Catalog, names: &[MailboxName]) -> Result<(), StoreError> {
        let rows = names.iter().filter(|name| catalog.get(name).is_none()).count();
        if catalog.len() + rows > Self::MAX_MAILBOXES {
            return Err(StoreError::Limit("user has too many mailboxes"));
        }
        let exists =
            |name: &&MailboxName| catalog.get(name).is_some_and(|row| row.attributes.has(Attributes::EXISTS));
        let more = (names.len() - names.iter().filter(exists).count()) as u64;
        match catalog.entries.limits.mailboxes.filter(|_| more > 0) {
            Some(most) if catalog.mailboxes() + more > most => Err(StoreError::OverQuota),
            _ => Ok(()),
        }
    }

    /// Rows and steps that take `name` away with `mailbox`, which the name stood for when it was looked at, none where it could not
    /// be selected.
    ///
    /// # Errors
    /// [`StoreError::MailboxDeleted`] when the name stands for another one by now.
    pub(super) fn plan_delete(
        &self,
        mailbox: Option<&OpenMailbox>,
        name: &MailboxName,
    ) -> Result<Plan, StoreError> {
        let catalog = self.catalog();
        let row = catalog.get(name).filter(|r| r.attributes.has(Attributes::EXISTS));
        let mut row = row.ok_or(StoreError::NoSuchMailbox)?.clone();
        let children = catalog.has_children(name);
        let id = row.id;
        if !row.selectable() && children {
            return Err(StoreError::HasChildren);
        }
        let mut ops = Vec::new();
        let mut rows = Vec::new();
        if row.selectable() {
            // A row that comes to life keeps its number, but gets a UIDVALIDITY of its own.
            let same = |m: &&OpenMailbox| (m.id, m.uid_validity) == (id, row.uid_validity);
            let mailbox = mailbox.filter(same).ok_or(StoreError::MailboxDeleted)?;
            let notes = mailbox.state().columns.uids().iter().map(|u| Uid(*u)).collect();
            ops.push(Op::RemoveDir { dir: row.dir.clone(), notes });
        }
        row.messages = 0;
        row.unseen = 0;
        row.octets = 0;
        if children || row.attributes.has(Attributes::SUBSCRIBED) {
            row.attributes.set(Attributes::ALL_USES, false);
            row.attributes.set(Attributes::NOSELECT, children);
            row.attributes.set(Attributes::EXISTS, children);
            ops.push(Op::PutRow(row.clone()));
            rows.push(row);
        } else {
            ops.push(Op::DropRow { id: row.id, slot: row.slot, name_slot: row.name_slot });
        }
        let mut entries = catalog.entries.clone();
        if entries.forget(id) {
            ops.push(Op::PutEntries(entries));
        }
        if !children {
            drop_empty_above(&catalog, name, None, &mut ops, &mut rows);
        }
        Ok((ops, rows))
    }

    pub(super) fn plan_rename(&self, from: &MailboxName, to: &MailboxName) -> Result<Plan, StoreError> {
        let exists = |r: &&MailboxRow| r.attributes.has(Attributes::EXISTS);
        if to.is_below(from) {
            return Err(StoreError::Cannot("mailbox cannot be moved below itself"));
        }
        let moving: Vec<MailboxRow> = {
            let catalog = self.catalog();
            let first = catalog.get(from).filter(exists).ok_or(StoreError::NoSuchMailbox)?;
            std::iter::once(first).chain(catalog.below(from).filter(exists)).cloned().collect()
        };
        let (mut ops, mut rows) = (Vec::new(), Vec::new());
        // Superiors of the new name are made as CREATE makes them.
        let missing = {
            let catalog = self.catalog();
            to.ancestors().filter(|n| catalog.get(n).filter(exists).is_none()).last()
        };
        if let Some(parent) = missing {
            (ops, rows) = self.plan_create(&parent, 0, None)?;
        }
        let mut catalog = self.catalog_mut();
        let made = ops.iter().rev().find_map(|op| match op {
            Op::PutHeader(header) => Some(header.clone()),
            _ => None,
        });
        let mut header = made.unwrap_or_else(|| catalog.header.clone());
        for mut row in moving {
            let former = row.clone();
            let name = match row.name.moved(from, to) {
                Some(Ok(name)) => name,
                _ => return Err(StoreError::Limit("a new mailbox name would be too long")),
            };
            let taken = catalog.get(&name).cloned();
            if taken.as_ref().is_some_and(|r| r.attributes.has(Attributes::EXISTS)) {
                return Err(StoreError::AlreadyExists);
            }
            if let Some(old) = taken {
                ops.push(Op::DropRow { id: old.id, slot: old.slot, name_slot: old.name_slot });
                row.attributes.set(Attributes::SUBSCRIBED, true);
            }
            row.name = name;
            if row.name.as_str().len() > MailboxRow::INLINE_NAME && row.name_slot == 0 {
                row.name_slot = catalog.slots.take();
            }
            ops.push(Op::PutRow(row.clone()));
            rows.push(row);
            // No name goes from the list of subscriptions unless the client says so (RFC 3501 section 6.3.6). The new one is there, too.
            if former.attributes.has(Attributes::SUBSCRIBED)
                && catalog.len() + rows.len() < Self::MAX_MAILBOXES
            {
                let stub = self.stub(&mut catalog, &mut header, &former.name)?;
                ops.push(Op::PutRow(stub.clone()));
                rows.push(stub);
            }
        }
        if header != catalog.header {
            ops.push(Op::PutHeader(header));
        }
        drop_empty_above(&catalog, from, Some(to), &mut ops, &mut rows);
        Ok((ops, rows))
    }

    /// The row of a subscription to a name of which there is no mailbox.
    fn stub(
        &self,
        catalog: &mut Catalog,
        header: &mut UserHeader,
        name: &MailboxName,
    ) -> Result<MailboxRow, StoreError> {
        let mut row = self.new_row(catalog, header, name)?;
        row.attributes.set(Attributes::EXISTS, false);
        row.attributes.set(Attributes::SUBSCRIBED, true);
        Ok(row)
    }

    pub(super) fn plan_annotate(
        &self,
        name: Option<&MailboxName>,
        values: &[(String, Option<Bytes>)],
    ) -> Result<Plan, StoreError> {
        let catalog = self.catalog();
        let row = match name {
            None => None,
            Some(name) => {
                let row = catalog.get(name).filter(|r| r.attributes.has(Attributes::EXISTS));
                Some(row.ok_or(StoreError::NoSuchMailbox)?.clone())
            }
        };
        let of = row.as_ref().map_or(entries::OF_USER, |row| row.id);
        let mut entries = catalog.entries.clone();
        let before = row.as_ref().map(|row| row.attributes);
        let mut row = row;
        for (name, value) in values {
            match &mut row {
                Some(row) if name == entries::SPECIAL_USE => {
                    let uses = Attributes::uses_in(value.as_deref().unwrap_or_default())
                        .filter(|uses| *uses == 0 || row.selectable());
                    let uses = uses.ok_or(StoreError::Cannot("mailbox cannot have that special use"))?;
                    row.attributes.set(Attributes::ALL_USES, false);
                    row.attributes.set(uses, true);
                }
                _ => entries.set(of, name, value.clone())?,
            }
        }
        let mut ops = Vec::new();
        if entries != catalog.entries {
            ops.push(Op::PutEntries(entries));
        }
        if ops.is_empty() && before == row.as_ref().map(|row| row.attributes) {
            return Ok((Vec::new(), Vec::new()));
        }
        // A change of an annotation is one of the mailbox (RFC 7162 section 3.2).
        let rows: Vec<MailboxRow> =
            row.filter(MailboxRow::selectable).map(MailboxRow::changed).into_iter().collect();
        ops.extend(rows.iter().cloned().map(Op::PutRow));
        Ok((ops, rows))
    }

    /// Gives readers of a mailbox, and of those below, a `\Seen` of their own, or ends that, and changes rights, in one work unit.
    pub(super) async fn change_seen_mode(&self, request: &Request) -> Result<Outcome, StoreError> {
        let Request::SeenMode { name, own, mailboxes, changes } = request else { return Ok(Outcome::Done) };
        let own = *own;
        let (access, _) = self.plan_access(name, changes, true)?;
        let mut rows: Vec<MailboxRow> = {
            let catalog = self.catalog();
            let exists = |r: &&MailboxRow| r.attributes.has(Attributes::EXISTS);
            let root = catalog.get(name).filter(exists).ok_or(StoreError::NoSuchMailbox)?;
            let all = std::iter::once(root).chain(catalog.below(name).filter(exists));
            all.filter(|row| row.attributes.has(Attributes::OWN_SEEN) != own).cloned().collect()
        };
        let mut stage = Stage::new(self, self.now());
        for mailbox in mailboxes.iter().filter(|m| rows.iter().any(|row| row.id == m.id)) {
            stage.set_seen_mode(mailbox, own)?;
        }
        // Names that hold none, and what came since they were looked at, which is empty.
        rows.retain(|row| mailboxes.iter().all(|m| m.id != row.id));
        let mut ops = stage.steps();
        for row in &mut rows {
            row.attributes.set(Attributes::OWN_SEEN, own);
            if row.selectable() {
                ops.push(Op::PutSeen { dir: row.dir.clone(), seen: OwnSeen::default() });
            }
            ops.push(Op::PutRow(row.clone()));
        }
        ops.extend(access.iter().cloned());
        let done = match ops.is_empty() {
            true => Ok(Vec::new()),
            false => commit_in_room(vec![(self, ops)]).await,
        };
        let _turns = match done {
            Ok(turns) => turns,
            Err(e) => {
                stage.discard();
                return Err(e);
            }
        };
        let draft = self.draft(request, &access, &rows);
        stage.publish();
        let changed = |m: &Arc<OpenMailbox>| rows.iter().any(|row| row.id == m.id);
        let opened = self.opened().await;
        for mailbox in opened.iter().filter(|m| changed(m)) {
            mailbox.set_own_seen(own.then(OwnSeen::default));
        }
        let rights_change = !access.is_empty();
        self.take_over(access, rows);
        if rights_change {
            opened.iter().for_each(|mailbox| mailbox.wake());
        }
        draft.into_iter().for_each(|draft| self.tell(draft));
        Ok(Outcome::Done)
    }

    pub(super) fn plan_access(
        &self,
        name: &MailboxName,
        changes: &[AccessChange],
        below: bool,
    ) -> Result<Plan, StoreError> {
        let catalog = self.catalog();
        let row = catalog.get(name).filter(|r| r.attributes.has(Attributes::EXISTS));
        let of = row.ok_or(StoreError::NoSuchMailbox)?.id;
        let inferior = catalog.below(name).filter(|r| below && r.attributes.has(Attributes::EXISTS));
        let all: Vec<MailboxId> = std::iter::once(of).chain(inferior.map(|r| r.id)).collect();
        let mut entries = catalog.entries.clone();
        let access = &mut entries.access;
        for change in changes {
            match change {
                AccessChange::Rights(who, how, rights) => {
                    for id in &all {
                        access.set(*id, (*who, self.id()), *how, *rights)?;
                    }
                }
                AccessChange::Remove(who) => all.iter().for_each(|id| access.remove(*id, *who)),
                AccessChange::Clear => all.iter().for_each(|id| access.clear(*id, self.id())),
                AccessChange::Publish(how) => access.publish(of, how.clone())?,
            }
        }
        let changed = entries != catalog.entries;
        Ok((changed.then_some(Op::PutEntries(entries)).into_iter().collect(), Vec::new()))
    }

    /// Sets the limits, and how many blocks there may be, both or neither. The blocks come first: without more of them there may be
    /// no room for the others.
    pub(super) async fn change_limits(
        &self,
        limits: Limits,
        blocks: Option<u64>,
    ) -> Result<Outcome, StoreError> {
        let mut former = None;
        if let Some(blocks) = blocks {
            former = Some(self.backend().space(self.id()).await?.limit);
            self.backend().set_space(self.id(), blocks).await?;
        }
        let mut entries = self.catalog().entries.clone();
        if entries.limits == limits {
            return Ok(Outcome::Done);
        }
        entries.limits = limits;
        let ops = vec![Op::PutEntries(entries)];
        if let Err(error) = commit_in_room(vec![(self, ops.clone())]).await {
            if let Some(former) = former
                && let Err(also) = self.backend().set_space(self.id(), former).await
            {
                tracing::warn!(user = %self.id(), error = %also, "the former limit in blocks is not set again");
            }
            return Err(error);
        }
        self.take_over(ops, Vec::new());
        Ok(Outcome::Done)
    }

    pub(super) fn plan_subscribe(&self, name: &MailboxName, on: bool) -> Result<Plan, StoreError> {
        let mut catalog = self.catalog_mut();
        let mut row = match catalog.get(name).cloned() {
            Some(row) => row,
            None if !on => return Ok((Vec::new(), Vec::new())),
            None => {
                if catalog.len() >= Self::MAX_MAILBOXES {
                    return Err(StoreError::Limit("user has too many mailboxes and subscriptions"));
                }
                let mut header = catalog.header.clone();
                let row = self.stub(&mut catalog, &mut header, name)?;
                return Ok((vec![Op::PutRow(row.clone()), Op::PutHeader(header)], vec![row]));
            }
        };
        if row.attributes.has(Attributes::SUBSCRIBED) == on {
            return Ok((Vec::new(), Vec::new()));
        }
        row.attributes.set(Attributes::SUBSCRIBED, on);
        if !on && !row.attributes.has(Attributes::EXISTS) {
            return Ok((
                vec![Op::DropRow { id: row.id, slot: row.slot, name_slot: row.name_slot }],
                Vec::new(),
            ));
        }
        Ok((vec![Op::PutRow(row.clone())], vec![row]))
    }
}

/// What is kept beside mail, with the annotations of one mailbox on another as well, unless that would be too many.
fn with_annotations(
    kept: &Entries,
    from: MailboxId,
    changed: Option<Entries>,
    to: MailboxId,
) -> Option<Entries> {
    let mut all = kept.annotations(from).peekable();
    if all.peek().is_none() {
        return changed;
    }
    let mut noted = changed.clone().unwrap_or_else(|| kept.clone());
    match all.try_for_each(|(entry, value)| noted.set(to, entry, Some(value.clone()))) {
        Ok(()) => Some(noted),
        Err(error) => {
            tracing::debug!(%error, "annotations of INBOX are not copied");
            changed
        }
    }
}

/// Names that only stood for their inferiors go with the last of them, be it deleted or, with all below it, called `moved`; what
/// is left of those that are subscribed to is that.
fn drop_empty_above(
    catalog: &Catalog,
    gone: &MailboxName,
    moved: Option<&MailboxName>,
    ops: &mut Vec<Op>,
    rows: &mut Vec<MailboxRow>,
) {
    let above: Vec<MailboxName> = gone.ancestors().collect();
    for above in above.iter().rev() {
        let stands = |r: &&MailboxRow| r.attributes.has(Attributes::EXISTS | Attributes::NOSELECT);
        let Some(parent) = catalog.get(above).filter(stands) else { break };
        let stays = |r: &MailboxRow| {
            let goes = r.name == *gone || r.name.is_below(gone);
            r.attributes.has(Attributes::EXISTS) && !goes && !gone.is_below(&r.name)
        };
        if catalog.below(above).any(stays) || moved.is_some_and(|to| to.is_below(above)) {
            break;
        }
        if parent.attributes.has(Attributes::SUBSCRIBED) {
            let mut row = parent.clone();
            row.attributes.set(Attributes::NOSELECT | Attributes::EXISTS, false);
            ops.push(Op::PutRow(row.clone()));
            rows.push(row);
        } else {
            ops.push(Op::DropRow { id: parent.id, slot: parent.slot, name_slot: parent.name_slot });
        }
    }
}
