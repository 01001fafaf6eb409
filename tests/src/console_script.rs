//! The console transcript notation: what is typed, and what must be answered.
//!
//! A script is text. A line `USER> command` types a command on a user's machine; `#CP command` goes to CP there. The
//! lines after it, up to the next command, are the expected answer, in order and complete:
//!
//! - a plain line must be equal (trailing blanks do not count);
//! - `~ pattern` matches with `*` for any run of characters and `?` for one character;
//! - `...` stands for any number of lines;
//! - `rc n` is the expected return code (0 when not given).
//!
//! `USER>> command` types a command whose answer does not come yet, and `USER<`, which types nothing, waits for that answer.
//! `USER?> command` is typed again until the answer fits: for what another machine is just about to do.
//!
//! `console> text` types a line at the operator's console, which then is a pair of pipes, and `console:` types nothing.
//! The lines after it are the next ones that come there, and each is waited for; `...` passes over lines up to the one
//! after it, and `ended` says that the program ends with exit code 0. There are no return codes.
//!
//! Lines that start with `*` are comments; empty lines are skipped.

use std::collections::HashMap;
use std::process::Child;
use std::time::Instant;

use crate::system::{OperatorConsole, PATIENCE, Running, System, answer};

/// Who types at the operator's console in a script.
const CONSOLE: &str = "console";

/// How a command is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typed {
    /// `USER> command`
    Once,
    /// `USER>> command`
    Begun,
    /// `USER?> command`
    UntilItFits,
}

/// One command of a script with its expected answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Exchange {
    line: usize,
    user: String,
    typed: Typed,
    /// Nothing is typed for `console:` and `USER<`.
    command: Option<String>,
    expected: Vec<Expected>,
    rc: i32,
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Line(String),
    Pattern(String),
    Anything,
    Ended,
}

impl Exchange {
    /// The command typed; empty when only output is waited for.
    pub fn command(&self) -> &str {
        self.command.as_deref().unwrap_or("")
    }
}

/// Reads a script.
///
/// # Panics
/// For a line before the first command, or a bad return code: a script is part of a test.
pub fn parse(text: &str) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('*') {
            continue;
        }
        if let Some((user, typed, command)) = command_of(line) {
            exchanges.push(Exchange { line: index + 1, user, typed, command, expected: Vec::new(), rc: 0 });
            continue;
        }
        let last = exchanges.last_mut().unwrap_or_else(|| panic!("line {}: no command yet", index + 1));
        if let Some(rc) = line.strip_prefix("rc ") {
            last.rc = rc.trim().parse().unwrap_or_else(|_| panic!("line {}: rc {rc}", index + 1));
        } else if line == "ended" && last.user == CONSOLE {
            last.expected.push(Expected::Ended);
        } else if line == "..." {
            last.expected.push(Expected::Anything);
        } else if let Some(pattern) = line.strip_prefix("~ ") {
            last.expected.push(Expected::Pattern(pattern.to_owned()));
        } else {
            last.expected.push(Expected::Line(line.to_owned()));
        }
    }
    exchanges
}

fn command_of(line: &str) -> Option<(String, Typed, Option<String>)> {
    if line == "console:" {
        return Some((CONSOLE.to_owned(), Typed::Once, None));
    }
    let is_name = |user: &str| {
        (1..=8).contains(&user.len()) && user.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    if let Some(user) = line.strip_suffix('<').filter(|user| is_name(user)) {
        return Some((user.to_owned(), Typed::Once, None));
    }
    let (user, command) = match line.strip_suffix('>') {
        Some(user) => (user, ""),
        None => line.split_once("> ")?,
    };
    let (user, typed) = match (user.strip_suffix('>'), user.strip_suffix('?')) {
        (Some(user), _) => (user, Typed::Begun),
        (None, Some(user)) => (user, Typed::UntilItFits),
        (None, None) => (user, Typed::Once),
    };
    (is_name(user) || user == CONSOLE).then(|| (user.to_owned(), typed, Some(command.to_owned())))
}

/// Runs a script against a system that is started for it, with the operator's console when the script has one.
///
/// # Panics
/// At the first answer that is not what the script says, with both shown.
pub fn run(system: &System, name: &str, text: &str) {
    let script = parse(text);
    if script.iter().any(|exchange| exchange.user == CONSOLE) {
        let (running, console) = system.start_with_console();
        let begun = HashMap::new();
        Run { name, running: Some(running), console: Some(console), begun }.all(&script);
    } else {
        let begun = HashMap::new();
        Run { name, running: Some(system.start()), console: None, begun }.all(&script);
    }
}

struct Run<'a> {
    name: &'a str,
    running: Option<Running>,
    console: Option<OperatorConsole>,
    /// Commands whose answers have not come yet, by user.
    begun: HashMap<String, Child>,
}

impl Run<'_> {
    fn all(&mut self, script: &[Exchange]) {
        for exchange in script {
            if exchange.user == CONSOLE {
                self.at_console(exchange);
            } else {
                self.at_machine(exchange);
            }
        }
    }

    fn at_machine(&mut self, exchange: &Exchange) {
        let running = self.running.as_ref().expect("the system has not ended");
        if exchange.typed == Typed::Begun {
            let before =
                self.begun.insert(exchange.user.clone(), running.begin(&exchange.user, exchange.command()));
            assert!(before.is_none() && exchange.expected.is_empty(), "{} line {}", self.name, exchange.line);
            return;
        }
        let patience = Instant::now() + PATIENCE;
        let (rc, output, fits) = loop {
            let (rc, output) = match &exchange.command {
                Some(command) => running.cmd(&exchange.user, command),
                None => answer(self.begun.remove(&exchange.user).expect("a command was begun")),
            };
            let lines: Vec<&str> = output.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
            let fits = matches(&exchange.expected, &lines) && rc == exchange.rc;
            if fits || exchange.typed == Typed::Once || Instant::now() > patience {
                break (rc, output, fits);
            }
        };
        assert!(
            fits,
            "{} line {}: {}> {}\nexpected rc {}:\n{:#?}\nanswered rc {rc}:\n{output}",
            self.name,
            exchange.line,
            exchange.user,
            exchange.command(),
            exchange.rc,
            exchange.expected
        );
    }

    fn at_console(&mut self, exchange: &Exchange) {
        let console = self.console.as_mut().expect("the script has a console");
        if let Some(command) = &exchange.command {
            console.type_line(command);
        }
        let at = format!("{} line {}: {}", self.name, exchange.line, exchange.command());
        let mut seen = Vec::new();
        let mut skip = false;
        for expected in &exchange.expected {
            if *expected == Expected::Anything {
                skip = true;
                continue;
            }
            loop {
                let line = console.line(&at);
                match (&line, expected) {
                    (None, Expected::Ended) => {
                        let status = self.running.take().expect("the system has not ended").wait();
                        assert!(status.success(), "{at}\nthe program ended with {status}");
                        return;
                    }
                    (Some(line), expected) if line_fits(expected, line) => break,
                    (Some(line), _) if skip => seen.push(line.clone()),
                    _ => panic!("{at}\nexpected {expected:?}, got {line:?} after\n{}", seen.join("\n")),
                }
            }
            skip = false;
        }
    }
}

fn line_fits(expected: &Expected, line: &str) -> bool {
    match expected {
        Expected::Line(text) => text == line,
        Expected::Pattern(pattern) => fits(pattern.as_bytes(), line.as_bytes()),
        Expected::Anything | Expected::Ended => false,
    }
}

fn matches(expected: &[Expected], lines: &[&str]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((Expected::Anything, rest)), _) => (0..=lines.len()).any(|skip| matches(rest, &lines[skip..])),
        (Some(_), None) => false,
        (Some((expected, rest)), Some((line, more))) => line_fits(expected, line) && matches(rest, more),
    }
}

/// `*` is any run of characters, `?` one character.
fn fits(pattern: &[u8], line: &[u8]) -> bool {
    match (pattern.split_first(), line.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=line.len()).any(|skip| fits(rest, &line[skip..])),
        (Some((b'?', rest)), Some((_, more))) => fits(rest, more),
        (Some((p, rest)), Some((c, more))) => p == c && fits(rest, more),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation() {
        let script = parse(
            "* comment\nMAINT> QUERY TIME\n~ TIME IS *\n...\nJOE> #CP Q X\nrc 3\nHCPCQV003E Invalid option - X\n",
        );
        assert_eq!(script.len(), 2);
        assert_eq!((script[1].user.as_str(), script[1].rc), ("JOE", 3));
        let console = parse("console> #CP\n...\n~ ENDICOTT*\nconsole:\nended\nMAINT>\n");
        assert_eq!(console[0].command(), "#CP");
        assert_eq!((console[1].command.as_deref(), &console[1].expected[..]), (None, &[Expected::Ended][..]));
        assert_eq!((console[2].user.as_str(), console[2].command()), ("MAINT", ""));
        let both = parse("JOE>> ERASE A B\nMAINT?> QUERY X\nJOE<\nrc 28\n");
        let typed: Vec<_> = both.iter().map(|e| (e.user.as_str(), e.typed, e.command.as_deref())).collect();
        let first = ("JOE", Typed::Begun, Some("ERASE A B"));
        let second = ("MAINT", Typed::UntilItFits, Some("QUERY X"));
        assert_eq!(typed, [first, second, ("JOE", Typed::Once, None)]);
        assert_eq!(both[2].rc, 28);
        assert!(matches(&script[0].expected, &["TIME IS 12:00", "a", "b"]));
        assert!(!matches(&script[0].expected, &["a", "TIME IS 12:00"]));
        assert!(fits(b"a*c?", b"abbcd") && !fits(b"a*c?", b"abbc"));
    }
}
