//! `kill -9` anywhere on the road: nothing that was acknowledged is lost, nothing comes twice.

use tests::python;
use tests::system::System;

/// Rounds of sending and killing; each kills at another moment of the road.
const ROUNDS: usize = 12;

#[test]
fn nothing_is_lost_and_nothing_comes_twice() {
    let system = System::generate(&[("VMUSER1", "SECRET1"), ("VMUSER2", "SECRET2")]);
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..ROUNDS {
        let running = system.start();
        // The script prints each subject that was acknowledged and kills the system after `round` and more of them,
        // or while a further mail is under way, without waiting for anything.
        let script = r#"
import os, signal
smtp, pid, round = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = smtplib.SMTP("127.0.0.1", int(smtp), timeout=30)
try:
    for i in range(3 + round * 2):
        subject = f"r{round}n{i}"
        s.send_message(mail("vmuser1@vm.localhost, vmuser2@vm.localhost", subject, "x" * 200 * round + "\n"))
        print(subject, flush=True)
    if round % 3 == 1:
        s.docmd("MAIL FROM:<a@b.example>"); s.docmd("RCPT TO:<vmuser1@vm.localhost>"); s.docmd("DATA")
        s.send(b"Subject: unfinished\r\n\r\nnever acknowledged\r\n")
finally:
    os.kill(pid, signal.SIGKILL)
"#;
        let arguments = [running.port("smtp").to_string(), running.pid().to_string(), round.to_string()];
        acknowledged.extend(python::run(script, &arguments).lines().map(str::to_owned));
        running.wait();
    }
    let running = system.start();
    for (user, password) in [("VMUSER1", "SECRET1"), ("VMUSER2", "SECRET2")] {
        let script = r#"
imap, user, password, expected = sys.argv[1:5]
c = login(imap, user, password)
wait_for(c, int(expected))
c.noop()
found = subjects(c)
typ, data = c.uid("search", None, "ALL")
uids = [int(u) for u in data[0].split()]
assert uids == sorted(set(uids)), uids
print("\n".join(found))
"#;
        let arguments =
            [running.port("imap").to_string(), user.into(), password.into(), acknowledged.len().to_string()];
        let mut found: Vec<String> = python::run(script, &arguments).lines().map(str::to_owned).collect();
        let mut wanted = acknowledged.clone();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{user}");
    }
}
