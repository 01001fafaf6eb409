//! SPLINKs: the pages of 4096 octets in which `*SPL` gives the data of a file.
//!
//! | offset | length | field |
//! | --- | --- | --- |
//! | 000 | 4 | SPNXTPAG: number of the next page, zero in the last |
//! | 004 | 4 | SPPREPAG: number of the page before, zero in the first |
//! | 008 | 4 | SPRMISC: number of this page, from 1 |
//! | 00C | 4 | SPRECNUM: how many records or pieces of records the page has |
//! | 010 | 4016 | a CCW, a TIC and the data of each, padded to a doubleword |
//! | FC0 | 8 | SPORIGID: origin |
//! | FC8 | 8 | SPNODEID: system |
//!
//! A record that does not fit goes on in the next page: its CCWs but the last have the chain-data flag. The first
//! record of the first page is the tag, under a NOP CCW. Records are whole: blanks at their ends are not removed, which
//! a mail could not bear.
//!
//! Source: the SPLINK control block; facts of CP section 3.8.

use bytes::Bytes;

use crate::error::SpoolError;
use crate::reader::Records;
use crate::record::Record;

/// Octets of a SPLINK.
pub const SPLINK: usize = 4096;
const DATA: usize = 0x010;
const DATA_END: usize = 0xFC0;
/// A CCW and a TIC.
const HEAD: usize = 16;
/// Command code of the record that carries the tag.
const NOP: u8 = 0x03;
const TIC: u8 = 0x08;
/// Flag of a CCW whose data go on in the next.
const CHAIN_DATA: u8 = 0x80;

/// Makes the pages of a file, one after the other.
pub(crate) struct Pager {
    records: Records,
    tag: Bytes,
    trailer: [u8; 16],
    /// The rest of the record under way.
    rest: Option<Record>,
    /// Number of the page that comes next; `None` behind the last.
    next: Option<u32>,
}

impl Pager {
    /// Pages of `records` from the first on; `origin` and `node` are the two trailer fields.
    pub(crate) fn new(records: Records, tag: &str, origin: &str, node: &str) -> Self {
        let mut trailer = [cp::codepage::EBCDIC_BLANK; 16];
        for (at, text) in [(0, origin), (8, node)] {
            let text = cp::codepage::from_text(text);
            let len = text.len().min(8);
            trailer[at..at + len].copy_from_slice(&text[..len]);
        }
        let tag = Bytes::from(cp::codepage::from_text(tag));
        let rest = Some(Record { op: NOP, data: tag.clone() });
        Self { records, tag, trailer, rest, next: Some(1) }
    }

    /// Number of the page that [`Pager::page`] will make; `None` at the end of the file.
    pub(crate) fn position(&self) -> Option<u32> {
        self.next
    }

    /// Begins again at the first page.
    pub(crate) fn rewind(&mut self) {
        self.records.rewind();
        self.rest = Some(Record { op: NOP, data: self.tag.clone() });
        self.next = Some(1);
    }

    /// Appends the next page to `out`; false when there is none.
    pub(crate) async fn page(&mut self, out: &mut Vec<u8>) -> Result<bool, SpoolError> {
        let Some(number) = self.next else { return Ok(false) };
        let start = out.len();
        out.resize(start + SPLINK, 0);
        let page = &mut out[start..];
        let mut at = DATA;
        let mut pieces = 0u32;
        while let Some(mut record) = self.rest.take() {
            let room = (DATA_END - at).saturating_sub(HEAD);
            if at + HEAD > DATA_END || (room == 0 && !record.data.is_empty()) {
                self.rest = Some(record);
                break;
            }
            let piece = record.data.split_to(record.data.len().min(room));
            let more = !record.data.is_empty();
            at = put_piece(page, at, record.op, &piece, more);
            pieces += 1;
            self.rest = if more { Some(record) } else { self.records.next().await? };
            if at >= DATA_END {
                break;
            }
        }
        let next = self.rest.as_ref().map(|_| number + 1);
        page[0..4].copy_from_slice(&next.unwrap_or(0).to_be_bytes());
        page[4..8].copy_from_slice(&(number - 1).to_be_bytes());
        page[8..12].copy_from_slice(&number.to_be_bytes());
        page[12..16].copy_from_slice(&pieces.to_be_bytes());
        page[DATA_END..DATA_END + 16].copy_from_slice(&self.trailer);
        self.next = next;
        Ok(true)
    }
}

/// Writes CCW, TIC and data at `at`; gives the place behind them.
fn put_piece(page: &mut [u8], at: usize, op: u8, data: &[u8], more: bool) -> usize {
    let end = (at + HEAD + data.len()).next_multiple_of(8);
    let address = |to: usize| [(to >> 16) as u8, (to >> 8) as u8, to as u8];
    page[at] = op;
    page[at + 1..at + 4].copy_from_slice(&address(at + HEAD));
    page[at + 4] = if more { CHAIN_DATA } else { 0 };
    // A page holds less than 64 K.
    page[at + 6..at + 8].copy_from_slice(&(data.len() as u16).to_be_bytes());
    page[at + 8] = TIC;
    page[at + 9..at + 12].copy_from_slice(&address(end));
    page[at + HEAD..at + HEAD + data.len()].copy_from_slice(data);
    end
}

/// Takes records out of pages again, which come in order from the first on.
#[derive(Debug, Default)]
pub struct Unpager {
    page: Bytes,
    left: u32,
    at: usize,
    partial: Option<(u8, Vec<u8>)>,
    seen_tag: bool,
}

/// A page that does not follow the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SPLINK does not follow its layout")]
pub struct BadSplink;

impl Unpager {
    /// Goes on with the next page.
    ///
    /// # Errors
    /// [`BadSplink`] when it is not of 4096 octets.
    pub fn feed(&mut self, page: Bytes) -> Result<(), BadSplink> {
        if page.len() != SPLINK {
            return Err(BadSplink);
        }
        self.left = u32::from_be_bytes([page[12], page[13], page[14], page[15]]);
        self.at = DATA;
        self.page = page;
        Ok(())
    }

    /// The next record of the page; `None` when the page is used up. The tag is left out.
    ///
    /// # Errors
    /// [`BadSplink`].
    pub fn record(&mut self) -> Result<Option<Record>, BadSplink> {
        while self.left > 0 {
            let head = self.page.get(self.at..self.at + HEAD).ok_or(BadSplink)?;
            let (op, more) = (head[0], head[4] & CHAIN_DATA != 0);
            let place = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]);
            let len = usize::from(u16::from_be_bytes([head[6], head[7]]));
            let next = usize::from(head[9]) << 16 | usize::from(head[10]) << 8 | usize::from(head[11]);
            if place + len > DATA_END || next <= self.at || head[8] != TIC {
                return Err(BadSplink);
            }
            let data = self.page.slice(place..place + len);
            self.left -= 1;
            self.at = next;
            if more || self.partial.is_some() {
                let (op, mut whole) = self.partial.take().unwrap_or((op, Vec::new()));
                whole.extend_from_slice(&data);
                if more {
                    self.partial = Some((op, whole));
                    continue;
                }
                if let Some(record) = self.deliver(op, whole.into()) {
                    return Ok(Some(record));
                }
            } else if let Some(record) = self.deliver(op, data) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn deliver(&mut self, op: u8, data: Bytes) -> Option<Record> {
        if !self.seen_tag {
            self.seen_tag = true;
            return None;
        }
        Some(Record { op, data })
    }
}
