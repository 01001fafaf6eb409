//! Operands and options: what stands before and after the opening parenthesis.

use crate::Cms;
use crate::message::{DmsMessage, dms};
use crate::stack::StackFull;

/// A command line taken apart.
pub(crate) struct Words<'a> {
    /// Blank-delimited operands.
    pub(crate) operands: Vec<&'a str>,
    /// Options, upper case.
    pub(crate) options: Vec<String>,
}

/// Splits at the first `(`; a closing parenthesis ends the options.
pub(crate) fn split(args: &str) -> Words<'_> {
    let (before, after) = args.split_once('(').unwrap_or((args, ""));
    let after = after.split(')').next().unwrap_or("");
    Words {
        operands: before.split_ascii_whitespace().collect(),
        options: after.split_ascii_whitespace().map(str::to_ascii_uppercase).collect(),
    }
}

/// True when `word` abbreviates `name` with at least `min` characters.
pub(crate) fn abbreviates(word: &str, name: &str, min: usize) -> bool {
    word.len() >= min && name.starts_with(&word.to_ascii_uppercase())
}

/// Takes option words out of `options` that abbreviate one of `known` (name and minimum); returns the full names.
///
/// # Errors
/// 003E for a word that is none of them.
pub(crate) fn flags(
    module: &'static str,
    options: &[String],
    known: &[(&'static str, usize)],
) -> Result<Vec<&'static str>, DmsMessage> {
    options
        .iter()
        .map(|word| {
            let found = known.iter().find(|(name, min)| abbreviates(word, name, *min));
            found.map(|(name, _)| *name).ok_or_else(|| dms(module, 3, 24, &[word]))
        })
        .collect()
}

/// Refuses options where a command has none.
///
/// # Errors
/// 003E.
pub(crate) fn none(module: &'static str, options: &[String]) -> Result<(), DmsMessage> {
    options.first().map_or(Ok(()), |word| Err(dms(module, 3, 24, &[word])))
}

/// Where the lines of a command go. Source: the option STACK of GRANT AUTHORITY, ENROLL, QUERY BLOCKS, RENAME.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Output {
    /// NOTYPE: nowhere.
    Nowhere,
    /// TYPE: to the terminal.
    Terminal,
    /// STACK FIFO: behind what the program stack holds.
    Fifo,
    /// STACK LIFO: in front of it, the last line first.
    Lifo,
}

impl Output {
    /// Takes TYPE, NOTYPE and STACK [FIFO|LIFO], FIFO, LIFO out of the options; `default` without any of them.
    ///
    /// # Errors
    /// 066E for two that contradict each other.
    pub(crate) fn take(
        module: &'static str,
        options: &mut Vec<String>,
        default: Self,
    ) -> Result<Self, DmsMessage> {
        let mut found: Option<(Self, String)> = None;
        let mut stack_word = false;
        let mut left = Vec::with_capacity(options.len());
        for word in options.drain(..) {
            let meant = match word.as_str() {
                "STACK" | "FIFO" => Self::Fifo,
                "LIFO" => Self::Lifo,
                w if abbreviates(w, "TYPE", 1) => Self::Terminal,
                w if abbreviates(w, "NOTYPE", 3) => Self::Nowhere,
                _ => {
                    left.push(word);
                    continue;
                }
            };
            // STACK may have its order behind it.
            let refines = stack_word && matches!(word.as_str(), "FIFO" | "LIFO");
            if let Some((before, said)) = &found
                && *before != meant
                && !refines
            {
                return Err(dms(module, 66, 24, &[said, &word]));
            }
            stack_word = word == "STACK";
            found = Some((meant, word));
        }
        *options = left;
        Ok(found.map_or(default, |(output, _)| output))
    }

    /// A header, which only the terminal shows.
    pub(crate) async fn heading(self, cms: &Cms, line: &str) {
        if self == Self::Terminal {
            cms.say(line).await;
        }
    }

    /// A line.
    ///
    /// # Errors
    /// When the program stack is full.
    pub(crate) async fn line(self, cms: &Cms, module: &'static str, line: &str) -> Result<(), DmsMessage> {
        let full = |e: StackFull| dms(module, 1020, 104, &[&e.to_string()]);
        match self {
            Self::Nowhere => Ok(()),
            Self::Terminal => {
                cms.say(line).await;
                Ok(())
            }
            Self::Fifo => cms.stack.queue(line.to_owned()).map_err(full),
            Self::Lifo => cms.stack.push(line.to_owned()).map_err(full),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_options() {
        let take = |text: &str| {
            let mut options = text.split_ascii_whitespace().map(str::to_owned).collect();
            let output = Output::take("TST", &mut options, Output::Nowhere).map_err(|m| m.to_string());
            output.map(|o| (o, options.join(" ")))
        };
        assert_eq!(take(""), Ok((Output::Nowhere, String::new())));
        assert_eq!(take("T READ"), Ok((Output::Terminal, "READ".into())));
        assert_eq!(take("READ STACK"), Ok((Output::Fifo, "READ".into())));
        assert_eq!(take("STACK LIFO"), Ok((Output::Lifo, String::new())));
        assert_eq!(take("LIFO NEW"), Ok((Output::Lifo, "NEW".into())));
        assert!(take("TYPE NOTYPE").unwrap_err().contains("066E TYPE and NOTYPE are conflicting options"));
        assert!(take("FIFO LIFO").is_err() && take("STACK TYPE").is_err());
    }
}
