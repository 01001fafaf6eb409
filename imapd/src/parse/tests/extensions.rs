//! Round trips of the commands and arguments that extensions add, with an encoder of their own.

use super::*;
use crate::parse::append::MAX_PARTS;
use crate::syntax::ast::{
    CatPart, EventGroup, ListArgs, ListSelect, NotifyEvent, NotifySet, SearchSource, Watched,
};
use crate::syntax::partial_range::PartialRange;

fn range() -> impl Strategy<Value = PartialRange> {
    (1..=u32::MAX, 1..=u32::MAX, any::<bool>()).prop_map(|(from, to, backwards)| PartialRange {
        from,
        to,
        backwards,
    })
}

fn mailboxes() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[a-z]{1,5}(/[a-z ]{1,3})?", 1..4)
}

fn source() -> impl Strategy<Value = (SearchSource, String)> {
    let args =
        |names: &[String]| names.iter().map(|n| MailboxArg(n.clone().into_bytes())).collect::<Vec<_>>();
    let list = |names: &[String]| match names {
        [one] if !one.contains(' ') => one.clone(),
        many => format!("({})", many.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(" ")),
    };
    prop_oneof![
        Just((SearchSource::Selected, "selected".to_owned())),
        Just((SearchSource::Inboxes, "Inboxes".to_owned())),
        Just((SearchSource::Personal, "PERSONAL".to_owned())),
        Just((SearchSource::Subscribed, "subscribed".to_owned())),
        mailboxes().prop_map(move |m| (SearchSource::Mailboxes(args(&m)), format!("mailboxes {}", list(&m)))),
        (mailboxes(), any::<bool>()).prop_map(move |(m, one_level)| {
            let word = if one_level { "subtree-one" } else { "subtree" };
            (SearchSource::Subtree { roots: args(&m), one_level }, format!("{word} {}", list(&m)))
        }),
    ]
}

fn event() -> impl Strategy<Value = (NotifyEvent, Vec<u8>)> {
    let words = [
        (NotifyEvent::MessageExpunge, "messageEXPUNGE"),
        (NotifyEvent::FlagChange, "FlagChange"),
        (NotifyEvent::MailboxName, "MailboxName"),
        (NotifyEvent::SubscriptionChange, "SUBSCRIPTIONCHANGE"),
        (NotifyEvent::MailboxMetadataChange, "MailboxMetadataChange"),
        (NotifyEvent::ServerMetadataChange, "servermetadatachange"),
        (NotifyEvent::Other, "AnnotationChange"),
        (NotifyEvent::Other, "x-later"),
    ];
    let words = words.map(|(event, word)| (event, word.as_bytes().to_vec()));
    prop_oneof![
        proptest::sample::select(words.to_vec()),
        proptest::collection::vec(item(), 0..4).prop_map(|items| {
            let mut word = b"MessageNew".to_vec();
            for (i, item) in items.iter().enumerate() {
                word.extend_from_slice(if i == 0 { b" (" } else { b" " });
                enc_item(&mut word, item);
            }
            word.extend_from_slice(if items.is_empty() { b"" } else { b")" });
            (NotifyEvent::MessageNew(items), word)
        }),
    ]
}

fn watched() -> impl Strategy<Value = (Watched, String)> {
    prop_oneof![
        Just((Watched::Selected { delayed: true }, "SELECTED-delayed".to_owned())),
        source().prop_map(|(source, word)| match source {
            SearchSource::Selected => (Watched::Selected { delayed: false }, word),
            source => (Watched::Others(source), word),
        }),
    ]
}

fn cat_part() -> impl Strategy<Value = CatPart> {
    let octets = || proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from);
    prop_oneof![
        octets().prop_map(|o| CatPart::Text(o, Carrier::Literal)),
        octets().prop_map(|o| CatPart::Text(o, Carrier::Literal8)),
        octets().prop_map(|o| CatPart::Text(o, Carrier::Utf8)),
        "[!-~]{0,20}".prop_map(|url| CatPart::Url(url.into())),
    ]
}

fn enc_parts(out: &mut Vec<u8>, parts: &[CatPart], form: u8) {
    for (i, part) in parts.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b"" } else { b" " });
        match part {
            CatPart::Url(url) => {
                out.extend_from_slice(b"URL ");
                enc_string(out, url, form);
            }
            CatPart::Text(octets, carrier) => {
                let word: &[u8] = match carrier {
                    Carrier::Literal => b"TEXT ",
                    Carrier::Literal8 => b"text ~",
                    Carrier::Utf8 => b"UTF8 (~",
                };
                out.extend_from_slice(word);
                enc_string(out, octets, 1 + form % 2);
                out.extend_from_slice(if *carrier == Carrier::Utf8 { b")" } else { b"" });
            }
        }
    }
}

#[test]
fn parts_at_the_limit_and_past() {
    for (n, good) in [(MAX_PARTS, true), (MAX_PARTS + 1, false)] {
        let sent = format!("t APPEND x CATENATE ({})", vec!["URL /x/;UID=1"; n].join(" "));
        assert_eq!(command(&Bytes::from(sent)).is_ok(), good);
    }
    for wrong in [
        "CATENATE ()",
        "CATENATE (TEXT \"x\")",
        "CATENATE (URL)",
        "CATENATE (TEXT UTF8 (~{1}\r\nx))",
        "CATENATE ({1}\r\nx)",
    ] {
        assert!(command(&Bytes::from(format!("t APPEND x {wrong}"))).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn notify_round_trip(
        found in proptest::collection::vec((watched(), proptest::collection::vec(event(), 0..5)), 1..5), status: bool,
    ) {
        let mut sent = b"t NOTIFY Set".to_vec();
        sent.extend_from_slice(if status { b" status" } else { b"" });
        let mut groups = Vec::new();
        for ((watched, word), events) in found {
            sent.extend_from_slice(format!(" ({word} ").as_bytes());
            for (i, (_, event)) in events.iter().enumerate() {
                sent.push(if i == 0 { b'(' } else { b' ' });
                sent.extend_from_slice(event);
            }
            sent.extend_from_slice(if events.is_empty() { b"none)" } else { b"))" });
            groups.push(EventGroup { watched, events: events.into_iter().map(|(event, _)| event).collect() });
        }
        prop_assert_eq!(parse(&sent), Command::Notify(Some(NotifySet { status, groups })));
        prop_assert_eq!(parse(b"t NOTIFY none"), Command::Notify(None));
    }

    #[test]
    fn esearch_round_trip(
        found in proptest::collection::vec(source(), 1..4), page in proptest::option::of(range()), key in key(), form: u8,
    ) {
        let (sources, words): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let (returns, option) = match page {
            Some(range) => {
                let returns = SearchReturn { count: true, partial: Some(range), ..SearchReturn::default() };
                (returns, format!("RETURN (PARTIAL {range} COUNT) "))
            }
            None => (SearchReturn { all: true, ..SearchReturn::default() }, String::new()),
        };
        let mut sent = format!("t ESEARCH IN ({}) {option}", words.join(" ")).into_bytes();
        enc_key(&mut sent, &key, form);
        prop_assert_eq!(parse(&sent), Command::Esearch { sources, returns, attributes: Vec::new(), charset: None, key });
    }

    #[test]
    fn updates_round_trip(items in proptest::collection::vec(item(), 1..5), key in key(), form: u8, uid: bool, tags in proptest::collection::vec(text(), 1..4)) {
        let uid_word = if uid { "UID " } else { "" };
        let mut shown = b"RETURN (Update (".to_vec();
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                shown.push(b' ');
            }
            enc_item(&mut shown, item);
        }
        shown.extend_from_slice(b") COUNT)");
        let returns = Some(SearchReturn { count: true, update: true, ..SearchReturn::default() });
        let mut sent = [b"t ", uid_word.as_bytes(), b"SEARCH ", &shown, b" "].concat();
        enc_key(&mut sent, &key, form);
        let expected = Command::Search { returns, attributes: items.clone(), charset: None, key: key.clone(), uid };
        prop_assert_eq!(parse(&sent), expected);
        let mut sent = [b"t ", uid_word.as_bytes(), b"SORT ", &shown, b" (SIZE) us-ascii "].concat();
        enc_key(&mut sent, &key, form);
        let keys = vec![SortKey { field: SortField::Size, reverse: false }];
        let expected = Command::Sort { returns, attributes: items, keys, charset: b"us-ascii".to_vec(), key, uid };
        prop_assert_eq!(parse(&sent), expected);
        let mut sent = b"t CANCELUPDATE".to_vec();
        for tag in &tags {
            sent.push(b' ');
            enc_string(&mut sent, tag, form);
        }
        prop_assert_eq!(parse(&sent), Command::CancelUpdate(tags));
    }

    #[test]
    fn modifiers_of_fetch_in_any_order(
        set in set(), since in proptest::option::of((0..=ModSeq::MAX.0, any::<bool>())), page in proptest::option::of(range()),
        turn in 0usize..3,
    ) {
        let mut words = Vec::new();
        let mut items = vec![FetchItem::Flags];
        if let Some((n, vanished)) = since {
            words.push(format!("CHANGEDSINCE {n}"));
            words.extend(vanished.then(|| "vanished".to_owned()));
            items.push(FetchItem::ModSeq);
        }
        words.extend(page.map(|range| format!("partial {range}")));
        let count = words.len().max(1);
        words.rotate_left(turn % count);
        let modifiers = if words.is_empty() { String::new() } else { format!(" ({})", words.join(" ")) };
        let since = since.map(|(n, vanished)| ChangedSince { modseq: ModSeq(n), vanished });
        let sent = format!("t UID FETCH {} FLAGS{modifiers}", enc_set(&set));
        prop_assert_eq!(parse(sent.as_bytes()), Command::Fetch { set, items, since, partial: page, uid: true });
        if !words.is_empty() {
            // Nothing stands twice.
            let twice = format!("t UID FETCH 1 FLAGS ({} {})", words.join(" "), words[0]);
            prop_assert!(command(&Bytes::from(twice)).is_err());
        }
    }

    #[test]
    fn numbers_and_words(size in 1u32.., range in proptest::option::of((1u32.., 1u32..)), words in proptest::collection::vec("[a-z-]{1,8}", 0..5)) {
        let shown = range.map(|(a, b)| format!(" {a}:{b}")).unwrap_or_default();
        prop_assert_eq!(parse(format!("t UIDBATCHES {size}{shown}").as_bytes()), Command::UidBatches { size, range });
        let sent = words.iter().fold("t LANGUAGE".to_owned(), |all, w| format!("{all} {w}"));
        prop_assert_eq!(parse(sent.as_bytes()), Command::Language(words.into_iter().map(String::into_bytes).collect()));
    }

    #[test]
    fn remote_lists(reference in text(), pattern in "[a-z*%/]{1,12}", form: u8) {
        let mut arguments = b" ".to_vec();
        enc_string(&mut arguments, &reference, form);
        arguments.push(b' ');
        enc_string(&mut arguments, pattern.as_bytes(), form / 3);
        let pattern = pattern.into_bytes();
        let sent = |word: &str| parse(&[b"t ", word.as_bytes(), &arguments].concat());
        let lsub = |remote| Command::Lsub { reference: reference.clone(), pattern: pattern.clone(), remote };
        prop_assert_eq!((sent("LSUB"), sent("RLSUB")), (lsub(false), lsub(true)));
        let list = |remote| {
            let select = ListSelect { remote, ..ListSelect::default() };
            let (reference, patterns) = (reference.clone(), vec![pattern.clone()]);
            Command::List(ListArgs { select, reference, patterns, ..ListArgs::default() })
        };
        prop_assert_eq!((sent("LIST"), sent("rlist")), (list(false), list(true)));
    }

    #[test]
    fn catenate_round_trip(
        messages in proptest::collection::vec((flags(), proptest::collection::vec(cat_part(), 1..4)), 1..3), form: u8,
    ) {
        let mut sent = b"t APPEND x".to_vec();
        for (flags, parts) in &messages {
            sent.extend_from_slice(format!(" {} CATENATE (", enc_flags(flags)).as_bytes());
            enc_parts(&mut sent, parts, form);
            sent.push(b')');
        }
        let message = |(flags, parts)| AppendMessage { flags, date: None, data: AppendData::Catenate(parts) };
        let messages: Vec<_> = messages.into_iter().map(message).collect();
        let by = messages[0].clone();
        let mailbox = MailboxArg(b"x".to_vec());
        prop_assert_eq!(parse(&sent), Command::Append { mailbox: mailbox.clone(), messages });
        let mut sent = format!("t REPLACE 7 x {} catenate (", enc_flags(&by.flags)).into_bytes();
        if let AppendData::Catenate(parts) = &by.data {
            enc_parts(&mut sent, parts, form);
        }
        sent.push(b')');
        let seven = SequenceSet(vec![(SeqNumber::Number(7), SeqNumber::Number(7))]);
        prop_assert_eq!(parse(&sent), Command::Replace { message: seven, mailbox, by, uid: false });
    }

    #[test]
    fn any_extension_gets_an_answer(line in "[a-z]{1,3} (UID )?(ESEARCH|FETCH 1 FLAGS|SEARCH RETURN|SEARCH RETURN \\(UPDATE|CANCELUPDATE|NOTIFY|NOTIFY SET|UIDBATCHES|LANGUAGE|COMPRESS|AUTHENTICATE|APPEND x UTF8|APPEND x CATENATE|RLIST|RLSUB) [ -~]{0,40}") {
        let _ = command(&Bytes::from(line));
    }
}
