//! IMAP transcripts: what clients send, what the server must answer, several sessions at once.
//!
//! # Notation
//! One step a line; empty lines and lines that begin with `#` are skipped.
//!
//! | line | meaning |
//! |---|---|
//! | `[name]` | what follows concerns the session `name`; a new name connects and expects a greeting |
//! | `C: text` | the client sends `text` and CR LF |
//! | `C- text` | the same without the line end |
//! | `C{ text` | sends `text {n+}`, CR LF, and the lines up to `}` as the literal, each with CR LF; what follows `}` ends the command |
//! | `S: pattern` | the next line of the server matches |
//! | `S* pattern` | one of the untagged lines up to the next `S:` matches, in any order |
//! | `S! pattern` | none of the lines up to and including the next `S:` matches |
//! | `close` | the server has closed the connection |
//! | `hangup` | the client closes it |
//!
//! In a pattern `...` matches anything (also nothing), `<name>` a word that is then the value of the variable, or must
//! equal it when it has one, and `\r\n` a line end within a literal. A literal belongs to the line that announces it: `{3}\r\nabc`.
//! In what is sent `<name>` is replaced by the value. Names of variables are lower case letters; `<nul>` is the octet 0.
//!
//! A line `login name user password` logs in as one step.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use thiserror::Error;

/// How long the server may take for one line.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where and how a transcript went wrong.
#[derive(Debug, Error)]
#[error("{script}:{line}: {reason}")]
pub struct ScriptError {
    /// Name of the transcript.
    pub script: String,
    /// Line of the transcript.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// One line with its literals, line ends shown as `\r\n`; `None` at the end of the connection.
    fn line(&mut self) -> Result<Option<String>, String> {
        let mut whole: Vec<u8> = Vec::new();
        loop {
            let from = whole.len();
            let n = self.stream.read_until(b'\n', &mut whole).map_err(|e| e.to_string())?;
            if n == 0 && whole.is_empty() {
                return Ok(None);
            }
            let Some(octets) = announced(&whole[from..]).filter(|_| n > 0) else { break };
            let from = whole.len();
            whole.resize(from + octets, 0);
            self.stream.read_exact(&mut whole[from..]).map_err(|e| e.to_string())?;
        }
        let text = String::from_utf8_lossy(&whole).into_owned();
        Ok(Some(text.strip_suffix("\r\n").unwrap_or(&text).replace("\r\n", "\\r\\n")))
    }
}

/// Octets of the literal that ends a line.
fn announced(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}\r\n")?;
    let open = inner.iter().rposition(|b| *b == b'{')?;
    std::str::from_utf8(&inner[open + 1..]).ok()?.parse().ok()
}

/// A run with its variables.
struct Runner {
    address: SocketAddr,
    clients: HashMap<String, Client>,
    variables: HashMap<String, String>,
    current: String,
    /// Patterns of `S*` and `S!` that wait for the next `S:`.
    wanted: Vec<(usize, String)>,
    unwanted: Vec<(usize, String)>,
}

/// Runs a transcript against the server at `address`.
///
/// # Errors
/// The first line that is not met.
pub fn run(script: &str, text: &str, address: SocketAddr) -> Result<(), ScriptError> {
    let mut runner = Runner {
        address,
        clients: HashMap::new(),
        variables: HashMap::from([("nul".to_owned(), "\0".to_owned())]),
        current: String::new(),
        wanted: Vec::new(),
        unwanted: Vec::new(),
    };
    let mut lines = text.lines().enumerate().map(|(i, l)| (i + 1, l));
    while let Some((number, line)) = lines.next() {
        let fail = |reason| ScriptError { script: script.to_owned(), line: number, reason };
        if let Some(head) = line.strip_prefix("C{ ") {
            let mut literal = String::new();
            let mut tail = String::new();
            for (_, inner) in lines.by_ref() {
                if let Some(after) = inner.strip_prefix('}') {
                    tail = after.to_owned();
                    break;
                }
                literal.push_str(inner);
                literal.push_str("\r\n");
            }
            let head = runner.filled(head).map_err(fail)?;
            let command = format!("{head} {{{}+}}\r\n{literal}{tail}\r\n", literal.len());
            runner.send(command.as_bytes()).map_err(fail)?;
        } else {
            runner.step(number, line).map_err(fail)?;
        }
    }
    Ok(())
}

impl Runner {
    fn step(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            self.current = name.to_owned();
            if !self.clients.contains_key(name) {
                let client = Client::connect(self.address).map_err(|e| e.to_string())?;
                self.clients.insert(name.to_owned(), client);
                return self.expect("* OK [CAPABILITY ...] ...");
            }
            return Ok(());
        }
        if let Some(text) = line.strip_prefix("C: ") {
            let text = self.filled(text)? + "\r\n";
            return self.send(text.as_bytes());
        }
        if let Some(text) = line.strip_prefix("C- ") {
            let text = self.filled(text)?;
            return self.send(text.as_bytes());
        }
        if let Some(pattern) = line.strip_prefix("S: ") {
            return self.expect(pattern);
        }
        if let Some(pattern) = line.strip_prefix("S* ") {
            self.wanted.push((number, pattern.to_owned()));
            return Ok(());
        }
        if let Some(pattern) = line.strip_prefix("S! ") {
            self.unwanted.push((number, pattern.to_owned()));
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("login ") {
            let mut words = rest.split_whitespace();
            let (Some(name), Some(user), Some(password)) = (words.next(), words.next(), words.next()) else {
                return Err("login wants session, user and password".into());
            };
            self.step(number, &format!("[{name}]"))?;
            self.send(format!("login0 LOGIN {user} {password}\r\n").as_bytes())?;
            return self.expect("login0 OK ...");
        }
        match line {
            "close" => match self.client()?.line()? {
                None => Ok(()),
                Some(line) => Err(format!("the connection is open and says: {line}")),
            },
            "hangup" => {
                let current = self.current.clone();
                self.clients.remove(&current).map(drop).ok_or_else(|| "no such session".into())
            }
            other => Err(format!("not a step: {other}")),
        }
    }

    fn client(&mut self) -> Result<&mut Client, String> {
        self.clients.get_mut(&self.current).ok_or_else(|| "no session yet".to_owned())
    }

    fn send(&mut self, octets: &[u8]) -> Result<(), String> {
        let client = self.client()?;
        client.stream.get_mut().write_all(octets).map_err(|e| e.to_string())
    }

    /// Reads up to the line that matches; without `S*` before, that is the next line.
    fn expect(&mut self, pattern: &str) -> Result<(), String> {
        let any_order = !self.wanted.is_empty();
        loop {
            let line = self.client()?.line()?;
            let Some(line) = line else {
                return Err(format!("the server closed the connection; wanted: {pattern}"));
            };
            if let Some((number, unwanted)) =
                self.unwanted.iter().find(|(_, p)| self.matches(p, &line).is_some())
            {
                return Err(format!("line {number} must not come ({unwanted}): {line}"));
            }
            if let Some(found) = self.matches(pattern, &line) {
                self.variables.extend(found);
                if let Some((number, missing)) = self.wanted.first() {
                    return Err(format!("line {number} did not come: {missing}"));
                }
                self.unwanted.clear();
                return Ok(());
            }
            if !any_order {
                return Err(format!("wanted: {pattern}\n     got: {line}"));
            }
            let hit = self.wanted.iter().position(|(_, p)| self.matches(p, &line).is_some());
            match hit {
                Some(i) => {
                    let (_, p) = self.wanted.remove(i);
                    let found = self.matches(&p, &line).unwrap_or_default();
                    self.variables.extend(found);
                }
                // A tagged answer ends the wait; other untagged lines may stand between.
                None if !line.starts_with("* ") && !line.starts_with("+ ") => {
                    return Err(format!("wanted: {pattern}\n     got: {line}"));
                }
                None => {}
            }
        }
    }

    fn filled(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, name, after)) = variable(rest) {
            out.push_str(before);
            let value = self.variables.get(name).ok_or_else(|| format!("no value for <{name}>"))?;
            out.push_str(value);
            rest = after;
        }
        Ok(out + rest)
    }

    /// The variables that make the pattern match, `None` when it does not.
    fn matches(&self, pattern: &str, line: &str) -> Option<HashMap<String, String>> {
        let mut found = HashMap::new();
        self.match_from(pattern, line, &mut found).then_some(found)
    }

    fn match_from(&self, pattern: &str, line: &str, found: &mut HashMap<String, String>) -> bool {
        if let Some(rest) = pattern.strip_prefix("...") {
            return line
                .char_indices()
                .map(|(i, _)| i)
                .chain([line.len()])
                .any(|i| self.match_from(rest, &line[i..], found));
        }
        if let Some(("", name, rest)) = variable(pattern) {
            let value = self.variables.get(name).or_else(|| found.get(name)).cloned();
            if let Some(value) = value {
                return line.strip_prefix(&value).is_some_and(|l| self.match_from(rest, l, found));
            }
            let end = line.find([' ', ')', ']', '(', ',', '}']).unwrap_or(line.len());
            found.insert(name.to_owned(), line[..end].to_owned());
            return end > 0 && self.match_from(rest, &line[end..], found);
        }
        match (pattern.chars().next(), line.chars().next()) {
            (None, None) => true,
            (Some(p), Some(l)) if p == l => {
                self.match_from(&pattern[p.len_utf8()..], &line[l.len_utf8()..], found)
            }
            _ => false,
        }
    }
}

/// The first `<name>`: what is before it, the name, what is after it.
fn variable(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(open) = text[from..].find('<').map(|i| i + from) {
        let close = text[open..].find('>').map(|i| i + open)?;
        let name = &text[open + 1..close];
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()) {
            return Some((&text[..open], name, &text[close + 1..]));
        }
        from = open + 1;
    }
    None
}
