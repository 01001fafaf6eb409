//! The control socket: how `endicott cmd` and `endicott shutdown` reach the running system.
//!
//! A Unix socket in the system folder's `run`, which only the owner can enter: who can connect is authorised. One JSON
//! line each way; behind it the octets of a file that is imported or exported.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream as HostStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cms::Cms;
use cp::Cp;
use cp::console::{Captured, ConsoleState};
use cp::name::UserId;
use cp::system::{LogonError, PasswordVerdict};
use cp::vm::Vm;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::transfer::{self, Form, TransferError};

/// Longest request in octets: a command line and a password, with room for JSON's escapes.
const MAX_REQUEST_OCTETS: u64 = 64 * 1024;

/// Return code of a request that could not be carried out.
const RC_REFUSED: i32 = 255;

/// A request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Request {
    /// Run a command on a user's machine.
    Cmd {
        /// Whose machine.
        user: String,
        /// Password to check first.
        password: Option<String>,
        /// The command.
        command: String,
    },
    /// Make a file of a machine of the octets behind the request.
    Import {
        /// Whose machine.
        user: String,
        /// `fn ft [fm]`.
        file: String,
        /// As text or octet by octet.
        form: Form,
        /// Length of its records, when they are of one length.
        fixed: Option<u32>,
        /// How many octets there are.
        octets: u64,
    },
    /// Send a file of a machine behind the answer.
    Export {
        /// Whose machine.
        user: String,
        /// `fn ft [fm]`.
        file: String,
        /// As text or octet by octet.
        form: Form,
    },
    /// Stop the system.
    Shutdown,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// Return code.
    pub rc: i32,
    /// Lines to print.
    pub lines: Vec<String>,
    /// How many octets of a file follow.
    #[serde(default)]
    pub octets: u64,
}

impl Response {
    fn refused(text: impl Into<String>) -> Self {
        Self { rc: RC_REFUSED, lines: vec![text.into()], octets: 0 }
    }
}

/// Where the socket is.
pub fn socket_path(system: &Path) -> PathBuf {
    system.join("run").join("control.sock")
}

/// Sends one request to the running system and waits for the answer.
///
/// # Errors
/// The host's error; not found or refused means that no system runs in the folder.
pub fn ask(system: &Path, request: &Request) -> std::io::Result<Response> {
    ask_with(system, request, &[]).map(|(response, _)| response)
}

/// The same, with the octets behind the request and those behind the answer.
///
/// # Errors
/// As [`ask`].
pub fn ask_with(system: &Path, request: &Request, octets: &[u8]) -> std::io::Result<(Response, Vec<u8>)> {
    let mut stream = HostStream::connect(socket_path(system))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut reader = BufReader::new(stream.try_clone()?);
    // A request that is refused is answered before all of it was read.
    let sent = stream.write_all(octets);
    let mut answer = String::new();
    if reader.read_line(&mut answer)? == 0 {
        sent?;
    }
    let response: Response = serde_json::from_str(&answer)?;
    let mut found = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(reader, response.octets), &mut found)?;
    if found.len() as u64 != response.octets {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok((response, found))
}

/// Asks the running system to stop and waits until it has.
///
/// # Errors
/// The host's error; not found or refused means that no system runs in the folder.
pub fn shutdown(system: &Path) -> std::io::Result<()> {
    let mut stream = HostStream::connect(socket_path(system))?;
    let mut line = serde_json::to_string(&Request::Shutdown)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    // The answer comes at once, the end of the connection with the end of the system.
    let mut all = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut all).map(|_| ()).or_else(|e| match e.kind() {
        std::io::ErrorKind::ConnectionReset => Ok(()),
        _ => Err(e),
    })
}

/// Serves the socket until the system ends.
pub async fn serve(listener: UnixListener, cp: Arc<Cp>) {
    while let Ok((stream, _)) = listener.accept().await {
        let cp = cp.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(stream, &cp).await {
                tracing::debug!("control connection: {error}");
            }
        });
    }
}

async fn answer(stream: UnixStream, cp: &Arc<Cp>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader);
    let mut line = String::new();
    (&mut reader).take(MAX_REQUEST_OCTETS).read_line(&mut line).await?;
    let mut behind = Vec::new();
    let response = match serde_json::from_str::<Request>(&line) {
        Err(e) => Response::refused(format!("the request was not understood: {e}")),
        Ok(Request::Shutdown) => {
            cp.request_shutdown();
            // The connection stays open until the process ends, so that the asker knows when it is over.
            writer.write_all(b"{\"rc\":0,\"lines\":[]}\n").await?;
            std::future::pending::<()>().await;
            return Ok(());
        }
        Ok(Request::Cmd { user, password, command }) => run(cp, &user, password.as_deref(), &command).await,
        Ok(Request::Import { user, file, form, fixed, octets }) => {
            let done = async {
                transfer::check_length(octets)?;
                let cms = cms_of(cp, &user).await?;
                let mut data = Vec::new();
                let read = (&mut reader).take(octets).read_to_end(&mut data).await;
                if read.is_err() || data.len() as u64 != octets {
                    return Err(TransferError::Refused("the file was cut short".into()));
                }
                transfer::import(&cms, &file, &data, form, fixed).await
            };
            match done.await {
                Ok(line) => Response { lines: vec![line], ..Response::default() },
                Err(error) => Response::refused(error.to_string()),
            }
        }
        Ok(Request::Export { user, file, form }) => {
            let done = async { transfer::export(&*cms_of(cp, &user).await?, &file, form).await };
            match done.await {
                Ok(octets) => {
                    behind = octets;
                    Response { octets: behind.len() as u64, ..Response::default() }
                }
                Err(error) => Response::refused(error.to_string()),
            }
        }
    };
    let mut text = serde_json::to_string(&response)?;
    text.push('\n');
    writer.write_all(text.as_bytes()).await?;
    writer.write_all(&behind).await
}

/// The CMS of a machine, which is logged on if need be.
async fn cms_of(cp: &Arc<Cp>, user: &str) -> Result<Arc<Cms>, TransferError> {
    let refused = |why: String| TransferError::Refused(why);
    let user = UserId::new(user).map_err(|e| refused(e.to_string()))?;
    let there = cp.machine(user).is_some();
    let vm = machine(cp, user).await.map_err(|e| refused(e.to_string()))?;
    if !there {
        // A machine that begins has its disks when it carries out commands.
        run_on(cp, &vm, "STATE PROFILE EXEC A").await;
    }
    Cms::of(&vm).ok_or_else(|| refused(format!("{user} does not run CMS")))
}

async fn run(cp: &Arc<Cp>, user: &str, password: Option<&str>, command: &str) -> Response {
    let user = match UserId::new(user) {
        Ok(user) => user,
        Err(e) => return Response::refused(e.to_string()),
    };
    if let Some(password) = password
        && !matches!(cp.verify_password(user.as_str(), password).await, PasswordVerdict::Valid(_))
    {
        return Response {
            rc: 50,
            lines: vec!["HCPLGA050E LOGON unsuccessful--incorrect userid and/or password".into()],
            octets: 0,
        };
    }
    match machine(cp, user).await {
        Ok(vm) => run_on(cp, &vm, command).await,
        Err(e) => Response::refused(e.to_string()),
    }
}

/// The user's machine, logged on if need be.
async fn machine(cp: &Arc<Cp>, user: UserId) -> Result<Arc<Vm>, LogonError> {
    loop {
        match cp.machine(user) {
            Some(vm) if vm.is_logging_off() => vm.logged_off().await,
            Some(vm) => return Ok(vm),
            None => match cp.autolog(user, None) {
                // Somebody else was quicker.
                Err(LogonError::AlreadyLoggedOn { .. }) => {}
                other => return other,
            },
        }
        tokio::task::yield_now().await;
    }
}

async fn run_on(cp: &Arc<Cp>, vm: &Arc<Vm>, command: &str) -> Response {
    let direct = command.get(..4).filter(|p| p.eq_ignore_ascii_case("#CP ")).map(|_| &command[4..]);
    let stopped = vm.console.state() == ConsoleState::CpRead;
    if let Some(line) = direct.or(stopped.then_some(command)) {
        let response = cp::command::execute(cp, vm, line).await;
        return Response { rc: response.rc, lines: response.lines, octets: 0 };
    }
    let Ok(answer) = vm.console.input_captured(command) else { return Response::refused("NOT ACCEPTED") };
    match answer.await {
        Ok(Captured { lines, rc }) => Response { rc, lines, octets: 0 },
        Err(_) => Response::default(),
    }
}
