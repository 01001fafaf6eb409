//! From octets to commands: lines and literals, with every limit applied before anything is parsed.
//!
//! [`Framer`] is fed whatever the socket gave and yields whole commands, literals in place. It never loses step: a
//! command that breaks a limit is refused once and skipped to its real end, non-synchronising literals included
//! (RFC 7888). When no command is under way it holds no memory.
//!
//! It does not look at what a command means, with one exception: only APPEND and REPLACE may carry large literals.

mod literal;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

pub use literal::{LiteralHeader, MAX_DIGITS, trailing_literal};

/// What a client may send in one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one line without its line end.
    pub line: usize,
    /// Octets of one command, literals and line ends included, the message of APPEND apart.
    pub command: usize,
    /// Literals in one command.
    pub literals: usize,
    /// Octets of the messages of one APPEND together.
    pub message: usize,
    /// Octets of a non-synchronising literal: unlimited for LITERAL+, 4096 for LITERAL-.
    pub non_synchronising: usize,
}

impl Limits {
    /// Before login: enough for AUTHENTICATE with a large ticket, far too little to hurt.
    pub const NOT_AUTHENTICATED: Self =
        Self { line: 8192, command: 16_384, literals: 4, message: 0, non_synchronising: 8192 };
    /// After login: lines as long as a UID set of 20,000 ranges needs, and few literals.
    pub const AUTHENTICATED: Self = Self {
        line: 512 * 1024,
        command: 1024 * 1024,
        literals: 1000,
        message: MAX_MESSAGE,
        non_synchronising: usize::MAX,
    };
}

/// Largest message that APPEND takes, and most octets of the messages of one APPEND, for they are held until all are
/// there; what is larger is refused before it is sent.
pub const MAX_MESSAGE: usize = 64 * 1024 * 1024;
/// Largest non-synchronising literal under LITERAL- (RFC 7888 section 5).
pub const LITERAL_MINUS: usize = 4096;

/// How the next bytes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A command.
    Command,
    /// One line without literals: the answer to a continuation request, or DONE.
    Line,
}

/// Why a command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The line is longer than allowed.
    #[error("command line is too long")]
    LineTooLong,
    /// The command with its literals is longer than allowed.
    #[error("command is too long")]
    CommandTooLong,
    /// Too many literals.
    #[error("too many literals in one command")]
    TooManyLiterals,
    /// A literal is larger than allowed here.
    #[error("literal is too large")]
    LiteralTooLarge,
    /// The message of APPEND is larger than allowed.
    #[error("message is too large")]
    MessageTooLarge,
}

/// What the framer found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole command, without its final line end, literals in place with their headers.
    Command(Bytes),
    /// A line in [`Mode::Line`], without its line end.
    Line(Bytes),
    /// The client waits for `+` before it sends a literal.
    Continue,
    /// A command was refused; what is left of it is skipped in silence.
    Refused {
        /// Its tag, when it had one.
        tag: Option<Bytes>,
        /// Why.
        why: Refusal,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Within a line that starts at this offset.
    Line(usize),
    /// Within a literal that ends at this offset.
    Literal(usize),
    /// Skipping to the end of the line.
    SkipLine,
    /// Skipping this many octets of a literal, then on with the line.
    SkipLiteral(usize),
}

/// Cuts a stream into frames.
#[derive(Debug)]
pub struct Framer {
    buf: BytesMut,
    phase: Phase,
    /// Offset up to which no line end was found.
    scanned: usize,
    literals: usize,
    /// Octets of the messages within the command under way.
    message: usize,
}

impl Default for Framer {
    fn default() -> Self {
        Self { buf: BytesMut::new(), phase: Phase::Line(0), scanned: 0, literals: 0, message: 0 }
    }
}

impl Framer {
    /// Where to read into.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buf
    }

    /// Adds octets.
    pub fn feed(&mut self, octets: &[u8]) {
        self.buf.extend_from_slice(octets);
    }

    /// Whether nothing is held: no command under way, nothing read ahead.
    pub fn is_idle(&self) -> bool {
        self.buf.is_empty() && self.phase == Phase::Line(0)
    }

    /// Octets of a literal that the client has announced and not yet sent.
    pub fn wants(&self) -> usize {
        match self.phase {
            Phase::Literal(end) => end.saturating_sub(self.buf.len()),
            _ => 0,
        }
    }

    /// Octets held of the command under way, with what is announced of it.
    pub fn expected(&self) -> usize {
        self.buf.len() + self.wants()
    }

    /// Whether the client has begun a command that is not yet whole.
    pub fn under_way(&self) -> bool {
        !self.is_idle()
    }

    /// Drops what was read ahead: STARTTLS must not act on octets that came before the handshake.
    pub fn discard(&mut self) -> usize {
        let n = self.buf.len();
        *self = Self::default();
        n
    }

    /// Hands over what was read ahead: what follows COMPRESS is compressed.
    pub fn take_ahead(&mut self) -> BytesMut {
        std::mem::take(self).buf
    }

    /// Gives the buffer's memory back when nothing is held.
    pub fn release(&mut self) {
        if self.is_idle() {
            self.buf = BytesMut::new();
        }
    }

    /// The next frame, or `None` when more octets are needed.
    pub fn next_frame(&mut self, mode: Mode, limits: &Limits) -> Option<Frame> {
        loop {
            match self.phase {
                Phase::Line(start) => {
                    let Some(end) =
                        memchr::memchr(b'\n', &self.buf[self.scanned..]).map(|i| i + self.scanned)
                    else {
                        self.scanned = self.buf.len();
                        if self.buf.len() - start > limits.line + 1 {
                            // The end of what is dropped may be the first half of a literal header of this line.
                            let kept = self.buf.len().saturating_sub(literal::MAX_HEADER).max(start);
                            return Some(self.refuse(Refusal::LineTooLong, Phase::SkipLine, kept));
                        }
                        return None;
                    };
                    if let Some(frame) = self.line(start, end, mode, limits) {
                        return Some(frame);
                    }
                }
                Phase::Literal(end) => {
                    if self.buf.len() < end {
                        return None;
                    }
                    self.scanned = end;
                    self.phase = Phase::Line(end);
                }
                Phase::SkipLiteral(n) => {
                    let n_here = n.min(self.buf.len());
                    self.buf.advance(n_here);
                    if n_here < n {
                        self.phase = Phase::SkipLiteral(n - n_here);
                        return None;
                    }
                    self.phase = Phase::SkipLine;
                }
                Phase::SkipLine => {
                    if !self.skip_line() {
                        return None;
                    }
                }
            }
        }
    }

    /// Handles the line `start..end`, where `end` is its LF.
    fn line(&mut self, start: usize, end: usize, mode: Mode, limits: &Limits) -> Option<Frame> {
        let stripped = if end > start && self.buf[end - 1] == b'\r' { end - 1 } else { end };
        let literal = match mode {
            Mode::Command => trailing_literal(&self.buf[start..stripped]),
            Mode::Line => None,
        };
        if stripped - start > limits.line {
            let then = match literal {
                Some(l) if l.non_synchronising => Phase::SkipLiteral(l.octets),
                _ => Phase::Line(0),
            };
            return Some(self.refuse(Refusal::LineTooLong, then, end + 1));
        }
        if end + 1 - self.message > limits.command {
            let then = match literal {
                Some(l) if l.non_synchronising => Phase::SkipLiteral(l.octets),
                _ => Phase::Line(0),
            };
            return Some(self.refuse(Refusal::CommandTooLong, then, end + 1));
        }
        if let Some(literal) = literal {
            return self.literal(literal, end + 1, limits);
        }
        let mut line = self.buf.split_to(end + 1).freeze();
        line.truncate(stripped);
        self.reset();
        Some(match mode {
            Mode::Command => Frame::Command(line),
            Mode::Line => Frame::Line(line),
        })
    }

    /// Admits or refuses the literal whose octets begin at `start`.
    fn literal(&mut self, literal: LiteralHeader, start: usize, limits: &Limits) -> Option<Frame> {
        self.literals += 1;
        let is_message = limits.message > 0 && self.is_append();
        let room = limits.command.saturating_sub(start - self.message);
        let why = if self.literals > limits.literals {
            Some(Refusal::TooManyLiterals)
        } else if is_message && literal.octets > room.max(limits.message.saturating_sub(self.message)) {
            Some(Refusal::MessageTooLarge)
        } else if (!is_message && literal.octets > room)
            || (literal.non_synchronising && literal.octets > limits.non_synchronising)
        {
            Some(Refusal::LiteralTooLarge)
        } else {
            None
        };
        if let Some(why) = why {
            // After a refused synchronising literal the client sends nothing more of the command.
            let then =
                if literal.non_synchronising { Phase::SkipLiteral(literal.octets) } else { Phase::Line(0) };
            return Some(self.refuse(why, then, start));
        }
        // Small messages too: many of them in one APPEND must leave the command its room.
        if is_message && literal.octets <= limits.message.saturating_sub(self.message) {
            self.message += literal.octets;
        }
        let end = start + literal.octets;
        self.phase = Phase::Literal(end);
        self.scanned = start;
        (!literal.non_synchronising).then_some(Frame::Continue)
    }

    fn refuse(&mut self, why: Refusal, then: Phase, consumed: usize) -> Frame {
        let word = self.buf.iter().position(|b| matches!(b, b' ' | b'\r' | b'\n')).unwrap_or(0);
        let tag = &self.buf[..word];
        let tag = (word > 0 && word <= 64 && tag.iter().all(|b| crate::parse::prim::is_tag_char(*b)))
            .then(|| Bytes::copy_from_slice(tag));
        self.buf.advance(consumed);
        self.reset();
        self.phase = then;
        Frame::Refused { tag, why }
    }

    /// Skips to the end of a line, and into the literal that follows it. False when more octets are needed.
    fn skip_line(&mut self) -> bool {
        let Some(end) = memchr::memchr(b'\n', &self.buf) else {
            let keep = self.buf.len().saturating_sub(literal::MAX_HEADER);
            self.buf.advance(keep);
            return false;
        };
        let stripped = if end > 0 && self.buf[end - 1] == b'\r' { end - 1 } else { end };
        let literal = trailing_literal(&self.buf[..stripped]);
        self.buf.advance(end + 1);
        self.reset();
        if let Some(l) = literal
            && l.non_synchronising
        {
            self.phase = Phase::SkipLiteral(l.octets);
        }
        true
    }

    fn reset(&mut self) {
        self.phase = Phase::Line(0);
        self.scanned = 0;
        self.literals = 0;
        self.message = 0;
    }

    /// Whether the command under way brings messages: APPEND, REPLACE or UID REPLACE.
    fn is_append(&self) -> bool {
        let mut words = self.buf.splitn(4, |b| *b == b' ').skip(1);
        let mut word = words.next().unwrap_or_default();
        if word.eq_ignore_ascii_case(b"UID") {
            word = words.next().unwrap_or_default();
        }
        word.eq_ignore_ascii_case(b"APPEND") || word.eq_ignore_ascii_case(b"REPLACE")
    }
}

#[cfg(test)]
mod tests;
