//! CP commands of the spool.

use cp::command::CommandTables;

/// Adds the rows of the spool.
pub(crate) fn register(_tables: &CommandTables) {}
