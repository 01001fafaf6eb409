//! `SET RUN`, `ACNT`, `LINEDIT`, `TIMER`.

use futures::future::BoxFuture;

use crate::command::common::{done, no_more, on_off};
use crate::command::{CpCall, CpCommand, CpResult, split_word};
use crate::vm::Settings;

macro_rules! switch_row {
    ($konst:ident, $name:literal, $min:literal, $classes:literal, $syntax:literal, $summary:literal, $put:expr) => {
        #[doc = concat!("`SET ", $name, "`.")]
        pub(in crate::command) const $konst: CpCommand = CpCommand {
            name: $name,
            min: $min,
            classes: $classes,
            syntax: $syntax,
            summary: $summary,
            run: |call| set(call, $put),
        };
    };
}

switch_row!(RUN, "RUN", 3, "G", "SET RUN {ON | OFF}", "Whether the machine runs on in CP READ.", |s, on| s
    .run =
    on);
switch_row!(ACNT, "ACNT", 2, "*", "SET ACnt {ON | OFF}", "Whether accounting is shown.", |s, on| s.acnt = on);
switch_row!(
    LINEDIT,
    "LINEDIT",
    4,
    "G",
    "SET LINEdit {ON | OFF}",
    "Whether lines are edited by CP.",
    |s, on| {
        keep(s, "LINEDIT", on);
    }
);
switch_row!(TIMER, "TIMER", 5, "G", "SET TIMER {ON | OFF}", "Kept; there is no interval timer.", |s, on| {
    keep(s, "TIMER", on);
});

fn keep(settings: &mut Settings, name: &str, on: bool) {
    settings.kept.insert(name.into(), if on { "ON" } else { "OFF" }.into());
}

fn set<'a>(call: CpCall<'a>, put: fn(&mut Settings, bool)) -> BoxFuture<'a, CpResult> {
    let (word, rest) = split_word(call.operands);
    let result = no_more("CFS", rest).and(on_off("CFS", word));
    done(result.map(|on| put(&mut call.vm.settings.lock(), on)))
}
