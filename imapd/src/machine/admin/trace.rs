//! TRACE: switches a trace on or off, for everybody or one user.

use cms::cp::name::UserId;
use cms::trace::TraceSwitch;
use cms::vmipc::Answer;

use super::{Administration, RC_FAILED, RequestRow, syntax};
use crate::session::traces::TraceKind;

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "TRACE",
    min: 2,
    syntax: "TRACE {ON|OFF} {CODEFLOW|SOCKETIO} [userid|ALL]",
    summary: "Switches a trace on or off, of all or of one user",
    run: |a, words, _| Box::pin(async move { run(a, words) }),
};

fn run(admin: &Administration, words: &[&str]) -> Answer {
    let (state, kind, whom) = match words {
        [state, kind] | [state, kind, "ALL"] => (*state, *kind, None),
        [state, kind, user] => match UserId::new(user) {
            Ok(user) => (*state, *kind, Some(user)),
            Err(_) => return syntax("TRACE"),
        },
        _ => return syntax("TRACE"),
    };
    let (name, target) = match kind {
        "CODEFLOW" => (TraceKind::CodeFlow, "imapd::codeflow"),
        "SOCKETIO" => (TraceKind::SocketIo, "imapd::socketio"),
        _ => return syntax("TRACE"),
    };
    let traces = &admin.service.server.traces;
    let on = match (state, whom) {
        ("ON", None) => {
            traces.everybody(name);
            true
        }
        ("ON", Some(user)) => {
            traces.add(name, user);
            true
        }
        ("OFF", None) => {
            traces.everybody(name);
            false
        }
        // Others that were named are shown still.
        ("OFF", Some(user)) => traces.remove(name, user),
        _ => return syntax("TRACE"),
    };
    let state = state.to_ascii_lowercase();
    let of = whom.map(|user| format!(" for {user}")).unwrap_or_default();
    if TraceSwitch::set(admin.guest.cp(), target, on) {
        Answer::line(0, format!("DTCIMP3013I Trace {kind} is {state}{of}"))
    } else {
        Answer::line(
            RC_FAILED,
            format!("DTCIMP3008E Trace {kind} cannot be switched {state}: the host keeps no log"),
        )
    }
}
