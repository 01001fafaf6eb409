//! A system folder and the program running in it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use tempfile::TempDir;

/// The line with which the program says that it is up.
pub const READY_LINE: &str = "ENDICOTT READY";

/// The `endicott` binary, built once for all tests.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // This test program is in <target>/<profile>/deps.
        let exe = std::env::current_exe().expect("a running program has a path");
        let profile = exe.parent().and_then(Path::parent).expect("tests run in <target>/<profile>/deps");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--package", "emulator", "--bin", "endicott"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let status = build
            .env("CARGO_TARGET_DIR", profile.parent().expect("a profile is in a target folder"))
            .status();
        assert!(status.expect("cargo can be started").success(), "the endicott binary does not build");
        profile.join("endicott")
    })
}

/// Return code and output of a command that was begun.
pub fn answer(command: Child) -> (i32, String) {
    let Output { status, stdout, stderr } = command.wait_with_output().expect("endicott can be waited for");
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.code().unwrap_or(-1), text)
}

/// A generated system.
pub struct System {
    folder: TempDir,
}

/// A mail user for tests: name and password.
pub type User<'a> = (&'a str, &'a str);

impl System {
    /// Generates a system whose ports are chosen by the host.
    pub fn generate(mail_users: &[User<'_>]) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let system = Self { folder };
        let mut command = Command::new(binary());
        command.arg("generate").arg("--system").arg(system.path());
        for (name, password) in mail_users {
            command.arg("--mail-user").arg(format!("{name}={password}"));
        }
        let output = command.output().expect("endicott can be started");
        assert!(output.status.success(), "generate failed: {}", String::from_utf8_lossy(&output.stderr));
        let ports = ["imap", "imaps", "smtp", "submission"].map(|s| format!("{s} = 0\n")).concat();
        system.write_config(&format!("[listen]\n{ports}tn3270 = 0\n"));
        system
    }

    /// The folder.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("vm")
    }

    /// Replaces `endicott.toml`.
    pub fn write_config(&self, text: &str) {
        std::fs::write(self.path().join("endicott.toml"), text).expect("endicott.toml can be written");
    }

    /// Runs the program with further arguments on this folder; exit code and output.
    pub fn tool(&self, command: &str, arguments: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = Command::new(binary())
            .args([command, "--system"])
            .arg(self.path())
            .args(arguments)
            .output()
            .expect("endicott can be started");
        let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
        (status.code().unwrap_or(-1), text)
    }

    /// Starts the system and waits until it is up.
    pub fn start(&self) -> Running {
        self.launch(&["--no-console"], Stdio::null()).0
    }

    /// Starts the system with the operator's console on pipes, and waits until it is up.
    pub fn start_with_console(&self) -> (Running, OperatorConsole) {
        let (mut running, lines) = self.launch(&[], Stdio::piped());
        let keyboard = running.child.stdin.take().expect("stdin is piped");
        (running, OperatorConsole { keyboard, lines })
    }

    fn launch(&self, options: &[&str], keyboard: Stdio) -> (Running, Receiver<String>) {
        let mut child = Command::new(binary())
            .arg("ipl")
            .args(options)
            .arg("--system")
            .arg(self.path())
            .stdin(keyboard)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("endicott can be started");
        let output = child.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(output).lines();
        let mut seen = Vec::new();
        loop {
            match lines.next() {
                Some(Ok(line)) if line.contains(READY_LINE) => break,
                Some(Ok(line)) => seen.push(line),
                _ => panic!("the system ended before it was up:\n{}", seen.join("\n")),
            }
        }
        // Output is always read, so that the program never waits for us.
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // A test that does not look at the console has dropped the other end.
                let _unread = sender.send(line);
            }
        });
        let listeners = listeners(&self.path()).expect("listeners.json is a map of strings");
        (Running { child, path: self.path(), listeners, greeting: seen }, receiver)
    }
}

/// The listeners that the running system names.
fn listeners(path: &Path) -> Option<HashMap<String, String>> {
    let text = std::fs::read_to_string(path.join("run/listeners.json")).ok()?;
    serde_json::from_str(&text).ok()
}

/// How long a line of the operator's console may take.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The operator's console of a system, on pipes.
pub struct OperatorConsole {
    keyboard: ChildStdin,
    lines: Receiver<String>,
}

impl OperatorConsole {
    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").expect("the console takes a line");
    }

    /// The next line that is not empty, without blanks at its end; `None` when the program has ended.
    ///
    /// # Panics
    /// When nothing comes; `at` says where the test is.
    pub fn line(&mut self, at: &str) -> Option<String> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => return Some(line.trim_end().to_owned()),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("{at}: no line at the operator's console"),
            }
        }
    }

    /// Reads up to a line that `wanted` likes, and gives it.
    ///
    /// # Panics
    /// When the program ends before.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut seen = Vec::new();
        while let Some(line) = self.line(what) {
            if wanted(&line) {
                return line;
            }
            seen.push(line);
        }
        panic!("the console ended without {what}:\n{}", seen.join("\n"));
    }
}

/// A running system; killed when dropped.
pub struct Running {
    /// What it printed before it was up.
    pub greeting: Vec<String>,
    child: Child,
    path: PathBuf,
    listeners: HashMap<String, String>,
}

impl Running {
    /// Port of a listener.
    pub fn port(&self, name: &str) -> u16 {
        let address = self.listeners.get(name).unwrap_or_else(|| panic!("no listener {name}"));
        address.rsplit(':').next().and_then(|p| p.parse().ok()).expect("an address ends with a port")
    }

    /// Waits until the listener `name` is there again after its server was ended, and gives its port.
    ///
    /// # Panics
    /// When it does not come.
    pub fn listens_again(&self, name: &str) -> u16 {
        let until = std::time::Instant::now() + PATIENCE;
        while std::time::Instant::now() < until {
            let address = listeners(&self.path).and_then(|l| l.get(name).cloned());
            let port = address.and_then(|a| a.rsplit(':').next().and_then(|p| p.parse().ok()));
            if let Some(port) = port
                && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
            {
                return port;
            }
            std::thread::yield_now();
        }
        panic!("the listener {name} does not come back");
    }

    /// Runs one command on a user's machine with `endicott cmd`; return code and output.
    pub fn cmd(&self, user: &str, command: &str) -> (i32, String) {
        answer(self.begin(user, command))
    }

    /// Begins a command with `endicott cmd`, which [`answer`] waits for.
    pub fn begin(&self, user: &str, command: &str) -> Child {
        Command::new(binary())
            .args(["cmd", "-u", user, "--system"])
            .arg(&self.path)
            .arg(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("endicott can be started")
    }

    /// Runs a command that must end with return code 0.
    pub fn cmd_ok(&self, user: &str, command: &str) -> String {
        let (rc, text) = self.cmd(user, command);
        assert_eq!(rc, 0, "{user}: {command}\n{text}");
        text
    }

    /// Ends the program as a power failure of the process would.
    pub fn kill(mut self) {
        self.child.kill().expect("the program was running");
        self.child.wait().expect("the program can be waited for");
    }

    /// Stops the system with `endicott shutdown`.
    pub fn shutdown(mut self) -> ExitStatus {
        let status = Command::new(binary()).args(["shutdown", "--system"]).arg(&self.path).status();
        assert!(status.expect("endicott can be started").success(), "shutdown failed");
        self.child.wait().expect("the program can be waited for")
    }

    /// Process id, for signals.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of the program.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("the program can be waited for")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
