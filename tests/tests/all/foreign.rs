//! Foreign mail programs: curl, mutt, mbsync, swaks, and Python's smtplib and imaplib. A program that is not installed is
//! passed over with a line that says so.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tests::python;
use tests::system::{Running, System};

pub(super) const USERS: &[(&str, &str)] = &[("VMUSER1", "SECRET1"), ("VMUSER2", "SECRET2")];

/// Whether a program can be started.
pub(super) fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        let line = writeln!(std::io::stdout(), "skipped: {program} is not installed");
        line.expect("stdout takes a line");
    }
    found.is_ok()
}

pub(super) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs a program to its end; what it printed.
pub(super) fn ok(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", said(&output));
    said(&output)
}

pub(super) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// Runs a Python script with the ports as arguments: smtp, submission, imap, imaps, then `more`.
pub(super) fn script(running: &Running, text: &str, more: &[&str]) {
    let ports = ["smtp", "submission", "imap", "imaps"].map(|name| running.port(name).to_string());
    let more = more.iter().map(|&m| m.to_owned());
    python::run(
        &format!("smtp, submission, imap, imaps = sys.argv[1:5]\n{text}"),
        &ports.into_iter().chain(more).collect::<Vec<_>>(),
    );
}

/// Puts messages into the inbox of VMUSER1.
pub(super) fn fill(running: &Running, subjects: &[&str]) {
    let text = r#"
send(smtp, *[mail("vmuser1@vm.localhost", s, "body of " + s + "\n") for s in sys.argv[5:]])
c = login(imap, "VMUSER1", "SECRET1")
wait_for(c, len(sys.argv) - 5)
"#;
    script(running, text, subjects);
}

#[test]
fn curl() {
    if !installed("curl") {
        return;
    }
    let system = System::generate(USERS);
    let running = system.start();
    let folder = system.path();
    let message = folder.join("mail.txt");
    write(&message, "From: me@example.org\r\nSubject: by curl\r\n\r\nfrom the outside\r\n");
    let curl = || {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "60"]);
        command
    };
    let smtp = format!("smtp://127.0.0.1:{}", running.port("smtp"));
    let to = "vmuser1@vm.localhost";
    ok(curl().args([&smtp, "--mail-from", "me@example.org", "--mail-rcpt", to, "-T"]).arg(&message));
    script(&running, "c = login(imap, 'VMUSER1', 'SECRET1')\nwait_for(c, 1)\n", &[]);
    for scheme in ["imap", "imaps"] {
        let url = |path: &str| format!("{scheme}://127.0.0.1:{}{path}", running.port(scheme));
        let imap = || {
            let mut command = curl();
            command.args(["-k", "-u", "VMUSER1:SECRET1"]);
            command
        };
        let read = ok(imap().arg(url("/INBOX;MAILINDEX=1")));
        assert!(read.contains("Subject: by curl\r\n") && read.contains("from the outside"), "{read}");
        let text = ok(imap().arg(url("/INBOX;MAILINDEX=1;SECTION=TEXT")));
        assert_eq!(text, "from the outside\r\n");
        ok(imap().arg(url("/")).args(["-X", &format!("CREATE {scheme}box")]));
        ok(imap().arg(url(&format!("/{scheme}box"))).arg("-T").arg(&message));
        let found = ok(imap().arg(url(&format!("/{scheme}box?SUBJECT%20curl"))));
        assert_eq!(found.trim(), "* SEARCH 1");
        let found = ok(imap().arg(url(&format!("/{scheme}box?SUBJECT%20absent"))));
        assert_eq!(found.trim(), "* SEARCH");
        let listed = ok(imap().arg(url("/")).args(["-X", "LIST \"\" *"]));
        assert!(listed.contains("INBOX") && listed.contains(&format!("{scheme}box")), "{listed}");
        let fetched = ok(imap().arg(url("/INBOX")).args(["-X", "FETCH 1:* (FLAGS ENVELOPE)"]));
        assert!(fetched.contains("ENVELOPE") && fetched.contains("by curl"), "{fetched}");
    }
    let wrong = curl()
        .args(["-u", "VMUSER1:WRONG"])
        .arg(format!("imap://127.0.0.1:{}/INBOX", running.port("imap")))
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(67), "login denied: {}", said(&wrong));
}

#[test]
fn swaks() {
    if !installed("swaks") {
        return;
    }
    let system = System::generate(USERS);
    let running = system.start();
    let submission = format!("127.0.0.1:{}", running.port("submission"));
    let swaks = |subject: &str, more: &[&str]| {
        let mut command = Command::new("swaks");
        command.args(["--server", &submission, "--from", "vmuser2@vm.localhost"]);
        command
            .args(["--to", "vmuser1@vm.localhost", "--body", "by swaks", "--h-Subject", subject])
            .args(more);
        command.stdin(Stdio::null()).output().unwrap()
    };
    for method in ["PLAIN", "LOGIN"] {
        let login = ["--tls", "--auth", method, "--auth-user", "vmuser2", "--auth-password", "SECRET2"];
        let sent = swaks(method, &login);
        assert!(sent.status.success(), "{}", said(&sent));
    }
    let refused = swaks("no login", &["--tls"]);
    assert!(!refused.status.success() && said(&refused).contains("530"), "{}", said(&refused));
    let wrong =
        swaks("wrong", &["--tls", "--auth", "PLAIN", "--auth-user", "vmuser2", "--auth-password", "NO"]);
    assert!(!wrong.status.success() && said(&wrong).contains("535"), "{}", said(&wrong));
    let arrived = r#"
c = login(imap, "VMUSER1", "SECRET1")
wait_for(c, 2)
assert sorted(subjects(c)) == ["LOGIN", "PLAIN"], subjects(c)
"#;
    script(&running, arrived, &[]);
}

#[test]
fn mutt() {
    if !installed("mutt") || !installed("script") {
        return;
    }
    let system = System::generate(USERS);
    let running = system.start();
    fill(&running, &["one", "two", "three"]);
    let folder = system.path();
    let port = running.port("imap");
    write(
        &folder.join("muttrc"),
        &format!(
            "set folder=\"imap://127.0.0.1:{port}/\"\nset spoolfile=\"imap://127.0.0.1:{port}/INBOX\"\n\
             set imap_user=VMUSER1\nset imap_pass=SECRET1\nset ssl_starttls=no\nset ssl_force_tls=no\n\
             set header_cache=\"\"\nset copy=no\nset confirmappend=no\nset confirmcreate=no\nset delete=yes\n\
             set sort=mailbox-order\n"
        ),
    );
    let mutt = |keys: &str| {
        let line = format!("mutt -F muttrc -n -e 'push {keys}'");
        let mut command = Command::new("timeout");
        command.args(["100", "script", "-qc", &line, "/dev/null"]).current_dir(&folder);
        ok(command.env("TERM", "xterm").env("HOME", &folder))
    };
    mutt("<tag-pattern>~A<enter><tag-prefix><copy-message>=Copied<enter><quit>");
    mutt("<delete-message><sync-mailbox><quit>");
    let left = r#"
c = login(imap, "VMUSER1", "SECRET1")
assert count(c, "Copied") == 3 and subjects(c) == ["one", "two", "three"], subjects(c)
assert count(c) == 2 and subjects(c) == ["two", "three"], subjects(c)
"#;
    script(&running, left, &[]);
}

/// What mbsync is to do, over `tls` or not.
fn mbsyncrc(running: &Running, folder: &Path, tls: bool) -> String {
    let (port, security) = if tls {
        let certificate = certificate(folder);
        (running.port("imaps"), format!("SSLType IMAPS\nCertificateFile {certificate}"))
    } else {
        (running.port("imap"), "SSLType None\nAuthMechs LOGIN".to_owned())
    };
    let near = folder.join("near");
    let near = near.display();
    format!(
        "IMAPAccount vm\nHost localhost\nPort {port}\nUser VMUSER1\nPass SECRET1\n{security}\n\n\
         IMAPStore far\nAccount vm\n\nMaildirStore near\nSubFolders Verbatim\nPath {near}/\nInbox {near}/INBOX\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\nSyncState *\n"
    )
}

/// The certificate that was made for the system.
fn certificate(folder: &Path) -> String {
    let inside = |folder: &Path| -> Vec<_> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut look: Vec<_> = inside(folder);
    while let Some(path) = look.pop() {
        if path.is_dir() {
            look.extend(inside(&path));
        } else if path.extension().is_some_and(|e| e == "pem" || e == "crt")
            && std::fs::read_to_string(&path).is_ok_and(|text| text.contains("BEGIN CERTIFICATE"))
        {
            return path.display().to_string();
        }
    }
    panic!("no certificate in {}", folder.display());
}

fn mbsync(tls: bool) {
    if !installed("mbsync") {
        return;
    }
    let system = System::generate(USERS);
    let running = system.start();
    fill(&running, &["one", "two", "three", "four"]);
    let folder = system.path();
    std::fs::create_dir(folder.join("near")).unwrap();
    write(&folder.join("mbsyncrc"), &mbsyncrc(&running, &folder, tls));
    let sync = || {
        let mut command = Command::new("timeout");
        ok(command
            .args(["100", "mbsync", "-V", "-c"])
            .arg(folder.join("mbsyncrc"))
            .arg("all")
            .env("HOME", &folder))
    };
    sync();
    let near = folder.join("near").display().to_string();
    // Flags, a deletion and a new message on both sides, and a new folder on each.
    let change = r#"
import glob, mailbox, os
box = mailbox.Maildir(sys.argv[5] + "/INBOX", create=False)
key = {m["Subject"]: k for k, m in box.items()}
assert sorted(key) == ["four", "one", "three", "two"], key
m = box[key["one"]]; m.set_subdir("cur"); m.set_flags("FS"); box[key["one"]] = m
m = box[key["two"]]; m.set_subdir("cur"); m.set_flags("T"); box[key["two"]] = m
box.add(mail("vmuser1@vm.localhost", "local"))
mailbox.Maildir(sys.argv[5] + "/Nearby", create=True).add(mail("vmuser1@vm.localhost", "nearby"))
c = login(imap, "VMUSER1", "SECRET1")
assert count(c) == 4
c.store("3", "+FLAGS", r"(\Answered)")
c.store("4", "+FLAGS", r"(\Deleted)")
c.expunge()
c.append("INBOX", None, None, mail("vmuser1@vm.localhost", "remote").as_bytes(policy=email.policy.SMTP))
c.create("Faraway")
c.append("Faraway", r"(\Seen)", None, mail("vmuser1@vm.localhost", "faraway").as_bytes(policy=email.policy.SMTP))
c.logout()
"#;
    script(&running, &format!("import email.policy\n{change}"), &[&near]);
    sync();
    let same = r#"
import mailbox, json
c = login(imap, "VMUSER1", "SECRET1")
state = {}
for name in ["INBOX", "Nearby", "Faraway"]:
    count(c, name)
    typ, data = c.search(None, "ALL")
    far = {}
    for n, subject in zip(data[0].split(), subjects(c)):
        typ, d = c.fetch(n, "(UID FLAGS)")
        flags = {f.decode() for f in imaplib.ParseFlags(d[0])} - {r"\Recent"}
        far[subject] = (sorted(flags), d[0].split(b"UID ")[1].split(b" ")[0].decode())
    near = {m["Subject"]: m.get_flags() for m in mailbox.Maildir(f"{sys.argv[5]}/{name}", create=False)}
    letters = {"S": r"\Seen", "F": r"\Flagged", "R": r"\Answered", "T": r"\Deleted", "D": r"\Draft"}
    want = {s: sorted(letters[f] for f in flags if f in letters) for s, flags in near.items()}
    assert {s: f for s, (f, uid) in far.items()} == want, (name, far, near)
    state[name] = far
inbox = {s: f for s, (f, uid) in state["INBOX"].items()}
assert inbox == {"one": [r"\Flagged", r"\Seen"], "three": [r"\Answered"], "local": [], "remote": []}, inbox
assert list(state["Nearby"]) == ["nearby"] and list(state["Faraway"]) == ["faraway"], state
path = sys.argv[5] + ".state"
try:
    assert json.load(open(path)) == json.loads(json.dumps(state)), state
except FileNotFoundError:
    json.dump(state, open(path, "w"))
"#;
    script(&running, same, &[&near]);
    // The third run finds nothing to do: flags and UIDs are what they were.
    sync();
    script(&running, same, &[&near]);
}

#[test]
fn mbsync_in_the_clear() {
    mbsync(false);
}

#[test]
fn mbsync_over_tls() {
    mbsync(true);
}

#[test]
fn python_over_tls() {
    let system = System::generate(USERS);
    let running = system.start();
    let text = r#"
tls = ssl._create_unverified_context()
s = smtplib.SMTP("127.0.0.1", int(submission), timeout=60)
s.starttls(context=tls)
s.login("vmuser2", "SECRET2")
s.send_message(mail("vmuser1@vm.localhost", "submitted"))
s.quit()
s = smtplib.SMTP("127.0.0.1", int(smtp), timeout=60)
s.starttls(context=tls)
s.send_message(mail("vmuser1@vm.localhost", "relayed"))
s.quit()
def implicit():
    return imaplib.IMAP4_SSL("127.0.0.1", int(imaps), ssl_context=tls, timeout=60)
def explicit():
    c = imaplib.IMAP4("127.0.0.1", int(imap), timeout=60)
    assert "STARTTLS" in c.capabilities
    c.starttls(ssl_context=tls)
    assert "STARTTLS" not in c.capabilities
    return c
for connect in [implicit, explicit]:
    c = connect()
    c.login("VMUSER1", "SECRET1")
    wait_for(c, 2)
    assert sorted(subjects(c)) == ["relayed", "submitted"], subjects(c)
    body = ("x" * 70 + "\r\n") * 20000
    typ, data = c.append("INBOX", None, None, b"Subject: big\r\n\r\n" + body.encode())
    assert typ == "OK", data
    c.noop()
    typ, data = c.search(None, "SUBJECT", "big")
    n = data[0].split()[-1]
    typ, data = c.fetch(n, "(BODY.PEEK[TEXT])")
    assert data[0][1] == body.encode()
    c.store(n, "+FLAGS", r"(\Deleted)")
    c.expunge()
    c.logout()
c = implicit()
c.authenticate("PLAIN", lambda challenge: b"\0vmuser1\0secret1")
c.logout()
"#;
    script(&running, text, &[]);
}

#[test]
fn idle_by_raw_socket() {
    let system = System::generate(USERS);
    let running = system.start();
    let text = r#"
import socket
s = socket.create_connection(("127.0.0.1", int(imap)), timeout=60)
f = s.makefile("rwb", buffering=0)
def until(start):
    while True:
        line = f.readline()
        assert line, "closed"
        if line.startswith(start):
            return line
def say(text):
    f.write(text + b"\r\n")
until(b"* OK")
say(b"a login VMUSER1 SECRET1"); until(b"a OK")
say(b"b select INBOX"); until(b"b OK")
say(b"c idle"); until(b"+ ")
c = login(imap, "VMUSER1", "SECRET1")
for n in range(1, 6):
    c.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")
    until(b"* %d EXISTS" % n)
count(c)
c.store("2", "+FLAGS", r"(\Flagged)")
line = until(b"* 2 FETCH")
assert b"\\Flagged" in line, line
c.store("1", "+FLAGS", r"(\Deleted)")
until(b"* 1 FETCH")
c.expunge()
until(b"* 1 EXPUNGE")
send(smtp, mail("vmuser1@vm.localhost", "by mail"))
until(b"* 5 EXISTS")
say(b"DONE"); until(b"c OK")
say(b"d logout"); until(b"* BYE")
"#;
    script(&running, text, &[]);
}

/// Python knows the challenge mechanisms by its own cryptography: CRAM-MD5 and SCRAM against the keys in the CP directory, and
/// a client certificate against the authority of `endicott.toml`.
#[test]
fn python_with_challenges_and_certificates() {
    let system = System::generate(USERS);
    let folder = system.path();
    let openssl = |arguments: &str| {
        ok(Command::new("openssl").current_dir(&folder).args(arguments.split_whitespace()));
    };
    if !installed("openssl") {
        return;
    }
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=People -days 30");
    openssl("req -newkey rsa:2048 -nodes -keyout me.key -out me.csr -subj /CN=vmuser2");
    write(&folder.join("me.ext"), "subjectAltName=email:vmuser2@vm.localhost\n");
    openssl(
        "x509 -req -in me.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out me.pem -days 30 -extfile me.ext",
    );
    let mut config = std::fs::read_to_string(folder.join("endicott.toml")).unwrap();
    config.push_str("[tls]\nclient_ca = \"ca.pem\"\n");
    system.write_config(&config);
    let running = system.start();
    let text = include_str!("../../scripts/python/challenges.py");
    script(&running, text, &[&folder.display().to_string()]);
}

/// Python's zlib speaks COMPRESS=DEFLATE with us, over TLS.
#[test]
fn python_compressed() {
    let system = System::generate(USERS);
    let running = system.start();
    let text = r#"
import zlib
class Squeezed:
    """imaplib's file and socket over a connection that has been compressed."""
    def __init__(self, c):
        self.file, self.sock = c.file, c.sock
        self.out, self.into, self.held = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15), b""
    def fill(self):
        octets = self.sock.recv(65536)
        assert octets, "the server has closed the connection"
        self.held += self.into.decompress(octets)
    def read(self, size):
        while len(self.held) < size:
            self.fill()
        got, self.held = self.held[:size], self.held[size:]
        return got
    def readline(self):
        while b"\n" not in self.held:
            self.fill()
        return self.read(self.held.index(b"\n") + 1)
    def sendall(self, octets):
        self.sock.sendall(self.out.compress(octets) + self.out.flush(zlib.Z_SYNC_FLUSH))
imaplib.Commands["COMPRESS"] = ("AUTH", "SELECTED")
tls = ssl._create_unverified_context()
for connect in [lambda: imaplib.IMAP4("127.0.0.1", int(imap), timeout=60),
                lambda: imaplib.IMAP4_SSL("127.0.0.1", int(imaps), ssl_context=tls, timeout=60)]:
    c = connect()
    c.login("VMUSER1", "SECRET1")
    typ, data = c._simple_command("COMPRESS", "DEFLATE")
    assert typ == "OK", data
    squeezed = Squeezed(c)
    c.read, c.readline, c.send = squeezed.read, squeezed.readline, squeezed.sendall
    body = b"Subject: s\r\n\r\n" + b"".join(b"line %d\r\n" % i for i in range(50000))
    assert c.append("INBOX", None, None, body)[0] == "OK"
    n = count(c)
    typ, data = c.fetch(str(n), "(BODY.PEEK[])")
    assert data[0][1] == body
    for i in range(200):
        assert c.noop()[0] == "OK"
"#;
    script(&running, text, &[]);
}
