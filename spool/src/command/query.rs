//! `QUERY READER`, `PRINTER`, `PUNCH` and `FILES`.
//!
//! Columns are those that programs which read the answers depend on (facts of CP section 3.4).

use std::sync::Arc;

use cp::command::common::{is_word, no_more};
use cp::command::{CpCall, CpCommand, CpResult, split_word};
use cp::message::HcpMessage;
use cp::name::{SpoolId, UserId};
use futures::future::BoxFuture;

use super::{class_operand, spool_of};
use crate::engine::Spool;
use crate::error::hcp;
use crate::file::{Queue, SharedFile, SpoolFile};
use crate::system::files_line;

const M: &str = "CQR";

/// `QUERY READER`.
pub(super) const READER: CpCommand = CpCommand {
    name: "READER",
    min: 1,
    classes: "DG",
    syntax: "Query {Reader|PRinter|PUnch} [userid|*|SYSTEM] \
             [spoolid | CLass c | FORM f | DEST d | HOld | NOHold | USERhold | SYShold] [ALL] [SHOrtdate|FULldate|ISOdate]",
    summary: "Shows spool files.",
    run: |call| list(call, Queue::Reader),
};
/// `QUERY RDR`.
pub(super) const RDR: CpCommand = CpCommand { name: "RDR", min: 3, ..READER };
/// `QUERY PRINTER`.
pub(super) const PRINTER: CpCommand =
    CpCommand { name: "PRINTER", min: 2, run: |call| list(call, Queue::Printer), ..READER };
/// `QUERY PRT`.
pub(super) const PRT: CpCommand = CpCommand { name: "PRT", min: 3, ..PRINTER };
/// `QUERY PUNCH`.
pub(super) const PUNCH: CpCommand =
    CpCommand { name: "PUNCH", min: 2, run: |call| list(call, Queue::Punch), ..READER };
/// `QUERY PCH`.
pub(super) const PCH: CpCommand = CpCommand { name: "PCH", min: 3, ..PUNCH };
/// `QUERY FILES`.
pub(super) const FILES: CpCommand = CpCommand {
    name: "FILES",
    min: 1,
    classes: "DG",
    syntax: "Query Files [userid|*|SYSTEM]",
    summary: "Shows how many spool files there are.",
    run: files,
};

/// Whose files are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    One(UserId),
    Everybody,
}

/// How dates are written with ALL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DateForm {
    Short,
    Full,
    Iso,
}

/// A condition a file has to meet.
type Test = Box<dyn Fn(&SpoolFile) -> bool + Send>;

struct Wanted {
    whose: Whose,
    all: bool,
    date: DateForm,
    keep: Vec<Test>,
    id: Option<SpoolId>,
}

fn wanted(call: &CpCall<'_>, module: &'static str) -> Result<Wanted, HcpMessage> {
    let everybody = call.vm.entry.classes.contains('D');
    let own = call.vm.userid;
    let whose = if everybody { Whose::Everybody } else { Whose::One(own) };
    let mut wanted = Wanted { whose, all: false, date: DateForm::Short, keep: Vec::new(), id: None };
    let mut rest = call.operands;
    let mut first = true;
    while !rest.is_empty() {
        let (word, after) = split_word(rest);
        let (value, past) = split_word(after);
        rest = after;
        match word {
            _ if word.len() <= 4 && word.bytes().all(|b| b.is_ascii_digit()) => {
                wanted.id =
                    Some(word.parse().ok().and_then(SpoolId::new).ok_or_else(|| hcp(module, 27, &[]))?);
            }
            _ if is_word(word, "CLASS", 2) => {
                let class = class_operand(value, module)?;
                wanted.keep.push(Box::new(move |file| file.class == class));
                rest = past;
            }
            _ if is_word(word, "FORM", 4) => {
                let form = value.to_ascii_uppercase();
                wanted.keep.push(Box::new(move |file| file.form == form));
                rest = past;
            }
            _ if is_word(word, "DEST", 4) => {
                let dest = value.to_ascii_uppercase();
                wanted.keep.push(Box::new(move |file| file.dest == dest));
                rest = past;
            }
            _ if is_word(word, "HOLD", 2) => wanted.keep.push(Box::new(|file| file.hold.is_held())),
            _ if is_word(word, "NOHOLD", 3) => wanted.keep.push(Box::new(|file| !file.hold.is_held())),
            _ if is_word(word, "USERHOLD", 4) => wanted.keep.push(Box::new(|file| file.hold.user)),
            _ if is_word(word, "SYSHOLD", 3) => wanted.keep.push(Box::new(|file| file.hold.system)),
            _ if is_word(word, "ALL", 3) => wanted.all = true,
            _ if is_word(word, "SHORTDATE", 3) => wanted.date = DateForm::Short,
            _ if is_word(word, "FULLDATE", 3) => wanted.date = DateForm::Full,
            _ if is_word(word, "ISODATE", 3) => wanted.date = DateForm::Iso,
            "*" => wanted.whose = Whose::One(own),
            _ if everybody && is_word(word, "SYSTEM", 6) => wanted.whose = Whose::Everybody,
            _ => match UserId::new(word) {
                Ok(user) if first && (everybody || user == own) => wanted.whose = Whose::One(user),
                _ => return Err(hcp(module, 3, &[&word.to_ascii_uppercase()])),
            },
        }
        first = false;
    }
    Ok(wanted)
}

fn list(call: CpCall<'_>, queue: Queue) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let wanted = wanted(&call, M)?;
        let spool = spool_of(call.cp, M)?;
        let mut files = chosen(&spool, queue, &wanted);
        files.retain(|file| wanted.keep.iter().all(|keep| keep(file)));
        if let Some(id) = wanted.id {
            files.retain(|file| file.id == id);
            if files.is_empty() {
                return Err(hcp(M, 42, &[&id.to_string()]));
            }
        }
        if files.is_empty() {
            call.out.push(format!("NO {queue} FILES"));
            return Ok(());
        }
        let by_owner = wanted.whose == Whose::Everybody;
        let who = if by_owner { "OWNERID " } else { "ORIGINID" };
        let head = format!("{who} FILE CLASS RECORDS  CPY HOLD");
        let zone = call.cp.clock.zone();
        if wanted.all {
            let date = match wanted.date {
                DateForm::Short => "DATE ",
                DateForm::Full | DateForm::Iso => "DATE      ",
            };
            call.out.push(format!("{head} {date} TIME     NAME      TYPE     DIST"));
        } else {
            call.out.push(format!("{head} FORM     DEST     KEEP MSG"));
        }
        for file in files {
            let front = front(&file, by_owner);
            call.out.push(if wanted.all {
                let form = match wanted.date {
                    DateForm::Short => "%m/%d",
                    DateForm::Full => "%m/%d/%Y",
                    DateForm::Iso => "%Y-%m-%d",
                };
                let when = file.created.to_zoned(zone.clone());
                let (date, time) = (when.strftime(form).to_string(), when.strftime("%H:%M:%S"));
                let line = format!("{front} {date} {time} {:<9} {:<8} {}", file.name, file.ftype, file.dist);
                line.trim_end().to_owned()
            } else {
                let on = |on: bool| if on { "ON" } else { "OFF" };
                format!("{front} {:<8} {:<8} {:<4} {}", file.form, file.dest, on(file.keep), on(file.msg))
            });
        }
        Ok(())
    })
}

fn chosen(spool: &Arc<Spool>, queue: Queue, wanted: &Wanted) -> Vec<SharedFile> {
    match wanted.whose {
        Whose::One(user) => spool.files(user, queue),
        Whose::Everybody => spool.all_files(queue),
    }
}

/// Columns 1 to 37: who, number, class, device, records, copies, hold.
fn front(file: &SpoolFile, by_owner: bool) -> String {
    let who = if by_owner { file.owner } else { file.origin };
    let star = if file.copy_star { '*' } else { ' ' };
    format!(
        "{who:<8} {} {} {} {:08}{star}{:03} {:<4}",
        file.id,
        file.class,
        file.device,
        file.records.min(99_999_999),
        file.copies,
        file.hold.as_str()
    )
}

fn files(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (word, rest) = split_word(call.operands);
        no_more(M, rest)?;
        let spool = spool_of(call.cp, M)?;
        let everybody = call.vm.entry.classes.contains('D');
        if everybody && is_word(word, "SYSTEM", 6) {
            let part = |queue: Queue| match spool.total(queue) {
                0 => format!("     NO {queue}"),
                n => format!("{n:07} {queue}"),
            };
            let [reader, printer, punch] = Queue::ALL.map(part);
            call.out.push(format!("FILES: {reader}, {printer}, {punch}"));
            return Ok(());
        }
        let user = match word {
            "" | "*" => call.vm.userid,
            _ => match UserId::new(word) {
                Ok(user) if everybody || user == call.vm.userid => user,
                _ => return Err(hcp(M, 3, &[&word.to_ascii_uppercase()])),
            },
        };
        call.out.push(files_line(&spool, user));
        Ok(())
    })
}
