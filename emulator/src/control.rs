//! The control socket: how `endicott cmd` and `endicott shutdown` reach the running system.
//!
//! A Unix socket in the system folder's `run`, which only the owner can enter: who can connect is authorised. One JSON
//! line each way.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream as HostStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cp::Cp;
use cp::console::{Captured, ConsoleState};
use cp::name::UserId;
use cp::system::{LogonError, PasswordVerdict};
use cp::vm::Vm;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

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
}

impl Response {
    fn refused(text: impl Into<String>) -> Self {
        Self { rc: RC_REFUSED, lines: vec![text.into()] }
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
    let mut stream = HostStream::connect(socket_path(system))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
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
    let mut line = String::new();
    tokio::io::BufReader::new(reader.take(MAX_REQUEST_OCTETS)).read_line(&mut line).await?;
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
    };
    let mut text = serde_json::to_string(&response)?;
    text.push('\n');
    writer.write_all(text.as_bytes()).await
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
        return Response { rc: response.rc, lines: response.lines };
    }
    let Ok(answer) = vm.console.input_captured(command) else { return Response::refused("NOT ACCEPTED") };
    match answer.await {
        Ok(Captured { lines, rc }) => Response { rc, lines },
        Err(_) => Response { rc: 0, lines: Vec::new() },
    }
}
