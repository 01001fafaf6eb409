//! SEARCH: which messages match a key (RFC 3501 section 6.4.4); SORT and THREAD: in which order ([`sort`], [`thread`]).
//!
//! A key is first judged by the index alone, with "cannot tell" as a third answer; only messages that the index cannot
//! decide are read and decoded. Text is compared as a substring after case folding (i;unicode-casemap, RFC 5051, with
//! an ASCII fast path), over decoded text; with FUZZY words are compared with words ([`fuzzy`]).

mod addresses;
pub mod column;
#[cfg(test)]
mod column_tests;
pub mod fold;
pub mod fuzzy;
mod idn;
pub mod program;
pub mod sort;
pub mod thread;

pub use program::{Content, Context, Program, ProgramError, Row};
