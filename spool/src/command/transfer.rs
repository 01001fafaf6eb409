//! `TRANSFER`.

use cp::command::common::is_word;
use cp::command::{CpCall, CpCommand, CpResult, split_word};
use cp::message::HcpMessage;
use cp::name::UserId;
use futures::future::BoxFuture;

use super::{count_line, selection, spool_of};
use crate::error::{SpoolError, hcp};
use crate::file::{Queue, SharedFile};

/// `TRANSFER`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "TRANSFER",
    min: 4,
    classes: "DG",
    syntax: "TRANsfer [userid] {Reader|PRinter|PUnch} {spoolid ... | CLass c | FORM f | ALL} \
             [TO] {userid|*} [Reader|PRinter|PUnch] | FROM userid",
    summary: "Gives spool files to another user or queue, or takes back files one has made.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (mut selection, rest) = selection::read(&call, "CST", false, |_| true)?;
        let (word, after) = split_word(rest);
        let own = call.vm.userid;
        let (files, to, queue) = if is_word(word, "FROM", 4) {
            // One takes back what one has sent: the numbers are those of the present owner.
            let (from, extra) = split_word(after);
            cp::command::common::no_more("CST", extra)?;
            selection.owner = user(from)?;
            let spool = spool_of(call.cp, "CST")?;
            let mut files = selection.files(&spool, "CST")?;
            if !call.vm.entry.classes.contains('D') {
                files.retain(|file| file.origin == own);
            }
            (files, own, selection.queues[0])
        } else {
            let (to, rest) = if is_word(word, "TO", 2) { split_word(after) } else { (word, after) };
            let to = if to == "*" { own } else { user(to)? };
            let (queue, extra) = split_word(rest);
            cp::command::common::no_more("CST", extra)?;
            let queue = match queue {
                "" => Queue::Reader,
                word => Queue::parse(word).ok_or_else(|| hcp("CST", 3, &[&word.to_ascii_uppercase()]))?,
            };
            let spool = spool_of(call.cp, "CST")?;
            (selection.files(&spool, "CST")?, to, queue)
        };
        if call.cp.entry(to).is_none() {
            return Err(hcp("CST", 53, &[to.as_str()]));
        }
        let done = transfer_all(&call, &files, to, queue).await?;
        call.out.push(count_line(done, "TRANSFERRED"));
        Ok(())
    })
}

fn user(word: &str) -> Result<UserId, HcpMessage> {
    if word.is_empty() {
        return Err(hcp("CST", 20, &[]));
    }
    UserId::new(word).map_err(|_| hcp("CST", 7, &[&word.to_ascii_uppercase()]))
}

/// Transfers file after file; those in use are passed over when there are several.
async fn transfer_all(
    call: &CpCall<'_>,
    files: &[SharedFile],
    to: UserId,
    queue: Queue,
) -> Result<usize, HcpMessage> {
    let spool = spool_of(call.cp, "CST")?;
    let mut done = 0;
    for file in files {
        match spool.transfer(file, call.vm.userid, to, queue).await {
            Ok(_) => done += 1,
            Err(SpoolError::InUse(_) | SpoolError::NoFile(_)) if files.len() > 1 => {}
            Err(error) => return Err(error.message("CST")),
        }
    }
    Ok(done)
}
