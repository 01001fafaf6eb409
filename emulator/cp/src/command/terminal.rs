//! `TERMINAL`: settings of the line editing and of the screen.
//!
//! The editing symbols and MORE are acted upon by [`crate::terminal`] and by the full screen terminals; the others are
//! kept and shown.

use futures::future::BoxFuture;

use super::common::{done, is_word, on_off};
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, split_word};
use crate::message::HcpMessage;

/// `TERMINAL`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "TERMINAL",
    min: 4,
    classes: "*",
    syntax: "TERMinal {CHardel|LINEDel|LINENd|ESCape|TABchar {ON|OFF|c} | MORE n1 n2 | HOLD ON|OFF | LINESize n|OFF | ...}",
    summary: "Sets how lines typed at the terminal are edited and how the screen behaves.",
    run,
};

/// What a setting takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// ON, OFF or one character.
    Symbol,
    /// ON or OFF.
    Switch,
    /// Two numbers of seconds.
    Seconds,
    /// A line size or OFF.
    Size,
    /// One of these words.
    Words(&'static [&'static str]),
}

/// Name, minimum abbreviation, value, default.
const SETTINGS: &[(&str, usize, Takes, &str)] = &[
    ("APL", 3, Takes::Switch, "OFF"),
    ("ATTN", 2, Takes::Switch, "OFF"),
    ("AUTOCR", 6, Takes::Switch, "OFF"),
    ("BREAKIN", 6, Takes::Words(&["IMMED", "GUESTCTL"]), "IMMED"),
    ("BRKKEY", 3, Takes::Words(&["PA1", "PA2", "CLEAR", "NONE"]), "PA1"),
    ("CHARDEL", 2, Takes::Symbol, "@"),
    ("CONMODE", 4, Takes::Words(&["3215", "3270"]), "3215"),
    ("ESCAPE", 3, Takes::Symbol, "\""),
    ("HILIGHT", 3, Takes::Switch, "OFF"),
    ("HOLD", 4, Takes::Switch, "ON"),
    ("LINEDEL", 5, Takes::Symbol, "\u{a2}"),
    ("LINEND", 5, Takes::Symbol, "#"),
    ("LINESIZE", 5, Takes::Size, "080"),
    ("MODE", 2, Takes::Words(&["VM", "CP"]), "VM"),
    ("MORE", 4, Takes::Seconds, "050 010"),
    ("PROMPT", 6, Takes::Words(&["VM", "TTY"]), "VM"),
    ("SCRNSAVE", 4, Takes::Switch, "OFF"),
    ("TABCHAR", 3, Takes::Symbol, "ON"),
    ("TEXT", 4, Takes::Switch, "OFF"),
    ("TIMESTAMP", 4, Takes::Switch, "OFF"),
];

/// Key under which a setting is kept.
fn key(name: &str) -> String {
    format!("TERMINAL {name}")
}

/// The present value of a setting of `vm`.
pub(crate) fn value(vm: &crate::vm::Vm, name: &'static str) -> String {
    if let Some(value) = vm.settings.lock().kept.get(&key(name)) {
        return value.clone();
    }
    let symbol = |c: Option<char>| c.map_or_else(|| "OFF".to_owned(), String::from);
    let editing = &vm.entry.editing;
    match name {
        "LINEND" => symbol(editing.line_end),
        "LINEDEL" => symbol(editing.line_delete),
        "CHARDEL" => symbol(editing.char_delete),
        "ESCAPE" => symbol(editing.escape),
        _ => SETTINGS.iter().find(|s| s.0 == name).map_or_else(String::new, |s| s.3.to_owned()),
    }
}

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(set(&call))
}

fn set(call: &CpCall<'_>) -> CpResult {
    let mut rest = call.operands;
    if rest.is_empty() {
        return Err(hcp("TER", 26, &[]));
    }
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let (word, after) = split_word(rest);
        let found = SETTINGS.iter().find(|s| is_word(word, s.0, s.1));
        let (name, _, takes, default) = found.ok_or_else(|| hcp("TER", 3, &[&word.to_ascii_uppercase()]))?;
        let (value, after) = read(*takes, default, after)?;
        changes.push((key(name), value));
        rest = after;
    }
    call.vm.settings.lock().kept.extend(changes);
    Ok(())
}

fn read<'a>(takes: Takes, default: &str, rest: &'a str) -> Result<(String, &'a str), HcpMessage> {
    let (word, after) = split_word(rest);
    let upper = word.to_ascii_uppercase();
    let invalid = || hcp("TER", 2, &[&upper]);
    if word.is_empty() {
        return Err(hcp("TER", 26, &[]));
    }
    let value = match takes {
        Takes::Switch => if on_off("TER", word)? { "ON" } else { "OFF" }.to_owned(),
        Takes::Symbol if upper == "ON" => default.to_owned(),
        Takes::Symbol if upper == "OFF" || word.chars().count() == 1 => {
            if upper == "OFF" {
                upper
            } else {
                word.to_owned()
            }
        }
        Takes::Symbol => return Err(invalid()),
        Takes::Size if upper == "OFF" => upper,
        Takes::Size => {
            let size = word.parse::<u16>().ok().filter(|n| (1..=255).contains(n)).ok_or_else(invalid)?;
            format!("{size:03}")
        }
        Takes::Words(words) => {
            let found = words.iter().find(|w| is_word(word, w, w.len().min(3)));
            (*found.ok_or_else(invalid)?).to_owned()
        }
        Takes::Seconds => {
            let (second, after) = split_word(after);
            let number = |word: &str| word.parse::<u16>().ok().filter(|n| *n <= 255);
            let (first, second) =
                (number(word).ok_or_else(invalid)?, number(second).ok_or_else(|| hcp("TER", 26, &[]))?);
            return Ok((format!("{first:03} {second:03}"), after));
        }
    };
    Ok((value, after))
}
