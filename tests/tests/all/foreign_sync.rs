//! Foreign programs that carry whole mailboxes from one user to another: interimap, which keeps two users the same by QRESYNC, and
//! pullimap of the same author, which delivers what it finds; and a migration as imapsync does it, by Perl's Mail::IMAPClient.
//! A program that is not installed is passed over with a line that says so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::system::{Running, System};

use super::auth_exit::write_config_files;
use super::foreign::{USERS, installed, ok, said, script, write};

/// What both users must have in common: mailboxes and their messages with flags, dates and sizes.
const SAME: &str = include_str!("../../scripts/python/same.py");

/// The configuration of interimap: VMUSER1 in the clear and compressed, VMUSER2 over TLS; logs into `log`.
fn interimap_config(running: &Running, folder: &Path) -> String {
    let (imap, imaps) = (running.port("imap"), running.port("imaps"));
    let folder = folder.display();
    format!(
        "database = {folder}/sync.db\nlogfile = {folder}/sync.log\nlist-mailbox = *\n\
         [local]\ntype = imap\nhost = 127.0.0.1\nport = {imap}\nusername = VMUSER1\npassword = SECRET1\n\
         STARTTLS = NO\nauth = PLAIN LOGIN\ncompress = YES\n\
         [remote]\ntype = imaps\nhost = 127.0.0.1\nport = {imaps}\nusername = VMUSER2\npassword = SECRET2\nSSL_verify = NO\n"
    )
}

fn synchroniser(program: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.arg("--config").arg(folder.join("sync.conf")).args(arguments);
    command.env("HOME", folder).env("XDG_DATA_HOME", folder);
    command
}

/// Runs interimap, which must have nothing to complain of.
fn interimap(folder: &Path, arguments: &[&str]) {
    let text = ok(&mut synchroniser("interimap", folder, arguments));
    assert!(!text.contains("WARNING") && !text.contains("ERROR"), "{text}");
}

/// A system that runs, with the configuration of interimap in its folder.
fn interimap_system(system: &System) -> (Running, PathBuf) {
    let (running, folder) = (system.start(), system.path());
    write(&folder.join("sync.conf"), &interimap_config(&running, &folder));
    (running, folder)
}

#[test]
fn interimap_both_ways() {
    if !installed("interimap") {
        return;
    }
    let system = System::generate(USERS);
    let (running, folder) = interimap_system(&system);
    let both = |text: &str| script(&running, &format!("{SAME}\n{text}"), &[]);
    both(FILL);
    interimap(&folder, &["--debug"]);
    // What it has appended itself is news to it once more.
    interimap(&folder, &["--debug"]);
    both("same(['INBOX', 'Work', 'Gr&APwA3w-e', 'Far'])");
    // Nothing that was not there before, and nothing that is both changed and gone: of that it warns.
    both(CHANGE);
    interimap(&folder, &["--debug"]);
    both("same(['INBOX', 'Work', 'Gr&APwA3w-e', 'Far', 'Near/&ZeVnLIqe-', 'Near'])");
    both(
        "assert inbox() == {'first 2': [r'\\Flagged'], 'first 3': [r'\\Answered', 'kw2'], 'new 1': ['$Work'], 'new 2': []}, inbox()",
    );
    interimap(&folder, &["--rename", "Work", "Play"]);
    interimap(&folder, &["--delete", "Far"]);
    interimap(&folder, &["--debug"]);
    both("same(['INBOX', 'Play', 'Gr&APwA3w-e', 'Near/&ZeVnLIqe-', 'Near'])");
    // A mailbox of the same name and another UIDVALIDITY is noticed, and taken over once the client has forgotten the former.
    both(ANEW);
    let noticed = synchroniser("interimap", &folder, &[]).output().unwrap();
    assert!(said(&noticed).contains("UIDVALIDITY changed!"), "{}", said(&noticed));
    interimap(&folder, &["--target=database", "--delete", "Play"]);
    interimap(&folder, &["--target=remote", "--delete", "Play"]);
    interimap(&folder, &["--debug"]);
    both("same(['INBOX', 'Play', 'Gr&APwA3w-e', 'Near/&ZeVnLIqe-', 'Near'])");
    let log = std::fs::read_to_string(folder.join("sync.log")).unwrap();
    assert!(
        log.contains("VANISHED (EARLIER)") && log.contains("SELECT INBOX (QRESYNC ("),
        "QRESYNC was not used"
    );
}

/// With `--notify` it stays, and is told of both users' mailboxes by NOTIFY.
#[test]
fn interimap_told_by_notify() {
    if !installed("interimap") {
        return;
    }
    let system = System::generate(USERS);
    let (running, folder) = interimap_system(&system);
    let both = |text: &str| script(&running, &format!("{SAME}\n{text}"), &[]);
    both(FILL);
    interimap(&folder, &[]);
    let mut staying = synchroniser("interimap", &folder, &["--notify", "--debug"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    both(CARRIED);
    staying.kill().unwrap();
    staying.wait().unwrap();
}

#[test]
fn pullimap() {
    if !installed("pullimap") {
        return;
    }
    let system = System::generate(USERS);
    let running = system.start();
    let folder = system.path();
    let (imap, smtp) = (running.port("imap"), running.port("smtp"));
    write(
        &folder.join("sync.conf"),
        &format!(
            "deliver-method = smtp:[127.0.0.1]:{smtp}\ndeliver-rcpt = vmuser1@vm.localhost\npurge-after = 1\n\
             [pull]\ntype = imap\nhost = 127.0.0.1\nport = {imap}\nusername = VMUSER2\npassword = SECRET2\nSTARTTLS = YES\n\
             SSL_verify = NO\nmailbox = Pull\ncompress = YES\nstatefile = {}/pull.state\n",
            folder.display()
        ),
    );
    let both = |text: &str| script(&running, &format!("{SAME}\n{text}"), &[]);
    both(
        "one, two = users()\ntwo.create('Pull')\nfor n in range(40):\n    put(two, 'Pull', f'pull {n}', date=n % 28 + 1)\n",
    );
    ok(&mut synchroniser("pullimap", &folder, &["pull"]));
    // What was carried is read, and what is older than a day is gone.
    both(
        "one, two = users()\nwait_for(one, 40)\nassert sorted(subjects(one)) == sorted(f'pull {n}' for n in range(40))\n\
         assert count(two, 'Pull') == 0\n",
    );
}

/// A tree of folders goes from one user to the other, over every way to connect and log in.
#[test]
fn migration_by_perl() {
    let there = Command::new("perl").args(["-MMail::IMAPClient", "-MIO::Socket::SSL", "-e", "1"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        let _absent = installed("the Perl module Mail::IMAPClient");
        return;
    }
    let system = System::generate(USERS);
    let config = "FilePoolID IMAPPOOL\nBadFileID POSTMSTR\nCapability AUTH=CRAM-MD5 ON\n";
    write_config_files(&system, &[("CRAM", "CONFIG", config)]);
    let running = system.start();
    running.cmd_ok("MAINT", "LINK IMAP 191 391 MW");
    running.cmd_ok("MAINT", "ACCESS 391 B");
    running.cmd_ok("MAINT", "COPYFILE CRAM CONFIG A IMAP CONFIG B ( REPLACE");
    running.cmd_ok("MAINT", "IMAP CONFIG");
    let ports = [running.port("imap"), running.port("imaps")].map(|port| port.to_string());
    for way in ["clear", "compress", "cram-md5", "starttls-plain", "starttls-compress", "imaps-login"] {
        let mut perl = Command::new("timeout");
        perl.args(["300", "perl", "-e", include_str!("../../scripts/perl/migrate.pl")]);
        let text = ok(perl.args(&ports).arg(way));
        assert!(text.ends_with("done\n"), "{way}: {text}");
    }
}

/// Mail and folders on both sides before they know each other; both inboxes grow.
const FILL: &str = r#"
one, two = users()
for box in ["Work", "Gr&APwA3w-e"]:
    one.create(box)
    for n in range(5):
        put(one, box, f"{box} {n}", r"(\Seen $Work)" if n % 2 else r"(\Flagged)", n + 1)
for n in range(4):
    put(one, "INBOX", f"first {n}", r"(\Seen Junk)" if n < 2 else "()")
two.create("Far")
for n in range(300):
    put(two, "Far", f"far {n}", r"(\Draft)" if n % 3 else "()", n % 28 + 1)
"#;

/// On both sides: flags, an expunge, a new message, a new folder.
const CHANGE: &str = r#"
one, two = users()
for c, gone, flagged, flags in [(one, "first 0", "first 2", r"(\Flagged)"), (two, "first 1", "first 3", r"(\Answered kw2)")]:
    count(c)
    c.store(find(c, flagged), "FLAGS", flags)
    c.store(find(c, gone), "+FLAGS", r"(\Deleted)")
    c.expunge()
put(one, "INBOX", "new 1", "($Work)")
put(two, "INBOX", "new 2")
count(one, "Far")
one.store("2:290", "+FLAGS", r"(\Seen $Read)")
count(two, "Work")
two.store("1:3", "-FLAGS", r"(\Seen)")
two.store("4", "+FLAGS", r"(\Deleted)")
two.expunge()
one.create("Near")
two.create("Near/&ZeVnLIqe-")
put(two, "Near/&ZeVnLIqe-", "deep", r"(\Seen)")
"#;

/// A mailbox goes, and another takes its name.
const ANEW: &str = r#"
one, two = users()
one.delete("Play")
one.create("Play")
put(one, "Play", "anew")
"#;

/// Each side changes a mailbox that is selected there and one that is not, and sees what the other has done. The first two
/// messages show that the program is up.
const CARRIED: &str = r#"
one, two = users()
put(one, "INBOX", "up 1")
put(two, "INBOX", "up 2")
until(lambda: {"up 1", "up 2"} <= inbox(two).keys() & inbox(one).keys())
for c, other in [(one, two), (two, one)]:
    me = "one" if c is one else "two"
    put(c, "Work", "in Work of " + me)
    until(lambda: "in Work of " + me in inbox(other, "Work"))
    count(c, "Far")
    c.store("7", "+FLAGS", f"(by{me})")
    c.store(c.search(None, "SUBJECT", f'"far {100 if c is one else 200}"')[1][0].split()[0].decode(), "+FLAGS", r"(\Deleted)")
    c.expunge()
    until(lambda: any("by" + me in flags for flags in inbox(other, "Far").values()))
    until(lambda: count(other, "Far") == (299 if c is one else 298))
"#;
