//! A virtual machine (VMDBK): identity, directory entry, console, IUCV, settings, and the tasks that run in it.
//!
//! Invariants: everything a machine runs is spawned through [`Vm::spawn`], so a system reset or logoff ends all of it at
//! its next await; virtual CPU time is what those tasks spent being polled.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::console::Console;
use crate::directory::DirectoryEntry;
use crate::ext::Extensions;
use crate::iucv::Communicator;
use crate::name::UserId;

/// How a class of console output is treated: the operand of `SET MSG` and its kin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Routing {
    /// Shown on the console.
    #[default]
    On,
    /// Dropped; for MSG the sender is told.
    Off,
    /// Sent to the machine's `*MSG` path.
    Iucv,
}

/// The SET options of a machine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// SET MSG.
    pub msg: Routing,
    /// SET WNG.
    pub wng: Routing,
    /// SET SMSG; off until the machine asks for special messages.
    pub smsg: Routing,
    /// SET IMSG.
    pub imsg: Routing,
    /// SET EMSG: whether the code and the text of error messages are shown.
    pub emsg: EmsgSetting,
    /// SET VMCONIO.
    pub vmconio: Routing,
    /// SET CPCONIO.
    pub cpconio: Routing,
    /// SET RUN.
    pub run: bool,
    /// SET ACNT.
    pub acnt: bool,
    /// SET SECUSER.
    pub secuser: Option<UserId>,
    /// SET OBSERVER.
    pub observer: Option<UserId>,
    /// TERMINAL and further SET values that are only kept and shown: keyword to value.
    pub kept: std::collections::BTreeMap<String, String>,
}

/// The operand of SET EMSG.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EmsgSetting {
    /// Code and text.
    #[default]
    On,
    /// Code only.
    Code,
    /// Text only.
    Text,
    /// Nothing.
    Off,
}

impl EmsgSetting {
    /// What is shown of an error message.
    pub fn apply(self, message: &crate::message::HcpMessage) -> Option<String> {
        let text = message.to_string();
        match self {
            Self::On => Some(text),
            Self::Code => text.split(' ').next().map(str::to_owned),
            Self::Text => Some(message.text.clone()),
            Self::Off => None,
        }
    }
}

impl Settings {
    fn new(entry: &DirectoryEntry) -> Self {
        let (secuser, observer) = entry
            .console
            .as_ref()
            .map_or((None, None), |c| if c.observer { (None, c.secuser) } else { (c.secuser, None) });
        Self {
            msg: Routing::On,
            wng: Routing::On,
            smsg: Routing::Off,
            imsg: Routing::On,
            emsg: EmsgSetting::On,
            vmconio: Routing::On,
            cpconio: Routing::On,
            run: true,
            acnt: false,
            secuser,
            observer,
            kept: std::collections::BTreeMap::new(),
        }
    }
}

/// Where a logged-on machine's terminal is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TerminalName {
    /// No terminal: QUERY NAMES shows DSC.
    Disconnected,
    /// The system console: SYSC.
    SystemConsole,
    /// Another terminal, by the name it is shown with, such as `L0003`.
    Line(String),
}

/// A virtual machine.
pub struct Vm {
    /// Who it is.
    pub userid: UserId,
    /// Its directory entry as of LOGON.
    pub entry: Arc<DirectoryEntry>,
    /// Its console.
    pub console: Console,
    /// Its side of IUCV.
    pub iucv: Arc<Communicator>,
    /// Its settings.
    pub settings: Mutex<Settings>,
    /// When it logged on.
    pub logon_at: Timestamp,
    /// Where its terminal is.
    pub terminal: Mutex<TerminalName>,
    /// What higher layers keep on it.
    pub ext: Extensions,
    reset: Mutex<CancellationToken>,
    gone: CancellationToken,
    signal: CancellationToken,
    tasks: TaskTracker,
    cpu_nanos: Arc<AtomicU64>,
    logging_off: AtomicBool,
    leaving: AtomicBool,
}

impl Vm {
    /// A machine that has just been logged on and runs nothing.
    pub fn new(entry: Arc<DirectoryEntry>, now: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            userid: entry.userid,
            console: Console::default(),
            iucv: Communicator::new(entry.maxconn),
            settings: Mutex::new(Settings::new(&entry)),
            logon_at: now,
            terminal: Mutex::new(TerminalName::Disconnected),
            ext: Extensions::default(),
            reset: Mutex::new(CancellationToken::new()),
            gone: CancellationToken::new(),
            signal: CancellationToken::new(),
            tasks: TaskTracker::new(),
            cpu_nanos: Arc::new(AtomicU64::new(0)),
            logging_off: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            entry,
        })
    }

    /// Runs `work` in the machine until it ends or the machine is reset; the receiver yields its result, or an error
    /// when a reset came first.
    pub fn spawn<F>(&self, work: F) -> oneshot::Receiver<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (done, result) = oneshot::channel();
        let reset = self.reset.lock().clone();
        let metered = Metered { inner: work, nanos: self.cpu_nanos.clone() };
        self.tasks.spawn(async move {
            if let Some(value) = reset.run_until_cancelled(metered.run()).await {
                // Most callers do not wait for the result.
                let _unwanted = done.send(value);
            }
        });
        result
    }

    /// System reset: ends everything that runs in the machine and severs its paths. What is spawned afterwards runs.
    pub fn system_reset(&self) {
        let old = std::mem::take(&mut *self.reset.lock());
        old.cancel();
        self.iucv.retrieve_buffer();
    }

    /// Asks the machine to come to an end by itself (SIGNAL SHUTDOWN).
    pub fn signal_shutdown(&self) {
        self.signal.cancel();
    }

    /// Resolves when the machine has been asked to come to an end.
    pub async fn shutdown_signalled(&self) {
        self.signal.cancelled().await;
    }

    /// Marks the machine as logging off; true the first time.
    pub(crate) fn begin_logoff(&self) -> bool {
        !self.logging_off.swap(true, Ordering::AcqRel)
    }

    /// The machine is about to log off; nothing more should be started in it.
    pub(crate) fn announce_logoff(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// True from the request to log off on.
    pub fn is_logging_off(&self) -> bool {
        self.leaving.load(Ordering::Acquire) || self.logging_off.load(Ordering::Acquire)
    }

    /// Ends the machine for good and waits until its tasks are gone.
    pub(crate) async fn finish(&self) {
        self.system_reset();
        // What was spawned between the reset and now ends as well: nothing new can start after the tracker closes.
        self.reset.lock().cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.console.close();
        self.gone.cancel();
    }

    /// Resolves when the machine has been logged off.
    pub async fn logged_off(&self) {
        self.gone.cancelled().await;
    }

    /// Virtual CPU time used so far.
    pub fn cpu_time(&self) -> Duration {
        Duration::from_nanos(self.cpu_nanos.load(Ordering::Relaxed))
    }
}

/// Adds the time spent in each poll to a counter.
struct Metered<F> {
    inner: F,
    nanos: Arc<AtomicU64>,
}

impl<F: Future> Metered<F> {
    async fn run(self) -> F::Output {
        let Metered { inner, nanos } = self;
        let mut inner = pin!(inner);
        std::future::poll_fn(move |cx| poll_metered(inner.as_mut(), &nanos, cx)).await
    }
}

fn poll_metered<F: Future>(inner: Pin<&mut F>, nanos: &AtomicU64, cx: &mut Context<'_>) -> Poll<F::Output> {
    let start = Instant::now();
    let result = inner.poll(cx);
    let spent = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    nanos.fetch_add(spent, Ordering::Relaxed);
    result
}
