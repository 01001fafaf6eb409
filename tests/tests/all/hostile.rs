//! Malformed and hostile input at the sockets: the service answers it, ends what must end, and goes on for everybody else.

use tests::python;
use tests::system::{Running, System};

const RAW: &str = r#"
import os, random, socket
class Raw:
    """A connection that sends anything and reads lines."""
    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", int(port)), timeout=60)
        self.f = self.s.makefile("rb")
        self.greeting = self.f.readline()
    def put(self, data):
        try:
            self.s.sendall(data)
        except OSError:
            pass
    def line(self):
        try:
            return self.f.readline()
        except OSError:
            return b""
    def reply(self):
        """A whole SMTP reply, its last line."""
        line = self.line()
        while line[3:4] == b"-":
            line = self.line()
        return line
    def ask(self, data):
        self.put(data + b"\r\n")
        return self.reply()
    def until(self, start):
        while True:
            line = self.line()
            if not line or line.startswith(start):
                return line
    def end(self):
        """Reads to the end of the connection."""
        self.s.shutdown(socket.SHUT_WR)
        try:
            while self.f.read(65536):
                pass
        except OSError:
            pass
smtp, imap = sys.argv[1:3]
chance = random.Random(1998)
imaplib._MAXLINE = 100_000_000
"#;

fn run(running: &Running, script: &str) {
    let ports = ["smtp", "imap"].map(|name| running.port(name).to_string());
    python::run(&format!("{RAW}\n{script}"), &ports);
}

#[test]
fn smtp() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let running = system.start();
    let script = r#"
good = Raw(smtp)
assert good.ask(b"EHLO good")[:3] == b"250"
for junk in [b"", b"\0\0\0", b"FROB", b"MAIL", b"MAIL FROM:", b"MAIL FROM:<", b"MAIL FROM:<a@b> FOO=BAR", b"RCPT TO:<x@y>",
             b"DATA", b"EHLO", b"HELO \xff\xfe", b"AUTH", b"AUTH FROB", b"STARTTLS now", b"VRFY", b"BDAT x"]:
    r = Raw(smtp)
    answer = r.ask(junk)
    assert answer[:1] in (b"5", b"4"), (junk, answer)
    assert r.ask(b"NOOP")[:3] == b"250", junk
    assert r.ask(b"QUIT")[:3] == b"221", junk
# Over-long command lines are refused, whether they end or not.
r = Raw(smtp)
assert r.ask(b"EHLO x")[:3] == b"250"
assert r.ask(b"MAIL FROM:<" + b"a" * 100000 + b"@b.example>")[:1] == b"5"
r = Raw(smtp)
r.put(b"x" * 3000000)
r.end()
# Recipients have a limit, and those before it count.
r = Raw(smtp)
r.ask(b"EHLO x"); assert r.ask(b"MAIL FROM:<a@b.example>")[:3] == b"250"
taken = 0
while (answer := r.ask(b"RCPT TO:<vmuser1@vm.localhost>"))[:3] == b"250":
    taken += 1
    assert taken <= 5000
assert answer[:3] == b"552" and taken >= 100, (taken, answer)
assert r.ask(b"DATA")[:3] == b"354"
assert r.ask(b"Subject: many recipients\r\n\r\nx\r\n.")[:3] == b"250"
# A line of text without an end, bare line feeds, octets of all kinds.
r = Raw(smtp)
r.ask(b"EHLO x"); r.ask(b"MAIL FROM:<a@b.example>"); r.ask(b"RCPT TO:<vmuser1@vm.localhost>"); r.ask(b"DATA")
r.put(b"y" * 300000)
answer = r.ask(b"\r\n.")
assert answer[:1] in (b"5", b"2", b""), answer
r = Raw(smtp)
r.ask(b"EHLO x"); r.ask(b"MAIL FROM:<a@b.example>"); r.ask(b"RCPT TO:<vmuser1@vm.localhost>"); r.ask(b"DATA")
answer = r.ask(b"Subject: all octets\r\n\r\n" + bytes(b for b in range(256) if b not in (10, 13)) + b"\r\n.")
assert answer[:1] in (b"2", b"5"), answer
# Cut off in the middle of everything.
for n in range(40):
    r = Raw(smtp)
    whole = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<vmuser1@vm.localhost>\r\nDATA\r\nSubject: cut\r\n\r\nx\r\n"
    r.put(whole[:chance.randrange(len(whole))])
    r.s.close()
# Noise.
for n in range(20):
    r = Raw(smtp)
    r.put(bytes(chance.randrange(256) for _ in range(2000)) + b"\r\n")
    r.end()
assert good.ask(b"MAIL FROM:<a@b.example>")[:3] == b"250"
assert good.ask(b"RCPT TO:<vmuser1@vm.localhost>")[:3] == b"250"
assert good.ask(b"DATA")[:3] == b"354"
assert good.ask(b"Subject: good\r\n\r\nx\r\n.")[:3] == b"250"
c = login(imap, "VMUSER1", "SECRET1")
while "good" not in subjects(c) if count(c) else True:
    pass
found = subjects(c)
assert found.count("good") == 1 and found.count("many recipients") == 1 and "cut" not in found, found
"#;
    run(&running, script);
}

#[test]
fn imap() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let running = system.start();
    let script = r#"
c = login(imap, "VMUSER1", "SECRET1")
count(c)
for junk in [b"", b"a", b"a ", b"\0\0\0", b"a FROB", b"a LOGIN", b"a LOGIN x", b"a LOGIN \"x", b"a SELECT INBOX", b"a LOGIN {99999999999999999999}",
             b"* OK", b"a b c d e f", b"a LOGIN x y z", b"a AUTHENTICATE FROB", b"a STARTTLS now", b"a " + b"(" * 5000, b"\xff\xfe a NOOP"]:
    r = Raw(imap)
    assert r.greeting.startswith(b"* OK")
    r.put(junk + b"\r\n")
    line = r.line()
    assert b" BAD " in line or b" NO " in line or line.startswith(b"* BYE"), (junk, line)
    r.put(b"z NOOP\r\n")
    line = r.until(b"z ")
    assert line == b"" or line.startswith(b"z OK"), (junk, line)
def user():
    r = Raw(imap)
    r.put(b"a LOGIN VMUSER1 SECRET1\r\nb SELECT INBOX\r\n")
    assert r.until(b"b ").startswith(b"b OK")
    return r
for junk in [b"FETCH", b"FETCH 1", b"FETCH 0 FLAGS", b"FETCH 1:* (BODY[", b"FETCH 1 (FLAGS", b"FETCH 99999999999 FLAGS", b"STORE 1", b"STORE 1 FLAGS (",
             b"SEARCH", b"SEARCH " + b"NOT " * 20000 + b"ALL", b"SEARCH " + b"(" * 20000, b"SEARCH CHARSET FROB ALL", b"SEARCH OR ALL", b"UID", b"UID FROB",
             b"COPY 1", b"COPY 1 Nowhere", b"APPEND", b"APPEND INBOX", b"APPEND INBOX (\\Seen", b"APPEND INBOX \"no date\" {1+}\r\nx", b"CREATE", b"CREATE \"\"",
             b"RENAME INBOX", b"STATUS INBOX", b"STATUS INBOX (FROB)", b"LIST", b"LIST \"\"", b"IDLE now", b"FETCH " + b"1," * 30000 + b"1 FLAGS", b"CREATE " + b"x/" * 3000,
             b"CREATE \xff", b"CREATE \"&bad\""]:
    r = user()
    r.put(b"t " + junk + b"\r\n")
    line = r.until((b"t ", b"* BAD", b"* BYE"))
    assert line[:5] in (b"t BAD", b"t NO ", b"* BAD", b"* BYE"), (junk[:60], line)
    r.put(b"z NOOP\r\n")
    line = r.until(b"z ")
    assert line == b"" or line.startswith(b"z OK"), (junk[:60], line)
# Lines and literals without an end.
r = Raw(imap); r.put(b"a " + b"x" * 3000000); r.end()
r = user(); r.put(b"t APPEND INBOX {1000}\r\n"); assert r.until(b"+")[:1] == b"+"; r.put(b"Subject: cut\r\n"); r.s.close()
r = user(); r.put(b"t APPEND INBOX {4294967295}\r\n"); assert r.until((b"t ", b"* BYE"))[:4] in (b"t NO", b"t BA", b"* BY")
r = Raw(imap); r.put(b"t LOGIN {1000000000+}\r\n"); r.put(b"x" * 100000); r.end()
# Structures that are deep, wide, or not what they say.
def message(text):
    typ, data = c.append("INBOX", None, None, text)
    assert typ in ("OK", "NO"), data
    return typ == "OK"
deep = b""
for n in range(3000):
    deep += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
nested = b"Content-Type: message/rfc822\r\n\r\n" * 3000
wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 20000 + b"--b--\r\n"
broken = [b"", b"\r\n", b":\r\n", b"no header", b"Content-Type: multipart/mixed\r\n\r\nx", b"Content-Type: ;;;=\"\r\n\r\n", b"Subject: " + b"x" * 500000 + b"\r\n\r\n",
          b"X: y\r\n" * 50000 + b"\r\n", b"From: " + b"<a@b>," * 20000 + b"\r\n\r\n", b"From: " + b"(" * 20000 + b"\r\n\r\n",
          b"Subject: =?utf-8?b?////?= =?x?q?=?=\r\nDate: 99 Foo 0000\r\nMessage-ID: <\r\n\r\n", b"Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n"]
stored = sum(message(text) for text in [deep, nested, wide, *broken])
assert stored >= 10, stored
c.noop()
n = count(c)
assert n == stored, (n, stored)
for what in ["(ENVELOPE BODYSTRUCTURE)", "(RFC822.SIZE BODY.PEEK[1])", "(BODY.PEEK[1.1.1.1.1.1.1.1.TEXT])", "(BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)])"]:
    typ, data = c.fetch(f"1:{n}", what)
    assert typ == "OK", (what, data)
typ, data = c.search(None, "TEXT", "absent")
assert typ == "OK"
typ, data = c.fetch("1", "(BODY.PEEK[])")
assert data[0][1] == deep
typ, data = c.noop()
assert typ == "OK"
c.logout()
"#;
    run(&running, script);
    assert!(running.shutdown().success());
}
