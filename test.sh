#!/usr/bin/env bash
# All tests. `./test.sh quick` leaves out the whole-system tests and runs in a few minutes.
set -euo pipefail
cd "$(dirname "$0")"

# Mail programs that the interop tests drive. Without them (no root, no Debian) those tests say that they skip.
programs=(isync mutt swaks libnet-ssleay-perl curl python3 fetchmail offlineimap3 alpine thunderbird xvfb xdotool
    interimap pullimap libmail-imapclient-perl libio-socket-ssl-perl libdigest-hmac-perl libmail-java)
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    missing=()
    for program in "${programs[@]}"; do
        dpkg -s "$program" >/dev/null 2>&1 || missing+=("$program")
    done
    if [ "${#missing[@]}" -gt 0 ]; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
            echo "could not install: ${missing[*]}"
    fi
    python3 -c "import imapclient" 2>/dev/null || python3 -m pip install -q --retries 1 --timeout 15 imapclient 2>/dev/null ||
        python3 -m pip install -q --retries 1 --timeout 15 --break-system-packages imapclient || echo "could not install: imapclient"
fi

cargo fmt --all --check
cargo clippy --workspace --all-targets --quiet -- -D warnings
if [ "${1:-}" = quick ]; then
    cargo test --workspace --exclude tests
else
    cargo build --package emulator --bin endicott
    cargo test --workspace
fi
