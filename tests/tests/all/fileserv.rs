//! FILESERV GENERATE, LIST and BACKUP on the machine of a pool that it does not serve.

use tests::system::System;

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
