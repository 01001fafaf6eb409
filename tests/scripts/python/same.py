# Two users whose mail is to be the same, before and after a synchroniser has run.
import email.policy, re

def users():
    return login(imap, "VMUSER1", "SECRET1"), login(imap, "VMUSER2", "SECRET2")

def put(c, box, subject, flags="()", date=None):
    text = mail("vmuser1@vm.localhost", subject, f"about {subject}\n" * 20).as_bytes(policy=email.policy.SMTP)
    when = date and f'"{date:2d}-Nov-2020 10:00:00 +0200"'
    typ, data = c.append(f'"{box}"', flags, when, text)
    assert typ == "OK", data

def find(c, subject):
    """The number of the one message of this subject."""
    numbers = c.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
    assert len(numbers) == 1, (subject, numbers)
    return numbers[0].decode()

def messages(c, box):
    """Subject, flags, date and size of each."""
    if count(c, f'"{box}"') == 0:
        return []
    out = []
    for part in c.fetch("1:*", "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
        if isinstance(part, tuple):
            flags = {f.decode() for f in imaplib.ParseFlags(part[0])} - {r"\Recent"}
            date, size = (re.search(p, part[0])[1] for p in (rb'INTERNALDATE "(.*?)"', rb"SIZE (\d+)"))
            out.append((email.message_from_bytes(part[1])["Subject"], sorted(flags), date, size))
    return sorted(out)

def inbox(c=None, box="INBOX"):
    """Flags by subject."""
    return {subject: flags for subject, flags, date, size in messages(c or users()[0], box)}

def boxes(c):
    return sorted(line.decode().split(' "/" ')[1].strip('"') for line in c.list()[1])

def same(names):
    one, two = users()
    assert boxes(one) == boxes(two) == sorted(names), (boxes(one), boxes(two))
    for box in names:
        a, b = messages(one, box), messages(two, box)
        assert a == b, (box, [m for m in a if m not in b], [m for m in b if m not in a])

def until(there):
    """Asks again and again."""
    for _ in range(20000):
        if there():
            return
    raise AssertionError("it does not come")
