#!/usr/bin/env bash
# Measures this server and Dovecot (Debian's) with the same load generator in the same run, and prints the ratios.
#   tests/bench/compare.sh [MESSAGES] [SECONDS]
# FOLDERS, IDLE and MAILS in the environment change how many of them this server is given; what Dovecot could not do in the
# time is less for it, and stands beside ours only where the figure is of the same thing.
# What a disk takes changes from minute to minute, so what writes is measured TURNS times more (3), server after server, and the middle
# of each counts.
# Needs dovecot-imapd and root (Dovecot's login processes change their user); everything else is in a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
messages=${1:-10000} seconds=${2:-3} folders=${FOLDERS:-50000} idle=${IDLE:-10000} mails=${MAILS:-9000}
turns=${TURNS:-3} writes=appends,fill,storing,moving
# A process for each user who idles; Dovecot looks every 30 seconds only where it cannot be told of changes.
sysctl -q -w fs.inotify.max_user_instances=8192 2>/dev/null || echo "few inotify instances: Dovecot will be slow to tell of news"
ulimit -n "$(ulimit -Hn)" # ten thousand connections, each end in a process of its own
users=()
for number in {1..24}; do users+=("LOAD$number"); done
base=$((20000 + $$ % 10000)) # ports
cargo build --release --package emulator --bin endicott --package tests --bin imap-load
target=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d) && chmod 755 "$work"
trap 'kill $(jobs -p) 2>/dev/null || true; [ -e "$work/dovecot.conf" ] && doveadm -c "$work/dovecot.conf" stop 2>/dev/null; rm -rf "$work"' EXIT
logins=() mail=()
for user in "${users[@]}"; do logins+=("$user:SECRET1") mail+=(--mail-user "$user=SECRET1"); done

ipl() {
    coproc VM { exec "$target/endicott" ipl --system "$work/vm" --no-console; }
    vm=$VM_PID
    while read -r line <&"${VM[0]}"; do [ "$line" = "ENDICOTT READY" ] && break; done
}
cmd() { "$target/endicott" cmd --system "$work/vm" -u "$1" "$2"; }
load() { # parts
    "$target/imap-load" "127.0.0.1:$base" "$messages" "$seconds" "$vm" "$1" "${logins[@]}" | tee -a "$work/endicott.txt"
}

generate() {
    rm -rf "$work/vm"
    "$target/endicott" generate --system "$work/vm" "${mail[@]}" >/dev/null
    sed -i "s/^imap = .*/imap = $base/;s/^imaps = .*/imaps = $((base + 1))/;s/^smtp = .*/smtp = $((base + 2))/
        s/^submission = .*/submission = $((base + 3))/;s/^tn3270 = .*/tn3270 = 0/" "$work/vm/endicott.toml"
}

endicott() {
    generate
    ipl
    load "basic,large,folders=$folders"
    { kill -9 "$vm" && wait "$vm"; } 2>/dev/null || true
    ipl
    load "again=kill -9"
    load "idle=$idle"
    "$target/endicott" shutdown --system "$work/vm" && wait "$vm" || true
    ipl
    load "again=a clean stop"
    load "tls=$idle@127.0.0.1:$((base + 1))"
    # The spool is filled while nobody takes mail out of it; a reader holds 9999 files.
    cmd OPERATOR 'FORCE IMAP' >/dev/null
    load "feed=$mails@127.0.0.1:$((base + 2))"
    until [ "$(cmd OPERATOR 'QUERY RDR IMAP ALL' | grep -c SMTP)" -ge "$mails" ]; do sleep 0.2; done
    cmd OPERATOR 'XAUTOLOG IMAP' >/dev/null
    load "arrive=$mails"
    "$target/endicott" shutdown --system "$work/vm" && wait "$vm" || true
}

endicott_writes() {
    generate
    ipl
    load "$writes"
    "$target/endicott" shutdown --system "$work/vm" && wait "$vm" || true
}

dovecot_run() { # format, parts, turn
    local format=$1 port=$((base + 4)) home="$work/$1-$3"
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
  client_limit = 15000
}
service auth {
  client_limit = 15000
}
CONF
    dovecot -c "$work/dovecot.conf"
    # It goes into the background before it is there.
    until [ -s "$home/run/master.pid" ]; do sleep 0.1; done
    "$target/imap-load" "127.0.0.1:$port" "$messages" "$seconds" "$(cat "$home/run/master.pid")" \
        "$2" "${logins[@]}" | tee -a "$work/$format.txt"
    doveadm -c "$work/dovecot.conf" stop
    while [ -e "$home/run/master.pid" ]; do sleep 0.1; done
}

echo "== endicott"; endicott
for format in mdbox sdbox; do echo "== dovecot $format"; dovecot_run "$format" basic,large,folders=300,idle=400 0; done
for ((turn = 1; turn <= turns; turn++)); do
    echo "== endicott, turn $turn"; endicott_writes
    for format in mdbox sdbox; do echo "== dovecot $format, turn $turn"; dovecot_run "$format" "$writes" "$turn"; done
done
echo "== ratios: how many times better than the better of mdbox and sdbox"
python3 - "$work" <<'PY'
import sys
def read(name):
    out = {}
    for line in open(f"{sys.argv[1]}/{name}.txt"):
        value, unit, cpu, what = line.split(None, 3)
        out.setdefault(what.strip(), []).append((float(value), unit, cpu))
    return {what: sorted(figures)[len(figures) // 2] for what, figures in out.items()}
ours, peers = read("endicott"), {name: read(name) for name in ("mdbox", "sdbox")}
for what, (value, unit, cpu) in ours.items():
    theirs = [(p[what][0], p[what][2], name) for name, p in peers.items() if what in p]
    if not theirs:
        print(f"          {what}: {value:.2f} {unit}, CPU us {cpu}")
        continue
    best = (min if unit in ("ms", "KiB") else max)(theirs)
    ratio = best[0] / value if unit in ("ms", "KiB") else value / best[0]
    print(f"{ratio:8.2f}  {what}: {value:.2f} against {best[0]:.2f} {unit} ({best[2]}), CPU us {cpu} against {best[1]}")
PY
