//! The workloads: each does its work, checks every answer, and gives one figure.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{self, Client};
use super::corpus;
use super::process::{Processes, Used};

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
    /// The server's processes, when they are known: of whose CPU time and memory figures tell.
    pub processes: Option<Processes>,
}

/// A figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Of what.
    pub name: String,
    /// The number.
    pub value: f64,
    /// `1/s`, `ms`, `MB/s` or `KiB`; of milliseconds and KiB a smaller number is better, of the others a greater one.
    pub unit: &'static str,
    /// CPU time of the server for each operation in microseconds, where it was measured.
    pub cpu: Option<f64>,
}

impl Figure {
    pub(super) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, cpu: None }
    }

    pub(super) fn with_cpu(self, cpu: Option<f64>) -> Self {
        Self { cpu, ..self }
    }
}

/// A time that runs, with the CPU time that the server uses in it.
pub(super) struct Lap<'a> {
    target: &'a Target,
    used: Option<Used>,
    start: Instant,
}

impl Lap<'_> {
    pub(super) fn milliseconds(&self) -> f64 {
        milliseconds(self.start)
    }

    pub(super) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Microseconds of the server's CPU for each of that many operations.
    pub(super) fn cpu(&self, operations: f64) -> Option<f64> {
        let (before, processes) = (self.used.as_ref()?, self.target.processes?);
        Some(processes.used().since(before) * 1e6 / operations.max(1.0))
    }

    /// Operations a second as a figure.
    fn rate(&self, name: impl Into<String>, operations: f64) -> Figure {
        let rate = operations / self.seconds();
        Figure::new(name, rate, "1/s").with_cpu(self.cpu(operations))
    }
}

impl Target {
    pub(super) fn user(&self, number: usize) -> &(String, String) {
        &self.users[number % self.users.len()]
    }

    pub(super) fn login(&self, number: usize) -> io::Result<Client> {
        let (user, password) = self.user(number);
        Client::login(&self.address, user, password)
    }

    pub(super) fn lap(&self) -> Lap<'_> {
        let used = self.processes.map(Processes::used);
        Lap { target: self, used, start: Instant::now() }
    }

    /// Runs `work` on `connections` threads for the target's time; operations a second.
    fn rate<W>(&self, connections: usize, name: impl Into<String>, work: W) -> io::Result<Figure>
    where
        W: Fn(usize, &dyn Fn() -> bool) -> io::Result<u64> + Sync,
    {
        let done = AtomicU64::new(0);
        let lap = self.lap();
        let start = lap.start;
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
        Ok(lap.rate(name, done.into_inner() as f64))
    }
}

pub(super) fn milliseconds(from: Instant) -> f64 {
    from.elapsed().as_secs_f64() * 1e3
}

/// LOGIN and LOGOUT on new connections.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn logins(target: &Target, connections: usize) -> io::Result<Figure> {
    target.rate(connections, format!("LOGIN, {connections} connections"), |number, go_on| {
        let mut done = 0;
        while go_on() {
            target.login(number)?.ok("LOGOUT")?;
            done += 1;
        }
        Ok(done)
    })
}

/// A client with a mailbox of its own to be filled.
struct Filler {
    client: Client,
    mailbox: String,
}

impl Filler {
    fn new(target: &Target, number: usize, mailbox: String) -> io::Result<Self> {
        let mut client = target.login(number)?;
        // Dovecot tells now and then of a mailbox that is there when it has just made it; what is counted below tells the truth.
        let created = client.command(&format!("CREATE {mailbox}"))?;
        if !created.status.starts_with("OK") && !created.status.starts_with("NO [ALREADYEXISTS]") {
            return Err(io::Error::other(format!("CREATE {mailbox}: {}", created.status)));
        }
        Ok(Self { client, mailbox })
    }

    /// Sees that as many messages are there as were added, and removes the mailbox.
    fn check(mut self, added: u64) -> io::Result<()> {
        let Self { client, mailbox } = &mut self;
        let shown = client.ok(&format!("STATUS {mailbox} (MESSAGES)"))?;
        if shown.count(&format!("MESSAGES {added}")) != 1 {
            return Err(io::Error::other(format!("{added} messages appended, and {:?}", shown.lines)));
        }
        client.ok(&format!("DELETE {mailbox}"))?;
        Ok(())
    }
}

impl Target {
    /// Runs `work` on each of the fillers for the target's time, and checks what they have filled: messages a second. Neither what
    /// it takes to log in counts nor the checks.
    fn fill_each<W>(&self, fillers: Vec<Filler>, name: String, work: W) -> io::Result<Figure>
    where
        W: Fn(usize, &mut Filler) -> io::Result<u64> + Sync,
    {
        let fillers: Vec<_> = fillers.into_iter().map(|filler| Mutex::new((filler, 0))).collect();
        let figure = self.rate(fillers.len(), name, |number, go_on| {
            let mut filler = fillers[number].lock().map_err(|_| io::Error::other("a thread failed"))?;
            let (filler, added) = &mut *filler;
            while go_on() {
                *added += work(number, filler)?;
            }
            Ok(*added)
        })?;
        for filler in fillers {
            let (filler, added) = filler.into_inner().map_err(|_| io::Error::other("a thread failed"))?;
            filler.check(added)?;
        }
        Ok(figure)
    }
}

/// APPEND of one size, each connection to its user's own mailbox.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn appends(target: &Target, octets: usize, connections: usize) -> io::Result<Figure> {
    let filler = |number| Filler::new(target, number, format!("load{octets}x{number}"));
    let fillers = (0..connections).map(filler).collect::<io::Result<Vec<_>>>()?;
    let messages: Vec<_> = (0..connections).map(|number| corpus::plain(number + 1, octets)).collect();
    let name = format!("APPEND {octets} octets, {connections} connections");
    target.fill_each(fillers, name, |number, filler| {
        filler.client.append(&filler.mailbox, &messages[number])?;
        Ok(1)
    })
}

/// APPEND of a hundred messages of the corpus with one command, on one connection.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn multiappends(target: &Target) -> io::Result<Figure> {
    const BATCH: usize = 100;
    let messages = client::multiappend((0..BATCH).map(corpus::message));
    let fillers = vec![Filler::new(target, 0, "multi".into())?];
    target.fill_each(fillers, format!("MULTIAPPEND of {BATCH}, messages"), |_, filler| {
        filler.client.append_all(&filler.mailbox, &messages)?;
        Ok(BATCH as u64)
    })
}

/// Fills the mailbox `big` with the corpus, eight connections at once.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn fill(target: &Target) -> io::Result<Figure> {
    target.login(0)?.ok("CREATE big")?;
    let lap = target.lap();
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
    Ok(lap.rate(format!("fill {} mixed, 8 connections", target.messages), target.messages as f64))
}

/// One command on the large mailbox: the first time, then the median of five.
fn timed(
    target: &Target,
    name: &str,
    command: &str,
    check: &dyn Fn(&client::Answer) -> bool,
) -> io::Result<Vec<Figure>> {
    timed_in(target, "big", name, &[command], check)
}

/// The same in another mailbox of the first user, with commands that take turns.
pub(super) fn timed_in(
    target: &Target,
    mailbox: &str,
    name: &str,
    commands: &[&str],
    check: &dyn Fn(&client::Answer) -> bool,
) -> io::Result<Vec<Figure>> {
    let mut client = target.login(0)?;
    client.ok(&format!("SELECT {mailbox}"))?;
    let mut times = Vec::new();
    let mut lap = target.lap();
    for (round, command) in commands.iter().cycle().take(6).enumerate() {
        if round == 1 {
            // What the first time costs is told apart.
            lap = target.lap();
        }
        let start = Instant::now();
        let answer = client.ok(command)?;
        times.push(milliseconds(start));
        if !check(&answer) {
            return Err(io::Error::other(format!("{command}: {} lines are not right", answer.lines.len())));
        }
    }
    let cpu = lap.cpu(5.0);
    let first = times.remove(0);
    times.sort_by(f64::total_cmp);
    Ok(vec![
        Figure::new(format!("{name} (first)"), first, "ms"),
        Figure::new(name, times[2], "ms").with_cpu(cpu),
    ])
}

/// SELECT in new sessions.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn selects(target: &Target) -> io::Result<Vec<Figure>> {
    selects_of(target, "big", target.messages)
}

/// SELECT of a mailbox of the first user, in new sessions.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub(super) fn selects_of(target: &Target, mailbox: &str, messages: usize) -> io::Result<Vec<Figure>> {
    /// Sessions that are logged in before the time begins.
    const SESSIONS: usize = 40;
    let mut clients = (0..SESSIONS).map(|_| target.login(0)).collect::<io::Result<Vec<_>>>()?;
    let mut times = Vec::new();
    let lap = target.lap();
    for client in &mut clients {
        let start = Instant::now();
        let answer = client.ok(&format!("SELECT {mailbox}"))?;
        times.push(milliseconds(start));
        if answer.count(&format!("* {messages} EXISTS")) != 1 {
            return Err(io::Error::other(format!("SELECT: {:?}", answer.lines)));
        }
    }
    let cpu = lap.cpu(SESSIONS as f64);
    let first = times[0];
    times.sort_by(f64::total_cmp);
    let name = format!("SELECT of {messages}, new session");
    Ok(vec![
        Figure::new(format!("{name} (first)"), first, "ms"),
        Figure::new(name, times[SESSIONS / 2], "ms").with_cpu(cpu),
    ])
}

/// FETCH, SEARCH, SORT and THREAD on the large mailbox.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn reading(target: &Target) -> io::Result<Vec<Figure>> {
    let n = target.messages;
    let fetched = move |a: &client::Answer| a.count(" FETCH (") == n;
    let any = |_: &client::Answer| true;
    let rare = target.messages / 100;
    let hits = move |a: &client::Answer| {
        let found: usize =
            a.lines.iter().filter(|l| l.contains("SEARCH")).map(|l| l.split(' ').count() - 2).sum();
        found == rare
    };
    let nothing = |a: &client::Answer| {
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

/// STORE on the large mailbox.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn storing(target: &Target) -> io::Result<Vec<Figure>> {
    let n = target.messages;
    let told = move |a: &client::Answer| a.count(" FETCH (") == n;
    // Each changes every message: one that finds all as asked would write nothing.
    let store = ["STORE 1:* +FLAGS (\\Flagged)", "STORE 1:* -FLAGS (\\Flagged)"];
    timed_in(target, "big", "STORE 1:* +FLAGS, -FLAGS in turn", &store, &told)
}

/// Bodies of the whole mailbox in eight sessions at once, and one message at a time.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn bodies(target: &Target) -> io::Result<Vec<Figure>> {
    let octets = AtomicU64::new(0);
    let lap = target.lap();
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
    let megabytes = octets.into_inner() as f64 / 1e6;
    let rate =
        Figure::new("bodies, 8 sessions", megabytes / lap.seconds(), "MB/s").with_cpu(lap.cpu(megabytes));
    let mut client = target.login(0)?;
    client.ok("SELECT big")?;
    let count = target.messages.min(1_000);
    let lap = target.lap();
    for number in 1..=count {
        client.ok(&format!("FETCH {number} (BODY.PEEK[])"))?;
    }
    let each = lap.milliseconds() / count as f64;
    Ok(vec![rate, Figure::new("one message, each", each, "ms").with_cpu(lap.cpu(count as f64))])
}

/// How often everything is moved: once is over so soon that whatever else the machine does decides.
const ROUNDS: usize = 5;

/// COPY, MOVE and EXPUNGE of the whole mailbox, which is deleted in the end: the figures in the middle.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn moving(target: &Target) -> io::Result<Vec<Figure>> {
    let mut client = target.login(0)?;
    let mut rounds: Vec<Vec<Figure>> = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(one_round(target, &mut client)?);
    }
    client.ok("DELETE big")?;
    let commands = rounds.first().map_or(0, Vec::len);
    Ok((0..commands).filter_map(|i| middle(rounds.iter().map(|round| round[i].clone()).collect())).collect())
}

/// The figure in the middle.
fn middle(mut all: Vec<Figure>) -> Option<Figure> {
    all.sort_by(|a, b| a.value.total_cmp(&b.value));
    let at = all.len() / 2;
    all.into_iter().nth(at)
}

fn one_round(target: &Target, client: &mut Client) -> io::Result<Vec<Figure>> {
    client.ok("CREATE copied")?;
    client.ok("CREATE moved")?;
    client.ok("SELECT big")?;
    let mut figures = Vec::new();
    let mut time = |client: &mut Client, name: &str, command: &str| -> io::Result<()> {
        let lap = target.lap();
        client.ok(command)?;
        figures.push(Figure::new(name, lap.milliseconds(), "ms").with_cpu(lap.cpu(1.0)));
        Ok(())
    };
    time(client, "COPY 1:*", "COPY 1:* copied")?;
    client.ok("SELECT copied")?;
    time(client, "MOVE 1:*", "MOVE 1:* moved")?;
    client.ok("SELECT moved")?;
    client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")?;
    time(client, "EXPUNGE of all", "EXPUNGE")?;
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
    told(target, &mut idle, &format!("APPEND to EXISTS at the last of {sessions} idle"))
}

/// Appends to the INBOX of the second user, whose idle sessions are all to be told: the target's time long, ten times at least.
pub(super) fn told(target: &Target, idle: &mut [Client], name: &str) -> io::Result<Vec<Figure>> {
    let mut writer = target.login(1)?;
    let mut times = Vec::new();
    let lap = target.lap();
    while times.len() < 10 || (times.len() < 1_000 && lap.seconds() < target.seconds as f64) {
        let message = corpus::plain(times.len() + 1, 1_000);
        let start = Instant::now();
        writer.append("INBOX", &message)?;
        for client in &mut *idle {
            client.wait_for("EXISTS")?;
        }
        times.push(milliseconds(start));
    }
    let cpu = lap.cpu(times.len() as f64);
    times.sort_by(f64::total_cmp);
    Ok(vec![
        Figure::new(format!("{name}, median"), times[times.len() / 2], "ms").with_cpu(cpu),
        Figure::new(format!("{name}, p99"), times[(times.len() * 99).div_ceil(100) - 1], "ms"),
    ])
}

/// Folders: CREATE one after the other, then LIST of all.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn folders(target: &Target, count: usize) -> io::Result<Vec<Figure>> {
    /// Folders of which a rate is told.
    const PART: usize = 1_000;
    let mut client = target.login(2)?;
    let mut figures = Vec::new();
    let lap = target.lap();
    let mut part = target.lap();
    for number in 0..count {
        if number + PART == count {
            part = target.lap();
        }
        client.ok(&format!("CREATE f{}/n{number}", number / 100))?;
        if number + 1 == PART.min(count) {
            figures.push(part.rate("CREATE of folders, the first", (number + 1) as f64));
        }
    }
    if count > PART {
        figures.push(part.rate("CREATE of folders, the last", PART as f64));
        figures.push(lap.rate(format!("CREATE of {count} folders"), count as f64));
    }
    let mut times = Vec::new();
    let lap = target.lap();
    for _ in 0..5 {
        let start = Instant::now();
        let listed = client.ok("LIST \"\" *")?;
        times.push(milliseconds(start));
        if listed.count("/n") < count {
            return Err(io::Error::other(format!("LIST shows {} folders", listed.lines.len())));
        }
    }
    let cpu = lap.cpu(5.0);
    times.sort_by(f64::total_cmp);
    figures.push(Figure::new(format!("LIST of {count} folders"), times[2], "ms").with_cpu(cpu));
    Ok(figures)
}
