//! The HCP messages of CP itself: one table, looked up by number.
//!
//! Texts are the documented ones where one is known (facts of CP, "Answers seen on real consoles"); the others keep
//! the traditional number and say the same.

use crate::message::{HcpMessage, MessageRow};

const fn row(number: u16, severity: char, text: &'static str) -> MessageRow {
    MessageRow { number, severity, text }
}

/// Every message, sorted by number.
pub static MESSAGES: &[MessageRow] = &[
    row(1, 'E', "Unknown CP command: &1"),
    row(2, 'E', "Invalid operand - &1"),
    row(3, 'E', "Invalid option - &1"),
    row(7, 'E', "Invalid userid - &1"),
    row(13, 'E', "Conflicting option - &1"),
    row(15, 'E', "Command not valid before LOGON: &1"),
    row(20, 'E', "Userid missing or invalid"),
    row(22, 'E', "A virtual device number was not supplied or it was invalid"),
    row(26, 'E', "Operand missing or invalid"),
    row(40, 'E', "Device &1 does not exist"),
    row(44, 'E', "&1 device not defined or system does not exist"),
    row(45, 'E', "&1 not logged on"),
    row(50, 'E', "LOGON unsuccessful--incorrect userid and/or password"),
    row(51, 'E', "Maximum password attempts exceeded, try again later"),
    row(53, 'E', "&1 not in CP directory"),
    row(54, 'E', "Already logged on &1"),
    row(55, 'E', "Line(s) not available"),
    row(56, 'E', "&1 may not be logged on"),
    row(57, 'I', "&1 not receiving; &2"),
    row(59, 'E', "&1 failed for &2 - &3"),
    row(68, 'E', "SEND command failed; receiver has not authorized sender"),
    row(92, 'E', "DASD &1 is defined already"),
    row(101, 'E', "&1 &2 not linked; R/W by &3"),
    row(102, 'E', "&1 &2 not linked; R/O by &3"),
    row(107, 'E', "&1 &2 not linked; not in CP directory"),
    row(114, 'E', "&1 &2 not linked; mode or password incorrect"),
    row(361, 'E', "LOGOFF/FORCE pending for user &1"),
    row(410, 'E', "&1 input not accepted; &2 lines wait already"),
    row(960, 'I', "System shutdown may be delayed while virtual machines end"),
    row(961, 'W', "SYSTEM SHUTDOWN STARTED"),
    row(6056, 'I', "XAUTOLOG information for &1: The IPL command is verified by the IPL command processor."),
];

/// The message `number` as module `module` issues it.
pub fn hcp(module: &'static str, number: u16, operands: &[&str]) -> HcpMessage {
    match MESSAGES.binary_search_by_key(&number, |row| row.number) {
        Ok(at) => HcpMessage::from_row(module, &MESSAGES[at], operands),
        // A number without a row is a mistake of the caller's; the user still gets its number and operands.
        Err(_) => HcpMessage { module, number, severity: 'E', text: operands.join(" ") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_unique() {
        assert!(MESSAGES.windows(2).all(|w| w[0].number < w[1].number));
        assert_eq!(hcp("CQU", 45, &["FRED"]).to_string(), "HCPCQU045E FRED not logged on");
    }
}
