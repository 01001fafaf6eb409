//! `*MSG` and `*MSGALL`: messages for a program instead of the console.
//!
//! A program connects to `*MSG` (no authority is needed) and says by `SET SMSG IUCV` and its kin what it wants to get
//! there; `*MSGALL` gets all of it without SET. Each line is a one-way message: its class says what kind it is, its
//! control block carries the sender and the text ([`MsgBlock`]). A line that finds the message limit reached is not
//! delivered, and whoever sends it learns that the machine does not receive. Console output (VMCONIO, CPCONIO) is copied:
//! it is shown as well.
//!
//! Source: VM/SP System Programmer's Guide, "The Message System Service".

use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;

use crate::console::ConsoleMonitor;
use crate::iucv::{
    ConnectRequest, IpRcode, IucvMessage, IucvReply, IucvService, PathBack, PathHandler, UserData,
};
use crate::name::UserId;
use crate::system::Cp;
use crate::vm::{Routing, Vm};

/// The classes of messages on a `*MSG` path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum MsgClass {
    /// MSG and MSGNOH.
    Message = 1,
    /// WARNING.
    Warning = 2,
    /// Asynchronous messages of CP and the answers of commands.
    CpOutput = 3,
    /// SMSG.
    Special = 4,
    /// Output of the virtual console.
    Console = 5,
    /// CP error messages.
    Error = 6,
    /// CP information messages.
    Information = 7,
    /// Output of a machine whose secondary user this is.
    Secondary = 8,
}

/// The content of one message: eight bytes of user id, then the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MsgBlock {
    /// Who sent it, or whose output it is.
    pub from: UserId,
    /// The text.
    pub text: String,
}

impl MsgBlock {
    /// The control block of the message.
    pub fn encode(&self) -> Bytes {
        Bytes::from(format!("{:<8}{}", self.from, self.text))
    }

    /// Reads a control block; `None` when it is not one.
    pub fn decode(control: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(control).ok()?;
        let (from, text) = text.split_at_checked(8)?;
        let from = if from.trim_end() == UserId::SYSTEM.as_str() {
            UserId::SYSTEM
        } else {
            UserId::new(from.trim_end()).ok()?
        };
        Some(Self { from, text: text.into() })
    }
}

/// The paths a machine has to the two services.
#[derive(Default)]
struct MsgPaths {
    selected: Mutex<Option<(u64, PathBack)>>,
    all: Mutex<Option<(u64, PathBack)>>,
}

/// Delivers a line by IUCV if the machine wants it so: to `*MSGALL` always, to `*MSG` when `routing` says IUCV.
/// False when it went to neither and is to be shown or refused.
pub fn deliver(to: &Vm, class: MsgClass, from: UserId, text: &str, routing: Routing) -> bool {
    let Some(paths) = to.ext.get::<MsgPaths>() else { return false };
    let message = || IucvMessage {
        class: class as u32,
        control: MsgBlock { from, text: text.into() }.encode(),
        ..IucvMessage::default()
    };
    let to = |slot: &Mutex<Option<(u64, PathBack)>>| {
        let back = slot.lock().as_ref().map(|(_, back)| back.clone());
        back.is_some_and(|back| back.notify(message()).is_ok())
    };
    to(&paths.all) || (routing == Routing::Iucv && to(&paths.selected))
}

/// Copies what a console shows to `*MSG`, after SET VMCONIO IUCV and SET CPCONIO IUCV.
struct ConsoleCopy {
    vm: Weak<Vm>,
}

impl ConsoleCopy {
    fn copy(&self, class: MsgClass, text: &str) {
        let Some(vm) = self.vm.upgrade() else { return };
        let routing = {
            let settings = vm.settings.lock();
            if class == MsgClass::Console { settings.vmconio } else { settings.cpconio }
        };
        if routing == Routing::Iucv {
            // A line that finds the message limit reached is only shown.
            let _delivered = deliver(&vm, class, vm.userid, text, routing);
        }
    }
}

impl ConsoleMonitor for ConsoleCopy {
    fn line(&self, text: &str) {
        self.copy(MsgClass::Console, text);
    }

    fn cp_line(&self, text: &str) {
        self.copy(MsgClass::CpOutput, text);
    }
}

/// Marks a machine whose console is being copied.
struct ConsoleCopied;

/// Sees to it that the console of a machine can be copied to `*MSG`.
pub(crate) fn watch_console(vm: &Arc<Vm>) {
    let mut first = false;
    vm.ext.get_or_insert_with(|| {
        first = true;
        ConsoleCopied
    });
    if first {
        vm.console.add_monitor(Arc::new(ConsoleCopy { vm: Arc::downgrade(vm) }));
    }
}

/// The service behind `*MSG` or `*MSGALL`.
struct MsgService {
    cp: Weak<Cp>,
    all: bool,
    connects: std::sync::atomic::AtomicU64,
}

/// Adds `*MSG` and `*MSGALL` to the system.
pub fn register(cp: &Arc<Cp>) {
    for (name, all) in [("*MSG", false), ("*MSGALL", true)] {
        let service = MsgService { cp: Arc::downgrade(cp), all, connects: 0.into() };
        cp.exchange().add_service(name, Arc::new(service));
    }
}

/// IPUSER byte 0 of the SEVER when the machine has a path to the service already.
const SEVER_ALREADY_CONNECTED: u8 = 4;
/// IPUSER byte 0 of the SEVER when the system ends.
const SEVER_SYSTEM_ENDS: u8 = 12;

fn sever_code(code: u8) -> UserData {
    let mut user = UserData::default();
    user[0] = code;
    user
}

impl IucvService for MsgService {
    fn connect(&self, request: ConnectRequest) -> Result<Arc<dyn PathHandler>, UserData> {
        let vm = self.cp.upgrade().and_then(|cp| cp.machine(request.from));
        let vm = vm.ok_or_else(|| sever_code(SEVER_SYSTEM_ENDS))?;
        let paths = vm.ext.get_or_insert_with(MsgPaths::default);
        let number = self.connects.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        {
            let mut slot = if self.all { paths.all.lock() } else { paths.selected.lock() };
            if slot.is_some() {
                return Err(sever_code(SEVER_ALREADY_CONNECTED));
            }
            *slot = Some((number, request.back));
        }
        Ok(Arc::new(MsgPath { paths, all: self.all, number }))
    }
}

/// One path; it only carries messages from CP.
struct MsgPath {
    paths: Arc<MsgPaths>,
    all: bool,
    number: u64,
}

impl PathHandler for MsgPath {
    fn message<'a>(&'a self, _: IucvMessage) -> BoxFuture<'a, Result<IucvReply, IpRcode>> {
        // CP takes no messages here: they are rejected.
        Box::pin(std::future::ready(Err(IpRcode::Purged)))
    }

    fn severed(&self, _: UserData) {
        let mut slot = if self.all { self.paths.all.lock() } else { self.paths.selected.lock() };
        slot.take_if(|(number, _)| *number == self.number);
    }
}
