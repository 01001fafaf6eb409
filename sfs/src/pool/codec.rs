//! Writing and reading the pool's own records: little-endian, lengths in front, no padding.
//!
//! A reader never panics on what it is given: a record that is cut short or malformed is [`Malformed`].

use thiserror::Error;

/// A record that does not parse: damage, or a version this program does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed {0}")]
pub struct Malformed(pub &'static str);

/// Appends numbers and octets to a record.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) out: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_capacity(octets: usize) -> Self {
        Self { out: Vec::with_capacity(octets) }
    }
    pub(crate) fn u8(&mut self, v: u8) {
        self.out.push(v);
    }
    pub(crate) fn u32(&mut self, v: u32) {
        self.out.extend_from_slice(&v.to_le_bytes());
    }
    pub(crate) fn u64(&mut self, v: u64) {
        self.out.extend_from_slice(&v.to_le_bytes());
    }
    pub(crate) fn i64(&mut self, v: i64) {
        self.out.extend_from_slice(&v.to_le_bytes());
    }
    pub(crate) fn raw(&mut self, v: &[u8]) {
        self.out.extend_from_slice(v);
    }
    /// What `write` writes, with its length in front, as [`Self::bytes`] does.
    pub(crate) fn nested(&mut self, write: impl FnOnce(&mut Self)) {
        let at = self.out.len();
        self.u32(0);
        write(self);
        let len = (self.out.len() - at - 4) as u32;
        self.out[at..at + 4].copy_from_slice(&len.to_le_bytes());
    }
    /// Octets with their length in front.
    pub(crate) fn bytes(&mut self, v: &[u8]) {
        // Everything stored this way is bounded by a record or a name, far below 4 GiB.
        self.u32(v.len() as u32);
        self.raw(v);
    }
}

/// Takes numbers and octets off a record.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(what: &'static str, rest: &'a [u8]) -> Self {
        Self { rest, what }
    }
    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }
    pub(crate) fn malformed(&self) -> Malformed {
        Malformed(self.what)
    }
    pub(crate) fn raw(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.rest.split_at_checked(len).ok_or(Malformed(self.what))?;
        self.rest = tail;
        Ok(head)
    }
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.raw(N)?.try_into().map_err(|_| Malformed(self.what))
    }
    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }
    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }
    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_le_bytes(self.array()?))
    }
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u32()?;
        self.raw(len as usize)
    }
    /// All that is left must be nothing.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.is_done() { Ok(()) } else { Err(Malformed(self.what)) }
    }
}
