//! COPY and MOVE (RFC 3501 section 6.4.7, RFC 4315 section 3, RFC 6851)

use super::append::try_create;
use super::{Done, across, expunge, list, no_such_number, place, read_only, some_expunged, view};
use crate::mailstore::user::{CopyHow, Untouchable};
use crate::mailstore::{Uid, UidValidity};
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::MailboxArg;
use crate::syntax::rights::Rights;
use crate::syntax::seqset::{NumberSet, SequenceSet};

/// Rights to take messages away: it is a STORE of \Deleted and an EXPUNGE.
pub(super) const MOVES: Rights = Rights::DELETE_MESSAGES.and(Rights::EXPUNGE);

/// Copies or moves messages, all or none. A message that is gone fails a COPY by number.
///
/// # Errors
/// When the mail store fails.
pub async fn run(
    session: &mut Session,
    set: &SequenceSet,
    mailbox: MailboxArg,
    by_uid: bool,
    remove: bool,
    out: &mut Out<'_>,
) -> Done {
    let place = place::place(session, &mailbox).await.map_err(try_create)?;
    let view = view(session)?;
    if remove && view.read_only {
        return Ok(read_only());
    }
    if remove {
        place::need_in(session, view, MOVES)?;
    }
    let Some(mut selected) = view.select(set, by_uid) else { return Ok(no_such_number()) };
    let limited = if remove { session.limit(&mut selected) } else { None };
    // A COPY is all or nothing (RFC 3501 section 6.4.7).
    if let Some(limit) =
        session.save_limit().filter(|limit| !remove && selected.len() > limit.messages as usize)
    {
        let lowest = selected.iter().nth_back(limit.messages as usize - 1).map(|(_, uid)| *uid);
        return Ok(limit.refusal(lowest));
    }
    let uids: Vec<Uid> = selected.iter().map(|(_, uid)| *uid).collect();
    if !by_uid {
        let state = view.mailbox.state();
        if uids.iter().any(|u| state.columns.position(*u).is_none()) {
            return Ok(some_expunged());
        }
    }
    let from = view.mailbox.clone();
    let (to, rights) = place.open(Rights::INSERT).await.map_err(|e| Reply::try_create(&e))?;
    let done = if remove { "MOVE completed" } else { "COPY completed" };
    if uids.is_empty() {
        return Ok(Reply::ok(done));
    }
    let how = CopyHow { remove, kept: Untouchable::within(rights), all: !by_uid };
    let mut by = place::asker(session, &to, Rights::INSERT)?;
    if remove {
        by.leave = by.leave.on(place.who(), &from, MOVES);
    }
    // What is seen by this user alone goes with the copies, for whom they are.
    let own_seen = view.has_own_seen() || (place.reader().is_some() && to.has_own_seen());
    let copied = if place.owner.id() == from.user.id() && !own_seen {
        place.owner.copy_within(&from, uids, &to, how, by).await
    } else {
        across::copy(&session.server, view, &uids, (&to, place.reader()), how, by).await
    };
    let pairs = match copied {
        Ok(pairs) => pairs,
        // It is the source that went: making the target would not help.
        Err(e) if from.state().deleted => return Ok(Reply::from_store(&e)),
        Err(e) => return Ok(Reply::try_create(&e)),
    };
    if pairs.is_empty() {
        return Ok(Reply::ok(done));
    }
    list::normalized(session, &mailbox, &place, out.buf)?;
    // To one who may not select the target, UIDs would tell of it (RFC 9051 section 6.4.7).
    let code = rights.has(Rights::READ).then(|| copy_uid(to.uid_validity, &pairs));
    if !remove {
        return Ok(code.map_or_else(|| Reply::ok(done), |code| Reply::ok_code(code, done)));
    }
    if let Some(code) = code {
        // Before the EXPUNGE responses, so that the client knows where the messages went (RFC 6851 section 4.3).
        out.buf.extend_from_slice(format!("* OK [{code}] Moved\r\n").as_bytes());
    }
    let reply = expunge::done(session, &from, pairs.len(), done);
    Ok(match limited {
        Some(limited) => limited.tell(reply, out.buf),
        None => reply,
    })
}

/// Where messages went (RFC 4315 section 3).
fn copy_uid(validity: UidValidity, pairs: &[(Uid, Uid)]) -> String {
    let from = NumberSet::from_sorted(pairs.iter().map(|(a, _)| a.0));
    let to = NumberSet::from_sorted(pairs.iter().map(|(_, b)| b.0));
    format!("COPYUID {validity} {from} {to}")
}
