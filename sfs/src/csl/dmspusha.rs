//! DMSPUSHA - Push User ID: work for another user.
//!
//! Work unit ids that are got while a user id is on top of the stack work for that user: what is done on them is done with his
//! authority and no other, and what they lock and create is his. They do so until they are returned, whatever becomes of the stack;
//! other work unit ids, the default one among them, stay the machine's own. Names without a file space mean the machine's default
//! file space as before. With the last of these work unit ids the connections go on which they were.
//!
//! A file pool server lets its administrators do so, who may do everything for everybody anyway; to others it answers
//! `NotAdministrator` at the first call. When somebody ceases to be an administrator, these connections are severed.

use bytes::Bytes;
use cp::name::UserId;

use super::{Csl, CslError, PoolLink, ReasonCode};
use crate::server::protocol::{Answer, Call, Failure, Reply, Request, decode, encode};

impl Csl {
    /// DMSPUSHA. Needs no server; each is asked when a work unit of the user first calls it.
    ///
    /// # Errors
    /// `LimitExceeded` for more user ids than a program could mean.
    pub fn dmspusha(&self, userid: UserId) -> Result<(), CslError> {
        Ok(self.inner.units.lock().push_user(userid)?)
    }
}

impl Csl {
    /// Ends the connections that work for a user once no work unit does.
    pub(super) async fn work_for_no_more(&self, user: UserId) {
        let mut links = self.inner.links.lock().await;
        // First, so that who gets a work unit for the user after the question below makes a connection of his own.
        *self.inner.last_link.lock() = None;
        if self.inner.units.lock().works_for(user) {
            return;
        }
        for (_, (link, _)) in links.extract_if(|(_, alternate), _| *alternate == Some(user)) {
            link.sever();
        }
    }
}

/// Has a new connection work for another user.
pub(super) async fn work_for(link: &dyn PoolLink, user: UserId) -> Result<(), CslError> {
    on_connection(link, Call::WorkFor { user }).await.map(|_| ()).inspect_err(|_| link.sever())
}

/// A call that concerns a connection and no work unit.
pub(super) async fn on_connection(link: &dyn PoolLink, call: Call) -> Result<Answer, CslError> {
    let request = Request { unit: 0, wait: false, commit: false, user_data: None, call };
    let (control, _) = link.request(encode(&request)?, Bytes::new()).await?;
    let reply: Result<Reply, Failure> = decode(&control)?;
    match reply {
        Ok(reply) => Ok(reply.answer),
        Err(Failure { reason, .. }) => Err(ReasonCode::into(reason)),
    }
}
