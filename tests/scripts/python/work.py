# Work that is interrupted: several senders and several IMAP sessions at once, and a record of what was acknowledged.
#
# The record is a file, so that it lives from one run of the system to the next. Every mailbox in it has its UIDVALIDITY,
# the subjects that its UIDs have ever had, and the messages it has now. What was asked for and not answered is in doubt:
# it may have happened or not, and nothing in between. Moments are counted in answers seen, never in time.
import json, os, random, re, socket, subprocess, threading, time

class Gone(Exception):
    """The connection ended, or the answer was not OK."""

class Imap:
    def __init__(self, port, user, password, seen=lambda: None):
        self.seen, self.tag = seen, 0
        try:
            self.socket = socket.create_connection(("127.0.0.1", int(port)), timeout=120)
        except OSError as e:
            raise Gone(str(e))
        self.file = self.socket.makefile("rb")
        self.line()
        self.ok(f"LOGIN {user} {password}")

    def line(self):
        """One line with its literals."""
        whole = b""
        while True:
            try:
                part = self.file.readline()
            except OSError as e:
                raise Gone(str(e))
            if not part.endswith(b"\n"):
                raise Gone("end of the connection")
            whole += part
            literal = re.search(rb"\{(\d+)\}\r\n$", part)
            if not literal:
                return whole
            octets = self.file.read(int(literal[1]))
            if len(octets) < int(literal[1]):
                raise Gone("end of the connection")
            whole += octets

    def ok(self, command, literal=None):
        """Sends a command; its untagged answers and the tagged one, which must be OK."""
        self.tag += 1
        text = f"t{self.tag} {command}".encode()
        if literal is not None:
            text += b" {%d+}\r\n" % len(literal) + literal
        try:
            self.socket.sendall(text + b"\r\n")
        except OSError as e:
            raise Gone(str(e))
        lines = []
        while True:
            line = self.line()
            lines.append(line)
            if line.startswith(b"t%d " % self.tag):
                if not line.startswith(b"t%d OK" % self.tag):
                    raise Gone(line.decode())
                self.seen()
                return lines

    def select(self, box):
        lines = self.ok(f"SELECT {box}")
        return int(re.search(rb"UIDVALIDITY (\d+)", b"".join(lines))[1])

    def messages(self):
        """UID to [subject, flags] of the selected mailbox. What was appended must be there to the last octet."""
        found = {}
        for line in self.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[TEXT])"):
            uid, flags = re.search(rb"UID (\d+)", line), re.search(rb"FLAGS \(([^)]*)\)", line)
            subject = re.search(rb"Subject: (\S+)", line)
            if line.startswith(b"* ") and uid and subject:
                kept = sorted(f for f in flags[1].decode().split() if f != r"\Recent")
                assert uid[1].decode() not in found, line
                subject = subject[1].decode()
                if subject.startswith("note"):
                    assert text_of(subject) + b"\r\n" in line, ("octets are missing or others", subject, len(line))
                found[uid[1].decode()] = [subject, kept]
        return found

def text_of(subject):
    """The text of an appended message, whose length its subject tells: lines of its own, or one long line."""
    length, name = int(subject.split(".")[1]), subject.encode()
    return (name * (length // len(name) + 1) if length % 2 else (name + b"\r\n") * (length // len(name) + 1))[:length]

class Record:
    """What must be there."""
    def __init__(self, path, users):
        self.path, self.lock, self.events = path, threading.Lock(), 0
        try:
            self.state = json.load(open(path))
        except FileNotFoundError:
            self.state = {"boxes": {}, "sent": {u: [] for u in users}, "maybe": {u: [] for u in users},
                          "doubt": {}, "serial": 0}

    def serial(self):
        with self.lock:
            self.state["serial"] += 1
            return self.state["serial"]

    def box(self, user, name):
        return self.state["boxes"].setdefault(f"{user}/{name}", {"validity": None, "ever": {}, "now": {}})

    def save(self):
        with self.lock:
            json.dump(self.state, open(self.path, "w"))

def note(box, uid, subject, flags):
    """A message that has been acknowledged under a UID."""
    old = max(map(int, box["ever"]), default=0)
    assert int(uid) > old, ("a UID is used again", uid, old)
    box["ever"][uid] = subject
    box["now"][uid] = [subject, flags]

def sender(record, port, users, n, stop):
    try:
        s = smtplib.SMTP("127.0.0.1", int(port), timeout=120)
        while not stop.is_set():
            subject = f"mail{record.serial()}"
            to = users[record.serial() % len(users)]
            with record.lock:
                record.state["maybe"][to].append(subject)
            s.send_message(mail(f"{to}@vm.localhost", subject, "x" * (n * 300) + "\n"))
            with record.lock:
                record.state["maybe"][to].remove(subject)
                record.state["sent"][to].append(subject)
            record.answer()
    except (OSError, smtplib.SMTPException):
        pass

def session(record, port, user, password, name, chance, stop):
    """One session with two mailboxes of its own, which works on messages until it is cut off."""
    here, there = record.box(user, name), record.box(user, name + "copy")
    doubt = record.state["doubt"].setdefault(f"{user}/{name}", [])
    try:
        c = Imap(port, user, password, record.answer)
        for box, b in [(name, here), (name + "copy", there)]:
            if b["validity"] is None:
                try:
                    c.ok(f"CREATE {box}")
                except Gone as e:
                    if "exists" not in str(e).lower():
                        raise
                b["validity"] = c.select(box)
        assert c.select(name) == here["validity"]
        while not stop.is_set():
            uids = sorted(here["now"], key=int)
            what = chance.choice(["append", "append", "append", "flag", "expunge", "copy", "move", "folder"])
            uid = chance.choice(uids) if uids else None
            if what == "append" or uid is None:
                # A few are too long for the log, and go another way to the disk.
                most = chance.choice([200, 20_000, 20_000, 20_000, 20_000, 20_000, 300_000, 2_000_000])
                subject = f"note{record.serial()}.{chance.randrange(most)}"
                doubt[:] = ["append", None, subject]
                text = f"Subject: {subject}\r\n\r\n".encode() + text_of(subject) + b"\r\n"
                got = re.search(rb"APPENDUID (\d+) (\d+)", c.ok(f"APPEND {name}", text)[-1])
                assert int(got[1]) == here["validity"]
                note(here, got[2].decode(), subject, [])
            elif what == "flag":
                doubt[:] = ["flag", uid, None]
                c.ok(rf"UID STORE {uid} +FLAGS.SILENT (\Flagged)")
                here["now"][uid][1] = sorted({*here["now"][uid][1], r"\Flagged"})
            elif what == "expunge":
                doubt[:] = ["delete", uid, None]
                c.ok(rf"UID STORE {uid} +FLAGS.SILENT (\Deleted)")
                here["now"][uid][1] = sorted({*here["now"][uid][1], r"\Deleted"})
                doubt[:] = ["expunge", uid, None]
                c.ok(f"UID EXPUNGE {uid}")
                del here["now"][uid]
            elif what in ("copy", "move"):
                doubt[:] = [what, uid, None]
                lines = b"".join(c.ok(f"UID {what.upper()} {uid} {name}copy"))
                got = re.search(rb"COPYUID (\d+) (\d+) (\d+)", lines)
                assert int(got[1]) == there["validity"] and got[2].decode() == uid
                note(there, got[3].decode(), *json.loads(json.dumps(here["now"][uid])))
                if what == "move":
                    del here["now"][uid]
            else:
                folder = f"{name}f{record.serial()}"
                doubt[:] = ["create", None, folder]
                c.ok(f"CREATE {folder}")
                record.state["boxes"][f"{user}/{folder}"] = {"validity": None, "ever": {}, "now": {}}
            doubt[:] = []
    except Gone as e:
        record.ends.append(f"{user}/{name}: {e}")

def work(record, smtp, imap, users, seed, events, then, senders=3):
    """Works until `events` answers have been seen, and then calls `then` while the work goes on."""
    reached, stop = threading.Event(), threading.Event()
    record.ends = []
    def answer():
        with record.lock:
            record.events += 1
            if record.events == events:
                reached.set()
    record.answer = answer
    failures = []
    def guarded(f, *a):
        try:
            f(*a)
        except BaseException as e:
            failures.append(repr(e))
            reached.set()
    names = list(users)
    threads = [threading.Thread(target=guarded, args=(sender, record, smtp, names, n, stop)) for n in range(senders)]
    for i, user in enumerate(names):
        for part in "ab":
            chance = random.Random(f"{seed}{user}{part}")
            threads.append(threading.Thread(target=guarded, args=(
                session, record, imap, user, users[user], "box" + part, chance, stop)))
    for t in threads:
        t.start()
    assert reached.wait(120), (record.events, record.ends)
    then()
    stop.set()
    for t in threads:
        t.join(120)
        assert not t.is_alive(), "a session hangs"
    assert not failures, failures
    record.save()

def settle(record, user, name, found):
    """Takes what is in doubt as having happened or not, whichever is seen; says what must be seen then."""
    state = record.state
    doubt = state["doubt"].get(f"{user}/{name}", [])
    if not doubt:
        return
    what, uid, subject = doubt
    here, there = record.box(user, name), record.box(user, name + "copy")
    new = {box: [u for u in found[box] if u not in record.box(user, box)["ever"]] for box in (name, name + "copy")}
    if what == "append":
        for u in new[name]:
            note(here, u, subject, [])
    elif what in ("flag", "delete"):
        here["now"][uid][1] = found[name].get(uid, [None, here["now"][uid][1]])[1]
        assert set(here["now"][uid][1]) <= {r"\Flagged", r"\Deleted"}
    elif what == "expunge" and uid not in found[name]:
        del here["now"][uid]
    elif what in ("copy", "move"):
        assert len(new[name + "copy"]) <= 1
        for u in new[name + "copy"]:
            note(there, u, *json.loads(json.dumps(here["now"][uid])))
            if what == "move":
                del here["now"][uid]
    state["doubt"][f"{user}/{name}"] = []

def check(record, imap, users):
    """Everything that was acknowledged is there once, under its UID; nothing else is there."""
    for user, password in users.items():
        c = Imap(imap, user, password)
        names = re.findall(rb'\) "/" "?([^"\r]+)"?\r', b"".join(c.ok('LIST "" *')))
        names = [n.decode() for n in names]
        doubts = [d[2] for k, d in record.state["doubt"].items() if k.startswith(user + "/") and d and d[0] == "create"]
        for key in [k for k in record.state["boxes"] if k.startswith(user + "/")]:
            box = key.split("/", 1)[1]
            if record.state["boxes"][key]["validity"] is not None or box[3:5] not in ("a", "b", "ac", "bc"):
                assert box in names, ("a mailbox is gone", box, names)
        for name in ("boxa", "boxb"):
            if record.box(user, name)["validity"] is None:
                continue
            found = {name + "copy": {}}
            for box in (name, name + "copy"):
                known = record.box(user, box)
                if known["validity"] is None and box not in names:
                    # The end came before it was made.
                    continue
                validity = c.select(box)
                assert known["validity"] in (None, validity), ("UIDVALIDITY", box, known["validity"], validity)
                known["validity"] = validity
                found[box] = c.messages()
            settle(record, user, name, found)
            for box in found:
                assert found[box] == record.box(user, box)["now"], (user, box, "found", found[box], "acknowledged", record.box(user, box)["now"])
        inbox = record.box(user, "INBOX")
        sent = set(record.state["sent"][user])
        maybe = set(record.state["maybe"][user])
        until = time.monotonic() + 90
        while True:
            validity = c.select("INBOX")
            found = c.messages()
            subjects = [s for s, flags in found.values()]
            if sent <= set(subjects):
                break
            assert time.monotonic() < until, (user, "has not arrived", sent - set(subjects))
        assert len(subjects) == len(set(subjects)), (user, "came twice", [s for s in subjects if subjects.count(s) > 1])
        assert set(subjects) <= sent | maybe, (user, "never sent", set(subjects) - sent - maybe)
        assert inbox["validity"] in (None, validity)
        inbox["validity"] = validity
        for uid, subject in inbox["ever"].items():
            assert found.get(uid, [None])[0] == subject, ("a UID has changed", uid, subject, found.get(uid))
        for uid in found:
            inbox["ever"].setdefault(uid, found[uid][0])
        c.ok("LOGOUT")
    record.save()
