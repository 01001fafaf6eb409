//! The framer at its limits, in any chunking.

use super::*;
use proptest::prelude::*;

const TIGHT: Limits = Limits { line: 20, command: 60, literals: 2, message: 100, non_synchronising: 50 };

fn frames(input: &[u8], chunk: usize, limits: &Limits) -> Vec<Frame> {
    let mut framer = Framer::default();
    let mut out = Vec::new();
    for piece in input.chunks(chunk.max(1)) {
        framer.feed(piece);
        while let Some(frame) = framer.next_frame(Mode::Command, limits) {
            out.push(frame);
        }
    }
    out
}

fn command(text: &str) -> Frame {
    Frame::Command(Bytes::copy_from_slice(text.as_bytes()))
}

fn refused(tag: &str, why: Refusal) -> Frame {
    Frame::Refused { tag: (!tag.is_empty()).then(|| Bytes::copy_from_slice(tag.as_bytes())), why }
}

#[test]
fn lines_and_literals() {
    for chunk in 1..40 {
        assert_eq!(
            frames(b"a NOOP\r\nb LOGIN {3}\r\nabc {2+}\r\nxy\r\nc X\n", chunk, &TIGHT),
            vec![
                command("a NOOP"),
                Frame::Continue,
                command("b LOGIN {3}\r\nabc {2+}\r\nxy"),
                command("c X")
            ]
        );
    }
}

#[test]
fn line_limit_at_and_past() {
    for chunk in 1..30 {
        let at = format!("a {}\r\n", "x".repeat(18));
        assert_eq!(frames(at.as_bytes(), chunk, &TIGHT).len(), 1);
        let past = format!("a {}\r\nb NOOP\r\n", "x".repeat(19));
        assert_eq!(
            frames(past.as_bytes(), chunk, &TIGHT),
            vec![refused("a", Refusal::LineTooLong), command("b NOOP")]
        );
        let far = format!("a {}{{5+}}\r\n12\r\n5 tail\r\nb NOOP\r\n", "x".repeat(90));
        assert_eq!(
            frames(far.as_bytes(), chunk, &TIGHT),
            vec![refused("a", Refusal::LineTooLong), command("b NOOP")]
        );
    }
}

#[test]
fn literal_limits_keep_step() {
    for chunk in 1..70 {
        // synchronising: refused before it is sent
        assert_eq!(
            frames(b"a LOGIN {99}\r\nb NOOP\r\n", chunk, &TIGHT),
            vec![refused("a", Refusal::LiteralTooLarge), command("b NOOP")]
        );
        // not synchronising: skipped, with the rest of the command
        let mut input = b"a LOGIN {55+}\r\n".to_vec();
        input.extend_from_slice(&[b'\n'; 55]);
        input.extend_from_slice(b" {3+}\r\n\r\n\r x\r\nb NOOP\r\n");
        assert_eq!(
            frames(&input, chunk, &TIGHT),
            vec![refused("a", Refusal::LiteralTooLarge), command("b NOOP")]
        );
    }
    assert_eq!(
        frames(b"a X {1+}\r\n1 {1+}\r\n1 {1+}\r\n1\r\nb NOOP\r\n", 7, &TIGHT),
        vec![refused("a", Refusal::TooManyLiterals), command("b NOOP")]
    );
}

#[test]
fn message_limit_at_and_past() {
    let send = |n: usize| {
        let mut input = format!("a APPEND x {{{n}}}\r\n").into_bytes();
        input.extend(std::iter::repeat_n(b'm', n));
        input.extend_from_slice(b"\r\n");
        input
    };
    let got = frames(&send(100), 9, &TIGHT);
    assert_eq!(got[0], Frame::Continue);
    assert!(matches!(&got[1], Frame::Command(c) if c.len() == 118));
    assert_eq!(frames(b"a APPEND x {101}\r\n", 9, &TIGHT), vec![refused("a", Refusal::MessageTooLarge)]);
    // one message a command: a second large literal is no message
    let mut two = b"a APPEND {70+}\r\n".to_vec();
    two.extend_from_slice(&[b'm'; 70]);
    two.extend_from_slice(b" {70+}\r\n");
    two.extend_from_slice(&[b'm'; 70]);
    two.extend_from_slice(b"\r\nb NOOP\r\n");
    let roomy = Limits { non_synchronising: 1000, ..TIGHT };
    assert_eq!(frames(&two, 9, &roomy), vec![refused("a", Refusal::MessageTooLarge), command("b NOOP")]);
    assert_eq!(frames(b"a XPPEND x {61}\r\n", 9, &TIGHT), vec![refused("a", Refusal::LiteralTooLarge)]);
}

/// A line that is too long, behind another one that ends just before it, is refused once.
#[test]
fn a_long_line_behind_a_short_one() {
    let sent = b"a X {0}\r\n AA0}   {000}AA{+ {0 0\r\nb NOOP\r\n";
    for chunk in 1..40 {
        let refused = refused("a", Refusal::LineTooLong);
        assert_eq!(frames(sent, chunk, &TIGHT), vec![Frame::Continue, refused, command("b NOOP")], "{chunk}");
    }
}

#[test]
fn holds_no_memory_when_idle() {
    let mut framer = Framer::default();
    framer.feed(b"a NOOP\r\n");
    assert!(framer.next_frame(Mode::Command, &TIGHT).is_some());
    framer.release();
    assert!(framer.is_idle());
    assert_eq!(framer.buffer().capacity(), 0);
}

proptest! {
    #[test]
    fn chunking_changes_nothing(input in "([a-c] [A-Z{}0-9+ ]{0,24}\r\n){0,8}", chunk in 1usize..30) {
        let whole = frames(input.as_bytes(), usize::MAX, &TIGHT);
        prop_assert_eq!(frames(input.as_bytes(), chunk, &TIGHT), whole);
    }

    #[test]
    fn memory_is_bounded(input in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut framer = Framer::default();
        for piece in input.chunks(13) {
            framer.feed(piece);
            while framer.next_frame(Mode::Command, &TIGHT).is_some() {}
            prop_assert!(framer.buffer().len() <= TIGHT.command + TIGHT.message + TIGHT.line + 40);
        }
    }
}

/// Messages of one APPEND are counted together.
#[test]
fn several_messages_at_and_past() {
    for (second, refusal) in [(30, None), (31, Some(Refusal::MessageTooLarge))] {
        let sent = format!(
            "a APPEND x {{70+}}\r\n{} {{{second}}}\r\n{}\r\nb NOOP\r\n",
            "y".repeat(70),
            if refusal.is_none() { "z".repeat(second) } else { String::new() }
        );
        let wide = Limits { non_synchronising: 70, command: 29, ..TIGHT };
        for chunk in [1, 7, 500] {
            let found = frames(sent.as_bytes(), chunk, &wide);
            match refusal {
                None => assert!(
                    matches!(&found[..], [Frame::Continue, Frame::Command(_), Frame::Command(_)]),
                    "{found:?}"
                ),
                Some(why) => assert_eq!(found[0], refused("a", why)),
            }
        }
    }
}
