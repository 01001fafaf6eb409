//! EXECs that are lists of commands.
//!
//! What is understood: comments, commands that are one quoted string, `SAY`, `QUEUE` and `PUSH` with one quoted string,
//! `ADDRESS COMMAND` and `ADDRESS CMS`, and `EXIT` with an optional number. That is what PROFILE EXECs of service machines consist of. Any
//! other clause ends the EXEC with a message that names the record; a language processor is not here.
//!
//! The return code of an EXEC without EXIT is 0, as in REXX; a command's own return code is shown and does not end it.

use thiserror::Error;

/// One clause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Clause {
    /// A command for CMS.
    Command(String),
    /// A line for the console.
    Say(String),
    /// A line for the program stack, behind the others.
    Queue(String),
    /// A line for the program stack, in front of the others.
    Push(String),
    /// The end, with its return code.
    Exit(i32),
}

/// A clause that is not understood.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("record {record}: {clause}")]
pub struct ExecError {
    /// Number of the record, from 1.
    pub record: usize,
    /// The clause.
    pub clause: String,
}

/// Reads the clauses of an EXEC.
///
/// # Errors
/// [`ExecError`] for the first clause that is not understood.
pub fn parse(text: &str) -> Result<Vec<Clause>, ExecError> {
    let mut clauses = Vec::new();
    for (record, clause) in split_clauses(text) {
        if let Some(parsed) =
            parse_clause(&clause).map_err(|()| ExecError { record, clause: clause.clone() })?
        {
            clauses.push(parsed);
        }
    }
    Ok(clauses)
}

/// Takes comments out and cuts the text at line ends and semicolons outside of strings.
fn split_clauses(text: &str) -> Vec<(usize, String)> {
    let mut clauses = Vec::new();
    let (mut clause, mut start, mut record) = (String::new(), 1, 1);
    let mut quote = None;
    let mut depth = 0usize;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '/') if chars.peek() == Some(&'*') => {
                chars.next();
                depth += 1;
            }
            (None, '*') if depth > 0 && chars.peek() == Some(&'/') => {
                chars.next();
                depth -= 1;
            }
            (None, '\n' | ';') if depth == 0 => {
                clauses.push((start, std::mem::take(&mut clause)));
                record += usize::from(c == '\n');
                start = record;
            }
            (_, '\n') => record += 1,
            _ if depth > 0 => {}
            (None, '\'' | '"') => {
                quote = Some(c);
                clause.push(c);
            }
            (Some(q), _) => {
                if c == q {
                    quote = None;
                }
                clause.push(c);
            }
            _ => clause.push(c),
        }
    }
    clauses.push((start, clause));
    clauses.retain(|(_, c)| !c.trim().is_empty());
    clauses.into_iter().map(|(r, c)| (r, c.trim().to_owned())).collect()
}

fn parse_clause(clause: &str) -> Result<Option<Clause>, ()> {
    if let Some(command) = unquote(clause) {
        return Ok(Some(Clause::Command(command)));
    }
    let (word, rest) = clause.split_once(char::is_whitespace).unwrap_or((clause, ""));
    let rest = rest.trim();
    match word.to_ascii_uppercase().as_str() {
        "SAY" => unquote(rest).map(|t| Some(Clause::Say(t))).ok_or(()),
        "QUEUE" => unquote(rest).map(|t| Some(Clause::Queue(t))).ok_or(()),
        "PUSH" => unquote(rest).map(|t| Some(Clause::Push(t))).ok_or(()),
        "EXIT" if rest.is_empty() => Ok(Some(Clause::Exit(0))),
        "EXIT" => rest.parse().map(|rc| Some(Clause::Exit(rc))).map_err(|_| ()),
        "ADDRESS" if matches!(rest.to_ascii_uppercase().as_str(), "COMMAND" | "CMS") => Ok(None),
        _ => Err(()),
    }
}

/// The content of one quoted string, doubled quotes made single; `None` for anything else.
fn unquote(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| *c == '\'' || *c == '"')?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let doubled = format!("{quote}{quote}");
    let single = inner.replace(&doubled, "");
    (!single.contains(quote)).then(|| inner.replace(&doubled, &quote.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_a_list_of_commands() {
        let text = "/* PROFILE EXEC of the\n IMAP server */\n'GLOBAL LOADLIB SCEERUN'; \"SET RDYMSG SMSG\"\nAddress Command\nsay 'it''s up'\nqueue 'b'\nPUSH \"a\"\n'IMAPMAIN' /* start */\nexit 4\n";
        assert_eq!(
            parse(text).unwrap(),
            [
                Clause::Command("GLOBAL LOADLIB SCEERUN".into()),
                Clause::Command("SET RDYMSG SMSG".into()),
                Clause::Say("it's up".into()),
                Clause::Queue("b".into()),
                Clause::Push("a".into()),
                Clause::Command("IMAPMAIN".into()),
                Clause::Exit(4),
            ]
        );
    }

    #[test]
    fn anything_else_is_named_with_its_record() {
        let error = parse("/* x */\n'A'\nif rc = 0 then 'B'\n").unwrap_err();
        assert_eq!(error, ExecError { record: 3, clause: "if rc = 0 then 'B'".into() });
    }
}
