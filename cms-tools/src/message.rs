//! DMS messages: the repository of CMS, one row a message.
//!
//! `DMS`, a module code of three letters, a number of three or four digits, a severity letter, a text. Numbers and texts
//! are the real ones where the situation is the same (facts of CMS commands, "proposed shapes"); the return code that
//! goes with a message is the command's to say.

use std::fmt;

use cp::message::{MessageRow, substitute};

/// A message with its return code, which ends a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DmsMessage {
    /// Module code, three letters.
    pub module: &'static str,
    /// Number.
    pub number: u16,
    /// Severity letter.
    pub severity: char,
    /// Text with operands in place.
    pub text: String,
    /// Return code of the command.
    pub rc: i32,
}

impl fmt::Display for DmsMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DMS{}{:03}{} {}", self.module, self.number, self.severity, self.text)
    }
}

impl std::error::Error for DmsMessage {}

const fn row(number: u16, severity: char, text: &'static str) -> MessageRow {
    MessageRow { number, severity, text }
}

/// All messages of CMS, by number.
pub const REPOSITORY: &[MessageRow] = &[
    row(2, 'E', "File &1 not found"),
    row(3, 'E', "Invalid option: &1"),
    row(5, 'E', "No &1 specified"),
    row(14, 'E', "Invalid function: &1"),
    row(19, 'E', "Identical fileids"),
    row(23, 'E', "No filetype specified"),
    row(24, 'E', "File &1 already exists; specify REPLACE option"),
    row(26, 'E', "Invalid parameter &1 in the option &2"),
    row(29, 'E', "Invalid parameter &1"),
    row(37, 'E', "Filemode &1 is accessed as read/only"),
    row(42, 'E', "No fileid specified"),
    row(44, 'E', "Record exceeds allowable maximum"),
    row(47, 'E', "No function specified"),
    row(48, 'E', "Invalid filemode &1"),
    row(51, 'E', "Invalid filemode change"),
    row(54, 'E', "Incomplete fileid specified"),
    row(59, 'E', "&1 already accessed as read/write &2 disk"),
    row(60, 'E', "File(s) &1 not found. Disk &2 will not be accessed"),
    row(62, 'E', "Invalid character &1 in fileid &2"),
    row(63, 'E', "No &1 list entered"),
    row(64, 'E', "Invalid &1specification at or near &2"),
    row(65, 'E', "Option &1 specified twice"),
    row(66, 'E', "&1 and &2 are conflicting options"),
    row(67, 'E', "Combined input files illegal with &1 option"),
    row(68, 'E', "Input file &1 not in packed format"),
    row(69, 'E', "Filemode &1 not accessed"),
    row(70, 'E', "Invalid parameter &1"),
    row(81, 'E', "Unable to send file to &1: &2"),
    row(101, 'S', "The &1 list is too long"),
    row(103, 'S', "Number of SPECS exceeds maximum &1"),
    row(104, 'S', "Error &1 reading file &2 from disk or directory"),
    row(105, 'S', "Error &1 writing file &2 to disk or directory"),
    row(107, 'S', "Disk or directory &1 is full"),
    row(113, 'S', "&1 not attached"),
    row(124, 'S', "Error reading spool file &1: &2"),
    row(156, 'E', "Record &1 not found; file &2 has only &3 records"),
    row(157, 'E', "Label &1 not found in file &2"),
    row(172, 'E', "TOLABEL &1 &2"),
    row(173, 'E', "No records were copied to output file &1"),
    row(257, 'T', "Internal system error at address &1 (offset &2)"),
    row(
        449,
        'E',
        "EXEC &1, record &2: only comments, quoted commands, SAY, QUEUE, PUSH and EXIT are understood: &3",
    ),
    row(601, 'R', "Enter specification list:"),
    row(602, 'R', "Enter translation list:"),
    row(639, 'E', "Error in &1 routine; return code was &2"),
    row(647, 'E', "Userid not specified for &1 in &2 NAMES file"),
    row(653, 'E', "Error executing &1, rc=&2"),
    row(657, 'E', "Undefined nickname or userid: &1"),
    row(671, 'E', "Error sending &1; rc=&2 from CP: &3"),
    row(672, 'E', "Virtual reader is empty"),
    row(674, 'E', "Punch is not ready"),
    row(721, 'I', "Copy &1 &2 &3 (&4)"),
    row(723, 'I', "&1 (&2) R/O"),
    row(724, 'I', "&1 replaces &2"),
    row(725, 'I', "&1 also = &2 disk"),
    row(726, 'I', "&1 &2 released"),
    row(1020, 'E', "&1"),
    row(1133, 'E', "Unable to connect to &1: &2"),
    row(1138, 'E', "File sharing conflict for file &1"),
    row(1144, 'E', "Directory &1 is not empty"),
    row(1151, 'E', "The space limit of file space &1 has been reached"),
    row(1153, 'E', "File pool &1 is unavailable or unknown"),
    row(1179, 'E', "&1 already exists"),
    row(1184, 'E', "File or directory &1 not found or you are not authorized for it"),
    row(1187, 'E', "Too many subdirectory levels, or bad directory name, in &1"),
    row(1205, 'E', "User &1 is already enrolled in file pool &2"),
    row(1206, 'E', "User &1 is not enrolled in file pool &2"),
    row(1210, 'E', "Directory &1 not found"),
    row(1223, 'E', "There is no default file pool currently defined"),
    row(1240, 'E', "You are not authorized to use file pool &1"),
    row(1258, 'E', "You are not authorized to issue this command"),
    row(1285, 'S', "File pool request failed: return code &1, reason &2"),
    row(2616, 'E', "The request was refused: &1"),
    row(2617, 'E', "Filemode &1 is a minidisk, not a directory of a file pool"),
    row(2618, 'W', "A file space of file pool &1 is above its warning threshold"),
    row(2619, 'E', "&1 &2 is no translate table: &3"),
    row(3114, 'W', "Storage group &1 is &2% full"),
    row(3115, 'E', "File pool &1 is offline and refuses work until it is started again: &2"),
];

/// Builds the message of `number` for `module`, with the return code that the command ends with.
pub fn dms(module: &'static str, number: u16, rc: i32, operands: &[&str]) -> DmsMessage {
    let found = REPOSITORY.iter().find(|r| r.number == number);
    let (severity, text) = found.map_or(('T', "&1"), |r| (r.severity, r.text));
    DmsMessage { module, number, severity, text: substitute(text, operands), rc }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_once_and_in_order() {
        assert!(REPOSITORY.windows(2).all(|w| w[0].number < w[1].number));
        let message = dms("LST", 2, 28, &["A B C"]);
        assert_eq!(message.to_string(), "DMSLST002E File A B C not found");
    }
}
