//! The way out of a session: a buffer that is emptied whenever it is full enough.
//!
//! A command that answers with much calls [`Out::room`] between pieces, and [`Out::octets`] for large ones, so that a
//! session never holds more than one piece and waits when its client does not read.

use std::io;

use bytes::Bytes;
use futures::future::BoxFuture;

/// Takes octets to the client.
pub trait Drain: Send {
    /// Sends and clears `buf`, then sends `more`.
    fn drain<'a>(&'a mut self, buf: &'a mut Vec<u8>, more: Bytes) -> BoxFuture<'a, io::Result<()>>;
}

/// Where a session writes.
pub struct Out<'a> {
    /// What is to be sent.
    pub buf: &'a mut Vec<u8>,
    drain: &'a mut dyn Drain,
}

impl<'a> Out<'a> {
    /// Octets held before they are sent.
    pub const HOLD: usize = 32 * 1024;

    /// Over a buffer and the way to the client.
    pub fn new(buf: &'a mut Vec<u8>, drain: &'a mut dyn Drain) -> Self {
        Self { buf, drain }
    }

    /// Sends when enough has gathered.
    ///
    /// # Errors
    /// When the client cannot be written to.
    pub async fn room(&mut self) -> io::Result<()> {
        if self.buf.len() >= Self::HOLD {
            self.drain.drain(self.buf, Bytes::new()).await?;
        }
        Ok(())
    }

    /// Sends everything now.
    ///
    /// # Errors
    /// When the client cannot be written to.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.drain.drain(self.buf, Bytes::new()).await
    }

    /// Appends octets; large ones are sent as they are, without a copy.
    ///
    /// # Errors
    /// When the client cannot be written to.
    pub async fn octets(&mut self, octets: Bytes) -> io::Result<()> {
        if octets.len() < Self::HOLD {
            self.buf.extend_from_slice(&octets);
            return Ok(());
        }
        self.drain.drain(self.buf, octets).await
    }
}
