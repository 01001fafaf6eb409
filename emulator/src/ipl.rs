//! IPL: puts the system together from its folder, starts the service machines, runs until shutdown.
//!
//! Order: directory, spool (warm start), minidisks, CP with its commands, CMS with its programs, the control socket; then
//! the file pool servers, IMAP and SMTP are autologged, and the system is ready when every listener is open. A shutdown
//! goes the other way: mail intake first, the stores last.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cms::network::HostNetwork;
use cms::nucleus::CmsSystem;
use cms::program::ProgramTable;
use cp::Cp;
use cp::console::ConsoleState;
use cp::directory::object;
use cp::name::UserId;
use cp::system::CpConfig;
use cp::vm::Vm;
use dasd::HostDasd;
use sfs::minidisk::MinidiskStore;
use sfs::pool::{Pool, PoolConfig};
use spool::{Spool, SpoolConfig, StartKind};
use tokio::net::UnixListener;

use crate::config::HostConfig;
use crate::control;
use crate::directxa::Directxa;
use crate::fileserv::{Fileserv, OpenPools};
use crate::folder::Folder;
use crate::host::HostClock;
use crate::tls;

/// Machines that are autologged, in this order.
pub const SERVICE_MACHINES: &[&str] = &["VMSERVU", "IMAPSF", "IMAP", "SMTP"];

/// The file pools and the machines that serve them.
pub const POOLS: &[(&str, &str)] = &[("VMSYSU", "VMSERVU"), ("IMAPPOOL", "IMAPSF")];

/// Time a guest gets to come to an end by itself at shutdown.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Time until the listeners must be open.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A system that has been put together.
pub struct System {
    /// CP.
    pub cp: Arc<Cp>,
    /// The folder.
    pub folder: Folder,
    /// The network.
    pub network: Arc<HostNetwork>,
    /// What of the spool was found to be damaged, for the operator; a line each.
    pub damage: Vec<String>,
    spool: Arc<Spool>,
    minidisks: Pool,
    bound: tokio::sync::watch::Receiver<BTreeMap<String, SocketAddr>>,
    _lock: crate::folder::Lock,
}

impl System {
    /// Puts a generated system together; nobody is logged on afterwards. `addresses` are the listeners to open.
    ///
    /// # Errors
    /// What is wrong, with the file it is wrong in.
    pub async fn build(
        folder: &Folder,
        config: &HostConfig,
        addresses: BTreeMap<String, SocketAddr>,
    ) -> anyhow::Result<Self> {
        Self::build_from(folder, &folder.directory_object(), config, addresses).await
    }

    /// As [`System::build`], with the object directory in another file.
    ///
    /// # Errors
    /// What is wrong, with the file it is wrong in.
    pub async fn build_from(
        folder: &Folder,
        directory: &Path,
        config: &HostConfig,
        addresses: BTreeMap<String, SocketAddr>,
    ) -> anyhow::Result<Self> {
        let lock = folder.lock().map_err(|e| match e.kind() {
            std::io::ErrorKind::WouldBlock => {
                anyhow::anyhow!("a system is running in {} already", folder.path().display())
            }
            _ => anyhow::Error::new(e).context(format!("{}", folder.path().display())),
        })?;
        folder.clear_run();
        let clock: Arc<dyn cp::clock::Clock> =
            Arc::new(HostClock::new(config.system.timezone.as_deref()).map_err(anyhow::Error::msg)?);
        let octets = std::fs::read(directory).with_context(|| directory.display().to_string())?;
        let directory = object::load(&octets).with_context(|| directory.display().to_string())?;
        let operator = UserId::new("OPERATOR").expect("OPERATOR is a user id");
        let cp = Cp::new(
            CpConfig { system_id: config.system.id.to_ascii_uppercase(), operator },
            clock,
            directory,
        );
        cp::command::register(&cp.commands);
        cp::msg_service::register(&cp);
        let (spool, damage) = start_spool(folder, &cp).await?;
        let minidisks = start_minidisks(folder, &cp).await?;
        cp.ext.set(Arc::new(MinidiskStore::new(minidisks.clone())));
        let tls = if addresses.is_empty() { None } else { Some(tls::load(folder.path(), config)?) };
        let (publish, bound) = tokio::sync::watch::channel(BTreeMap::new());
        let run = folder.clone();
        let on_change = Box::new(move |all: &BTreeMap<String, SocketAddr>| {
            publish_listeners(&run, all);
            publish.send_replace(all.clone());
        });
        let network = HostNetwork::new(config.mail.domain.clone(), addresses, tls, on_change);
        if network.tls().is_some() {
            let files = tls::Files::new(folder.path(), config);
            network.set_tls_loader(Box::new(move || files.look().map_err(|e| e.to_string())));
            tokio::spawn(tls::watch(Arc::downgrade(&network)));
        }
        cp.ext.set(network.clone());
        cp.ext.set(crate::log::trace_switch());
        register_programs(&cp, folder, &network);
        cp.add_named_system("CMS", Arc::new(CmsSystem));
        cp.add_named_system("0190", Arc::new(CmsSystem));
        Ok(Self { cp, folder: folder.clone(), network, spool, minidisks, damage, bound, _lock: lock })
    }

    /// Autologs the service machines one after the other, each when the one before is up.
    ///
    /// # Errors
    /// The machine that cannot be logged on.
    pub async fn autolog(&self) -> anyhow::Result<()> {
        for name in SERVICE_MACHINES {
            let user = UserId::new(name).expect("the names are constants");
            let vm = self.cp.autolog(user, None).with_context(|| format!("autolog of {name}"))?;
            // The next machine needs this one's services. A program answers a null line once it has started.
            let _late = tokio::time::timeout(START_TIMEOUT, null_line_taken(&vm)).await;
        }
        Ok(())
    }

    /// Opens the control socket.
    ///
    /// # Errors
    /// The host's error.
    pub fn open_control(&self) -> anyhow::Result<()> {
        let path = control::socket_path(self.folder.path());
        let listener = UnixListener::bind(&path).with_context(|| path.display().to_string())?;
        tokio::spawn(control::serve(listener, self.cp.clone()));
        Ok(())
    }

    /// Waits until every listener is open; the names of those that are not, when it takes too long.
    pub async fn wait_until_up(&self) -> Vec<String> {
        let mut bound = self.bound.clone();
        // A guest may say as it starts that it does without one.
        let all_open =
            |open: &BTreeMap<String, SocketAddr>| self.network.wanted().iter().all(|n| open.contains_key(n));
        let _late = tokio::time::timeout(START_TIMEOUT, bound.wait_for(all_open)).await;
        let open = self.network.bound();
        self.network.wanted().into_iter().filter(|n| !open.contains_key(n)).collect()
    }

    /// Says in the folder that the system is up.
    ///
    /// # Errors
    /// The host's error.
    pub fn mark_ready(&self) -> anyhow::Result<()> {
        let path = self.folder.run().join("ready");
        std::fs::write(&path, format!("{}\n", std::process::id())).with_context(|| path.display().to_string())
    }

    /// Ends everything in order: mail intake, users, file pool servers, spool.
    pub async fn stop(self) {
        let machine = |name: &str| UserId::new(name).ok().and_then(|u| self.cp.machine(u));
        for vm in ["SMTP", "IMAP"].into_iter().filter_map(machine) {
            self.end_machine(&vm).await;
        }
        let servers: Vec<_> = POOLS.iter().filter_map(|(_, server)| machine(server)).collect();
        for vm in self.cp.machines() {
            if !servers.iter().any(|s| s.userid == vm.userid) {
                self.cp.logoff(&vm, None).await;
            }
        }
        for vm in servers {
            self.end_machine(&vm).await;
        }
        OpenPools::of(&self.cp).close_all().await;
        self.minidisks.close().await;
        self.spool.stop();
        self.folder.clear_run();
    }

    /// Asks a machine's program to come to an end, gives it time to, and logs the machine off.
    async fn end_machine(&self, vm: &Arc<Vm>) {
        vm.signal_shutdown();
        // CMS answers a null line with its name; a program that still runs does not.
        let ended = async { while null_line_taken(vm).await.is_some_and(|lines| lines != ["CMS"]) {} };
        let _late = tokio::time::timeout(SIGNAL_TIMEOUT, ended).await;
        self.cp.logoff(vm, None).await;
    }
}

/// Resolves when somebody takes a null line at the machine's console: a program that has started, or CMS itself. What it
/// answers; `None` when the machine is gone.
async fn null_line_taken(vm: &Arc<Vm>) -> Option<Vec<String>> {
    if vm.console.state() == ConsoleState::CpRead {
        // It stands still.
        return None;
    }
    let answer = vm.console.input_captured("").ok()?;
    answer.await.ok().map(|captured| captured.lines)
}

fn register_programs(cp: &Arc<Cp>, folder: &Folder, network: &Arc<HostNetwork>) {
    let programs = ProgramTable::of(cp);
    programs.register("DIRECTXA", Arc::new(Directxa { folder: folder.clone() }));
    programs.register("FILESERV", Arc::new(Fileserv { folder: folder.clone() }));
    let exits = Arc::new(smtp_exit::exit::ExitTable::default());
    let imap = UserId::new("IMAP").expect("IMAP is a user id");
    exits.register("IMAPCMDX", Arc::new(smtp_exit::imapcmdx::ImapPunchExit::new(imap)));
    programs.register("SMTP", Arc::new(smtp_exit::machine::Smtp { network: network.clone(), exits }));
    let auth_exits = Arc::new(imapd::auth::exit::AuthExits::default());
    auth_exits
        .register(imapd::auth::imapautx::NAME, Arc::new(imapd::auth::imapautx::ImapAuthExit::default()));
    programs.register(
        "IMAPMAIN",
        Arc::new(imapd::machine::Imapmain {
            network: network.clone(),
            exits: auth_exits,
            random: crate::host::random,
        }),
    );
}

async fn start_spool(folder: &Folder, cp: &Arc<Cp>) -> anyhow::Result<(Arc<Spool>, Vec<String>)> {
    let dasd: Arc<dyn dasd::Dasd> = Arc::new(HostDasd::new(folder.spool())?);
    let clock = cp.clock.clone();
    let started = tokio::task::spawn_blocking(move || {
        Spool::start(dasd, &SpoolConfig::default(), StartKind::Warm, clock)
    });
    let (spool, report) = started.await?.with_context(|| folder.spool().display().to_string())?;
    tracing::info!("spool: {report:?}");
    report.lost.iter().for_each(|line| tracing::error!("{line}"));
    spool::install(cp, spool.clone());
    Ok((spool, report.lost))
}

async fn start_minidisks(folder: &Folder, cp: &Arc<Cp>) -> anyhow::Result<Pool> {
    let dasd: Arc<dyn dasd::Dasd> = Arc::new(HostDasd::new(folder.dasd())?);
    let clock = cp.clock.clone();
    let opened = tokio::task::spawn_blocking(move || Pool::open(&dasd, &PoolConfig::default(), clock));
    opened.await?.with_context(|| folder.dasd().display().to_string())
}

fn publish_listeners(folder: &Folder, all: &BTreeMap<String, SocketAddr>) {
    let text = serde_json::to_vec(&all.iter().map(|(n, a)| (n, a.to_string())).collect::<BTreeMap<_, _>>());
    let written = text
        .map_err(std::io::Error::from)
        .and_then(|t| folder.replace(&folder.run().join("listeners.json"), &t));
    if let Err(error) = written {
        tracing::warn!("listeners.json: {error}");
    }
}
