//! The `Received:` line that SMTP puts in front of every mail.
//!
//! Shape: `from helo (address) by host (IBM VM SMTP Level 310) via TCP with SMTP ; date`, folded where it would pass
//! 80 columns, as the captured headers of the real server are.

use jiff::Zoned;

/// Level that the server shows in its greeting and in trace headers.
pub const LEVEL: &str = "IBM VM SMTP Level 310";

/// Column past which the line is folded.
const FOLD_AT: usize = 80;

/// How a mail came in.
#[derive(Clone, Debug)]
pub struct Origin<'a> {
    /// HELO or EHLO name.
    pub helo: &'a str,
    /// Address of the client.
    pub address: &'a str,
    /// Our host name.
    pub host: &'a str,
    /// EHLO was used.
    pub esmtp: bool,
    /// Under TLS.
    pub tls: bool,
    /// The client authenticated.
    pub authenticated: bool,
    /// Number of the note, eight digits.
    pub note: &'a str,
    /// When.
    pub when: &'a Zoned,
}

/// The lines of the `Received:` header, without line ends.
pub fn received_lines(origin: &Origin<'_>) -> Vec<String> {
    // RFC 3848: the protocol says S for TLS and A for authentication.
    let protocol = match (origin.esmtp, origin.tls, origin.authenticated) {
        (false, ..) => "SMTP",
        (true, false, false) => "ESMTP",
        (true, false, true) => "ESMTPA",
        (true, true, false) => "ESMTPS",
        (true, true, true) => "ESMTPSA",
    };
    let from = format!("Received: from {} ([{}]) by {} ({LEVEL})", origin.helo, origin.address, origin.host);
    let with = format!("via TCP with {protocol} id {} ;", origin.note);
    let date = origin.when.strftime("%a, %d %b %Y %H:%M:%S %z").to_string();
    let mut lines = vec![from];
    for part in [with, date] {
        let last = lines.last_mut().expect("the list starts with one line");
        if last.len() + 1 + part.len() <= FOLD_AT {
            last.push(' ');
            last.push_str(&part);
        } else {
            lines.push(format!("   {part}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_folds_before_it_passes_the_margin() {
        let when = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
        let origin = Origin {
            helo: "client.example.org",
            address: "127.0.0.1",
            host: "vm.localhost",
            esmtp: true,
            tls: false,
            authenticated: false,
            note: "00000007",
            when: &when,
        };
        assert_eq!(
            received_lines(&origin),
            [
                "Received: from client.example.org ([127.0.0.1]) by vm.localhost (IBM VM SMTP Level 310)",
                "   via TCP with ESMTP id 00000007 ; Thu, 01 Jan 1970 00:00:00 +0000",
            ]
        );
    }
}
