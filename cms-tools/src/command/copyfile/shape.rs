//! What becomes of one record: whether it is copied, and how it looks then.

use std::borrow::Cow;

use cp::codepage::translated;
use sfs::types::{Attributes, RecordFormat};

use super::options::{First, Options, Until};
use super::specs::Specs;
use super::trans::Table;
use crate::files::{RecordError, append_record, pad_record};

/// What is done with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Copied,
    /// It is not copied, nor is any after it.
    Ended,
}

/// Which records of an input are copied.
pub(super) struct Selection<'o> {
    first: &'o First,
    until: &'o Until,
    /// Records seen, and records copied.
    seen: u64,
    copied: u64,
    begun: bool,
}

impl<'o> Selection<'o> {
    pub(super) fn new(options: &'o Options) -> Self {
        Self { first: &options.first, until: &options.until, seen: 0, copied: 0, begun: false }
    }

    /// Judges the next record.
    pub(super) fn judge(&mut self, record: &[u8]) -> Verdict {
        self.seen += 1;
        self.begun = self.begun
            || match self.first {
                First::Record(number) => self.seen >= *number,
                First::Label(label) => record.starts_with(label),
            };
        if !self.begun {
            return Verdict::Passed;
        }
        let over = match self.until {
            Until::End => false,
            Until::Count(count) => self.copied >= *count,
            Until::Label(label) => record.starts_with(label),
        };
        if over {
            return Verdict::Ended;
        }
        self.copied += 1;
        Verdict::Copied
    }

    /// Whether the first record was found.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// How many were copied.
    pub(super) fn copied(&self) -> u64 {
        self.copied
    }
}

/// How records look when they are copied.
pub(super) struct Shape<'o> {
    pub(super) options: &'o Options,
    pub(super) table: Option<&'o Table>,
    pub(super) specs: Option<&'o Specs>,
    pub(super) to: Attributes,
}

impl Shape<'_> {
    /// Adds `record` as it becomes, laid over `under` if that is there, to an image.
    ///
    /// # Errors
    /// [`RecordError`] when it is longer than the file's records may be.
    pub(super) fn put(
        &self,
        record: &[u8],
        under: Option<&[u8]>,
        image: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        let fill = self.options.fill;
        let record = match self.table {
            Some(table) => Cow::Owned(translated(record, table, 0)),
            None => Cow::Borrowed(record),
        };
        let record = match (self.specs, under) {
            (Some(specs), under) => Cow::Owned(specs.apply(&record, under.unwrap_or(&[]).to_vec(), fill)),
            (None, Some(under)) => {
                let mut over = record.into_owned();
                over.extend_from_slice(under.get(over.len()..).unwrap_or(&[]));
                Cow::Owned(over)
            }
            (None, None) => record,
        };
        self.keep(&record, image)
    }

    /// Adds a record that nothing is laid over: cut, padded, truncated.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub(super) fn keep(&self, record: &[u8], image: &mut Vec<u8>) -> Result<(), RecordError> {
        let fill = self.options.fill;
        let length = self.options.lrecl.map_or(record.len(), |lrecl| record.len().min(lrecl as usize));
        let record = &record[..length];
        match self.to.recfm {
            RecordFormat::Variable if self.options.trunc => {
                let end = record.iter().rposition(|octet| *octet != fill).map_or(0, |at| at + 1);
                append_record(image, &record[..end])
            }
            RecordFormat::Variable => append_record(image, record),
            RecordFormat::Fixed => pad_record(image, record, self.to.lrecl, fill),
        }
    }

    /// Whether records of a file of that format are copied just as they are.
    pub(super) fn is_plain(&self, recfm: RecordFormat, lrecl: u32) -> bool {
        let options = self.options;
        let same = recfm == self.to.recfm && (recfm == RecordFormat::Variable || lrecl == self.to.lrecl);
        let whole = options.first == First::Record(1) && options.until == Until::End;
        let uncut = !options.trunc && options.lrecl.is_none_or(|limit| limit >= lrecl);
        same && whole && uncut && self.table.is_none() && self.specs.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(options: &Options) -> Vec<usize> {
        let mut selection = Selection::new(options);
        let records: [&[u8]; 6] = [b"a1", b"b1", b"a2", b"c1", b"b2", b"a3"];
        let mut copied = Vec::new();
        for (at, record) in records.iter().enumerate() {
            match selection.judge(record) {
                Verdict::Passed => {}
                Verdict::Copied => copied.push(at + 1),
                Verdict::Ended => break,
            }
        }
        assert_eq!(selection.copied(), copied.len() as u64);
        copied
    }

    #[test]
    fn records_are_chosen_by_number_and_label() {
        let options = |first, until| Options { first, until, ..Options::default() };
        let label = |text: &[u8]| text.to_vec();
        assert_eq!(selected(&options(First::Record(2), Until::Count(3))), [2, 3, 4]);
        assert_eq!(selected(&options(First::Label(label(b"b")), Until::Label(label(b"a")))), [2]);
        assert_eq!(selected(&options(First::Record(3), Until::Label(label(b"b")))), [3, 4]);
        assert_eq!(selected(&options(First::Record(1), Until::Label(label(b"a")))), []);
        assert_eq!(selected(&options(First::Label(label(b"x")), Until::End)), []);
    }

    #[test]
    fn records_are_laid_over_others_and_filled() {
        let specs = Specs::parse("1-2 3").unwrap();
        let options = Options { fill: b'.', ..Options::default() };
        let shape = Shape { options: &options, table: None, specs: Some(&specs), to: Attributes::fixed(6) };
        let mut image = Vec::new();
        shape.put(b"abc", None, &mut image).unwrap();
        shape.put(b"abc", Some(b"012345"), &mut image).unwrap();
        let bare = Shape { specs: None, ..shape };
        bare.put(b"abc", Some(b"01234"), &mut image).unwrap();
        assert_eq!(image, b"..ab..01ab45abc34.");
        assert!(bare.put(b"1234567", None, &mut image).is_err());
        assert!(bare.is_plain(RecordFormat::Fixed, 6) && !bare.is_plain(RecordFormat::Fixed, 5));
    }
}
