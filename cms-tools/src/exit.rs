//! Exits of service machines: native programs that a configuration names, and what they give back.
//!
//! A native program stands under the name that the EXEC of the real system has. What it is called with, and when, is the affair of
//! the machine that calls it (SMTP: `smtp_exit::exit`, IMAP: `imapd::auth::exit`).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// Greatest length of the return string in characters.
pub const MAX_RETURN_STRING: usize = 510;

/// What an exit returns. The numbers are ours: no page gives those of the real system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExitReturn {
    /// 0: go on as if there were no exit.
    Continue,
    /// 1: the exit has dealt with it.
    Handled,
    /// 2: refuse with the default text.
    Reject,
    /// 3: refuse with the return string.
    RejectWith(String),
    /// 4: refuse with the return string and close the connection.
    RejectAndClose(String),
    /// 5: go on and do not call the exit again.
    Disable,
    /// Not now. The reason goes to the log.
    Retry(String),
}

/// The exits of one kind by name.
pub struct ExitTable<E: ?Sized> {
    exits: RwLock<HashMap<String, Arc<E>>>,
}

impl<E: ?Sized> Default for ExitTable<E> {
    fn default() -> Self {
        Self { exits: RwLock::default() }
    }
}

impl<E: ?Sized> ExitTable<E> {
    /// Makes a program known under `name`.
    pub fn register(&self, name: &str, exit: Arc<E>) {
        self.exits.write().insert(name.to_ascii_uppercase(), exit);
    }

    /// The program known under `name`.
    pub fn find(&self, name: &str) -> Option<Arc<E>> {
        self.exits.read().get(&name.to_ascii_uppercase()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case() {
        let table: ExitTable<str> = ExitTable::default();
        table.register("ImapCmdX", Arc::from("exit"));
        assert_eq!(table.find("imapcmdx").as_deref(), Some("exit"));
        assert!(table.find("IMAPCMD").is_none());
    }
}
