//! Mail made up for tests: sound, broken, and in between.

use proptest::prelude::*;

const FIELDS: &[&str] = &[
    "Subject: Re: matter of a text\r\n",
    "Subject: =?utf-8?q?J=C3=A4?=\r\n =?utf-8?b?w6Q=?= matter\r\n",
    "subject:\r\n",
    "From: \"A \\\" X\" <a@example.org>, b@example.org\r\n",
    "From : Team: a@x, b@y;\r\n",
    "From: M (a) \"=?utf-8?q?N?=\" <m . n @ x>\r\n",
    " From: a blank before\r\n",
    "To: c@example.org\r\n",
    "TO: =?utf-8?q?=E4?= <d@x>\r\n",
    "Cc: e@x\r\n\t, f@x\r\n",
    "Sender: s@x\r\n",
    "Reply-To: <>\r\n",
    "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n",
    "Date: never\r\n",
    "Message-ID: <1@x>\r\n",
    "In-Reply-To: <0@x> text\r\n",
    "References: <a@x>\r\n <b@x>\r\n",
    "X-Other: a\r\n  \r\n text\r\n",
    "X-Other: \u{e4} as it is\n",
    "a line without a colon\r\n",
    "Content-Type: text/plain; charset=iso-8859-1\r\n",
    "Content-Type: text/html\r\n",
    "Content-Type: multipart/mixed; boundary=\"bb\"\r\n",
    "Content-Type: message/rfc822\r\n",
    "Content-Type: multipart/digest; boundary=cc\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "Content-Disposition: attachment; filename*=utf-8''%e4\r\n",
    "MIME-Version: 1.0\r\n",
];

const LINES: &[&str] = &[
    "\r\n",
    "\r\n",
    "--bb\r\n",
    "--bb--\r\n",
    "--cc\r\n",
    "a matter of text\r\n",
    "=C3=A4 and X=\r\n",
    "dGV4dCBtYXR0ZXI=\r\n",
    "\u{e4}\u{f6}\r\n",
    "Subject: inside\r\n",
    "Content-Type: text/plain\r\n",
    "no end",
    "\n",
];

/// A message.
pub fn mail() -> impl Strategy<Value = Vec<u8>> {
    let fields = proptest::collection::vec(proptest::sample::select(FIELDS), 0..14);
    let lines = proptest::collection::vec(proptest::sample::select(LINES), 0..16);
    let odd = proptest::collection::vec(any::<u8>(), 0..20);
    (fields, any::<bool>(), lines, odd, 0..8u8).prop_map(|(fields, ends, lines, odd, where_odd)| {
        let mut out = Vec::new();
        if where_odd == 0 {
            out.extend_from_slice(&odd);
        }
        fields.iter().for_each(|f| out.extend_from_slice(f.as_bytes()));
        if ends {
            out.extend_from_slice(b"\r\n");
        }
        lines.iter().for_each(|l| out.extend_from_slice(l.as_bytes()));
        if where_odd == 1 {
            out.extend_from_slice(&odd);
        }
        out
    })
}
