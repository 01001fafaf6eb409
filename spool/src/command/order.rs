//! `ORDER`.

use cp::command::{CpCall, CpCommand, CpResult};
use futures::future::BoxFuture;

use super::{count_line, selection, spool_of};

/// `ORDER`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "ORDER",
    min: 3,
    classes: "DG",
    syntax: "ORDer [userid] {Reader|PRinter|PUnch} {spoolid ... | CLass c | FORM f}",
    summary: "Puts spool files at the head of their queue.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (selection, rest) = selection::read(&call, "CSO", false, |_| false)?;
        cp::command::common::no_more("CSO", rest)?;
        let spool = spool_of(call.cp, "CSO")?;
        let files = selection.files(&spool, "CSO")?;
        let done = spool.order(&files).await.map_err(|error| error.message("CSO"))?;
        call.out.push(count_line(done, "ORDERED"));
        Ok(())
    })
}
