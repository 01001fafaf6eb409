//! The authentication exit in a whole system: named by IMAP CONFIG, its rules on IMAP's disk, both read again by CONFIG.

use std::sync::Arc;

use cp::clock::ManualClock;
use cp::codepage;
use cp::name::{FileName, FileType, UserId, Vdev};
use sfs::csl::OpenOptions;
use sfs::minidisk::{LinkMode, MinidiskStore};
use sfs::pool::{Pool, PoolConfig};
use sfs::types::{FileId, Intent};
use tests::python;
use tests::system::{Running, System};

/// Writes files to MAINT's 191 while the system is stopped: name, type, text.
pub(super) fn write_config_files(system: &System, files: &[(&str, &str, &str)]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dasd: Arc<dyn dasd::Dasd> = Arc::new(dasd::HostDasd::new(system.path().join("dasd")).unwrap());
        let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
        let pool = Pool::open(&dasd, &PoolConfig::default(), clock).unwrap();
        let store = MinidiskStore::new(pool.clone());
        let disk = store.link(UserId::new("MAINT").unwrap(), Vdev(0x191), LinkMode::ReadWrite).unwrap();
        for (name, kind, text) in files {
            let id = FileId::new(FileName::new(name).unwrap(), FileType::new(kind).unwrap());
            let mut file = disk.open(id, Intent::Replace, &OpenOptions::variable()).await.unwrap();
            for line in text.lines() {
                file.write(&codepage::from_text(line).into(), 1).await.unwrap();
            }
            file.close().await.unwrap();
        }
        pool.close().await;
    });
}

/// The answer to a login.
fn login(running: &Running, user: &str, password: &str) -> String {
    let script = r#"
import socket
c = socket.create_connection(("127.0.0.1", int(sys.argv[1]))).makefile("rwb")
c.readline()
c.write(("a LOGIN %s %s\r\n" % (sys.argv[2], sys.argv[3])).encode()); c.flush()
print(c.readline().decode())
"#;
    python::run(script, &[running.port("imap").to_string(), user.to_owned(), password.to_owned()])
}

#[test]
fn the_exit_is_configured_while_the_system_runs() {
    let system = System::generate(&[("VMUSER1", "SECRET1"), ("VMUSER2", "SECRET2")]);
    let base = "FilePoolID IMAPPOOL\nBadFileID POSTMSTR\n";
    write_config_files(
        &system,
        &[
            ("NONE", "CONFIG", &format!("{base}; there is none\nAuthExit FROB\n")),
            ("EXIT", "CONFIG", &format!("{base}AuthExit IMAPAUTX\n")),
            ("BAD", "RULES", "ACCEPT VMUSER1 127.0.0.1\nALLOW * *\n"),
            ("GOOD", "RULES", "ACCEPT VMUSER1 127.0.0.1 CLEAR\nREFUSE VMUSER2 * Not today\n"),
        ],
    );
    let running = system.start();
    assert!(login(&running, "vmuser1", "wrong").starts_with("a NO [AUTHENTICATIONFAILED]"));
    running.cmd_ok("MAINT", "LINK IMAP 191 391 MW");
    running.cmd_ok("MAINT", "ACCESS 391 B");
    let put = |from: &str, to: &str| running.cmd_ok("MAINT", &format!("COPYFILE {from} A {to} B ( REPLACE"));
    let refused = |what: &str| {
        let (rc, answer) = running.cmd("MAINT", "IMAP CONFIG");
        assert!(rc == 28 && answer.contains(what) && answer.contains("DTCIMP3018E"), "{answer}");
    };
    put("NONE CONFIG", "IMAP CONFIG");
    refused("DTCIMP1008E IMAP CONFIG record 4: FROB: there is no exit of this name");
    put("EXIT CONFIG", "IMAP CONFIG");
    refused("IMAPAUTX RULES");
    put("BAD RULES", "IMAPAUTX RULES");
    refused("DTCIMP1009E IMAPAUTX RULES record 2: ALLOW: ACCEPT, CHECK or REFUSE is needed");
    assert!(login(&running, "vmuser2", "secret2").starts_with("a OK"));
    put("GOOD RULES", "IMAPAUTX RULES");
    let answer = running.cmd_ok("MAINT", "IMAP CONFIG");
    assert!(answer.contains("In force now: AuthExit"), "{answer}");
    assert!(login(&running, "vmuser1", "wrong").starts_with("a OK"));
    assert!(login(&running, "vmuser2", "secret2").starts_with("a NO [NOPERM] Not today"));
    assert!(login(&running, "maint", "wrong").starts_with("a NO [AUTHENTICATIONFAILED]"));
    // It is there from the start of the next life.
    assert!(running.shutdown().success());
    let running = system.start();
    assert!(login(&running, "vmuser2", "secret2").starts_with("a NO [NOPERM] Not today"));
    assert!(running.shutdown().success());
}
