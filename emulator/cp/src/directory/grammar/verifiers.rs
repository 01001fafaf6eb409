//! `PWVERIFY` and `LINKVERIFY`: passwords that are hashed already. Statements of ours.
//!
//! ```text
//! PWVERIFY ARGON2ID memory passes lanes salt hash
//! PWVERIFY SCRAM-SHA-1 iterations salt          (and SCRAM-SHA-256)
//! PWVERIFY KEYS inner outer stored1 server1 stored256 server256
//! LINKVERIFY vdev {READ | WRITE | MULTIPLE} memory passes lanes salt hash
//! ```
//!
//! Octets are in base 64 without padding, so no operand is wider than a record.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as B64};
use nom::Parser;

use super::{Fault, Parsed, Statement, number, operand, token, vdev};
use crate::directory::password::{ArgonHash, ChallengeKeys, CramMd5, ScramKeys, ScramSalt};
use crate::name::Vdev;

/// One `PWVERIFY` statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::directory) enum VerifierPart {
    Argon2(ArgonHash),
    ScramSha1(ScramSalt),
    ScramSha256(ScramSalt),
    Keys(Box<ChallengeKeys>),
}

/// One `LINKVERIFY` statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::directory) struct LinkVerifierSource {
    pub(in crate::directory) vdev: Vdev,
    /// 0 read, 1 write, 2 multiple write.
    pub(in crate::directory) which: usize,
    pub(in crate::directory) hash: ArgonHash,
}

fn octets<'a>(
    what: &'static str,
    least: usize,
    greatest: usize,
) -> impl Parser<&'a str, Output = Vec<u8>, Error = Fault<'a>> {
    operand(what, move |word| {
        let octets = B64.decode(word).map_err(|_| String::from("is not base 64"))?;
        if (least..=greatest).contains(&octets.len()) {
            Ok(octets)
        } else {
            Err(format!("{what} has {} octets instead of {least} to {greatest}", octets.len()))
        }
    })
}

fn argon2(input: &str) -> Parsed<'_, ArgonHash> {
    let (rest, (memory, passes, lanes, salt, hash)) = (
        number("memory", 8, u32::MAX),
        number("passes", 1, u32::MAX),
        number("lanes", 1, 255),
        octets("salt", 8, 64),
        octets("hash", 16, 64),
    )
        .parse(input)?;
    match ArgonHash::from_parts(memory, passes, lanes, salt, hash) {
        Ok(made) => Ok((rest, made)),
        Err(e) => Err(nom::Err::Failure(Fault { rest: input.trim_start(), reason: e.to_string() })),
    }
}

fn scram(input: &str) -> Parsed<'_, ScramSalt> {
    (number("iterations", 1, 10_000_000), octets("salt", 8, 64))
        .map(|(iterations, salt)| ScramSalt { iterations, salt })
        .parse(input)
}

fn state<'a>(what: &'static str) -> impl Parser<&'a str, Output = [u32; 4], Error = Fault<'a>> {
    octets(what, 16, 16).map(|octets| {
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(octets.chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        state
    })
}

fn keys(input: &str) -> Parsed<'_, ChallengeKeys> {
    (
        state("inner state"),
        state("outer state"),
        octets("stored key", 20, 20),
        octets("server key", 20, 20),
        octets("stored key", 32, 32),
        octets("server key", 32, 32),
    )
        .map(|(inner, outer, stored1, server1, stored256, server256)| ChallengeKeys {
            cram_md5: CramMd5 { inner, outer },
            scram_sha1: ScramKeys { stored_key: stored1, server_key: server1 },
            scram_sha256: ScramKeys { stored_key: stored256, server_key: server256 },
        })
        .parse(input)
}

/// `PWVERIFY part ...`.
pub(super) fn pwverify(input: &str) -> Parsed<'_, Statement> {
    let start = input.trim_start();
    let (rest, word) = token(input)?;
    let (rest, part) = match word.to_ascii_uppercase().as_str() {
        "ARGON2ID" => argon2.map(VerifierPart::Argon2).parse(rest)?,
        "SCRAM-SHA-1" => scram.map(VerifierPart::ScramSha1).parse(rest)?,
        "SCRAM-SHA-256" => scram.map(VerifierPart::ScramSha256).parse(rest)?,
        "KEYS" => keys.map(|keys| VerifierPart::Keys(Box::new(keys))).parse(rest)?,
        _ => {
            let reason = "is not ARGON2ID, SCRAM-SHA-1, SCRAM-SHA-256 or KEYS".into();
            return Err(nom::Err::Failure(Fault { rest: start, reason }));
        }
    };
    Ok((rest, Statement::Pwverify(part)))
}

/// `LINKVERIFY vdev which ...`.
pub(super) fn linkverify(input: &str) -> Parsed<'_, Statement> {
    let which = operand("READ, WRITE or MULTIPLE", |word| {
        let known = ["READ", "WRITE", "MULTIPLE"].iter().position(|w| w.eq_ignore_ascii_case(word));
        known.ok_or_else(|| "is not READ, WRITE or MULTIPLE".into())
    });
    (vdev(), which, argon2)
        .map(|(vdev, which, hash)| Statement::Linkverify(LinkVerifierSource { vdev, which, hash }))
        .parse(input)
}

/// The operands of a `PWVERIFY ARGON2ID` or the tail of a `LINKVERIFY`.
pub(in crate::directory) fn write_argon2(hash: &ArgonHash) -> String {
    let ArgonHash { memory, passes, lanes, salt, hash } = hash;
    format!("{memory} {passes} {lanes} {} {}", B64.encode(salt), B64.encode(hash))
}

/// The operands of a `PWVERIFY SCRAM-...`.
pub(in crate::directory) fn write_scram(salt: &ScramSalt) -> String {
    format!("{} {}", salt.iterations, B64.encode(&salt.salt))
}

/// The operands of a `PWVERIFY KEYS`.
pub(in crate::directory) fn write_keys(keys: &ChallengeKeys) -> String {
    let state = |state: [u32; 4]| B64.encode(state.map(u32::to_le_bytes).concat());
    [
        state(keys.cram_md5.inner),
        state(keys.cram_md5.outer),
        B64.encode(&keys.scram_sha1.stored_key),
        B64.encode(&keys.scram_sha1.server_key),
        B64.encode(&keys.scram_sha256.stored_key),
        B64.encode(&keys.scram_sha256.server_key),
    ]
    .join(" ")
}
