//! Record images: taking them apart and putting them together.

use bytes::Bytes;
use cp::codepage;
use sfs::types::{FileStatus, MAX_LRECL_V, RecordFormat};
use thiserror::Error;

/// A record that does not fit the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a record of {length} octets does not fit; the limit is {limit}")]
pub struct RecordError {
    /// Length of the record.
    pub length: usize,
    /// Greatest length.
    pub limit: usize,
}

/// Iterates over the records of an image.
pub fn records(image: &[u8], recfm: RecordFormat, lrecl: u32) -> impl Iterator<Item = &[u8]> {
    let mut rest = image;
    let fixed = (lrecl as usize).max(1);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (start, length) = match recfm {
            RecordFormat::Fixed => (0, fixed.min(rest.len())),
            RecordFormat::Variable => {
                let head = rest.first_chunk::<2>()?;
                (2, usize::from(u16::from_be_bytes(*head)).min(rest.len() - 2))
            }
        };
        let record = &rest[start..start + length];
        rest = &rest[start + length..];
        Some(record)
    })
}

/// Appends one record to a RECFM V image.
///
/// # Errors
/// [`RecordError`] for a record over 65,535 octets.
pub fn append_record(image: &mut Vec<u8>, record: &[u8]) -> Result<(), RecordError> {
    let length = u16::try_from(record.len())
        .map_err(|_| RecordError { length: record.len(), limit: MAX_LRECL_V as usize })?;
    image.extend_from_slice(&length.to_be_bytes());
    image.extend_from_slice(record);
    Ok(())
}

/// Appends one record to a RECFM F image, filled up to `lrecl`.
///
/// # Errors
/// [`RecordError`] for a record longer than `lrecl`.
pub fn pad_record(image: &mut Vec<u8>, record: &[u8], lrecl: u32, fill: u8) -> Result<(), RecordError> {
    let limit = lrecl as usize;
    if record.len() > limit {
        return Err(RecordError { length: record.len(), limit });
    }
    image.extend_from_slice(record);
    image.resize(image.len() + limit - record.len(), fill);
    Ok(())
}

/// How the records of an image are handed to a file: their number and the octets; `None` when there are none. One RECFM V
/// record travels without its length, several as their image.
pub(super) fn write_shape(image: &Bytes, recfm: RecordFormat, lrecl: u32) -> Option<(u32, Bytes)> {
    let mut found = records(image, recfm, lrecl);
    let first = found.next()?;
    let count = 1 + u32::try_from(found.count()).unwrap_or(u32::MAX - 1);
    let alone = count == 1 && recfm == RecordFormat::Variable;
    Some((count, if alone { image.slice_ref(first) } else { image.clone() }))
}

/// The records of an image as text, without trailing blanks.
pub fn to_lines(status: &FileStatus, image: &[u8]) -> Vec<String> {
    records(image, status.recfm, status.lrecl).map(|r| codepage::to_text(codepage::trim_end(r))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn variable_records_come_back(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20)) {
            let mut image = Vec::new();
            for l in &lines { append_record(&mut image, l).unwrap(); }
            let back: Vec<Vec<u8>> = records(&image, RecordFormat::Variable, 0).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(back, lines);
        }
    }

    #[test]
    fn lengths_are_checked() {
        let mut image = Vec::new();
        assert!(append_record(&mut image, &vec![0; 65_535]).is_ok());
        assert!(append_record(&mut image, &vec![0; 65_536]).is_err());
        let mut image = Vec::new();
        assert!(pad_record(&mut image, b"ab", 4, codepage::EBCDIC_BLANK).is_ok());
        assert_eq!(image, [b'a', b'b', 0x40, 0x40]);
        assert!(pad_record(&mut image, b"abcde", 4, codepage::EBCDIC_BLANK).is_err());
    }
}
