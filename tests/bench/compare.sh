#!/usr/bin/env bash
# Measures this server and Dovecot (Debian's) with the same load generator in the same run, and prints the ratios.
#   tests/bench/compare.sh [MESSAGES] [SECONDS]
# Needs dovecot-imapd and root (Dovecot's login processes change their user); everything else is in a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
messages=${1:-10000} seconds=${2:-3}
users=(LOAD1 LOAD2 LOAD3 LOAD4 LOAD5 LOAD6 LOAD7 LOAD8)
cargo build --release --package emulator --bin endicott --package tests --bin imap-load
target=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d) && chmod 755 "$work"
trap 'kill $(jobs -p) 2>/dev/null || true; [ -e "$work/dovecot.conf" ] && doveadm -c "$work/dovecot.conf" stop 2>/dev/null; rm -rf "$work"' EXIT
logins=() mail=()
for user in "${users[@]}"; do logins+=("$user:SECRET1") mail+=(--mail-user "$user=SECRET1"); done

endicott() {
    "$target/endicott" generate --system "$work/vm" "${mail[@]}" >/dev/null
    sed -i 's/^\(imap\|imaps\|smtp\|submission\) = .*/\1 = 0/' "$work/vm/endicott.toml"
    coproc VM { "$target/endicott" ipl --system "$work/vm" --no-console; }
    while read -r line <&"${VM[0]}"; do [ "$line" = "ENDICOTT READY" ] && break; done
    port=$(sed 's/.*"imap":"[^:]*:\([0-9]*\)".*/\1/' "$work/vm/run/listeners.json")
    "$target/imap-load" "127.0.0.1:$port" "$messages" "$seconds" "${logins[@]}" | tee "$work/endicott.txt"
    "$target/endicott" shutdown --system "$work/vm"
}

dovecot_run() { # format
    local format=$1 port=34143 home="$work/$1"
    mkdir -p "$home/run" "$home/mail" && chown -R mail:mail "$home/mail"
    for user in "${users[@]}"; do echo "$user:{PLAIN}SECRET1:8:8::$home/mail/$user::"; done >"$home/passwd"
    cat >"$work/dovecot.conf" <<CONF
base_dir = $home/run
state_dir = $home/run
log_path = $home/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 8
mail_location = $format:~/$format
mail_max_userip_connections = 20000
auth_username_format = %u
passdb {
  driver = passwd-file
  args = $home/passwd
}
userdb {
  driver = passwd-file
  args = $home/passwd
}
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  service_count = 0
  client_limit = 12000
  inet_listener imap {
    port = $port
  }
  inet_listener imaps {
    port = 0
  }
}
service imap {
  process_limit = 12000
  service_count = 256
  process_min_avail = 4
}
service anvil {
  client_limit = 30000
}
service auth {
  client_limit = 30000
}
CONF
    dovecot -c "$work/dovecot.conf"
    "$target/imap-load" "127.0.0.1:$port" "$messages" "$seconds" "${logins[@]}" | tee "$work/$format.txt"
    doveadm -c "$work/dovecot.conf" stop
}

echo "== endicott"; endicott
for format in mdbox sdbox; do echo "== dovecot $format"; dovecot_run "$format"; done
echo "== ratios: how many times better than the better of mdbox and sdbox"
python3 - "$work" <<'PY'
import sys
def read(name):
    out = {}
    for line in open(f"{sys.argv[1]}/{name}.txt"):
        value, unit, what = line.split(None, 2)
        out[what.strip()] = (float(value), unit)
    return out
ours, peers = read("endicott"), [read("mdbox"), read("sdbox")]
for what, (value, unit) in ours.items():
    theirs = [p[what][0] for p in peers if what in p]
    if not theirs:
        continue
    best = min(theirs) if unit == "ms" else max(theirs)
    ratio = best / value if unit == "ms" else value / best
    print(f"{ratio:8.2f}  {what}: {value:.2f} against {best:.2f} {unit}")
PY
