//! TCP/IP translate tables: which EBCDIC code stands for which octet of the network, by the name of a file.
//!
//! A table is a file `fn TCPXLBIN` of three records of 256 octets: a header that begins with the words [`HEADER`], the table from
//! the network to EBCDIC, the table back. Its source is `fn TCPXLATE`: the same two tables as hexadecimal digits. IBM names tables by
//! the two code pages, `02730819` for 273 here and ISO 8859-1 there.
//!
//! What is ours: halves that are not the inverse of each other are refused, since octets of mail must come back as they came; the
//! built-in table, which `STANDARD` is without a file, is code page 1047 to ISO 8859-1 in all 256 codes (the original's has seven
//! bits and loses the rest); the table's name in the header; its fingerprint.
//!
//! Sources: "VM TCP/IP Translation Tables" and "DTCXLATE CSL Routine" at vm.ibm.com/euro; the header as programs for VM look for it.

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::codepage::{self, EBCDIC_TO_LATIN1, LATIN1_TO_EBCDIC};
use crate::name::FileName;

/// What the first record begins with.
pub const HEADER: &str = "*TCP/IP translate tables";

/// Octets of a table, and of each record of its file.
pub const CODES: usize = 256;

/// The table that is meant when nothing else is said.
pub const STANDARD: &str = "STANDARD";

/// A table both ways.
#[derive(Clone, PartialEq, Eq)]
pub struct TranslateTable {
    name: FileName,
    to_ebcdic: [u8; CODES],
    from_ebcdic: [u8; CODES],
}

/// Why something is no table that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TableError {
    /// The file has another form.
    #[error("a translate table has three records of 256 octets, the first of which begins with {HEADER}")]
    Form,
    /// The source has something else than pairs of digits.
    #[error("record {record}: {token}: pairs of hexadecimal digits are needed")]
    Digits {
        /// Number of the record, from 1.
        record: usize,
        /// What stands there.
        token: String,
    },
    /// The source has too few codes, or too many.
    #[error("there are {0} codes; 512 are needed, 256 to EBCDIC and 256 from it")]
    Codes(usize),
    /// The halves are not the inverse of each other.
    #[error(
        "octet X'{octet:02X}' becomes X'{code:02X}', and that becomes X'{back:02X}': mail would not come back as it came"
    )]
    NotInverse {
        /// The octet of the network.
        octet: u8,
        /// Its EBCDIC code.
        code: u8,
        /// What that becomes.
        back: u8,
    },
}

/// Names a table and what it holds: `02730819/5F3A9C01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableId {
    /// Its name.
    pub name: FileName,
    /// The first four octets of the SHA-256 of its codes.
    pub fingerprint: u32,
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:08X}", self.name, self.fingerprint)
    }
}

impl TableId {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, digits) = text.split_once('/')?;
        let fingerprint = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 8)?;
        Some(Self { name: FileName::new(name).ok()?, fingerprint })
    }
}

impl TranslateTable {
    /// A table of these halves: from the network to EBCDIC, and back.
    ///
    /// # Errors
    /// [`TableError::NotInverse`].
    pub fn new(name: FileName, to_ebcdic: [u8; CODES], from_ebcdic: [u8; CODES]) -> Result<Self, TableError> {
        for octet in 0..=u8::MAX {
            let code = to_ebcdic[usize::from(octet)];
            let back = from_ebcdic[usize::from(code)];
            if back != octet {
                return Err(TableError::NotInverse { octet, code, back });
            }
        }
        Ok(Self { name, to_ebcdic, from_ebcdic })
    }

    /// Code page 1047 to ISO 8859-1, which everything inside is written in.
    pub fn builtin() -> Self {
        let name = FileName::new(STANDARD).expect("STANDARD is a file name");
        Self { name, to_ebcdic: LATIN1_TO_EBCDIC, from_ebcdic: EBCDIC_TO_LATIN1 }
    }

    /// The records of `name TCPXLBIN`.
    ///
    /// # Errors
    /// [`TableError::Form`], [`TableError::NotInverse`].
    pub fn read<'a>(name: FileName, records: impl Iterator<Item = &'a [u8]>) -> Result<Self, TableError> {
        let records: Vec<&[u8]> = records.take(4).collect();
        let [head, to_ebcdic, from_ebcdic] = records[..] else { return Err(TableError::Form) };
        let half = |record: &[u8]| <[u8; CODES]>::try_from(record).map_err(|_| TableError::Form);
        if !head.starts_with(&codepage::from_text(HEADER)) {
            return Err(TableError::Form);
        }
        Self::new(name, half(to_ebcdic)?, half(from_ebcdic)?)
    }

    /// The records of `name TCPXLATE`: pairs of hexadecimal digits, blanks only to be read more easily; `;` starts a comment, and
    /// `*` at the beginning of a record.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn read_source<'a>(
        name: FileName,
        records: impl Iterator<Item = &'a str>,
    ) -> Result<Self, TableError> {
        let mut codes = Vec::with_capacity(2 * CODES);
        for (index, record) in records.enumerate() {
            let text = record.split(';').next().unwrap_or("");
            if text.starts_with('*') {
                continue;
            }
            for token in text.split_ascii_whitespace() {
                let wrong = || TableError::Digits { record: index + 1, token: token.to_owned() };
                let (pairs, odd) = token.as_bytes().as_chunks::<2>();
                if !odd.is_empty() {
                    return Err(wrong());
                }
                for pair in pairs {
                    codes.push(code(*pair).ok_or_else(wrong)?);
                }
            }
        }
        let (halves, rest) = codes.as_chunks::<CODES>();
        let ([to_ebcdic, from_ebcdic], []) = (halves, rest) else {
            return Err(TableError::Codes(codes.len()));
        };
        Self::new(name, *to_ebcdic, *from_ebcdic)
    }

    /// The records of its file, one behind the other.
    pub fn image(&self) -> Vec<u8> {
        let mut image = codepage::from_text(&format!("{HEADER} {}", self.name));
        image.resize(CODES, codepage::EBCDIC_BLANK);
        image.extend_from_slice(&self.to_ebcdic);
        image.extend_from_slice(&self.from_ebcdic);
        image
    }

    /// The name that the header of a table's file gives, when it does: ours do.
    pub fn name_in(header: &[u8]) -> Option<FileName> {
        let text = codepage::to_text(codepage::trim_end(header));
        FileName::new(text.strip_prefix(HEADER)?.trim()).ok()
    }

    /// Its name.
    pub fn name(&self) -> FileName {
        self.name
    }

    /// From the network to EBCDIC, indexed by the octet.
    pub fn to_ebcdic(&self) -> &[u8; CODES] {
        &self.to_ebcdic
    }

    /// From EBCDIC to the network, indexed by the code.
    pub fn from_ebcdic(&self) -> &[u8; CODES] {
        &self.from_ebcdic
    }

    /// Whether it translates as `other` does, whatever they are called.
    pub fn is_same(&self, other: &Self) -> bool {
        self.to_ebcdic == other.to_ebcdic
    }

    /// Whether it translates as the built-in table does.
    pub fn is_builtin(&self) -> bool {
        self.to_ebcdic == LATIN1_TO_EBCDIC
    }

    /// What names it where its codes are not at hand.
    pub fn id(&self) -> TableId {
        let digest = Sha256::digest(self.to_ebcdic);
        TableId {
            name: self.name,
            fingerprint: u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]),
        }
    }

    /// Makes of records in code page 1047 those of this table: code by code.
    pub fn from_1047(&self) -> [u8; CODES] {
        std::array::from_fn(|code| self.to_ebcdic[usize::from(EBCDIC_TO_LATIN1[code])])
    }
}

impl fmt::Debug for TranslateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TranslateTable").field(&self.id()).finish()
    }
}

fn code(digits: [u8; 2]) -> Option<u8> {
    let digit = |d: u8| char::from(d).to_digit(16);
    u8::try_from(digit(digits[0])? << 4 | digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> FileName {
        FileName::new(text).unwrap()
    }

    fn source(table: &TranslateTable) -> String {
        let half = |codes: &[u8; CODES]| {
            let rows =
                codes.chunks(16).map(|row| row.iter().map(|c| format!("{c:02X} ")).collect::<String>());
            rows.collect::<Vec<_>>().join("; a row\n")
        };
        format!("* to\n{}\n; from\n{}\n", half(table.to_ebcdic()), half(table.from_ebcdic()).to_lowercase())
    }

    /// The built-in table with two codes exchanged.
    fn other() -> TranslateTable {
        let mut to_ebcdic = LATIN1_TO_EBCDIC;
        to_ebcdic.swap(usize::from(b'['), usize::from(b'!'));
        let mut from_ebcdic = EBCDIC_TO_LATIN1;
        from_ebcdic.swap(0xAD, 0x5A);
        TranslateTable::new(name("OTHER"), to_ebcdic, from_ebcdic).unwrap()
    }

    #[test]
    fn a_table_comes_back_from_its_file_and_its_source() {
        for table in [TranslateTable::builtin(), other()] {
            let image = table.image();
            assert_eq!(image.len(), 3 * CODES);
            assert_eq!(TranslateTable::read(table.name(), image.chunks(CODES)), Ok(table.clone()));
            assert_eq!(TranslateTable::name_in(&image[..CODES]), Some(table.name()));
            let text = source(&table);
            assert_eq!(TranslateTable::read_source(table.name(), text.lines()), Ok(table.clone()));
            let close: String =
                text.lines().map(|l| l.split(';').next().unwrap().replace(' ', "") + "\n").collect();
            assert_eq!(TranslateTable::read_source(table.name(), close.lines()), Ok(table.clone()));
            assert_eq!(TableId::parse(&table.id().to_string()), Some(table.id()));
        }
        assert!(TranslateTable::builtin().is_builtin() && !other().is_builtin());
        assert!(!other().is_same(&TranslateTable::builtin()));
        assert_eq!(other().from_1047()[0xAD], 0x5A);
        assert_ne!(other().id().fingerprint, TranslateTable::builtin().id().fingerprint);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let table = other();
        let image = table.image();
        let read = |image: &[u8]| TranslateTable::read(name("X"), image.chunks(CODES)).unwrap_err();
        assert_eq!(read(&image[..2 * CODES]), TableError::Form);
        assert_eq!(read(&image[..3 * CODES - 1]), TableError::Form);
        assert_eq!(read(&[&image[..], &image[..CODES]].concat()), TableError::Form);
        assert_eq!(read(&image[CODES..]), TableError::Form);
        let mut bent = image;
        bent[2 * CODES + 0xC1] = b'B';
        assert_eq!(
            read(&bent).to_string(),
            "octet X'41' becomes X'C1', and that becomes X'42': mail would not come back as it came"
        );
        let read = |text: &str| TranslateTable::read_source(name("X"), text.lines()).unwrap_err().to_string();
        assert_eq!(read("00 01\n02 0G"), "record 2: 0G: pairs of hexadecimal digits are needed");
        assert_eq!(read("000"), "record 1: 000: pairs of hexadecimal digits are needed");
        assert_eq!(read("00 ; 01"), "there are 1 codes; 512 are needed, 256 to EBCDIC and 256 from it");
        assert_eq!(TableId::parse("X/123"), None);
        assert_eq!(TableId::parse("X"), None);
    }

    proptest! {
        #[test]
        fn any_records_get_an_answer(
            records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..5),
            text in "[ -~\n]{0,200}",
        ) {
            prop_assert!(TranslateTable::read(name("X"), records.iter().map(Vec::as_slice)).is_err());
            prop_assert!(TranslateTable::read_source(name("X"), text.lines()).is_err());
        }
    }
}
