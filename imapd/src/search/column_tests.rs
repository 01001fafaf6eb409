//! Columns and messages give the same answers.

use std::sync::Arc;

use proptest::prelude::*;

use super::column::{ColumnKey, Counted, TextColumn, texts};
use super::fold::Needle;
use super::fuzzy::Query;
use super::program::{Answer, Content, Program, Row, Wanted};
use crate::mail::generated::mail;
use crate::mailstore::{EmailId, MessageRecord, ModSeq, NoteMarks, SummaryPlace, Uid};
use crate::syntax::date::InternalDate;
use crate::syntax::flag::SystemFlags;
use crate::syntax::seqset::NumberSet;

fn record(uid: u32) -> MessageRecord {
    MessageRecord {
        uid: Uid(uid),
        modseq: ModSeq(1),
        flags: SystemFlags::from_bits(0),
        keywords: 0,
        date: InternalDate { seconds: 0, zone_minutes: 0 },
        saved: 0,
        size: 0,
        records: 0,
        marks: NoteMarks(0),
        email: EmailId::own(1),
        slot: 2,
        summary: SummaryPlace::default(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn columns_say_what_messages_say(
        mails in proptest::collection::vec(mail(), 1..6),
        needle in prop_oneof![Just(""), Just("a"), Just("X"), Just("\u{e4}"), Just("matter"), Just(": "), Just("text"), Just("A \" x"), Just("m (a) n"), Just("m n"), Just("mattre of texts")],
        field in prop_oneof![Just("Subject"), Just("from"), Just("TO"), Just("X-Other"), Just("Content-Type")],
        kind in 0..7u8,
    ) {
        let query = Query::new(needle).map(Arc::new);
        let needle = Arc::new(Needle::new(needle));
        let program = |kind| match (kind, &query) {
            (3, Ok(query)) => Program::Fuzzy(vec![ColumnKey::field(field.as_bytes())], query.clone()),
            (4, Ok(query)) => Program::Fuzzy(vec![ColumnKey::Header, ColumnKey::Body], query.clone()),
            (6, Ok(query)) => Program::Fuzzy(vec![ColumnKey::Body], query.clone()),
            (0, _) => Program::Header(field.as_bytes().to_vec(), needle.clone()),
            (1, _) => Program::Body(needle.clone()),
            (2, _) => Program::Addresses(field.as_bytes().to_vec(), needle.clone()),
            _ => Program::Not(Box::new(Program::Text(needle.clone()))),
        };
        let mut asked = Vec::new();
        program(kind).texts(&mut asked);
        let answers: Vec<Option<Answer>> = asked.iter().map(|(keys, wanted)| {
            let (mut uids, mut like) = (Vec::new(), Vec::new());
            let counted = Counted::among(keys);
            for key in keys {
                let mut column = TextColumn::default();
                for (uid, mail) in (1..).zip(&mails) {
                    texts([(key, &mut column)], Uid(uid), mail, None);
                }
                let mut all = TextColumn::default();
                for (uid, mail) in (1..).zip(&mails) {
                    texts([(&ColumnKey::Header, &mut all)], Uid(uid), mail, None);
                }
                let told = match key {
                    ColumnKey::Field(name) => all.of_field(name),
                    ColumnKey::Addresses(name) => all.of_addresses(name),
                    _ => None,
                };
                if let Some(told) = told {
                    assert_eq!(told.texts().collect::<Vec<_>>(), column.texts().collect::<Vec<_>>());
                }
                match wanted {
                    Wanted::Exact(needle) => uids.extend(column.find(needle, counted)),
                    Wanted::Fuzzy(query) => like.extend(column.find_like(query, counted)),
                }
            }
            Some(match wanted {
                Wanted::Exact(_) => Answer::Uids(NumberSet::from_ranges(uids.into_iter().map(|u| (u, u)))),
                Wanted::Fuzzy(query) => Answer::Scores(query.scores(like)),
            })
        }).collect();
        let settled = program(kind).settle(&mut answers.into_iter());
        for (uid, mail) in (1..).zip(&mails) {
            let record = record(uid);
            let row = Row { seq: uid, record: &record, recent: false };
            let (program, content) = (program(kind), Content::new(mail));
            prop_assert_eq!(settled.by_index(&row), Some(program.by_content(&row, &content)));
            prop_assert_eq!(settled.relevancy(&row, None), program.relevancy(&row, Some(&content)));
        }
    }
}

/// A name that is not ASCII may fold to one that is: such a column does not tell fields.
#[test]
fn fields_of_odd_names_are_not_told() {
    let texts_of = |mail: &str| {
        let mut all = TextColumn::default();
        texts([(&ColumnKey::Header, &mut all)], Uid(1), mail.as_bytes(), None);
        all
    };
    let told = texts_of("X: 1\r\nSubject : a: b\r\n\r\n").of_field(b"subject").unwrap();
    assert_eq!(told.texts().collect::<Vec<_>>(), [(Uid(1), "A: B")]);
    assert!(texts_of("\u{17f}ubject: a\r\n\r\n").of_field(b"SUBJECT").is_none());
    assert!(texts_of("nothing\r\n\r\n").of_field(b"").is_none());
}

#[test]
fn a_column_is_named_in_any_case() {
    assert_eq!(ColumnKey::field(b"sUbject"), ColumnKey::field(b"SUBJECT"));
}
