//! `kill -9` anywhere, and machines forced off: nothing that was acknowledged is lost, nothing comes twice, UIDs stay.

use tests::python;
use tests::system::{Running, System, binary};

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

/// Users of the work that is interrupted.
const WORKERS: &[(&str, &str)] = &[("VMUSER1", "SECRET1"), ("VMUSER2", "SECRET2"), ("VMUSER3", "SECRET3")];

/// Seed of the moments and of the work; another can be given to look further.
fn seed() -> u64 {
    std::env::var("ENDICOTT_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1998)
}

/// The next number of a small generator, below `limit`.
fn next(state: &mut u64, limit: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % limit
}

/// Runs a part of the work: arguments of the script are ports, seed, moment, process id, record, program and folder.
fn work(system: &System, running: &Running, seed: u64, moment: u64, script: &str) {
    let users: Vec<String> =
        WORKERS.iter().map(|(user, password)| format!("{user:?}: {password:?}")).collect();
    let script = format!(
        "{}\nusers = {{{}}}\nsmtp, imap, seed, moment, pid, path, program, folder = sys.argv[1:9]\n\
         record = Record(path, users)\n{script}",
        python::WORK,
        users.join(", ")
    );
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    python::run(
        &script,
        &[
            running.port("smtp").to_string(),
            running.port("imap").to_string(),
            seed.to_string(),
            moment.to_string(),
            running.pid().to_string(),
            path(&system.path().with_file_name("record.json")),
            path(binary()),
            path(&system.path()),
        ],
    );
}

#[test]
fn work_killed_at_random_points() {
    let system = System::generate(WORKERS);
    let (mut state, rounds) = (seed(), 6);
    for _ in 0..rounds {
        let running = system.start();
        let (round, moment) = (next(&mut state, u64::MAX), 30 + next(&mut state, 300));
        let script = r#"
check(record, imap, users)
import signal
work(record, smtp, imap, users, seed, int(moment), lambda: os.kill(int(pid), signal.SIGKILL))
"#;
        work(&system, &running, round, moment, script);
        running.wait();
    }
    let running = system.start();
    work(&system, &running, 0, 0, "check(record, imap, users)\nassert record.state['serial'] > 100\n");
    assert!(running.shutdown().success());
}

/// Work during which `commands` are given at MAINT's machine; then everything must be there.
fn work_with(commands: &[&str]) {
    let system = System::generate(WORKERS);
    let running = system.start();
    let list: Vec<String> = commands.iter().map(|c| format!("{c:?}")).collect();
    let script = format!(
        r#"
def then():
    for command in [{}]:
        done = subprocess.run([program, "cmd", "-u", "MAINT", "--system", folder, command], capture_output=True)
        assert done.returncode == 0, done
work(record, smtp, imap, users, seed, int(moment), then)
"#,
        list.join(", ")
    );
    work(&system, &running, seed(), 200, &script);
    // Listeners that were closed have other ports now.
    let running =
        Restarted { imap: running.listens_again("imap"), smtp: running.listens_again("smtp"), running };
    let ports = format!("imap, smtp = '{}', '{}'\n", running.imap, running.smtp);
    let script = ports
        + r#"
check(record, imap, users)
work(record, smtp, imap, users, seed + "again", 200, lambda: None)
check(record, imap, users)
"#;
    work(&system, &running.running, seed(), 0, &script);
    assert!(running.running.shutdown().success());
}

/// A system some of whose listeners have moved.
struct Restarted {
    running: Running,
    imap: u16,
    smtp: u16,
}

#[test]
fn imap_forced_in_the_middle() {
    work_with(&["FORCE IMAP", "XAUTOLOG IMAP"]);
}

#[test]
fn smtp_forced_in_the_middle() {
    work_with(&["FORCE SMTP", "XAUTOLOG SMTP"]);
}

#[test]
fn the_mail_pool_forced_in_the_middle() {
    work_with(&["FORCE IMAPSF", "XAUTOLOG IMAPSF"]);
}
