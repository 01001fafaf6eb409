//! Mail on its way from SMTP through spool and `*SPL` into an INBOX that many sessions look at.
//!
//! The server for mail boxes is down while [`feed`] fills the spool, so that [`arrive`] measures what comes after the spool.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::corpus;
use super::workload::{Figure, Target};

/// Who gets the mail.
const RECIPIENT: usize = 3;
/// SMTP connections at once.
const SENDERS: usize = 16;
/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends mails of about 1 KB to the fourth user through SMTP.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn feed(target: &Target, smtp: &str, mails: usize) -> io::Result<Figure> {
    let lap = target.lap();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..SENDERS)
            .map(|part| scope.spawn(move || send(target, smtp, (part..mails).step_by(SENDERS))))
            .collect();
        threads
            .into_iter()
            .try_for_each(|t| t.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed"))))
    })?;
    let rate = mails as f64 / lap.seconds();
    Ok(Figure::new("mails taken by SMTP", rate, "1/s").with_cpu(lap.cpu(mails as f64)))
}

fn send(target: &Target, smtp: &str, numbers: impl Iterator<Item = usize>) -> io::Result<()> {
    let mut writer = TcpStream::connect(smtp)?;
    writer.set_nodelay(true)?;
    let mut reader = BufReader::new(writer.try_clone()?);
    let mut say = |text: &[u8], wanted: &str| -> io::Result<()> {
        writer.write_all(text)?;
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        }
        if line.starts_with(wanted) { Ok(()) } else { Err(io::Error::other(line)) }
    };
    say(b"", "220")?;
    say(b"EHLO load.localhost\r\n", "250")?;
    let user = &target.user(RECIPIENT).0;
    for number in numbers {
        say(b"MAIL FROM:<sender@example.org>\r\n", "250")?;
        say(format!("RCPT TO:<{user}@vm.localhost>\r\n").as_bytes(), "250")?;
        say(b"DATA\r\n", "354")?;
        say(&[&corpus::plain(number, 1_000)[..], b".\r\n"].concat(), "250")?;
    }
    say(b"QUIT\r\n", "221")
}

/// The fourth user, as soon as the server listens.
fn login(target: &Target) -> io::Result<Client> {
    let start = Instant::now();
    loop {
        let (user, password) = target.user(RECIPIENT);
        match Client::login(&target.address, user, password) {
            Ok(client) => return Ok(client),
            Err(e) if start.elapsed() > PATIENCE => return Err(e),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// The number before EXISTS.
fn exists(line: &str) -> Option<usize> {
    line.strip_prefix("* ")?.split_once(" EXISTS")?.0.parse().ok()
}

/// Opens the INBOX in many sessions, which idle, while mail is coming in from the spool; how fast it comes until the last session
/// knows of all `mails`.
///
/// # Errors
/// The socket's, or an answer that is wrong.
pub fn arrive(target: &Target, sessions: usize, mails: usize) -> io::Result<Vec<Figure>> {
    let mut idle = vec![login(target)?];
    idle.extend((1..sessions).map(|_| login(target)).collect::<io::Result<Vec<_>>>()?);
    let mut here = Vec::new();
    for client in &mut idle {
        let selected = client.ok("SELECT INBOX")?;
        here.push(selected.lines.iter().find_map(|l| exists(l)).unwrap_or(0));
        client.idle()?;
    }
    let mut counter = login(target)?;
    let lap = target.lap();
    let selected = counter.ok("SELECT INBOX")?;
    let before = selected.lines.iter().find_map(|l| exists(l)).unwrap_or(0);
    if before >= mails {
        return Err(io::Error::other(format!("all of {mails} mails were there before the sessions")));
    }
    for (client, here) in idle.iter_mut().zip(here) {
        let mut now = here;
        while now < mails {
            now = exists(&client.wait_for("EXISTS")?).unwrap_or(now);
        }
    }
    let came = (mails - before) as f64;
    let rate = Figure::new(format!("mail arrival, {sessions} sessions"), came / lap.seconds(), "1/s");
    Ok(vec![rate.with_cpu(lap.cpu(came)), Figure::new("mails counted for it", came, "1")])
}
