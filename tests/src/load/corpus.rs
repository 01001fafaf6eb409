//! Messages for load: 60 % of 1.5 KB plain, 30 % of 4 KB alternative, 10 % of 12 KB with base64 parts; the same every time.

use std::fmt::Write;

const WORDS: &[&str] = &[
    "meeting",
    "report",
    "system",
    "figure",
    "agenda",
    "release",
    "minutes",
    "budget",
    "terminal",
    "session",
    "spool",
    "reader",
    "punch",
    "console",
    "directory",
    "printer",
];

fn text(seed: usize, octets: usize) -> String {
    let mut out = String::with_capacity(octets + 80);
    let mut n = seed.wrapping_mul(2_654_435_761);
    let mut column = 0;
    while out.len() < octets {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = WORDS[(n >> 33) % WORDS.len()];
        out.push_str(word);
        column += word.len() + 1;
        if column > 66 {
            out.push_str("\r\n");
            column = 0;
        } else {
            out.push(' ');
        }
    }
    out.push_str("\r\n");
    out
}

fn header(number: usize) -> String {
    let mut out = String::new();
    let sender = number % 14;
    let _ = write!(
        out,
        "Date: Mon, {:02} Jun 2026 {:02}:{:02}:00 +0000\r\nFrom: Sender {sender} <sender{sender}@example.org>\r\n\
         To: reader@example.org\r\nMessage-ID: <m{number}@example.org>\r\nSubject: {} {} number {number}\r\n\
         MIME-Version: 1.0\r\n",
        1 + number % 28,
        number % 24,
        number % 60,
        WORDS[number % WORDS.len()],
        if number % 100 == 7 { "rarity" } else { "matter" },
    );
    if !number.is_multiple_of(3) {
        let _ = write!(
            out,
            "In-Reply-To: <m{}@example.org>\r\nReferences: <m{}@example.org>\r\n",
            number - 1,
            number - 1
        );
    }
    out
}

/// Message `number` of the corpus.
pub fn message(number: usize) -> Vec<u8> {
    let mut out = header(number);
    match number % 10 {
        0..=5 => {
            out.push_str("Content-Type: text/plain; charset=us-ascii\r\n\r\n");
            out.push_str(&text(number, 1_200));
        }
        6..=8 => {
            out.push_str("Content-Type: multipart/alternative; boundary=\"bb\"\r\n\r\n--bb\r\nContent-Type: text/plain\r\n\r\n");
            out.push_str(&text(number, 1_500));
            out.push_str("--bb\r\nContent-Type: text/html\r\n\r\n<p>");
            out.push_str(&text(number + 1, 2_000));
            out.push_str("</p>\r\n--bb--\r\n");
        }
        _ => {
            out.push_str("Content-Type: multipart/mixed; boundary=\"bb\"\r\n\r\n--bb\r\nContent-Type: text/plain\r\n\r\n");
            out.push_str(&text(number, 1_500));
            out.push_str(
                "--bb\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            );
            for line in 0..130 {
                let octet = (b'A' + ((number + line) % 26) as u8) as char;
                out.extend(std::iter::repeat_n(octet, 76));
                out.push_str("\r\n");
            }
            out.push_str("--bb--\r\n");
        }
    }
    out.into_bytes()
}

/// A plain message of about `octets`.
pub fn plain(number: usize, octets: usize) -> Vec<u8> {
    let mut out = header(number);
    out.push_str("Content-Type: text/plain\r\n\r\n");
    let rest = octets.saturating_sub(out.len() + 2);
    out.push_str(&text(number, rest));
    out.into_bytes()
}
