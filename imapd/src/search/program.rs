//! A search key made ready: sets resolved, text decoded and folded.

use std::sync::Arc;

use jiff::civil::Date;
use thiserror::Error;

use super::column::ColumnKey;
use super::fold::Needle;
use crate::mail::scan::{Structure, scan};
use crate::mail::summary::keeps;
use crate::mail::{decode, header};
use crate::mailstore::{EmailId, MessageRecord, ModSeq};
use crate::syntax::date::header_date;
use crate::syntax::flag::{Keyword, SystemFlags};
use crate::syntax::search_key::{DateTest, SearchKey};
use crate::syntax::seqset::NumberSet;

/// Why a search cannot be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProgramError {
    /// Answered with BADCHARSET.
    #[error("charset is not known")]
    UnknownCharset,
}

/// What a key is judged against, messages apart.
pub struct Context<'a> {
    /// The bit of a keyword in the mailbox.
    pub keyword_bit: &'a dyn Fn(&Keyword) -> Option<u64>,
    /// `*` as a message number.
    pub greatest_seq: u32,
    /// `*` as a UID.
    pub greatest_uid: u32,
    /// `$`, as UIDs.
    pub saved: &'a NumberSet,
    /// Seconds since 1970 UTC.
    pub now: i64,
}

/// What the index and the session know of one message.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Message number in the session.
    pub seq: u32,
    /// The record of the index.
    pub record: &'a MessageRecord,
    /// Whether the session shows `\Recent`.
    pub recent: bool,
}

/// A message read and scanned for keys that look inside.
pub struct Content<'a> {
    message: &'a [u8],
    structure: Structure,
}

impl<'a> Content<'a> {
    /// Scans a message.
    pub fn new(message: &'a [u8]) -> Self {
        Self { message, structure: scan(message) }
    }

    fn header(&self) -> &'a [u8] {
        &self.message[self.structure.root().header.clone()]
    }
}

/// A key ready to be judged.
#[derive(Debug)]
pub enum Program {
    /// All of these.
    And(Vec<Program>),
    /// Either.
    Or(Box<Program>, Box<Program>),
    /// Not this.
    Not(Box<Program>),
    /// Known beforehand.
    Constant(bool),
    /// Message numbers.
    Sequence(NumberSet),
    /// UIDs.
    Uid(NumberSet),
    /// System flag.
    Flag(SystemFlags),
    /// `\Recent`
    Recent,
    /// Keyword bit of the mailbox.
    Keyword(u64),
    /// Internal date.
    Internal(DateTest, Date),
    /// Date header.
    Sent(DateTest, Date),
    /// Internal date at or before this moment.
    Until(i64),
    /// Internal date at or after this moment.
    From(i64),
    /// Changed at or after this.
    ModSeq(ModSeq),
    /// Date of saving.
    Saved(DateTest, Date),
    /// EMAILID.
    EmailId(EmailId),
    /// Greater than.
    Larger(u32),
    /// Less than.
    Smaller(u32),
    /// Field and text.
    Header(Vec<u8>, Arc<Needle>),
    /// Body text.
    Body(Arc<Needle>),
    /// Header or body text.
    Text(Arc<Needle>),
}

impl Program {
    /// Prepares a key.
    ///
    /// # Errors
    /// [`ProgramError::UnknownCharset`].
    pub fn new(key: &SearchKey, charset: Option<&[u8]>, context: &Context<'_>) -> Result<Self, ProgramError> {
        if charset.is_some_and(|c| !decode::knows_charset(c)) {
            return Err(ProgramError::UnknownCharset);
        }
        let needle = |text: &[u8]| Arc::new(Needle::new(&decode::charset_text(charset, text)));
        // Depth is bounded by the parser (SearchKey::MAX_DEPTH), so recursion is.
        let again = |k: &SearchKey| Self::new(k, charset, context);
        Ok(match key {
            SearchKey::And(keys) => Self::And(keys.iter().map(again).collect::<Result<_, _>>()?),
            SearchKey::Or(a, b) => Self::Or(Box::new(again(a)?), Box::new(again(b)?)),
            SearchKey::Not(a) => Self::Not(Box::new(again(a)?)),
            SearchKey::All => Self::Constant(true),
            SearchKey::Sequence(set) | SearchKey::Uid(set) if set.is_saved() => {
                Self::Uid(context.saved.clone())
            }
            SearchKey::Sequence(set) => Self::Sequence(set.resolve(context.greatest_seq)),
            SearchKey::Uid(set) => Self::Uid(set.resolve(context.greatest_uid)),
            SearchKey::UidAfter(uid) => match uid.checked_add(1) {
                Some(first) => Self::Uid(NumberSet::from_ranges([(first, u32::MAX)])),
                None => Self::Constant(false),
            },
            SearchKey::UidBefore(uid) => match uid.checked_sub(1) {
                Some(last) => Self::Uid(NumberSet::from_ranges([(last, 0)])),
                None => Self::Constant(false),
            },
            SearchKey::Flag(f) => Self::Flag(*f),
            SearchKey::Recent => Self::Recent,
            SearchKey::Keyword(k) => (context.keyword_bit)(k).map_or(Self::Constant(false), Self::Keyword),
            SearchKey::Internal(test, date) => Self::Internal(*test, *date),
            SearchKey::Sent(test, date) => Self::Sent(*test, *date),
            SearchKey::Older(n) => Self::Until(context.now - i64::from(*n)),
            SearchKey::Younger(n) => Self::From(context.now - i64::from(*n)),
            SearchKey::ModSeq(n) => Self::ModSeq(*n),
            SearchKey::Saved(test, date) => Self::Saved(*test, *date),
            SearchKey::EmailId(id) => EmailId::parse(id).map_or(Self::Constant(false), Self::EmailId),
            SearchKey::ThreadId(_) => Self::Constant(false),
            SearchKey::Larger(n) => Self::Larger(*n),
            SearchKey::Smaller(n) => Self::Smaller(*n),
            SearchKey::Header(name, text) => Self::Header(name.clone(), needle(text)),
            SearchKey::Body(text) => Self::Body(needle(text)),
            SearchKey::Text(text) => Self::Text(needle(text)),
        })
    }

    /// Whether only texts are asked for, so that the index decides nothing beforehand.
    pub fn asks_for_texts_alone(&self) -> bool {
        match self {
            Self::And(keys) => keys.iter().all(Self::asks_for_texts_alone),
            Self::Or(a, b) => a.asks_for_texts_alone() && b.asks_for_texts_alone(),
            Self::Not(a) => a.asks_for_texts_alone(),
            Self::Constant(answer) => *answer,
            Self::Header(..) => true,
            Self::Body(n) | Self::Text(n) => !n.is_empty(),
            _ => false,
        }
    }

    /// Whether all that is asked for beside the index is in the fields that summaries keep, so that these judge as the
    /// message would.
    pub fn asks_for_kept_fields_alone(&self) -> bool {
        match self {
            Self::And(keys) => keys.iter().all(Self::asks_for_kept_fields_alone),
            Self::Or(a, b) => a.asks_for_kept_fields_alone() && b.asks_for_kept_fields_alone(),
            Self::Not(a) => a.asks_for_kept_fields_alone(),
            Self::Header(name, _) => keeps(name),
            Self::Body(n) | Self::Text(n) => n.is_empty(),
            // Date is kept.
            _ => true,
        }
    }

    /// The columns in which a key's text is to be looked for; none for keys of other kinds and for those that the index
    /// answers.
    fn columns(&self) -> Option<(Vec<ColumnKey>, &Arc<Needle>)> {
        match self {
            Self::Header(name, needle) => Some((vec![ColumnKey::field(name)], needle)),
            Self::Body(needle) if !needle.is_empty() => Some((vec![ColumnKey::Body], needle)),
            Self::Text(needle) if !needle.is_empty() => {
                Some((vec![ColumnKey::Header, ColumnKey::Body], needle))
            }
            _ => None,
        }
    }

    /// What is to be looked for in columns, in the order in which [`Program::settle`] takes the answers.
    pub fn texts(&self, out: &mut Vec<(Vec<ColumnKey>, Arc<Needle>)>) {
        match self {
            Self::And(keys) => keys.iter().for_each(|k| k.texts(out)),
            Self::Or(a, b) => {
                a.texts(out);
                b.texts(out);
            }
            Self::Not(a) => a.texts(out),
            key => out.extend(key.columns().map(|(columns, needle)| (columns, needle.clone()))),
        }
    }

    /// The program with the keys of [`Program::texts`] answered, as far as they are, by the UIDs that match.
    #[must_use]
    pub fn settle(self, answers: &mut impl Iterator<Item = Option<NumberSet>>) -> Self {
        match self {
            Self::And(keys) => Self::And(keys.into_iter().map(|k| k.settle(answers)).collect()),
            Self::Or(a, b) => {
                let a = a.settle(answers);
                Self::Or(Box::new(a), Box::new(b.settle(answers)))
            }
            Self::Not(a) => Self::Not(Box::new(a.settle(answers))),
            key => match key.columns().and_then(|_| answers.next()) {
                Some(Some(uids)) => Self::Uid(uids),
                _ => key,
            },
        }
    }

    /// Judges by the index alone; `None` when the message must be read.
    pub fn by_index(&self, row: &Row<'_>) -> Option<bool> {
        Some(match self {
            Self::And(keys) => {
                let mut unknown = false;
                for key in keys {
                    match key.by_index(row) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => unknown = true,
                    }
                }
                return (!unknown).then_some(true);
            }
            Self::Or(a, b) => match (a.by_index(row), b.by_index(row)) {
                (Some(true), _) | (_, Some(true)) => true,
                (Some(false), Some(false)) => false,
                _ => return None,
            },
            Self::Not(a) => !a.by_index(row)?,
            Self::Constant(answer) => *answer,
            Self::Sequence(set) => set.contains(row.seq),
            Self::Uid(set) => set.contains(row.record.uid.0),
            Self::Flag(f) => row.record.flags.contains(*f),
            Self::Recent => row.recent,
            Self::Keyword(bit) => row.record.keywords & bit != 0,
            Self::Internal(test, date) => compare(*test, row.record.date.date(), *date),
            Self::Until(moment) => row.record.date.seconds <= *moment,
            Self::From(moment) => row.record.date.seconds >= *moment,
            Self::ModSeq(n) => row.record.modseq >= *n,
            Self::Saved(test, date) => compare(*test, row.record.save_date().date(), *date),
            Self::EmailId(id) => row.record.email == *id,
            Self::Larger(n) => row.record.size > u64::from(*n),
            Self::Smaller(n) => row.record.size < u64::from(*n),
            Self::Text(n) | Self::Body(n) if n.is_empty() => true,
            Self::Sent(..) | Self::Header(..) | Self::Body(_) | Self::Text(_) => return None,
        })
    }

    /// Judges with the message at hand.
    pub fn by_content(&self, row: &Row<'_>, content: &Content<'_>) -> bool {
        match self {
            Self::And(keys) => keys.iter().all(|k| k.by_content(row, content)),
            Self::Or(a, b) => a.by_content(row, content) || b.by_content(row, content),
            Self::Not(a) => !a.by_content(row, content),
            Self::Sent(test, date) => header::find(content.header(), b"Date")
                .and_then(|f| header_date(&decode::charset_text(None, &header::unfold(f.value))))
                .is_some_and(|d| compare(*test, d, *date)),
            Self::Header(name, needle) => header::fields(content.header())
                .filter(|f| f.is(name))
                .any(|f| needle.is_empty() || needle.is_in(&decode::header_text(f.value))),
            Self::Body(needle) if !needle.is_empty() => {
                decode::body_texts(content.message, &content.structure, |text| needle.is_in(text))
            }
            Self::Text(needle) | Self::Body(needle) if needle.is_empty() => true,
            Self::Text(needle) => {
                header::fields(content.header()).any(|f| {
                    let name = decode::charset_text(None, f.name);
                    needle.is_in(&format!("{name}: {}", decode::header_text(f.value)))
                }) || decode::body_texts(content.message, &content.structure, |text| needle.is_in(text))
            }
            _ => self.by_index(row).unwrap_or(false),
        }
    }
}

fn compare(test: DateTest, have: Date, want: Date) -> bool {
    match test {
        DateTest::Before => have < want,
        DateTest::On => have == want,
        DateTest::Since => have >= want,
    }
}
