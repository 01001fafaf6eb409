//! Operands and options: what stands before and after the opening parenthesis.

use crate::message::{DmsMessage, dms};

/// A command line taken apart.
pub(crate) struct Words<'a> {
    /// Blank-delimited operands.
    pub(crate) operands: Vec<&'a str>,
    /// Options, upper case.
    pub(crate) options: Vec<String>,
}

/// Splits at the first `(`; a closing parenthesis ends the options.
pub(crate) fn split(args: &str) -> Words<'_> {
    let (before, after) = args.split_once('(').unwrap_or((args, ""));
    let after = after.split(')').next().unwrap_or("");
    Words {
        operands: before.split_ascii_whitespace().collect(),
        options: after.split_ascii_whitespace().map(str::to_ascii_uppercase).collect(),
    }
}

/// True when `word` abbreviates `name` with at least `min` characters.
pub(crate) fn abbreviates(word: &str, name: &str, min: usize) -> bool {
    word.len() >= min && name.starts_with(&word.to_ascii_uppercase())
}

/// Takes option words out of `options` that abbreviate one of `known` (name and minimum); returns the full names.
///
/// # Errors
/// 003E for a word that is none of them.
pub(crate) fn flags(
    module: &'static str,
    options: &[String],
    known: &[(&'static str, usize)],
) -> Result<Vec<&'static str>, DmsMessage> {
    options
        .iter()
        .map(|word| {
            let found = known.iter().find(|(name, min)| abbreviates(word, name, *min));
            found.map(|(name, _)| *name).ok_or_else(|| dms(module, 3, 24, &[word]))
        })
        .collect()
}
