//! `AUTHENTICATE mechanism [initial-response]` (RFC 3501 section 6.2.2, RFC 4959).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use nom::Parser;
use nom::bytes::complete::take_while1;
use nom::combinator::{map_opt, opt};
use nom::sequence::preceded;

use super::{Input, Parsed, prim};
use crate::syntax::ast::Command;

/// Parses the arguments; an initial response of `=` is an empty one.
///
/// # Errors
/// Where the grammar is broken.
pub fn authenticate<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, mechanism) = preceded(prim::sp, prim::atom).parse(input)?;
    let base64 =
        map_opt(take_while1(|b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b)), |b: &[u8]| {
            if b == b"=" { Some(Vec::new()) } else { STANDARD.decode(b).ok() }
        });
    let (rest, initial) = opt(preceded(prim::sp, base64)).parse(rest)?;
    Ok((rest, Command::Authenticate { mechanism: mechanism.to_ascii_uppercase(), initial }))
}
