//! A user over his limit: mail waits in IMAP's reader and arrives when there is room again.

use tests::python;
use tests::system::System;

#[test]
fn a_user_over_his_limit() {
    let system = System::generate(&[("VMUSER1", "SECRET1"), ("VMUSER2", "SECRET2")]);
    let running = system.start();
    let (smtp, imap) = (running.port("smtp").to_string(), running.port("imap").to_string());
    // A few blocks: a small mail fits, a large one does not.
    running.cmd_ok("MAINT", "MODIFY USER 40 FOR VMUSER1 IMAPPOOL:");
    let script = r#"
smtp, imap = sys.argv[1:3]
big = ("x" * 70 + "\n") * 6000
send(smtp, mail("vmuser1@vm.localhost", "small"))
c = login(imap, "VMUSER1", "SECRET1")
wait_for(c, 1)
send(smtp, mail("vmuser1@vm.localhost", "big1", big), mail("vmuser1@vm.localhost", "big2", big),
     mail("vmuser2@vm.localhost", "other", big))
# What is for somebody else is not held up.
d = login(imap, "VMUSER2", "SECRET2")
wait_for(d, 1)
typ, data = c.append("INBOX", None, None, b"Subject: no room\r\n\r\n" + big.encode())
assert typ == "NO" and b"OVERQUOTA" in data[0].upper(), (typ, data)
# Work that needs next to no room goes on.
typ, data = c.store("1", "+FLAGS", r"(\Seen)")
assert typ == "OK", data
c.noop()
assert count(c) == 1 and subjects(c) == ["small"], subjects(c)
"#;
    python::run(script, &[smtp, imap]);
    // The arrival thread may still be at it: ask until both files are back in the reader.
    let two_wait = |answer: &String| answer.lines().filter(|line| line.contains(" PUN ")).count() == 2;
    let ask = || running.cmd("MAINT", "QUERY RDR IMAP ALL").1;
    assert!(std::iter::repeat_with(ask).take(200).any(|answer| two_wait(&answer)), "{}", ask());
    // A life later it is the same, and then there is room.
    assert!(running.shutdown().success());
    let running = system.start();
    let (smtp, imap) = (running.port("smtp").to_string(), running.port("imap").to_string());
    running.cmd_ok("MAINT", "IMAP RETRY");
    let listed = running.cmd_ok("MAINT", "QUERY RDR IMAP ALL");
    assert!(two_wait(&listed), "{listed}");
    // The arrival thread may be at work in the file space: the command waits for it.
    running.cmd_ok("MAINT", "SET FILEWAIT ON");
    running.cmd_ok("MAINT", "MODIFY USER +100000 FOR VMUSER1 IMAPPOOL:");
    running.cmd_ok("MAINT", "IMAP RETRY");
    let script = r#"
c = login(sys.argv[2], "VMUSER1", "SECRET1")
wait_for(c, 3)
assert sorted(subjects(c)) == ["big1", "big2", "small"], subjects(c)
typ, data = c.fetch("1", "(FLAGS)")
assert b"Seen" in data[0], data
"#;
    python::run(script, &[smtp, imap]);
    let listed = std::iter::repeat_with(|| running.cmd("MAINT", "QUERY RDR IMAP ALL").1)
        .take(200)
        .find(|answer| answer.contains("NO RDR FILES"));
    assert!(listed.is_some(), "{}", running.cmd("MAINT", "QUERY RDR IMAP ALL").1);
}
