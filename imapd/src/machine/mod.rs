//! IMAPMAIN, the program of the IMAP machine.
//!
//! Start order of the original: global data, configuration file, console thread, mail arrival thread, administrative
//! request thread, client listener thread; then a task for each client. It ends with SHUTDOWN (console or VMIPC) or with
//! the system.

pub mod admin;
pub mod arrival;
pub mod config;
pub mod inforce;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use cms::cp::Guest;
use cms::cp::directory::DirectoryImage;
use cms::cp::name::{FileName, FileType, ModeLetter, UserId};
use cms::cp::system::PasswordVerdict;
use cms::cp::translate_table::{STANDARD, TranslateTable};
use cms::csl::FileId;
use cms::network::HostNetwork;
use cms::program::Program;
use cms::{Cms, names, tables, vmipc};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::auth::bearer::{EXITS, TokenExit};
use crate::auth::exit::{AuthExit, AuthExits};
use crate::auth::{Authenticator, LoginError, PasswordCheck};
use crate::mailstore::sfs::{SecondCopy, SfsBackend};
use crate::mailstore::{MailStore, StoreError};
use crate::session::Server;
use crate::transport::{Listener, Service, Timeouts};
use admin::Administration;
use config::{ConfigInForce, ImapConfig, PortChoice};

/// Return code of a file that is not there.
const RC_NOT_FOUND: i32 = 28;

/// Return code when the server cannot start.
const RC_CANNOT_START: i32 = 24;

/// Time clients get to read their BYE at shutdown.
const PATIENCE: Duration = Duration::from_secs(3);

/// The program.
pub struct Imapmain {
    /// Host network.
    pub network: Arc<HostNetwork>,
    /// Exits that AuthExit can name.
    pub exits: Arc<AuthExits>,
    /// Fills a buffer with random octets.
    pub random: fn(&mut [u8]) -> std::io::Result<()>,
}

impl Program for Imapmain {
    fn summary(&self) -> &str {
        "The IMAP server"
    }

    fn run(&self, cms: Arc<Cms>, _args: String) -> BoxFuture<'static, i32> {
        let (network, exits, random) = (self.network.clone(), self.exits.clone(), self.random);
        Box::pin(async move {
            match Main::start(&cms, network, exits, random).await {
                Ok(main) => main.serve(&cms).await,
                Err(lines) => {
                    for line in lines {
                        cms.say(&line).await;
                    }
                    cms.say("DTCIMP1002E The IMAP server cannot start").await;
                    RC_CANNOT_START
                }
            }
        })
    }
}

/// Passwords are checked by CP (DIAGNOSE X'88').
struct CpPasswords {
    guest: Guest,
}

impl PasswordCheck for CpPasswords {
    fn check<'a>(&'a self, user: UserId, password: &'a [u8]) -> BoxFuture<'a, Result<bool, LoginError>> {
        Box::pin(async move {
            let Ok(password) = std::str::from_utf8(password) else { return Ok(false) };
            match self.guest.check_password(user.as_str(), password).await {
                PasswordVerdict::Valid(_) => Ok(true),
                PasswordVerdict::Invalid => Ok(false),
                PasswordVerdict::NotAuthorised => Err(LoginError::Unavailable),
            }
        })
    }

    fn directory(&self) -> Option<Arc<DirectoryImage>> {
        self.guest.password_directory()
    }
}

/// Ends the client tasks when the machine is reset: they are not the machine's own tasks.
struct StopOnDrop(CancellationToken);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

struct Main {
    _until_reset: StopOnDrop,
    admin: Arc<Administration>,
    listeners: Vec<tokio::sync::oneshot::Receiver<()>>,
}

impl Main {
    async fn start(
        cms: &Arc<Cms>,
        network: Arc<HostNetwork>,
        exits: Arc<AuthExits>,
        random: fn(&mut [u8]) -> std::io::Result<()>,
    ) -> Result<Self, Vec<String>> {
        let one = |text: String| vec![text];
        let config = read_config(cms).await?;
        let listed: Listed = Arc::default();
        let exit = read_token_exit(cms, &config).await?;
        let auth_exit = bind_auth_exit(cms, &config, &exits).await?;
        let table = read_table(cms, &config).await?;
        let (service, backend) = build_service(cms, &network, &config, table, &listed, random)
            .map_err(|e| one(format!("DTCIMP1003E {e}")))?;
        agree(cms, &backend).await?;
        inforce::apply(&service, &config, exit);
        service.server.auth.set_auth_exit(auth_exit);
        let ports = [("imap", config.port, false), ("imaps", config.secure_port, true)];
        let config: ConfigInForce = Arc::new(ArcSwap::from_pointee(config));
        let admin = Arc::new(Administration {
            cms: cms.clone(),
            guest: cms.guest.clone(),
            csl: cms.csl.clone(),
            network: network.clone(),
            exits,
            backend,
            config: config.clone(),
            configuring: tokio::sync::Mutex::default(),
            service: service.clone(),
            retry: Arc::default(),
            stop: CancellationToken::new(),
            started: cms.guest.now(),
        });
        drop(cms.guest.spawn(follow_certificates(network.clone(), service.clone())));
        drop(cms.guest.spawn(forget_passwords(cms.guest.clone(), service.clone())));
        let server = service.server.clone();
        drop(cms.guest.spawn(arrival::run(
            cms.clone(),
            admin.backend.clone(),
            server,
            config,
            admin.retry.clone(),
        )));
        serve_requests(cms, &admin, listed)
            .map_err(|e| one(format!("DTCIMP1004E Requests cannot be served: {e}")))?;
        let mut listeners = Vec::new();
        for (name, port, implicit_tls) in ports {
            let opened = match port {
                PortChoice::Host => network.listen(name),
                PortChoice::Number(number) => network.listen_on(name, number),
                PortChoice::Off => {
                    network.decline(name);
                    Ok(None)
                }
            };
            match opened {
                Ok(Some(named)) => {
                    let address = named.socket.local_addr().map_or_else(|e| e.to_string(), |a| a.to_string());
                    cms.say(&format!("DTCIMP1005I {name} listens on {address}")).await;
                    let listener = Listener::on(named.socket.clone(), implicit_tls);
                    let service = service.clone();
                    listeners.push(cms.guest.spawn(async move {
                        listener.run(service).await;
                        // The address is withdrawn when the intake is over.
                        drop(named);
                    }));
                }
                Ok(None) => {}
                Err(error) => return Err(one(format!("DTCIMP1006E {error}"))),
            }
        }
        Ok(Self { _until_reset: StopOnDrop(service.stop.clone()), admin, listeners })
    }

    /// The console thread, until the end.
    async fn serve(self, cms: &Arc<Cms>) -> i32 {
        cms.say("DTCIMP1001I The IMAP server is ready").await;
        loop {
            let line = tokio::select! {
                line = cms.guest.read() => line,
                () = self.admin.stop.cancelled() => break,
                () = cms.guest.shutdown_signalled() => break,
            };
            if line.trim().is_empty() {
                cms.guest.complete(0);
                continue;
            }
            let answer = self.admin.request(cms.userid(), true, line.trim()).await;
            for text in &answer.lines {
                cms.say(text).await;
            }
            cms.guest.complete(answer.rc);
        }
        self.admin.service.shutdown(PATIENCE).await;
        for listener in self.listeners {
            // A listener that is gone already has done what it should.
            let _ended = listener.await;
        }
        drop(self._until_reset);
        cms.say("DTCIMP1007I The IMAP server has ended").await;
        0
    }
}

async fn read_config(cms: &Arc<Cms>) -> Result<ImapConfig, Vec<String>> {
    let lines = cms.read_text("IMP", "IMAP", "CONFIG", None).await.map_err(|m| vec![m.to_string()])?;
    config::read(lines.iter().map(String::as_str))
        .map_err(|errors| errors.iter().map(|e| format!("DTCIMP1008E {e}")).collect())
}

/// The exit of TokenExit, with the records of its file.
async fn read_token_exit(
    cms: &Arc<Cms>,
    config: &ImapConfig,
) -> Result<Option<Arc<dyn TokenExit>>, Vec<String>> {
    let Some((name, make)) = EXITS.iter().find(|(name, _)| Some(*name) == config.token_exit) else {
        return Ok(None);
    };
    let records = cms.read_text("IMP", name, "TOKENS", None).await.map_err(|m| vec![m.to_string()])?;
    let clock = cms.guest.cp().clock.clone();
    let exit = make(&records, Arc::new(move || clock.now().as_second()));
    let wrong =
        |errors: Vec<String>| errors.iter().map(|e| format!("DTCIMP1009E {name} TOKENS {e}")).collect();
    exit.map(Some).map_err(wrong)
}

/// The exit of AuthExit, ready in this machine.
async fn bind_auth_exit(
    cms: &Arc<Cms>,
    config: &ImapConfig,
    exits: &AuthExits,
) -> Result<Option<Arc<dyn AuthExit>>, Vec<String>> {
    let Some(named) = &config.auth_exit else { return Ok(None) };
    let found = exits.find(&named.name);
    let exit = found.ok_or_else(|| vec![format!("DTCIMP1008E {}", named.unknown())])?;
    exit.bind(cms).await?;
    Ok(Some(exit))
}

/// The table of TranslateTable.
async fn read_table(cms: &Cms, config: &ImapConfig) -> Result<TranslateTable, Vec<String>> {
    let named = config.translate_table;
    tables::find(cms, named.name).await.map_err(|e| vec![format!("DTCIMP1008E {}", named.wrong(e))])
}

/// Looks whether the store is written by the table of TranslateTable. A file pool that does not answer is asked again with the
/// first user.
async fn agree(cms: &Cms, backend: &SfsBackend) -> Result<(), Vec<String>> {
    match backend.agree().await {
        Ok(()) => Ok(()),
        Err(error @ (StoreError::Unavailable(_) | StoreError::InUse)) => {
            let text = format!("DTCIMP1011W The translate table of the mail store is not known yet: {error}");
            cms.say(&text).await;
            Ok(())
        }
        Err(error) => Err(table_refused(&error)),
    }
}

/// Why a table cannot be that of the store, and what to do.
fn table_refused(error: &StoreError) -> Vec<String> {
    let mut lines = vec![format!("DTCIMP1010E TranslateTable: {error}")];
    if let StoreError::OtherTable { written, wanted } = error {
        let is_builtin = TranslateTable::builtin().id().fingerprint == written.fingerprint;
        let advice = if is_builtin && wanted.name.as_str() == STANDARD {
            "Erase STANDARD TCPXLBIN on the disks of the IMAP machine, or say a TranslateTable that is code page 1047".to_owned()
        } else if is_builtin {
            "Leave TranslateTable out of IMAP CONFIG, which means code page 1047".to_owned()
        } else {
            format!(
                "Say TranslateTable {} in IMAP CONFIG; STORE TCPXLBIN in the IMAP machine's directory of the file pool is a copy of that table",
                written.name
            )
        };
        lines.push(format!("DTCIMP1010E {advice}; a table can change only while no mailbox holds mail"));
    }
    lines
}

fn build_service(
    cms: &Arc<Cms>,
    network: &Arc<HostNetwork>,
    config: &ImapConfig,
    table: TranslateTable,
    listed: &Listed,
    random: fn(&mut [u8]) -> std::io::Result<()>,
) -> Result<(Arc<Service>, Arc<SfsBackend>), String> {
    let mut key = [0u8; 32];
    random(&mut key).map_err(|e| format!("no randomness: {e}"))?;
    let clock = cms.guest.cp().clock.clone();
    let mode = ModeLetter::new('A').ok_or("there is no file mode A")?;
    let second = Arc::new(HistoryOnDisk { cms: cms.clone(), mode });
    let backend =
        SfsBackend::new(cms.csl.clone(), config.file_pool).with_table(table).with_second_copy(second);
    let backend = Arc::new(backend);
    let store = Arc::new(MailStore::new(backend.clone(), Arc::new(move || clock.now().as_second())));
    let start = Instant::now();
    let passwords = Arc::new(CpPasswords { guest: cms.guest.clone() });
    let auth = Authenticator::new(passwords, network.domain.clone(), key, Arc::new(move || start.elapsed()));
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let tls = network.tls();
    let mut server = Server::new(network.domain.clone(), store, auth, cpus);
    server.starttls = tls.is_some();
    let listed = listed.clone();
    server.administrators = Arc::new(move |user| is_listed(&listed.read(), user));
    Ok((Service::new(Arc::new(server), Timeouts::default(), tls), backend))
}

/// UIDVALID HISTORY on the machine's A-disk.
struct HistoryOnDisk {
    cms: Arc<Cms>,
    mode: ModeLetter,
}

impl SecondCopy for HistoryOnDisk {
    fn read(&self) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async move {
            match self.cms.read_text("IMP", "UIDVALID", "HISTORY", Some(self.mode)).await {
                Ok(records) => Ok(Some(records.into_iter().next().unwrap_or_default())),
                Err(message) if message.rc == RC_NOT_FOUND => Ok(None),
                Err(message) => Err(message.to_string()),
            }
        })
    }

    fn write(&self, record: String) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let name = FileName::new("UIDVALID").map_err(|e| e.to_string())?;
            let id = FileId::new(name, FileType::new("HISTORY").map_err(|e| e.to_string())?);
            let written = self.cms.write_text("IMP", id, self.mode, &[record]).await;
            written.map_err(|message| message.to_string())
        })
    }
}

/// Takes each TLS configuration that the host puts in force.
async fn follow_certificates(network: Arc<HostNetwork>, service: Arc<Service>) {
    let mut editions = network.tls_editions();
    loop {
        service.set_tls(network.tls());
        if editions.changed().await.is_err() {
            return;
        }
    }
}

/// Forgets verified passwords whenever a directory is put on line.
async fn forget_passwords(guest: Guest, service: Arc<Service>) {
    let mut editions = guest.cp().directory_editions();
    while editions.changed().await.is_ok() {
        service.server.auth.forget(None);
    }
}

/// Who is an administrator, as `$SERVER$ NAMES` says.
type Listed = Arc<parking_lot::RwLock<Vec<names::NamesEntry>>>;

fn is_listed(entries: &[names::NamesEntry], user: UserId) -> bool {
    vmipc::is_listed(names::find(entries, vmipc::RESOURCE), user)
}

/// The administrative request thread. The list of administrators is read anew for every connection.
fn serve_requests(cms: &Arc<Cms>, admin: &Arc<Administration>, listed: Listed) -> Result<(), String> {
    let (current, config) = (listed.clone(), admin.config.clone());
    // The mail origin may connect as well, for what it has to ask about recipients.
    let requests = vmipc::serve(&cms.guest, move |user| {
        user == config.load().mail_origin || is_listed(&current.read(), user)
    });
    let mut requests = requests.map_err(|e| e.to_string())?;
    let (cms, admin) = (cms.clone(), admin.clone());
    let guest = cms.guest.clone();
    drop(guest.spawn(async move {
        *listed.write() = read_list(&cms).await;
        while let Some(request) = requests.recv().await {
            let administrator = is_listed(&listed.read(), request.from);
            let answer = admin.request(request.from, administrator, &request.text).await;
            request.answer(&answer);
            // A changed list is in force for the connections after this request. SMTP asks often and changes nothing.
            if administrator {
                *listed.write() = read_list(&cms).await;
            }
        }
    }));
    Ok(())
}

async fn read_list(cms: &Arc<Cms>) -> Vec<names::NamesEntry> {
    match cms.read_text("IMP", "$SERVER$", "NAMES", None).await {
        Ok(lines) => names::parse(lines.iter().map(String::as_str)),
        Err(message) => {
            cms.say(&message.to_string()).await;
            Vec::new()
        }
    }
}
