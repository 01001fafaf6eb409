//! Octets on the host's disk that change while the system is down.

use std::path::Path;

use tests::python;
use tests::system::{Running, System};

/// Changes an octet of the stretch of a file in `folder` that holds `text` in EBCDIC.
fn spoil(folder: &Path, text: &str) {
    let wanted = cp::codepage::from_text(text);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut octets = std::fs::read(&path).unwrap();
        if let Some(at) = octets.windows(wanted.len()).position(|w| w == wanted) {
            octets[at] ^= 1;
            std::fs::write(&path, octets).unwrap();
            return;
        }
    }
    panic!("{text} is nowhere in {}", folder.display());
}

fn wait_for_files(running: &Running, user: &str, count: usize) -> String {
    std::iter::repeat_with(|| running.cmd("OPERATOR", &format!("QUERY RDR {user} ALL")).1)
        .take(1_000)
        .find(|answer| answer.matches("SMTP ").count() == count)
        .unwrap_or_else(|| panic!("the reader of {user} does not come to {count} files"))
}

#[test]
fn a_damaged_spool_file_is_named_and_held_and_the_other_mail_arrives() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let running = system.start();
    running.cmd_ok("OPERATOR", "FORCE IMAP");
    for (n, mark) in ["MARKONE", "MARKTWO", "MARKTHREE"].into_iter().enumerate() {
        let script = format!("send(sys.argv[1], mail('vmuser1@vm.localhost', 'mail {n}', '{mark}'))");
        python::run(&script, &[running.port("smtp").to_string()]);
        wait_for_files(&running, "IMAP", n + 1);
    }
    assert!(running.shutdown().success());
    spoil(&system.path().join("spool"), "MARKTWO");

    let running = system.start();
    let said =
        running.greeting.iter().find(|line| line.contains("is damaged")).expect("the operator is told");
    assert!(said.starts_with("HCPWRS435E Spool file "), "{said}");
    assert!(said.ends_with(" is damaged; RDR file of IMAP from SMTP, now in system hold"), "{said}");
    let script = "c = login(sys.argv[1], 'VMUSER1', 'SECRET1')\nwait_for(c, 2)\n\
                  assert subjects(c) == ['mail 0', 'mail 2'], subjects(c)\n";
    python::run(script, &[running.port("imap").to_string()]);
    assert!(wait_for_files(&running, "IMAP", 1).contains("SYS"), "it waits in system hold");
    // Let go, it comes back into hold when IMAP has found that it cannot be read.
    running.cmd_ok("OPERATOR", "CHANGE IMAP RDR ALL NOSYSHOLD");
    let held = std::iter::repeat_with(|| running.cmd_ok("OPERATOR", "QUERY RDR IMAP ALL"));
    assert!(held.take(1_000).any(|answer| answer.contains("SYS")), "IMAP does not try it for ever");
    running.cmd_ok("OPERATOR", "PURGE IMAP RDR ALL");
    assert!(running.shutdown().success());
    let running = system.start();
    assert!(!running.greeting.iter().any(|line| line.contains("damaged")), "{:?}", running.greeting);
}
