//! Characters that COPYFILE makes others of: EBCDIC, UPCASE, LOWCASE, and the list of TRANS.
//!
//! All of it is one table; what TRANS names goes before what the other options say.

use cp::codepage;

use super::options::{Case, Options, character};

/// What each octet becomes.
pub(super) type Table = [u8; 256];

/// EBCDIC: characters of 026 keypunches with those that 029 keypunches have in their holes.
const KEYPUNCH: [(char, char); 6] =
    [('%', '('), ('<', ')'), ('&', '+'), ('#', '='), ('@', '\''), ('\'', ':')];

/// The table that options and pairs come to; `None` when nothing changes.
pub(super) fn table(options: &Options, pairs: &[(u8, u8)]) -> Option<Box<Table>> {
    let mut table: Box<Table> = Box::new([0; 256]);
    for (octet, slot) in (0..=u8::MAX).zip(table.iter_mut()) {
        *slot = octet;
    }
    let unchanged = table.clone();
    let mut set = |from: char, to: char| {
        if let ([from], [to]) =
            (&codepage::from_text(&from.to_string())[..], &codepage::from_text(&to.to_string())[..])
        {
            table[usize::from(*from)] = *to;
        }
    };
    if options.ebcdic {
        KEYPUNCH.iter().for_each(|(from, to)| set(*from, *to));
    }
    for letter in 'a'..='z' {
        match options.case {
            Some(Case::Upper) => set(letter, letter.to_ascii_uppercase()),
            Some(Case::Lower) => set(letter.to_ascii_uppercase(), letter),
            None => {}
        }
    }
    for (from, to) in pairs {
        table[usize::from(*from)] = *to;
    }
    (table != unchanged).then_some(table)
}

/// The pairs of a translation list: two words each, a character or two hexadecimal digits.
///
/// # Errors
/// The word that is wrong.
pub(super) fn pairs(list: &str) -> Result<Vec<(u8, u8)>, String> {
    let words: Vec<&str> = list.split_whitespace().collect();
    let octet = |word: &str| character(word).ok_or_else(|| word.to_owned());
    words
        .chunks(2)
        .map(|pair| match pair {
            [from, to] => Ok((octet(from)?, octet(to)?)),
            alone => Err(alone.concat()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(options: &Options, list: &str, text: &str) -> String {
        let table = table(options, &pairs(list).unwrap()).unwrap();
        codepage::to_text(&codepage::translated(&codepage::from_text(text), &table, 0))
    }

    #[test]
    fn characters_become_others() {
        let upper = Options { case: Some(Case::Upper), ..Options::default() };
        assert_eq!(through(&upper, "", "a-Zz9"), "A-ZZ9");
        assert_eq!(through(&upper, "z * 60 +", "a-Zz9"), "A+Z*9");
        let lower = Options { case: Some(Case::Lower), ..Options::default() };
        assert_eq!(through(&lower, "", "a-Zz9"), "a-zz9");
        let cards = Options { ebcdic: true, ..Options::default() };
        assert_eq!(through(&cards, "", "%<&#@'"), "()+=':");
        assert!(table(&Options::default(), &[]).is_none());
    }

    #[test]
    fn a_list_is_pairs() {
        assert_eq!(pairs("a b C1 00"), Ok(vec![(0x81, 0x82), (0xC1, 0)]));
        assert_eq!(pairs("a b c"), Err("c".into()));
        assert_eq!(pairs("a xyz"), Err("xyz".into()));
        assert_eq!(pairs(""), Ok(vec![]));
    }
}
