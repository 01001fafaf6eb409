# What the scripts of the whole-system tests share.
import imaplib, smtplib, ssl, sys, email
from email.message import EmailMessage

def mail(to, subject, body="text\n", sender="tester@example.org"):
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = sender, to, subject
    m["Message-ID"] = f"<{subject}@example.org>"
    m.set_content(body)
    return m

def send(port, *messages):
    with smtplib.SMTP("127.0.0.1", int(port), timeout=120) as s:
        for m in messages:
            s.send_message(m)

def login(port, user, password):
    c = imaplib.IMAP4("127.0.0.1", int(port), timeout=120)
    c.login(user, password)
    return c

def count(c, box="INBOX"):
    typ, data = c.select(box)
    assert typ == "OK", (typ, data)
    return int(data[0])

def wait_for(c, n):
    """Waits until the selected mailbox has n messages, asking with NOOP."""
    have = count(c)
    asked = 0
    while have < n:
        c.noop()
        typ, data = c.response("EXISTS")
        if data and data[-1]:
            have = int(data[-1])
        asked += 1
        assert asked < 200000, f"{have} of {n} messages have arrived"
    return have

def subjects(c):
    typ, data = c.search(None, "ALL")
    out = []
    for n in data[0].split():
        typ, d = c.fetch(n, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        out.append(email.message_from_bytes(d[0][1])["Subject"])
    return out
