//! HELP: the requests, from their table.

use cms::vmipc::Answer;

use super::{REQUESTS, RequestRow};

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "HELP",
    min: 1,
    syntax: "HELP",
    summary: "Lists the requests",
    run: |_, _, _| Box::pin(async { run() }),
};

fn run() -> Answer {
    let lines = REQUESTS.iter().map(|r| format!("{:<44} {}", r.syntax, r.summary)).collect();
    Answer { rc: 0, lines }
}
