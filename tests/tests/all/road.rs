//! The road of a mail: SMTP, note, PUNCH exit, spool file, `*SPL`, work unit, IMAP.

use tests::python;
use tests::system::System;

use super::auth_exit::write_config_files;

fn text(value: u16) -> String {
    value.to_string()
}

#[test]
fn a_mail_sent_is_a_mail_read() {
    let system = System::generate(&[("VMUSER1", "SECRET1"), ("VMUSER2", "a longer pass phrase")]);
    let running = system.start();
    let script = r#"
smtp, imap = sys.argv[1:3]
body = "first line\n.starts with a dot\n\nGr\u00fc\u00dfe\n"
send(smtp, mail("vmuser1@vm.localhost", "hello", body), mail("VMUSER2@VM.LOCALHOST", "two"))
c = login(imap, "vmuser1", "secret1")
wait_for(c, 1)
typ, data = c.fetch("1", "(UID FLAGS RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY[])")
raw = data[0][1]
m = email.message_from_bytes(raw, policy=email.policy.default)
assert m["Subject"] == "hello", m["Subject"]
assert m.get_content().replace("\r\n", "\n") == body, repr(m.get_content())
assert f"RFC822.SIZE {len(raw)}".encode() in data[0][0], data[0][0]
assert raw.startswith(b"Return-Path: <tester@example.org>\r\nReceived: from "), raw[:200]
c.store("1", "+FLAGS", r"(\Flagged)")
c.logout()
c = login(imap, "VMUSER2@vm.localhost", "a longer pass phrase")
wait_for(c, 1)
assert subjects(c) == ["two"]
c = login(imap, "vmuser1", "SECRET1")
count(c)
typ, data = c.search(None, "FLAGGED")
assert data[0] == b"1", data
try:
    login(imap, "vmuser1", "WRONG")
    raise SystemExit("a wrong password was taken")
except imaplib.IMAP4.error:
    pass
"#;
    let script = format!("import email.policy\n{script}");
    python::run(&script, &[text(running.port("smtp")), text(running.port("imap"))]);
    // A second life: everything is still there.
    assert!(running.shutdown().success());
    let running = system.start();
    python::run(
        "c = login(sys.argv[1], 'VMUSER1', 'SECRET1')\nassert count(c) == 1\nassert subjects(c) == ['hello']\n",
        &[text(running.port("imap"))],
    );
}

#[test]
fn recipients_are_told_apart() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let running = system.start();
    let script = r#"
s = smtplib.SMTP("127.0.0.1", int(sys.argv[1]))
s.ehlo()
s.mail("a@b.example")
assert s.rcpt("vmuser1@vm.localhost")[0] == 250
assert s.rcpt("nobody@vm.localhost")[0] == 550
assert s.rcpt("someone@elsewhere.example")[0] == 550
assert s.rcpt("postmaster@vm.localhost")[0] == 250
assert s.verify("vmuser1") == (250, b"<vmuser1@vm.localhost>")
s.rset()
s.starttls(context=ssl._create_unverified_context())
s.ehlo()
s.login("vmuser1", "SECRET1")
s.quit()
"#;
    python::run(script, &[text(running.port("smtp"))]);
}

/// What stands after `+` names a folder, once IMAP CONFIG says so.
#[test]
fn a_subaddress_is_a_folder() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let text_on = "FilePoolID IMAPPOOL\nBadFileID POSTMSTR\nSubaddress ON\n";
    write_config_files(&system, &[("SUB", "CONFIG", text_on)]);
    let running = system.start();
    let ports = [text(running.port("smtp")), text(running.port("imap"))];
    let script = r#"
smtp, imap = sys.argv[1:3]
c = login(imap, "vmuser1", "secret1")
c.create("Lists/rust")
send(smtp, mail("vmuser1+Lists/rust@vm.localhost", "off"))
wait_for(c, 1)
"#;
    python::run(script, &ports);
    running.cmd_ok("MAINT", "LINK IMAP 191 391 MW");
    running.cmd_ok("MAINT", "ACCESS 391 B");
    running.cmd_ok("MAINT", "COPYFILE SUB CONFIG A IMAP CONFIG B ( REPLACE");
    assert!(running.cmd_ok("MAINT", "IMAP CONFIG").contains("DTCIMP3019I In force now: Subaddress"));
    let script = r#"
smtp, imap = sys.argv[1:3]
c = login(imap, "vmuser1", "secret1")
send(smtp, mail("vmuser1+lists/rust@vm.localhost", "on"))
assert any(count(c, "Lists/rust") == 1 for _ in range(200000))
assert subjects(c) == ["on"]
send(smtp, mail("vmuser1+none@vm.localhost", "none"), mail("vmuser1+@vm.localhost", "nothing"))
# as long as a local part may be
send(smtp, mail("vmuser1+" + 56 * "x" + "@vm.localhost", "longest"))
wait_for(c, 4)
assert sorted(subjects(c)) == ["longest", "none", "nothing", "off"]
"#;
    python::run(script, &ports);
}

#[test]
fn mail_waits_in_the_reader_while_imap_is_down() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let running = system.start();
    running.cmd_ok("OPERATOR", "FORCE IMAP");
    python::run("send(sys.argv[1], mail('vmuser1@vm.localhost', 'waiting'))", &[text(running.port("smtp"))]);
    // SMTP answers before it delivers: ask until the file is in the reader.
    let listed = std::iter::repeat_with(|| running.cmd("OPERATOR", "QUERY RDR IMAP ALL").1)
        .take(1_000)
        .find(|answer| answer.contains("SMTP "))
        .expect("the spool file arrives in the reader of IMAP");
    assert!(listed.contains("PUN"), "{listed}");
    running.cmd_ok("OPERATOR", "XAUTOLOG IMAP");
    let port = std::iter::repeat_with(|| {
        let text = std::fs::read_to_string(system.path().join("run/listeners.json")).unwrap_or_default();
        serde_json::from_str::<std::collections::HashMap<String, String>>(&text)
            .ok()
            .and_then(|m| m.get("imap").cloned())
    })
    .take(10_000_000)
    .flatten()
    .next()
    .expect("IMAP listens again");
    let port = port.rsplit(':').next().unwrap().to_owned();
    python::run(
        "c = login(sys.argv[1], 'VMUSER1', 'SECRET1')\nwait_for(c, 1)\nassert subjects(c) == ['waiting']\n",
        &[port],
    );
}
