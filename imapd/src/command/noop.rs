//! NOOP and CHECK: updates go out after any command, and what was answered is on disk, so there is nothing to do.

use super::Done;
use crate::session::Reply;
use crate::syntax::ast::Command;

/// Answers.
///
/// # Errors
/// None.
pub fn run(command: &Command) -> Done {
    Ok(Reply::ok(if *command == Command::Check { "CHECK completed" } else { "NOOP completed" }))
}
