//! RETRY: the arrival thread looks again at what it could not take.

use cms::vmipc::Answer;

use super::{Administration, RequestRow};

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "RETRY",
    min: 3,
    syntax: "RETRY",
    summary: "Looks again at the spool files that could not be taken",
    run: |a, _, _| Box::pin(async move { run(a) }),
};

fn run(admin: &Administration) -> Answer {
    admin.retry.notify_one();
    Answer::line(0, "DTCIMP3015I The files in the reader are looked at again")
}
