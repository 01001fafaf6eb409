//! A mailbox of a hundred thousand messages: filled fast, selected, its flags fetched.

use std::io;

use super::client::multiappend;
use super::corpus;
use super::workload::{Figure, Target, selects_of, timed_in};

/// Messages of the mailbox.
pub const MESSAGES: usize = 100_000;
/// Messages that are appended; the others are copies of them.
const SEED: usize = 10_000;
/// Messages appended at once.
const BATCH: usize = 200;

/// Fills the mailbox.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn fill(target: &Target) -> io::Result<()> {
    let mut client = target.login(0)?;
    for mailbox in ["seed", "large"] {
        client.ok(&format!("CREATE {mailbox}"))?;
    }
    for batch in 0..SEED / BATCH {
        let numbers = batch * BATCH..(batch + 1) * BATCH;
        client.append_all("seed", &multiappend(numbers.map(corpus::message)))?;
    }
    client.ok("SELECT seed")?;
    for _ in 0..MESSAGES / SEED {
        client.ok("COPY 1:* large")?;
    }
    client.ok("DELETE seed")?;
    Ok(())
}

/// SELECT of it in new sessions.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn selects(target: &Target) -> io::Result<Vec<Figure>> {
    selects_of(target, "large", MESSAGES)
}

/// The first SELECT of it in the server's life, which was begun after what `end` says.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn first_select(target: &Target, end: &str) -> io::Result<Figure> {
    let mut client = target.login(0)?;
    let lap = target.lap();
    let answer = client.ok("SELECT large")?;
    let figure = Figure::new(format!("SELECT of {MESSAGES} after {end}"), lap.milliseconds(), "ms");
    if answer.count(&format!("* {MESSAGES} EXISTS")) != 1 {
        return Err(io::Error::other(format!("SELECT: {:?}", answer.lines)));
    }
    Ok(figure.with_cpu(lap.cpu(1.0)))
}

/// FETCH of all flags.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn flags(target: &Target) -> io::Result<Vec<Figure>> {
    let name = format!("FETCH 1:* FLAGS of {MESSAGES}");
    timed_in(target, "large", &name, &["FETCH 1:* (FLAGS)"], &|a| a.count(" FETCH (") == MESSAGES)
}
