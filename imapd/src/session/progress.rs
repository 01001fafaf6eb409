//! Word of how far a long command is (RFC 9585), for clients that would else give up.

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

    /// Tells that `done` of `goal` are done, when it is time to.
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
        quote::string(out.buf, self.tag);
        out.buf.extend_from_slice(
            format!(" {done} {goal})] {done} of {goal} messages looked at\r\n").as_bytes(),
        );
        out.flush().await
    }
}
