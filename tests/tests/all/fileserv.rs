//! FILESERV GENERATE, LIST and BACKUP on the machine of a pool that it does not serve; a pool that goes offline.

use tests::python;
use tests::system::System;

use super::auth_exit::write_config_files;

/// Nothing of a pool that could not be made is left, which would be in the way of the next try.
#[test]
fn a_pool_that_cannot_be_generated_leaves_nothing() {
    let system = System::generate(&[]);
    let twice = "MAXUSERS=10\nMINIDISK 0320 GROUP 3 BLOCKS 10\nMINIDISK 0320 GROUP 4 BLOCKS 10\n";
    let once = "MAXUSERS=10\nMINIDISK 0320 GROUP 3 BLOCKS 10\n";
    write_config_files(&system, &[("TWICE", "POOLDEF", twice), ("ONCE", "POOLDEF", once)]);
    let pool = system.path().join("pools/VMSYSU");
    let running = system.start();
    running.cmd_ok("VMSERVU", "STOP");
    std::fs::remove_dir_all(&pool).unwrap();
    running.cmd_ok("MAINT", "LINK VMSERVU 191 391 MW");
    running.cmd_ok("MAINT", "ACCESS 391 B");
    let define = |from: &str| {
        running.cmd_ok("MAINT", &format!("COPYFILE {from} POOLDEF A VMSYSU POOLDEF B ( REPLACE"));
        running.cmd("VMSERVU", "FILESERV GENERATE")
    };
    let (rc, answer) = define("TWICE");
    assert!(rc == 24 && answer.starts_with("DMSFSV3104E The file pool was not generated: "), "{rc} {answer}");
    assert!(!pool.exists());
    assert!(running.cmd_ok("VMSERVU", "FILESERV LIST").starts_with("File pool VMSYSU: not generated"));
    let (rc, answer) = define("ONCE");
    assert!(rc == 0 && answer.contains("DMSFSV3103I File pool VMSYSU has been generated"), "{rc} {answer}");
    assert!(running.shutdown().success());
}

/// A disk that takes no more: the operator is told, what was acknowledged is there when the server is started again.
#[test]
fn a_pool_that_goes_offline_is_told_and_started_again() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let (running, mut console) = system.start_with_console();
    let imap = running.port("imap").to_string();
    // The host's folder goes, and with it every new piece of the log.
    let (pool, aside) = (system.path().join("pools/IMAPPOOL"), system.path().join("pools/ASIDE"));
    std::fs::rename(&pool, &aside).unwrap();
    let fill = r#"
c = login(sys.argv[1], "VMUSER1", "SECRET1")
done = 0
while done < 2000:
    typ, data = c.append("INBOX", None, None, b"Subject: %d\r\n\r\n" % done + b"x" * 200000 + b"\r\n")
    if typ != "OK": break
    done += 1
assert typ == "NO", typ
print(done)
"#;
    let done = python::run(fill, std::slice::from_ref(&imap)).trim().to_owned();
    let told = console.wait_for("DMSFSV3115E", |line| line.contains("DMSFSV3115E"));
    assert!(told.contains("File pool IMAPPOOL is offline"), "{told}");
    std::fs::rename(&aside, &pool).unwrap();
    running.cmd_ok("IMAPSF", "STOP");
    // What IMAP was about is let end first.
    let start = || running.cmd("IMAPSF", "FILESERV START");
    let answers: Vec<_> = std::iter::repeat_with(start).take(1000).take_while(|(rc, _)| *rc != 0).collect();
    assert!(answers.len() < 1000, "{:?}", answers.last());
    let script = r#"
for attempt in range(1000):
    try:
        c = login(sys.argv[1], "VMUSER1", "SECRET1")
        break
    except imaplib.IMAP4.error: pass
assert count(c) >= int(sys.argv[2]), (count(c), sys.argv)
"#;
    python::run(script, &[imap, done]);
    assert!(running.shutdown().success());
}

#[test]
fn a_lost_pool_is_generated() {
    let system = System::generate(&[]);
    let pool = system.path().join("pools/VMSYSU");
    let running = system.start();
    let (rc, answer) = running.cmd("VMSERVU", "STOP");
    assert_eq!(rc, 0, "{answer}");
    let (rc, answer) = running.cmd("VMSERVU", "FILESERV GENERATE");
    assert!(rc == 24 && answer.contains("file pool VMSYSU is there already"), "{rc} {answer}");
    let file = system.path().join("vmsysu.backup");
    let answer = running.cmd_ok("VMSERVU", &format!("FILESERV BACKUP {}", file.display()));
    assert!(answer.contains("DMSFSV3100I Backup complete") && file.is_file(), "{answer}");
    let (rc, answer) = running.cmd("VMSERVU", &format!("FILESERV BACKUP {}", file.display()));
    assert!(rc == 24 && answer.contains("exists already"), "{rc} {answer}");
    std::fs::remove_dir_all(&pool).unwrap();
    let answer = running.cmd_ok("VMSERVU", "FILESERV LIST");
    assert!(answer.starts_with("File pool VMSYSU: not generated\nVMSYSU POOLDEF:\n"), "{answer}");
    assert!(answer.contains("  MAXUSERS=1000000"), "{answer}");
    let answer = running.cmd_ok("VMSERVU", "FILESERV GENERATE");
    assert!(answer.contains("DMSFSV3103I File pool VMSYSU has been generated"), "{answer}");
    assert!(running.cmd_ok("VMSERVU", "FILESERV LIST").starts_with("File pool VMSYSU: generated"));
    // It serves again, empty.
    running.cmd_ok("OPERATOR", "#CP FORCE VMSERVU");
    running.cmd_ok("OPERATOR", "#CP XAUTOLOG VMSERVU");
    let served = || running.cmd("MAINT", "ENROLL USER MAINT VMSYSU: (BLOCKS 100");
    let answers: Vec<_> = std::iter::repeat_with(served).take(100).take_while(|(rc, _)| *rc != 0).collect();
    assert!(answers.len() < 100, "{answers:?}");
    assert!(running.shutdown().success());
}
