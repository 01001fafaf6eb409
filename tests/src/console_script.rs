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
//! Lines that start with `*` are comments; empty lines are skipped.

use crate::system::Running;

/// One command of a script with its expected answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Exchange {
    line: usize,
    user: String,
    command: String,
    expected: Vec<Expected>,
    rc: i32,
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Line(String),
    Pattern(String),
    Anything,
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
        if let Some((user, command)) = command_of(line) {
            exchanges.push(Exchange { line: index + 1, user, command, expected: Vec::new(), rc: 0 });
            continue;
        }
        let last = exchanges.last_mut().unwrap_or_else(|| panic!("line {}: no command yet", index + 1));
        if let Some(rc) = line.strip_prefix("rc ") {
            last.rc = rc.trim().parse().unwrap_or_else(|_| panic!("line {}: rc {rc}", index + 1));
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

fn command_of(line: &str) -> Option<(String, String)> {
    let (user, command) = line.split_once("> ")?;
    let name =
        (1..=8).contains(&user.len()) && user.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    name.then(|| (user.to_owned(), command.to_owned()))
}

/// Runs a script against a system.
///
/// # Panics
/// At the first answer that is not what the script says, with both shown.
pub fn run(system: &Running, name: &str, text: &str) {
    for exchange in parse(text) {
        let (rc, output) = system.cmd(&exchange.user, &exchange.command);
        let lines: Vec<&str> = output.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
        let fits = matches(&exchange.expected, &lines) && rc == exchange.rc;
        assert!(
            fits,
            "{name} line {}: {}> {}\nexpected rc {}:\n{:#?}\nanswered rc {rc}:\n{output}",
            exchange.line, exchange.user, exchange.command, exchange.rc, exchange.expected
        );
    }
}

fn matches(expected: &[Expected], lines: &[&str]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((Expected::Anything, rest)), _) => (0..=lines.len()).any(|skip| matches(rest, &lines[skip..])),
        (Some(_), None) => false,
        (Some((Expected::Line(text), rest)), Some((line, more))) => text == line && matches(rest, more),
        (Some((Expected::Pattern(p), rest)), Some((line, more))) => {
            fits(p.as_bytes(), line.as_bytes()) && matches(rest, more)
        }
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
        assert!(matches(&script[0].expected, &["TIME IS 12:00", "a", "b"]));
        assert!(!matches(&script[0].expected, &["a", "TIME IS 12:00"]));
        assert!(fits(b"a*c?", b"abbcd") && !fits(b"a*c?", b"abbc"));
    }
}
