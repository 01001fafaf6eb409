//! The side of CP: paths, requests, active files, and the announcement on an idle path.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use cp::Cp;
use cp::iucv::{
    ConnectRequest, IpRcode, IucvMessage, IucvReply, IucvService, PathBack, PathHandler, UserData,
};
use cp::name::{SpoolId, UserId};
use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::block::{Answer, Sfblok, Spgbk, SplArrival, Sprbk, decode, encode, option, queue_of};
use super::splink::Pager;
use super::{MAX_PATHS, MAX_SPLINKS, SERVICE, class, rc, sever, splink_rc};
use crate::engine::{Event, Spool, Watcher};
use crate::error::SpoolError;
use crate::file::{Queue, SharedFile, UniqueId};
use crate::reader::{Active, Disposition, Records};

/// The service.
struct Spl {
    cp: Weak<Cp>,
    spool: Arc<Spool>,
    paths: Arc<Paths>,
}

/// All paths.
#[derive(Default)]
struct Paths(Mutex<Vec<Weak<SplHandler>>>);

pub(super) fn register(cp: &Arc<Cp>, spool: &Arc<Spool>) {
    let paths = Arc::new(Paths::default());
    spool.watchers.write().push(Arc::new(Announce { spool: Arc::downgrade(spool), paths: paths.clone() }));
    let service = Spl { cp: Arc::downgrade(cp), spool: spool.clone(), paths };
    cp.exchange().add_service(SERVICE, Arc::new(service));
}

fn severed(code: u8) -> UserData {
    let mut user = UserData::default();
    user[0] = code;
    user
}

impl IucvService for Spl {
    fn connect(&self, request: ConnectRequest) -> Result<Arc<dyn PathHandler>, UserData> {
        let cp = self.cp.upgrade().ok_or_else(|| severed(sever::SHUTDOWN))?;
        let entry = cp.entry(request.from).ok_or_else(|| severed(sever::BAD_CONNECT))?;
        let kind = cp::codepage::to_text(&request.user[8..]);
        if kind != "VIRTUAL " && kind != "PRINTER " {
            return Err(severed(sever::BAD_CONNECT));
        }
        let mut paths = self.paths.0.lock();
        paths.retain(|path| path.strong_count() > 0);
        let own = paths.iter().filter_map(Weak::upgrade).filter(|path| path.user == request.from).count();
        if own >= MAX_PATHS {
            return Err(severed(sever::TOO_MANY));
        }
        let handler = Arc::new(SplHandler {
            cp: self.cp.clone(),
            spool: self.spool.clone(),
            user: request.from,
            anyone: entry.classes.contains('D'),
            back: request.back,
            idle: Mutex::new(None),
            active: Mutex::default(),
        });
        paths.push(Arc::downgrade(&handler));
        Ok(handler)
    }
}

/// A file that is selected on a path (ASPBK).
struct ActiveFile {
    active: Active,
    file: SharedFile,
    /// Where reading stands; taken while a read is under way.
    pager: tokio::sync::Mutex<Option<Pager>>,
}

/// One path (CAPBK).
struct SplHandler {
    cp: Weak<Cp>,
    spool: Arc<Spool>,
    user: UserId,
    /// Class D: may name any user's queue.
    anyone: bool,
    back: PathBack,
    /// The queue for which the machine waits.
    idle: Mutex<Option<(UserId, Queue)>>,
    active: Mutex<HashMap<UniqueId, Arc<ActiveFile>>>,
}

impl PathHandler for SplHandler {
    fn message<'a>(&'a self, message: IucvMessage) -> BoxFuture<'a, Result<IucvReply, IpRcode>> {
        Box::pin(async move {
            let Some(request) = decode::<Spgbk>(&message.control) else { return Ok(refuse(rc::BAD_LIST)) };
            Ok(match message.class {
                class::SELECT => self.select(&request).await,
                class::READ_SPLINK => self.read_splink(&request).await,
                class::READ_XAB => self.read_xab(&request),
                class::CLOSE => self.close(&request, request.option).await,
                class::PURGE => self.close(&request, option::PURGE).await,
                _ => refuse(rc::BAD_LIST),
            })
        })
    }

    fn severed(&self, _: UserData) {
        // Files without a CLOSE go back to their queue; one that is being read, when the read ends.
        let active = std::mem::take(&mut *self.active.lock());
        *self.idle.lock() = None;
        drop(active);
    }
}

fn answer(reply: Sprbk, sfblok: Option<Sfblok>, data: Bytes) -> IucvReply {
    IucvReply { control: encode(&Answer { reply, sfblok }), data }
}

fn refuse(general: u8) -> IucvReply {
    answer(Sprbk { general, ..Sprbk::default() }, None, Bytes::new())
}

fn general(error: &SpoolError) -> u8 {
    match error {
        SpoolError::NoFile(_) => rc::NO_MATCH,
        SpoolError::InUse(_) => rc::ACTIVE,
        _ => rc::FAILED,
    }
}

impl SplHandler {
    fn check_user(&self, user: UserId) -> Result<(), u8> {
        if user == self.user {
            return Ok(());
        }
        if !self.anyone {
            return Err(rc::NOT_PRIVILEGED);
        }
        let known = self.cp.upgrade().is_some_and(|cp| cp.entry(user).is_some());
        if known { Ok(()) } else { Err(rc::BAD_USER) }
    }

    async fn select(&self, request: &Spgbk) -> IucvReply {
        if let Err(code) = self.check_user(request.user) {
            return refuse(code);
        }
        let chosen = request.option & (option::SPEC | option::NEXT);
        if request.option & option::RESET != 0 {
            let Some(queue) = queue_of(request.queue) else { return refuse(rc::BAD_QUEUE) };
            self.spool.reset_seen(request.user, queue);
            if chosen == 0 {
                return answer(Sprbk::default(), None, Bytes::new());
            }
        }
        let found = match chosen {
            option::SPEC => self.find_specific(request),
            option::NEXT => self.find_next(request),
            _ => Err(rc::BAD_LIST),
        };
        match found {
            Ok(active) => self.give(&active, request).await,
            Err(code) => refuse(code),
        }
    }

    fn find_specific(&self, request: &Spgbk) -> Result<Arc<ActiveFile>, u8> {
        let id = SpoolId::new(request.spid).ok_or(rc::BAD_LIST)?;
        let file =
            self.spool.file(request.user, id).filter(|file| !file.hold.is_held()).ok_or(rc::NO_MATCH)?;
        if let Some(active) = self.active.lock().get(&file.unique) {
            return Ok(active.clone());
        }
        self.activate(&file, request.option).map_err(|error| general(&error))
    }

    /// The next unseen file. Without one the path is idle, and is told of the next that comes.
    fn find_next(&self, request: &Spgbk) -> Result<Arc<ActiveFile>, u8> {
        let queue = queue_of(request.queue).ok_or(rc::BAD_QUEUE)?;
        // Idle first: a file that comes while the queue is looked through is either found or announced.
        *self.idle.lock() = Some((request.user, queue));
        while let Some(file) = self.spool.next_unseen(request.user, queue) {
            match self.activate(&file, request.option) {
                Ok(active) => {
                    *self.idle.lock() = None;
                    return Ok(active);
                }
                // Somebody else was faster.
                Err(SpoolError::InUse(_) | SpoolError::NoFile(_)) => {}
                Err(error) => {
                    // It counts as seen, so that one bad file does not stop the queue.
                    self.spool.mark_seen(file.unique);
                    return Err(general(&error));
                }
            }
        }
        Err(rc::NO_MATCH)
    }

    fn activate(&self, file: &SharedFile, options: u8) -> Result<Arc<ActiveFile>, SpoolError> {
        let (active, file) = Active::open(&self.spool, file)?;
        let records = Records::new(&self.spool, &file)?;
        let node = self.cp.upgrade().map(|cp| cp.config.system_id.clone()).unwrap_or_default();
        let pager = Pager::new(records, &file.tag, file.origin.as_str(), &node);
        self.spool.mark_seen(file.unique);
        let active =
            Arc::new(ActiveFile { active, file: file.clone(), pager: tokio::sync::Mutex::new(Some(pager)) });
        if options & option::NO_SELECT == 0 {
            self.active.lock().insert(file.unique, active.clone());
        }
        Ok(active)
    }

    async fn give(&self, active: &Arc<ActiveFile>, request: &Spgbk) -> IucvReply {
        let mut reply = Sprbk { spid: active.file.id.get(), ..Sprbk::default() };
        let sfblok = (request.option & option::GET_SFB != 0).then(|| Sfblok::of(&active.file));
        if request.option & option::GET_XAB != 0 {
            reply.xab = splink_rc::NO_XAB;
        }
        let mut data = Bytes::new();
        if request.option & option::GET_SPLINK != 0 {
            data = splinks(active, request, &mut reply).await;
        }
        answer(reply, sfblok, data)
    }

    fn selected(&self, request: &Spgbk) -> Result<Arc<ActiveFile>, u8> {
        self.check_user(request.user)?;
        let active = self.active.lock();
        let found = active.values().find(|a| a.file.owner == request.user && a.file.id.get() == request.spid);
        found.cloned().ok_or(rc::NO_MATCH)
    }

    async fn read_splink(&self, request: &Spgbk) -> IucvReply {
        match self.selected(request) {
            Ok(active) => {
                let mut reply = Sprbk { spid: active.file.id.get(), ..Sprbk::default() };
                let data = splinks(&active, request, &mut reply).await;
                answer(reply, None, data)
            }
            Err(code) => refuse(code),
        }
    }

    fn read_xab(&self, request: &Spgbk) -> IucvReply {
        match self.selected(request) {
            Ok(_) => answer(Sprbk { xab: splink_rc::NO_XAB, ..Sprbk::default() }, None, Bytes::new()),
            Err(code) => refuse(code),
        }
    }

    async fn close(&self, request: &Spgbk, options: u8) -> IucvReply {
        let active = match self.selected(request) {
            Ok(active) => active,
            Err(code) => return refuse(code),
        };
        self.active.lock().remove(&active.file.unique);
        // A read that is under way ends first; then nobody else holds the file.
        drop(active.pager.lock().await.take());
        let Ok(ActiveFile { active: guard, file, .. }) = Arc::try_unwrap(active).map_err(drop) else {
            return refuse(rc::ACTIVE);
        };
        let done = if options & option::PURGE != 0 {
            guard.close(&file, Disposition::Purge).await
        } else {
            let mut changed = (*file).clone();
            changed.hold.user |= options & option::USER_HOLD != 0;
            changed.hold.system |= options & option::SYSTEM_HOLD != 0;
            if options & option::DECREMENT != 0 && changed.copies > 1 {
                changed.copies -= 1;
            }
            let done = if changed == *file { Ok(()) } else { self.spool.replace(changed).await };
            drop(guard);
            done
        };
        match done {
            Ok(()) => answer(Sprbk { spid: file.id.get(), ..Sprbk::default() }, None, Bytes::new()),
            Err(error) => refuse(general(&error)),
        }
    }
}

/// Reads the pages that `request` asks for.
async fn splinks(active: &ActiveFile, request: &Spgbk, reply: &mut Sprbk) -> Bytes {
    if request.first_splink == 0 || request.splinks > MAX_SPLINKS {
        reply.splink = splink_rc::BAD_START;
        return Bytes::new();
    }
    let mut held = active.pager.lock().await;
    let Some(pager) = held.as_mut() else {
        reply.splink = splink_rc::PAGING;
        return Bytes::new();
    };
    if pager.position().is_none_or(|at| at > request.first_splink) {
        pager.rewind();
    }
    let mut out = Vec::new();
    while pager.position().is_some_and(|at| at < request.first_splink) {
        out.clear();
        if pager.page(&mut out).await.is_err() {
            reply.splink = splink_rc::PAGING;
            return Bytes::new();
        }
    }
    out.clear();
    if pager.position().is_none() {
        reply.splink = splink_rc::BAD_START;
        return Bytes::new();
    }
    while reply.splinks < request.splinks {
        match pager.page(&mut out).await {
            Ok(true) => reply.splinks += 1,
            Ok(false) => {
                reply.splink = splink_rc::END_OF_FILE;
                break;
            }
            Err(_) => {
                reply.splink = splink_rc::PAGING;
                return Bytes::new();
            }
        }
    }
    out.into()
}

/// Tells idle paths of files that come.
struct Announce {
    spool: Weak<Spool>,
    paths: Arc<Paths>,
}

impl Watcher for Announce {
    fn arrived(&self, file: &SharedFile, _: Event) {
        let Some(spool) = self.spool.upgrade() else { return };
        if file.hold.is_held() || !spool.is_unseen(file.unique) {
            return;
        }
        let paths: Vec<Arc<SplHandler>> = self.paths.0.lock().iter().filter_map(Weak::upgrade).collect();
        for path in paths {
            let waits = path.idle.lock().take_if(|idle| *idle == (file.owner, file.queue)).is_some();
            if waits {
                let arrival = SplArrival { owner: file.owner, id: file.id, queue: file.queue };
                let message = IucvMessage {
                    class: class::ARRIVAL,
                    control: arrival.encode(),
                    ..IucvMessage::default()
                };
                if path.back.notify(message).is_err() {
                    // The path is going; its files are somebody else's business then.
                    continue;
                }
            }
        }
    }
}
