//! `PURGE`.

use cp::command::common::is_word;
use cp::command::{CpCall, CpCommand, CpResult};
use futures::future::BoxFuture;

use super::{count_line, selection, spool_of};

/// `PURGE`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "PURGE",
    min: 3,
    classes: "DG",
    syntax: "PURge [userid] {Reader|PRinter|PUnch|ALL} {spoolid ... | CLass c | FORM f | ALL}",
    summary: "Deletes spool files.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (selection, rest) = selection::read(&call, "CSP", true, |word| is_word(word, "NAME", 4))?;
        cp::command::common::no_more("CSP", rest)?;
        let spool = spool_of(call.cp, "CSP")?;
        let files = selection.files(&spool, "CSP")?;
        let done = spool.purge(&files).await.map_err(|error| error.message("CSP"))?;
        call.out.push(count_line(done, "PURGED"));
        Ok(())
    })
}
