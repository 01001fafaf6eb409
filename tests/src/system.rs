//! A system folder and the program running in it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;

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

    /// Starts the system and waits until it is up.
    pub fn start(&self) -> Running {
        let mut child = Command::new(binary())
            .args(["ipl", "--no-console", "--system"])
            .arg(self.path())
            .stdin(Stdio::null())
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
        // Further output is read and dropped, so that the program never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let text =
            std::fs::read_to_string(self.path().join("run/listeners.json")).expect("listeners.json is there");
        let listeners = serde_json::from_str(&text).expect("listeners.json is a map of strings");
        Running { child, path: self.path(), listeners }
    }
}

/// A running system; killed when dropped.
pub struct Running {
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

    /// Runs one command on a user's machine with `endicott cmd`; return code and output.
    pub fn cmd(&self, user: &str, command: &str) -> (i32, String) {
        let Output { status, stdout, stderr } = Command::new(binary())
            .args(["cmd", "-u", user, "--system"])
            .arg(&self.path)
            .arg(command)
            .output()
            .expect("endicott can be started");
        let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
        (status.code().unwrap_or(-1), text)
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
