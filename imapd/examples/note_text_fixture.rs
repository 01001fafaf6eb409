//! Writes a `NOTE TEXT` of the present format, for `imapd/tests/fixtures`: made once when a format is brought.
//!
//! `cargo run -p imapd --example note_text_fixture -- FILE`. It is of a mailbox of 100 messages, whose texts say `planted` where
//! those that the test stores say `present`, so that it can be told which were looked at.
#![allow(clippy::unwrap_used, reason = "a program for developers")]

use imapd::mailstore::text_batch::batch;
use imapd::mailstore::{EmailId, MessageRecord, ModSeq, NoteMarks, SummaryPlace, Uid, UidValidity};
use imapd::search::column::{ColumnKey, TextColumn, texts};
use imapd::syntax::date::InternalDate;
use imapd::syntax::flag::SystemFlags;

fn planted(n: u32) -> String {
    format!("Subject: planted {n:03}\r\nX-Other: \u{e4}\r\n\r\nnumber {n:03} is planted\r\n")
}

/// As the mail store makes it.
fn record(uid: u32) -> MessageRecord {
    MessageRecord {
        uid: Uid(uid),
        modseq: ModSeq(1),
        flags: SystemFlags::default(),
        keywords: 0,
        date: InternalDate { seconds: 1, zone_minutes: 0 },
        saved: 1_000_000_000,
        size: planted(uid).len() as u64,
        records: 4,
        marks: NoteMarks(0),
        email: EmailId::own(0),
        slot: 0,
        summary: SummaryPlace::default(),
    }
}

fn main() {
    let mut out = Vec::new();
    for uids in [1..=64, 65..=100] {
        let mut columns = [TextColumn::default(), TextColumn::default()];
        for uid in uids.clone() {
            let keys = [ColumnKey::Header, ColumnKey::Body];
            texts(keys.iter().zip(&mut columns), Uid(uid), planted(uid).as_bytes(), None);
        }
        let (after, records) = (Uid(uids.start() - 1), uids.map(record).collect::<Vec<_>>());
        let [header, body] = columns;
        out.extend_from_slice(&batch(UidValidity(1_000_000_000), after, &records, &header, &body).unwrap());
    }
    std::fs::write(std::env::args().nth(1).unwrap(), out).unwrap();
}
