//! A small IMAP client for load: blocking, one command at a time, literals counted.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::tls;

/// Longest wait for an answer before a run counts as failed.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Octets read at once by a client that asks for much.
const BUFFER: usize = 256 * 1024;
/// Octets read at once by a client that is one of very many.
const SMALL_BUFFER: usize = 512;

/// The way to the server.
trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection.
pub struct Client {
    stream: BufReader<Box<dyn Stream>>,
    next_tag: u64,
}

/// What came back for a command.
#[derive(Debug, Default)]
pub struct Answer {
    /// Untagged lines; a literal's octets are not in them, only its count at the end of the line.
    pub lines: Vec<String>,
    /// Octets of all literals.
    pub literal_octets: u64,
    /// The tagged line without its tag.
    pub status: String,
}

impl Answer {
    /// Untagged lines that contain `word`.
    pub fn count(&self, word: &str) -> usize {
        self.lines.iter().filter(|l| l.contains(word)).count()
    }
}

impl Client {
    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// The socket's.
    pub fn connect(address: &str) -> io::Result<Self> {
        Self::over(Box::new(socket(address)?), BUFFER)
    }

    /// The same with little memory, within TLS or not.
    ///
    /// # Errors
    /// The socket's, or that of the handshake.
    pub fn connect_small(address: &str, encrypted: bool) -> io::Result<Self> {
        let socket = socket(address)?;
        match encrypted {
            true => Self::over(Box::new(tls::over(socket)?), SMALL_BUFFER),
            false => Self::over(Box::new(socket), SMALL_BUFFER),
        }
    }

    fn over(stream: Box<dyn Stream>, buffer: usize) -> io::Result<Self> {
        let mut client = Self { stream: BufReader::with_capacity(buffer, stream), next_tag: 0 };
        client.line()?;
        Ok(client)
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// The socket's, or that the login was refused.
    pub fn login(address: &str, user: &str, password: &str) -> io::Result<Self> {
        let mut client = Self::connect(address)?;
        client.ok(&format!("LOGIN {user} \"{password}\""))?;
        Ok(client)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while line.last().is_some_and(|b| *b == b'\n' || *b == b'\r') {
            line.pop();
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Sends a command and reads its answer.
    ///
    /// # Errors
    /// The socket's.
    pub fn command(&mut self, command: &str) -> io::Result<Answer> {
        let tag = self.send(command, &[])?;
        self.answer(&tag)
    }

    /// Sends a command that must be answered OK.
    ///
    /// # Errors
    /// The socket's, or the answer as an error.
    pub fn ok(&mut self, command: &str) -> io::Result<Answer> {
        let answer = self.command(command)?;
        if answer.status.starts_with("OK") {
            Ok(answer)
        } else {
            Err(io::Error::other(format!("{command}: {}", answer.status)))
        }
    }

    fn send(&mut self, command: &str, literal: &[u8]) -> io::Result<String> {
        self.next_tag += 1;
        let tag = format!("A{}", self.next_tag);
        let mut octets = Vec::with_capacity(command.len() + literal.len() + 32);
        octets.extend_from_slice(format!("{tag} {command}\r\n").as_bytes());
        if !literal.is_empty() {
            octets.extend_from_slice(literal);
            octets.extend_from_slice(b"\r\n");
        }
        self.put(&octets)?;
        Ok(tag)
    }

    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)?;
        self.stream.get_mut().flush()
    }

    /// Reads up to the tagged line of `tag`.
    ///
    /// # Errors
    /// The socket's.
    pub fn answer(&mut self, tag: &str) -> io::Result<Answer> {
        let mut answer = Answer::default();
        loop {
            let line = self.line()?;
            if let Some(status) = line.strip_prefix(tag).and_then(|l| l.strip_prefix(' ')) {
                answer.status = status.to_owned();
                return Ok(answer);
            }
            if let Some(octets) = literal_at_end(&line) {
                answer.literal_octets += octets;
                self.skip(octets)?;
            }
            answer.lines.push(line);
        }
    }

    /// Takes octets off the stream without a look at them: what the client does takes from what the server could.
    fn skip(&mut self, mut octets: u64) -> io::Result<()> {
        while octets > 0 {
            let there = self.stream.fill_buf()?.len();
            if there == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let taken = there.min(usize::try_from(octets).unwrap_or(there));
            self.stream.consume(taken);
            octets -= taken as u64;
        }
        Ok(())
    }

    /// APPEND with a non-synchronising literal (LITERAL+).
    ///
    /// # Errors
    /// The socket's, or the answer as an error.
    pub fn append(&mut self, mailbox: &str, message: &[u8]) -> io::Result<()> {
        let tag = self.send(&format!("APPEND {mailbox} {{{}+}}", message.len()), message)?;
        let answer = self.answer(&tag)?;
        if answer.status.starts_with("OK") { Ok(()) } else { Err(io::Error::other(answer.status)) }
    }

    /// APPEND of several messages with one command (RFC 3502), whose octets [`multiappend`] has put together.
    ///
    /// # Errors
    /// The socket's, or the answer as an error.
    pub fn append_all(&mut self, mailbox: &str, messages: &[u8]) -> io::Result<()> {
        self.next_tag += 1;
        let tag = format!("A{}", self.next_tag);
        self.put(format!("{tag} APPEND {mailbox}").as_bytes())?;
        self.put(messages)?;
        let answer = self.answer(&tag)?;
        if answer.status.starts_with("OK") { Ok(()) } else { Err(io::Error::other(answer.status)) }
    }

    /// Begins IDLE.
    ///
    /// # Errors
    /// The socket's.
    pub fn idle(&mut self) -> io::Result<()> {
        self.send("IDLE", &[])?;
        while !self.line()?.starts_with('+') {}
        Ok(())
    }

    /// Waits for a line that contains `word`; that line.
    ///
    /// # Errors
    /// The socket's.
    pub fn wait_for(&mut self, word: &str) -> io::Result<String> {
        loop {
            let line = self.line()?;
            if line.contains(word) {
                return Ok(line);
            }
        }
    }
}

fn socket(address: &str) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    Ok(socket)
}

/// What stands behind the mailbox in an APPEND of these messages, for [`Client::append_all`].
pub fn multiappend(messages: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut octets = Vec::new();
    for message in messages {
        octets.extend_from_slice(format!(" {{{}+}}\r\n", message.len()).as_bytes());
        octets.extend_from_slice(&message);
    }
    octets.extend_from_slice(b"\r\n");
    octets
}

/// The count of `{n}` at the end of a line.
fn literal_at_end(line: &str) -> Option<u64> {
    let inner = line.strip_suffix('}')?;
    inner[inner.rfind('{')? + 1..].parse().ok()
}
