//! Foreign clients in Python's standard library: smtplib and imaplib, driven by small scripts.

use std::process::Command;

/// Functions that all scripts have at hand: `mail`, `send`, `login`, `wait_for`.
const PRELUDE: &str = include_str!("../scripts/python/prelude.py");

/// Senders and sessions that are interrupted, and the record of what was acknowledged.
pub const WORK: &str = include_str!("../scripts/python/work.py");

/// Runs a script with `arguments` after the prelude; its output. Panics with all output when the script fails.
pub fn run(script: &str, arguments: &[String]) -> String {
    let output = Command::new("python3")
        .arg("-c")
        .arg(format!("{PRELUDE}\n{script}"))
        .args(arguments)
        .output()
        .expect("python3 can be started");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the script failed:\n{script}\n{out}\n{err}");
    out.into_owned()
}
