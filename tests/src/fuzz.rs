//! Fuzz targets: plain functions over any octets. Each must come back, whatever it is given.
//!
//! `tests/fuzz` runs them under libFuzzer; the ordinary tests replay the seeds of [`SEEDS`] and mutations of them.

use bytes::Bytes;
use imapd::mail::base_subject::base_subject;
use imapd::mail::head::Head;
use imapd::mail::summary::Summary;
use imapd::mail::{NoteView, address, body_structure, decode, header, preview};
use imapd::wire::{Framer, Limits, Mode};

/// A target: its name and function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("imap_stream", imap_stream),
    ("mime_view", mime_view),
    ("smtp_command", smtp_command),
    ("smtp_text", smtp_text),
    ("addrblok", addrblok),
    ("netdata", netdata),
    ("user_directory", user_directory),
    ("names_file", names_file),
    ("exec", exec),
    ("object_directory", object_directory),
    ("splink", splink),
    ("pool_records", pool_records),
    ("backup", backup),
];

/// What a fuzzer starts from; every target gets all of them.
pub const SEEDS: &[&[u8]] = &[
    b"a1 LOGIN \"a\\\"b\" {3+}\r\nxyz\r\na2 FETCH 1:*,5:2 (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (To \"Cc\")]<0.10>)\r\n",
    b"a SEARCH CHARSET UTF-8 OR (FROM x NOT SEEN) SUBJECT {2}\r\nzz UID 1:4,9:*\r\nb APPEND INBOX (\\Seen) \" 1-Jan-2026 00:00:00 +0000\" {1}\r\n",
    b"c NOTIFY SET STATUS (selected-delayed (MessageNew (UID BODY.PEEK[HEADER.FIELDS (To)]) MessageExpunge FlagChange)) (subtree (a \"b c\") (MailboxName)) (personal NONE)\r\nd UID SORT RETURN (UPDATE (UID FLAGS) CONTEXT COUNT) (REVERSE DATE) UTF-8 OR SEEN UID 4:*\r\ne CANCELUPDATE \"d\"\r\n",
    b"c APPEND x CATENATE (URL \"/INBOX;UIDVALIDITY=1/;UID=2/;SECTION=1.MIME/;PARTIAL=0.9\" TEXT ~{1+}\r\nx UTF8 (~{1+}\r\ny))\r\n",
    b"d RLIST \"\" {1+}\r\n%\r\ne RLSUB a *\r\nf LIST (SUBSCRIBED REMOTE RECURSIVEMATCH) \"\" (a b) RETURN (STATUS (SIZE))\r\ng UID SEARCH UIDAFTER 3 NOT UIDBEFORE 9\r\n",
    b"Subject: =?utf-8?Q?=C3=A4?=\r\nFrom: g: a@b, \"x\" <y@z>;, (c) q@r\r\nContent-Type: multipart/mixed;\r\n boundary=\"b\"\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--b--\r\n",
    b"MAIL FROM:<@a,@b:\"x y\"@c.d> SIZE=1 BODY=8BITMIME\r\n",
    b"line\r\n..dot\r\n.\r\n",
    b"DIRECTORY 123 3390 ESARES\nPROFILE P\n MACHINE ESA\nUSER A 'it''s' 1M 2M ABC ,\n 64 ON OFF OFF OFF\n INCLUDE P\n IUCV *SPL MSGLIMIT 9\n MDISK 191 3390 1 5 V MR ALL\n LINK A 191 192 RR\n",
    b":nick.VMIPC :list.A B\n* c\n:nick.X :userid.Y\n",
    b"/* c */ 'A'; say \"x\"\nexit 4\n",
    // A log entry that changes a charge, and one that names an extent.
    b"\x00\x10\x00\x00\x00\x03\x03\x00\x00\x00JOE\x05\x00\x00\x00\x00\x00\x00\x00",
    b"\x01\x01\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x20\x00\x00\x00\x07\x07\x07\x07",
    b"SFSBKUP\x01\x06\x04\x00\x00\x00\x00\x00\x00\x00abcd",
];

/// The framer and the command grammar, as a connection uses them.
pub fn imap_stream(octets: &[u8]) {
    let mut framer = Framer::default();
    let limits = Limits::NOT_AUTHENTICATED;
    for piece in octets.chunks(7) {
        framer.feed(piece);
        while let Some(frame) = framer.next_frame(Mode::Command, &limits) {
            if let imapd::wire::Frame::Command(command) = frame {
                let _parsed = imapd::parse::command(&command);
            }
        }
    }
    let _parsed = imapd::parse::command(&Bytes::copy_from_slice(octets));
    if let Ok(text) = std::str::from_utf8(octets) {
        let _url = imapd::syntax::imap_url::UrlReference::parse(text);
        let _section = imapd::parse::section_spec(text);
    }
}

/// The MIME view of a message, and all that is shown or kept of it.
pub fn mime_view(octets: &[u8]) {
    let view = NoteView::new(octets);
    for part in view.structure.parts() {
        assert!(part.header.end <= octets.len() && part.body.end <= octets.len());
        let header = &octets[part.header.clone()];
        let _decoded = decode::binary(header, false, &octets[part.body.clone()]);
        for field in header::fields(header) {
            let text = decode::header_text(field.value);
            let subject = base_subject(&text).text;
            assert_eq!(base_subject(&subject).text, subject, "a base subject has none itself");
            let _addresses = address::parse(field.value);
        }
    }
    let mut rev1 = Vec::new();
    body_structure::write_rev1(&mut rev1, octets, &view.structure, true);
    for shown in [&view.envelope[..], &view.body, &view.body_structure, &rev1] {
        assert_eq!(lists(shown), Some((&b""[..], 1)), "{}", shown.escape_ascii());
    }
    assert!(view.preview(octets).chars().count() <= preview::MAX_CHARS);
    if let Some(summary) = Summary::of(octets, &view.structure) {
        assert_eq!(Summary::read(summary.octets().clone(), octets.len() as u64), Some(summary));
    }
    let _found = decode::body_texts(octets, &view.structure, |_, _| false);
    let _head = Head::new(octets);
}

/// Reads parenthesized lists, atoms, strings and literals up to where none begins, without recursion; what is left, and how many values there
/// were outside of all lists. `None` when a list or string does not end as the grammar wants it (RFC 9051 section 9).
fn lists(mut rest: &[u8]) -> Option<(&[u8], usize)> {
    let (mut depth, mut values) = (0usize, 0);
    while let Some((&first, behind)) = rest.split_first() {
        let len = match first {
            b'(' => {
                depth += 1;
                1
            }
            b')' => {
                depth = depth.checked_sub(1)?;
                1
            }
            b' ' => 1,
            b'"' => {
                let mut len = 0;
                while *behind.get(len)? != b'"' {
                    len += if behind[len] == b'\\' { 2 } else { 1 };
                }
                behind[..len].iter().all(|octet| !b"\r\n\0".contains(octet)).then_some(len + 2)?
            }
            b'{' => {
                let end = behind.windows(3).position(|w| w == b"}\r\n")?;
                let octets: usize = std::str::from_utf8(&behind[..end]).ok()?.parse().ok()?;
                1 + end + 3 + octets
            }
            b'0'..=b'9' | b'A'..=b'Z' => {
                behind.iter().take_while(|octet| octet.is_ascii_alphanumeric()).count() + 1
            }
            _ => break,
        };
        rest = rest.get(len..)?;
        values += usize::from(depth == 0 && first != b' ');
    }
    (depth == 0).then_some((rest, values))
}

/// The SMTP command grammar.
pub fn smtp_command(octets: &[u8]) {
    let _parsed = smtp_exit::parse::command(octets);
}

/// Mail text after DATA.
pub fn smtp_text(octets: &[u8]) {
    let mut reader = smtp_exit::text::TextReader::new(1 << 16);
    for piece in octets.chunks(5) {
        let taken = reader.feed(piece);
        assert!(taken == piece.len() || reader.is_complete());
    }
    let _image = reader.into_image();
}

/// Records and log entries of a file pool.
pub fn pool_records(octets: &[u8]) {
    let _taken = cms::sfs::pool::decode_anything(octets);
}

/// Backups of a file pool.
pub fn backup(octets: &[u8]) {
    let mut input = octets;
    let _whole = cms::sfs::tools::verify(&mut input);
}

/// ADDRBLOK files.
pub fn addrblok(octets: &[u8]) {
    let _block = smtp_exit::note::AddrBlok::decode(octets);
}

/// NETDATA streams.
pub fn netdata(octets: &[u8]) {
    let _file = cms::netdata::decode(octets);
}

/// USER DIRECT.
pub fn user_directory(octets: &[u8]) {
    let _directory = cp::directory::source::read(&String::from_utf8_lossy(octets));
}

/// The object directory.
pub fn object_directory(octets: &[u8]) {
    let _image = cp::directory::object::load(octets);
}

/// NAMES files.
pub fn names_file(octets: &[u8]) {
    let _entries = cms::names::parse(String::from_utf8_lossy(octets).lines());
}

/// EXECs of commands.
pub fn exec(octets: &[u8]) {
    let _clauses = cms::exec::parse(&String::from_utf8_lossy(octets));
}

/// SPLINK pages.
pub fn splink(octets: &[u8]) {
    let mut page = octets.to_vec();
    page.resize(4096, 0);
    let mut unpager = spool::spl::splink::Unpager::default();
    if unpager.feed(Bytes::from(page)).is_ok() {
        while let Ok(Some(_)) = unpager.record() {}
    }
}
