//! LANGUAGE (RFC 5255 section 3)

use super::Done;
use crate::session::{Out, Reply, Session};
use crate::syntax::quote;

/// Languages of the texts for people. `i-default` must be among them (RFC 5255 section 3.1); it is English too.
const LANGUAGES: &[&str] = &["en", "i-default"];

/// Without arguments lists the languages; else takes the first of `wanted` that is known, by whole tag or by its language alone.
///
/// # Errors
/// None.
pub fn run(session: &mut Session, wanted: &[Vec<u8>], out: &mut Out<'_>) -> Done {
    if wanted.is_empty() {
        out.buf.extend_from_slice(format!("* LANGUAGE ({})\r\n", LANGUAGES.join(" ")).as_bytes());
        return Ok(Reply::ok("LANGUAGE completed"));
    }
    let Some(language) = wanted.iter().find_map(|range| matched(range)) else {
        return Ok(Reply::no("CANNOT", "None of these languages is spoken here"));
    };
    out.buf.extend_from_slice(b"* LANGUAGE (");
    quote::astring(out.buf, language.as_bytes());
    out.buf.extend_from_slice(b")\r\n");
    if session.is_authenticated() {
        // Prefixes could be named in the language: ours is the same in all.
        super::namespace::run(out)?;
    }
    Ok(Reply::ok("LANGUAGE completed"))
}

fn matched(range: &[u8]) -> Option<&'static str> {
    let range = std::str::from_utf8(range).ok()?;
    if range.eq_ignore_ascii_case("default") {
        return Some("i-default");
    }
    let primary = range.split('-').next()?;
    if primary == "*" {
        // Any language will do (RFC 4647 section 2.1).
        return LANGUAGES.first().copied();
    }
    LANGUAGES.iter().copied().find(|l| l.eq_ignore_ascii_case(range) || l.eq_ignore_ascii_case(primary))
}
