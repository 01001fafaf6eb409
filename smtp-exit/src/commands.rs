//! The commands of the SMTP machine: typed at its console, or sent by SMSG.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::SmtpConfig;
use crate::delivery::Counts;

/// What commands show.
pub struct Commands {
    /// What has happened since the start.
    pub counts: Arc<Counts>,
    /// SMTP CONFIG.
    pub config: SmtpConfig,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Return code.
    pub rc: i32,
    /// Lines to show.
    pub lines: Vec<String>,
    /// The command ends the server.
    pub shutdown: bool,
    /// By SMSG only users of SMSGAUTHLIST may give it.
    pub privileged: bool,
}

impl Commands {
    /// Carries out a command line.
    pub fn answer(&self, line: &str) -> Answer {
        let words: Vec<String> = line.split_ascii_whitespace().map(str::to_ascii_uppercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            [] => Answer::default(),
            ["SHUTDOWN" | "SHUT" | "STOP"] => {
                Answer { shutdown: true, privileged: true, ..Answer::default() }
            }
            [.., "STATS"] => shown(self.statistics()),
            [.., "QUEUES" | "NUMQUEUE"] => {
                let waiting = self.counts.queued.load(Ordering::Relaxed);
                shown(vec![format!("Notes in the delivery queue: {waiting}")])
            }
            ["SMTPCMDS", "QUERY"] => shown(self.exits()),
            ["VERIFYCLIENT", "QUERY"] => shown(vec!["VERIFYCLIENT is set to NO".to_owned()]),
            ["FORWARDMAIL", "QUERY"] => shown(vec!["FORWARDMAIL is set to NO".to_owned()]),
            ["HELP"] => shown(vec!["QUEUES  STATS  SMTPCMDS QUERY  SHUTDOWN  HELP".to_owned()]),
            _ => {
                let text =
                    format!("DTCSMT1012E Unknown command: {}; HELP lists the commands", words.join(" "));
                Answer { rc: 4, lines: vec![text], ..Answer::default() }
            }
        }
    }

    fn statistics(&self) -> Vec<String> {
        let row = |what: &str, count: &AtomicU64| format!("{what:<19}{:>10}", count.load(Ordering::Relaxed));
        let c = &self.counts;
        vec![
            row("Mails received", &c.received),
            row("Recipients served", &c.delivered),
            row("Deliveries put off", &c.retried),
            row("Recipients returned", &c.returned),
        ]
    }

    fn exits(&self) -> Vec<String> {
        let state = |on| if on { "ON" } else { "OFF" };
        let exits = &self.config.exits;
        if exits.is_empty() {
            return vec!["SMTPCMDS is set to NO".to_owned()];
        }
        exits.iter().map(|e| format!("SMTPCMDS exit {} {} {}", e.name, e.kind, state(e.on))).collect()
    }
}

fn shown(lines: Vec<String>) -> Answer {
    Answer { lines, ..Answer::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_any_case() {
        let commands = Commands { counts: Arc::default(), config: SmtpConfig::default() };
        assert_eq!(commands.answer("queues").lines, ["Notes in the delivery queue: 0"]);
        assert_eq!(commands.answer("Query Stats").lines.len(), 4);
        assert_eq!(commands.answer("smtpcmds query").lines, ["SMTPCMDS is set to NO"]);
        assert!(commands.answer(" shutdown ").shutdown && commands.answer("SHUTDOWN").privileged);
        assert_eq!(commands.answer("frob it").rc, 4);
        assert_eq!(commands.answer(""), Answer::default());
    }
}
