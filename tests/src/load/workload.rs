//! The workloads: each does its work, checks every answer, and gives one figure.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::corpus;

/// Whom to drive.
#[derive(Clone, Debug)]
pub struct Target {
    /// `host:port`.
    pub address: String,
    /// Users with their passwords; the first owns the large mailboxes.
    pub users: Vec<(String, String)>,
    /// Messages of the large mailbox.
    pub messages: usize,
    /// Seconds for a workload that counts operations.
    pub seconds: u64,
}

/// A figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Of what.
    pub name: String,
    /// The number.
    pub value: f64,
    /// `1/s`, `ms` or `MB/s`; a smaller number of milliseconds is better, of the others a greater one.
    pub unit: &'static str,
}

impl Figure {
    fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit }
    }
}

impl Target {
    fn user(&self, number: usize) -> &(String, String) {
        &self.users[number % self.users.len()]
    }

    fn login(&self, number: usize) -> io::Result<Client> {
        let (user, password) = self.user(number);
        Client::login(&self.address, user, password)
    }

    /// Runs `work` on `connections` threads for the target's time; operations a second.
    fn rate<W>(&self, connections: usize, work: W) -> io::Result<f64>
    where
        W: Fn(usize, &dyn Fn() -> bool) -> io::Result<u64> + Sync,
    {
        let done = AtomicU64::new(0);
        let start = Instant::now();
        let limit = Duration::from_secs(self.seconds);
        let go_on = || start.elapsed() < limit;
        thread::scope(|scope| {
            let threads: Vec<_> = (0..connections)
                .map(|number| {
                    let (work, done, go_on) = (&work, &done, &go_on);
                    scope.spawn(move || -> io::Result<()> {
                        done.fetch_add(work(number, go_on)?, Ordering::Relaxed);
                        Ok(())
                    })
                })
                .collect();
            threads
                .into_iter()
                .try_for_each(|t| t.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed"))))
        })?;
        Ok(done.into_inner() as f64 / start.elapsed().as_secs_f64())
    }
}

fn milliseconds(from: Instant) -> f64 {
    from.elapsed().as_secs_f64() * 1e3
}

/// LOGIN and LOGOUT on new connections.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn logins(target: &Target, connections: usize) -> io::Result<Figure> {
    let rate = target.rate(connections, |number, go_on| {
        let mut done = 0;
        while go_on() {
            target.login(number)?.ok("LOGOUT")?;
            done += 1;
        }
        Ok(done)
    })?;
    Ok(Figure::new(format!("LOGIN, {connections} connections"), rate, "1/s"))
}

/// APPEND of one size, each connection to its user's own mailbox.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn appends(target: &Target, octets: usize, connections: usize) -> io::Result<Figure> {
    let rate = target.rate(connections, |number, go_on| {
        let mut client = target.login(number)?;
        let mailbox = format!("load{octets}x{number}");
        client.ok(&format!("CREATE {mailbox}"))?;
        let message = corpus::plain(number + 1, octets);
        let mut done = 0;
        while go_on() {
            client.append(&mailbox, &message)?;
            done += 1;
        }
        let shown = client.ok(&format!("STATUS {mailbox} (MESSAGES)"))?;
        if shown.count(&format!("MESSAGES {done}")) != 1 {
            return Err(io::Error::other(format!("{done} messages appended, and {:?}", shown.lines)));
        }
        client.ok(&format!("DELETE {mailbox}"))?;
        Ok(done)
    })?;
    Ok(Figure::new(format!("APPEND {octets} octets, {connections} connections"), rate, "1/s"))
}

/// Fills the mailbox `big` with the corpus, eight connections at once.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn fill(target: &Target) -> io::Result<Figure> {
    target.login(0)?.ok("CREATE big")?;
    let start = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|part| {
                scope.spawn(move || -> io::Result<()> {
                    let mut client = target.login(0)?;
                    (part..target.messages)
                        .step_by(8)
                        .try_for_each(|n| client.append("big", &corpus::message(n)))
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|t| t.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed"))))
    })?;
    let rate = target.messages as f64 / start.elapsed().as_secs_f64();
    Ok(Figure::new(format!("fill {} mixed, 8 connections", target.messages), rate, "1/s"))
}

/// One command on the large mailbox: the first time, then the median of five.
fn timed(
    target: &Target,
    name: &str,
    command: &str,
    check: &dyn Fn(&super::client::Answer) -> bool,
) -> io::Result<Vec<Figure>> {
    let mut client = target.login(0)?;
    client.ok("SELECT big")?;
    let mut times = Vec::new();
    for _ in 0..6 {
        let start = Instant::now();
        let answer = client.ok(command)?;
        times.push(milliseconds(start));
        if !check(&answer) {
            return Err(io::Error::other(format!("{command}: {} lines are not right", answer.lines.len())));
        }
    }
    let first = times.remove(0);
    times.sort_by(f64::total_cmp);
    Ok(vec![Figure::new(format!("{name} (first)"), first, "ms"), Figure::new(name, times[2], "ms")])
}

/// SELECT in new sessions.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn selects(target: &Target) -> io::Result<Figure> {
    let mut times = Vec::new();
    for _ in 0..9 {
        let mut client = target.login(0)?;
        let start = Instant::now();
        let answer = client.ok("SELECT big")?;
        times.push(milliseconds(start));
        if answer.count(&format!("* {} EXISTS", target.messages)) != 1 {
            return Err(io::Error::other(format!("SELECT: {:?}", answer.lines)));
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(Figure::new("SELECT, new session", times[4], "ms"))
}

/// FETCH, STORE and SEARCH on the large mailbox.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn reading(target: &Target) -> io::Result<Vec<Figure>> {
    let n = target.messages;
    let fetched = move |a: &super::client::Answer| a.count(" FETCH (") == n;
    let any = |_: &super::client::Answer| true;
    let rare = target.messages / 100;
    let hits = move |a: &super::client::Answer| {
        let found: usize =
            a.lines.iter().filter(|l| l.contains("SEARCH")).map(|l| l.split(' ').count() - 2).sum();
        found == rare
    };
    let nothing = |a: &super::client::Answer| {
        a.lines.iter().filter(|l| l.contains("SEARCH")).all(|l| l.split(' ').count() <= 2)
    };
    let mut figures = Vec::new();
    figures.extend(timed(target, "FETCH 1:* FLAGS", "FETCH 1:* (FLAGS)", &fetched)?);
    figures.extend(timed(
        target,
        "FETCH 1:* ENVELOPE BODYSTRUCTURE",
        "FETCH 1:* (ENVELOPE BODYSTRUCTURE)",
        &fetched,
    )?);
    figures.extend(timed(target, "FETCH 1:* BODY.PEEK[]", "FETCH 1:* (BODY.PEEK[])", &any)?);
    figures.extend(timed(target, "STORE 1:* +FLAGS", "STORE 1:* +FLAGS (\\Flagged)", &any)?);
    figures.extend(timed(target, "SEARCH UNSEEN", "SEARCH UNSEEN", &any)?);
    figures.extend(timed(target, "SEARCH SUBJECT, 1 % hit", "SEARCH SUBJECT rarity", &hits)?);
    figures.extend(timed(target, "SEARCH BODY, absent", "SEARCH BODY qqqqqq", &nothing)?);
    figures.extend(timed(target, "SEARCH TEXT, absent", "SEARCH TEXT qqqqqq", &nothing)?);
    let capabilities = target.login(0)?.ok("CAPABILITY")?.lines.join(" ");
    if capabilities.contains(" SORT") {
        figures.extend(timed(target, "SORT SUBJECT", "SORT (SUBJECT) UTF-8 ALL", &any)?);
    }
    if capabilities.contains("THREAD=REFERENCES") {
        figures.extend(timed(target, "THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL", &any)?);
    }
    Ok(figures)
}

/// Bodies of the whole mailbox in eight sessions at once, and one message at a time.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn bodies(target: &Target) -> io::Result<Vec<Figure>> {
    let octets = AtomicU64::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let octets = &octets;
                scope.spawn(move || -> io::Result<()> {
                    let mut client = target.login(0)?;
                    client.ok("SELECT big")?;
                    octets.fetch_add(client.ok("FETCH 1:* (BODY.PEEK[])")?.literal_octets, Ordering::Relaxed);
                    Ok(())
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|t| t.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed"))))
    })?;
    let rate = octets.into_inner() as f64 / 1e6 / start.elapsed().as_secs_f64();
    let mut client = target.login(0)?;
    client.ok("SELECT big")?;
    let count = target.messages.min(1_000);
    let start = Instant::now();
    for number in 1..=count {
        client.ok(&format!("FETCH {number} (BODY.PEEK[])"))?;
    }
    let each = milliseconds(start) / count as f64;
    Ok(vec![Figure::new("bodies, 8 sessions", rate, "MB/s"), Figure::new("one message, each", each, "ms")])
}

/// COPY, MOVE and EXPUNGE of the whole mailbox.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn moving(target: &Target) -> io::Result<Vec<Figure>> {
    let mut client = target.login(0)?;
    client.ok("CREATE copied")?;
    client.ok("CREATE moved")?;
    client.ok("SELECT big")?;
    let mut figures = Vec::new();
    let mut time = |client: &mut Client, name: &str, command: &str| -> io::Result<()> {
        let start = Instant::now();
        client.ok(command)?;
        figures.push(Figure::new(name, milliseconds(start), "ms"));
        Ok(())
    };
    time(&mut client, "COPY 1:*", "COPY 1:* copied")?;
    client.ok("SELECT copied")?;
    time(&mut client, "MOVE 1:*", "MOVE 1:* moved")?;
    client.ok("SELECT moved")?;
    client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")?;
    time(&mut client, "EXPUNGE of all", "EXPUNGE")?;
    let left = client.ok("STATUS moved (MESSAGES)")?;
    if left.count("MESSAGES 0") != 1 {
        return Err(io::Error::other(format!("EXPUNGE left {:?}", left.lines)));
    }
    for mailbox in ["copied", "moved"] {
        client.ok("SELECT big")?;
        client.ok(&format!("DELETE {mailbox}"))?;
    }
    Ok(figures)
}

/// Idle sessions of one user: from APPEND to EXISTS at the last of them.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn idling(target: &Target, sessions: usize) -> io::Result<Vec<Figure>> {
    let mut idle = Vec::new();
    for _ in 0..sessions {
        let mut client = target.login(1)?;
        client.ok("SELECT INBOX")?;
        client.idle()?;
        idle.push(client);
    }
    let mut writer = target.login(1)?;
    let mut times = Vec::new();
    for round in 0..20 {
        let message = corpus::plain(round + 1, 1_000);
        let start = Instant::now();
        writer.append("INBOX", &message)?;
        for client in &mut idle {
            client.wait_for("EXISTS")?;
        }
        times.push(milliseconds(start));
    }
    times.sort_by(f64::total_cmp);
    let name = format!("APPEND to EXISTS at the last of {sessions} idle");
    Ok(vec![
        Figure::new(format!("{name}, median"), times[10], "ms"),
        Figure::new(format!("{name}, worst"), times[19], "ms"),
    ])
}

/// Folders: CREATE one after the other, then LIST of all.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn folders(target: &Target, count: usize) -> io::Result<Vec<Figure>> {
    let mut client = target.login(2)?;
    let start = Instant::now();
    for number in 0..count {
        client.ok(&format!("CREATE f{}/n{number}", number / 100))?;
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    let start = Instant::now();
    let listed = client.ok("LIST \"\" *")?;
    let time = milliseconds(start);
    if listed.count("/n") < count {
        return Err(io::Error::other(format!("LIST shows {} folders", listed.lines.len())));
    }
    Ok(vec![
        Figure::new(format!("CREATE of {count} folders"), rate, "1/s"),
        Figure::new(format!("LIST of {count} folders"), time, "ms"),
    ])
}
