//! The Inter-User Communication Vehicle: paths, messages, replies, severs.
//!
//! A *path* joins two *communicators* (virtual machines, or a virtual machine and a service). A message is a control
//! buffer and a data buffer, both [`Bytes`], so nothing is copied on the way. What happens to a message depends on the
//! receiving end:
//!
//! - a *service* ([`IucvService`]) answers in the sender's own task: a send costs about a function call;
//! - a *guest* reads its messages from the path's queue ([`IucvPath::next`]) and answers each with a reply.
//!
//! Invariants: each end has its own path id; a path that either end severed accepts no message; at most the message
//! limit of messages is outstanding from one end; a virtual machine has at most MAXCONN paths.
//!
//! Not here: the 40-byte parameter list and its addresses (no S/390 program runs), TESTMSG, TESTCMPL, DESCRIBE and the
//! masks, which exist for programs that take interrupts one at a time.
//!
//! Source: facts of IUCV function and return codes (VM/SP System Programmer's Guide, "IUCV").

mod authority;
mod communicator;
mod exchange;
mod path;

use bytes::Bytes;
use futures::future::BoxFuture;
use std::sync::Arc;
use thiserror::Error;

use crate::name::{FilePoolId, UserId};

pub use authority::{PathGrant, authorise};
pub use communicator::Communicator;
pub(crate) use exchange::Party;
pub use exchange::{Exchange, ResourceOwner};
pub use path::{Interrupt, IucvPath, PathBack, PendingConnection, PendingMessage};

/// Message limit of a path when neither directory nor CONNECT says otherwise.
pub const DEFAULT_MSGLIMIT: u16 = 10;

/// Greatest message limit (VM/ESA; VM/SP stopped at 255).
pub const MAX_MSGLIMIT: u16 = 65_535;

/// Connections that may wait for a guest to accept them; one more is refused as if the target had no buffer, so that
/// a guest which never looks costs a bounded amount.
pub const MAX_PENDING_CONNECTIONS: usize = 256;

/// The sixteen bytes of user data that travel with CONNECT, ACCEPT and SEVER.
pub type UserData = [u8; 16];

/// Number of a path as one of its ends knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PathId(pub u16);

/// One message on a path.
#[derive(Clone, Debug, Default)]
pub struct IucvMessage {
    /// Target message class (IPTRGCLS).
    pub class: u32,
    /// The control block of the request.
    pub control: Bytes,
    /// Bulk data, handed over without a copy.
    pub data: Bytes,
    /// Sent ahead of ordinary messages; only on a path that was authorised for it.
    pub priority: bool,
}

/// The answer to a two-way message.
#[derive(Clone, Debug, Default)]
pub struct IucvReply {
    /// The control block of the answer.
    pub control: Bytes,
    /// Bulk data, handed over without a copy.
    pub data: Bytes,
}

/// What a CONNECT asks for.
#[derive(Clone, Debug, Default)]
pub struct ConnectParms {
    /// Wanted message limit; `None` takes the directory's.
    pub msglimit: Option<u16>,
    /// User data for the target.
    pub user: UserData,
    /// Whether priority messages are wanted.
    pub priority: bool,
}

/// Whom a CONNECT is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IucvTarget {
    /// Another virtual machine.
    User(UserId),
    /// A CP system service, by its name with the asterisk, such as `*SPL`.
    Service(String),
    /// A resource that some virtual machine identified with `*IDENT`, such as a file pool.
    Resource(FilePoolId),
}

/// IUCV return codes (IPRCODE). Names say what went wrong; [`IpRcode::code`] is the documented number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IpRcode {
    /// 01: no such path, or it has been severed.
    #[error("invalid path")]
    InvalidPath,
    /// 02: the path is quiesced.
    #[error("path quiesced")]
    Quiesced,
    /// 03: too many messages outstanding.
    #[error("message limit exceeded")]
    MessageLimit,
    /// 04: priority messages are not allowed on this path.
    #[error("priority not allowed")]
    PriorityNotAllowed,
    /// 09: the message was purged, or rejected by its target.
    #[error("message purged")]
    Purged,
    /// 11: the target is not logged on.
    #[error("target not logged on")]
    NotLoggedOn,
    /// 12: the target has declared no buffer.
    #[error("target has no buffer declared")]
    NoBuffer,
    /// 13: the connector has its maximum of connections.
    #[error("connector has its maximum of connections")]
    ConnectorMax,
    /// 14: the target has its maximum of connections.
    #[error("target has its maximum of connections")]
    TargetMax,
    /// 15: the directory does not authorise the connection.
    #[error("not authorised")]
    NotAuthorised,
    /// 16: no such CP system service, or no such resource.
    #[error("no such service or resource")]
    NoSuchService,
    /// 19: an interrupt buffer has been declared already.
    #[error("buffer already declared")]
    BufferDeclared,
    /// 20: the other side severed before the connection was complete.
    #[error("connection severed by the target")]
    Severed(UserData),
}

impl IpRcode {
    /// The documented number of the code.
    pub fn code(self) -> u8 {
        match self {
            Self::InvalidPath => 1,
            Self::Quiesced => 2,
            Self::MessageLimit => 3,
            Self::PriorityNotAllowed => 4,
            Self::Purged => 9,
            Self::NotLoggedOn => 11,
            Self::NoBuffer => 12,
            Self::ConnectorMax => 13,
            Self::TargetMax => 14,
            Self::NotAuthorised => 15,
            Self::NoSuchService => 16,
            Self::BufferDeclared => 19,
            Self::Severed(_) => 20,
        }
    }
}

/// What a service learns of a connection request.
pub struct ConnectRequest {
    /// The connecting virtual machine, as CP vouches for it.
    pub from: UserId,
    /// User data of the CONNECT.
    pub user: UserData,
    /// Message limit granted.
    pub msglimit: u16,
    /// The way back to the connector: one-way messages and SEVER.
    pub back: PathBack,
}

/// A service: something that answers messages in the sender's task.
pub trait IucvService: Send + Sync {
    /// Accepts a connection by returning the handler of its path, or severs it with the user data given.
    ///
    /// # Errors
    /// The user data of the SEVER, whose first byte is a reason of the service's own.
    fn connect(&self, request: ConnectRequest) -> Result<Arc<dyn PathHandler>, UserData>;
}

/// One path of a service.
pub trait PathHandler: Send + Sync {
    /// Answers one message.
    fn message<'a>(&'a self, message: IucvMessage) -> BoxFuture<'a, Result<IucvReply, IpRcode>>;

    /// The connector severed the path, logged off, or was reset.
    fn severed(&self, user: UserData);
}

#[cfg(test)]
mod tests;
