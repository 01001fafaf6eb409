//! Notes on the A-disk: two files a mail, `nnnnnnnn NOTE` with the text and `nnnnnnnn ADDRBLOK` with what is to be done.
//!
//! ADDRBLOK, RECFM V, one record each: a header, the sender, then a record for every recipient that is still to be
//! served. NOTE is written first and ADDRBLOK second; both are durable before the mail is acknowledged. A NOTE without
//! an ADDRBLOK was never acknowledged and is erased at start; an ADDRBLOK without recipients is finished business.
//!
//! Header record: `ADDRBLOK 1 note received-us body tries next-us helo`, blank separated, times in microseconds.

use std::fmt;
use std::sync::Arc;

use cms::cp::codepage;
use cms::cp::name::{FileName, FileType, UserId};
use cms::files::{FileStore, StoreError, StoreResult, read_all, records, write_all};
use cms::sfs::types::{Attributes, FileId, RecordFormat};

use crate::limits::MAX_RECIPIENTS;
use crate::parse;
use crate::syntax::{BodyKind, Mailbox, ReversePath};
use crate::text::append_record;

/// Greatest size of an ADDRBLOK in octets: all recipients at their longest, and the header.
const MAX_ADDRBLOK_OCTETS: usize = MAX_RECIPIENTS * 512 + 4096;

/// Version in the header record.
const VERSION: &str = "1";

/// Number of a note: eight digits, the file name of its files.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NoteNumber(u32);

impl NoteNumber {
    /// Greatest number; after it the count starts again at 1.
    pub const MAX: u32 = 99_999_999;

    /// `Some` for 1 to 99,999,999.
    pub fn new(number: u32) -> Option<Self> {
        (1..=Self::MAX).contains(&number).then_some(Self(number))
    }

    /// The number after this one.
    pub fn next(self) -> Self {
        Self(if self.0 >= Self::MAX { 1 } else { self.0 + 1 })
    }

    fn parse(name: &str) -> Option<Self> {
        (name.len() == 8).then(|| name.parse().ok()).flatten().and_then(Self::new)
    }

    fn file(self, kind: &str) -> FileId {
        let name = FileName::new(&self.to_string()).expect("eight digits are a file name");
        FileId::new(name, FileType::new(kind).expect("the types are constants"))
    }
}

impl fmt::Display for NoteNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}", self.0)
    }
}

/// A recipient that is still to be served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    /// The local user.
    pub user: UserId,
    /// The address as given.
    pub mailbox: Mailbox,
}

/// What is to be done with a note.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddrBlok {
    /// The note.
    pub number: NoteNumber,
    /// When it was received, microseconds since 1970. With the number it names the mail for all time.
    pub received: i64,
    /// BODY parameter.
    pub body: BodyKind,
    /// Deliveries tried so far.
    pub tries: u32,
    /// When the next try is due, microseconds since 1970; 0 is at once.
    pub due: i64,
    /// HELO name of the client.
    pub helo: String,
    /// Who gets error notices.
    pub from: ReversePath,
    /// Who is still to be served.
    pub pending: Vec<Pending>,
}

/// An ADDRBLOK that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("ADDRBLOK record {record}: {reason}")]
pub struct AddrBlokError {
    /// Number of the record, from 1.
    pub record: usize,
    /// What is wrong.
    pub reason: &'static str,
}

impl AddrBlok {
    /// The image of the file.
    pub fn encode(&self) -> Vec<u8> {
        let body = if self.body == BodyKind::EightBitMime { "8BITMIME" } else { "7BIT" };
        let helo = if self.helo.is_empty() { "-" } else { &self.helo };
        let header = format!(
            "ADDRBLOK {VERSION} {} {} {body} {} {} {helo}",
            self.number, self.received, self.tries, self.due
        );
        let sender = self.from.as_ref().map_or("<>".to_owned(), |m| format!("<{m}>"));
        let mut image = Vec::new();
        let recipients = self.pending.iter().map(|p| format!("{} <{}>", p.user, p.mailbox));
        for line in [header, sender].into_iter().chain(recipients) {
            append_record(&mut image, &codepage::from_text(&line));
        }
        image
    }

    /// Reads the image of the file.
    ///
    /// # Errors
    /// [`AddrBlokError`] with the record.
    pub fn decode(image: &[u8]) -> Result<Self, AddrBlokError> {
        let lines: Vec<String> = records(image, RecordFormat::Variable, 0).map(codepage::to_text).collect();
        let bad = |record, reason| AddrBlokError { record, reason };
        let header = lines.first().ok_or(bad(1, "missing"))?;
        let words: Vec<&str> = header.splitn(8, ' ').collect();
        let [mark, version, number, received, body, tries, due, helo] = words[..] else {
            return Err(bad(1, "not eight fields"));
        };
        if (mark, version) != ("ADDRBLOK", VERSION) {
            return Err(bad(1, "not an ADDRBLOK of version 1"));
        }
        let sender = lines.get(1).ok_or(bad(2, "missing"))?;
        let pending = lines.iter().enumerate().skip(2).map(|(i, line)| {
            let parsed = line.split_once(' ').and_then(|(user, path)| {
                Some(Pending { user: UserId::new(user).ok()?, mailbox: path_mailbox(path)? })
            });
            parsed.ok_or(bad(i + 1, "not a recipient"))
        });
        Ok(Self {
            number: NoteNumber::parse(number).ok_or(bad(1, "not a note number"))?,
            received: received.parse().map_err(|_| bad(1, "not a time"))?,
            body: if body == "8BITMIME" { BodyKind::EightBitMime } else { BodyKind::SevenBit },
            tries: tries.parse().map_err(|_| bad(1, "not a count of tries"))?,
            due: due.parse().map_err(|_| bad(1, "not a time"))?,
            helo: if helo == "-" { String::new() } else { helo.to_owned() },
            from: if sender == "<>" { None } else { Some(path_mailbox(sender).ok_or(bad(2, "not a path"))?) },
            pending: pending.collect::<Result<_, _>>()?,
        })
    }
}

fn path_mailbox(path: &str) -> Option<Mailbox> {
    parse::address(path.strip_prefix('<')?.strip_suffix('>')?)
}

/// The notes on the A-disk.
#[derive(Clone)]
pub struct NoteDisk {
    store: Arc<dyn FileStore>,
}

/// What a scan of the disk at start found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Notes to be delivered.
    pub notes: Vec<AddrBlok>,
    /// Lines for the console about what was cleaned up.
    pub messages: Vec<String>,
    /// Greatest number in use.
    pub highest: u32,
}

impl NoteDisk {
    /// The notes in `store`.
    pub fn new(store: Arc<dyn FileStore>) -> Self {
        Self { store }
    }

    /// Makes a new note durable: when this returns, the mail can be acknowledged.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is left behind then that a start would not clean up.
    pub async fn save(&self, block: &AddrBlok, text: Vec<u8>) -> StoreResult<()> {
        write_all(&*self.store, block.number.file("NOTE"), Attributes::variable(), text).await?;
        self.update(block).await
    }

    /// Replaces the ADDRBLOK of a note.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn update(&self, block: &AddrBlok) -> StoreResult<()> {
        write_all(&*self.store, block.number.file("ADDRBLOK"), Attributes::variable(), block.encode()).await
    }

    /// The text of a note as a RECFM V image.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn text(&self, number: NoteNumber) -> StoreResult<Vec<u8>> {
        read_all(&*self.store, number.file("NOTE"), usize::MAX).await.map(|(_, image)| image)
    }

    /// Erases a note that has been served. ADDRBLOK goes first: what a crash leaves is a NOTE that a start erases.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn erase(&self, number: NoteNumber) -> StoreResult<()> {
        for kind in ["ADDRBLOK", "NOTE"] {
            match self.store.erase(number.file(kind)).await {
                Ok(()) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is on the disk at start and cleans up what was never acknowledged.
    ///
    /// # Errors
    /// [`StoreError`] when the disk cannot be read.
    pub async fn scan(&self) -> StoreResult<Scan> {
        let files = self.store.list().await?;
        let mut scan = Scan::default();
        let numbers: std::collections::BTreeMap<NoteNumber, (bool, bool)> =
            files.iter().fold(std::collections::BTreeMap::new(), |mut all, file| {
                if let Some(number) = NoteNumber::parse(file.id.name.as_str()) {
                    let entry = all.entry(number).or_insert((false, false));
                    entry.0 |= file.id.kind.as_str() == "NOTE";
                    entry.1 |= file.id.kind.as_str() == "ADDRBLOK";
                }
                all
            });
        for (number, (has_note, has_block)) in numbers {
            scan.highest = scan.highest.max(number.0);
            if !has_block {
                self.erase(number).await?;
                continue;
            }
            let image = read_all(&*self.store, number.file("ADDRBLOK"), MAX_ADDRBLOK_OCTETS).await?.1;
            match AddrBlok::decode(&image) {
                Ok(block) if has_note && !block.pending.is_empty() => scan.notes.push(block),
                Ok(_) => self.erase(number).await?,
                Err(error) => {
                    scan.messages
                        .push(format!("{number} ADDRBLOK was incomplete and was left alone: {error}"));
                }
            }
        }
        Ok(scan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block() -> AddrBlok {
        AddrBlok {
            number: NoteNumber::new(42).unwrap(),
            received: 1_700_000_000_000_000,
            body: BodyKind::EightBitMime,
            tries: 3,
            due: 5,
            helo: "my host".into(),
            from: parse::address("a@b"),
            pending: Vec::new(),
        }
    }

    #[test]
    fn damage_is_named_by_record() {
        assert_eq!(AddrBlok::decode(&[]).unwrap_err().record, 1);
        let mut image = block().encode();
        append_record(&mut image, &codepage::from_text("nonsense"));
        assert_eq!(
            AddrBlok::decode(&image).unwrap_err(),
            AddrBlokError { record: 3, reason: "not a recipient" }
        );
    }

    #[test]
    fn numbers_go_round() {
        assert_eq!(NoteNumber::new(NoteNumber::MAX).unwrap().next().to_string(), "00000001");
        assert!(NoteNumber::new(NoteNumber::MAX + 1).is_none() && NoteNumber::new(0).is_none());
    }

    proptest! {
        #[test]
        fn a_block_comes_back(users in prop::collection::vec(("[A-Z]{5,8}", "[!-~]{1,20}"), 0..5), null in any::<bool>()) {
            let mut b = block();
            if null { b.from = None; }
            b.pending = users.into_iter().map(|(u, l)| Pending {
                user: UserId::new(&u).unwrap(),
                mailbox: Mailbox { local: l, domain: "vm.localhost".into() },
            }).collect();
            prop_assert_eq!(AddrBlok::decode(&b.encode()).unwrap(), b);
        }

        #[test]
        fn any_octets_get_an_answer(image in prop::collection::vec(any::<u8>(), 0..200)) {
            let _answer = AddrBlok::decode(&image);
        }
    }
}
