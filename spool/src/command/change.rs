//! `CHANGE`.

use cp::command::common::is_word;
use cp::command::{CpCall, CpCommand, CpResult, split_word};
use cp::message::HcpMessage;
use futures::future::BoxFuture;

use super::{class_operand, count_line, selection, spool_of};
use crate::error::hcp;
use crate::file::{MAX_NAME, MAX_WORD, SpoolFile, check_length};

/// `CHANGE`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "CHANGE",
    min: 2,
    classes: "DG",
    syntax: "CHange [userid] {Reader|PRinter|PUnch} {spoolid ... | CLass c | FORM f | ALL} \
             [HOld|NOHold] [SYShold|NOSYShold] [KEep|NOKeep] [MSG|NOMsg] [CLass c] [COpy [*]n] [DIST d] [FORM f] [DEST d] \
             [NAme fn ft | NONAme]",
    summary: "Changes attributes of spool files.",
    run,
};

/// One attribute with its new value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Hold(bool),
    SystemHold(bool),
    Keep(bool),
    Msg(bool),
    Class(char),
    Copies(u8, bool),
    Dist(String),
    Form(String),
    Dest(String),
    Name(String, String),
}

impl Change {
    fn apply(&self, file: &mut SpoolFile) {
        match self {
            Self::Hold(on) => file.hold.user = *on,
            Self::SystemHold(on) => file.hold.system = *on,
            Self::Keep(on) => file.keep = *on,
            Self::Msg(on) => file.msg = *on,
            Self::Class(class) => file.class = *class,
            Self::Copies(copies, star) => {
                file.copies = *copies;
                file.copy_star = *star;
            }
            Self::Dist(dist) => file.dist.clone_from(dist),
            Self::Form(form) => file.form.clone_from(form),
            Self::Dest(dest) => file.dest.clone_from(dest),
            Self::Name(name, ftype) => {
                file.name.clone_from(name);
                file.ftype.clone_from(ftype);
            }
        }
    }
}

const SWITCHES: &[(&str, usize, Change)] = &[
    ("HOLD", 2, Change::Hold(true)),
    ("NOHOLD", 3, Change::Hold(false)),
    ("SYSHOLD", 3, Change::SystemHold(true)),
    ("NOSYSHOLD", 5, Change::SystemHold(false)),
    ("KEEP", 2, Change::Keep(true)),
    ("NOKEEP", 3, Change::Keep(false)),
    ("MSG", 3, Change::Msg(true)),
    ("NOMSG", 3, Change::Msg(false)),
];

fn begins_options(word: &str) -> bool {
    let values =
        [("CLASS", 2), ("COPY", 2), ("DIST", 2), ("FORM", 2), ("DEST", 2), ("NAME", 2), ("NONAME", 5)];
    SWITCHES.iter().any(|(name, least, _)| is_word(word, name, *least))
        || values.iter().any(|(name, least)| is_word(word, name, *least))
}

/// Reads `[*]n`, 1 to 255.
pub(super) fn copies(word: &str, module: &'static str) -> Result<(u8, bool), HcpMessage> {
    let (star, digits) = match word.strip_prefix('*') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    let count = digits.parse::<u8>().ok().filter(|n| *n > 0);
    count.map(|n| (n, star)).ok_or_else(|| hcp(module, 2, &[&word.to_ascii_uppercase()]))
}

/// Reads a word of at most eight characters, upper case.
pub(super) fn short_word(what: &'static str, word: &str, module: &'static str) -> Result<String, HcpMessage> {
    if word.is_empty() {
        return Err(hcp(module, 26, &[]));
    }
    check_length(what, word, MAX_WORD).map_err(|error| error.message(module))?;
    Ok(word.to_ascii_uppercase())
}

/// A file name and type, and what follows them.
type NameAndRest<'a> = ((String, String), &'a str);

/// Reads `fn ft`.
pub(super) fn file_name<'a>(rest: &'a str, module: &'static str) -> Result<NameAndRest<'a>, HcpMessage> {
    let (name, rest) = split_word(rest);
    let (ftype, rest) = split_word(rest);
    if name.is_empty() {
        return Err(hcp(module, 26, &[]));
    }
    check_length("file name", name, MAX_NAME).map_err(|error| error.message(module))?;
    check_length("file type", ftype, MAX_NAME).map_err(|error| error.message(module))?;
    Ok(((name.to_ascii_uppercase(), ftype.to_ascii_uppercase()), rest))
}

fn changes(mut rest: &str) -> Result<Vec<Change>, HcpMessage> {
    const M: &str = "CSC";
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let (word, after) = split_word(rest);
        if let Some((.., change)) = SWITCHES.iter().find(|(name, least, _)| is_word(word, name, *least)) {
            changes.push(change.clone());
            rest = after;
            continue;
        }
        let (value, past) = split_word(after);
        rest = past;
        changes.push(match word {
            _ if is_word(word, "CLASS", 2) => Change::Class(class_operand(value, M)?),
            _ if is_word(word, "COPY", 2) => {
                let (count, star) = copies(value, M)?;
                Change::Copies(count, star)
            }
            _ if is_word(word, "DIST", 2) => Change::Dist(short_word("distribution code", value, M)?),
            _ if is_word(word, "FORM", 2) => Change::Form(short_word("form", value, M)?),
            _ if is_word(word, "DEST", 2) => Change::Dest(short_word("destination", value, M)?),
            _ if is_word(word, "NONAME", 5) => {
                rest = after;
                Change::Name(String::new(), String::new())
            }
            _ if is_word(word, "NAME", 2) => {
                let ((name, ftype), past) = file_name(after, M)?;
                rest = past;
                Change::Name(name, ftype)
            }
            other => return Err(hcp(M, 3, &[&other.to_ascii_uppercase()])),
        });
    }
    if changes.is_empty() { Err(hcp(M, 26, &[])) } else { Ok(changes) }
}

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (selection, rest) = selection::read(&call, "CSC", false, begins_options)?;
        let changes = changes(rest)?;
        let system = changes.iter().any(|change| matches!(change, Change::SystemHold(_)));
        if system && !call.vm.entry.classes.contains('D') {
            return Err(hcp("CSC", 3, &["SYSHOLD"]));
        }
        let spool = spool_of(call.cp, "CSC")?;
        let files = selection.files(&spool, "CSC")?;
        let done = spool.change(&files, move |file| changes.iter().for_each(|change| change.apply(file)));
        let done = done.await.map_err(|error| error.message("CSC"))?;
        call.out.push(count_line(done, "CHANGED"));
        Ok(())
    })
}
