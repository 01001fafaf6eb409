//! The system: directory, logged-on machines, command tables, IUCV exchange; LOGON, LOGOFF, IPL.
//!
//! Invariants: a user id is logged on at most once; a machine that logs off is taken out of the list only after all its
//! tasks have ended, so the same user never runs twice at once.
//!
//! Not here: the dialogue at a terminal ([`crate::terminal`]), the commands, the disks.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use parking_lot::RwLock;
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::command::CommandTables;
use crate::command::common::{full_time, session_times};
use crate::console::{ConsoleState, SecondaryRoute};
use crate::directory::{DirectoryEntry, DirectoryImage, Password, spend_check};
use crate::ext::Extensions;
use crate::guest::Guest;
use crate::iucv::{ConnectParms, Exchange, IpRcode, IucvPath, IucvService, IucvTarget, Party, ResourceOwner};
use crate::msg_service::{MsgClass, deliver};
use crate::name::{FilePoolId, UserId};
use crate::vm::{TerminalName, Vm};

/// Password checks that run at once: each takes a core for tens of milliseconds and 19 MiB.
const MAX_PASSWORD_CHECKS: usize = 2;

/// What is fixed when the system is built.
#[derive(Clone, Debug)]
pub struct CpConfig {
    /// Name of the system, as QUERY USERID shows it.
    pub system_id: String,
    /// User id of the system operator.
    pub operator: UserId,
}

/// A named saved system that a machine can IPL, such as CMS.
pub trait NamedSystem: Send + Sync {
    /// Runs the system in a machine until it ends; `parm` is the PARM operand of IPL.
    fn boot(&self, guest: Guest, parm: String) -> BoxFuture<'static, ()>;
}

/// Layers above CP that take part in LOGON and LOGOFF (the spool).
pub trait MachineHook: Send + Sync {
    /// The machine has been created and runs nothing yet.
    fn logged_on(&self, vm: &Arc<Vm>);
    /// The machine is about to go; its tasks have ended.
    fn logging_off<'a>(&'a self, vm: &'a Arc<Vm>) -> BoxFuture<'a, ()>;
    /// A line for the LOGON banner, such as `FILES: ...`.
    fn banner(&self, vm: &Arc<Vm>) -> Option<String>;
}

/// Outcome of a password check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PasswordVerdict {
    /// User id and password belong together.
    Valid(UserId),
    /// No such user, or not his password, or nobody can log on as that user.
    Invalid,
    /// The asking machine may not ask (no OPTION DIAG88).
    NotAuthorised,
}

/// Why a machine was not logged on.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum LogonError {
    /// No directory entry.
    #[error("{0} is not in the CP directory")]
    NotInDirectory(UserId),
    /// Already logged on; whether at a terminal.
    #[error("{userid} is already logged on")]
    AlreadyLoggedOn {
        /// The user.
        userid: UserId,
        /// True when a terminal is attached.
        connected: bool,
    },
    /// NOLOG, or AUTOONLY at a terminal.
    #[error("{0} may not be logged on this way")]
    NotAllowed(UserId),
    /// The system is being shut down.
    #[error("the system is shutting down")]
    ShuttingDown,
}

/// How a machine comes to be logged on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogonKind {
    /// By a person at a terminal.
    Terminal(TerminalName),
    /// By AUTOLOG, XAUTOLOG or a request that needs the machine.
    Autolog,
}

/// The Control Program of one system.
pub struct Cp {
    /// What is fixed when the system is built.
    pub config: CpConfig,
    /// Time of day.
    pub clock: Arc<dyn Clock>,
    /// When the system was IPLed.
    pub ipl_at: jiff::Timestamp,
    directory: ArcSwap<DirectoryImage>,
    /// Counts the directories that have been put on line.
    directory_edition: tokio::sync::watch::Sender<u64>,
    /// All command rows.
    pub commands: CommandTables,
    /// What higher layers keep on the system.
    pub ext: Extensions,
    exchange: Arc<Exchange>,
    machines: RwLock<BTreeMap<UserId, Arc<Vm>>>,
    systems: RwLock<HashMap<String, Arc<dyn NamedSystem>>>,
    hooks: RwLock<Vec<Arc<dyn MachineHook>>>,
    password_checks: Semaphore,
    shutdown: tokio_util::sync::CancellationToken,
    own: Weak<Cp>,
}

impl Cp {
    /// A system in which nobody is logged on.
    pub fn new(config: CpConfig, clock: Arc<dyn Clock>, directory: DirectoryImage) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            config,
            ipl_at: clock.now(),
            clock,
            directory: ArcSwap::from_pointee(directory),
            directory_edition: tokio::sync::watch::Sender::new(0),
            commands: CommandTables::default(),
            ext: Extensions::default(),
            exchange: Arc::default(),
            machines: RwLock::default(),
            systems: RwLock::default(),
            hooks: RwLock::default(),
            password_checks: Semaphore::new(MAX_PASSWORD_CHECKS),
            shutdown: tokio_util::sync::CancellationToken::new(),
            own: own.clone(),
        })
    }

    fn arc(&self) -> Arc<Self> {
        self.own.upgrade().expect("a system that is in use is alive")
    }

    /// The IUCV switchboard, for adding system services.
    pub fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// Adds a named saved system.
    pub fn add_named_system(&self, name: &str, system: Arc<dyn NamedSystem>) {
        self.systems.write().insert(name.to_ascii_uppercase(), system);
    }

    /// Adds a hook for LOGON and LOGOFF.
    pub fn add_hook(&self, hook: Arc<dyn MachineHook>) {
        self.hooks.write().push(hook);
    }

    /// Puts another directory on line. Who is logged on keeps his entry until he logs on again.
    pub fn put_directory(&self, image: DirectoryImage) {
        self.directory.store(Arc::new(image));
        self.directory_edition.send_modify(|edition| *edition += 1);
    }

    /// The directory in use.
    pub fn directory(&self) -> Arc<DirectoryImage> {
        self.directory.load_full()
    }

    /// Changes whenever a directory is put on line: whoever keeps what it learned from the directory forgets it then.
    pub fn directory_editions(&self) -> tokio::sync::watch::Receiver<u64> {
        self.directory_edition.subscribe()
    }

    /// The directory entry of a user.
    pub fn entry(&self, user: UserId) -> Option<Arc<DirectoryEntry>> {
        self.directory.load().get(user)
    }

    /// The machine of a user who is logged on.
    pub fn machine(&self, user: UserId) -> Option<Arc<Vm>> {
        self.machines.read().get(&user).cloned()
    }

    /// All machines, sorted by user id.
    pub fn machines(&self) -> Vec<Arc<Vm>> {
        self.machines.read().values().cloned().collect()
    }

    /// A line for the system operator (and the log).
    pub fn tell_operator(&self, text: &str) {
        tracing::info!(target: "cp::operator", "{text}");
        if let Some(vm) = self.machine(self.config.operator) {
            vm.console.write(&format!("{} {text}", self.clock.local().strftime("%H:%M:%S")));
        }
    }

    /// Logs a user on: creates the machine and, unless it is a terminal's business to do it later, IPLs what the
    /// directory says.
    ///
    /// # Errors
    /// [`LogonError`].
    pub fn logon(&self, user: UserId, kind: &LogonKind) -> Result<Arc<Vm>, LogonError> {
        let entry = self.entry(user).ok_or(LogonError::NotInDirectory(user))?;
        let autolog = *kind == LogonKind::Autolog;
        match entry.password {
            Password::NoLog => return Err(LogonError::NotAllowed(user)),
            Password::AutoOnly if !autolog => return Err(LogonError::NotAllowed(user)),
            _ => {}
        }
        let vm = Vm::new(entry, self.clock.now());
        if let LogonKind::Terminal(name) = kind {
            *vm.terminal.lock() = name.clone();
        }
        {
            let mut machines = self.machines.write();
            if self.shutdown.is_cancelled() {
                return Err(LogonError::ShuttingDown);
            }
            if let Some(other) = machines.get(&user) {
                let connected = other.console.is_connected();
                return Err(LogonError::AlreadyLoggedOn { userid: user, connected });
            }
            machines.insert(user, vm.clone());
        }
        for hook in self.hooks.read().iter() {
            hook.logged_on(&vm);
        }
        self.route_secondary(&vm);
        let users = self.machines.read().len();
        self.tell_operator(&match kind {
            LogonKind::Terminal(name) => {
                format!("{:<10} LOGON  AS  {user:<8} USERS = {users}", terminal_label(name))
            }
            LogonKind::Autolog => format!("AUTO LOGON  ***       {user:<8} USERS = {users}"),
        });
        Ok(vm)
    }

    /// Lines for the LOGON banner from the layers above.
    pub fn banner(&self, vm: &Arc<Vm>) -> Vec<String> {
        self.hooks.read().iter().filter_map(|h| h.banner(vm)).collect()
    }

    /// Logs a user on by AUTOLOG and IPLs his directory's system; `data` becomes his first console input.
    ///
    /// # Errors
    /// [`LogonError`].
    pub fn autolog(&self, user: UserId, data: Option<&str>) -> Result<Arc<Vm>, LogonError> {
        let vm = self.logon(user, &LogonKind::Autolog)?;
        if let Some(line) = data {
            // The queue of a new machine is empty.
            let _accepted = vm.console.input(line);
        }
        self.ipl_directory(&vm);
        Ok(vm)
    }

    /// IPLs what the directory entry says; without an IPL statement the machine stays in CP READ.
    pub fn ipl_directory(&self, vm: &Arc<Vm>) {
        match &vm.entry.ipl {
            Some(ipl) => {
                let (name, parm) = (ipl.target.to_string(), ipl.parm.clone().unwrap_or_default());
                if self.ipl(vm, &name, &parm).is_err() {
                    vm.console
                        .write(&format!("HCPCFG044E {name} device not defined or system does not exist"));
                    vm.console.set_state(ConsoleState::CpRead);
                }
            }
            None => vm.console.set_state(ConsoleState::CpRead),
        }
    }

    /// IPL: resets the machine and starts a named system in it.
    ///
    /// # Errors
    /// The name, when no such system exists.
    pub fn ipl(&self, vm: &Arc<Vm>, name: &str, parm: &str) -> Result<(), String> {
        let system = self.systems.read().get(&name.to_ascii_uppercase()).cloned().ok_or(name.to_owned())?;
        vm.system_reset();
        vm.console.set_state(ConsoleState::Running);
        let boot = system.boot(Guest::new(self.arc(), vm.clone()), parm.to_owned());
        let console = vm.clone();
        // Nobody waits for the end of a named system; the machine then stands in CP READ.
        drop(vm.spawn(async move {
            boot.await;
            console.console.set_state(ConsoleState::CpRead);
        }));
        Ok(())
    }

    /// LOGOFF: ends everything in the machine and takes it out of the system. `by` is who forced it.
    ///
    /// Must not be awaited by a task of the machine itself; a command uses [`Cp::logoff_later`].
    pub async fn logoff(&self, vm: &Arc<Vm>, by: Option<UserId>) {
        if !vm.begin_logoff() {
            vm.logged_off().await;
            return;
        }
        if let Some(by) = by {
            vm.console.write(&session_times(self, vm));
            vm.console.write(&format!("LOGOFF AT {} BY {by}", full_time(&self.clock.local())));
            vm.console.fall_silent();
        }
        vm.finish().await;
        let hooks = self.hooks.read().clone();
        for hook in hooks {
            hook.logging_off(vm).await;
        }
        let users = {
            let mut machines = self.machines.write();
            machines.remove(&vm.userid);
            machines.len()
        };
        let terminal = match &*vm.terminal.lock() {
            TerminalName::Disconnected => "USER DSC  ".to_owned(),
            name => format!("{:<10}", terminal_label(name)),
        };
        let forced = by.map_or(String::new(), |u| format!(" FORCED BY {u}"));
        self.tell_operator(&format!("{terminal} LOGOFF AS  {:<8} USERS = {users}{forced}", vm.userid));
    }

    /// LOGOFF from inside: happens in a task of its own.
    pub fn logoff_later(&self, vm: &Arc<Vm>, by: Option<UserId>) {
        vm.announce_logoff();
        let (cp, vm) = (self.arc(), vm.clone());
        tokio::spawn(async move { cp.logoff(&vm, by).await });
    }

    /// Sets who gets the output of a machine besides; call after SET SECUSER or OBSERVER.
    ///
    /// The secondary user gets it while the machine is disconnected, as `userid  : text` or, with SET VMCONIO IUCV, on his
    /// `*MSG` path (class 8). The observer sees all of it, connected or not.
    pub fn route_secondary(&self, vm: &Arc<Vm>) {
        let (secondary, observer) = {
            let settings = vm.settings.lock();
            (settings.secuser, settings.observer)
        };
        let (own, from) = (self.own.clone(), vm.userid);
        vm.console.set_secondary(secondary.map(|user| {
            Arc::new(move |line: &str| {
                let Some(machine) = own.upgrade().and_then(|cp| cp.machine(user)) else { return };
                let routing = machine.settings.lock().vmconio;
                if !deliver(&machine, MsgClass::Secondary, from, line, routing) {
                    forward(&machine, from, line);
                }
            }) as Arc<SecondaryRoute>
        }));
        let own = self.own.clone();
        // Who is both gets each line once, as the secondary user.
        let observer = observer.filter(|user| *user != from);
        let weak = Arc::downgrade(vm);
        vm.console.set_observer(observer.map(|user| {
            Arc::new(move |line: &str| {
                let (machine, vm) = (own.upgrade().and_then(|cp| cp.machine(user)), weak.upgrade());
                let (Some(machine), Some(vm)) = (machine, vm) else { return };
                if secondary != Some(user) || vm.console.is_connected() {
                    forward(&machine, from, line);
                }
            }) as Arc<SecondaryRoute>
        }));
    }

    /// IUCV CONNECT from a machine.
    ///
    /// # Errors
    /// [`IpRcode`], the documented return codes of CONNECT.
    pub async fn iucv_connect(
        &self,
        vm: &Arc<Vm>,
        target: &IucvTarget,
        parms: &ConnectParms,
    ) -> Result<IucvPath, IpRcode> {
        // What is left of a machine that has logged off must not go on in its name.
        if vm.is_logging_off() {
            return Err(IpRcode::NotLoggedOn);
        }
        let find = |user| self.machine(user).map(|vm| party(&vm));
        self.exchange.connect(&party(vm), target, parms, find).await
    }

    /// `*IDENT` for a machine.
    ///
    /// # Errors
    /// `NotAuthorised` without the directory statement, or when the name is taken.
    pub fn identify_resource(
        &self,
        vm: &Arc<Vm>,
        name: FilePoolId,
        service: Arc<dyn IucvService>,
    ) -> Result<ResourceOwner, IpRcode> {
        self.exchange.identify(&party(vm), name, service)
    }

    /// Checks a user id and password against the directory. The hash runs in a blocking thread, few at a time.
    pub async fn verify_password(&self, user: &str, password: &str) -> PasswordVerdict {
        let user = UserId::new(user).ok();
        let entry = user.and_then(|user| self.entry(user));
        let password = password.to_owned();
        let check = move || match entry {
            Some(entry) if matches!(entry.password, Password::Hashed(_)) => entry.password.verify(&password),
            _ => {
                spend_check(&password);
                false
            }
        };
        let checked = self.check_slowly(check).await;
        user.filter(|_| checked).map_or(PasswordVerdict::Invalid, PasswordVerdict::Valid)
    }

    /// Runs a password hash in a blocking thread, few at a time.
    pub(crate) async fn check_slowly(&self, check: impl FnOnce() -> bool + Send + 'static) -> bool {
        let Ok(_turn) = self.password_checks.acquire().await else { return false };
        tokio::task::spawn_blocking(check).await.unwrap_or(false)
    }

    /// Asks for the end of the system (SHUTDOWN, SIGTERM); whoever runs it sees [`Cp::shutdown_requested`].
    pub fn request_shutdown(&self) {
        self.shutdown.cancel();
    }

    /// Resolves when the end of the system has been asked for.
    pub async fn shutdown_requested(&self) {
        self.shutdown.cancelled().await;
    }
}

fn party(vm: &Arc<Vm>) -> Party {
    Party { entry: vm.entry.clone(), communicator: vm.iucv.clone() }
}

/// Shows a line of another machine, if there is a terminal to show it on.
fn forward(to: &Vm, from: UserId, line: &str) {
    if to.console.is_connected() {
        to.console.write_forwarded(&format!("{from:<8}: {line}"));
    }
}

fn terminal_label(name: &TerminalName) -> String {
    match name {
        TerminalName::Disconnected => "DSC".to_owned(),
        TerminalName::SystemConsole => "SYSC".to_owned(),
        TerminalName::Line(line) => format!("LINE {line}"),
    }
}
