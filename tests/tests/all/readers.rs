//! Mail that is not for the IMAP server: it goes on to readers, and nothing of it is lost.

use std::io::{BufRead, Read, Write};

use tests::python;
use tests::system::{Running, System};

/// Asks until the answer of `command` on `user`'s machine contains `text`.
fn wait_for(running: &Running, user: &str, command: &str, text: &str) -> String {
    std::iter::repeat_with(|| running.cmd(user, command).1)
        .take(2_000)
        .find(|answer| answer.contains(text))
        .unwrap_or_else(|| panic!("{user}: {command} never shows {text}"))
}

#[test]
fn mail_for_one_who_is_not_enrolled_reaches_his_reader() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let running = system.start();
    python::run(
        "send(sys.argv[1], mail('maint@vm.localhost', 'for-maint', 'one line\\n'))",
        &[running.port("smtp").to_string()],
    );
    let listed = wait_for(&running, "MAINT", "QUERY RDR * ALL", "MAIL");
    assert!(listed.contains("SMTP     "), "{listed}");
    running.cmd_ok("MAINT", "RECEIVE = NEW MAIL A");
    let text = running.cmd_ok("MAINT", "TYPE NEW MAIL A");
    assert!(text.contains("Subject: for-maint") && text.contains("one line"), "{text}");
    assert!(running.cmd("MAINT", "QUERY RDR").1.contains("NO RDR FILES"));
}

#[test]
fn what_is_no_mail_goes_to_the_bad_file_id() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let running = system.start();
    running.cmd_ok("MAINT", "SENDFILE PROFILE EXEC A TO IMAP");
    wait_for(&running, "OPERATOR", "QUERY RDR POSTMSTR ALL", "PROFILE");
    // It is still the file that was sent.
    running.cmd_ok("POSTMSTR", "RECEIVE = GOT EXEC A");
    assert!(running.cmd_ok("POSTMSTR", "TYPE GOT EXEC A").contains("/* PROFILE EXEC */"));
}

#[test]
fn a_new_user_gets_his_mail_box_while_the_system_runs() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let running = system.start();
    running.cmd_ok("MAINT", "IMAP ENROLL POSTMSTR 1000");
    python::run(
        "send(sys.argv[1], mail('postmaster@vm.localhost', 'complaint'))",
        &[running.port("smtp").to_string()],
    );
    let passwords = std::fs::read_to_string(system.path().join("passwords.txt")).unwrap();
    let password = passwords.lines().find_map(|l| l.strip_prefix("POSTMSTR")).unwrap().trim().to_owned();
    python::run(
        "c = login(sys.argv[1], 'postmstr', sys.argv[2])\nwait_for(c, 1)\nassert subjects(c) == ['complaint']\n",
        &[running.port("imap").to_string(), password.clone()],
    );
    // Nothing was done for a limit that is none, or too small for a mail box.
    assert_eq!(running.cmd("MAINT", "IMAP ENROLL SMTP 0").0, 24);
    assert_eq!(running.cmd("MAINT", "IMAP ENROLL SMTP 1").0, 28);
    running.cmd_ok("MAINT", "IMAP ENROLL SMTP 1000");
    let users = running.cmd_ok("MAINT", "IMAP QUERY USERS");
    assert!(users.lines().any(|l| l.split_whitespace().eq(["SMTP", "1000", "2"])), "{users}");
    let (rc, answer) = running.cmd("MAINT", "IMAP DELETE POSTMSTR");
    assert_eq!((rc, answer.contains("FORCE")), (4, true), "{answer}");
    let stream = std::net::TcpStream::connect(("127.0.0.1", running.port("imap"))).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let mut session = std::io::BufReader::new(stream);
    write!(session.get_mut(), "a LOGIN postmstr {password}\r\n").unwrap();
    let mut said = String::new();
    while !said.contains("a OK") {
        assert_ne!(session.read_line(&mut said).unwrap(), 0, "{said}");
    }
    running.cmd_ok("MAINT", "IMAP DELETE POSTMSTR FORCE");
    // Whoever is there is told to go: nothing is his any more, also when he is enrolled again.
    let mut said = String::new();
    session.read_to_string(&mut said).unwrap();
    assert!(said.ends_with("* BYE [CONTACTADMIN] The administrator ends this session\r\n"), "{said}");
    assert_eq!(running.cmd("MAINT", "IMAP DELETE POSTMSTR FORCE").0, 28);
}

#[test]
fn a_user_over_his_limit_is_refused_for_the_time_being() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let running = system.start();
    running.cmd_ok("MAINT", "IMAP ENROLL POSTMSTR 6");
    let script = r#"
s = smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=30)
for i in range(50):
    try:
        s.send_message(mail("postmstr@vm.localhost", f"n{i}", "x" * 3000 + "\n"))
    except smtplib.SMTPRecipientsRefused as refused:
        (code, text), = refused.recipients.values()
        assert code == 452 and b"limit" in text, (code, text)
        break
    s.send_message(mail("vmuser1@vm.localhost", f"other{i}"))
else:
    raise SystemExit("mail for a full box was accepted all the time")
s.send_message(mail("vmuser1@vm.localhost", "still"))
"#;
    python::run(script, &[running.port("smtp").to_string()]);
    running.cmd_ok("MAINT", "IMAP RETRY");
}
