//! The line editing of VM: line end, line delete, character delete and escape symbols in a typed line.
//!
//! Pure logic: a line and symbols in, logical lines out.

use crate::command::terminal::value;
use crate::vm::Vm;

/// The symbols in force; `None` is OFF.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Symbols {
    /// Ends a logical line.
    pub line_end: Option<char>,
    /// Deletes what was typed of the logical line.
    pub line_delete: Option<char>,
    /// Deletes the character before.
    pub char_delete: Option<char>,
    /// Takes the next character as it is.
    pub escape: Option<char>,
}

impl Symbols {
    /// The symbols of a machine: none with SET LINEDIT OFF, else what TERMINAL or the directory says.
    pub fn of(vm: &Vm) -> Self {
        if vm.settings.lock().kept.get("LINEDIT").is_some_and(|on| on == "OFF") {
            return Self::default();
        }
        let symbol = |name| Some(value(vm, name)).filter(|v| v != "OFF").and_then(|v| v.chars().next());
        Self {
            line_end: symbol("LINEND"),
            line_delete: symbol("LINEDEL"),
            char_delete: symbol("CHARDEL"),
            escape: symbol("ESCAPE"),
        }
    }
}

/// Edits `line`; there is always at least one logical line.
pub fn edit(line: &str, symbols: Symbols) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let current = lines.last_mut().expect("there is always a line");
        match Some(c) {
            it if it == symbols.escape => {
                if let Some(next) = chars.next() {
                    current.push(next);
                }
            }
            it if it == symbols.line_end => lines.push(String::new()),
            it if it == symbols.line_delete => current.clear(),
            it if it == symbols.char_delete => {
                current.pop();
            }
            _ => current.push(c),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_edit_a_line() {
        let on = Symbols {
            line_end: Some('#'),
            line_delete: Some('\u{a2}'),
            char_delete: Some('@'),
            escape: Some('"'),
        };
        assert_eq!(edit("qq@uery time#q names", on), ["query time", "q names"]);
        assert_eq!(edit("wrong\u{a2}right", on), ["right"]);
        assert_eq!(edit("a\"#b\"\"c\"@d\"", on), ["a#b\"c@d"]);
        assert_eq!(edit("@@", on), [""]);
        assert_eq!(edit("", on), [""]);
        assert_eq!(edit("a#b@", Symbols::default()), ["a#b@"]);
    }
}
