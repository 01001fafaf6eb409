# Drives Thunderbird in a window nobody sees: it asks for the password, lists three mails, reads one and moves one to Trash.
# Arguments: IMAP port, folder.
import imaplib, os, select, subprocess, sys, time

port, folder = sys.argv[1:3]
profile = folder + "/thunderbird"
os.makedirs(profile)
preferences = {
    "mail.accountmanager.accounts": "account1", "mail.accountmanager.defaultaccount": "account1",
    "mail.account.account1.server": "server1", "mail.account.account1.identities": "id1",
    "mail.identity.id1.useremail": "vmuser1@vm.localhost", "mail.identity.id1.fullName": "VMUSER1",
    "mail.server.server1.type": "imap", "mail.server.server1.hostname": "127.0.0.1",
    "mail.server.server1.port": int(port), "mail.server.server1.userName": "VMUSER1",
    "mail.server.server1.name": "VM", "mail.server.server1.socketType": 0, "mail.server.server1.authMethod": 3,
    "mail.server.server1.login_at_startup": True, "mail.server.server1.directory-rel": "[ProfD]ImapMail/vm",
    # Nothing but the server is asked for anything.
    "network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1", "network.proxy.ssl_port": 9, "network.proxy.no_proxies_on": "127.0.0.1",
    "app.update.enabled": False, "mail.rights.version": 1, "mailnews.start_page.enabled": False,
    "mail.shell.checkDefaultClient": False, "mail.spotlight.firstRunDone": True, "mail.winsearch.firstRunDone": True,
    "datareporting.policy.bypassNotification": True, "toolkit.telemetry.enabled": False, "mail.provider.enabled": False,
    "mailnews.headers.showUserAgent": False, "mail.mdn.report.enabled": False, "app.donation.eoy.version.viewed": 999,
}
with open(profile + "/user.js", "w") as f:
    for name, value in preferences.items():
        text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value).replace("'", '"')
        f.write(f'user_pref("{name}", {text});\n')

read, write = os.pipe()
server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1200x900x24", "-nolisten", "tcp"],
                          pass_fds=[write], stderr=subprocess.DEVNULL)
os.close(write)
display = b""
while not display.endswith(b"\n"):
    assert select.select([read], [], [], 60)[0], "no display"
    display += os.read(read, 16)
env = dict(os.environ, DISPLAY=":" + display.decode().strip(), HOME=folder, MOZ_LOG="IMAP:5",
           MOZ_LOG_FILE=folder + "/imap.log")
client = subprocess.Popen(["thunderbird", "--profile", profile, "--no-remote"], env=env,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def window(*arguments):
    return subprocess.run(["xdotool", *arguments], env=env, capture_output=True, timeout=150)


def messages(connection, mailbox, key):
    typ, data = connection.select(mailbox, readonly=True)
    return data[0] if typ != "OK" else len(connection.search(None, key)[1][0].split())


def press(key, done):
    """Presses a key in the main window until what it does can be seen at the server."""
    end = time.monotonic() + 120
    while not done():
        assert time.monotonic() < end, key
        assert client.poll() is None, "it ended by itself"
        window("search", "--onlyvisible", "--class", "thunderbird", "windowfocus", "key", "--clearmodifiers", key)
        # The next look waits for what the server has to say, not longer than a while.
        select.select([], [], [], 2)


try:
    asked = window("search", "--sync", "--onlyvisible", "--name", "Enter your password")
    window("windowfocus", "--sync", asked.stdout.split()[0].decode())
    window("type", "--clearmodifiers", "SECRET1")
    window("key", "Return")
    look = imaplib.IMAP4("127.0.0.1", int(port), timeout=120)
    look.login("VMUSER1", "SECRET1")
    press("n", lambda: messages(look, "INBOX", "SEEN") > 0)
    press("Delete", lambda: messages(look, "INBOX", "ALL") < 3)
    left, gone = messages(look, "INBOX", "ALL"), messages(look, "Trash", "ALL")
    assert left + gone == 3 and gone > 0, (left, gone)
    press("ctrl+q", lambda: client.poll() is not None)
finally:
    client.kill()
    server.kill()
