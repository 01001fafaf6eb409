//! The error notice: what the sender of an undeliverable mail gets.

use cms::cp::codepage;
use jiff::Zoned;

use crate::text::{append_record, records};

/// Records of the undeliverable mail that are given back: enough to recognise it.
const RETURNED_RECORDS: usize = 200;

/// One recipient and why it could not be served.
pub struct Failure<'a> {
    /// The address.
    pub address: &'a str,
    /// The reason, one line.
    pub reason: &'a str,
}

/// The text of a notice as a RECFM V image.
pub fn notice(
    host: &str,
    to: &str,
    failures: &[Failure<'_>],
    original: &[u8],
    note: &str,
    when: &Zoned,
) -> Vec<u8> {
    let date = when.strftime("%a, %d %b %Y %H:%M:%S %z");
    let mut lines = vec![
        format!("Date: {date}"),
        format!("From: SMTP@{host}"),
        format!("To: {to}"),
        format!("Message-ID: <{note}.notice@{host}>"),
        "Subject: Undeliverable Mail".to_owned(),
        "Auto-Submitted: auto-replied".to_owned(),
        String::new(),
        format!("{host} unable to deliver following mail to recipient(s):"),
    ];
    lines.extend(failures.iter().map(|f| format!("    <{}> {}", f.address, f.reason)));
    lines.push(String::new());
    lines.push("          ** Text of Mail follows **".to_owned());
    let mut image = Vec::new();
    for line in lines {
        append_record(&mut image, &codepage::from_text(&line));
    }
    for record in records(original).take(RETURNED_RECORDS) {
        append_record(&mut image, record);
    }
    image
}
