//! Foreign mail programs that fetch or read: fetchmail, offlineimap, alpine at a terminal, Thunderbird in a window, neomutt, and the
//! Python package IMAPClient. A program that is not installed is passed over with a line that says so.

use std::path::Path;
use std::process::Command;

use tests::python;
use tests::system::{Running, System};

use super::foreign::{USERS, fill, installed, ok, script, write};

const THREE: &[&str] = &["mail 1", "mail 2", "mail 3"];

fn limited(program: &str, home: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args(["300", program]).env("HOME", home);
    command
}

fn three_mails() -> (System, Running) {
    let system = System::generate(USERS);
    let running = system.start();
    fill(&running, THREE);
    (system, running)
}

#[test]
fn fetchmail() {
    if !installed("fetchmail") {
        return;
    }
    let (system, running) = three_mails();
    let folder = system.path();
    let (rc, got) = (folder.join("fetchmailrc"), folder.join("fetched"));
    let port = running.port("imap");
    let mda = format!("cat >> {}", got.display());
    write(
        &rc,
        &format!(
            "poll 127.0.0.1 service {port} protocol IMAP user \"VMUSER1\" password \"SECRET1\" sslproto \"\" \
             fetchall no keep mda \"{mda}\"\n"
        ),
    );
    // fetchmail refuses a file that others may read.
    ok(Command::new("chmod").arg("600").arg(&rc));
    let mut fetch = limited("fetchmail", &folder);
    ok(fetch.args(["--nodetach", "-f"]).arg(&rc).arg("--pidfile").arg(folder.join("pid")));
    let text = std::fs::read_to_string(&got).unwrap();
    for subject in THREE {
        assert!(text.contains(&format!("Subject: {subject}")), "{text}");
    }
    script(&running, "c = login(imap, 'VMUSER1', 'SECRET1')\nassert count(c) == 0\n", &[]);
}

#[test]
fn offlineimap_both_ways() {
    if !installed("offlineimap") {
        return;
    }
    let (system, running) = three_mails();
    let folder = system.path();
    let (rc, near) = (folder.join("offlineimaprc"), folder.join("near"));
    write(
        &rc,
        &format!(
            "[general]\naccounts = vm\nmetadata = {}\nui = basic\n[Account vm]\nlocalrepository = local\n\
             remoterepository = remote\n[Repository local]\ntype = Maildir\nlocalfolders = {}\n[Repository remote]\n\
             type = IMAP\nremotehost = 127.0.0.1\nremoteport = {}\nremoteuser = VMUSER1\nremotepass = SECRET1\n\
             ssl = no\nstarttls = no\n",
            folder.join("metadata").display(),
            near.display(),
            running.port("imap")
        ),
    );
    let sync = || ok(limited("offlineimap", &folder).args(["-o", "-c"]).arg(&rc));
    sync();
    let near = near.display().to_string();
    let change = r#"
import mailbox
box = mailbox.Maildir(sys.argv[5] + "/INBOX", create=False)
key = {m["Subject"]: k for k, m in box.items()}
assert sorted(key) == ["mail 1", "mail 2", "mail 3"], key
m = box[key["mail 1"]]; m.set_subdir("cur"); m.set_flags("FS"); box[key["mail 1"]] = m
box.remove(key["mail 2"])
box.add(mail("vmuser1@vm.localhost", "local"))
c = login(imap, "VMUSER1", "SECRET1")
assert count(c) == 3
c.store("3", "+FLAGS", r"(\Answered)")
c.create("Faraway")
c.append("Faraway", r"(\Seen)", None, b"Subject: faraway\r\n\r\nx\r\n")
"#;
    script(&running, change, &[&near]);
    sync();
    let same = r#"
import mailbox
c = login(imap, "VMUSER1", "SECRET1")
count(c)
far = {}
for n, subject in enumerate(subjects(c), 1):
    typ, d = c.fetch(str(n), "(FLAGS)")
    far[subject] = {f.decode() for f in imaplib.ParseFlags(d[0])} - {r"\Recent"}
assert far == {"mail 1": {r"\Flagged", r"\Seen"}, "mail 3": {r"\Answered"}, "local": set()}, far
near = {m["Subject"]: m.get_flags() for m in mailbox.Maildir(sys.argv[5] + "/INBOX", create=False)}
assert near == {"mail 1": "FS", "mail 3": "R", "local": ""}, near
assert [m["Subject"] for m in mailbox.Maildir(sys.argv[5] + "/Faraway", create=False)] == ["faraway"]
"#;
    script(&running, same, &[&near]);
    sync();
    script(&running, same, &[&near]);
}

#[test]
fn alpine_at_a_terminal() {
    if !installed("alpine") {
        return;
    }
    let (system, running) = three_mails();
    let keys = include_str!("../../scripts/python/alpine.py");
    python::run(keys, &[running.port("imap").to_string(), system.path().display().to_string()]);
    let left = "c = login(imap, 'VMUSER1', 'SECRET1')\ncount(c)\n\
                assert subjects(c) == ['mail 2', 'mail 3'], subjects(c)\n";
    script(&running, left, &[]);
}

#[test]
fn thunderbird_in_a_window() {
    if !(installed("thunderbird") && installed("Xvfb") && installed("xdotool")) {
        return;
    }
    let (system, running) = three_mails();
    let keys = include_str!("../../scripts/python/thunderbird.py");
    python::run(keys, &[running.port("imap").to_string(), system.path().display().to_string()]);
}

#[test]
fn python_imapclient() {
    let there = Command::new("python3").args(["-c", "import imapclient"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        let _absent = installed("the Python package imapclient");
        return;
    }
    let (_system, running) = three_mails();
    let text = r#"
from imapclient import IMAPClient
with IMAPClient("127.0.0.1", port=int(imap), ssl=False, timeout=120) as c:
    c.login("vmuser1", "secret1")
    assert {b"IDLE", b"MOVE", b"UIDPLUS", b"CONDSTORE", b"SORT", b"THREAD=REFERENCES", b"QUOTA"} <= set(c.capabilities())
    info = c.select_folder("INBOX")
    assert info[b"EXISTS"] == 3, info
    uids = c.search(["SUBJECT", "mail 2"])
    got = c.fetch(uids, ["ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "INTERNALDATE", "MODSEQ"])
    envelope = got[uids[0]][b"ENVELOPE"]
    assert envelope.subject == b"mail 2" and envelope.from_[0].mailbox == b"tester", envelope
    assert c.sort(["REVERSE SUBJECT"]) == sorted(c.search(), reverse=True)
    assert len(c.thread("REFERENCES")) == 3
    c.create_folder("Gr\u00fc\u00dfe/\u65e5\u672c")
    assert "Gr\u00fc\u00dfe/\u65e5\u672c" in [name for _, _, name in c.list_folders()]
    c.move(uids, "Gr\u00fc\u00dfe/\u65e5\u672c")
    assert c.folder_status("Gr\u00fc\u00dfe/\u65e5\u672c", ["MESSAGES"])[b"MESSAGES"] == 1
    c.add_flags(c.search(), [b"\\Flagged", b"$Work"])
    assert all(b"$Work" in flags for flags in c.get_flags(c.search()).values())
    roots, quotas = c.get_quota_root("INBOX")
    assert quotas[0].resource == "STORAGE" and quotas[0].limit > 0, quotas
    c.idle()
    send(smtp, mail("vmuser1@vm.localhost", "mail 4"))
    seen = []
    while not any(b"EXISTS" in r for r in seen):
        seen += c.idle_check(timeout=120)
    c.idle_done()
    c.delete_messages(c.search(["SUBJECT", "mail 4"]))
    c.expunge()
    assert len(c.search()) == 2
"#;
    script(&running, text, &[]);
}
