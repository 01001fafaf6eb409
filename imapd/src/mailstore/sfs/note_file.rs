//! `<UID> NOTE`: a message as CMS records (format 1).
//!
//! RECFM V, EBCDIC by the translate table of the store (code page 1047, unless said otherwise), one record a line without its CRLF; lines end at CRLF and nowhere else, so a bare CR
//! or LF is data. In the image of the file the halfword with a record's length stands in front of it, that is, where
//! the wire has the CRLF of the line before: octet `n` of the message is octet `n + 2` of the image, and a line that
//! begins at octet `n` of the message has its halfword at octet `n` of the image.
//!
//! What records cannot say is marked in NOTE INDEX ([`NoteMarks`]): no CRLF at the end; a line longer than a record
//! can be, in which case all records are plain pieces of [`PIECE`] octets, the last one shorter.

use std::ops::Range;

use crate::mailstore::types::NoteMarks;
use crate::vm::codepage::{translate, translated, translated_behind};

/// Greatest length of a RECFM V record, and of a piece.
pub const PIECE: usize = 65_535;
/// Octets of the length in front of each record.
const HALFWORD: usize = 2;

/// Lines of a message without their CRLF.
fn lines(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = match line_end(rest) {
            Some(end) => (&rest[..end], &rest[end + 2..]),
            None => (rest, &rest[rest.len()..]),
        };
        rest = after;
        Some(line)
    })
}

/// Where the first CRLF is. Lines are short: looking for one octet costs less than to set out to look for two.
fn line_end(octets: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(lf) = memchr::memchr(b'\n', &octets[from..]).map(|i| from + i) {
        if lf > 0 && octets[lf - 1] == b'\r' {
            return Some(lf - 1);
        }
        from = lf + 1;
    }
    None
}

/// How many records a message takes, and its marks.
pub fn shape(octets: &[u8]) -> (u32, NoteMarks) {
    shape_and_lines(octets, |_, _| ())
}

/// The same, with the beginning and the length of every line told on the way.
fn shape_and_lines(octets: &[u8], mut line: impl FnMut(usize, usize)) -> (u32, NoteMarks) {
    let mut marks = 0;
    let (mut count, mut from) = (0usize, 0usize);
    // One pass for all of it, which is what a large message feels.
    let ends = memchr::memchr_iter(b'\n', octets).filter_map(|lf| {
        let crlf = lf > 0 && octets[lf - 1] == b'\r';
        if !crlf {
            marks |= NoteMarks::BARE_LF;
        }
        crlf.then(|| (lf - 1, lf + 1))
    });
    let mut longest = 0;
    for (end, next) in ends {
        longest = longest.max(end - from);
        line(from, end - from);
        (count, from) = (count + 1, next);
    }
    if from < octets.len() {
        longest = longest.max(octets.len() - from);
        line(from, octets.len() - from);
        count += 1;
    }
    if longest > PIECE {
        marks |= NoteMarks::PIECES;
    }
    if !octets.ends_with(b"\r\n") {
        marks |= NoteMarks::NO_FINAL_CRLF;
    }
    if marks & NoteMarks::PIECES != 0 {
        count = octets.len().div_ceil(PIECE);
    }
    (u32::try_from(count).unwrap_or(u32::MAX), NoteMarks(marks))
}

/// Octets to codes, or codes to octets.
type Table = [u8; 256];

/// The records of a message, in pieces of the image of about `most` octets: how many, and their image.
pub fn images(octets: &[u8], marks: NoteMarks, most: usize, to_ebcdic: &Table) -> Vec<(u32, Vec<u8>)> {
    let mut out: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut put = |record: &[u8]| {
        if out.last().is_none_or(|(_, image)| image.len() + record.len() + HALFWORD > most) {
            out.push((0, Vec::with_capacity(most.min(octets.len() + 64))));
        }
        let Some((count, image)) = out.last_mut() else { return };
        *count += 1;
        // Records are at most PIECE long, which is what a halfword holds.
        image.extend_from_slice(&(record.len() as u16).to_be_bytes());
        let begin = image.len();
        image.extend_from_slice(record);
        translate(&mut image[begin..], to_ebcdic);
    };
    if marks.has(NoteMarks::PIECES) {
        octets.chunks(PIECE).for_each(&mut put);
    } else {
        lines(octets).for_each(&mut put);
    }
    out
}

/// [`shape`], and the one image of a message whose lines are records, when it is not longer than `most`: everything moves by one
/// halfword, and each line's length takes the place of the CRLF before it.
pub fn shape_and_image(octets: &[u8], most: usize, to_ebcdic: &Table) -> (u32, NoteMarks, Option<Vec<u8>>) {
    if octets.is_empty() || octets.len() + HALFWORD > most {
        let (records, marks) = shape(octets);
        return (records, marks, None);
    }
    let mut image = translated_behind(HALFWORD, octets, to_ebcdic);
    let (records, marks) = shape_and_lines(octets, |at, len| {
        // A line that a halfword does not hold makes an image of pieces, and this one is thrown away.
        image[at..at + HALFWORD].copy_from_slice(&(len as u16).to_be_bytes());
    });
    if !marks.has(NoteMarks::NO_FINAL_CRLF) {
        image.truncate(octets.len());
    }
    (records, marks, Some(image).filter(|_| !marks.has(NoteMarks::PIECES)))
}

/// Which octets of the image to read for octets of the message, and how many octets of the message come before them in
/// what [`octets`] makes of them.
pub fn image_range(wanted: &Range<u64>, line: u64, size: u64, marks: NoteMarks) -> (Range<u64>, u64) {
    if marks.has(NoteMarks::PIECES) {
        let piece = wanted.start / PIECE as u64;
        let last = wanted.end.saturating_sub(1) / PIECE as u64;
        let from = piece * (PIECE + HALFWORD) as u64;
        let to = wanted.end + HALFWORD as u64 * (last + 1);
        return (from..to, wanted.start - piece * PIECE as u64);
    }
    // With bare line feeds a line of text may begin within a record: only the first record is sure to begin one.
    let line = if marks.has(NoteMarks::BARE_LF) { 0 } else { line.min(wanted.start) };
    (line..wanted.end.min(size) + HALFWORD as u64, wanted.start - line)
}

/// The octets of the message that a piece of the image, which begins with a halfword, stands for; at most `most`.
pub fn octets(image: &[u8], marks: NoteMarks, most: usize, from_ebcdic: &Table) -> Vec<u8> {
    if !marks.has(NoteMarks::PIECES) {
        return octets_of_lines(image, most, from_ebcdic);
    }
    let mut out = Vec::with_capacity(most + 2);
    let mut at = 0;
    while out.len() < most && at + HALFWORD <= image.len() {
        let len = usize::from(u16::from_be_bytes([image[at], image[at + 1]]));
        at += HALFWORD;
        let end = (at + len).min(image.len());
        out.extend_from_slice(&image[at..end]);
        at += len;
    }
    out.truncate(most);
    translate(&mut out, from_ebcdic);
    out
}

/// The same where lines are records: everything moves back by one halfword, and CRLF stands where the next length was.
fn octets_of_lines(image: &[u8], most: usize, from_ebcdic: &Table) -> Vec<u8> {
    let Some(text) = image.get(HALFWORD..) else { return Vec::new() };
    let text = &text[..text.len().min(most)];
    let mut out = translated(text, from_ebcdic, 2);
    let mut at = 0;
    while let Some(head) = image.get(at..at + HALFWORD) {
        // Where this line ends in the message, and the next length begins in the image less one halfword.
        let end = at + usize::from(u16::from_be_bytes([head[0], head[1]]));
        if end + HALFWORD > image.len() || end >= most {
            break;
        }
        out.resize(out.len().max(end + 2), 0);
        out[end..end + 2].copy_from_slice(b"\r\n");
        at = end + HALFWORD;
    }
    out.truncate(most);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::codepage::{EBCDIC_TO_LATIN1, LATIN1_TO_EBCDIC};
    use proptest::prelude::*;

    fn image_of(message: &[u8]) -> (Vec<u8>, NoteMarks) {
        let (records, marks) = shape(message);
        let images = images(message, marks, 1000, &LATIN1_TO_EBCDIC);
        assert_eq!(images.iter().map(|(n, _)| n).sum::<u32>(), records);
        let image: Vec<u8> = images.into_iter().flat_map(|(_, i)| i).collect();
        let (count, same, single) = shape_and_image(message, message.len() + HALFWORD, &LATIN1_TO_EBCDIC);
        assert_eq!((count, same), (records, marks));
        assert_eq!(single.is_none(), marks.has(NoteMarks::PIECES) || message.is_empty());
        assert!(single.is_none_or(|single| single == image));
        let (count, same, none) = shape_and_image(message, message.len() + HALFWORD - 1, &LATIN1_TO_EBCDIC);
        assert_eq!((count, same, none), (records, marks, None));
        (image, marks)
    }

    fn read(message: &[u8], wanted: Range<usize>, line: usize) -> Vec<u8> {
        let (image, marks) = image_of(message);
        let wanted64 = wanted.start as u64..wanted.end as u64;
        let (range, skip) = image_range(&wanted64, line as u64, message.len() as u64, marks);
        let range = range.start as usize..(range.end as usize).min(image.len());
        let all = octets(&image[range], marks, skip as usize + wanted.len(), &EBCDIC_TO_LATIN1);
        all[skip as usize..].to_vec()
    }

    #[test]
    fn offsets_are_those_of_the_wire() {
        let message = b"Subject: x\r\n\r\nbody\r\n";
        let (image, marks) = image_of(message);
        assert_eq!(marks, NoteMarks(0));
        assert_eq!(image.len(), message.len());
        assert_eq!(&image[14..16], &4u16.to_be_bytes());
        assert_eq!(image[16], LATIN1_TO_EBCDIC[usize::from(b'b')]);
    }

    #[test]
    fn line_length_at_and_past_the_limit() {
        for n in [PIECE, PIECE + 1, 3 * PIECE] {
            let message = [vec![b'x'; n], b"\r\nrest".to_vec()].concat();
            let (_, marks) = shape(&message);
            assert_eq!(marks.has(NoteMarks::PIECES), n > PIECE);
            assert_eq!(read(&message, 0..message.len(), 0), message);
            assert_eq!(read(&message, n - 3..n + 5, 0), &message[n - 3..n + 5]);
        }
    }

    proptest! {
        #[test]
        fn every_octet_comes_back(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just(b"\r\n".to_vec()), Just(b"\r".to_vec()), Just(b"\n".to_vec()),
                    proptest::collection::vec(any::<u8>(), 0..40)
                ], 1..60),
            a in any::<prop::sample::Index>(),
            b in any::<prop::sample::Index>(),
        ) {
            let message = pieces.concat();
            prop_assert_eq!(&read(&message, 0..message.len(), 0), &message);
            if !message.is_empty() {
                let (a, b) = (a.index(message.len()), b.index(message.len()));
                let (a, b) = (a.min(b), a.max(b));
                // the last line that begins at or before a
                let line = message[..a].windows(2).rposition(|w| w == b"\r\n").map_or(0, |i| i + 2);
                prop_assert_eq!(&read(&message, a..b, line), &message[a..b]);
                prop_assert_eq!(&read(&message, a..b, 0), &message[a..b]);
            }
        }
    }
}
