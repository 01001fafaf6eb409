//! COMPRESS=DEFLATE (RFC 4978): raw deflate in both directions, within bounds.
//!
//! What comes in is inflated a piece at a time into the framer, whose limits therefore hold for the inflated octets: little
//! that inflates to much costs no more memory than much. What goes out is flushed at the end of each batch of responses.
//!
//! UNAUTHENTICATE ends compression (RFC 8437 section 4.1). Ours ends with the flush behind its answer; that of the client ends with
//! the flush behind the command, or with the end of its stream, and the octets behind that are not deflated. So nothing is inflated
//! across a flush before the commands up to there have been done.
//!
//! A compressor holds some 300 KiB. A stream that has been flushed can be continued by a new one, which knows
//! nothing of what went before and shrinks a little less; so a quiet connection gives its compressor back ([`Deflate::rest`]). The window of what comes in
//! (32 KiB) must stay, for the client may refer to it.

use std::io;

use bytes::{Buf, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Octets inflated at once, after which the framer looks at them.
const PIECE: usize = 16 * 1024;

/// What a flushed stream ends with: an empty stored block (RFC 1951 section 3.2.4). Met by chance within a stream it means
/// nothing, and does no harm.
const FLUSHED: u32 = 0x0000_ffff;

/// Level of compression: answers should go out soon, and headers shrink well with little effort.
const LEVEL: u32 = 3;

/// The state of one connection.
pub(super) struct Deflate {
    compress: Option<Compress>,
    /// Whether octets wait in the compressor.
    unflushed: bool,
    decompress: Decompress,
    /// Octets that came and are not yet inflated.
    pub(super) raw: BytesMut,
    /// Whether the last piece was full, so that there may be more of what was taken in.
    more: bool,
    /// The last four octets that were inflated.
    last: u32,
    /// Whether the client has ended its stream.
    over: bool,
}

impl Deflate {
    /// Begins; `raw` came behind the command and is compressed already.
    pub(super) fn new(raw: BytesMut) -> Self {
        Self {
            compress: None,
            unflushed: false,
            decompress: Decompress::new(false),
            raw,
            more: false,
            last: u32::MAX,
            over: false,
        }
    }

    /// Whether another piece can be had, or refused, without more octets from the client.
    pub(super) fn has_more(&self) -> bool {
        self.more || self.over || !self.raw.is_empty()
    }

    /// Whether the client can have ended its compression here, so that what is [`Self::raw`] need not be deflated.
    pub(super) fn is_at_end(&self) -> bool {
        self.over || (self.last == FLUSHED && !self.more)
    }

    /// The octets up to where the client has flushed.
    fn flushed(&self) -> usize {
        let mut last = self.last;
        let end = self.raw.iter().position(|octet| {
            last = last << 8 | u32::from(*octet);
            last == FLUSHED
        });
        end.map_or(self.raw.len(), |end| end + 1)
    }

    /// Inflates one piece into `to`, of no more than the client has flushed at once; how long it is, which may be 0.
    ///
    /// # Errors
    /// When the octets are not deflated, or the client has ended its stream before.
    pub(super) fn inflate(&mut self, to: &mut BytesMut) -> io::Result<usize> {
        if self.over {
            return Err(damaged());
        }
        let end = self.flushed();
        let mut piece = [0u8; PIECE];
        let (taken, made) = (self.decompress.total_in(), self.decompress.total_out());
        let status = self.decompress.decompress(&self.raw[..end], &mut piece, FlushDecompress::None);
        let status = status.map_err(|_| damaged())?;
        let taken = usize::try_from(self.decompress.total_in() - taken).map_err(|_| damaged())?;
        let made = usize::try_from(self.decompress.total_out() - made).map_err(|_| damaged())?;
        for octet in &self.raw[taken.saturating_sub(4)..taken] {
            self.last = self.last << 8 | u32::from(*octet);
        }
        self.raw.advance(taken);
        if self.raw.is_empty() {
            self.raw = BytesMut::new();
        }
        self.over = status == Status::StreamEnd;
        if taken == 0 && made == 0 && !self.over && !self.raw.is_empty() {
            return Err(damaged());
        }
        self.more = made == PIECE && !self.over;
        to.extend_from_slice(&piece[..made]);
        Ok(made)
    }

    /// Takes some of `octets`, and puts what comes out of them into `out`, which has room; how many it took.
    ///
    /// # Errors
    /// None that a correct compressor has.
    pub(super) fn deflate(&mut self, octets: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        let compress = self.compress.get_or_insert_with(|| Compress::new(Compression::new(LEVEL), false));
        let before = compress.total_in();
        compress.compress_vec(octets, out, FlushCompress::None).map_err(io::Error::other)?;
        self.unflushed = true;
        usize::try_from(compress.total_in() - before).map_err(io::Error::other)
    }

    /// Puts what waits into `out`, which has room; whether that was all.
    ///
    /// # Errors
    /// None that a correct compressor has.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let Some(compress) = self.compress.as_mut().filter(|_| self.unflushed) else { return Ok(true) };
        compress.compress_vec(&[], out, FlushCompress::Sync).map_err(io::Error::other)?;
        self.unflushed = out.len() == out.capacity();
        Ok(!self.unflushed)
    }

    /// Whether there is a compressor to give back.
    pub(super) fn can_rest(&self) -> bool {
        self.compress.is_some() && !self.unflushed
    }

    /// Gives the compressor back.
    pub(super) fn rest(&mut self) {
        if self.can_rest() {
            self.compress = None;
        }
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what the client sent is not deflated")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn deflated(state: &mut Deflate, octets: &[u8]) -> Vec<u8> {
        let (mut all, mut rest) = (Vec::new(), octets);
        let mut piece = Vec::with_capacity(64);
        while !rest.is_empty() {
            piece.clear();
            let taken = state.deflate(rest, &mut piece).unwrap();
            rest = &rest[taken..];
            all.extend_from_slice(&piece);
        }
        loop {
            piece.clear();
            let done = state.flush(&mut piece).unwrap();
            all.extend_from_slice(&piece);
            if done {
                return all;
            }
        }
    }

    fn inflated(state: &mut Deflate) -> Vec<u8> {
        let mut out = BytesMut::new();
        while state.has_more() {
            state.inflate(&mut out).unwrap();
        }
        out.to_vec()
    }

    proptest! {
        #[test]
        fn there_and_back(parts in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..600), any::<bool>()), 1..6)) {
            let (mut ours, mut theirs) = (Deflate::new(BytesMut::new()), Deflate::new(BytesMut::new()));
            for (part, rest) in parts {
                theirs.raw.extend_from_slice(&deflated(&mut ours, &part));
                prop_assert_eq!(inflated(&mut theirs), part);
                if rest {
                    ours.rest();
                    prop_assert!(!ours.can_rest());
                }
            }
        }

        #[test]
        fn anything_is_taken_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut state = Deflate::new(BytesMut::from(&octets[..]));
            let mut out = BytesMut::new();
            while state.has_more() {
                if state.inflate(&mut out).is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_bomb_comes_in_pieces() {
        let mut ours = Deflate::new(BytesMut::new());
        let bomb = deflated(&mut ours, &vec![b'x'; 8 << 20]);
        assert!(bomb.len() < 64 * 1024, "{}", bomb.len());
        let mut state = Deflate::new(BytesMut::from(&bomb[..]));
        let mut total = 0;
        while state.has_more() {
            let mut piece = BytesMut::new();
            let made = state.inflate(&mut piece).unwrap();
            assert!(made <= PIECE && piece.len() == made);
            total += made;
        }
        assert_eq!(total, 8 << 20);
    }
}
