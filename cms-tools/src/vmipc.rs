//! VMIPC: requests from one virtual machine's CMS to a program in another.
//!
//! A request is a line of text, its answer a return code and lines. It travels over an IUCV path, so the server learns
//! the requester's user id from CP and can trust it. Who may connect is in the server's `$SERVER$ NAMES`: the entry
//! `:nick.VMIPC`, tag `:list.`; somebody who is not in the list is refused at the connection.
//!
//! Ours: the form of request and answer (no page gives the message layout of CMS multitasking queues).

use std::sync::Arc;

use bytes::Bytes;
use cp::Guest;
use cp::iucv::{
    ConnectParms, Interrupt, IpRcode, IucvMessage, IucvPath, IucvReply, IucvTarget, PendingMessage, UserData,
};
use cp::name::UserId;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::names::NamesEntry;

/// Name of the private resource, as it stands in `$SERVER$ NAMES` and in the CONNECT's user data.
pub const RESOURCE: &str = "VMIPC";

/// Longest request in characters: a console line.
pub const MAX_REQUEST_CHARS: usize = 2_048;

/// Requests that may wait for a server.
pub const MAX_WAITING_REQUESTS: usize = 64;

/// First byte of the user data with which a connection is refused: the requester is not in the list.
pub const SEVER_NOT_AUTHORISED: u8 = 1;

/// The user data of a CONNECT to VMIPC.
fn resource_data() -> UserData {
    let mut data = UserData::default();
    data[..RESOURCE.len()].copy_from_slice(RESOURCE.as_bytes());
    data
}

/// The answer to a request.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Return code.
    pub rc: i32,
    /// Lines to show.
    pub lines: Vec<String>,
}

impl Answer {
    /// An answer of one line.
    pub fn line(rc: i32, text: impl Into<String>) -> Self {
        Self { rc, lines: vec![text.into()] }
    }
}

/// A request that waits for its answer.
pub struct Request {
    /// Who asks, as CP vouches for it.
    pub from: UserId,
    /// The request.
    pub text: String,
    message: PendingMessage,
}

impl Request {
    /// Answers the request.
    pub fn answer(self, answer: &Answer) {
        let control = bincode::serde::encode_to_vec(answer, bincode::config::standard()).unwrap_or_default();
        self.message.reply(IucvReply { control: Bytes::from(control), data: Bytes::new() });
    }
}

/// Why a request was not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    /// The requester is not in the server's list.
    #[error("you are not in the server's list of administrators ($SERVER$ NAMES)")]
    NotAuthorised,
    /// CP refused the connection or lost the path.
    #[error("{0}")]
    Iucv(IpRcode),
    /// The answer made no sense.
    #[error("the server's answer was damaged")]
    BadAnswer,
}

/// Whether `user` may use the resource, by the server's entry for it.
pub fn is_listed(entry: Option<&NamesEntry>, user: UserId) -> bool {
    entry.is_some_and(|e| e.words("list").any(|w| w == "*" || w.eq_ignore_ascii_case(user.as_str())))
}

/// Serves VMIPC in a machine: connections from listed users are accepted, their requests come out of the receiver.
/// `listed` decides for each connection, so that a changed list needs no restart.
///
/// # Errors
/// [`IpRcode`] when the machine serves connections already.
pub fn serve(
    guest: &Guest,
    listed: impl Fn(UserId) -> bool + Send + Sync + 'static,
) -> Result<mpsc::Receiver<Request>, IpRcode> {
    guest.iucv_declare_buffer()?;
    let (requests, receiver) = mpsc::channel(MAX_WAITING_REQUESTS);
    let (server, listed) = (guest.clone(), Arc::new(listed));
    // The task ends with the machine.
    drop(guest.spawn(async move {
        loop {
            let connection = server.next_connection().await;
            if connection.user != resource_data() || !listed(connection.from) {
                let mut why = UserData::default();
                why[0] = SEVER_NOT_AUTHORISED;
                connection.refuse(why);
                continue;
            }
            let from = connection.from;
            if let Ok(path) = connection.accept(UserData::default()) {
                drop(server.spawn(serve_path(path, from, requests.clone())));
            }
        }
    }));
    Ok(receiver)
}

async fn serve_path(path: IucvPath, from: UserId, requests: mpsc::Sender<Request>) {
    while let Some(interrupt) = path.next().await {
        let Interrupt::Message(message) = interrupt else { continue };
        let text = String::from_utf8_lossy(&message.message.data).into_owned();
        // When the server has gone the message is dropped, which purges it at the sender.
        if requests.send(Request { from, text, message }).await.is_err() {
            return;
        }
    }
}

/// Sends one request to the server `target` and waits for its answer.
///
/// # Errors
/// [`RequestError`].
pub async fn request(guest: &Guest, target: UserId, text: &str) -> Result<Answer, RequestError> {
    let parms = ConnectParms { user: resource_data(), ..Default::default() };
    let path = guest.iucv_connect(&IucvTarget::User(target), &parms).await.map_err(|rc| match rc {
        IpRcode::Severed(user) if user[0] == SEVER_NOT_AUTHORISED => RequestError::NotAuthorised,
        other => RequestError::Iucv(other),
    })?;
    let clipped: String = text.chars().take(MAX_REQUEST_CHARS).collect();
    let message = IucvMessage { data: Bytes::from(clipped.into_bytes()), ..Default::default() };
    let reply = path.send(message).await.map_err(RequestError::Iucv)?;
    bincode::serde::decode_from_slice(&reply.control, bincode::config::standard())
        .map(|(answer, _)| answer)
        .map_err(|_| RequestError::BadAnswer)
}
