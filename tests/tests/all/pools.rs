//! The host tools for file pools: check, backup of a running system, restore.

use std::os::unix::fs::PermissionsExt;

use tests::python;
use tests::system::{Running, System};

/// UIDVALIDITY of two folders of VMUSER1.
fn validities(running: &Running) -> Vec<u64> {
    let script = "c = login(sys.argv[1], 'vmuser1', 'secret1')\n\
        for m in ('INBOX', 'kept'): print(c.status(m, '(UIDVALIDITY)')[1][0].split()[-1].rstrip(b')').decode())\n";
    let shown = python::run(script, &[running.port("imap").to_string()]);
    shown.lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn a_mail_box_comes_back_from_a_backup() {
    let system = System::generate(&[("VMUSER1", "SECRET1"), ("VMUSER2", "SECRET2")]);
    let backup = system.path().join("mail.backup").display().to_string();
    let running = system.start();
    let imap = running.port("imap").to_string();
    python::run(
        "send(sys.argv[1], *[mail('vmuser1@vm.localhost', f'n{i}') for i in range(20)])\n\
         c = login(sys.argv[2], 'vmuser1', 'secret1')\nwait_for(c, 20)\nc.create('kept')\nc.copy('1:5', 'kept')\n",
        &[running.port("smtp").to_string(), imap],
    );
    let first = validities(&running);
    assert_eq!(system.tool("check", &[]).0, 1, "a running system cannot be checked");
    let (rc, answer) = system.tool("backup", &["IMAPPOOL", &backup]);
    assert_eq!(rc, 0, "{answer}");
    assert_ne!(system.tool("backup", &["IMAPPOOL", &backup]).0, 0, "a backup is never overwritten");
    running.cmd_ok("MAINT", "IMAP DELETE VMUSER1 FORCE");
    running.shutdown();
    let (rc, answer) = system.tool("check", &["--bodies"]);
    assert!(rc == 0 && answer.contains("0 problems"), "{answer}");
    let (rc, answer) = system.tool("restore", &["IMAPPOOL", &backup, "VMUSER1"]);
    assert_eq!(rc, 0, "{answer}");
    assert_eq!(system.tool("check", &["--bodies", "IMAPPOOL"]).0, 0);
    let running = system.start();
    python::run(
        "c = login(sys.argv[1], 'vmuser1', 'secret1')\nassert count(c) == 20\n\
         assert sorted(subjects(c)) == sorted(f'n{i}' for i in range(20))\nassert count(c, 'kept') == 5\n",
        &[running.port("imap").to_string()],
    );
    // Mailboxes that come back from a backup are others than those that clients know.
    let restored = validities(&running);
    assert!(
        restored[0] != restored[1] && restored.iter().min() > first.iter().max(),
        "{first:?} {restored:?}"
    );
    // The catalog is lost; a salvage of log and volume makes the pool anew.
    assert!(running.shutdown().success());
    std::fs::remove_file(system.path().join("pools/IMAPPOOL/CATALOG")).unwrap();
    let salvaged = system.path().join("salvaged").display().to_string();
    assert_eq!(system.tool("salvage", &["IMAPPOOL", &salvaged]).0, 0);
    let report = std::fs::read_to_string(format!("{salvaged}.report")).unwrap();
    assert!(report.contains("The catalog cannot be used"), "{report}");
    let pool = system.path().join("pools/IMAPPOOL");
    std::fs::rename(&pool, system.path().join("aside")).unwrap();
    let (rc, answer) = system.tool("restore", &["IMAPPOOL", &salvaged]);
    assert!(rc == 0 && answer.contains("an empty one has been made"), "{answer}");
    let running = system.start();
    python::run(
        "c = login(sys.argv[1], 'vmuser1', 'secret1')\nassert count(c) == 20\nassert count(c, 'kept') == 5\n",
        &[running.port("imap").to_string()],
    );
    let again = validities(&running);
    assert!(again.iter().min() > restored.iter().max(), "{restored:?} {again:?}");
    assert!(running.shutdown().success());
    assert_eq!(validities(&system.start()), again, "a restart changes nothing");
}

#[test]
fn bad_names_and_files_are_told() {
    let system = System::generate(&[]);
    let (rc, answer) = system.tool("check", &["NOPOOL"]);
    assert!(rc == 1 && answer.contains("NOPOOL"), "{answer}");
    let garbage = system.path().join("garbage");
    std::fs::write(&garbage, b"this is no backup").unwrap();
    let (rc, answer) = system.tool("restore", &["IMAPPOOL", &garbage.display().to_string()]);
    assert!(rc == 1 && answer.contains("backup"), "{answer}");
    let salvaged = system.path().join("salvaged").display().to_string();
    assert_eq!(system.tool("salvage", &["VMSYSU", &salvaged]).0, 0);
    // What is in it is everybody's.
    for file in [&salvaged, &format!("{salvaged}.report")] {
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_pool_that_does_not_open_leaves_the_others_to_be_checked() {
    let system = System::generate(&[]);
    let pools = system.path().join("pools");
    std::fs::remove_file(pools.join("VMSYSU/CATALOG")).unwrap();
    let (rc, answer) = system.tool("check", &[]);
    assert_eq!(rc, 1, "{answer}");
    assert!(answer.contains("VMSYSU/CATALOG: ") && answer.contains("endicott salvage"), "{answer}");
    assert_eq!(answer.matches("No such file").count(), 1, "it is said once: {answer}");
    assert_eq!(answer.matches("0 problems").count(), 2, "IMAPPOOL and MINIDISK: {answer}");
    // A pool that is not there is not made by looking for it.
    std::fs::rename(pools.join("VMSYSU"), pools.join("ASIDE")).unwrap();
    let target = system.path().join("backup").display().to_string();
    for (tool, arguments) in
        [("check", vec!["VMSYSU"]), ("backup", vec!["VMSYSU", &target]), ("salvage", vec!["VMSYSU", &target])]
    {
        let (rc, answer) = system.tool(tool, &arguments);
        assert!(rc == 1 && answer.contains("there is no file pool in "), "{tool}: {answer}");
        assert!(!pools.join("VMSYSU").exists(), "{tool}");
    }
}
