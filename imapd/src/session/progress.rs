//! Word of how far a long command is (RFC 9585), for clients that would else give up.
//!
//! What is done is less than the goal, always (section 4): where no more can be said, the client is told that there is work left.

use std::io;
use std::time::Duration;

use super::capability::Token;
use super::{Out, Session};
use crate::syntax::quote;

/// The progress of one command.
pub struct Progress<'a> {
    tag: &'a [u8],
    /// When something was told last.
    told: Duration,
}

impl<'a> Progress<'a> {
    /// Of a command that begins now.
    pub fn new(session: &Session, tag: &'a [u8]) -> Self {
        Self { tag, told: session.server.auth.now() }
    }

    /// Tells that `done` of `goal` are done, when it is time to. A tag with a `]` is not named (RFC 9585 section 4).
    ///
    /// # Errors
    /// When the client cannot be written to.
    pub async fn report(
        &mut self,
        session: &Session,
        done: u32,
        goal: u32,
        out: &mut Out<'_>,
    ) -> io::Result<()> {
        let now = session.server.auth.now();
        let due = now.saturating_sub(self.told) >= session.server.progress_every;
        // What goes on without a command has no tag.
        if !due || self.tag.is_empty() || !session.offers(Token::InProgress) {
            return Ok(());
        }
        self.told = now;
        out.buf.extend_from_slice(b"* OK [INPROGRESS (");
        match self.tag.contains(&b']') {
            true => out.buf.extend_from_slice(b"NIL"),
            false => quote::string(out.buf, self.tag),
        }
        let said = match done < goal {
            true => format!(" {done} {goal})] {done} of {goal} messages looked at\r\n"),
            false => " NIL NIL)] Messages are looked at\r\n".to_owned(),
        };
        out.buf.extend_from_slice(said.as_bytes());
        out.flush().await
    }
}
