//! The specification list of SPECS: where the columns of an output record come from.
//!
//! A list is pairs of a source and the column, from 1, where it begins in the output record. A source is columns of the input
//! (`nn-mm`, `nn-*` to the end, `nn`), a string between two equal special characters, or `h` with hexadecimal digits. What later
//! pairs say lies over what earlier ones say.

use cp::codepage;

/// Most pairs of a list, as recalled.
pub(super) const MAX_SPECS: usize = 20;
/// Highest column that a list may name: records of a RECFM V file have no more, and a list should not make records that fill memory.
pub(super) const MAX_COLUMN: usize = sfs::types::MAX_LRECL_V as usize;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// From this column, counted from 0, up to before the second.
    Columns(usize, usize),
    Octets(Vec<u8>),
}

/// What is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// What stands here is no specification.
    At(String),
    /// More than [`MAX_SPECS`].
    TooMany,
}

/// A specification list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Specs {
    /// Source and column of the output, counted from 0.
    fields: Vec<(Source, usize)>,
}

impl Specs {
    /// Reads a list.
    ///
    /// # Errors
    /// [`Wrong`].
    pub(super) fn parse(list: &str) -> Result<Self, Wrong> {
        let mut fields = Vec::new();
        let mut rest = list.trim_start();
        while !rest.is_empty() {
            if fields.len() == MAX_SPECS {
                return Err(Wrong::TooMany);
            }
            let wrong = || Wrong::At(rest.to_owned());
            let (source, after) = source(rest).ok_or_else(wrong)?;
            let after = after.trim_start();
            let (column, left) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
            let target = column_number(column).ok_or_else(wrong)?;
            fields.push((source, target - 1));
            rest = left.trim_start();
        }
        Ok(Self { fields })
    }

    /// How long the output record of an input record of so many octets is, when nothing lies under it.
    pub(super) fn reach(&self, length: usize) -> usize {
        let end = |(source, target): &(Source, usize)| match source {
            Source::Columns(from, to) => target + (*to).min(length).saturating_sub(*from),
            Source::Octets(octets) => target + octets.len(),
        };
        self.fields.iter().map(end).max().unwrap_or(0)
    }

    /// Lays what the list names of `record` over `made`; gaps get `fill`.
    pub(super) fn apply(&self, record: &[u8], mut made: Vec<u8>, fill: u8) -> Vec<u8> {
        for (source, target) in &self.fields {
            let octets = match source {
                Source::Columns(from, to) => record.get(*from..(*to).min(record.len())).unwrap_or(&[]),
                Source::Octets(octets) => octets,
            };
            if octets.is_empty() {
                continue;
            }
            let end = target + octets.len();
            if made.len() < end {
                made.resize(end, fill);
            }
            made[*target..end].copy_from_slice(octets);
        }
        made
    }
}

fn column_number(word: &str) -> Option<usize> {
    word.parse().ok().filter(|n| (1..=MAX_COLUMN).contains(n))
}

/// The source at the beginning of `text`, and what follows it.
fn source(text: &str) -> Option<(Source, &str)> {
    let first = text.chars().next()?;
    let (word, after) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if first.is_ascii_digit() {
        let (from, to) = word.split_once('-').unwrap_or((word, word));
        let from = column_number(from)?;
        let to = if to == "*" { usize::MAX } else { column_number(to)? };
        return (from <= to).then_some((Source::Columns(from - 1, to), after));
    }
    if let Some(digits) = word.strip_prefix(['h', 'H']) {
        let digits = digits.as_bytes();
        let whole =
            !digits.is_empty() && digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
        let octets =
            digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let octets = octets.collect::<Option<Vec<u8>>>().filter(|_| whole)?;
        return Some((Source::Octets(octets), after));
    }
    if first.is_alphanumeric() {
        return None;
    }
    let (string, after) = text.strip_prefix(first)?.split_once(first)?;
    (!string.is_empty()).then(|| (Source::Octets(codepage::from_text(string)), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(list: &str, record: &str, under: &str) -> String {
        let specs = Specs::parse(list).unwrap();
        codepage::to_text(&specs.apply(&codepage::from_text(record), codepage::from_text(under), 0x60))
    }

    #[test]
    fn columns_strings_and_hexadecimal_digits() {
        assert_eq!(made("1-3 4", "abcdef", ""), "---abc");
        assert_eq!(made("5-* 1 1 9 /a b/ 4", "abcdef", ""), "ef-a b--a");
        assert_eq!(made("hC1c2 2 *,* 1", "", ""), ",AB");
        // What is not there is not copied; what lies under it stays.
        assert_eq!(made("9-12 1 2-9 3", "abc", "0123456"), "01bc456");
        assert_eq!(Specs::parse("1-3 4 7-* 2").unwrap().reach(10), 6);
    }

    #[test]
    fn what_is_no_list() {
        let at = |list: &str| Specs::parse(list).unwrap_err();
        assert_eq!(at("1-3 1 3-2 1"), Wrong::At("3-2 1".into()));
        assert_eq!(at("1-3"), Wrong::At("1-3".into()));
        assert_eq!(at("/abc 1"), Wrong::At("/abc 1".into()));
        for wrong in ["hC 1", "h 1", "abc 1", "0-3 1", "1-3 0", "// 1", "1-x 2", "1-3 65536"] {
            assert!(Specs::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Specs::parse("1-3 65535").is_ok());
        assert!(Specs::parse(&"1 1 ".repeat(MAX_SPECS)).is_ok());
        assert_eq!(at(&"1 1 ".repeat(MAX_SPECS + 1)), Wrong::TooMany);
    }
}
