//! One path and its two ends.
//!
//! The ends share a [`PathCore`]. End 0 is the connector, end 1 the target. An end is either *served* (a
//! [`PathHandler`] answers in the sender's task) or *queued* (its owner calls [`IucvPath::next`]).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::communicator::Slot;
use super::{IpRcode, IucvMessage, IucvReply, PathGrant, PathHandler, PathId, UserData};
use crate::name::UserId;

/// Something that happened on a path, in the order it happened.
#[derive(Debug)]
pub enum Interrupt {
    /// A message from the other end (types 08 and 09).
    Message(PendingMessage),
    /// The other end severed (type 03); nothing follows.
    Severed(UserData),
    /// The other end quiesced the path (type 04).
    Quiesced(UserData),
    /// The other end resumed the path (type 05).
    Resumed(UserData),
}

/// A message that waits for its receiver.
#[derive(Debug)]
pub struct PendingMessage {
    /// The message itself.
    pub message: IucvMessage,
    reply: Option<oneshot::Sender<IucvReply>>,
}

impl PendingMessage {
    /// True when the sender waits for an answer.
    pub fn wants_reply(&self) -> bool {
        self.reply.is_some()
    }

    /// Answers a two-way message; for a one-way message, and for a sender that has gone, nothing happens.
    /// A message dropped without a reply is purged (IPRCODE 09 at the sender).
    pub fn reply(self, reply: IucvReply) {
        if let Some(waiter) = self.reply {
            // The sender may have given up; the answer is then of no use to anybody.
            let _gone = waiter.send(reply);
        }
    }
}

#[derive(Default)]
struct Queue {
    interrupts: VecDeque<Interrupt>,
}

/// One end's own half of the state.
struct End {
    owner: UserId,
    slot: Mutex<Option<Slot>>,
    handler: OnceLock<Arc<dyn PathHandler>>,
    queue: Mutex<Queue>,
    arrived: Notify,
    /// Messages sent from this end and not yet answered or received.
    outstanding: AtomicU32,
    /// This end does not want messages for the time being.
    quiesced: AtomicBool,
}

impl End {
    fn new(owner: UserId) -> Self {
        Self {
            owner,
            slot: Mutex::new(None),
            handler: OnceLock::new(),
            queue: Mutex::default(),
            arrived: Notify::new(),
            outstanding: AtomicU32::new(0),
            quiesced: AtomicBool::new(false),
        }
    }

    fn post(&self, interrupt: Interrupt) {
        self.queue.lock().interrupts.push_back(interrupt);
        self.arrived.notify_one();
    }
}

pub(super) struct PathCore {
    ends: [End; 2],
    severed: AtomicBool,
    grant: PathGrant,
}

impl PathCore {
    pub(super) fn new(connector: UserId, target: UserId, grant: PathGrant) -> Arc<Self> {
        Arc::new(Self {
            ends: [End::new(connector), End::new(target)],
            severed: AtomicBool::new(false),
            grant,
        })
    }

    pub(super) fn serve(&self, end: usize, handler: Arc<dyn PathHandler>) {
        // A path gets its handler once, when it is made.
        let _already = self.ends[end].handler.set(handler);
    }

    pub(super) fn occupy(&self, end: usize, slot: Slot) {
        *self.ends[end].slot.lock() = Some(slot);
    }

    /// Severs from `end`: the other end learns of it, both slots are given back. Later severs do nothing.
    pub(super) fn sever(&self, end: usize, user: UserData) {
        if self.severed.swap(true, Ordering::AcqRel) {
            return;
        }
        for e in &self.ends {
            drop(e.slot.lock().take());
        }
        let peer = &self.ends[1 - end];
        match peer.handler.get() {
            Some(handler) => handler.severed(user),
            None => peer.post(Interrupt::Severed(user)),
        }
        // Whoever waits on this end must see that nothing more will come.
        self.ends[end].arrived.notify_one();
    }

    fn admit(&self, end: usize, priority: bool) -> Result<Outstanding<'_>, IpRcode> {
        if self.severed.load(Ordering::Acquire) {
            return Err(IpRcode::InvalidPath);
        }
        if self.ends[1 - end].quiesced.load(Ordering::Acquire) {
            return Err(IpRcode::Quiesced);
        }
        if priority && !self.grant.priority {
            return Err(IpRcode::PriorityNotAllowed);
        }
        let count = &self.ends[end].outstanding;
        if count.fetch_add(1, Ordering::AcqRel) >= u32::from(self.grant.msglimit) {
            count.fetch_sub(1, Ordering::AcqRel);
            return Err(IpRcode::MessageLimit);
        }
        Ok(Outstanding(count))
    }
}

/// Holds one place under the message limit.
struct Outstanding<'a>(&'a AtomicU32);

impl Drop for Outstanding<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Severs when the last clone of an end goes.
struct EndGuard {
    core: Arc<PathCore>,
    end: usize,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.core.sever(self.end, UserData::default());
    }
}

/// One end of a path, as its owner holds it. Clones are the same end; when the last is dropped, the path is severed.
#[derive(Clone)]
pub struct IucvPath {
    guard: Arc<EndGuard>,
    id: PathId,
}

impl IucvPath {
    pub(super) fn new(core: Arc<PathCore>, end: usize, id: PathId) -> Self {
        Self { guard: Arc::new(EndGuard { core, end }), id }
    }

    /// The number of the path at this end.
    pub fn id(&self) -> PathId {
        self.id
    }

    /// The user id at the other end.
    pub fn peer(&self) -> UserId {
        self.guard.core.ends[1 - self.guard.end].owner
    }

    /// Sends a two-way message and waits for its reply.
    ///
    /// # Errors
    /// [`IpRcode`]; `Purged` when the other end dropped the message without an answer, `InvalidPath` when the path
    /// was severed.
    pub async fn send(&self, message: IucvMessage) -> Result<IucvReply, IpRcode> {
        let (core, end) = (&self.guard.core, self.guard.end);
        let _place = core.admit(end, message.priority)?;
        let peer = &core.ends[1 - end];
        if let Some(handler) = peer.handler.get() {
            return handler.message(message).await;
        }
        let (answer, answered) = oneshot::channel();
        peer.post(Interrupt::Message(PendingMessage { message, reply: Some(answer) }));
        answered.await.map_err(|_| {
            if core.severed.load(Ordering::Acquire) { IpRcode::InvalidPath } else { IpRcode::Purged }
        })
    }

    /// Sends a one-way message.
    ///
    /// # Errors
    /// [`IpRcode`] as for [`IucvPath::send`].
    pub async fn send_one_way(&self, message: IucvMessage) -> Result<(), IpRcode> {
        let (core, end) = (&self.guard.core, self.guard.end);
        let _place = core.admit(end, message.priority)?;
        let peer = &core.ends[1 - end];
        if let Some(handler) = peer.handler.get() {
            return handler.message(message).await.map(|_| ());
        }
        post_bounded(core, end, message)
    }

    /// The next thing that happens on this end; `None` once the path is severed and all has been taken.
    pub async fn next(&self) -> Option<Interrupt> {
        let end = &self.guard.core.ends[self.guard.end];
        loop {
            let arrived = end.arrived.notified();
            if let Some(interrupt) = end.queue.lock().interrupts.pop_front() {
                return Some(interrupt);
            }
            if self.guard.core.severed.load(Ordering::Acquire) {
                return None;
            }
            arrived.await;
        }
    }

    /// Stops the other end from sending until [`IucvPath::resume`].
    pub fn quiesce(&self, user: UserData) {
        let own = &self.guard.core.ends[self.guard.end];
        own.quiesced.store(true, Ordering::Release);
        self.tell_peer(Interrupt::Quiesced(user));
    }

    /// Lets the other end send again.
    pub fn resume(&self, user: UserData) {
        let own = &self.guard.core.ends[self.guard.end];
        own.quiesced.store(false, Ordering::Release);
        self.tell_peer(Interrupt::Resumed(user));
    }

    /// Severs the path with sixteen bytes for the other end.
    pub fn sever(&self, user: UserData) {
        self.guard.core.sever(self.guard.end, user);
    }

    /// True once either end severed.
    pub fn is_severed(&self) -> bool {
        self.guard.core.severed.load(Ordering::Acquire)
    }

    fn tell_peer(&self, interrupt: Interrupt) {
        let peer = &self.guard.core.ends[1 - self.guard.end];
        if peer.handler.get().is_none() {
            peer.post(interrupt);
        }
    }
}

/// Queues a one-way message unless the receiver has as many waiting as the message limit allows.
fn post_bounded(core: &PathCore, end: usize, message: IucvMessage) -> Result<(), IpRcode> {
    let peer = &core.ends[1 - end];
    {
        let mut queue = peer.queue.lock();
        if queue.interrupts.len() >= usize::from(core.grant.msglimit) {
            return Err(IpRcode::MessageLimit);
        }
        queue.interrupts.push_back(Interrupt::Message(PendingMessage { message, reply: None }));
    }
    peer.arrived.notify_one();
    Ok(())
}

/// A service's way back to the connector of one path. Holding it does not keep the path alive.
#[derive(Clone)]
pub struct PathBack {
    core: Weak<PathCore>,
}

impl PathBack {
    pub(super) fn new(core: &Arc<PathCore>) -> Self {
        Self { core: Arc::downgrade(core) }
    }

    /// Sends a one-way message to the connector; returns at once.
    ///
    /// # Errors
    /// `InvalidPath` when the path is gone, `MessageLimit` when the connector has the limit waiting already.
    pub fn notify(&self, message: IucvMessage) -> Result<(), IpRcode> {
        let core = self.core.upgrade().ok_or(IpRcode::InvalidPath)?;
        let _place = core.admit(1, message.priority)?;
        post_bounded(&core, 1, message)
    }

    /// Severs the path from the service's side.
    pub fn sever(&self, user: UserData) {
        if let Some(core) = self.core.upgrade() {
            core.sever(1, user);
        }
    }
}

/// A connection that waits for the target guest to accept it.
pub struct PendingConnection {
    /// Who wants to connect.
    pub from: UserId,
    /// User data of the CONNECT.
    pub user: UserData,
    pub(super) path: IucvPath,
    pub(super) decide: oneshot::Sender<UserData>,
}

impl PendingConnection {
    /// ACCEPT: completes the connection; `user` reaches the connector.
    ///
    /// # Errors
    /// `Severed` (20) when the originator has gone.
    pub fn accept(self, user: UserData) -> Result<IucvPath, IpRcode> {
        self.decide.send(user).map_err(|_| IpRcode::Severed(UserData::default()))?;
        Ok(self.path)
    }

    /// SEVER instead of ACCEPT.
    pub fn refuse(self, user: UserData) {
        self.path.sever(user);
    }
}
