//! Which files PURGE, CHANGE, ORDER and TRANSFER are about: `[userid] queue {spoolid ... | CLass c | FORM f | ALL}`.

use cp::command::common::is_word;
use cp::command::{CpCall, split_word};
use cp::message::HcpMessage;
use cp::name::{SpoolId, UserId};

use super::class_operand;
use crate::engine::Spool;
use crate::error::hcp;
use crate::file::{Queue, SharedFile};

/// What the operands name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) owner: UserId,
    pub(super) queues: Vec<Queue>,
    all: bool,
    ids: Vec<SpoolId>,
    class: Option<char>,
    form: Option<String>,
}

/// Reads a selection from the front of the operands; gives what follows it. `stop` tells the words at which the options
/// of the command begin.
pub(super) fn read<'a>(
    call: &CpCall<'a>,
    module: &'static str,
    all_queues: bool,
    stop: impl Fn(&str) -> bool,
) -> Result<(Selection, &'a str), HcpMessage> {
    let (first, after) = split_word(call.operands);
    let any_queue = |word: &str| Queue::parse(word).is_some() || (all_queues && is_word(word, "ALL", 3));
    let (owner, operands) = if first.is_empty() {
        return Err(hcp(module, 29, &[]));
    } else if any_queue(first) {
        (call.vm.userid, call.operands)
    } else if call.vm.entry.classes.contains('D') {
        let owner = if first == "*" { Ok(call.vm.userid) } else { UserId::new(first) };
        (owner.map_err(|_| hcp(module, 29, &[]))?, after)
    } else {
        return Err(hcp(module, 29, &[]));
    };
    let (word, mut rest) = split_word(operands);
    let queues = match Queue::parse(word) {
        Some(queue) => vec![queue],
        None if all_queues && is_word(word, "ALL", 3) => Queue::ALL.to_vec(),
        None => return Err(hcp(module, 29, &[])),
    };
    let mut selection =
        Selection { owner, all: queues.len() > 1, queues, ids: Vec::new(), class: None, form: None };
    loop {
        let (word, after) = split_word(rest);
        let (value, past) = split_word(after);
        match word {
            "" => break,
            _ if selection.class.is_none()
                && selection.ids.is_empty()
                && !selection.all
                && is_word(word, "CLASS", 2) =>
            {
                selection.class = Some(class_operand(value, module)?);
                rest = past;
                continue;
            }
            _ if selection.form.is_none()
                && selection.ids.is_empty()
                && !selection.all
                && is_word(word, "FORM", 2) =>
            {
                if value.is_empty() {
                    return Err(hcp(module, 26, &[]));
                }
                selection.form = Some(value.to_ascii_uppercase());
                rest = past;
                continue;
            }
            _ if is_word(word, "ALL", 3) => selection.all = true,
            _ if word.bytes().all(|b| b.is_ascii_digit()) => {
                let id = word.parse().ok().and_then(SpoolId::new).ok_or_else(|| hcp(module, 27, &[]))?;
                selection.ids.push(id);
            }
            _ if stop(word) => break,
            other => return Err(hcp(module, 3, &[&other.to_ascii_uppercase()])),
        }
        rest = after;
    }
    let nothing =
        !selection.all && selection.ids.is_empty() && selection.class.is_none() && selection.form.is_none();
    if nothing {
        return Err(hcp(module, 27, &[]));
    }
    Ok((selection, rest))
}

impl Selection {
    /// The files, in the order they are named or queued.
    ///
    /// # Errors
    /// Message 042 for a number that no file of the queue has.
    pub(super) fn files(&self, spool: &Spool, module: &'static str) -> Result<Vec<SharedFile>, HcpMessage> {
        if !self.ids.is_empty() {
            let find = |id: &SpoolId| {
                let file = spool.file(self.owner, *id).filter(|file| self.queues.contains(&file.queue));
                file.ok_or_else(|| hcp(module, 42, &[&id.to_string()]))
            };
            return self.ids.iter().map(find).collect();
        }
        let fits = |file: &SharedFile| {
            self.class.is_none_or(|class| file.class == class)
                && self.form.as_ref().is_none_or(|form| file.form == *form)
        };
        Ok(self.queues.iter().flat_map(|queue| spool.files(self.owner, *queue)).filter(fits).collect())
    }
}
