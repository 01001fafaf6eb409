//! Very many idle sessions: what each costs the server, and how soon news reach those whom they concern.

use std::io;
use std::thread;

use super::client::Client;
use super::workload::{Figure, Target, told};

/// Idle sessions of the second user, who gets mail.
const WATCHERS: usize = 100;
/// Connections opened at once.
const THREADS: usize = 8;

fn open(target: &Target, user: usize, encrypted: Option<&str>) -> io::Result<Client> {
    let address = encrypted.unwrap_or(&target.address);
    let mut client = Client::connect_small(address, encrypted.is_some())?;
    let (user, password) = target.user(user);
    client.ok(&format!("LOGIN {user} \"{password}\""))?;
    client.ok("SELECT INBOX")?;
    client.idle()?;
    Ok(client)
}

/// Opens `sessions`, [`WATCHERS`] of the second user and the others of all others; the memory of each, and what it takes until
/// all of the watchers are told of a message. `encrypted` is the address for TLS, when that is wanted.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn idle(target: &Target, sessions: usize, encrypted: Option<&str>) -> io::Result<Vec<Figure>> {
    let how = if encrypted.is_some() { "TLS" } else { "plain" };
    let memory = || target.processes.map(|p| p.private_kib() as f64);
    // One of each user first, for what users and mailboxes cost is not what sessions cost.
    let users =
        (0..target.users.len()).map(|n| open(target, n, encrypted)).collect::<io::Result<Vec<_>>>()?;
    let before = memory();
    let lap = target.lap();
    let mut watchers: Vec<Client> = Vec::new();
    let mut others: Vec<Client> = Vec::new();
    thread::scope(|scope| -> io::Result<()> {
        let watching = WATCHERS.min(sessions);
        let threads: Vec<_> = (0..THREADS)
            .map(|part| {
                scope.spawn(move || -> io::Result<(Vec<Client>, Vec<Client>)> {
                    let mine = |count: usize| (part..count).step_by(THREADS);
                    let watchers =
                        mine(watching).map(|_| open(target, 1, encrypted)).collect::<io::Result<_>>()?;
                    let number = |n: usize| match n % (target.users.len() - 1) {
                        0 => 0,
                        another => another + 1,
                    };
                    let others = mine(sessions - watching).map(|n| open(target, number(n), encrypted));
                    Ok((watchers, others.collect::<io::Result<_>>()?))
                })
            })
            .collect();
        for thread in threads {
            let (w, o) = thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed")))?;
            watchers.extend(w);
            others.extend(o);
        }
        Ok(())
    })?;
    let mut figures = Vec::new();
    let opened = sessions as f64 / lap.seconds();
    figures.push(
        Figure::new(format!("idle sessions opened, {how}"), opened, "1/s").with_cpu(lap.cpu(sessions as f64)),
    );
    if let (Some(before), Some(after)) = (before, memory()) {
        let each = (after - before) / sessions as f64;
        figures.push(Figure::new(format!("private memory of an idle session, {how}"), each, "KiB"));
    }
    let name = format!("APPEND to EXISTS at the last of {} idle, many connected, {how}", watchers.len());
    figures.extend(told(target, &mut watchers, &name)?);
    drop((users, others));
    Ok(figures)
}
