//! `SET MSG`, `WNG`, `SMSG`, `IMSG`, `VMCONIO`, `CPCONIO`: where a kind of output goes.

use futures::future::BoxFuture;

use crate::command::common::{done, no_more};
use crate::command::messages::hcp;
use crate::command::{CpCall, CpCommand, CpResult, split_word};
use crate::msg_service::watch_console;
use crate::vm::{Routing, Settings};

macro_rules! routing_row {
    ($konst:ident, $name:literal, $min:literal, $syntax:literal, $summary:literal, $field:ident) => {
        #[doc = concat!("`SET ", $name, "`.")]
        pub(in crate::command) const $konst: CpCommand = CpCommand {
            name: $name,
            min: $min,
            classes: "G",
            syntax: $syntax,
            summary: $summary,
            run: |call| set(call, |settings| &mut settings.$field),
        };
    };
}

routing_row!(MSG, "MSG", 3, "SET MSG {ON | OFF | IUCV}", "Whether messages of other users are shown.", msg);
routing_row!(WNG, "WNG", 3, "SET WNG {ON | OFF | IUCV}", "Whether warnings are shown.", wng);
routing_row!(SMSG, "SMSG", 2, "SET SMsg {ON | OFF | IUCV}", "Whether special messages are taken.", smsg);
routing_row!(IMSG, "IMSG", 2, "SET IMsg {ON | OFF | IUCV}", "Whether information of CP is shown.", imsg);
routing_row!(
    VMCONIO,
    "VMCONIO",
    3,
    "SET VMConio {ON | OFF | IUCV}",
    "Whether console output goes to *MSG as well.",
    vmconio
);
routing_row!(
    CPCONIO,
    "CPCONIO",
    3,
    "SET CPConio {ON | OFF | IUCV}",
    "Whether what CP writes goes to *MSG as well.",
    cpconio
);

fn set<'a>(call: CpCall<'a>, field: fn(&mut Settings) -> &mut Routing) -> BoxFuture<'a, CpResult> {
    let (word, rest) = split_word(call.operands);
    let routing = match word.to_ascii_uppercase().as_str() {
        "ON" => Ok(Routing::On),
        "OFF" => Ok(Routing::Off),
        "IUCV" => Ok(Routing::Iucv),
        "" => Err(hcp("CFS", 26, &[])),
        other => Err(hcp("CFS", 3, &[other])),
    };
    if routing == Ok(Routing::Iucv) {
        watch_console(call.vm);
    }
    done(no_more("CFS", rest).and(routing).map(|routing| *field(&mut call.vm.settings.lock()) = routing))
}
