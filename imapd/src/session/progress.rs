//! Word of how far a long command is (RFC 9585), for clients that would else give up.

use std::io;
use std::time::Duration;

use super::capability::Token;
use super::{Out, Session};
use crate::syntax::quote;

/// Shortest time between two words, whatever is wanted.
const LEAST: Duration = Duration::from_millis(10);

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
        if now.saturating_sub(self.told) < session.server.progress_every || !session.offers(Token::InProgress)
        {
            return Ok(());
        }
        self.told = now;
        self.tell(&format!("{done} {goal}"), out).await
    }

    /// Does some work of which nothing is known until it is done, and tells now and then that it goes on.
    ///
    /// # Errors
    /// When the client cannot be written to.
    pub async fn during<T>(
        &mut self,
        session: &Session,
        work: impl Future<Output = T>,
        out: &mut Out<'_>,
    ) -> io::Result<T> {
        let mut work = std::pin::pin!(work);
        let every = session.server.progress_every.max(LEAST);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = tokio::time::sleep(every), if session.offers(Token::InProgress) => {
                    self.told = session.server.auth.now();
                    self.tell("NIL NIL", out).await?;
                }
            }
        }
    }

    async fn tell(&self, figures: &str, out: &mut Out<'_>) -> io::Result<()> {
        out.buf.extend_from_slice(b"* OK [INPROGRESS (");
        quote::string(out.buf, self.tag);
        out.buf.extend_from_slice(format!(" {figures})] Still looking\r\n").as_bytes());
        out.flush().await
    }
}
