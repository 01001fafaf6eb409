//! The options of COPYFILE: their names, which of them contradict each other, and what they come to.
//!
//! Names, minimum abbreviations, defaults and the table of options that exclude each other are those of the CMS command as recalled.

use cp::codepage;
use sfs::types::{MAX_LRECL_F, RecordFormat};

use super::MODULE;
use crate::command::options::{Output, abbreviates};
use crate::message::{DmsMessage, dms};

/// Longest label of FRLABEL and TOLABEL, in characters.
pub(super) const MAX_LABEL: usize = 8;

/// What becomes of an output file that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// NEWFILE: it must not.
    Refused,
    /// REPLACE.
    Replaced,
    /// APPEND: the input comes behind it; without one it is made.
    Appended,
    /// OVLY: the input is laid over it; it must exist.
    Overlaid,
}

/// Where copying begins in each input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum First {
    /// FROM: this record, from 1.
    Record(u64),
    /// FRLABEL: the first record that begins so.
    Label(Vec<u8>),
}

/// Where copying ends in each input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Until {
    /// The end of the file.
    End,
    /// FOR: after so many records.
    Count(u64),
    /// TOLABEL: before the first record that begins so.
    Label(Vec<u8>),
}

/// UPCASE or LOWCASE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
}

/// PACK or UNPACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Pack,
    Unpack,
}

/// What the options come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) output: Output,
    /// `None` when no word says so: NEWFILE, or REPLACE where the output id is that of the input.
    pub(super) existing: Option<Existing>,
    pub(super) old_date: bool,
    /// Whether lists are asked for with a message.
    pub(super) prompt: bool,
    pub(super) first: First,
    pub(super) until: Until,
    pub(super) recfm: Option<RecordFormat>,
    /// What is longer is cut.
    pub(super) lrecl: Option<u32>,
    /// FILL characters at the ends of records go, in a RECFM V file.
    pub(super) trunc: bool,
    pub(super) fill: u8,
    pub(super) specs: bool,
    pub(super) ebcdic: bool,
    pub(super) case: Option<Case>,
    pub(super) trans: bool,
    pub(super) packing: Option<Packing>,
    pub(super) single: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            output: Output::Nowhere,
            existing: None,
            old_date: false,
            prompt: true,
            first: First::Record(1),
            until: Until::End,
            recfm: None,
            lrecl: None,
            trunc: false,
            fill: codepage::EBCDIC_BLANK,
            specs: false,
            ebcdic: false,
            case: None,
            trans: false,
            packing: None,
            single: false,
        }
    }
}

/// Name, shortest abbreviation, whether a value follows.
const NAMES: &[(&str, usize, bool)] = &[
    ("TYPE", 1, false),
    ("NOTYPE", 3, false),
    ("NEWDATE", 4, false),
    ("OLDDATE", 4, false),
    ("NEWFILE", 4, false),
    ("REPLACE", 3, false),
    ("OVLY", 2, false),
    ("APPEND", 2, false),
    ("PROMPT", 2, false),
    ("NOPROMPT", 4, false),
    ("FROM", 2, true),
    ("FRLABEL", 3, true),
    ("FOR", 3, true),
    ("TOLABEL", 3, true),
    ("SPECS", 2, false),
    ("NOSPECS", 4, false),
    ("RECFM", 3, true),
    ("LRECL", 2, true),
    ("TRUNC", 3, false),
    ("NOTRUNC", 4, false),
    ("PACK", 2, false),
    ("UNPACK", 3, false),
    ("FILL", 2, true),
    ("EBCDIC", 2, false),
    ("UPCASE", 2, false),
    ("LOWCASE", 2, false),
    ("TRANS", 3, false),
    ("SINGLE", 2, false),
];

/// Options with those that they do not go with; each pair stands once.
const EXCLUDES: &[(&str, &[&str])] = &[
    ("TYPE", &["NOTYPE"]),
    ("NEWDATE", &["OLDDATE"]),
    ("NEWFILE", &["REPLACE", "OVLY", "APPEND"]),
    ("REPLACE", &["OVLY", "APPEND"]),
    ("OVLY", &["APPEND", "PACK", "UNPACK"]),
    ("APPEND", &["OLDDATE", "RECFM", "LRECL", "PACK", "UNPACK"]),
    ("PROMPT", &["NOPROMPT"]),
    ("SPECS", &["NOSPECS"]),
    ("TRUNC", &["NOTRUNC"]),
    ("FROM", &["FRLABEL"]),
    ("FOR", &["TOLABEL"]),
    ("UPCASE", &["LOWCASE"]),
    ("PACK", &["UNPACK"]),
    ("PACK", AS_IT_IS),
    ("UNPACK", AS_IT_IS),
];

/// What PACK and UNPACK do not go with: a packed file is the whole file as it is.
const AS_IT_IS: &[&str] = &[
    "FROM", "FRLABEL", "FOR", "TOLABEL", "SPECS", "RECFM", "LRECL", "TRUNC", "FILL", "EBCDIC", "UPCASE",
    "LOWCASE", "TRANS",
];

/// Reads the words behind the parenthesis.
///
/// # Errors
/// 003E, 026E for a value, 065E for an option given twice, 066E for options that exclude each other, 172E for labels that leave nothing.
pub(super) fn parse(words: &[String]) -> Result<Options, DmsMessage> {
    let mut given: Vec<(&'static str, &str)> = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let known = NAMES.iter().find(|(name, min, _)| abbreviates(word, name, *min));
        let (name, _, valued) = known.ok_or_else(|| dms(MODULE, 3, 24, &[word]))?;
        if given.iter().any(|(before, _)| before == name) {
            return Err(dms(MODULE, 65, 24, &[name]));
        }
        given.push((name, if *valued { rest.next().map_or("", String::as_str) } else { "" }));
    }
    let has = |name: &str| given.iter().any(|(given, _)| *given == name);
    for (one, others) in EXCLUDES.iter().filter(|(one, _)| has(one)) {
        if let Some(other) = others.iter().find(|other| has(other)) {
            return Err(dms(MODULE, 66, 24, &[one, other]));
        }
    }
    let mut options = Options::default();
    for (name, value) in given {
        take(&mut options, name, value).ok_or_else(|| dms(MODULE, 26, 24, &[value, name]))?;
    }
    if let (First::Label(from), Until::Label(to)) = (&options.first, &options.until)
        && from.starts_with(to)
    {
        let how = if from == to { "equals FRLABEL" } else { "is an initial substring of FRLABEL" };
        return Err(dms(MODULE, 172, 24, &[&codepage::to_text(to), how]));
    }
    Ok(options)
}

/// Sets one option; `None` for a value that is none.
fn take(options: &mut Options, name: &str, value: &str) -> Option<()> {
    match name {
        "TYPE" => options.output = Output::Terminal,
        "OLDDATE" => options.old_date = true,
        "NEWFILE" => options.existing = Some(Existing::Refused),
        "REPLACE" => options.existing = Some(Existing::Replaced),
        "OVLY" => options.existing = Some(Existing::Overlaid),
        "APPEND" => options.existing = Some(Existing::Appended),
        "NOPROMPT" => options.prompt = false,
        "FROM" => options.first = First::Record(number(value)?),
        "FRLABEL" => options.first = First::Label(label(value)?),
        "FOR" => options.until = Until::Count(number(value)?),
        "TOLABEL" => options.until = Until::Label(label(value)?),
        "SPECS" => options.specs = true,
        "RECFM" => {
            options.recfm = Some(match value {
                "F" => RecordFormat::Fixed,
                "V" => RecordFormat::Variable,
                _ => return None,
            });
        }
        "LRECL" => options.lrecl = Some(value.parse().ok().filter(|n| (1..=MAX_LRECL_F).contains(n))?),
        "TRUNC" => options.trunc = true,
        "PACK" => options.packing = Some(Packing::Pack),
        "UNPACK" => options.packing = Some(Packing::Unpack),
        "FILL" => options.fill = character(value)?,
        "EBCDIC" => options.ebcdic = true,
        "UPCASE" => options.case = Some(Case::Upper),
        "LOWCASE" => options.case = Some(Case::Lower),
        "TRANS" => options.trans = true,
        "SINGLE" => options.single = true,
        // NOTYPE, NEWDATE, PROMPT, NOSPECS and NOTRUNC are how it is anyway.
        _ => {}
    }
    Some(())
}

fn number(value: &str) -> Option<u64> {
    value.parse().ok().filter(|n| *n > 0)
}

fn label(value: &str) -> Option<Vec<u8>> {
    let label = codepage::from_text(value);
    (1..=MAX_LABEL).contains(&label.len()).then_some(label)
}

/// The octet that one character or two hexadecimal digits stand for.
pub(super) fn character(value: &str) -> Option<u8> {
    match codepage::from_text(value)[..] {
        [one] => Some(one),
        _ if value.len() == 2 && value.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u8::from_str_radix(value, 16).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Options, String> {
        let words: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
        parse(&words).map_err(|m| m.to_string())
    }

    #[test]
    fn every_option_has_its_shortest_form() {
        for (index, (name, min, _)) in NAMES.iter().enumerate() {
            let found = NAMES.iter().position(|(other, least, _)| abbreviates(&name[..*min], other, *least));
            assert_eq!(found, Some(index), "{name}");
        }
        assert_eq!(read(""), Ok(Options::default()));
        assert_eq!(
            read("NOT NEWD NOPR FR 3 FOR 2").map(|o| (o.first, o.until, o.prompt)),
            Ok((First::Record(3), Until::Count(2), false))
        );
    }

    #[test]
    fn values_have_their_forms() {
        assert_eq!(read("FILL -").map(|o| o.fill), Ok(0x60));
        assert_eq!(read("FILL 00").map(|o| o.fill), Ok(0));
        assert_eq!(read("FILL 000"), Err("DMSCPY026E Invalid parameter 000 in the option FILL".into()));
        assert!(read("FOR 0").is_err() && read("FROM").is_err() && read("LRECL 0").is_err());
        assert!(read("LRECL 2147483647").is_ok() && read("LRECL 2147483648").is_err());
        assert!(read("FRLABEL 12345678").is_ok() && read("FRLABEL 123456789").is_err());
    }

    #[test]
    fn what_does_not_go_together() {
        assert_eq!(read("TRUNC TRUNC"), Err("DMSCPY065E Option TRUNC specified twice".into()));
        assert_eq!(read("RECFM F PACK"), Err("DMSCPY066E PACK and RECFM are conflicting options".into()));
        let same = "DMSCPY172E TOLABEL ABC equals FRLABEL";
        assert_eq!(read("FRLABEL ABC TOLABEL ABC"), Err(same.into()));
        let within = "DMSCPY172E TOLABEL AB is an initial substring of FRLABEL";
        assert_eq!(read("FRLABEL ABC TOLABEL AB"), Err(within.into()));
        assert!(read("FRLABEL AB TOLABEL ABC").is_ok());
    }

    #[test]
    fn every_option_of_the_table_of_conflicts_is_one() {
        let known = |name: &&str| NAMES.iter().any(|(known, ..)| known == name);
        assert!(EXCLUDES.iter().all(|(one, others)| known(one) && others.iter().all(known)));
    }
}
