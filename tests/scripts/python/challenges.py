# SCRAM, CRAM-MD5 and EXTERNAL as a client computes them; the folder with me.pem and me.key is the last argument.
import base64, hashlib, hmac, os

def scram(mechanism, user, password):
    """Callback of imaplib for one SCRAM exchange (RFC 5802)."""
    name = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}[mechanism]
    mac = lambda key, text: hmac.new(key, text, name).digest()
    bare = f"n={user},r={base64.b64encode(os.urandom(12)).decode()}"
    state = {}
    def answer(challenge):
        challenge = challenge.decode()
        if not challenge:
            return ("n,," + bare).encode()
        if challenge.startswith("v="):
            assert challenge[2:] == state["expected"], "the server does not know the password"
            state["checked"] = True
            return b""
        fields = dict(part.split("=", 1) for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        client_key = mac(salted, b"Client Key")
        last = "c=biws,r=" + fields["r"]
        message = f"{bare},{challenge},{last}".encode()
        signature = mac(hashlib.new(name, client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        state["expected"] = base64.b64encode(mac(mac(salted, b"Server Key"), message)).decode()
        return (last + ",p=" + base64.b64encode(proof).decode()).encode()
    answer.state = state
    return answer

def connect():
    return imaplib.IMAP4("127.0.0.1", int(imap), timeout=60)

for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256"]:
    c = connect()
    assert "AUTH=" + mechanism in c.capabilities, c.capabilities
    # up to eight characters a password may be typed in upper or in lower case
    for user, password, good in [("VMUSER1", "wrong", False), ("nobody", "SECRET1", False), ("vmuser1", "secret1", True)]:
        exchange = scram(mechanism, user, password)
        try:
            c.authenticate(mechanism, exchange)
            assert good and exchange.state.get("checked"), (mechanism, user)
        except imaplib.IMAP4.error as e:
            assert not good and "AUTHENTICATIONFAILED" in str(e), (mechanism, user, e)
    assert count(c) == 0
    c.logout()

# switched off by default
assert "AUTH=CRAM-MD5" not in connect().capabilities

tls = ssl._create_unverified_context()
without = imaplib.IMAP4_SSL("127.0.0.1", int(imaps), ssl_context=tls, timeout=60)
assert "AUTH=EXTERNAL" not in without.capabilities
without.login("VMUSER1", "SECRET1")
tls.load_cert_chain(sys.argv[5] + "/me.pem", sys.argv[5] + "/me.key")
c = imaplib.IMAP4_SSL("127.0.0.1", int(imaps), ssl_context=tls, timeout=60)
assert "AUTH=EXTERNAL" in c.capabilities, c.capabilities
try:
    c.authenticate("EXTERNAL", lambda _: b"VMUSER1")
    assert False, "a certificate is for one user"
except imaplib.IMAP4.error as e:
    assert "AUTHORIZATIONFAILED" in str(e), e
c.authenticate("EXTERNAL", lambda _: b"")
assert c.create("mine")[0] == "OK"
