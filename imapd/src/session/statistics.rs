//! What the server has done since it started, for QUERY STATISTICS.

use parking_lot::Mutex;

use super::meter::{Count, Counts};
use super::table::{CommandRow, TABLE};

/// Counts since the start.
#[derive(Debug)]
pub struct Statistics {
    /// One for each row of the command table.
    commands: Vec<Count>,
    /// Connections taken.
    pub connections: Count,
    /// Connections refused because there were too many.
    pub refused: Count,
    /// Logins.
    pub logins: Count,
    /// Logins refused.
    pub failures: Count,
    /// Mails that arrived.
    pub arrivals: Count,
    /// The counts of all sessions that are over.
    ended: Mutex<Counts>,
}

impl Default for Statistics {
    fn default() -> Self {
        Self {
            commands: TABLE.iter().map(|_| Count::default()).collect(),
            connections: Count::default(),
            refused: Count::default(),
            logins: Count::default(),
            failures: Count::default(),
            arrivals: Count::default(),
            ended: Mutex::default(),
        }
    }
}

impl Statistics {
    /// Counts a command.
    pub fn command(&self, row: &'static CommandRow) {
        let place = TABLE.iter().position(|r| std::ptr::eq(r, row));
        if let Some(count) = place.and_then(|i| self.commands.get(i)) {
            count.add(1);
        }
    }

    /// The commands that were used, with `UID` where it belongs to the name, in the order of the table.
    pub fn commands(&self) -> Vec<(String, u64)> {
        let counted = TABLE.iter().zip(&self.commands).filter(|(_, count)| count.get() > 0);
        counted
            .map(|(row, count)| (format!("{}{}", if row.uid { "UID " } else { "" }, row.name), count.get()))
            .collect()
    }

    /// Takes the counts of a session that is over.
    pub fn end(&self, counts: Counts) {
        let mut ended = self.ended.lock();
        *ended = ended.plus(counts);
    }

    /// The counts of all sessions that are over.
    pub fn ended(&self) -> Counts {
        *self.ended.lock()
    }
}
