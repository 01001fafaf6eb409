//! SMTP CONFIG: the statements of the SMTP machine.
//!
//! One statement a record; `;` starts a comment; keywords in any case. Every wrong record is reported with its number,
//! the token and the reason, and the rest is still read.
//!
//! Statements taken: SMTPCMDS, MAXMAILBYTES, RETRYINT, RETRYAGE, INACTIVE, BADSPOOLFILEID, POSTMASTER, SMSGAUTHLIST,
//! TIMEZONE, LOCALFORMAT, FORWARDMAIL, VERIFYCLIENT, 8BITMIME, TRACE, DEBUG, LOG, NOLOG, PORT, TRANSLATETABLE. Statements of the real
//! server that need what this system has not (RSCS, gateways, name servers) are known and refused by name.

use cms::cp::name::{FileName, UserId};
use cms::cp::translate_table::STANDARD;

use crate::limits::{DEFAULT_INACTIVE_SECONDS, DEFAULT_MAX_MAIL_OCTETS};

/// State of a command exit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExitStatement {
    /// Name of the exit.
    pub name: String,
    /// EXEC or TEXT.
    pub kind: String,
    /// Commands it is called for.
    pub commands: Vec<String>,
    /// Whether it is called.
    pub on: bool,
}

/// What SMTP CONFIG says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SmtpConfig {
    /// SMTPCMDS EXIT statements.
    pub exits: Vec<ExitStatement>,
    /// MAXMAILBYTES.
    pub max_mail_bytes: u64,
    /// RETRYINT in minutes.
    pub retry_minutes: u64,
    /// RETRYAGE in days.
    pub retry_days: u64,
    /// INACTIVE in seconds.
    pub inactive_seconds: u64,
    /// BADSPOOLFILEID.
    pub bad_spool_file_id: Option<UserId>,
    /// POSTMASTER.
    pub postmaster: Option<UserId>,
    /// SMSGAUTHLIST.
    pub smsg_authorised: Vec<UserId>,
    /// TRANSLATETABLE.
    pub translate_table: TableName,
}

/// The name of a translate table, and the record that says it; 0 when none does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableName {
    record: usize,
    /// The name.
    pub name: FileName,
}

impl TableName {
    /// What is wrong with the table of this name.
    pub fn wrong(&self, reason: String) -> ConfigError {
        ConfigError { record: self.record, token: self.name.to_string(), reason }
    }
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            exits: Vec::new(),
            max_mail_bytes: DEFAULT_MAX_MAIL_OCTETS,
            retry_minutes: 20,
            retry_days: 3,
            inactive_seconds: DEFAULT_INACTIVE_SECONDS,
            bad_spool_file_id: None,
            postmaster: None,
            smsg_authorised: Vec::new(),
            translate_table: TableName {
                record: 0,
                name: FileName::new(STANDARD).expect("STANDARD is a file name"),
            },
        }
    }
}

/// Statements of the real server that this one does not have, with the reason.
const ABSENT: &[(&str, &str)] = &[
    ("GATEWAY", "there is no RSCS network"),
    ("RSCSDOMAIN", "there is no RSCS network"),
    ("RSCSFORMAT", "there is no RSCS network"),
    ("ALTRSCSDOMAIN", "there is no RSCS network"),
    ("MAILER", "there is no mailer machine"),
    ("DBCS", "double-byte translation is not done"),
    ("SECURE", "there is no RSCS network"),
    ("RESTRICT", "there is no RSCS network"),
    ("IPMAILERADDRESS", "mail leaves the system by FORWARDMAIL only"),
];

/// A record that was not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("SMTP CONFIG record {record}: {token}: {reason}")]
pub struct ConfigError {
    /// Number of the record, from 1.
    pub record: usize,
    /// The offending token.
    pub token: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads the records of SMTP CONFIG.
pub fn read<'a>(records: impl Iterator<Item = &'a str>) -> (SmtpConfig, Vec<ConfigError>) {
    let mut config = SmtpConfig::default();
    let mut errors = Vec::new();
    for (index, record) in records.enumerate() {
        let statement = record.split(';').next().unwrap_or("");
        let words: Vec<&str> = statement.split_ascii_whitespace().collect();
        if let Err((token, reason)) = take(&mut config, &words, index + 1) {
            errors.push(ConfigError { record: index + 1, token, reason });
        }
    }
    (config, errors)
}

type Taken = Result<(), (String, String)>;

fn take(config: &mut SmtpConfig, words: &[&str], record: usize) -> Taken {
    let Some((keyword, operands)) = words.split_first() else { return Ok(()) };
    let keyword = keyword.to_ascii_uppercase();
    match keyword.as_str() {
        "SMTPCMDS" => config.exits.push(exit_statement(operands)?),
        "MAXMAILBYTES" => config.max_mail_bytes = number(operands, 1, u64::from(u32::MAX))?,
        "RETRYINT" => config.retry_minutes = number(operands, 0, 1440)?,
        "RETRYAGE" => config.retry_days = number(operands, 0, 365)?,
        "INACTIVE" => config.inactive_seconds = number(operands, 60, 86_400)?,
        "BADSPOOLFILEID" => config.bad_spool_file_id = Some(userid(operands.first())?),
        "POSTMASTER" => config.postmaster = Some(userid(operands.first())?),
        "SMSGAUTHLIST" => {
            for word in operands {
                config.smsg_authorised.push(userid(Some(word))?);
            }
        }
        "TRANSLATETABLE" => {
            let word = operands.first().copied().unwrap_or("");
            let name = FileName::new(word).map_err(|e| (word.into(), e.to_string()))?;
            config.translate_table = TableName { record, name };
        }
        // Taken and without effect: what they switch is always so, or is the host's business.
        "TIMEZONE" | "LOCALFORMAT" | "8BITMIME" | "TRACE" | "DEBUG" | "LOG" | "NOLOG" | "PORT" => {}
        "FORWARDMAIL" | "VERIFYCLIENT" => match operands.first().map(|w| w.to_ascii_uppercase()).as_deref() {
            Some("NO") => {}
            Some(other) => return Err((other.into(), format!("{keyword} takes NO here"))),
            None => return Err((keyword.clone(), "operand missing".into())),
        },
        _ => {
            let known = ABSENT.iter().find(|(name, _)| *name == keyword);
            let reason = known.map_or("unknown statement", |(_, why)| why);
            return Err((keyword, reason.into()));
        }
    }
    Ok(())
}

/// `EXIT name {EXEC|TEXT} FOR command [command ...] {ON|OFF}`.
fn exit_statement(operands: &[&str]) -> Result<ExitStatement, (String, String)> {
    let upper: Vec<String> = operands.iter().map(|w| w.to_ascii_uppercase()).collect();
    let word = |i: usize| upper.get(i).map_or("", String::as_str);
    if word(0) != "EXIT" {
        return Err((word(0).into(), "SMTPCMDS is followed by EXIT".into()));
    }
    if word(1).is_empty() || word(1).len() > 8 {
        return Err((word(1).into(), "an exit has a name of 1 to 8 characters".into()));
    }
    if !matches!(word(2), "EXEC" | "TEXT") {
        return Err((word(2).into(), "an exit is an EXEC or a TEXT".into()));
    }
    let on = match upper.last().map(String::as_str) {
        Some("ON") => true,
        Some("OFF") => false,
        _ => {
            return Err((
                upper.last().cloned().unwrap_or_default(),
                "the statement ends with ON or OFF".into(),
            ));
        }
    };
    if word(3) != "FOR" || upper.len() < 6 {
        return Err((word(3).into(), "FOR and at least one command are missing".into()));
    }
    Ok(ExitStatement {
        name: word(1).into(),
        kind: word(2).into(),
        commands: upper[4..upper.len() - 1].to_vec(),
        on,
    })
}

fn number(operands: &[&str], least: u64, greatest: u64) -> Result<u64, (String, String)> {
    let word = operands.first().copied().unwrap_or("");
    match word.parse::<u64>() {
        Ok(n) if (least..=greatest).contains(&n) => Ok(n),
        _ => Err((word.into(), format!("a number from {least} to {greatest} is needed"))),
    }
}

fn userid(word: Option<&&str>) -> Result<UserId, (String, String)> {
    let word = word.copied().unwrap_or("");
    UserId::new(word).map_err(|e| (word.into(), e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_and_errors_by_record() {
        let text = "; comment\nSMTPCMDS EXIT IMAPCMDX EXEC FOR PUNCH ON ; trailing\n\nMaxMailBytes 1000\nRETRYINT 2000\nGATEWAY\nFROB\nSMTPCMDS EXIT A EXEC PUNCH ON\n";
        let (config, errors) = read(text.lines());
        assert_eq!(
            config.exits,
            [ExitStatement {
                name: "IMAPCMDX".into(),
                kind: "EXEC".into(),
                commands: vec!["PUNCH".into()],
                on: true
            }]
        );
        assert_eq!(config.max_mail_bytes, 1000);
        assert_eq!(config.translate_table.name.as_str(), "STANDARD");
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "SMTP CONFIG record 5: 2000: a number from 0 to 1440 is needed",
                "SMTP CONFIG record 6: GATEWAY: there is no RSCS network",
                "SMTP CONFIG record 7: FROB: unknown statement",
                "SMTP CONFIG record 8: PUNCH: FOR and at least one command are missing",
            ]
        );
    }

    #[test]
    fn the_translate_table_is_named_with_its_record() {
        let (config, errors) = read("; x\nTranslateTable 02730819 ; German\nTRANSLATETABLE A*B\n".lines());
        let wrong = config.translate_table.wrong("it is none".into());
        assert_eq!(wrong.to_string(), "SMTP CONFIG record 2: 02730819: it is none");
        assert_eq!((errors.len(), errors[0].record, errors[0].token.as_str()), (1, 3, "A*B"));
    }
}
