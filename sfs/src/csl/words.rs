//! The option words of the CSL routines, for callers that pass them as one string (REXX `CALL CSL`); a Rust program passes values of
//! the types that say the same.
//!
//! Words of one option parameter stand in any order with blanks between. Of each group at most one is given. CACHE and NOCACHE are
//! known and change nothing: nothing is cached in the caller's machine.

/// A group of words of which at most one is given; the first is meant when none is, but for groups without a default.
pub type Group = &'static [&'static str];

/// An option parameter and its groups of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionWords {
    /// The routine.
    pub routine: &'static str,
    /// Its groups.
    pub groups: &'static [Group],
}

const COMMIT: Group = &["NOCOMMIT", "COMMIT"];
const DATES: Group = &["SHORTDATE", "FULLDATE", "ISODATE"];
const RECOVERY: Group = &["RECOVER", "NORECOVER"];
const OVERWRITE: Group = &["NOTINPLACE", "INPLACE"];
const REFERENCE: Group = &["NEWDATEREF", "OLDDATEREF"];
const CONTROL: Group = &["FILECONTROL", "DIRCONTROL"];
const CACHING: Group = &["CACHE", "NOCACHE"];
const FORMAT: Group = &["F", "V"];
const EMPTY: Group = &["ALLOWEMPTY"];
const AUTHORITY: Group = &["READ", "WRITE", "NEWREAD", "NEWWRITE", "DIRREAD", "DIRWRITE", "READDIRREAD"];

macro_rules! words {
    ($($name:ident $groups:expr;)*) => {
        /// Every routine that has an option parameter, by name.
        pub const WORDS: &[OptionWords] = &[$(OptionWords { routine: stringify!($name), groups: $groups }),*];
    };
}

words! {
    DMSCATTR &[RECOVERY, OVERWRITE, COMMIT];
    DMSCHECK &[&["WAIT", "NOWAIT"]];
    DMSCLDBK &[COMMIT, DATES];
    DMSCLDIR &[COMMIT];
    DMSCLOSE &[COMMIT, DATES];
    DMSCRALI &[COMMIT];
    DMSCRDIR &[COMMIT, CONTROL];
    DMSCRFIL &[COMMIT, RECOVERY, OVERWRITE];
    DMSCRLOC &[&["SHARE", "UPDATE", "EXCLUSIVE"], &["SESSION", "LASTING"]];
    DMSCROB &[COMMIT];
    DMSDIRAT &[CONTROL, COMMIT];
    DMSDISFS &[&["SHARE", "EXCLUSIVE"]];
    DMSDISSG &[&["SHARE", "EXCLUSIVE"]];
    DMSERASE &[COMMIT, &["ENTIRE", "DATAONLY"], &["NOFILES", "FILES"]];
    DMSEXIDI &[COMMIT];
    DMSEXIFI &[COMMIT];
    DMSFILEC &[COMMIT, &["REPLACE"]];
    DMSGETDF &[DATES];
    DMSGRANT &[AUTHORITY, COMMIT];
    DMSOPDBK &[&["NEW", "READ", "REPLACE"], CACHING, FORMAT, REFERENCE, RECOVERY, OVERWRITE, EMPTY, DATES];
    DMSOPDIR &[
        &["FILE", "ALIAS", "AUTH", "DIR", "FILEEXT", "LOCK", "SEARCHALL", "SEARCHAUTH"],
        &["FORCERO", "FORCERW"],
        &["NOEXT", "EXT"],
    ];
    DMSOPEN &[&["NEW", "READ", "REPLACE", "WRITE"], CACHING, FORMAT, REFERENCE, RECOVERY, OVERWRITE, EMPTY, DATES];
    DMSPURWU &[&["FORCE"]];
    DMSRELOC &[COMMIT];
    DMSRENAM &[COMMIT];
    DMSREVOK &[AUTHORITY, &["KEEPREAD"], COMMIT];
    DMSWRITE &[COMMIT];
}

/// The groups of words of a routine's option parameter.
pub fn option_words(routine: &str) -> Option<&'static [Group]> {
    WORDS.binary_search_by(|w| w.routine.cmp(routine)).ok().and_then(|at| WORDS.get(at)).map(|w| w.groups)
}

/// Takes a string of option words apart: for each group the word that was given.
///
/// # Errors
/// The word that is none, that stands there twice, or beside another of its group.
pub fn parse_options<'a>(routine: &str, options: &'a str) -> Result<Vec<Option<&'static str>>, &'a str> {
    let groups = option_words(routine).unwrap_or(&[]);
    let mut given = vec![None; groups.len()];
    for word in options.split_ascii_whitespace() {
        let known = |group: &Group| group.iter().find(|w| w.eq_ignore_ascii_case(word));
        let found = groups.iter().enumerate().find_map(|(n, group)| Some((n, *known(group)?)));
        match found {
            Some((n, word)) if given[n].is_none() => given[n] = Some(word),
            _ => return Err(word),
        }
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csl::table::{Kind, OPTIONS_LENGTH, ROUTINES};

    #[test]
    fn every_option_parameter_has_its_words() {
        assert!(WORDS.is_sorted_by(|a, b| a.routine < b.routine));
        for routine in ROUTINES {
            let mut parameters = routine.required.iter().chain(routine.optional);
            let has = parameters.any(|p| p.kind == Kind::Options);
            assert_eq!(option_words(routine.name).is_some(), has, "{}", routine.name);
        }
        for words in WORDS {
            let mut all: Vec<_> = words.groups.iter().flat_map(|g| g.iter()).collect();
            // The longest words of all groups fit.
            let longest = words.groups.iter().filter_map(|g| g.iter().map(|w| w.len() + 1).max());
            assert!(longest.sum::<usize>() <= OPTIONS_LENGTH as usize + 1, "{}", words.routine);
            all.sort();
            assert!(all.is_sorted_by(|a, b| a < b), "{} has a word twice", words.routine);
        }
    }

    #[test]
    fn words_come_in_any_order_and_once() {
        let given = parse_options("DMSCLDBK", "isodate  COMMIT").unwrap();
        assert_eq!(given, [Some("COMMIT"), Some("ISODATE")]);
        assert_eq!(parse_options("DMSCLDBK", "").unwrap(), [None, None]);
        assert_eq!(parse_options("DMSCLDBK", "COMMIT NOCOMMIT"), Err("NOCOMMIT"));
        assert_eq!(parse_options("DMSCLDBK", "KEEP"), Err("KEEP"));
        assert_eq!(parse_options("DMSCOMM", "COMMIT"), Err("COMMIT"));
    }
}
