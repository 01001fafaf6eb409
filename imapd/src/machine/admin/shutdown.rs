//! SHUTDOWN: ends the server.

use cms::vmipc::Answer;

use super::{Administration, RequestRow};

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "SHUTDOWN",
    min: 4,
    syntax: "SHUTDOWN",
    summary: "Ends the server",
    run: |a, _, _| Box::pin(async move { run(a) }),
};

fn run(admin: &Administration) -> Answer {
    admin.stop.cancel();
    Answer::line(0, "DTCIMP3014I The IMAP server is shutting down")
}
