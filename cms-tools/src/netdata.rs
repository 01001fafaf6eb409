//! NETDATA: the form in which SENDFILE sends a file as cards and RECEIVE takes it back.
//!
//! A stream of segments, cut into cards of 80 octets and blank padded at the end. A segment is a length octet (itself
//! and the flag octet included), a flag octet, and up to 253 octets of data; a record is one segment or more. Control
//! records (`INMR01` header, `INMR02` file, `INMR03` data, `INMR06` trailer) carry text units: key, count, and for each
//! value a length and the value.
//!
//! Not here: several files in one stream, acknowledgements, IEBCOPY data sets.
//!
//! Source: facts of file transfer formats carried by the spool; the CMS file id stands in INMDSNAM as `A`, name, type.

use cp::codepage;
use cp::name::UserId;
use sfs::types::RecordFormat;
use thiserror::Error;

/// Flag: first segment of a record.
const FIRST: u8 = 0x80;
/// Flag: last segment of a record.
const LAST: u8 = 0x40;
/// Flag: control record.
const CONTROL: u8 = 0x20;
/// Octets of data in one segment.
const MAX_SEGMENT: usize = 253;
/// Octets of a card.
pub const CARD: usize = 80;

const INMDSNAM: u16 = 0x0002;
const INMDSORG: u16 = 0x003C;
const INMLRECL: u16 = 0x0042;
const INMRECFM: u16 = 0x0049;
const INMTNODE: u16 = 0x1001;
const INMTUID: u16 = 0x1002;
const INMFNODE: u16 = 0x1011;
const INMFUID: u16 = 0x1012;
const INMFTIME: u16 = 0x1024;
const INMUTILN: u16 = 0x1028;
const INMSIZE: u16 = 0x102C;
const INMNUMF: u16 = 0x102F;

/// INMRECFM for fixed and variable records.
const RECFM_F: u16 = 0x8000;
const RECFM_V: u16 = 0x4000;
/// INMDSORG: physical sequential.
const DSORG_PS: u16 = 0x4000;

/// What is sent with a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heading {
    /// Sender.
    pub from: UserId,
    /// Sender's system.
    pub from_node: String,
    /// Addressee.
    pub to: UserId,
    /// Addressee's system.
    pub to_node: String,
    /// When, as `yyyymmddhhmmss`.
    pub time: String,
    /// File name and type.
    pub file: (String, String),
    /// Record format.
    pub recfm: RecordFormat,
    /// Record length.
    pub lrecl: u32,
}

/// Why a stream is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum NetdataError {
    /// The stream ends inside a record, or a length is impossible.
    #[error("the stream is cut off or damaged")]
    Damaged,
    /// Something this reader does not take.
    #[error("the stream holds {0}")]
    Unsupported(&'static str),
}

/// True when a spool file starts like a NETDATA stream.
pub fn is_netdata(first_card: &[u8]) -> bool {
    first_card.len() > 8
        && first_card[1] & CONTROL != 0
        && first_card[2..8] == codepage::from_text("INMR01")[..]
}

/// Builds the cards of a file.
pub fn encode<'a>(heading: &Heading, records: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut stream = Vec::new();
    let name = |t: &str| codepage::from_text(t);
    let number = |n: u32| n.to_be_bytes().to_vec();
    control(
        &mut stream,
        "INMR01",
        &[],
        &[
            (INMLRECL, vec![number(CARD as u32)]),
            (INMFNODE, vec![name(&heading.from_node)]),
            (INMFUID, vec![name(heading.from.as_str())]),
            (INMTNODE, vec![name(&heading.to_node)]),
            (INMTUID, vec![name(heading.to.as_str())]),
            (INMFTIME, vec![name(&heading.time)]),
            (INMNUMF, vec![number(1)]),
        ],
    );
    let recfm = if heading.recfm == RecordFormat::Fixed { RECFM_F } else { RECFM_V };
    let shape = [
        (INMDSORG, vec![DSORG_PS.to_be_bytes().to_vec()]),
        (INMLRECL, vec![number(heading.lrecl)]),
        (INMRECFM, vec![recfm.to_be_bytes().to_vec()]),
    ];
    let mut file = vec![
        (INMUTILN, vec![name("INMCOPY")]),
        (INMDSNAM, vec![name("A"), name(&heading.file.0), name(&heading.file.1)]),
        (INMSIZE, vec![number(0)]),
    ];
    file.extend(shape.iter().cloned());
    control(&mut stream, "INMR02", &1u32.to_be_bytes(), &file);
    control(&mut stream, "INMR03", &[], &shape);
    for record in records {
        segments(&mut stream, record, 0);
    }
    control(&mut stream, "INMR06", &[], &[]);
    let mut cards: Vec<Vec<u8>> = stream.chunks(CARD).map(<[u8]>::to_vec).collect();
    if let Some(last) = cards.last_mut() {
        last.resize(CARD, codepage::EBCDIC_BLANK);
    }
    cards
}

type TextUnit = (u16, Vec<Vec<u8>>);

fn control(stream: &mut Vec<u8>, mark: &str, extra: &[u8], units: &[TextUnit]) {
    let mut record = codepage::from_text(mark);
    record.extend_from_slice(extra);
    for (key, values) in units {
        record.extend_from_slice(&key.to_be_bytes());
        record.extend_from_slice(&(values.len() as u16).to_be_bytes());
        for value in values {
            record.extend_from_slice(&(value.len() as u16).to_be_bytes());
            record.extend_from_slice(value);
        }
    }
    segments(stream, &record, CONTROL);
}

fn segments(stream: &mut Vec<u8>, record: &[u8], kind: u8) {
    let mut pieces = record.chunks(MAX_SEGMENT).peekable();
    let mut flag = kind | FIRST;
    loop {
        let piece = pieces.next().unwrap_or(&[]);
        if pieces.peek().is_none() {
            flag |= LAST;
        }
        stream.push((piece.len() + 2) as u8);
        stream.push(flag);
        stream.extend_from_slice(piece);
        flag = kind;
        if pieces.peek().is_none() {
            return;
        }
    }
}

/// Takes the stream of a spool file apart: what was sent, and its records.
///
/// # Errors
/// [`NetdataError`].
pub fn decode(stream: &[u8]) -> Result<(Heading, Vec<Vec<u8>>), NetdataError> {
    let mut rest = stream;
    let mut heading: Option<Heading> = None;
    let mut records = Vec::new();
    let mut header_units = Vec::new();
    loop {
        let (kind, record, after) = next_record(rest)?;
        rest = after;
        if kind & CONTROL == 0 {
            records.push(record);
            continue;
        }
        let mark = codepage::to_text(record.get(..6).ok_or(NetdataError::Damaged)?);
        match mark.as_str() {
            "INMR01" => header_units = units(&record[6..])?,
            "INMR02" if heading.is_some() => return Err(NetdataError::Unsupported("more than one file")),
            "INMR02" => {
                let file = units(record.get(10..).ok_or(NetdataError::Damaged)?)?;
                heading = Some(heading_of(&header_units, &file)?);
            }
            "INMR06" => return heading.map(|h| (h, records)).ok_or(NetdataError::Damaged),
            // INMR03 repeats what INMR02 says; INMR04 is the sender's own; INMR07 is a notification.
            _ => {}
        }
    }
}

fn next_record(mut stream: &[u8]) -> Result<(u8, Vec<u8>, &[u8]), NetdataError> {
    let mut record = Vec::new();
    let mut kind = None;
    loop {
        let (&length, &flag) =
            (stream.first().ok_or(NetdataError::Damaged)?, stream.get(1).ok_or(NetdataError::Damaged)?);
        let length = usize::from(length);
        if length < 2 || length > stream.len() || (flag & FIRST != 0) != kind.is_none() {
            return Err(NetdataError::Damaged);
        }
        let first = *kind.get_or_insert(flag);
        record.extend_from_slice(&stream[2..length]);
        stream = &stream[length..];
        if flag & LAST != 0 {
            return Ok((first, record, stream));
        }
    }
}

fn units(mut data: &[u8]) -> Result<Vec<TextUnit>, NetdataError> {
    let mut found = Vec::new();
    let take = |data: &mut &[u8], n: usize| -> Result<Vec<u8>, NetdataError> {
        let (head, tail) = data.split_at_checked(n).ok_or(NetdataError::Damaged)?;
        *data = tail;
        Ok(head.to_vec())
    };
    let half = |data: &mut &[u8]| take(data, 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    while !data.is_empty() {
        let (key, count) = (half(&mut data)?, half(&mut data)?);
        let mut values = Vec::new();
        for _ in 0..count {
            let length = half(&mut data)?;
            values.push(take(&mut data, usize::from(length))?);
        }
        found.push((key, values));
    }
    Ok(found)
}

fn heading_of(header: &[TextUnit], file: &[TextUnit]) -> Result<Heading, NetdataError> {
    let texts = |units: &[TextUnit], key: u16| -> Vec<String> {
        let found = units.iter().find(|(k, _)| *k == key);
        found.map_or(Vec::new(), |(_, v)| v.iter().map(|b| codepage::to_text(b).trim().to_owned()).collect())
    };
    let text = |units: &[TextUnit], key: u16| texts(units, key).into_iter().next().unwrap_or_default();
    let number = |units: &[TextUnit], key: u16| {
        let value = units.iter().find(|(k, _)| *k == key).and_then(|(_, v)| v.first());
        value.map(|b| b.iter().take(4).fold(0u32, |n, o| n << 8 | u32::from(*o)))
    };
    if text(file, INMUTILN) != "INMCOPY" {
        return Err(NetdataError::Unsupported("something other than a plain file"));
    }
    let user = |t: String| UserId::new(&t).map_err(|_| NetdataError::Damaged);
    let names = texts(file, INMDSNAM);
    let (name, kind) = match &names[..] {
        [.., name, kind] => (name.clone(), kind.clone()),
        _ => return Err(NetdataError::Damaged),
    };
    let fixed = number(file, INMRECFM).unwrap_or(0) & u32::from(RECFM_F) != 0;
    Ok(Heading {
        from: user(text(header, INMFUID))?,
        from_node: text(header, INMFNODE),
        to: user(text(header, INMTUID))?,
        to_node: text(header, INMTNODE),
        time: text(header, INMFTIME),
        file: (name, kind),
        recfm: if fixed { RecordFormat::Fixed } else { RecordFormat::Variable },
        lrecl: number(file, INMLRECL).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heading() -> Heading {
        Heading {
            from: UserId::new("MAINT").unwrap(),
            from_node: "ENDICOTT".into(),
            to: UserId::new("JOE").unwrap(),
            to_node: "ENDICOTT".into(),
            time: "20260101120000".into(),
            file: ("PROFILE".into(), "EXEC".into()),
            recfm: RecordFormat::Variable,
            lrecl: 500,
        }
    }

    #[test]
    fn the_stream_starts_as_documented() {
        let cards = encode(&heading(), std::iter::empty());
        assert!(is_netdata(&cards[0]));
        assert_eq!(&cards[0][1..8], &[0xE0, 0xC9, 0xD5, 0xD4, 0xD9, 0xF0, 0xF1]);
        assert!(cards.iter().all(|c| c.len() == CARD));
    }

    proptest! {
        #[test]
        fn a_file_comes_back(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..10)) {
            let stream = encode(&heading(), records.iter().map(Vec::as_slice)).concat();
            prop_assert_eq!(decode(&stream).unwrap(), (heading(), records));
        }

        #[test]
        fn any_octets_get_an_answer(stream in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..400) {
            let _answer = decode(&stream);
            let good = encode(&heading(), [&stream[..]].into_iter()).concat();
            let _answer = decode(&good[..cut.min(good.len())]);
        }
    }
}
