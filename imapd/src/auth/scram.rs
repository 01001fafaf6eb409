//! SCRAM (RFC 5802, RFC 7677) with channel binding to TLS (RFC 9266), as a server sees it.
//!
//! Messages are taken apart and made here; salts and proofs belong to the directory. Nothing here draws random numbers: the
//! server's nonce is an argument. Whether an authorisation identity is the user's own is judged once he has shown who he is. Of
//! errors the client is told with the end of the exchange, not by a message of SCRAM, which is optional (RFC 5802 section 7).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::syntax::saslprep::saslprep;
use crate::vm::{ScramHash, ScramSalt};

/// Octets of the tls-exporter channel binding (RFC 9266 section 2).
pub const EXPORTER_LEN: usize = 32;

/// Longest nonce taken from a client: many times what any sends, and small beside a line.
const MAX_NONCE: usize = 256;

/// What the server holds of the channel, and has told the client of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// The mechanism without PLUS; whether its PLUS form was shown.
    Without {
        /// Whether the PLUS form was shown.
        plus_shown: bool,
    },
    /// The PLUS form over this channel.
    Exporter([u8; EXPORTER_LEN]),
}

/// Why an exchange ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ScramError {
    /// A message is not what RFC 5802 section 7 says.
    #[error("message is not that of SCRAM")]
    Malformed,
    /// The client demands an extension that is not known here.
    #[error("SCRAM extension is not known")]
    Extension,
    /// The nonce is not the one that was agreed on: it is an answer to another exchange.
    #[error("nonce is another one")]
    Nonce,
    /// The channel is not the one that the client sees, or somebody hid the PLUS form from it.
    #[error("channel binding does not match")]
    Binding,
}

/// The client's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFirst {
    /// The login name.
    pub name: String,
    /// Who he wants to be, when he says so.
    pub wanted: Option<String>,
    binding: Binding,
    gs2: String,
    bare: String,
    nonce: String,
}

/// What waits for the client's final message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFirst {
    /// The login name.
    pub name: String,
    /// Who he wants to be, when he says so.
    pub wanted: Option<String>,
    /// The hash of the mechanism.
    pub hash: ScramHash,
    /// The message to be sent.
    pub text: String,
    binding: Binding,
    gs2: String,
    bare: String,
    nonce: String,
}

/// What the directory is to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// `AuthMessage`
    pub message: Vec<u8>,
    /// `ClientProof`
    pub proof: Vec<u8>,
}

impl ClientFirst {
    /// Takes the message apart and compares its channel binding flag with what there is.
    ///
    /// # Errors
    /// [`ScramError`].
    pub fn parse(message: &[u8], binding: Binding) -> Result<Self, ScramError> {
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed)?;
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(authzid), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ScramError::Malformed);
        };
        match (flag, binding) {
            ("p=tls-exporter", Binding::Exporter(_)) | ("n", Binding::Without { .. }) => {}
            ("y", Binding::Without { plus_shown: false }) => {}
            // It could bind and did not see that we can: somebody stands between.
            ("y", Binding::Without { plus_shown: true }) => return Err(ScramError::Binding),
            (p, _) if p.starts_with("p=") || matches!(p, "n" | "y") => return Err(ScramError::Binding),
            _ => return Err(ScramError::Malformed),
        }
        let gs2 = text[..text.len() - bare.len()].to_owned();
        if bare.starts_with("m=") {
            return Err(ScramError::Extension);
        }
        let mut attributes = bare.split(',');
        let name = attributes.next().and_then(|a| a.strip_prefix("n=")).ok_or(ScramError::Malformed)?;
        let nonce = attributes.next().and_then(|a| a.strip_prefix("r=")).ok_or(ScramError::Malformed)?;
        // One of which nothing is left, or that is prohibited, ends the exchange (RFC 5802 section 5.1).
        let name = saslprep(&sasl_name(name)?).ok_or(ScramError::Malformed)?.into_owned();
        if !is_nonce(nonce) {
            return Err(ScramError::Malformed);
        }
        extensions(attributes)?;
        let wanted = match authzid.strip_prefix("a=") {
            Some(wanted) => Some(sasl_name(wanted)?),
            None if authzid.is_empty() => None,
            None => return Err(ScramError::Malformed),
        };
        Ok(Self { name, wanted, binding, gs2, bare: bare.to_owned(), nonce: nonce.to_owned() })
    }

    /// The answer to it; `nonce` is the server's part.
    pub fn answer(self, hash: ScramHash, nonce: &str, salt: &ScramSalt) -> ServerFirst {
        let nonce = format!("{}{nonce}", self.nonce);
        let text = format!("r={nonce},s={},i={}", STANDARD.encode(&salt.salt), salt.iterations);
        let Self { name, wanted, binding, gs2, bare, .. } = self;
        ServerFirst { name, wanted, hash, text, binding, gs2, bare, nonce }
    }
}

impl ServerFirst {
    /// Whether the exchange is that of a PLUS form.
    pub fn is_bound(&self) -> bool {
        matches!(self.binding, Binding::Exporter(_))
    }

    /// Takes the client's final message apart: what the directory is to judge.
    ///
    /// # Errors
    /// [`ScramError`], when the channel binding differs among others.
    pub fn finish(&self, message: &[u8]) -> Result<Proof, ScramError> {
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let proof = STANDARD.decode(proof).map_err(|_| ScramError::Malformed)?;
        let mut attributes = without_proof.split(',');
        let channel = attributes.next().and_then(|a| a.strip_prefix("c=")).ok_or(ScramError::Malformed)?;
        let nonce = attributes.next().and_then(|a| a.strip_prefix("r=")).ok_or(ScramError::Malformed)?;
        let channel = STANDARD.decode(channel).map_err(|_| ScramError::Malformed)?;
        extensions(attributes)?;
        if nonce != self.nonce {
            return Err(ScramError::Nonce);
        }
        let mut expected = self.gs2.clone().into_bytes();
        if let Binding::Exporter(octets) = self.binding {
            expected.extend_from_slice(&octets);
        }
        if channel != expected {
            return Err(ScramError::Binding);
        }
        let message = format!("{},{},{without_proof}", self.bare, self.text);
        Ok(Proof { message: message.into_bytes(), proof })
    }
}

/// The server's final message.
pub fn server_final(signature: &[u8]) -> String {
    format!("v={}", STANDARD.encode(signature))
}

/// Looks at attributes behind those that are known. They are passed over, but for one that the client says must be understood, wherever
/// it stands (RFC 5802 section 5.1, `m`).
fn extensions<'a>(mut attributes: impl Iterator<Item = &'a str>) -> Result<(), ScramError> {
    attributes.try_for_each(|attribute| match attribute.as_bytes() {
        [b'm', b'=', ..] => Err(ScramError::Extension),
        [name, b'=', _, ..] if name.is_ascii_alphabetic() && !attribute.contains('\0') => Ok(()),
        _ => Err(ScramError::Malformed),
    })
}

/// `saslname`, which is not empty, with `=2C` and `=3D` put back.
pub(super) fn sasl_name(text: &str) -> Result<String, ScramError> {
    if text.is_empty() || text.contains('\0') {
        return Err(ScramError::Malformed);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        out.push_str(&rest[..at]);
        out.push(match rest.get(at + 1..at + 3) {
            Some("2C") => ',',
            Some("3D") => '=',
            _ => return Err(ScramError::Malformed),
        });
        rest = &rest[at + 3..];
    }
    Ok(out + rest)
}

fn is_nonce(text: &str) -> bool {
    (1..=MAX_NONCE).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FREE: Binding = Binding::Without { plus_shown: false };

    fn salt(text: &str) -> ScramSalt {
        ScramSalt { iterations: 4096, salt: STANDARD.decode(text).unwrap() }
    }

    /// The exchange of RFC 5802 section 5.
    #[test]
    fn the_published_exchange() {
        let first = ClientFirst::parse(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", FREE).unwrap();
        assert_eq!(first.name, "user");
        let server = first.answer(ScramHash::Sha1, "3rfcNHYJY1ZVvWVs7j", &salt("QSXCR+Q6sek8bf92"));
        assert_eq!(server.text, "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096");
        let last = b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=";
        let proof = server.finish(last).unwrap();
        assert_eq!(STANDARD.encode(&proof.proof), "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
        let message = "n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,\
                       s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
        assert_eq!(proof.message, message.as_bytes());
        let replayed = b"c=biws,r=fyko+d2lbbFgONRv9qkxdawLxxxxxxxxxxxxxxxxxx,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=";
        assert_eq!(server.finish(replayed), Err(ScramError::Nonce));
        let extended = |more: &str| {
            let nonce = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
            server.finish(format!("c=biws,r={nonce}{more},p=AAAA").as_bytes()).map(drop)
        };
        assert_eq!(extended(",x=later,Y=="), Ok(()));
        assert_eq!(extended(",x=later,m=1"), Err(ScramError::Extension));
        assert_eq!(extended(",x"), Err(ScramError::Malformed));
    }

    #[test]
    fn first_messages() {
        let with = Binding::Exporter([7; EXPORTER_LEN]);
        let hidden = Binding::Without { plus_shown: true };
        for (text, binding, want) in [
            ("n,,n=a=2Cb=3D,r=x", FREE, Ok("a,b=")),
            ("y,,n=a,r=x", FREE, Ok("a")),
            ("n,a=A,n=a,r=x", FREE, Ok("a")),
            ("n,,n=a,r=x,z=later", FREE, Ok("a")),
            ("p=tls-exporter,,n=a,r=x", with, Ok("a")),
            ("y,,n=a,r=x", hidden, Err(ScramError::Binding)),
            ("n,,n=a,r=x", with, Err(ScramError::Binding)),
            ("p=tls-unique,,n=a,r=x", with, Err(ScramError::Binding)),
            ("p=tls-exporter,,n=a,r=x", FREE, Err(ScramError::Binding)),
            ("n,,m=1,n=a,r=x", FREE, Err(ScramError::Extension)),
            ("n,,n=a,r=x,z=later,m=1", FREE, Err(ScramError::Extension)),
            ("n,,n=a,r=x,", FREE, Err(ScramError::Malformed)),
            ("n,,n=a,r=x,z", FREE, Err(ScramError::Malformed)),
            ("n,,n=a,r=x,1=y", FREE, Err(ScramError::Malformed)),
            ("n,,n=a,r=x,z=", FREE, Err(ScramError::Malformed)),
            ("n,,n=\u{ff41}\u{ad},r=x", FREE, Ok("a")),
            ("n,,n=\u{ad},r=x", FREE, Err(ScramError::Malformed)),
            ("n,,n=\u{e000},r=x", FREE, Err(ScramError::Malformed)),
            ("n,,n=a\0,r=x", FREE, Err(ScramError::Malformed)),
            ("n,a=,n=a,r=x", FREE, Err(ScramError::Malformed)),
            ("n,a=b=,n=a,r=x", FREE, Err(ScramError::Malformed)),
            ("n,,n=a=,r=x", FREE, Err(ScramError::Malformed)),
            ("n,,n=,r=x", FREE, Err(ScramError::Malformed)),
            ("n,,n=a,r=", FREE, Err(ScramError::Malformed)),
            ("n,,n=a,r=x y", FREE, Err(ScramError::Malformed)),
            ("n,x,n=a,r=x", FREE, Err(ScramError::Malformed)),
            ("q,,n=a,r=x", FREE, Err(ScramError::Malformed)),
            ("n,,", FREE, Err(ScramError::Malformed)),
        ] {
            let got = ClientFirst::parse(text.as_bytes(), binding).map(|f| f.name);
            assert_eq!(got, want.map(str::to_owned), "{text}");
        }
        let wanted = |text: &str| ClientFirst::parse(text.as_bytes(), FREE).unwrap().wanted;
        assert_eq!(wanted("n,a=b=2Cc,n=a,r=x").as_deref(), Some("b,c"));
        assert_eq!(wanted("n,,n=a,r=x"), None);
        let nonce = |n: usize| format!("n,,n=a,r={}", "x".repeat(n));
        assert!(ClientFirst::parse(nonce(MAX_NONCE).as_bytes(), FREE).is_ok());
        assert!(ClientFirst::parse(nonce(MAX_NONCE + 1).as_bytes(), FREE).is_err());
    }

    #[test]
    fn the_channel_must_be_the_same() {
        let first = ClientFirst::parse(b"p=tls-exporter,,n=a,r=x", Binding::Exporter([7; 32])).unwrap();
        let server = first.answer(ScramHash::Sha256, "y", &salt(""));
        let last = |channel: [u8; 32]| {
            let c = STANDARD.encode([&b"p=tls-exporter,,"[..], &channel].concat());
            format!("c={c},r=xy,p=AAAA")
        };
        assert!(server.finish(last([7; 32]).as_bytes()).is_ok());
        assert_eq!(server.finish(last([8; 32]).as_bytes()), Err(ScramError::Binding));
    }

    proptest! {
        #[test]
        fn anything_is_answered(first in ".{0,60}", last in ".{0,60}") {
            let _ = ClientFirst::parse(first.as_bytes(), FREE);
            let known = ClientFirst::parse(b"n,,n=a,r=x", FREE).unwrap();
            let _ = known.answer(ScramHash::Sha1, "y", &salt("")).finish(last.as_bytes());
        }
    }
}
