//! Drives an IMAP server and prints one line a figure: `value unit cpu name`, where `cpu` is the server's CPU time for each
//! operation in microseconds, or `-`.
//!
//!     imap-load HOST:PORT MESSAGES SECONDS PID PARTS USER:PASSWORD [USER:PASSWORD ...]
//!
//! PID is the server's process, 0 for one that is not known. PARTS are words with commas between them:
//!
//!     logins          LOGIN of one and of eight connections
//!     appends         APPEND of three sizes, MULTIAPPEND
//!     append=NxM      APPEND of N octets with M connections
//!     mailbox         a mailbox of MESSAGES messages and all that is done with it
//!     fill, reading, bodies, storing, moving   the steps of the one above; the three in the middle may be repeated
//!     basic           logins, appends and mailbox, and 100 idle sessions
//!     large           the first user's mailbox of 100,000 messages
//!     again=WORDS     the first SELECT of that after a restart; the words go into the figure's name
//!     folders=N       that many folders of the third user
//!     idle=N          that many idle sessions; tls=N@HOST:PORT the same within TLS
//!     feed=N@HOST:PORT   that many mails to the fourth user through SMTP
//!     arrive=N        that many mails on their way out of the spool
//!     sharing=N       LIST for the first user with that many mailboxes of others

use std::io::{self, Write};
use std::process::ExitCode;

use tests::load::process::Processes;
use tests::load::workload::{self, Figure, Target};
use tests::load::{arrival, crowd, large, sharing};

fn main() -> ExitCode {
    let Some((target, parts)) = arguments() else {
        say(
            "imap-load HOST:PORT MESSAGES SECONDS PID PARTS USER:PASSWORD USER:PASSWORD USER:PASSWORD USER:PASSWORD ...",
        );
        return ExitCode::from(2);
    };
    for part in parts.split(',') {
        if let Err(error) = run(&target, part) {
            say(&format!("failed: {part}: {error}"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn arguments() -> Option<(Target, String)> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, messages, seconds, pid, parts, users @ ..] = &arguments[..] else { return None };
    let users: Vec<(String, String)> = users
        .iter()
        .map(|u| u.split_once(':').map(|(n, p)| (n.to_owned(), p.to_owned())))
        .collect::<Option<_>>()?;
    let pid: u32 = pid.parse().ok()?;
    let target = Target {
        address: address.clone(),
        users,
        messages: messages.parse().ok().filter(|n| *n >= 100)?,
        seconds: seconds.parse().ok()?,
        processes: (pid != 0).then_some(Processes { root: pid }),
    };
    (target.users.len() >= 4).then_some((target, parts.clone()))
}

fn say(text: &str) {
    let mut out = io::stdout().lock();
    // Whoever reads the figures may have gone.
    let _unread = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn show(figures: impl IntoIterator<Item = Figure>) {
    for figure in figures {
        let cpu = figure.cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1}"));
        say(&format!("{:>12.2} {:<5} {cpu:>10} {}", figure.value, figure.unit, figure.name));
    }
}

fn number(text: &str) -> io::Result<usize> {
    text.parse().map_err(|_| io::Error::other(format!("{text} is no number")))
}

/// `N@HOST:PORT`
fn number_and_address(text: &str) -> io::Result<(usize, &str)> {
    let (count, address) = text.split_once('@').ok_or_else(|| io::Error::other("no address"))?;
    Ok((number(count)?, address))
}

fn run(target: &Target, part: &str) -> io::Result<()> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    match name {
        "basic" => basic(target)?,
        "logins" => logins(target)?,
        "appends" => appends(target)?,
        "append" => {
            let sizes = value.split_once('x').ok_or_else(|| io::Error::other("no number of connections"))?;
            show([workload::appends(target, number(sizes.0)?, number(sizes.1)?)?]);
        }
        "mailbox" => mailbox(target)?,
        "fill" => show([workload::fill(target)?]),
        "reading" => show(workload::reading(target)?),
        "bodies" => show(workload::bodies(target)?),
        "storing" => show(workload::storing(target)?),
        "moving" => show(workload::moving(target)?),
        "large" => {
            large::fill(target)?;
            show(large::selects(target)?);
            show(large::flags(target)?);
        }
        "again" => show([large::first_select(target, value)?]),
        "folders" => show(workload::folders(target, number(value)?)?),
        "idle" => show(crowd::idle(target, number(value)?, None)?),
        "tls" => {
            let (count, address) = number_and_address(value)?;
            show(crowd::idle(target, count, Some(address))?);
        }
        "feed" => {
            let (count, address) = number_and_address(value)?;
            show([arrival::feed(target, address, count)?]);
        }
        "arrive" => show(arrival::arrive(target, 100, number(value)?)?),
        "sharing" => show(sharing::lists(target, number(value)?)?),
        _ => return Err(io::Error::other("no such part")),
    }
    Ok(())
}

fn basic(target: &Target) -> io::Result<()> {
    logins(target)?;
    appends(target)?;
    mailbox(target)?;
    show(workload::idling(target, 100)?);
    Ok(())
}

fn logins(target: &Target) -> io::Result<()> {
    for connections in [1, 8] {
        show([workload::logins(target, connections)?]);
    }
    Ok(())
}

fn appends(target: &Target) -> io::Result<()> {
    for (octets, connections) in
        [(1_000, 1), (1_000, 64), (10_000, 1), (10_000, 64), (1_000_000, 1), (1_000_000, 8)]
    {
        show([workload::appends(target, octets, connections)?]);
    }
    show([workload::multiappends(target)?]);
    Ok(())
}

fn mailbox(target: &Target) -> io::Result<()> {
    show([workload::fill(target)?]);
    show(workload::selects(target)?);
    show(workload::reading(target)?);
    show(workload::bodies(target)?);
    show(workload::storing(target)?);
    show(workload::moving(target)?);
    Ok(())
}
