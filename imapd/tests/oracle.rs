//! The command parser against another implementation of the grammar: commands that imap-codec makes from random octets are
//! written by it, read by our parser, and compared field by field.
//!
//! Differences that are known are in [`may_be_refused`].
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::borrow::Cow;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use imap_codec::CommandCodec;
use imap_codec::encode::Encoder;
use imap_codec::imap_types::command::{
    Command as Theirs, CommandBody as Body, FetchModifier, SelectParameter,
};
use imap_codec::imap_types::core::AString;
use imap_codec::imap_types::extensions::binary::LiteralOrLiteral8;
use imap_codec::imap_types::extensions::thread::ThreadingAlgorithm;
use imap_codec::imap_types::fetch::MacroOrMessageDataItemNames;
use imap_codec::imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_codec::imap_types::mailbox::Mailbox;
use imap_codec::imap_types::sequence::{SeqOrUid as Theirnumber, Sequence, SequenceSet as Theirset};
use imapd::parse::{self, TaggedCommand};
use imapd::syntax::ast::{AppendData, Command, FlagChange, MailboxArg};
use imapd::syntax::seqset::{SeqNumber, SequenceSet};
use imapd::wire::{Frame, Framer, Limits, Mode};
use proptest::prelude::*;

/// What the server would do with these octets: the one command in them, or why not.
fn ours(octets: &[u8]) -> Result<TaggedCommand, String> {
    let mut framer = Framer::default();
    framer.feed(octets);
    let mut found = None;
    while let Some(frame) = framer.next_frame(Mode::Command, &Limits::AUTHENTICATED) {
        match frame {
            Frame::Command(command) => {
                assert!(found.is_none(), "one command was written");
                found = Some(parse::command(&command).map_err(|e| e.text.to_string())?);
            }
            // A synchronising literal is asked for.
            Frame::Continue => {}
            other => return Err(format!("{other:?}")),
        }
    }
    found.ok_or_else(|| "no whole command".to_owned())
}

fn astring<'a>(text: &'a AString<'_>) -> Cow<'a, [u8]> {
    Cow::Borrowed(text.as_ref())
}

fn same_mailbox(theirs: &Mailbox<'_>, ours: &MailboxArg) -> bool {
    match theirs {
        Mailbox::Inbox => ours.0.eq_ignore_ascii_case(b"INBOX"),
        Mailbox::Other(name) => ours.0 == name.inner().as_ref(),
    }
}

/// Whether both sets have the same numbers: ours are put in order and joined.
fn same_set(theirs: &Theirset, ours: &SequenceSet) -> bool {
    let value = |n: &Theirnumber| match n {
        Theirnumber::Asterisk => u32::MAX,
        Theirnumber::Value(n) => n.get(),
    };
    let theirs: Vec<(u32, u32)> = theirs
        .0
        .as_ref()
        .iter()
        .map(|part| match part {
            Sequence::Single(n) => (value(n), value(n)),
            Sequence::Range(a, b) => (value(a).min(value(b)), value(a).max(value(b))),
        })
        .collect();
    let own = |n: &SeqNumber| match n {
        SeqNumber::Number(n) => *n,
        _ => u32::MAX,
    };
    let ours: Vec<(u32, u32)> =
        ours.0.iter().map(|(a, b)| (own(a).min(own(b)), own(a).max(own(b)))).collect();
    let has = |set: &[(u32, u32)], n: u32| set.iter().any(|(a, b)| (*a..=*b).contains(&n));
    let ends = theirs.iter().chain(&ours).flat_map(|(a, b)| [*a, *b]);
    ends.flat_map(|n| [n.saturating_sub(1).max(1), n, n.saturating_add(1)])
        .all(|n| has(&theirs, n) == has(&ours, n))
}

/// Whether a number of more than 63 bits stands in the command: we take none (RFC 7162 section 7, RFC 9208 section 7).
fn has_long_number(octets: &[u8]) -> bool {
    octets
        .split(|b| !b.is_ascii_digit())
        .filter(|digits| digits.len() >= 19)
        .any(|digits| std::str::from_utf8(digits).unwrap().parse::<i64>().is_err())
}

/// Whether we may refuse the command: it is one that the grammar does not have, or an extension of it that we do not have.
fn may_be_refused(body: &Body<'_>, octets: &[u8]) -> bool {
    let no_text = |octets: &[u8]| std::str::from_utf8(octets).is_err();
    // System flags that nobody knows are refused, as PERMANENTFLAGS says.
    let unknown = |flags: &[Flag<'_>]| flags.iter().any(|flag| matches!(flag, Flag::Extension(_)));
    has_long_number(octets)
        || match body {
            Body::Status { item_names, .. } => item_names.is_empty(),
            Body::Select { parameters, .. } | Body::Examine { parameters, .. } => {
                parameters.iter().any(has_asterisk)
            }
            Body::Fetch { macro_or_item_names, modifiers, uid, .. } => {
                let vanished = modifiers.iter().filter(|m| matches!(m, FetchModifier::Vanished)).count();
                let since = modifiers.len() - vanished;
                // VANISHED goes with UID FETCH and CHANGEDSINCE alone (RFC 7162 section 3.2.6).
                let wrong = vanished > 0 && (!uid || since == 0);
                let empty = matches!(
                    macro_or_item_names,
                    MacroOrMessageDataItemNames::MessageDataItemNames(names) if names.is_empty()
                );
                wrong || empty || vanished > 1 || since > 1
            }
            Body::Append { flags, .. } => unknown(flags),
            Body::Store { modifiers, flags, .. } => modifiers.len() > 1 || unknown(flags),
            Body::Thread { algorithm, .. } => matches!(algorithm, ThreadingAlgorithm::Other(_)),
            Body::GetMetadata { entries, options, .. } => {
                options.len() > 1 || entries.as_ref().iter().any(|e| no_text(e.as_ref()))
            }
            Body::SetMetadata { entry_values, .. } => {
                entry_values.as_ref().iter().any(|pair| no_text(pair.entry.as_ref()))
            }
            _ => false,
        }
}

/// Whether the client says with QRESYNC that it knows `*`, which RFC 7162 section 7 does not allow.
fn has_asterisk(parameter: &SelectParameter) -> bool {
    let SelectParameter::QResync { known_uids, seq_match_data, .. } = parameter else { return false };
    let matched = seq_match_data.iter().flat_map(|(numbers, uids)| [numbers, uids]);
    // Their encoder writes the greatest number so, too.
    let star = |n: &Theirnumber| match n {
        Theirnumber::Asterisk => true,
        Theirnumber::Value(n) => n.get() == u32::MAX,
    };
    known_uids.iter().chain(matched).flat_map(|set| set.0.as_ref()).any(|sequence| match sequence {
        Sequence::Single(n) => star(n),
        Sequence::Range(a, b) => star(a) || star(b),
    })
}

/// Whether both say the same of a command.
fn same(theirs: &Body<'_>, ours: &Command) -> bool {
    match (theirs, ours) {
        (Body::Capability, Command::Capability)
        | (Body::Noop, Command::Noop)
        | (Body::Logout, Command::Logout)
        | (Body::StartTLS, Command::StartTls)
        | (Body::Unselect, Command::Unselect)
        | (Body::Check, Command::Check)
        | (Body::Close, Command::Close)
        | (Body::Expunge, Command::Expunge)
        | (Body::Idle, Command::Idle)
        | (Body::Namespace, Command::Namespace)
        | (Body::Id { .. }, Command::Id(_)) => true,
        (Body::Login { username, password }, Command::Login { user, password: word }) => {
            astring(username) == *user && astring(password.declassify()) == *word
        }
        (Body::Select { mailbox, .. }, Command::Select { mailbox: name, args }) => {
            same_mailbox(mailbox, name) && !args.read_only
        }
        (Body::Examine { mailbox, .. }, Command::Select { mailbox: name, args }) => {
            same_mailbox(mailbox, name) && args.read_only
        }
        (Body::Create { mailbox }, Command::Create { mailbox: name, uses }) => {
            same_mailbox(mailbox, name) && uses.is_empty()
        }
        (Body::Delete { mailbox }, Command::Delete(name))
        | (Body::Subscribe { mailbox }, Command::Subscribe(name))
        | (Body::Unsubscribe { mailbox }, Command::Unsubscribe(name))
        | (Body::GetQuotaRoot { mailbox }, Command::GetQuotaRoot { mailbox: name }) => {
            same_mailbox(mailbox, name)
        }
        (Body::Rename { from, to }, Command::Rename(old, new)) => {
            same_mailbox(from, old) && same_mailbox(to, new)
        }
        (Body::List { reference, .. }, Command::List(args)) => {
            same_mailbox(reference, &MailboxArg(args.reference.clone())) && args.patterns.len() == 1
        }
        (Body::Lsub { reference, .. }, Command::Lsub { reference: own, .. }) => {
            same_mailbox(reference, &MailboxArg(own.clone()))
        }
        (Body::Status { mailbox, item_names }, Command::Status { mailbox: name, items }) => {
            same_mailbox(mailbox, name) && item_names.len() == items.len()
        }
        (Body::Append { mailbox, message, date, .. }, Command::Append { mailbox: name, messages }) => {
            let [one] = &messages[..] else { return false };
            let instant = date.as_ref().map(|date| date.as_ref().timestamp());
            same_mailbox(mailbox, name)
                && matches!(&one.data, AppendData::Octets(octets, _) if *octets == message_octets(message))
                && one.date.map(|date| date.seconds) == instant
        }
        (
            Body::Store { sequence_set, kind, response, uid, .. },
            Command::Store { set, args, uid: by_uid },
        ) => {
            let change = match kind {
                StoreType::Replace => FlagChange::Replace,
                StoreType::Add => FlagChange::Add,
                StoreType::Remove => FlagChange::Remove,
            };
            uid == by_uid
                && args.change == change
                && args.silent == (*response == StoreResponse::Silent)
                && same_set(sequence_set, set)
        }
        (Body::Copy { sequence_set, mailbox, uid }, Command::Copy { set, mailbox: name, uid: by_uid })
        | (Body::Move { sequence_set, mailbox, uid }, Command::Move { set, mailbox: name, uid: by_uid }) => {
            same_mailbox(mailbox, name) && uid == by_uid && same_set(sequence_set, set)
        }
        (Body::ExpungeUid { sequence_set }, Command::UidExpunge(set)) => same_set(sequence_set, set),
        (Body::Fetch { sequence_set, uid, .. }, Command::Fetch { set, uid: by_uid, .. }) => {
            uid == by_uid && same_set(sequence_set, set)
        }
        (Body::Search { uid, charset, .. }, Command::Search { uid: by_uid, charset: own, .. }) => {
            uid == by_uid && charset.is_some() == own.is_some()
        }
        (Body::Sort { uid, sort_criteria, .. }, Command::Sort { uid: by_uid, keys, .. }) => {
            uid == by_uid && sort_criteria.as_ref().len() == keys.len()
        }
        (Body::Thread { uid, .. }, Command::Thread { uid: by_uid, .. }) => uid == by_uid,
        (Body::GetQuota { root }, Command::GetQuota { root: own }) => astring(root) == *own,
        (Body::SetQuota { root, quotas }, Command::SetQuota { root: own, limits }) => {
            astring(root) == *own && quotas.len() == limits.len()
        }
        (Body::Enable { capabilities }, Command::Enable(names)) => capabilities.as_ref().len() == names.len(),
        (Body::Compress { .. }, Command::Compress(_))
        | (Body::Authenticate { .. }, Command::Authenticate { .. }) => true,
        (
            Body::GetMetadata { mailbox, entries, .. },
            Command::GetMetadata { mailbox: name, entries: own, .. },
        ) => same_mailbox(mailbox, name) && entries.as_ref().len() == own.len(),
        (Body::SetMetadata { mailbox, entry_values }, Command::SetMetadata { mailbox: name, values }) => {
            same_mailbox(mailbox, name) && entry_values.as_ref().len() == values.len()
        }
        _ => false,
    }
}

fn message_octets(message: &LiteralOrLiteral8<'_>) -> Bytes {
    match message {
        LiteralOrLiteral8::Literal(literal) => Bytes::copy_from_slice(literal.as_ref()),
        LiteralOrLiteral8::Literal8(literal) => Bytes::copy_from_slice(&literal.data),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn both_read_the_same(seed in prop::collection::vec(any::<u8>(), 20..600)) {
        let Ok(command) = Theirs::arbitrary(&mut Unstructured::new(&seed)) else { return Ok(()) };
        let octets = CommandCodec::default().encode(&command).dump();
        let shown = String::from_utf8_lossy(&octets).into_owned();
        match ours(&octets) {
            Ok(read) => {
                prop_assert_eq!(read.tag.as_ref(), command.tag.inner().as_bytes());
                prop_assert!(same(&command.body, &read.command), "{}\n{:?}", shown, read.command);
            }
            Err(reason) => prop_assert!(may_be_refused(&command.body, &octets), "{shown}\n{reason}"),
        }
    }
}
