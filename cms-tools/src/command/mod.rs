//! The CMS command table: one row and one file a command.
//!
//! A row carries name, minimum abbreviation, syntax and a one-line summary; HELP comes from it. A command ends with a
//! return code, or with a message that carries one.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::cms::Cms;
use crate::message::DmsMessage;

pub mod access;
mod convxlat;
mod copyfile;
mod create;
mod delete;
mod dirattr;
mod enroll;
mod erase;
mod fileattr;
pub mod filepool;
mod global;
mod grant;
mod help;
mod identify;
mod imap;
mod listdir;
mod listfile;
mod modify;
mod namedef;
mod namefind;
mod object;
mod options;
mod query;
mod query_accessors;
mod query_blocks;
pub mod query_filepool;
mod query_sfs;
mod rdrlist;
mod receive;
mod release;
mod relocate;
mod rename;
mod sendfile;
mod set;
mod state;
mod typefile;

/// How a command ends: a return code, or a message with one.
pub type CmsResult = Result<i32, DmsMessage>;

/// One call of a command.
pub struct CmsCall<'a> {
    /// The CMS it runs in.
    pub cms: &'a Arc<Cms>,
    /// Full name of the command.
    pub name: &'static str,
    /// What follows the command word.
    pub args: &'a str,
}

/// The function of a row.
pub type CmsFunction = for<'a> fn(CmsCall<'a>) -> BoxFuture<'a, CmsResult>;

/// One row of the table.
pub struct CmsCommand {
    /// Full name, upper case.
    pub name: &'static str,
    /// Length of the shortest abbreviation.
    pub min: usize,
    /// Operands, capital letters showing the abbreviations.
    pub syntax: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// The function.
    pub run: CmsFunction,
}

/// All commands, sorted by name.
pub const COMMANDS: &[CmsCommand] = &[
    access::ROW,
    convxlat::ROW,
    copyfile::ROW,
    create::ROW,
    delete::ROW,
    dirattr::ROW,
    enroll::ROW,
    erase::ROW,
    fileattr::ROW,
    filepool::ROW,
    global::ROW,
    grant::GRANT,
    help::ROW,
    identify::ROW,
    imap::ROW,
    listdir::ROW,
    listfile::ROW,
    modify::ROW,
    namefind::ROW,
    query::ROW,
    rdrlist::ROW,
    receive::ROW,
    release::ROW,
    relocate::ROW,
    rename::ROW,
    grant::REVOKE,
    sendfile::ROW,
    set::ROW,
    state::ROW,
    typefile::ROW,
];

/// The row that `word` (upper case) names.
pub fn find(word: &str) -> Option<&'static CmsCommand> {
    COMMANDS.iter().find(|r| word.len() >= r.min && r.name.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_the_docs() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/accuracy.md");
        let text = std::fs::read_to_string(docs).unwrap();
        let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        for row in COMMANDS {
            assert!(words.contains(&row.name), "{} is not in docs/accuracy.md", row.name);
        }
    }

    #[test]
    fn rows_are_in_order_and_reach_themselves() {
        assert!(COMMANDS.windows(2).all(|w| w[0].name < w[1].name));
        for row in COMMANDS {
            assert!(row.min <= row.name.len());
            assert_eq!(find(&row.name[..row.min]).map(|r| r.name), Some(row.name));
        }
    }
}
