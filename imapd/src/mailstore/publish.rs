//! Publishing mailboxes in the namespace of shared ones: one after the other, so that no two get the same name.

use std::sync::Arc;

use super::access::{Identifier, Published, RightsChange};
use super::error::StoreError;
use super::leave::Leave;
use super::store::MailStore;
use super::types::{MailboxId, MailboxRow};
use super::user::{AccessChange, UserStore};
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::rights::Rights;
use crate::vm::UserId;

/// How a mailbox is to be shared.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// The name below the namespace; without one that which it has there, or that which its owner gave it.
    pub name: Option<MailboxName>,
    /// Who may do what with it and with what is below.
    pub given: (Identifier, Rights),
    /// Whether readers have a `\Seen` of their own, when that is said.
    pub own_seen: Option<bool>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shared {
    /// It is shared under this name.
    As(MailboxName),
    /// That name is the one under which this user shares another.
    Taken(UserId, MailboxName),
}

impl MailStore {
    /// Publishes a mailbox that was looked up, unless another has the name.
    ///
    /// # Errors
    /// [`StoreError::NoSuchMailbox`] when its name stands for another one by now, and what the store says.
    pub async fn publish(
        &self,
        owner: &Arc<UserStore>,
        row: &MailboxRow,
        sharing: Sharing,
    ) -> Result<Shared, StoreError> {
        let _one_at_a_time = self.publishing().await;
        let published = self.sharers().await?.published();
        let is_this = |user: UserId, id: MailboxId| (user, id) == (owner.id(), row.id);
        let now = || published.iter().find(|(user, id, _)| is_this(*user, *id)).map(|(_, _, how)| &how.name);
        let name = sharing.name.unwrap_or_else(|| now().unwrap_or(&row.name).clone());
        let other = published.iter().find(|(user, id, how)| how.name == name && !is_this(*user, *id));
        if let Some((user, ..)) = other {
            return Ok(Shared::Taken(*user, name));
        }
        let leave = Leave::default().named(owner.id(), row);
        let (who, rights) = sharing.given;
        let changes = vec![
            AccessChange::Publish(Some(Published { name: name.clone() })),
            AccessChange::Rights(who, RightsChange::Replace, rights),
        ];
        match sharing.own_seen {
            Some(own) => owner.share_for(row.name.clone(), own, changes, leave).await?,
            None => owner.change_access_below_for(row.name.clone(), changes, leave).await?,
        }
        Ok(Shared::As(name))
    }

    /// Ends that, with all rights of others on it and on what is below; false when it was not published.
    ///
    /// # Errors
    /// As [`MailStore::publish`].
    pub async fn unpublish(&self, owner: &Arc<UserStore>, row: &MailboxRow) -> Result<bool, StoreError> {
        let _one_at_a_time = self.publishing().await;
        let published = self.sharers().await?.published();
        if !published.iter().any(|(user, id, _)| (*user, *id) == (owner.id(), row.id)) {
            return Ok(false);
        }
        let leave = Leave::default().named(owner.id(), row);
        let changes = vec![AccessChange::Publish(None), AccessChange::Clear];
        owner.share_for(row.name.clone(), false, changes, leave).await?;
        Ok(true)
    }
}
