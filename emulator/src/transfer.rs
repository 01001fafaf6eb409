//! Files between the host and the file modes of a machine: what `endicott import` and `endicott export` make of them.
//!
//! Text is UTF-8 with line feeds outside (CRLF is taken, too) and one record a line in code page 1047 inside. What has no code there is
//! refused, and so is whatever does not fit a record: nothing is lost in silence. Binary data are the octets of the records, one
//! behind the other.
//!
//! Not here: packed files, whole file modes, systems that are stopped.

use cms::files::{append_record, pad_record, records};
use cms::{Cms, files};
use cp::codepage::{self, EBCDIC_BLANK};
use serde::{Deserialize, Serialize};
use sfs::types::{Attributes, FileId, FileStatus, RecordFormat};
use thiserror::Error;

/// Greatest file in octets: it is in memory as a whole, twice.
pub const MAX_OCTETS: u64 = 64 << 20;

/// Octets of a record of binary data, when nothing else is said: the longest there are.
const BINARY_RECORD: usize = 65_535;

/// Module of messages.
const MODULE: &str = "HST";

/// How a file is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// As lines of text.
    Text,
    /// Octet by octet.
    Binary,
}

/// Why a file is not taken over.
#[derive(Debug, Error)]
pub enum TransferError {
    /// It is too long.
    #[error("{0} octets; at most {MAX_OCTETS} can be taken over")]
    TooLong(u64),
    /// It is no text.
    #[error("octet {0} is no UTF-8; --binary takes over what is no text")]
    NotText(usize),
    /// A character that records do not know.
    #[error("line {line}: {character:?} is not in code page 1047")]
    NoCode {
        /// The line, from 1.
        line: usize,
        /// The character.
        character: char,
    },
    /// A line that is longer than a record.
    #[error("line {line}: {why}")]
    LongLine {
        /// The line, from 1.
        line: usize,
        /// Why.
        why: files::RecordError,
    },
    /// Data that do not fill the last record.
    #[error("{octets} octets are no whole number of records of {record}")]
    NotWhole {
        /// Octets there are.
        octets: usize,
        /// Octets of a record.
        record: u32,
    },
    /// A record length that there is not.
    #[error("a record of a file with fixed records has 1 octet or more")]
    NoRecord,
    /// The machine's answer.
    #[error("{0}")]
    Refused(String),
}

/// Whether so many octets may be taken over.
///
/// # Errors
/// [`TransferError::TooLong`].
pub fn check_length(octets: u64) -> Result<(), TransferError> {
    if octets > MAX_OCTETS { Err(TransferError::TooLong(octets)) } else { Ok(()) }
}

/// The records of a host file, as an image: of `fixed` octets each, or of varying length.
fn image_of(octets: &[u8], form: Form, fixed: Option<u32>) -> Result<(Attributes, Vec<u8>), TransferError> {
    let attributes = match fixed {
        Some(0) => return Err(TransferError::NoRecord),
        Some(lrecl) => Attributes::fixed(lrecl),
        None => Attributes::variable(),
    };
    let mut image = Vec::with_capacity(octets.len() + octets.len() / 16);
    match (form, fixed) {
        (Form::Text, _) => put_lines(&mut image, octets, fixed)?,
        (Form::Binary, Some(record)) => {
            if !octets.len().is_multiple_of(record as usize) {
                return Err(TransferError::NotWhole { octets: octets.len(), record });
            }
            image.extend_from_slice(octets);
        }
        (Form::Binary, None) => {
            for piece in octets.chunks(BINARY_RECORD) {
                append_record(&mut image, piece).map_err(|why| TransferError::LongLine { line: 1, why })?;
            }
        }
    }
    Ok((attributes, image))
}

fn put_lines(image: &mut Vec<u8>, octets: &[u8], fixed: Option<u32>) -> Result<(), TransferError> {
    let text = std::str::from_utf8(octets).map_err(|e| TransferError::NotText(e.valid_up_to()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let whole = text.strip_suffix('\n').unwrap_or(text);
    let lines = (!text.is_empty()).then(|| whole.split('\n')).into_iter().flatten();
    for (at, text) in lines.enumerate() {
        let (line, text) = (at + 1, text.strip_suffix('\r').unwrap_or(text));
        if let Some(character) = text.chars().find(|c| u32::from(*c) > 0xff) {
            return Err(TransferError::NoCode { line, character });
        }
        let record = codepage::from_text(text);
        let put = match fixed {
            Some(lrecl) => pad_record(image, &record, lrecl, EBCDIC_BLANK),
            None => append_record(image, &record),
        };
        put.map_err(|why| TransferError::LongLine { line, why })?;
    }
    Ok(())
}

/// A host file of records. Blanks that fill up fixed records are left out of text.
fn octets_of(status: &FileStatus, image: &[u8], form: Form) -> Vec<u8> {
    let mut out = Vec::with_capacity(image.len() + image.len() / 16);
    for record in records(image, status.recfm, status.lrecl) {
        match (form, status.recfm) {
            (Form::Binary, _) => out.extend_from_slice(record),
            (Form::Text, RecordFormat::Variable) => {
                out.extend_from_slice(codepage::to_text(record).as_bytes())
            }
            (Form::Text, RecordFormat::Fixed) => {
                out.extend_from_slice(codepage::to_text(codepage::trim_end(record)).as_bytes());
            }
        }
        if form == Form::Text {
            out.push(b'\n');
        }
    }
    out
}

/// File id and file mode of `fn ft [fm]`; file mode A when there is none.
fn parse(file: &str) -> Result<(FileId, cp::name::ModeLetter), TransferError> {
    let bad = |why: String| TransferError::Refused(format!("{file}: {why}"));
    let words: Vec<&str> = file.split_ascii_whitespace().collect();
    let (name, kind, mode) = match words[..] {
        [name, kind] => (name, kind, "A"),
        [name, kind, mode] => (name, kind, mode),
        _ => return Err(bad("name, type and perhaps file mode of a file are needed".into())),
    };
    let name = name.parse().map_err(|e: cp::name::NameError| bad(e.to_string()))?;
    let kind = kind.parse().map_err(|e: cp::name::NameError| bad(e.to_string()))?;
    let (mode, _) = files::parse_mode(mode).ok_or_else(|| bad(format!("{mode} is no file mode")))?;
    Ok((FileId::new(name, kind), mode))
}

/// Makes a host file the file `file` (`fn ft [fm]`) of a machine; what it has become, in words.
///
/// # Errors
/// [`TransferError`]; the file is then as it was.
pub async fn import(
    cms: &Cms,
    file: &str,
    octets: &[u8],
    form: Form,
    fixed: Option<u32>,
) -> Result<String, TransferError> {
    let (id, mode) = parse(file)?;
    let accessed = cms.writable(MODULE, mode).map_err(|e| TransferError::Refused(e.to_string()))?;
    let (attributes, image) = image_of(octets, form, fixed)?;
    let count = records(&image, attributes.recfm, attributes.lrecl).count();
    let shown = format!("{id} {mode}");
    files::write_all(&*accessed.store, id, attributes, image)
        .await
        .map_err(|e| TransferError::Refused(cms::cms::store_message(MODULE, &e, &shown).to_string()))?;
    let of = match fixed {
        Some(lrecl) => format!("F {lrecl}"),
        None => "V".to_owned(),
    };
    Ok(format!("{shown}: {count} records, RECFM {of}"))
}

/// The file `file` (`fn ft [fm]`) of a machine as a host file.
///
/// # Errors
/// [`TransferError`].
pub async fn export(cms: &Cms, file: &str, form: Form) -> Result<Vec<u8>, TransferError> {
    let (id, mode) = parse(file)?;
    let shown = format!("{id} {mode}");
    let refused = |e: &files::StoreError| {
        TransferError::Refused(cms::cms::store_message(MODULE, e, &shown).to_string())
    };
    let accessed = cms.modes.get(mode).ok_or_else(|| {
        TransferError::Refused(cms::message::dms(MODULE, 69, 36, &[&mode.to_string()]).to_string())
    })?;
    let known = accessed.store.state(id).await.map_err(|e| refused(&e))?;
    let known = known.ok_or_else(|| refused(&files::StoreError::NotFound))?;
    // In the image of a file with records of varying length a halfword stands before each.
    let halfwords = if known.recfm == RecordFormat::Variable { 2 * u64::from(known.records) } else { 0 };
    check_length(known.bytes.saturating_sub(halfwords))?;
    let most = usize::try_from(MAX_OCTETS + halfwords).unwrap_or(usize::MAX);
    let (status, image) = files::read_all(&*accessed.store, id, most).await.map_err(|e| refused(&e))?;
    Ok(octets_of(&status, &image, form))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(attributes: &Attributes) -> (RecordFormat, u32) {
        (attributes.recfm, attributes.lrecl)
    }

    fn back(octets: &[u8], form: Form, fixed: Option<u32>) -> Vec<u8> {
        let (attributes, image) = image_of(octets, form, fixed).unwrap();
        let (recfm, lrecl) = status(&attributes);
        let mut out = Vec::new();
        for record in records(&image, recfm, lrecl) {
            match form {
                Form::Binary => out.extend_from_slice(record),
                Form::Text => {
                    out.extend_from_slice(codepage::to_text(record).as_bytes());
                    out.push(b'\n');
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn text_and_octets_come_back(
            lines in prop::collection::vec("[ -~\u{a1}-\u{ff}]{0,40}", 1..8),
            octets in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            prop_assert_eq!(back(text.as_bytes(), Form::Text, None), text.as_bytes());
            prop_assert_eq!(back(text.replace('\n', "\r\n").as_bytes(), Form::Text, None), text.as_bytes());
            prop_assert_eq!(back(text.trim_end_matches('\n').as_bytes(), Form::Text, None).is_empty(), text.trim_end_matches('\n').is_empty());
            prop_assert_eq!(back(&octets, Form::Binary, None), &octets[..]);
            prop_assert_eq!(back(&octets, Form::Binary, Some(1)), &octets[..]);
        }
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        let why = |octets: &[u8], form, fixed| image_of(octets, form, fixed).unwrap_err().to_string();
        assert_eq!(
            why("one\ntwo \u{20ac}\n".as_bytes(), Form::Text, None),
            "line 2: '\u{20ac}' is not in code page 1047"
        );
        assert_eq!(
            why(b"ab\xffc", Form::Text, None),
            "octet 2 is no UTF-8; --binary takes over what is no text"
        );
        assert_eq!(
            why(b"12345\n123456\n", Form::Text, Some(5)),
            "line 2: a record of 6 octets does not fit; the limit is 5"
        );
        assert_eq!(why(&[0; 81], Form::Binary, Some(80)), "81 octets are no whole number of records of 80");
        assert_eq!(
            why(&[0; 1], Form::Binary, Some(0)),
            "a record of a file with fixed records has 1 octet or more"
        );
        assert!(image_of(&vec![b'x'; BINARY_RECORD], Form::Text, None).is_ok());
        assert!(image_of(&vec![b'x'; BINARY_RECORD + 1], Form::Text, None).is_err());
        assert!(check_length(MAX_OCTETS).is_ok() && check_length(MAX_OCTETS + 1).is_err());
    }
}
