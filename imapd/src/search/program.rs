//! A search key made ready: sets resolved, text decoded and folded.

use std::sync::Arc;

use jiff::civil::Date;
use thiserror::Error;

use super::column::{ColumnKey, Counted, is_in_addresses};
use super::fold::{Needle, fold};
use super::fuzzy::{Likeness, NoQuery, Query};
use crate::mail::decode::BodyText;
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
    /// Answered with LIMIT.
    #[error("too many words in a FUZZY text")]
    TooManyWords,
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
    /// The EMAILID that is shown so, as records have it.
    pub email_id: &'a dyn Fn(&[u8]) -> Option<EmailId>,
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

/// A text that is looked for in columns.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// As it is.
    Exact(Arc<Needle>),
    /// Approximately.
    Fuzzy(Arc<Query>),
}

/// What columns say of a text.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The UIDs of messages that have it.
    Uids(NumberSet),
    /// The same with their scores, UIDs ascending.
    Scores(Vec<(u32, u8)>),
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
    Larger(u64),
    /// Less than.
    Smaller(u64),
    /// Field and text.
    Header(Vec<u8>, Arc<Needle>),
    /// Field with addresses and text.
    Addresses(Vec<u8>, Arc<Needle>),
    /// Body text.
    Body(Arc<Needle>),
    /// Header or body text.
    Text(Arc<Needle>),
    /// A text key that FUZZY stands before: the columns of its texts, and the words.
    Fuzzy(Vec<ColumnKey>, Arc<Query>),
    /// The same, answered: UIDs that match with their scores.
    Scores(Arc<Vec<(u32, u8)>>),
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
        Self::made(key, charset, context, false)
    }

    fn made(
        key: &SearchKey,
        charset: Option<&[u8]>,
        context: &Context<'_>,
        fuzzy: bool,
    ) -> Result<Self, ProgramError> {
        let needle = |text: &[u8]| Arc::new(Needle::new(&decode::charset_text(charset, text)));
        // Depth is bounded by the parser (SearchKey::MAX_DEPTH), so recursion is.
        let again = |k: &SearchKey| Self::made(k, charset, context, fuzzy);
        let columns = match key {
            SearchKey::Header(name, text) | SearchKey::Addresses(name, text) => {
                Some((vec![ColumnKey::field(name)], text))
            }
            SearchKey::Body(text) => Some((vec![ColumnKey::Body], text)),
            SearchKey::Text(text) => Some((vec![ColumnKey::Header, ColumnKey::Body], text)),
            _ => None,
        };
        if let Some((columns, text)) = columns.filter(|_| fuzzy) {
            match Query::new(&decode::charset_text(charset, text)) {
                Ok(query) => return Ok(Self::Fuzzy(columns, Arc::new(query))),
                Err(NoQuery::TooMany) => return Err(ProgramError::TooManyWords),
                // Without words it is looked for as it is.
                Err(NoQuery::NoWords) => {}
            }
        }
        Ok(match key {
            SearchKey::Fuzzy(key) => Self::made(key, charset, context, true)?,
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
            SearchKey::EmailId(id) => (context.email_id)(id).map_or(Self::Constant(false), Self::EmailId),
            SearchKey::ThreadId(_) => Self::Constant(false),
            SearchKey::Larger(n) => Self::Larger(*n),
            SearchKey::Smaller(n) => Self::Smaller(*n),
            SearchKey::Header(name, text) => Self::Header(name.clone(), needle(text)),
            SearchKey::Addresses(name, text) => Self::Addresses(name.clone(), needle(text)),
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
            Self::Header(..) | Self::Addresses(..) | Self::Fuzzy(..) => true,
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
            Self::Header(name, _) | Self::Addresses(name, _) => keeps(name),
            Self::Fuzzy(columns, _) => {
                columns.iter().all(|c| matches!(c, ColumnKey::Field(name) if keeps(name)))
            }
            Self::Body(n) | Self::Text(n) => n.is_empty(),
            // Date is kept.
            _ => true,
        }
    }

    /// The columns in which a key's text is to be looked for; none for keys of other kinds and for those that the index
    /// answers.
    fn columns(&self) -> Option<(Vec<ColumnKey>, Wanted)> {
        let exact = |columns, needle: &Arc<Needle>| Some((columns, Wanted::Exact(needle.clone())));
        match self {
            Self::Header(name, needle) => exact(vec![ColumnKey::field(name)], needle),
            Self::Addresses(name, needle) => exact(vec![ColumnKey::addresses(name)], needle),
            Self::Body(needle) if !needle.is_empty() => exact(vec![ColumnKey::Body], needle),
            Self::Text(needle) if !needle.is_empty() => {
                exact(vec![ColumnKey::Header, ColumnKey::Body], needle)
            }
            Self::Fuzzy(columns, query) => Some((columns.clone(), Wanted::Fuzzy(query.clone()))),
            _ => None,
        }
    }

    /// What is to be looked for in columns, in the order in which [`Program::settle`] takes the answers.
    pub fn texts(&self, out: &mut Vec<(Vec<ColumnKey>, Wanted)>) {
        match self {
            Self::And(keys) => keys.iter().for_each(|k| k.texts(out)),
            Self::Or(a, b) => {
                a.texts(out);
                b.texts(out);
            }
            Self::Not(a) => a.texts(out),
            key => out.extend(key.columns()),
        }
    }

    /// The program with the keys of [`Program::texts`] answered, as far as they are.
    #[must_use]
    pub fn settle(self, answers: &mut impl Iterator<Item = Option<Answer>>) -> Self {
        match self {
            Self::And(keys) => Self::And(keys.into_iter().map(|k| k.settle(answers)).collect()),
            Self::Or(a, b) => {
                let a = a.settle(answers);
                Self::Or(Box::new(a), Box::new(b.settle(answers)))
            }
            Self::Not(a) => Self::Not(Box::new(a.settle(answers))),
            key => match key.columns().and_then(|_| answers.next()) {
                Some(Some(Answer::Uids(uids))) => Self::Uid(uids),
                Some(Some(Answer::Scores(scores))) => Self::Scores(Arc::new(scores)),
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
            Self::Larger(n) => row.record.size > *n,
            Self::Smaller(n) => row.record.size < *n,
            Self::Text(n) | Self::Body(n) if n.is_empty() => true,
            Self::Scores(scores) => score_in(scores, row.record.uid.0).is_some(),
            Self::Sent(..)
            | Self::Header(..)
            | Self::Addresses(..)
            | Self::Body(_)
            | Self::Text(_)
            | Self::Fuzzy(..) => return None,
        })
    }

    /// How well a message that matches does so (RFC 6203 section 4): the mean of all keys that have a score, of two alternatives
    /// that of the better one. `None` when no such key has to do with it: then it is what was asked for.
    pub fn relevancy(&self, row: &Row<'_>, content: Option<&Content<'_>>) -> Option<u8> {
        match self {
            Self::And(keys) => {
                let scores: Vec<u32> =
                    keys.iter().filter_map(|k| k.relevancy(row, content)).map(u32::from).collect();
                let count = u32::try_from(scores.len()).ok().filter(|n| *n > 0)?;
                u8::try_from(scores.iter().sum::<u32>() / count).ok()
            }
            Self::Or(a, b) => {
                let of = |key: &Self| match content {
                    Some(content) => key.by_content(row, content).then(|| key.relevancy(row, Some(content))),
                    None => (key.by_index(row) == Some(true)).then(|| key.relevancy(row, None)),
                };
                match (of(a), of(b)) {
                    (Some(Some(a)), Some(Some(b))) => Some(a.max(b)),
                    // Nothing is better than what matches exactly.
                    (Some(None), _) | (_, Some(None)) | (None, None) => None,
                    (Some(score), None) | (None, Some(score)) => score,
                }
            }
            Self::Scores(scores) => score_in(scores, row.record.uid.0),
            Self::Fuzzy(columns, query) => fuzzy_score(columns, query, content?),
            _ => None,
        }
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
            Self::Addresses(name, needle) => header::fields(content.header())
                .filter(|f| f.is(name))
                .any(|f| is_in_addresses(needle, &decode::header_text(f.value))),
            Self::Body(needle) if !needle.is_empty() => {
                decode::body_texts(content.message, &content.structure, |kind, text| {
                    kind == BodyText::Content && needle.is_in(text)
                })
            }
            Self::Text(needle) | Self::Body(needle) if needle.is_empty() => true,
            Self::Fuzzy(columns, query) => fuzzy_score(columns, query, content).is_some(),
            Self::Text(needle) => {
                header::fields(content.header()).any(|f| {
                    let name = decode::charset_text(None, f.name);
                    needle.is_in(&format!("{name}: {}", decode::header_text(f.value)))
                }) || decode::body_texts(content.message, &content.structure, |_, text| needle.is_in(text))
            }
            _ => self.by_index(row).unwrap_or(false),
        }
    }
}

/// The score of a message in an answer.
fn score_in(scores: &[(u32, u8)], uid: u32) -> Option<u8> {
    scores.binary_search_by_key(&uid, |(uid, _)| *uid).ok().map(|i| scores[i].1)
}

/// The score of a message at hand.
fn fuzzy_score(columns: &[ColumnKey], query: &Query, content: &Content<'_>) -> Option<u8> {
    let mut found = Likeness::default();
    let counted = Counted::among(columns);
    for column in columns {
        column.each_text(content.message, Some(&content.structure), counted, |text| {
            query.look(&fold(text), &mut found);
        });
    }
    query.score(&found)
}

fn compare(test: DateTest, have: Date, want: Date) -> bool {
    match test {
        DateTest::Before => have < want,
        DateTest::On => have == want,
        DateTest::Since => have >= want,
    }
}
