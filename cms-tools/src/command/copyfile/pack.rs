//! PACK and UNPACK: a file as records of 1024 octets in which runs of equal characters take three.
//!
//! That the packed file is RECFM F with LRECL 1024, that a file packed twice is unpacked twice, and that another file than a packed one
//! is refused is as in CMS; the codes inside are ours. In order: [`MAGIC`], `F` or `V` (in EBCDIC), the record length (4 octets), then
//! for each record pieces and [`END_OF_RECORD`], then [`END_OF_FILE`], the number of records (8 octets), and zeros to the end of the last
//! record. A piece is [`RUN`], a count, an octet; or [`OCTETS`], a count, so many octets. Numbers have their most significant octet first.
//!
//! Invariants: unpacking what was packed gives the records octet by octet; what is not a packed file is never taken for one that ends
//! early, since the end and the number of records are in it.

use cp::codepage;
use sfs::types::{Attributes, FileStatus, MAX_LRECL_F, RecordFormat};

use crate::files::{append_record, records};

/// Record length of a packed file.
pub(super) const PACKED_LRECL: u32 = 1024;

/// What a packed file begins with: no text and no number.
const MAGIC: [u8; 8] = [0x00, 0xD7, 0xC1, 0xC3, 0xD2, 0xC5, 0xC4, 0x01];
const HEADER: usize = MAGIC.len() + 1 + 4;
const END_OF_FILE: u8 = 0;
const END_OF_RECORD: u8 = 1;
const RUN: u8 = 2;
const OCTETS: u8 = 3;
/// Most octets of a piece.
const MAX_PIECE: usize = u8::MAX as usize;
/// Shortest run that is kept as one: it ends a piece of other octets, which costs two more.
const MIN_RUN: usize = 6;

/// The file is not packed, or not as it was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotPacked;

/// Packs records.
pub(super) struct Packer {
    out: Vec<u8>,
    records: u64,
}

impl Packer {
    /// For a file of that format.
    pub(super) fn new(status: &FileStatus) -> Self {
        let mut out = MAGIC.to_vec();
        let letter = if status.recfm == RecordFormat::Fixed { "F" } else { "V" };
        out.extend(codepage::from_text(letter));
        out.extend(status.lrecl.to_be_bytes());
        Self { out, records: 0 }
    }

    /// Packs a record.
    pub(super) fn record(&mut self, record: &[u8]) {
        let mut literal = 0;
        let mut at = 0;
        while at < record.len() {
            let octet = record[at];
            let run = record[at..].iter().take_while(|b| **b == octet).count();
            if run >= MIN_RUN {
                self.octets(&record[literal..at]);
                let mut left = run;
                while left > 0 {
                    let piece = left.min(MAX_PIECE);
                    self.out.extend([RUN, piece as u8, octet]);
                    left -= piece;
                }
                literal = at + run;
            }
            at += run;
        }
        self.octets(&record[literal..]);
        self.out.push(END_OF_RECORD);
        self.records += 1;
    }

    fn octets(&mut self, octets: &[u8]) {
        for piece in octets.chunks(MAX_PIECE) {
            self.out.extend([OCTETS, piece.len() as u8]);
            self.out.extend(piece);
        }
    }

    /// The whole packed records there are so far.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let whole = self.out.len() - self.out.len() % PACKED_LRECL as usize;
        let left = self.out.split_off(whole);
        std::mem::replace(&mut self.out, left)
    }

    /// The last packed records.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.push(END_OF_FILE);
        self.out.extend(self.records.to_be_bytes());
        let whole = self.out.len().next_multiple_of(PACKED_LRECL as usize);
        self.out.resize(whole, 0);
        self.out
    }
}

/// Unpacks records.
pub(super) struct Unpacker {
    recfm: RecordFormat,
    lrecl: u32,
    input: Vec<u8>,
    record: Vec<u8>,
    records: u64,
    ended: bool,
}

impl Unpacker {
    /// For a file that begins with `input`.
    ///
    /// # Errors
    /// [`NotPacked`].
    pub(super) fn new(status: &FileStatus, input: &[u8]) -> Result<Self, NotPacked> {
        let like = status.recfm == RecordFormat::Fixed && status.lrecl == PACKED_LRECL;
        let (header, rest) = input.split_at_checked(HEADER).filter(|_| like).ok_or(NotPacked)?;
        let (magic, format) = header.split_at(MAGIC.len());
        let [letter, a, b, c, d] = format else { return Err(NotPacked) };
        let recfm = match codepage::to_text(&[*letter]).as_str() {
            "F" => RecordFormat::Fixed,
            "V" => RecordFormat::Variable,
            _ => return Err(NotPacked),
        };
        let lrecl = u32::from_be_bytes([*a, *b, *c, *d]);
        if magic != MAGIC || lrecl > MAX_LRECL_F {
            return Err(NotPacked);
        }
        Ok(Self { recfm, lrecl, input: rest.to_vec(), record: Vec::new(), records: 0, ended: false })
    }

    /// What the file is when it is unpacked.
    pub(super) fn attributes(&self) -> Attributes {
        match self.recfm {
            RecordFormat::Fixed => Attributes::fixed(self.lrecl.max(1)),
            RecordFormat::Variable => Attributes::variable(),
        }
    }

    /// More of the packed file.
    pub(super) fn more(&mut self, input: &[u8]) {
        self.input.extend_from_slice(input);
    }

    /// The image of the records that end in what there is so far.
    ///
    /// # Errors
    /// [`NotPacked`].
    pub(super) fn image(&mut self) -> Result<Vec<u8>, NotPacked> {
        let mut image = Vec::new();
        let mut at = 0;
        while !self.ended {
            let Some(used) = self.piece(at, &mut image)? else { break };
            at += used;
        }
        if self.ended && self.input[at..].iter().any(|b| *b != 0) {
            return Err(NotPacked);
        }
        self.input.drain(..at);
        Ok(image)
    }

    /// One code at `at`: how many octets it takes; `None` when it is not all there yet.
    fn piece(&mut self, at: usize, image: &mut Vec<u8>) -> Result<Option<usize>, NotPacked> {
        let rest = &self.input[at..];
        match rest {
            [] => Ok(None),
            [END_OF_FILE, count @ ..] => {
                let Some(count) = count.first_chunk::<8>() else { return Ok(None) };
                if u64::from_be_bytes(*count) != self.records || !self.record.is_empty() {
                    return Err(NotPacked);
                }
                self.ended = true;
                Ok(Some(1 + count.len()))
            }
            [END_OF_RECORD, ..] => {
                match self.recfm {
                    RecordFormat::Fixed if self.record.len() != self.lrecl as usize => return Err(NotPacked),
                    RecordFormat::Fixed => image.extend_from_slice(&self.record),
                    RecordFormat::Variable => append_record(image, &self.record).map_err(|_| NotPacked)?,
                }
                self.record.clear();
                self.records += 1;
                Ok(Some(1))
            }
            [RUN, count, octet, ..] => {
                self.record.resize(self.record.len() + usize::from(*count), *octet);
                self.within_length(3)
            }
            [OCTETS, count, octets @ ..] => {
                let Some(octets) = octets.get(..usize::from(*count)) else { return Ok(None) };
                self.record.extend_from_slice(octets);
                let used = 2 + octets.len();
                self.within_length(used)
            }
            [RUN | OCTETS, ..] => Ok(None),
            _ => Err(NotPacked),
        }
    }

    fn within_length(&self, used: usize) -> Result<Option<usize>, NotPacked> {
        if self.record.len() > self.lrecl as usize { Err(NotPacked) } else { Ok(Some(used)) }
    }

    /// The file ends here.
    ///
    /// # Errors
    /// [`NotPacked`] when it should not.
    pub(super) fn finish(self) -> Result<(), NotPacked> {
        if self.ended { Ok(()) } else { Err(NotPacked) }
    }
}

/// Packs the records of an image.
pub(super) fn pack_image(packer: &mut Packer, status: &FileStatus, image: &[u8]) -> Vec<u8> {
    for record in records(image, status.recfm, status.lrecl) {
        packer.record(record);
    }
    packer.take()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::command::copyfile::testing::status;

    fn packed(status: &FileStatus, image: &[u8]) -> Vec<u8> {
        let mut packer = Packer::new(status);
        let mut out = pack_image(&mut packer, status, image);
        out.extend(packer.finish());
        out
    }

    fn unpacked(octets: &[u8], step: usize) -> Result<(Attributes, Vec<u8>), NotPacked> {
        let status = status(RecordFormat::Fixed, PACKED_LRECL);
        let first = octets.len().min(PACKED_LRECL as usize);
        let mut unpacker = Unpacker::new(&status, &octets[..first])?;
        let mut image = unpacker.image()?;
        for more in octets[first..].chunks(step) {
            unpacker.more(more);
            image.extend(unpacker.image()?);
        }
        let attributes = unpacker.attributes();
        unpacker.finish()?;
        Ok((attributes, image))
    }

    fn octets() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..400),
            (any::<u8>(), 0usize..700).prop_map(|(octet, count)| vec![octet; count]),
        ];
        prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn unpacking_undoes_packing(lines in prop::collection::vec(octets(), 0..12), step in 1usize..3000) {
            let longest = lines.iter().map(Vec::len).max().unwrap_or(0) as u32;
            let mut image = Vec::new();
            for line in &lines {
                append_record(&mut image, line).unwrap();
            }
            let variable = status(RecordFormat::Variable, longest);
            let once = packed(&variable, &image);
            prop_assert!(once.len().is_multiple_of(PACKED_LRECL as usize));
            prop_assert_eq!(unpacked(&once, step), Ok((Attributes::variable(), image)));
            // Twice, and fixed.
            let fixed = status(RecordFormat::Fixed, PACKED_LRECL);
            let twice = packed(&fixed, &once);
            prop_assert_eq!(unpacked(&twice, step), Ok((Attributes::fixed(PACKED_LRECL), once)));
        }

        #[test]
        fn a_changed_or_cut_file_never_ends_well_with_fewer_records(
            lines in prop::collection::vec(octets(), 1..6), cut in 1usize..5,
        ) {
            let longest = lines.iter().map(Vec::len).max().unwrap_or(0) as u32;
            let mut image = Vec::new();
            for line in &lines {
                append_record(&mut image, line).unwrap();
            }
            let whole = packed(&status(RecordFormat::Variable, longest), &image);
            let left = whole.len().saturating_sub(cut * PACKED_LRECL as usize);
            prop_assert_eq!(unpacked(&whole[..left], 1024), Err(NotPacked));
            let mut more = whole;
            more.extend([1; PACKED_LRECL as usize]);
            prop_assert_eq!(unpacked(&more, 1024), Err(NotPacked));
        }
    }

    #[test]
    fn blanks_take_little_and_other_files_are_refused() {
        let cards = status(RecordFormat::Fixed, 80);
        let image = vec![codepage::EBCDIC_BLANK; 80 * 100];
        assert_eq!(packed(&cards, &image).len(), 1024);
        assert_eq!(unpacked(&vec![codepage::EBCDIC_BLANK; 1024], 1024), Err(NotPacked));
        assert!(Unpacker::new(&cards, &packed(&cards, &image)).is_err());
    }
}
