//! Drives an IMAP server and prints one line a figure: `value unit name`.
//!
//!     imap-load HOST:PORT MESSAGES SECONDS USER:PASSWORD [USER:PASSWORD ...]
//!
//! At least three users; the first gets a mailbox of MESSAGES messages, the second's INBOX is watched by idle sessions, the
//! third gets folders.

use std::io::Write;
use std::process::ExitCode;

use tests::load::workload::{self, Figure, Target};

fn main() -> ExitCode {
    let Some(target) = target() else {
        say("imap-load HOST:PORT MESSAGES SECONDS USER:PASSWORD USER:PASSWORD USER:PASSWORD ...");
        return ExitCode::from(2);
    };
    match run(&target) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn target() -> Option<Target> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, messages, seconds, users @ ..] = &arguments[..] else { return None };
    let users: Vec<(String, String)> = users
        .iter()
        .map(|u| u.split_once(':').map(|(n, p)| (n.to_owned(), p.to_owned())))
        .collect::<Option<_>>()?;
    let target = Target {
        address: address.clone(),
        users,
        messages: messages.parse().ok().filter(|n| *n >= 100)?,
        seconds: seconds.parse().ok()?,
    };
    (target.users.len() >= 3).then_some(target)
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever reads the figures may have gone.
    let _unread = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn show(figures: impl IntoIterator<Item = Figure>) {
    for figure in figures {
        say(&format!("{:>12.2} {:<5} {}", figure.value, figure.unit, figure.name));
    }
}

fn run(target: &Target) -> std::io::Result<()> {
    for connections in [1, 8] {
        show([workload::logins(target, connections)?]);
    }
    for (octets, connections) in
        [(1_000, 1), (1_000, 64), (10_000, 1), (10_000, 64), (1_000_000, 1), (1_000_000, 8)]
    {
        show([workload::appends(target, octets, connections)?]);
    }
    show([workload::fill(target)?]);
    show([workload::selects(target)?]);
    show(workload::reading(target)?);
    show(workload::bodies(target)?);
    show(workload::moving(target)?);
    show(workload::idling(target, 100)?);
    show(workload::folders(target, 2_000)?);
    Ok(())
}
