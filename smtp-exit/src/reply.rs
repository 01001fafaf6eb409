//! Replies: a code and one or more lines of text.

use std::fmt;

/// A reply to a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// Text lines, at least one.
    pub lines: Vec<String>,
}

impl Reply {
    /// A reply of one line.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, lines: vec![text.into()] }
    }

    /// True for 4xx and 5xx.
    pub fn is_error(&self) -> bool {
        self.code >= 400
    }
}

impl fmt::Display for Reply {
    /// The reply as it goes over the wire, every line with CRLF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.lines.len().saturating_sub(1);
        for (i, line) in self.lines.iter().enumerate() {
            let mark = if i == last { ' ' } else { '-' };
            // A reply must never carry a line end of its own.
            let text: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            write!(f, "{}{mark}{text}\r\n", self.code)?;
        }
        Ok(())
    }
}
