//! The image of a file while it is open: stretches of stored bodies and of octets not yet committed, in order.
//!
//! Appending, replacing and cutting touch only the stretches concerned; nothing stored is copied. The stretches of one image
//! cover it without gap or overlap: each knows the offset at which it ends.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::catalog::CRC_CHUNK;
use super::error::PoolError;
use super::store::{ChunkCache, OpenBody, Store};

/// Fewer octets than this are copied when they are handed over: they may be a small part of much that would stay in memory with them,
/// and each stretch becomes a body of its own.
const LEAST_GIVEN: usize = 64 << 10;
/// The same where they are all there is so far: most files are written at once. They are copied when more comes.
const LEAST_GIVEN_ALONE: usize = 8 << 10;

/// Octets copied at once: fewer than the system's library hands to the processor's own instruction for long strings.
const SHORT_COPY: usize = 2048;

/// Where the octets of a stretch are.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// In a stored body, from `offset` of it.
    Stored { body: Arc<OpenBody>, offset: u32 },
    /// Written by this work unit.
    Fresh(BytesMut),
    /// The same, as it was handed over: a long stretch is not copied.
    Given(Bytes),
    /// Written by this work unit, and on its way to the volume.
    Frozen(Bytes),
}

#[derive(Debug, Clone)]
pub(crate) struct Piece {
    end: u64,
    pub(crate) source: Source,
}

/// The octets of a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    pieces: Vec<Piece>,
}

impl Image {
    /// Adds a stretch of a stored body at the end.
    pub(crate) fn push_stored(&mut self, body: Arc<OpenBody>, offset: u32, len: u32) {
        if len > 0 {
            let end = self.len() + u64::from(len);
            self.pieces.push(Piece { end, source: Source::Stored { body, offset } });
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.pieces.last().map_or(0, |p| p.end)
    }

    /// The stretches with their lengths, in order.
    pub(crate) fn stretches(&self) -> impl Iterator<Item = (&Source, u64)> {
        let mut start = 0;
        self.pieces.iter().map(move |p| {
            let len = p.end - start;
            start = p.end;
            (&p.source, len)
        })
    }

    /// The stretches with their lengths, in order, to be kept elsewhere.
    pub(crate) fn into_stretches(self) -> impl Iterator<Item = (Source, u64)> {
        let mut start = 0;
        self.pieces.into_iter().map(move |p| {
            let len = p.end - start;
            start = p.end;
            (p.source, len)
        })
    }

    /// Adds octets at the end.
    pub(crate) fn append(&mut self, data: &[u8]) {
        self.append_all(&[data]);
    }

    /// Adds octets at the end, some behind the others.
    pub(crate) fn append_all(&mut self, parts: &[&[u8]]) {
        let (start, more) = (self.len(), parts.iter().map(|part| part.len()).sum::<usize>());
        if more == 0 {
            return;
        }
        if let Some(Piece { source, .. }) = self.pieces.last_mut()
            && start < LEAST_GIVEN as u64
            && let Source::Given(data) = source
        {
            *source = Source::Fresh(BytesMut::from(&data[..]));
        }
        if !matches!(self.pieces.last(), Some(Piece { source: Source::Fresh(_), .. })) {
            let fresh = BytesMut::with_capacity(more);
            self.pieces.push(Piece { end: start, source: Source::Fresh(fresh) });
        }
        if let Some(Piece { end, source: Source::Fresh(buf) }) = self.pieces.last_mut() {
            buf.reserve(more);
            // A long copy is slow on some processors where it begins a little further in its page than what it copies, as a record
            // behind its length does; short ones never are.
            parts
                .iter()
                .flat_map(|part| part.chunks(SHORT_COPY))
                .for_each(|part| buf.extend_from_slice(part));
            *end = start + more as u64;
        }
    }

    /// Adds octets at the end, which stay where they are if they are many.
    pub(crate) fn append_given(&mut self, data: &Bytes) {
        let least = if self.pieces.is_empty() { LEAST_GIVEN_ALONE } else { LEAST_GIVEN };
        if data.len() < least {
            return self.append(data);
        }
        let end = self.len() + data.len() as u64;
        self.pieces.push(Piece { end, source: Source::Given(data.clone()) });
    }

    /// Octets that are in memory.
    pub(crate) fn in_memory(&self) -> u64 {
        let fresh = self.stretches().filter(|(source, _)| !matches!(source, Source::Stored { .. }));
        fresh.map(|(_, len)| len).sum()
    }

    /// Makes fresh stretches of at least `least` octets unchangeable, in pieces of at most `most`, and adds them to `frozen`.
    pub(crate) fn freeze(&mut self, least: usize, most: usize, frozen: &mut Vec<Bytes>) {
        let is_long = |source: &Source| match source {
            Source::Fresh(buf) => buf.len() >= least,
            Source::Given(data) => data.len() >= least,
            _ => false,
        };
        if !self.pieces.iter().any(|p| is_long(&p.source)) {
            return;
        }
        let mut start = 0;
        for piece in std::mem::take(&mut self.pieces) {
            let (end, long) = (piece.end, is_long(&piece.source));
            let data = match piece.source {
                Source::Fresh(buf) if long => Ok(buf.freeze()),
                Source::Given(data) if long => Ok(data),
                source => Err(source),
            };
            match data {
                Ok(data) => {
                    for from in (0..data.len()).step_by(most.max(1)) {
                        let part = data.slice(from..data.len().min(from + most));
                        frozen.push(part.clone());
                        let end = start + (from + part.len()) as u64;
                        self.pieces.push(Piece { end, source: Source::Frozen(part) });
                    }
                }
                Err(source) => self.pieces.push(Piece { end, source }),
            }
            start = end;
        }
    }

    /// Exchanges frozen octets, or what is left of them, for the bodies that hold them now.
    pub(crate) fn exchange(&mut self, places: &[(Bytes, Arc<OpenBody>)]) {
        for piece in &mut self.pieces {
            let Source::Frozen(data) = &piece.source else { continue };
            let at = data.as_ptr() as usize;
            let found = places.iter().find_map(|(whole, body)| {
                let offset = at.checked_sub(whole.as_ptr() as usize)?;
                (offset + data.len() <= whole.len()).then(|| (body.clone(), offset as u32))
            });
            if let Some((body, offset)) = found {
                piece.source = Source::Stored { body, offset };
            }
        }
    }

    /// Cuts the image to `len` octets.
    pub(crate) fn truncate(&mut self, len: u64) {
        let keep = self.pieces.partition_point(|p| p.end < len);
        self.pieces.truncate(keep + 1);
        if len == 0 {
            self.pieces.clear();
            return;
        }
        let start = keep.checked_sub(1).map_or(0, |i| self.pieces[i].end);
        if let Some(last) = self.pieces.get_mut(keep) {
            last.end = last.end.min(len);
            match &mut last.source {
                Source::Fresh(buf) => buf.truncate((last.end - start) as usize),
                Source::Given(data) | Source::Frozen(data) => data.truncate((last.end - start) as usize),
                Source::Stored { .. } => {}
            }
        }
    }

    /// Replaces the octets at `offset`; the image must already reach to the end of them.
    pub(crate) fn replace(&mut self, offset: u64, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let end = offset + data.len() as u64;
        let first = self.pieces.partition_point(|p| p.end <= offset);
        let start = first.checked_sub(1).map_or(0, |i| self.pieces[i].end);
        if let Some(Piece { end: upto, source: Source::Fresh(buf) }) = self.pieces.get_mut(first)
            && end <= *upto
        {
            let at = (offset - start) as usize;
            buf[at..at + data.len()].copy_from_slice(data);
            return;
        }
        let mut tail = self.tail_from(end);
        self.truncate(offset);
        self.append(data);
        let mut at = self.len();
        for piece in &mut tail {
            at += piece.end;
            piece.end = at;
        }
        self.pieces.append(&mut tail);
    }

    /// The stretches from `offset` on, their `end` being their length.
    fn tail_from(&self, offset: u64) -> Vec<Piece> {
        let mut out = Vec::new();
        let mut start = 0;
        for piece in &self.pieces {
            let skip = offset.saturating_sub(start).min(piece.end - start);
            let len = piece.end - start - skip;
            start = piece.end;
            if len == 0 {
                continue;
            }
            let source = match &piece.source {
                Source::Stored { body, offset } => {
                    Source::Stored { body: body.clone(), offset: offset + skip as u32 }
                }
                Source::Fresh(buf) => Source::Fresh(BytesMut::from(&buf[skip as usize..])),
                Source::Given(data) => Source::Given(data.slice(skip as usize..)),
                Source::Frozen(data) => Source::Frozen(data.slice(skip as usize..)),
            };
            out.push(Piece { end: len, source });
        }
        out
    }

    /// Reads up to `len` octets from `offset`; fewer only at the end of the image.
    ///
    /// # Errors
    /// [`PoolError::Damaged`].
    pub(crate) fn read(
        &self,
        store: &Store,
        cache: &mut ChunkCache,
        offset: u64,
        len: usize,
    ) -> Result<Bytes, PoolError> {
        let end = self.len().min(offset.saturating_add(len as u64));
        if offset >= end {
            return Ok(Bytes::new());
        }
        let first = self.read_some(store, cache, offset, end)?;
        if offset + first.len() as u64 == end {
            return Ok(first);
        }
        let mut out = BytesMut::with_capacity((end - offset) as usize);
        out.extend_from_slice(&first);
        while offset + (out.len() as u64) < end {
            let more = self.read_some(store, cache, offset + out.len() as u64, end)?;
            out.extend_from_slice(&more);
        }
        Ok(out.freeze())
    }

    /// Reads from one stretch: at least one octet, without a copy where it is stored.
    fn read_some(
        &self,
        store: &Store,
        cache: &mut ChunkCache,
        offset: u64,
        end: u64,
    ) -> Result<Bytes, PoolError> {
        let i = self.pieces.partition_point(|p| p.end <= offset);
        let start = i.checked_sub(1).map_or(0, |i| self.pieces[i].end);
        let Some(piece) = self.pieces.get(i) else {
            return Err(PoolError::Damaged("image too short".into()));
        };
        let within = (offset - start) as usize;
        let upto = (end.min(piece.end) - start) as usize;
        match &piece.source {
            Source::Fresh(buf) => Ok(Bytes::copy_from_slice(&buf[within..upto])),
            Source::Given(data) | Source::Frozen(data) => Ok(data.slice(within..upto)),
            Source::Stored { body, offset } => {
                let from = *offset as usize + within;
                let to = *offset as usize + upto;
                let n = from / CRC_CHUNK;
                let behind = to.div_ceil(CRC_CHUNK);
                // What is read record by record comes from the chunk read last; a long stretch needs no cache.
                let chunk = if behind - n == 1 {
                    cache.chunk(store, body, n)?
                } else {
                    store.read_chunks(body, n..behind)?
                };
                let base = n * CRC_CHUNK;
                let to = to.min(base + chunk.len());
                if to <= from {
                    return Err(PoolError::Damaged("body shorter than its file".into()));
                }
                Ok(chunk.slice(from - base..to - base))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(len: usize) -> Bytes {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    fn octets(image: &Image) -> Vec<u8> {
        let pieces = image.pieces.iter().map(|piece| match &piece.source {
            Source::Fresh(buf) => &buf[..],
            Source::Given(data) | Source::Frozen(data) => &data[..],
            Source::Stored { .. } => unreachable!("nothing is stored here"),
        });
        pieces.collect::<Vec<_>>().concat()
    }

    #[test]
    fn what_a_file_is_written_with_at_once_stays_where_it_is() {
        for (len, stays) in [
            (LEAST_GIVEN_ALONE - 1, false),
            (LEAST_GIVEN_ALONE, true),
            (LEAST_GIVEN - 1, true),
            (LEAST_GIVEN, true),
        ] {
            let data = given(len);
            let mut image = Image::default();
            image.append_given(&data);
            let same =
                matches!(&image.pieces[0].source, Source::Given(kept) if kept.as_ptr() == data.as_ptr());
            assert_eq!(same, stays, "{len}");
        }
    }

    #[test]
    fn what_is_not_long_is_one_stretch_with_what_comes_behind() {
        for len in [LEAST_GIVEN_ALONE, LEAST_GIVEN - 1, LEAST_GIVEN] {
            let mut image = Image::default();
            image.append_given(&given(len));
            image.append(b"more");
            image.append_given(&given(LEAST_GIVEN_ALONE));
            assert_eq!(image.pieces.len(), if len < LEAST_GIVEN { 1 } else { 2 });
            let expected = [&given(len)[..], b"more", &given(LEAST_GIVEN_ALONE)].concat();
            assert_eq!((image.len(), octets(&image)), (expected.len() as u64, expected));
        }
    }
}
