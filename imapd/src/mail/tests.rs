//! The MIME view on whole and broken messages.

use super::scan::{Kind, MAX_DEPTH, MAX_PARTS, scan};
use super::section::{Resolved, resolve};
use super::*;
use crate::syntax::section::{Section, SectionText};
use proptest::prelude::*;

fn section(path: &[u32], text: SectionText) -> Section {
    Section { path: path.to_vec(), text }
}

fn octets<'a>(message: &'a [u8], path: &[u32], text: SectionText) -> Option<&'a str> {
    match resolve(&scan(message), &section(path, text)) {
        Resolved::Octets(range) => Some(std::str::from_utf8(&message[range]).unwrap()),
        _ => None,
    }
}

const NESTED: &[u8] = b"From: a@b\r\nContent-Type: multipart/mixed; boundary=\"out\"\r\n\r\npreamble\r\n--out\r\n\
Content-Type: text/plain\r\n\r\none\r\ntwo\r\n--out\r\nContent-Type: message/rfc822\r\n\r\n\
Subject: inner\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\nA\r\n--in\r\n\
Content-Type: text/html\r\n\r\nB\r\n--in--\r\nepilogue\r\n--out\r\nContent-Type: image/gif\r\n\
Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=x.gif\r\n\r\nR0lG\r\n--out--\r\n";

#[test]
fn sections_of_a_nested_message() {
    assert_eq!(octets(NESTED, &[1], SectionText::All), Some("one\r\ntwo"));
    assert_eq!(octets(NESTED, &[1], SectionText::Mime), Some("Content-Type: text/plain\r\n\r\n"));
    assert_eq!(
        octets(NESTED, &[2], SectionText::Header),
        Some("Subject: inner\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n")
    );
    assert_eq!(octets(NESTED, &[2, 1], SectionText::All), Some("A"));
    assert_eq!(octets(NESTED, &[2, 2], SectionText::All), Some("B"));
    assert_eq!(octets(NESTED, &[2, 2], SectionText::Mime), Some("Content-Type: text/html\r\n\r\n"));
    assert!(octets(NESTED, &[2], SectionText::Text).unwrap().ends_with("--in--\r\nepilogue"));
    assert_eq!(octets(NESTED, &[3], SectionText::All), Some("R0lG"));
    assert_eq!(octets(NESTED, &[1], SectionText::Header), None);
    assert_eq!(octets(NESTED, &[4], SectionText::All), None);
    assert_eq!(octets(NESTED, &[1, 1], SectionText::All), None);
    assert_eq!(octets(NESTED, &[], SectionText::All), Some(std::str::from_utf8(NESTED).unwrap()));
}

#[test]
fn structure_with_extension_data() {
    let view = NoteView::new(NESTED);
    let text = String::from_utf8(view.body_structure.to_vec()).unwrap();
    assert_eq!(
        text,
        "((\"text\" \"plain\" NIL NIL NIL \"7BIT\" 8 1 NIL NIL NIL NIL)\
         (\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 131 (NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) \
         ((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"us-ascii\") NIL NIL \"7BIT\" 1 0 NIL NIL NIL NIL)\
         (\"text\" \"html\" NIL NIL NIL \"7BIT\" 1 0 NIL NIL NIL NIL) \"alternative\" (\"BOUNDARY\" \"in\") NIL NIL NIL) \
         11 NIL NIL NIL NIL)\
         (\"image\" \"gif\" NIL NIL NIL \"BASE64\" 4 NIL (\"ATTACHMENT\" (\"FILENAME\" \"x.gif\")) NIL NIL) \
         \"mixed\" (\"BOUNDARY\" \"out\") NIL NIL NIL)"
            .replace("\"text\"", "\"TEXT\"")
            .replace("\"plain\"", "\"PLAIN\"")
            .replace("\"message\" \"rfc822\"", "\"MESSAGE\" \"RFC822\"")
            .replace("\"html\"", "\"HTML\"")
            .replace("\"alternative\"", "\"ALTERNATIVE\"")
            .replace("\"image\" \"gif\"", "\"IMAGE\" \"GIF\"")
            .replace("\"mixed\"", "\"MIXED\"")
    );
}

#[test]
fn envelope_defaults_and_lists() {
    let view =
        NoteView::new(b"From: A <a@b>\nTo: x@y\nTO: z@w\nSubject: =?utf-8?q?=41?=\nDate: today\n\nbody");
    assert_eq!(
        String::from_utf8(view.envelope.to_vec()).unwrap(),
        "(\"today\" \"=?utf-8?q?=41?=\" ((\"A\" NIL \"a\" \"b\")) ((\"A\" NIL \"a\" \"b\")) ((\"A\" NIL \"a\" \"b\")) \
         ((NIL NIL \"x\" \"y\")(NIL NIL \"z\" \"w\")) NIL NIL NIL NIL)"
    );
}

#[test]
fn single_part_messages() {
    let m = b"Subject: x\r\n\r\nhello\r\nyou\r\n";
    assert_eq!(octets(m, &[1], SectionText::All), Some("hello\r\nyou\r\n"));
    assert_eq!(octets(m, &[1], SectionText::Mime), Some("Subject: x\r\n\r\n"));
    assert_eq!(octets(m, &[2], SectionText::All), None);
    assert_eq!(scan(m).root().lines, 2);
    assert_eq!(scan(b"").root().body, 0..0);
    assert_eq!(scan(b"Subject: x").root().header, 0..10);
    let view = NoteView::new(b"Content-Type: multipart/mixed; boundary=x\r\n\r\nno parts");
    assert!(String::from_utf8_lossy(&view.body).starts_with("((\"TEXT\" \"PLAIN\""));
}

#[test]
fn broken_parts() {
    // header of the part never ends; the part ends at the delimiter
    let m = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n--b--\nrest";
    let s = scan(m);
    assert_eq!(s.parts().len(), 2);
    assert_eq!(&m[s.part(1).header.clone()], b"Content-Type: text/html");
    assert!(s.part(1).body.is_empty());
    // a message part whose header never ends still has its message
    let s = scan(b"Content-Type: message/rfc822");
    assert_eq!(s.root().kind, Kind::Message);
    assert_eq!(s.root().children.len(), 1);
    // a multipart without parts has one all the same, as BODYSTRUCTURE shows it
    let m = b"Content-Type: multipart/mixed; boundary=b\n\nnothing";
    for text in [SectionText::All, SectionText::Mime] {
        assert_eq!(octets(m, &[1], text), Some(""));
    }
    assert_eq!(octets(m, &[1], SectionText::Header), None);
    assert_eq!(octets(m, &[2], SectionText::All), None);
    assert_eq!(octets(m, &[1, 1], SectionText::All), None);
    let within = b"Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=b\n\nnothing";
    assert_eq!(octets(within, &[1, 1], SectionText::All), Some(""));
    // a boundary that begins like another
    let m = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\nx\n--bb--\n--b--\n";
    assert_eq!(octets(m, &[1, 1], SectionText::All), Some("x"));
}

#[test]
fn depth_limit_at_and_past() {
    for depth in [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 50] {
        let m = "Content-Type: message/rfc822\n\n".repeat(depth) + "Subject: x\n\nend";
        let s = scan(m.as_bytes());
        assert_eq!(s.parts().len(), (depth + 1).min(MAX_DEPTH));
        NoteView::new(m.as_bytes());
    }
}

#[test]
fn part_limit_at_and_past() {
    for parts in [MAX_PARTS - 1, MAX_PARTS, MAX_PARTS + 7] {
        let m = "Content-Type: multipart/mixed; boundary=b\n\n".to_owned()
            + &"--b\n\nx\n".repeat(parts)
            + "--b--\n";
        let s = scan(m.as_bytes());
        assert_eq!(s.parts().len(), (parts + 1).min(MAX_PARTS));
    }
}

fn any_mail() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("--b\r\n".to_owned()),
        Just("--b--\r\n".to_owned()),
        Just("--c\n".to_owned()),
        Just("--c--".to_owned()),
        Just("Content-Type: multipart/mixed; boundary=b\r\n".to_owned()),
        Just("Content-Type: multipart/digest;\r\n boundary=\"c\"\r\n".to_owned()),
        Just("Content-Type: message/rfc822\r\n".to_owned()),
        Just("Content-Type: text/plain; charset=x\n".to_owned()),
        Just("From: a@b, (c) <d@e>:;\"\r\n".to_owned()),
        "[ -~\r\n]{0,12}",
    ];
    proptest::collection::vec(line, 0..40).prop_map(|l| l.concat().into_bytes())
}

fn check(message: &[u8]) -> Result<(), TestCaseError> {
    let view = NoteView::new(message);
    let parts = view.structure.parts();
    prop_assert_eq!(view.structure.root().header.start, 0);
    prop_assert_eq!(view.structure.root().body.end, message.len());
    for part in parts {
        prop_assert_eq!(part.header.end, part.body.start);
        prop_assert!(part.header.start <= part.header.end && part.body.start <= part.body.end);
        prop_assert!(part.body.end <= message.len());
        let lines = message[part.body.clone()].iter().filter(|b| **b == b'\n').count();
        prop_assert_eq!(part.lines, lines);
        let mut at = part.body.start;
        for child in &part.children {
            let child = view.structure.part(*child);
            prop_assert!(child.header.start >= at && child.body.end <= part.body.end);
            at = child.body.end;
        }
    }
    // balanced, outside of strings and literals there are none here
    for item in [&view.body, &view.body_structure, &view.envelope] {
        prop_assert!(item.starts_with(b"(") && item.ends_with(b")"));
    }
    Ok(())
}

proptest! {
    #[test]
    fn offsets_are_consistent(message in any_mail()) {
        check(&message)?;
    }

    #[test]
    fn any_octets(message in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(&message)?;
    }
}

/// A message made by a writer that knows where it put everything.
#[derive(Debug, Clone)]
enum Node {
    Text(String),
    Multipart(Vec<Node>),
    Message(Box<Node>),
}

type Expected = Vec<(Vec<u32>, std::ops::Range<usize>, std::ops::Range<usize>)>;

/// Writes the node as an entity (header and body); returns where header and body are.
fn write_entity(
    node: &Node,
    path: &[u32],
    number: &mut u32,
    out: &mut Vec<u8>,
    expected: &mut Expected,
) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let header = out.len();
    *number += 1;
    let boundary = format!("b{number}");
    let content = match node {
        Node::Text(_) => "text/plain".to_owned(),
        Node::Multipart(_) => format!("multipart/mixed;\r\n boundary=\"{boundary}\""),
        Node::Message(_) => "message/rfc822".to_owned(),
    };
    out.extend_from_slice(format!("X: {number}\r\nContent-Type: {content}\r\n\r\n").as_bytes());
    let body = out.len();
    match node {
        Node::Text(text) => out.extend_from_slice(text.as_bytes()),
        Node::Multipart(children) => {
            for (i, child) in children.iter().enumerate() {
                out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
                let path = [path, &[i as u32 + 1]].concat();
                write_part(child, &path, number, out, expected);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(format!("--{boundary}--").as_bytes());
        }
        Node::Message(inner) => write_message(inner, path, number, out, expected),
    }
    (header..body, body..out.len())
}

/// A part that has this number.
fn write_part(node: &Node, path: &[u32], number: &mut u32, out: &mut Vec<u8>, expected: &mut Expected) {
    let (header, body) = write_entity(node, path, number, out, expected);
    expected.push((path.to_vec(), header, body));
}

/// A message whose parts are counted below `path`: a multipart's parts, or its one body as part 1.
fn write_message(node: &Node, path: &[u32], number: &mut u32, out: &mut Vec<u8>, expected: &mut Expected) {
    if matches!(node, Node::Multipart(_)) {
        write_entity(node, path, number, out, expected);
    } else {
        write_part(node, &[path, &[1]].concat(), number, out, expected);
    }
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = "[a-z]{0,5}(\r\n[a-z\\-]{0,6}){0,3}".prop_map(Node::Text);
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Node::Multipart),
            inner.prop_map(|n| Node::Message(Box::new(n))),
        ]
    })
}

proptest! {
    #[test]
    fn parts_are_where_the_writer_put_them(node in node()) {
        let (mut out, mut expected) = (Vec::new(), Vec::new());
        write_message(&node, &[], &mut 0, &mut out, &mut expected);
        let structure = scan(&out);
        for (path, header, body) in expected {
            let mime = section(&path, SectionText::Mime);
            prop_assert!(resolve(&structure, &mime) == Resolved::Octets(header.clone()), "{path:?} header {header:?}");
            let all = section(&path, SectionText::All);
            prop_assert!(resolve(&structure, &all) == Resolved::Octets(body.clone()), "{path:?} body {body:?}");
        }
    }
}
