//! The text of a mail as it arrives after DATA: dot-stuffing undone, lines made into records.
//!
//! Records are collected as the image of a RECFM V file: a halfword length, then the line without CRLF in code page
//! 1047. A line ends at CRLF only; a CR or LF by itself is an octet like any other, so nothing of the mail is changed.
//!
//! Source: RFC 5321 section 4.5.2 (transparency).

use cms::cp::codepage::LATIN1_TO_EBCDIC;

use crate::limits::MAX_TEXT_LINE_OCTETS;

/// Why a text was not taken. The rest of it is read and thrown away before the reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextError {
    /// Longer than MAXMAILBYTES (552).
    #[error("Mail is too large")]
    TooLarge,
    /// A line longer than [`MAX_TEXT_LINE_OCTETS`] (500).
    #[error("Line of mail text is too long")]
    LineTooLong,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    /// At the first octet of a line.
    LineStart,
    /// After a period at the start of a line.
    Dot,
    /// After a period and CR at the start of a line.
    DotCr,
    /// Inside a line.
    Line,
    /// After a CR inside a line.
    Cr,
    /// The final period has been seen.
    End,
}

/// Collects the text of one mail.
pub struct TextReader {
    at: At,
    image: Vec<u8>,
    record_start: usize,
    octets: u64,
    max_octets: u64,
    error: Option<TextError>,
}

impl TextReader {
    /// A reader for a mail of at most `max_octets` as counted on the wire, after dot-stuffing is undone.
    pub fn new(max_octets: u64) -> Self {
        Self { at: At::LineStart, image: Vec::new(), record_start: 0, octets: 0, max_octets, error: None }
    }

    /// Takes octets from the wire up to the end of the text; returns how many were taken.
    pub fn feed(&mut self, input: &[u8]) -> usize {
        let mut taken = 0;
        while taken < input.len() && self.at != At::End {
            if self.at == At::Line {
                // The common case: a run of octets without CR.
                let run = memchr::memchr(b'\r', &input[taken..]).unwrap_or(input.len() - taken);
                self.push(&input[taken..taken + run]);
                taken += run;
                if taken == input.len() {
                    break;
                }
            }
            self.step(input[taken]);
            taken += 1;
        }
        taken
    }

    fn step(&mut self, octet: u8) {
        self.at = match (self.at, octet) {
            (At::LineStart, b'.') => At::Dot,
            (At::LineStart, b'\r') => {
                self.open();
                At::Cr
            }
            (At::LineStart, _) => {
                self.open();
                self.push(&[octet]);
                At::Line
            }
            (At::Dot, b'\r') => At::DotCr,
            // The first of the stuffed periods is not part of the text.
            (At::Dot, _) => {
                self.open();
                self.push(&[octet]);
                At::Line
            }
            (At::DotCr, b'\n') => At::End,
            (At::DotCr, b'\r') => {
                self.open();
                self.push(b"\r");
                At::Cr
            }
            (At::DotCr, _) => {
                self.open();
                self.push(&[b'\r', octet]);
                At::Line
            }
            (At::Line, b'\r') => At::Cr,
            (At::Line, _) => {
                self.push(&[octet]);
                At::Line
            }
            (At::Cr, b'\n') => {
                self.close();
                At::LineStart
            }
            (At::Cr, b'\r') => {
                self.push(b"\r");
                At::Cr
            }
            (At::Cr, _) => {
                self.push(&[b'\r', octet]);
                At::Line
            }
            (At::End, _) => At::End,
        };
    }

    fn open(&mut self) {
        self.record_start = self.image.len();
        if self.error.is_none() {
            self.image.extend_from_slice(&[0, 0]);
        }
    }

    fn push(&mut self, octets: &[u8]) {
        self.count(octets.len());
        if self.error.is_some() {
            return;
        }
        if self.image.len() - self.record_start - 2 + octets.len() > MAX_TEXT_LINE_OCTETS {
            self.fail(TextError::LineTooLong);
            return;
        }
        self.image.extend(octets.iter().map(|o| LATIN1_TO_EBCDIC[usize::from(*o)]));
    }

    fn close(&mut self) {
        self.count(2);
        if self.error.is_some() {
            return;
        }
        let length = self.image.len() - self.record_start - 2;
        let halfword = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        self.image[self.record_start..self.record_start + 2].copy_from_slice(&halfword);
    }

    fn count(&mut self, octets: usize) {
        self.octets += octets as u64;
        if self.octets > self.max_octets && self.error.is_none() {
            self.fail(TextError::TooLarge);
        }
    }

    /// From here on the text is read and thrown away.
    fn fail(&mut self, error: TextError) {
        self.error = Some(error);
        self.image = Vec::new();
        self.record_start = 0;
    }

    /// Reads on to the end without keeping anything; the mail then counts as too large.
    pub fn discard(&mut self) {
        if self.error.is_none() {
            self.fail(TextError::TooLarge);
        }
    }

    /// True once the final period has been read.
    pub fn is_complete(&self) -> bool {
        self.at == At::End
    }

    /// Octets held in memory.
    pub fn held(&self) -> usize {
        self.image.len()
    }

    /// The image of the text as a RECFM V file.
    ///
    /// # Errors
    /// [`TextError`] when the text was not taken.
    pub fn into_image(self) -> Result<Vec<u8>, TextError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.image),
        }
    }
}

/// Iterates over the records of a RECFM V image.
pub fn records(image: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = image;
    std::iter::from_fn(move || {
        let (head, tail) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*head)).min(tail.len());
        let (record, after) = tail.split_at(length);
        rest = after;
        Some(record)
    })
}

/// Appends one record to a RECFM V image; a record over 65,535 octets is cut.
pub fn append_record(image: &mut Vec<u8>, record: &[u8]) {
    let length = u16::try_from(record.len()).unwrap_or(u16::MAX);
    image.extend_from_slice(&length.to_be_bytes());
    image.extend_from_slice(&record[..usize::from(length)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use cms::cp::codepage::EBCDIC_TO_LATIN1;
    use proptest::prelude::*;

    fn read(wire: &[u8], chunk: usize) -> Result<Vec<Vec<u8>>, TextError> {
        let mut reader = TextReader::new(1 << 20);
        let mut taken = 0;
        for part in wire.chunks(chunk) {
            taken += reader.feed(part);
        }
        assert!(reader.is_complete());
        assert_eq!(taken, wire.len());
        let image = reader.into_image()?;
        Ok(records(&image).map(|r| r.iter().map(|b| EBCDIC_TO_LATIN1[usize::from(*b)]).collect()).collect())
    }

    #[test]
    fn dots_are_unstuffed_and_bare_line_ends_kept() {
        let lines = read(b"a\r\n..b\r\n\r\nx\ny\rz\r\n.\rq\r\n.\r\n", 3).unwrap();
        let expected: Vec<&[u8]> = vec![b"a", b".b", b"", b"x\ny\rz", b"\rq"];
        assert_eq!(lines, expected);
        assert_eq!(read(b".\r\n", 1).unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn limits_hold_at_and_one_past() {
        let line = |n: usize| [vec![b'x'; n], b"\r\n.\r\n".to_vec()].concat();
        assert!(read(&line(MAX_TEXT_LINE_OCTETS), 1000).is_ok());
        assert_eq!(read(&line(MAX_TEXT_LINE_OCTETS + 1), 1000), Err(TextError::LineTooLong));
        let mut reader = TextReader::new(10);
        reader.feed(b"12345678\r\n.\r\n");
        assert!(reader.into_image().is_ok());
        let mut reader = TextReader::new(10);
        reader.feed(b"123456789\r\n.\r\n");
        assert_eq!(reader.into_image(), Err(TextError::TooLarge));
    }

    proptest! {
        #[test]
        fn any_lines_survive_the_wire(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
            chunk in 1usize..50,
        ) {
            // A line as a client may send it: without CRLF inside and not ending in CR, which would join the CRLF.
            let clean: Vec<Vec<u8>> = lines.into_iter().map(|l| {
                let mut out: Vec<u8> = Vec::new();
                for b in l {
                    if b == b'\n' && out.last() == Some(&b'\r') { continue; }
                    out.push(b);
                }
                if out.last() == Some(&b'\r') { out.push(b'!'); }
                out
            }).collect();
            let mut wire = Vec::new();
            for l in &clean {
                if l.first() == Some(&b'.') { wire.push(b'.'); }
                wire.extend_from_slice(l);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b".\r\n");
            prop_assert_eq!(read(&wire, chunk).unwrap(), clean);
        }
    }
}
