//! TRACE: switches a trace on or off.

use cms::trace::TraceSwitch;
use cms::vmipc::Answer;

use super::{Administration, RC_FAILED, RequestRow, syntax};

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "TRACE",
    min: 2,
    syntax: "TRACE {ON|OFF} {CODEFLOW|SOCKETIO}",
    summary: "Switches a trace on or off",
    run: |a, words, _| Box::pin(async move { run(a, words) }),
};

fn run(admin: &Administration, words: &[&str]) -> Answer {
    let (on, kind) = match words {
        ["ON", kind] => (true, *kind),
        ["OFF", kind] => (false, *kind),
        _ => return syntax("TRACE"),
    };
    let target = match kind {
        "CODEFLOW" => "imapd::codeflow",
        "SOCKETIO" => "imapd::socketio",
        _ => return syntax("TRACE"),
    };
    let state = if on { "on" } else { "off" };
    if TraceSwitch::set(admin.guest.cp(), target, on) {
        Answer::line(0, format!("DTCIMP3013I Trace {kind} is {state}"))
    } else {
        Answer::line(
            RC_FAILED,
            format!("DTCIMP3008E Trace {kind} cannot be switched {state}: the host keeps no log"),
        )
    }
}
