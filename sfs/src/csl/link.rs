//! The connection to a file pool server.

use std::sync::Arc;

use bytes::Bytes;
use cp::Guest;
use cp::iucv::{ConnectParms, IpRcode, IucvMessage, IucvPath, IucvTarget, MAX_MSGLIMIT};
use cp::name::FilePoolId;
use futures::future::BoxFuture;
use tokio::sync::Notify;

use crate::reason::ReasonCode;
use crate::server::SEVER_NOT_ENROLLED;
use crate::server::protocol::CLASS_REQUEST;

/// Makes connections to file pools.
pub trait PoolConnector: Send + Sync {
    /// Connects to the server of `pool`.
    fn connect(&self, pool: FilePoolId) -> BoxFuture<'_, Result<Arc<dyn PoolLink>, ReasonCode>>;
}

/// A connection to a file pool.
pub trait PoolLink: Send + Sync {
    /// Sends a request and returns the reply: control and data.
    fn request(&self, control: Bytes, data: Bytes) -> BoxFuture<'_, Result<(Bytes, Bytes), ReasonCode>>;

    /// True when it can carry nothing more.
    fn is_severed(&self) -> bool;

    /// Ends the connection.
    fn sever(&self);
}

/// Connections as IUCV paths of a virtual machine.
#[derive(Clone)]
pub struct GuestConnector {
    guest: Guest,
}

impl GuestConnector {
    /// Connections of `guest`.
    pub fn new(guest: Guest) -> Self {
        Self { guest }
    }
}

impl PoolConnector for GuestConnector {
    fn connect(&self, pool: FilePoolId) -> BoxFuture<'_, Result<Arc<dyn PoolLink>, ReasonCode>> {
        Box::pin(async move {
            // One path carries all work units of the machine.
            let parms = ConnectParms { msglimit: Some(MAX_MSGLIMIT), ..ConnectParms::default() };
            let path = self.guest.iucv_connect(&IucvTarget::Resource(pool), &parms).await;
            match path {
                Ok(path) => Ok(Arc::new(IucvLink { path, answered: Notify::new() }) as Arc<dyn PoolLink>),
                Err(IpRcode::NoSuchService | IpRcode::NotLoggedOn | IpRcode::NoBuffer) => {
                    Err(ReasonCode::PoolUnknown)
                }
                Err(IpRcode::Severed([SEVER_NOT_ENROLLED, ..])) => Err(ReasonCode::NotEnrolled),
                Err(_) => Err(ReasonCode::ConnectionRefused),
            }
        })
    }
}

struct IucvLink {
    path: IucvPath,
    answered: Notify,
}

/// Tells one who waits for room on the path that there is some.
struct Answered<'a>(&'a Notify);

impl Drop for Answered<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl PoolLink for IucvLink {
    fn request(&self, control: Bytes, data: Bytes) -> BoxFuture<'_, Result<(Bytes, Bytes), ReasonCode>> {
        Box::pin(async move {
            loop {
                let answered = self.answered.notified();
                let message = IucvMessage {
                    class: CLASS_REQUEST,
                    control: control.clone(),
                    data: data.clone(),
                    priority: false,
                };
                let sent = {
                    // Also when the caller gives up.
                    let _answered = Answered(&self.answered);
                    self.path.send(message).await
                };
                match sent {
                    Ok(reply) => return Ok((reply.control, reply.data)),
                    // The directory allows fewer messages than this machine has calls under way: one of them is answered
                    // before long.
                    Err(IpRcode::MessageLimit) => answered.await,
                    Err(_) => return Err(ReasonCode::ConnectionLost),
                }
            }
        })
    }

    fn is_severed(&self) -> bool {
        self.path.is_severed()
    }

    fn sever(&self) {
        self.path.sever([0; 16]);
    }
}
