//! HCP messages: the mechanism. The rows are in [`crate::command::messages`].
//!
//! A message is `HCP`, a module code of three letters, a number of three or four digits, a severity letter, and a text
//! in which `&1` to `&9` stand for the operands. Number, severity and text live in one table; the module code is the
//! caller's. The return code of a command that ends with a message is the message's number.

use std::fmt;

/// One row of a message repository.
#[derive(Debug, Clone, Copy)]
pub struct MessageRow {
    /// The number, which is the return code too.
    pub number: u16,
    /// I, R, A, W, E, S or T.
    pub severity: char,
    /// Text with `&1`, `&2`, ... for operands.
    pub text: &'static str,
}

/// Puts `operands` into `text` in place of `&1`, `&2`, ...
pub fn substitute(text: &str, operands: &[&str]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        match after.chars().next().and_then(|c| c.to_digit(10)) {
            Some(n) if n > 0 => {
                out.push_str(operands.get(n as usize - 1).copied().unwrap_or(""));
                rest = &after[1..];
            }
            _ => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// A message that ends a command: its number is the return code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HcpMessage {
    /// Module code, three letters.
    pub module: &'static str,
    /// Number and return code.
    pub number: u16,
    /// Severity letter.
    pub severity: char,
    /// Text with operands in place.
    pub text: String,
}

impl HcpMessage {
    /// Builds a message from a row of a repository.
    pub fn from_row(module: &'static str, row: &MessageRow, operands: &[&str]) -> Self {
        Self { module, number: row.number, severity: row.severity, text: substitute(row.text, operands) }
    }
}

impl fmt::Display for HcpMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HCP{}{:03}{} {}", self.module, self.number, self.severity, self.text)
    }
}

impl std::error::Error for HcpMessage {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_go_in_by_number() {
        assert_eq!(substitute("&2 and &1 & &", &["a", "b"]), "b and a & &");
        let row = MessageRow { number: 45, severity: 'E', text: "&1 not logged on" };
        assert_eq!(HcpMessage::from_row("CQU", &row, &["FRED"]).to_string(), "HCPCQU045E FRED not logged on");
    }
}
