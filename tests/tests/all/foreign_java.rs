//! A program of Java's mail library, as many business programs and some phones have one: COMPRESS, UTF8=ACCEPT, SORT, MOVE, IDLE with
//! its events, ACL, QUOTA, and coming back by QRESYNC. Passed over with a line that says so where Java or the library is not installed.

use std::path::Path;
use std::process::Command;

use tests::system::System;

use super::foreign::{USERS, installed, ok, write};

/// The library, and what it needs.
const LIBRARIES: &[&str] = &["/usr/share/java/javax.mail.jar", "/usr/share/java/javax.activation.jar"];

/// What it does.
const CLIENT: &str = include_str!("../../scripts/java/Client.java");

#[test]
fn jakarta_mail() {
    if !installed("javac") {
        return;
    }
    if let Some(missing) = LIBRARIES.iter().find(|library| !Path::new(library).exists()) {
        eprintln!("skipped: {missing} is not installed");
        return;
    }
    let system = System::generate(USERS);
    let running = system.start();
    let source = system.path().join("Client.java");
    write(&source, CLIENT);
    let mut program = Command::new("java");
    program.arg("-cp").arg(LIBRARIES.join(":")).arg(source);
    program.args([&running.port("imap").to_string(), "VMUSER1", "SECRET1"]);
    let said = ok(&mut program);
    assert!(said.contains("all as it should be"), "{said}");
}
