//! Commands round trip: written by an encoder that knows nothing of the parser, parsed, compared.

use bytes::Bytes;
use proptest::prelude::*;

mod extensions;

use super::command;
use crate::mailstore::{ModSeq, RightsChange};
use crate::syntax::ast::Carrier;
use crate::syntax::ast::{
    AppendData, AppendMessage, ChangedSince, ClientId, Command, FetchItem, FlagChange, MailboxArg, Resync,
    SelectArgs, StatusItem, StoreArgs,
};
use crate::syntax::date::InternalDate;
use crate::syntax::flag::{FlagList, Keyword, SystemFlags};
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::rights::Rights;
use crate::syntax::search_key::{DateTest, SearchKey, SearchReturn};
use crate::syntax::section::{Section, SectionText};
use crate::syntax::seqset::{SeqNumber, SequenceSet};
use crate::syntax::sort_key::{SortField, SortKey, ThreadAlgorithm};
use crate::wire::{Frame, Framer, Limits, Mode};

/// Writes a string in one of the forms the grammar has for it, chosen by `form`.
fn enc_string(out: &mut Vec<u8>, text: &[u8], form: u8) {
    let quotable = text.iter().all(|b| !matches!(b, b'\r' | b'\n' | 0) && b.is_ascii());
    match form % 3 {
        0 if quotable => {
            out.push(b'"');
            for b in text {
                if matches!(b, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(*b);
            }
            out.push(b'"');
        }
        1 => {
            out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
            out.extend_from_slice(text);
        }
        _ => {
            out.extend_from_slice(format!("{{{}+}}\r\n", text.len()).as_bytes());
            out.extend_from_slice(text);
        }
    }
}

fn enc_set(set: &SequenceSet) -> String {
    let one = |n: &SeqNumber| match n {
        SeqNumber::Star => "*".to_owned(),
        SeqNumber::Number(n) => n.to_string(),
        SeqNumber::Saved => "$".to_owned(),
    };
    set.0
        .iter()
        .map(|(a, b)| if a == b { one(a) } else { format!("{}:{}", one(a), one(b)) })
        .collect::<Vec<_>>()
        .join(",")
}

fn enc_flags(flags: &FlagList) -> String {
    let system =
        SystemFlags::TABLE.iter().filter(|(f, _)| flags.system.contains(*f)).map(|(_, n)| (*n).to_owned());
    let words: Vec<String> = system.chain(flags.keywords.iter().map(|k| k.as_str().to_owned())).collect();
    format!("({})", words.join(" "))
}

fn enc_test(test: &DateTest) -> &'static str {
    match test {
        DateTest::Before => "BEFORE",
        DateTest::On => "ON",
        DateTest::Since => "SINCE",
    }
}

fn enc_key(out: &mut Vec<u8>, key: &SearchKey, form: u8) {
    let mut text = |name: &str, text: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.push(b' ');
        enc_string(out, text, form);
    };
    match key {
        SearchKey::And(keys) => {
            out.push(b'(');
            for (i, k) in keys.iter().enumerate() {
                if i > 0 {
                    out.push(b' ');
                }
                enc_key(out, k, form);
            }
            out.push(b')');
        }
        SearchKey::Or(a, b) => {
            out.extend_from_slice(b"oR ");
            enc_key(out, a, form);
            out.push(b' ');
            enc_key(out, b, form);
        }
        SearchKey::Not(a) => {
            out.extend_from_slice(b"NOT ");
            enc_key(out, a, form);
        }
        SearchKey::Fuzzy(a) => {
            out.extend_from_slice(b"Fuzzy ");
            enc_key(out, a, form);
        }
        SearchKey::All => out.extend_from_slice(b"ALL"),
        SearchKey::Sequence(s) => out.extend_from_slice(enc_set(s).as_bytes()),
        SearchKey::Uid(s) => out.extend_from_slice(format!("UID {}", enc_set(s)).as_bytes()),
        SearchKey::UidAfter(n) => out.extend_from_slice(format!("UIDAFTER {n}").as_bytes()),
        SearchKey::UidBefore(n) => out.extend_from_slice(format!("uidbefore {n}").as_bytes()),
        SearchKey::Flag(f) => {
            let name = SystemFlags::TABLE.iter().find(|(x, _)| x == f).unwrap().1;
            out.extend_from_slice(name.trim_start_matches('\\').as_bytes());
        }
        SearchKey::Recent => out.extend_from_slice(b"recent"),
        SearchKey::Keyword(k) => out.extend_from_slice(format!("KEYWORD {}", k.as_str()).as_bytes()),
        SearchKey::Internal(t, d) | SearchKey::Sent(t, d) => {
            let sent = if matches!(key, SearchKey::Sent(..)) { "SENT" } else { "" };
            out.extend_from_slice(format!("{sent}{} {}", enc_test(t), d.strftime("%-d-%b-%Y")).as_bytes());
        }
        SearchKey::Older(n) => out.extend_from_slice(format!("OLDER {n}").as_bytes()),
        SearchKey::Younger(n) => out.extend_from_slice(format!("younger {n}").as_bytes()),
        SearchKey::ModSeq(n) if form.is_multiple_of(2) => {
            out.extend_from_slice(format!("MODSEQ {n}").as_bytes())
        }
        SearchKey::ModSeq(n) => {
            out.extend_from_slice(format!("MODSEQ \"/flags/\\\\Seen\" all {n}").as_bytes())
        }
        SearchKey::Saved(t, d) => {
            out.extend_from_slice(format!("SAVED{} {}", enc_test(t), d.strftime("%-d-%b-%Y")).as_bytes());
        }
        SearchKey::EmailId(id) => text("EMAILID", id),
        SearchKey::ThreadId(id) => text("THREADID", id),
        SearchKey::Larger(n) => out.extend_from_slice(format!("LARGER {n}").as_bytes()),
        SearchKey::Smaller(n) => out.extend_from_slice(format!("SMALLER {n}").as_bytes()),
        SearchKey::Header(n, t) => {
            text("HEADER", n);
            out.push(b' ');
            enc_string(out, t, form);
        }
        SearchKey::Addresses(n, t) => text(&String::from_utf8_lossy(n).to_ascii_uppercase(), t),
        SearchKey::Body(t) => text("BODY", t),
        SearchKey::Text(t) => text("TEXT", t),
    }
}

fn enc_item(out: &mut Vec<u8>, item: &FetchItem) {
    let word: &[u8] = match item {
        FetchItem::Flags => b"FLAGS",
        FetchItem::InternalDate => b"InternalDate",
        FetchItem::Rfc822Size => b"RFC822.SIZE",
        FetchItem::Uid => b"UID",
        FetchItem::EmailId => b"EMAILID",
        FetchItem::ThreadId => b"THREADID",
        FetchItem::SaveDate => b"SaveDate",
        FetchItem::Preview { lazy: false } => b"PREVIEW",
        FetchItem::Preview { lazy: true } => b"PREVIEW (LAZY)",
        FetchItem::Binary { path, peek, partial } => {
            let words: Vec<String> = path.iter().map(u32::to_string).collect();
            let word = if *peek { "BINARY.PEEK" } else { "Binary" };
            out.extend_from_slice(format!("{word}[{}]", words.join(".")).as_bytes());
            if let Some((a, b)) = partial {
                out.extend_from_slice(format!("<{a}.{b}>").as_bytes());
            }
            return;
        }
        FetchItem::BinarySize { path } => {
            let words: Vec<String> = path.iter().map(u32::to_string).collect();
            out.extend_from_slice(format!("BINARY.SIZE[{}]", words.join(".")).as_bytes());
            return;
        }
        FetchItem::ModSeq => b"ModSeq",
        FetchItem::Envelope => b"ENVELOPE",
        FetchItem::Body => b"BODY",
        FetchItem::BodyStructure => b"BODYSTRUCTURE",
        FetchItem::Rfc822 => b"RFC822",
        FetchItem::Rfc822Header => b"RFC822.HEADER",
        FetchItem::Rfc822Text => b"RFC822.TEXT",
        FetchItem::BodySection { section, peek, partial } => {
            out.extend_from_slice(if *peek { b"BODY.PEEK[" } else { b"BODY[" });
            let mut words: Vec<String> = section.path.iter().map(u32::to_string).collect();
            match &section.text {
                SectionText::All => {}
                SectionText::Header => words.push("HEADER".into()),
                SectionText::Text => words.push("TEXT".into()),
                SectionText::Mime => words.push("MIME".into()),
                SectionText::HeaderFields { not, .. } => {
                    words.push("HEADER".into());
                    words.push("FIELDS".into());
                    if *not {
                        words.push("NOT".into());
                    }
                }
            }
            out.extend_from_slice(words.join(".").as_bytes());
            if let SectionText::HeaderFields { names, .. } = &section.text {
                for (i, n) in names.iter().enumerate() {
                    out.extend_from_slice(if i == 0 { b" (" } else { b" " });
                    enc_string(out, n, 0);
                }
                out.push(b')');
            }
            out.push(b']');
            if let Some((a, b)) = partial {
                out.extend_from_slice(format!("<{a}.{b}>").as_bytes());
            }
            return;
        }
    };
    out.extend_from_slice(word);
}

fn set() -> impl Strategy<Value = SequenceSet> {
    let n = prop_oneof![4 => (1u32..).prop_map(SeqNumber::Number), 1 => Just(SeqNumber::Star)];
    prop_oneof![
        9 => proptest::collection::vec((n.clone(), n), 1..5).prop_map(SequenceSet),
        1 => Just(SequenceSet::saved()),
    ]
}

fn number_set() -> impl Strategy<Value = SequenceSet> {
    let n = (1u32..).prop_map(SeqNumber::Number);
    proptest::collection::vec((n.clone(), n), 1..5).prop_map(SequenceSet)
}

fn flags() -> impl Strategy<Value = FlagList> {
    (0u8..32, proptest::collection::vec("[$a-zA-Z][a-zA-Z0-9.]{0,8}", 0..3)).prop_map(|(bits, words)| {
        let mut list = FlagList { system: SystemFlags::from_bits(bits), keywords: vec![] };
        words.iter().for_each(|w| list.add_keyword(Keyword::new(w.as_bytes()).unwrap()));
        list
    })
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof!["[ -~]{0,12}".prop_map(String::into_bytes), proptest::collection::vec(1u8.., 0..12)]
}

fn date() -> impl Strategy<Value = jiff::civil::Date> {
    (1000i16..9999, 1i8..=12, 1i8..=28).prop_map(|(y, m, d)| jiff::civil::Date::constant(y, m, d))
}

fn key() -> impl Strategy<Value = SearchKey> {
    let test = prop_oneof![Just(DateTest::Before), Just(DateTest::On), Just(DateTest::Since)];
    let leaf = prop_oneof![
        Just(SearchKey::All),
        Just(SearchKey::Recent),
        set().prop_map(SearchKey::Sequence),
        set().prop_map(SearchKey::Uid),
        (1u32..).prop_map(SearchKey::UidAfter),
        (1u32..).prop_map(SearchKey::UidBefore),
        Just(SearchKey::Flag(SystemFlags::SEEN)),
        "[$a-z]{1,5}".prop_map(|k| SearchKey::Keyword(Keyword::new(k.as_bytes()).unwrap())),
        (test.clone(), date()).prop_map(|(t, d)| SearchKey::Internal(t, d)),
        (test.clone(), date()).prop_map(|(t, d)| SearchKey::Sent(t, d)),
        (test, date()).prop_map(|(t, d)| SearchKey::Saved(t, d)),
        text().prop_map(SearchKey::EmailId),
        text().prop_map(SearchKey::ThreadId),
        (1u32..).prop_map(SearchKey::Older),
        (1u32..).prop_map(SearchKey::Younger),
        (0..=ModSeq::MAX.0).prop_map(|n| SearchKey::ModSeq(ModSeq(n))),
        (0..1u64 << 63).prop_map(SearchKey::Larger),
        (0..1u64 << 63).prop_map(SearchKey::Smaller),
        (text(), text()).prop_map(|(a, b)| SearchKey::Header(a, b)),
        (proptest::sample::select(vec!["Bcc", "Cc", "From", "To"]), text())
            .prop_map(|(n, t)| SearchKey::Addresses(n.into(), t)),
        text().prop_map(SearchKey::Body),
        text().prop_map(SearchKey::Text),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(SearchKey::And),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| SearchKey::Or(Box::new(a), Box::new(b))),
            inner.clone().prop_map(|a| SearchKey::Not(Box::new(a))),
            inner.prop_map(|a| SearchKey::Fuzzy(Box::new(a))),
        ]
    })
}

fn item() -> impl Strategy<Value = FetchItem> {
    let names = proptest::collection::vec("[A-Za-z\\-]{1,8}".prop_map(String::into_bytes), 1..3);
    let section_text = prop_oneof![
        Just(SectionText::All),
        Just(SectionText::Header),
        Just(SectionText::Text),
        (any::<bool>(), names).prop_map(|(not, names)| SectionText::HeaderFields { not, names }),
    ];
    let section = (proptest::collection::vec(1u32..9, 0..4), section_text, any::<bool>()).prop_map(
        |(path, text, mime)| {
            let text = if mime && !path.is_empty() { SectionText::Mime } else { text };
            Section { path, text }
        },
    );
    prop_oneof![
        Just(FetchItem::Flags),
        Just(FetchItem::InternalDate),
        Just(FetchItem::Rfc822Size),
        Just(FetchItem::Uid),
        Just(FetchItem::ModSeq),
        Just(FetchItem::EmailId),
        Just(FetchItem::ThreadId),
        Just(FetchItem::SaveDate),
        any::<bool>().prop_map(|lazy| FetchItem::Preview { lazy }),
        proptest::collection::vec(1u32..9, 0..4).prop_map(|path| FetchItem::BinarySize { path }),
        (
            proptest::collection::vec(1u32..9, 0..4),
            any::<bool>(),
            proptest::option::of((0..1u64 << 63, 1..1u64 << 63))
        )
            .prop_map(|(path, peek, partial)| FetchItem::Binary { path, peek, partial }),
        Just(FetchItem::Envelope),
        Just(FetchItem::Body),
        Just(FetchItem::BodyStructure),
        Just(FetchItem::Rfc822),
        Just(FetchItem::Rfc822Header),
        Just(FetchItem::Rfc822Text),
        (section, any::<bool>(), proptest::option::of((0..1u64 << 63, 1..1u64 << 63)))
            .prop_map(|(section, peek, partial)| FetchItem::BodySection { section, peek, partial }),
    ]
}

fn name() -> impl Strategy<Value = MailboxName> {
    "[a-zA-Z&\u{e9}\u{4e2d}. ]{1,10}(/[a-z]{1,4}){0,2}".prop_map(|n| MailboxName::new(&n).unwrap())
}

fn arg(name: &MailboxName) -> MailboxArg {
    MailboxArg(name.to_wire().into_bytes())
}

/// Frames what a client would send, as the transport does, and parses it.
fn parse(sent: &[u8]) -> Command {
    let mut framer = Framer::default();
    framer.feed(sent);
    framer.feed(b"\r\n");
    loop {
        match framer.next_frame(Mode::Command, &Limits::AUTHENTICATED) {
            Some(Frame::Continue) => {}
            Some(Frame::Command(frame)) => {
                let parsed = command(&frame);
                return parsed
                    .unwrap_or_else(|e| panic!("{}: {}", e.text, String::from_utf8_lossy(sent)))
                    .command;
            }
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn search_round_trip(key in key(), form: u8, uid: bool) {
        let mut sent = if uid { b"t UID SEARCH ".to_vec() } else { b"t SEARCH ".to_vec() };
        enc_key(&mut sent, &key, form);
        prop_assert_eq!(parse(&sent), Command::Search { returns: None, attributes: vec![], charset: None, key, uid });
    }

    #[test]
    fn sort_round_trip(
        fields in proptest::collection::vec((0..SortField::TABLE.len(), any::<bool>()), 1..5),
        key in key(), form: u8, uid: bool, bits in proptest::option::of(any::<u8>()),
    ) {
        let uid_word = if uid { "UID " } else { "" };
        let words: Vec<String> = fields.iter().map(|(f, reverse)| {
            format!("{}{}", if *reverse { "REVERSE " } else { "" }, SortField::TABLE[*f].0.to_ascii_lowercase())
        }).collect();
        let bit = |n: u8| bits.is_some_and(|b| b & n != 0);
        let returns = bits.map(|b| SearchReturn { min: bit(1), max: bit(2), all: b == 0 || bit(4), count: bit(8), save: bit(16), context: bit(32), update: bit(64), relevancy: bit(128), partial: None });
        let options = bits.map(|_| {
            let named = [(1, "MIN"), (2, "max"), (4, "ALL"), (8, "COUNT"), (16, "SAVE"), (32, "CONTEXT"), (64, "update"), (128, "Relevancy")];
            let on: Vec<&str> = named.iter().filter(|(n, _)| bit(*n)).map(|(_, w)| *w).collect();
            format!("RETURN ({}) ", on.join(" "))
        }).unwrap_or_default();
        let mut sent = format!("t {uid_word}SORT {options}({}) utf-8 ", words.join(" ")).into_bytes();
        enc_key(&mut sent, &key, form);
        let keys = fields.iter().map(|(f, reverse)| SortKey { field: SortField::TABLE[*f].1, reverse: *reverse }).collect();
        let charset = b"utf-8".to_vec();
        prop_assert_eq!(parse(&sent), Command::Sort { returns, attributes: vec![], keys, charset: charset.clone(), key: key.clone(), uid });
        let algorithms = [("references", ThreadAlgorithm::References), ("REFS", ThreadAlgorithm::Refs)];
        let (name, algorithm) = algorithms[fields.len() % 2];
        let mut sent = format!("t {uid_word}THREAD {name} utf-8 ").into_bytes();
        enc_key(&mut sent, &key, form);
        prop_assert_eq!(parse(&sent), Command::Thread { algorithm, charset, key, uid });
    }

    #[test]
    fn fetch_round_trip(
        set in set(), items in proptest::collection::vec(item(), 1..5), since in proptest::option::of(0..=ModSeq::MAX.0),
    ) {
        let mut sent = format!("t FETCH {} (", enc_set(&set)).into_bytes();
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                sent.push(b' ');
            }
            enc_item(&mut sent, item);
        }
        sent.push(b')');
        let mut items = items;
        let since = since.map(|n| ChangedSince { modseq: ModSeq(n), vanished: false });
        if let Some(since) = since {
            sent.extend_from_slice(format!(" (CHANGEDSINCE {})", since.modseq).as_bytes());
            if !items.contains(&FetchItem::ModSeq) {
                items.push(FetchItem::ModSeq);
            }
        }
        prop_assert_eq!(parse(&sent), Command::Fetch { set, items, since, partial: None, uid: false });
    }

    #[test]
    fn store_round_trip(set in set(), flags in flags(), silent: bool, uid: bool, sign in 0..3, since in proptest::option::of(0..=ModSeq::MAX.0)) {
        let (word, change) = [("", FlagChange::Replace), ("+", FlagChange::Add), ("-", FlagChange::Remove)][sign as usize];
        let uid_word = if uid { "UID " } else { "" };
        let silent_word = if silent { ".silent" } else { "" };
        let unless = since.map(|n| format!("(UNCHANGEDSINCE {n}) ")).unwrap_or_default();
        let sent = format!("t {uid_word}STORE {} {unless}{word}FLAGS{silent_word} {}", enc_set(&set), enc_flags(&flags));
        let args = StoreArgs { change, silent, flags, unchanged_since: since.map(ModSeq) };
        prop_assert_eq!(parse(sent.as_bytes()), Command::Store { set, args, uid });
    }

    #[test]
    fn append_round_trip(
        mailbox in name(), flags in flags(), form: u8, message in proptest::collection::vec(any::<u8>(), 0..300),
        date in proptest::option::of((date(), 0i8..24, 0i8..60, -700i16..700)),
        more in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 0..3),
    ) {
        let mut sent = b"t append ".to_vec();
        enc_string(&mut sent, mailbox.to_wire().as_bytes(), form);
        sent.extend_from_slice(format!(" {} ", enc_flags(&flags)).as_bytes());
        let when = date.map(|(d, h, m, z)| {
            let sign = if z < 0 { '-' } else { '+' };
            let zone = format!("{sign}{:02}{:02}", z.abs() / 60, z.abs() % 60);
            let day = d.strftime("%e-%b-%Y");
            sent.extend_from_slice(format!("\"{day} {h:02}:{m:02}:07 {zone}\" ").as_bytes());
            InternalDate::from_parts(d, h, m, 7, z).unwrap()
        });
        enc_string(&mut sent, &message, 1 + form % 2);
        let first = AppendMessage { flags, date: when, data: AppendData::Octets(Bytes::from(message), Carrier::Literal) };
        let mut messages = vec![first];
        for more in more {
            sent.extend_from_slice(b" ");
            enc_string(&mut sent, &more, 1 + form % 2);
            messages.push(AppendMessage { flags: FlagList::default(), date: None, data: AppendData::Octets(Bytes::from(more), Carrier::Literal) });
        }
        prop_assert_eq!(parse(&sent), Command::Append { mailbox: arg(&mailbox), messages });
        let mut sent = b"t UID REPLACE 7 ".to_vec();
        enc_string(&mut sent, mailbox.to_wire().as_bytes(), form);
        sent.extend_from_slice(b" ~{3}\r\na\0b");
        let seven = SequenceSet(vec![(SeqNumber::Number(7), SeqNumber::Number(7))]);
        let by = AppendMessage { flags: FlagList::default(), date: None, data: AppendData::Octets(Bytes::from_static(b"a\0b"), Carrier::Literal8) };
        prop_assert_eq!(parse(&sent), Command::Replace { message: seven, mailbox: arg(&mailbox), by, uid: true });
    }

    #[test]
    fn names_round_trip(a in name(), b in name(), form: u8, set in set()) {
        let mut sent = b"t RENAME ".to_vec();
        enc_string(&mut sent, a.to_wire().as_bytes(), form);
        sent.push(b' ');
        enc_string(&mut sent, b.to_wire().as_bytes(), form / 3);
        prop_assert_eq!(parse(&sent), Command::Rename(arg(&a), arg(&b)));
        let mut sent = format!("t UID MOVE {} ", enc_set(&set)).into_bytes();
        enc_string(&mut sent, a.to_wire().as_bytes(), form);
        prop_assert_eq!(parse(&sent), Command::Move { set, mailbox: arg(&a), uid: true });
    }

    #[test]
    fn select_round_trip(
        mailbox in name(), form: u8, read_only: bool, condstore: bool,
        resync in proptest::option::of((
            1u32.., 0..=ModSeq::MAX.0, proptest::option::of(number_set()),
            proptest::option::of((number_set(), number_set())),
        )),
    ) {
        let mut sent = if read_only { b"t EXAMINE ".to_vec() } else { b"t SELECT ".to_vec() };
        enc_string(&mut sent, mailbox.to_wire().as_bytes(), form);
        let mut words = Vec::new();
        if condstore {
            words.push("CONDSTORE".to_owned());
        }
        if let Some((validity, modseq, known, matched)) = &resync {
            let known = known.as_ref().map(|s| format!(" {}", enc_set(s))).unwrap_or_default();
            let matched = matched.as_ref().map(|(a, b)| format!(" ({} {})", enc_set(a), enc_set(b))).unwrap_or_default();
            words.push(format!("QRESYNC ({validity} {modseq}{known}{matched})"));
        }
        if !words.is_empty() {
            sent.extend_from_slice(format!(" ({})", words.join(" ")).as_bytes());
        }
        let resync = resync.map(|(uid_validity, modseq, known, matched)| {
            Resync { uid_validity, modseq: ModSeq(modseq), known, matched }
        });
        let expected = Command::Select { mailbox: arg(&mailbox), args: SelectArgs { read_only, condstore, resync } };
        prop_assert_eq!(parse(&sent), expected);
    }

    #[test]
    fn access_round_trip(
        mailbox in name(), who in text(), form: u8, letters in "[lrswipkxtea]{0,11}", sign in "[+-]?",
    ) {
        let how = match sign.as_str() {
            "+" => RightsChange::Add,
            "-" => RightsChange::Remove,
            _ => RightsChange::Replace,
        };
        let rights = Rights::parse(letters.as_bytes()).unwrap();
        let mut arguments = b" ".to_vec();
        enc_string(&mut arguments, mailbox.to_wire().as_bytes(), form);
        let mailbox = arg(&mailbox);
        let sent = |word: &str, arguments: &[u8]| parse(&[b"t ", word.as_bytes(), arguments].concat());
        prop_assert_eq!(sent("GETACL", &arguments), Command::GetAcl(mailbox.clone()));
        prop_assert_eq!(sent("MYRIGHTS", &arguments), Command::MyRights(mailbox.clone()));
        arguments.push(b' ');
        enc_string(&mut arguments, &who, form);
        let expected = Command::DeleteAcl { mailbox: mailbox.clone(), who: who.clone() };
        prop_assert_eq!(sent("DELETEACL", &arguments), expected);
        let expected = Command::ListRights { mailbox: mailbox.clone(), who: who.clone() };
        prop_assert_eq!(sent("LISTRIGHTS", &arguments), expected);
        arguments.push(b' ');
        enc_string(&mut arguments, format!("{sign}{letters}").as_bytes(), form);
        prop_assert_eq!(sent("SETACL", &arguments), Command::SetAcl { mailbox, who, how, rights });
    }

    #[test]
    fn login_round_trip(user in text(), password in text(), form: u8) {
        let mut sent = b"t LOGIN ".to_vec();
        enc_string(&mut sent, &user, form);
        sent.push(b' ');
        enc_string(&mut sent, &password, form / 3);
        prop_assert_eq!(parse(&sent), Command::Login { user, password });
    }

    #[test]
    fn any_command_gets_an_answer(line in "[a-z]{1,3} (UID )?(FETCH|SEARCH|STORE|APPEND|LIST|ID|STATUS|LOGIN|COPY) [ -~]{0,40}") {
        let _ = command(&Bytes::from(line));
    }

    #[test]
    fn any_octets_get_an_answer(line in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = command(&Bytes::from(line));
    }
}

#[test]
fn macros_and_short_forms() {
    assert_eq!(
        parse(b"t FETCH 1 fast"),
        Command::Fetch {
            set: SequenceSet(vec![(SeqNumber::Number(1), SeqNumber::Number(1))]),
            items: vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Rfc822Size],
            since: None,
            partial: None,
            uid: false
        }
    );
    assert_eq!(
        parse(b"t STATUS x (UNSEEN messages)"),
        Command::Status {
            mailbox: MailboxArg(b"x".to_vec()),
            items: vec![StatusItem::Unseen, StatusItem::Messages]
        }
    );
    assert!(
        matches!(parse(b"t SEARCH UNSEEN FROM a"), Command::Search { key: SearchKey::And(k), .. } if k.len() == 2)
    );
    assert!(matches!(parse(b"t STORE 1 +FLAGS \\Seen $x"), Command::Store { .. }));
    assert!(
        matches!(parse(b"t UID FETCH 1 FLAGS"), Command::Fetch { items, uid: true, .. } if items == [FetchItem::Flags])
    );
    assert_eq!(parse(b"t ID ()"), Command::Id(ClientId::default()));
    let said = ClientId { name: Some("x".into()), version: None };
    assert_eq!(parse(b"t ID (\"NAME\" \"x\" \"version\" NIL \"os\" \"y\")"), Command::Id(said));
    for (n, good) in [(SortKey::MAX, true), (SortKey::MAX + 1, false)] {
        let sent = format!("t SORT ({}) utf-8 ALL", vec!["SIZE"; n].join(" "));
        assert_eq!(command(&Bytes::from(sent)).is_ok(), good);
    }
    for (n, good) in [("9223372036854775807", true), ("9223372036854775808", false)] {
        assert_eq!(command(&Bytes::from(format!("t SEARCH MODSEQ {n}"))).is_ok(), good);
    }
    for (n, good) in [(32, true), (33, false)] {
        let sent = format!("t LIST \"\" ({})", vec!["a"; n].join(" "));
        assert_eq!(command(&Bytes::from(sent)).is_ok(), good);
    }
}

#[test]
fn search_depth_at_and_past() {
    for (depth, good) in [(SearchKey::MAX_DEPTH, true), (SearchKey::MAX_DEPTH + 1, false)] {
        let sent = format!("t SEARCH {}ALL", "NOT ".repeat(depth));
        assert_eq!(command(&Bytes::from(sent)).is_ok(), good);
        let sent = format!("t SEARCH {}ALL{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(command(&Bytes::from(sent)).is_ok(), good);
    }
    for (keys, good) in [(SearchKey::MAX_KEYS, true), (SearchKey::MAX_KEYS + 1, false)] {
        let sent = format!("t SEARCH{}", " ALL".repeat(keys));
        assert_eq!(command(&Bytes::from(sent)).is_ok(), good);
    }
}

#[test]
fn set_and_path_limits_at_and_past() {
    for (n, good) in [(SequenceSet::MAX_RANGES, true), (SequenceSet::MAX_RANGES + 1, false)] {
        let sent = format!("t FETCH {} UID", vec!["1"; n].join(","));
        assert_eq!(command(&Bytes::from(sent)).is_ok(), good);
    }
    for (n, good) in [(Section::MAX_PATH, true), (Section::MAX_PATH + 1, false)] {
        let sent = format!("t FETCH 1 BODY[{}]", vec!["1"; n].join("."));
        assert_eq!(command(&Bytes::from(sent)).is_ok(), good);
    }
}

/// Counts of commands that say how many they take: `more` is said once and then as often as it takes to come to the limit, and past it.
#[test]
fn counts_at_and_past() {
    let rows: [(&str, &str, &str, usize); 6] = [
        ("t ID (", "\"x\" NIL ", ")", 30),
        ("t LANGUAGE", " en", "", 50),
        ("t FETCH 1 (FLAGS", " UID", ")", 199),
        ("t GETMETADATA \"\" (/private/x", " /private/y", ")", 99),
        ("t SETMETADATA \"\" (/private/x NIL", " /private/y NIL", ")", 99),
        ("", "t", " NOOP", 64),
    ];
    for (start, more, end, most) in rows {
        for (n, good) in [(most, true), (most + 1, false)] {
            let sent = format!("{start}{}{end}", more.repeat(n)).replace(" )", ")");
            assert_eq!(command(&Bytes::from(sent)).is_ok(), good, "{start}: {n}");
        }
    }
}

#[test]
fn errors_name_the_place_but_no_password() {
    let error = |text: &'static str| command(&Bytes::from(text)).unwrap_err().text;
    assert_eq!(error("t FETCH x FLAGS"), "FETCH: syntax error at octet 9 near 'x FLAGS'");
    assert_eq!(error("t LOGIN bob se(cret"), "LOGIN: syntax error at octet 15");
    assert_eq!(error("t SELECT"), "SELECT: an argument is missing at the end");
    for (sent, at) in [
        ("t FETCH 1 (FLAGS NONSENSE UID)", "NONSENSE UID)"),
        ("t FETCH 1 (FLAGS BODY[HEADER.FIELDS x])", "x])"),
        ("t FETCH 1 BODY[1.x]", "x]"),
        ("t FETCH 1 BODY[]<1.x>", "x>"),
        ("t FETCH 1 (FLAGS) (CHANGEDSINCE x)", "x)"),
        ("t FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)", "(CHANGEDSINCE 1 VANISHED"),
        ("t FETCH 1 FLAGS more", "more"),
        ("t STORE 1 (UNCHANGEDSINCE x) FLAGS a", "x) FLAGS a"),
        ("t STORE 1 FLAGS (\\Seen a(b)", "(b)"),
        ("t STORE 1 FLAGS (\\Seen \\Recent)", "\\Recent)"),
        ("t SEARCH FROM a SINCE 1-Foo-2000", "1-Foo-2000"),
        ("t SEARCH FROM a KEYWORD x\\y", "\\y"),
        ("t SEARCH RETURN (MIN FOO) ALL", "FOO) ALL"),
        ("t SEARCH CHARSET (x) ALL", "(x) ALL"),
        ("t SEARCH OR SEEN UID x", "x"),
        ("t SORT (DATE FOO) UTF-8 ALL", "FOO) UTF-8 ALL"),
        ("t SELECT x (QRESYNC (1 y))", "y))"),
        ("t SELECT x (QRESYNC (1 2) FOO)", "FOO)"),
        ("t LIST (SUBSCRIBED %) \"\" x", "%) \"\" x"),
        ("t LIST \"\" x RETURN (STATUS (MESSAGES FOO))", "FOO))"),
        ("t LIST \"\" x RETURN (SUBSCRIBED FOO)", "FOO)"),
        ("t STATUS x (MESSAGES FOO UIDNEXT)", "FOO UIDNEXT)"),
        ("t APPEND x (\\Seen y) \"1-Foo-2000 00:00:00 +0000\" {1}\r\nx", "1-Foo-2000 00:00:00 +000"),
        ("t APPEND x (\\Seen (y)) {1}\r\nx", "(y)) {1}"),
        ("t GETMETADATA (DEPTH 2) x /shared/a", "2) x /shared/a"),
        ("t SETMETADATA x (/shared/a y)", "y)"),
        ("t SETQUOTA x (STORAGE y)", "y)"),
        ("t CREATE x (USE (\\Sent y))", "y))"),
        ("t ESEARCH IN (personal FOO) ALL", "FOO) ALL"),
        ("t NOTIFY SET (personal (MessageNew (FOO) MessageExpunge))", "FOO) MessageExpunge))"),
    ] {
        let octet = sent.find(at).unwrap() + 1;
        let name = sent.split(' ').nth(1).unwrap();
        let place = format!("{name}: syntax error at octet {octet} near '{at}'");
        assert_eq!(error(sent), place, "{sent}");
    }
}
