//! RECEIVE: makes a file of a spool file in the reader.
//!
//! NETDATA streams and punched files with a `:READ` card give back the file that was sent; anything else becomes a
//! RECFM V file of its records. The spool file is purged only after the file has been written.

use cp::codepage;
use cp::name::{FileName, FileType, ModeLetter, SpoolId};
use sfs::types::{Attributes, FileId, RecordFormat};
use spool::{Disposition, UnitRecord};

use super::options::{flags, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::cms::{MAX_TEXT_FILE, store_message};
use crate::files::{append_record, pad_record, write_all};
use crate::message::{DmsMessage, dms};
use crate::netdata;

const MODULE: &str = "RCV";

/// Greatest spool file received, in octets: it is built in memory.
const MAX_RECEIVED: usize = MAX_TEXT_FILE * 16;

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "RECEIVE",
    min: 3,
    syntax: "RECeive [spoolid [fn ft [fm]]] [( Replace NORep KEepcc Purge Log NOLog]",
    summary: "Makes a file of a spool file in your reader",
    run: |call| Box::pin(run(call)),
};

/// A file taken out of a spool file.
struct Received {
    name: String,
    kind: String,
    attributes: Attributes,
    image: Vec<u8>,
}

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let known = [("REPLACE", 1), ("NOREPLACE", 3), ("PURGE", 1), ("LOG", 1), ("NOLOG", 3)];
    let options = flags(MODULE, &words.options, &known)?;
    let cms = call.cms;
    let unit_record =
        UnitRecord::of(&cms.guest).map_err(|e| dms(MODULE, 124, 100, &["*", &e.to_string()]))?;
    let wanted = words.operands.first().copied().filter(|w| *w != "=");
    let failed = |e: spool::SpoolError| dms(MODULE, 124, 100, &[wanted.unwrap_or("*"), &e.to_string()]);
    let opened = match wanted {
        None => unit_record.open_reader().await.map_err(failed)?,
        Some(word) => {
            let id = word.parse().ok().and_then(SpoolId::new).ok_or_else(|| dms(MODULE, 29, 24, &[word]))?;
            Some(unit_record.open_file(id).await.map_err(failed)?)
        }
    };
    let Some(mut reader) = opened else { return Err(dms(MODULE, 672, 28, &[])) };
    let file = reader.file().clone();
    if options.contains(&"PURGE") {
        reader.close(Disposition::Purge).await.map_err(failed)?;
        return Ok(0);
    }
    let mut cards: Vec<Vec<u8>> = Vec::new();
    let mut octets = 0;
    while let Some(record) = reader.next().await.map_err(failed)? {
        octets += record.data.len();
        if octets > MAX_RECEIVED {
            return Err(dms(
                MODULE,
                124,
                88,
                &[&file.id.to_string(), "the file is too large to be received"],
            ));
        }
        cards.push(record.data.to_vec());
    }
    let received = unpack(&cards, &file.name, &file.ftype)?;
    let (id, mode) = target(&words.operands, &received)?;
    let accessed = cms.writable(MODULE, mode)?;
    let shown = format!("{id} {mode}1");
    let exists = accessed.store.state(id).await.map_err(|e| store_message(MODULE, &e, &shown))?.is_some();
    if exists && !options.contains(&"REPLACE") {
        return Err(dms(MODULE, 24, 28, &[&shown]));
    }
    let written = write_all(&*accessed.store, id, received.attributes, received.image).await;
    written.map_err(|e| store_message(MODULE, &e, &shown))?;
    reader.close(Disposition::Purge).await.map_err(failed)?;
    let (verb, from) = (if exists { "replaced by" } else { "created from" }, file.origin);
    let node = &cms.guest.cp().config.system_id;
    cms.say(&format!(
        "File {shown} {verb} {} {} A1 received from {from} at {node}",
        received.name, received.kind
    ))
    .await;
    Ok(0)
}

/// Where the file goes: operands, with what was sent as defaults.
fn target(operands: &[&str], received: &Received) -> Result<(FileId, ModeLetter), DmsMessage> {
    let pick = |i: usize, sent: &str| {
        operands.get(i).filter(|w| **w != "=").map_or(sent.to_owned(), |w| (*w).to_owned())
    };
    let (name, kind) = (pick(1, &received.name), pick(2, &received.kind));
    let bad = |t: &str| dms(MODULE, 62, 20, &[t, &format!("{name} {kind}")]);
    let mode = operands.get(3).map_or(Some('A'), |m| m.chars().next());
    let mode = mode.and_then(ModeLetter::new).ok_or_else(|| dms(MODULE, 48, 24, &[operands[3]]))?;
    let id = FileId::new(
        FileName::new(&name).map_err(|_| bad(&name))?,
        FileType::new(&kind).map_err(|_| bad(&kind))?,
    );
    Ok((id, mode))
}

fn unpack(cards: &[Vec<u8>], name: &str, kind: &str) -> Result<Received, DmsMessage> {
    let first = cards.first().map_or(&[][..], Vec::as_slice);
    if netdata::is_netdata(first) {
        let decoded = netdata::decode(&cards.concat());
        let (heading, records) = decoded.map_err(|e| dms(MODULE, 124, 32, &["", &e.to_string()]))?;
        let attributes = match heading.recfm {
            RecordFormat::Fixed => Attributes::fixed(heading.lrecl.max(1)),
            RecordFormat::Variable => Attributes::variable(),
        };
        let image = build(&attributes, records.iter().map(Vec::as_slice))?;
        return Ok(Received { name: heading.file.0, kind: heading.file.1, attributes, image });
    }
    let card = codepage::to_text(first);
    if let Some(words) = card.strip_prefix(":READ ") {
        let mut words = words.split_ascii_whitespace();
        let (sent_name, sent_kind) = (words.next().unwrap_or(name), words.next().unwrap_or(kind));
        let attributes = Attributes::fixed(netdata::CARD as u32);
        let image = build(&attributes, cards[1..].iter().map(Vec::as_slice))?;
        return Ok(Received { name: sent_name.to_owned(), kind: sent_kind.to_owned(), attributes, image });
    }
    let attributes = Attributes::variable();
    let image = build(&attributes, cards.iter().map(Vec::as_slice))?;
    let or = |given: &str, default: &str| if given.is_empty() { default } else { given }.to_owned();
    Ok(Received { name: or(name, "SPOOL"), kind: or(kind, "FILE"), attributes, image })
}

fn build<'a>(
    attributes: &Attributes,
    records: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, DmsMessage> {
    let mut image = Vec::new();
    for record in records {
        match attributes.recfm {
            RecordFormat::Fixed => pad_record(&mut image, record, attributes.lrecl, codepage::EBCDIC_BLANK),
            RecordFormat::Variable => append_record(&mut image, record),
        }
        .map_err(|_| dms(MODULE, 44, 32, &[]))?;
    }
    Ok(image)
}
