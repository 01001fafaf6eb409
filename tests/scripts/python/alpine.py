# Drives alpine at a terminal: reads the first of three messages, deletes and expunges it. Arguments: IMAP port, folder.
import fcntl, os, pty, re, select, struct, sys, termios, time

port, folder = sys.argv[1:3]
with open(folder + "/pinerc", "w") as f:
    f.write(f"inbox-path={{127.0.0.1:{port}/novalidate-cert/user=VMUSER1}}INBOX\nuser-domain=vm.localhost\n")
    f.write("feature-list=disable-password-caching,disable-password-file-saving,"
            "quit-without-confirm,expunge-without-confirm\n")
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(TERM="vt100", HOME=folder)
    os.execvp("alpine", ["alpine", "-p", folder + "/pinerc", "-i"])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
screen = b""


def seen():
    return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|[\x00\x0e\x0f]", b"", screen)


def until(pattern, keys=b""):
    """Reads the screen until it shows the pattern, then types the keys."""
    global screen
    end = time.monotonic() + 120
    while not re.search(pattern, seen(), re.S):
        assert time.monotonic() < end, (pattern, seen()[-2000:])
        if select.select([fd], [], [], 1)[0]:
            screen += os.read(fd, 65536)
    found, screen = seen(), b""
    os.write(fd, keys)
    return found


# The greeting of a first use is there or not.
if b"greeting" in until(rb"ENTER PASSWORD: |Exit this greeting"):
    os.write(fd, b"E")
    until(rb"ENTER PASSWORD: ")
os.write(fd, b"SECRET1\r")
until(rb"mail 1.*mail 2.*mail 3", b"\r")
# It stands at the first message that is new.
until(rb"body of mail 1", b"<")
until(rb"MESSAGE INDEX", b"D")
until(rb"mail|marked|NextMsg|Deleted| D ", b"X")
until(rb"xpunge", b"q")
while True:
    try:
        if not os.read(fd, 65536):
            break
    except OSError:
        break
assert os.waitpid(pid, 0)[1] == 0
