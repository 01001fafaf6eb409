//! Threads of made-up mailboxes.

use std::sync::Arc;

use super::*;
use crate::mail::head::Head;
use crate::mailstore::{EmailId, MessageRecord, ModSeq, NoteMarks, SummaryPlace, Uid};
use crate::syntax::date::InternalDate;
use crate::syntax::flag::SystemFlags;
use proptest::prelude::*;

/// A message whose number is also its date: subject, id, references.
fn message(number: u32, subject: &str, id: &str, references: &str) -> Sortable {
    let mut header = format!("Subject: {subject}\r\n");
    if !id.is_empty() {
        header += &format!("Message-ID: <{id}@x>\r\n");
    }
    if !references.is_empty() {
        let ids: String = references.split(' ').map(|r| format!(" <{r}@x>")).collect();
        header += &format!("References:{ids}\r\n");
    }
    let record = MessageRecord {
        uid: Uid(number),
        modseq: ModSeq(1),
        flags: SystemFlags::default(),
        keywords: 0,
        date: InternalDate { seconds: i64::from(number), zone_minutes: 0 },
        saved: 0,
        size: 0,
        records: 0,
        marks: NoteMarks(0),
        email: EmailId::own(0),
        slot: 0,
        summary: SummaryPlace::default(),
    };
    Sortable { number, record, score: 100, head: Arc::new(Head::new(header.as_bytes())) }
}

fn references(messages: &[Sortable]) -> String {
    threads(ThreadAlgorithm::References, messages, |m| m.number)
}

#[test]
fn answers_are_below_what_they_answer() {
    let all = [
        message(1, "a", "1", ""),
        message(2, "Re: a", "2", "1"),
        message(3, "Re: a", "3", "1 2"),
        message(4, "Re: a", "4", "1"),
        message(5, "b", "5", ""),
    ];
    assert_eq!(references(&all), "(1 (2 3)(4))(5)");
    assert_eq!(threads(ThreadAlgorithm::OrderedSubject, &all, |m| m.number), "(1 (2)(3)(4))(5)");
}

#[test]
fn refs_looks_at_no_subject_and_puts_last_what_was_answered_last() {
    let refs = |messages: &[Sortable]| threads(ThreadAlgorithm::Refs, messages, |m| m.number);
    let all = [
        message(1, "a", "1", ""),
        message(2, "b", "2", ""),
        message(3, "Re: b", "3", ""),
        message(4, "x", "4", "gone"),
        message(5, "y", "5", "gone"),
        message(6, "Re: a", "6", "1"),
    ];
    assert_eq!(refs(&all), "(2)(3)((4)(5))(1 6)");
    // Below a message it is the date when they were sent, as for REFERENCES; the threads go by arrival.
    let sent = |mut message: Sortable, day: u8, arrival: i64| {
        message.record.date.seconds = arrival;
        let mut head = Head::clone(&message.head);
        head.sent = Some(i64::from(day));
        message.head = Arc::new(head);
        message
    };
    let all = [
        sent(message(1, "a", "1", ""), 1, 30),
        sent(message(2, "a", "2", "1"), 9, 10),
        sent(message(3, "a", "3", "1"), 8, 20),
        sent(message(4, "a", "4", ""), 99, 25),
        sent(message(5, "a", "5", ""), 98, 30),
    ];
    assert_eq!(refs(&all), "(4)(1 (3)(2))(5)");
    assert_eq!(refs(&[]), "");
}

#[test]
fn messages_that_are_missing() {
    // One answer to a missing message takes its place, two are held together.
    assert_eq!(references(&[message(1, "x", "1", "gone")]), "(1)");
    assert_eq!(references(&[message(1, "x", "1", "gone"), message(2, "y", "2", "gone")]), "((1)(2))");
    let below = [message(1, "x", "1", ""), message(2, "y", "2", "1 gone"), message(3, "z", "3", "1 gone")];
    assert_eq!(references(&below), "(1 (2)(3))");
}

#[test]
fn subjects_join_what_references_do_not() {
    assert_eq!(references(&[message(1, "x", "1", ""), message(2, "Re: x", "2", "")]), "(1 2)");
    // An original after its answer is above it all the same.
    assert_eq!(references(&[message(1, "Re: x", "1", ""), message(2, "x", "2", "")]), "(2 1)");
    // Two originals, or two answers, are side by side.
    assert_eq!(references(&[message(1, "x", "1", ""), message(2, "x", "2", "")]), "((1)(2))");
    let three = [message(1, "x", "1", ""), message(2, "x", "2", ""), message(3, "x", "3", "")];
    assert_eq!(references(&three), "((1)(2)(3))");
    assert_eq!(references(&[message(1, "", "1", ""), message(2, "", "2", "")]), "(1)(2)");
    // Threads of missing messages join.
    let held = [
        message(1, "x", "1", "g"),
        message(2, "x", "2", "g"),
        message(3, "x", "3", "h"),
        message(4, "x", "4", "h"),
        message(5, "x", "5", ""),
    ];
    assert_eq!(references(&held), "((1)(2)(3)(4)(5))");
}

#[test]
fn circles_and_doubles_do_no_harm() {
    let circle = [message(1, "x", "1", "2"), message(2, "y", "2", "1")];
    assert_eq!(references(&circle), "(2 1)");
    assert_eq!(references(&[message(1, "x", "1", "1")]), "(1)");
    let double = [message(1, "x", "1", ""), message(2, "y", "1", ""), message(3, "z", "3", "1")];
    assert_eq!(references(&double), "(1 3)(2)");
}

#[test]
fn long_chains_are_no_trouble() {
    const LENGTH: u32 = 50_000;
    let chain = |n: u32| message(n, "x", &n.to_string(), &(n - 1).to_string());
    let all: Vec<Sortable> = (1..=LENGTH).map(chain).collect();
    let expected = (1..=LENGTH).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(references(&all), format!("({expected})"));
    let back: Vec<Sortable> = (1..=LENGTH).rev().map(chain).collect();
    assert_eq!(references(&back), format!("({expected})"));
}

proptest! {
    #[test]
    fn each_message_is_there_once(
        all in proptest::collection::vec(
            ("(Re: )?[ab]?", "[a-g]?", proptest::collection::vec("[a-h]", 0..4)), 0..20),
        algorithm in proptest::sample::select(vec![
            ThreadAlgorithm::OrderedSubject, ThreadAlgorithm::References, ThreadAlgorithm::Refs,
        ]),
    ) {
        let all: Vec<Sortable> = all
            .iter()
            .enumerate()
            .map(|(i, (subject, id, references))| message(i as u32 + 1, subject, id, &references.join(" ")))
            .collect();
        let text = threads(algorithm, &all, |m| m.number);
        let mut depth = 0i32;
        for c in text.chars() {
            depth += i32::from(c == '(') - i32::from(c == ')');
            prop_assert!(depth >= 0);
        }
        prop_assert_eq!(depth, 0);
        let mut numbers: Vec<u32> =
            text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (1..=all.len() as u32).collect::<Vec<_>>());
        prop_assert!(!text.contains("()") && !text.contains("( "));
    }
}
