//! One output file of COPYFILE, made of its inputs.
//!
//! Invariant: the output is closed, and so seen, only when all of it is there; whatever fails before leaves what was there.

use std::sync::Arc;

use bytes::Bytes;
use sfs::types::{Attributes, FileId, FileStatus, RecordFormat};

use super::options::{Existing, First, Options, Packing, Until};
use super::pack::{NotPacked, PACKED_LRECL, Packer, Unpacker, pack_image};
use super::shape::{Selection, Shape, Verdict};
use super::specs::Specs;
use super::trans::Table;
use super::{Input, MODULE, Side};
use crate::Cms;
use crate::cms::store_message;
use crate::files::{READ_CHUNK, ReadFile, StoreResult, WriteFile, records};
use crate::message::{DmsMessage, dms};

/// What a command asks of all its copies.
pub(super) struct Job {
    pub(super) options: Options,
    pub(super) table: Option<Box<Table>>,
    pub(super) specs: Option<Specs>,
}

/// The output file.
struct Output<'a> {
    id: FileId,
    side: &'a Side,
    /// What is there under its name.
    there: Option<FileStatus>,
    shown: String,
}

impl Job {
    /// Makes one file of its inputs.
    pub(super) async fn copy(
        &self,
        cms: &Arc<Cms>,
        (id, side): (FileId, &Side),
        inputs: &[Input],
        default: Existing,
    ) -> Result<(), DmsMessage> {
        let shown = format!("{id} {}", side.shown);
        let existing = self.options.existing.unwrap_or(default);
        let itself = inputs.iter().any(|i| i.status.id == id && i.side.shown == side.shown);
        if itself && existing != Existing::Replaced {
            return Err(dms(MODULE, 19, 24, &[]));
        }
        let there = side.store.state(id).await.map_err(|e| store_message(MODULE, &e, &shown))?;
        match (existing, &there) {
            (Existing::Refused, Some(_)) => return Err(dms(MODULE, 24, 28, &[&shown])),
            (Existing::Overlaid, None) => return Err(dms(MODULE, 2, 28, &[&shown])),
            _ => {}
        }
        self.alone(existing, inputs)?;
        let state = if there.is_some() { "old file" } else { "new file" };
        let output = Output { id, side, there, shown };
        match (self.options.packing, inputs) {
            (Some(Packing::Pack), [input]) => self.pack(input, &output).await?,
            (Some(Packing::Unpack), [input]) => self.unpack(input, &output).await?,
            _ => self.combine(inputs, &output, existing).await?,
        }
        let verb = match existing {
            Existing::Appended if state == "old file" => "append",
            Existing::Overlaid => "overlay",
            _ => "to",
        };
        for input in inputs {
            let line = dms(MODULE, 721, 0, &[&input.shown(), verb, &output.shown, state]).to_string();
            self.options.output.line(cms, MODULE, &line).await?;
        }
        Ok(())
    }

    /// What is done to one file cannot be done to several that become one.
    fn alone(&self, existing: Existing, inputs: &[Input]) -> Result<(), DmsMessage> {
        let option = match (self.options.packing, existing) {
            (Some(Packing::Pack), _) => "PACK",
            (Some(Packing::Unpack), _) => "UNPACK",
            (None, Existing::Overlaid) => "OVLY",
            _ => return Ok(()),
        };
        if inputs.len() > 1 { Err(dms(MODULE, 67, 24, &[option])) } else { Ok(()) }
    }

    async fn start(
        &self,
        output: &Output<'_>,
        attributes: Attributes,
        first: Option<&Input>,
    ) -> Result<Box<dyn WriteFile>, DmsMessage> {
        let created = output.side.store.create(output.id, attributes).await;
        let mut writer = created.map_err(|e| store_message(MODULE, &e, &output.shown))?;
        if let Some(input) = first.filter(|_| self.options.old_date) {
            writer.date(input.status.updated);
        }
        Ok(writer)
    }

    async fn combine(
        &self,
        inputs: &[Input],
        output: &Output<'_>,
        existing: Existing,
    ) -> Result<(), DmsMessage> {
        let fail = |e| store_message(MODULE, &e, &output.shown);
        let kept =
            output.there.as_ref().filter(|_| matches!(existing, Existing::Appended | Existing::Overlaid));
        let Some(like) = kept.or(inputs.first().map(|i| &i.status)) else { return Ok(()) };
        let to = self.attributes(like, if kept.is_some() { &[] } else { inputs });
        let shape =
            Shape { options: &self.options, table: self.table.as_deref(), specs: self.specs.as_ref(), to };
        let mut writer = self.start(output, to, inputs.first()).await?;
        let mut under = None;
        match (existing, kept) {
            (Existing::Appended, Some(status)) => {
                let before = Input { side: output.side.clone(), status: status.clone() };
                let mut file = before.open().await?;
                loop {
                    let image = file.next().await.map_err(fail)?;
                    if image.is_empty() {
                        break;
                    }
                    writer.write(image).await.map_err(fail)?;
                }
            }
            (Existing::Overlaid, Some(_)) => {
                under = Some(Records::new(output.side.store.open(output.id).await.map_err(fail)?));
            }
            _ => {}
        }
        let (mut copied, mut empty) = (0, true);
        for input in inputs {
            copied += copy_records(input, &mut *writer, &shape, under.as_mut()).await?;
            empty &= input.status.records == 0;
        }
        if let Some(mut rest) = under {
            let mut image = Vec::new();
            while let Some(record) = rest.next().await.map_err(fail)? {
                shape.keep(&record, &mut image).map_err(|_| dms(MODULE, 44, 32, &[]))?;
                if image.len() >= READ_CHUNK {
                    writer.write(Bytes::from(std::mem::take(&mut image))).await.map_err(fail)?;
                }
            }
            writer.write(Bytes::from(image)).await.map_err(fail)?;
        }
        if copied == 0 && !empty {
            return Err(dms(MODULE, 173, 40, &[&output.shown]));
        }
        writer.close().await.map_err(fail)
    }

    /// The attributes of the output: like those of the first of its inputs, with room for the records of all.
    fn attributes(&self, like: &FileStatus, inputs: &[Input]) -> Attributes {
        match self.options.recfm.unwrap_or(like.recfm) {
            RecordFormat::Variable => Attributes { mode: like.mode, ..Attributes::variable() },
            RecordFormat::Fixed => {
                let longest = inputs.iter().map(|i| i.status.lrecl).fold(like.lrecl.max(1), u32::max);
                let reach = self.specs.as_ref().map_or(0, |specs| specs.reach(longest as usize));
                let needed = longest.max(u32::try_from(reach).unwrap_or(u32::MAX));
                Attributes { mode: like.mode, ..Attributes::fixed(self.options.lrecl.unwrap_or(needed)) }
            }
        }
    }

    async fn pack(&self, input: &Input, output: &Output<'_>) -> Result<(), DmsMessage> {
        let fail = |e| store_message(MODULE, &e, &output.shown);
        let mut file = input.open().await?;
        let status = file.status().clone();
        let attributes = Attributes { mode: status.mode, ..Attributes::fixed(PACKED_LRECL) };
        let mut writer = self.start(output, attributes, Some(input)).await?;
        let mut packer = Packer::new(&status);
        loop {
            let image = file.next().await.map_err(|e| store_message(MODULE, &e, &input.shown()))?;
            if image.is_empty() {
                break;
            }
            writer.write(Bytes::from(pack_image(&mut packer, &status, &image))).await.map_err(fail)?;
        }
        writer.write(Bytes::from(packer.finish())).await.map_err(fail)?;
        writer.close().await.map_err(fail)
    }

    async fn unpack(&self, input: &Input, output: &Output<'_>) -> Result<(), DmsMessage> {
        let fail = |e| store_message(MODULE, &e, &output.shown);
        let read = |e| store_message(MODULE, &e, &input.shown());
        let refused = |NotPacked| dms(MODULE, 68, 32, &[&input.shown()]);
        let mut file = input.open().await?;
        let first = file.next().await.map_err(read)?;
        let mut unpacker = Unpacker::new(file.status(), &first).map_err(refused)?;
        let attributes = Attributes { mode: input.status.mode, ..unpacker.attributes() };
        let mut writer = self.start(output, attributes, Some(input)).await?;
        loop {
            let image = unpacker.image().map_err(refused)?;
            if !image.is_empty() {
                writer.write(Bytes::from(image)).await.map_err(fail)?;
            }
            let more = file.next().await.map_err(read)?;
            if more.is_empty() {
                break;
            }
            unpacker.more(&more);
        }
        unpacker.finish().map_err(refused)?;
        writer.close().await.map_err(fail)
    }
}

/// Copies what is selected of an input; how many records that were.
async fn copy_records(
    input: &Input,
    writer: &mut dyn WriteFile,
    shape: &Shape<'_>,
    mut under: Option<&mut Records>,
) -> Result<u64, DmsMessage> {
    let failed = |e| store_message(MODULE, &e, &input.shown());
    let mut file = input.open().await?;
    let status = file.status().clone();
    if let First::Record(first) = shape.options.first
        && first > u64::from(status.records).max(1)
    {
        let records = status.records.to_string();
        return Err(dms(MODULE, 156, 32, &[&first.to_string(), &input.shown(), &records]));
    }
    let plain = under.is_none() && shape.is_plain(status.recfm, status.lrecl);
    let mut selection = Selection::new(shape.options);
    let mut verdict = Verdict::Passed;
    while verdict != Verdict::Ended {
        let image = file.next().await.map_err(failed)?;
        if image.is_empty() {
            break;
        }
        if plain {
            writer.write(image).await.map_err(failed)?;
            continue;
        }
        let mut made = Vec::with_capacity(image.len());
        for record in records(&image, status.recfm, status.lrecl) {
            verdict = selection.judge(record);
            match verdict {
                Verdict::Passed => continue,
                Verdict::Copied => {}
                Verdict::Ended => break,
            }
            let below = match under.as_mut() {
                Some(under) => under.next().await.map_err(failed)?,
                None => None,
            };
            shape.put(record, below.as_deref(), &mut made).map_err(|_| dms(MODULE, 44, 32, &[]))?;
        }
        if !made.is_empty() {
            writer.write(Bytes::from(made)).await.map_err(failed)?;
        }
    }
    if plain {
        return Ok(u64::from(status.records));
    }
    let label = match (&shape.options.first, &shape.options.until) {
        (First::Label(label), _) if !selection.has_begun() => label,
        (_, Until::Label(label)) if verdict != Verdict::Ended => label,
        _ => return Ok(selection.copied()),
    };
    Err(dms(MODULE, 157, 32, &[&cp::codepage::to_text(label), &input.shown()]))
}

/// The records of a file one by one.
struct Records {
    file: Box<dyn ReadFile>,
    image: Bytes,
}

impl Records {
    fn new(file: Box<dyn ReadFile>) -> Self {
        Self { file, image: Bytes::new() }
    }

    async fn next(&mut self) -> StoreResult<Option<Bytes>> {
        if self.image.is_empty() {
            self.image = self.file.next().await?;
        }
        let FileStatus { recfm, lrecl, .. } = *self.file.status();
        let Some(record) = records(&self.image, recfm, lrecl).next() else { return Ok(None) };
        let record = self.image.slice_ref(record);
        let used = record.len() + if recfm == RecordFormat::Variable { 2 } else { 0 };
        drop(self.image.split_to(used));
        Ok(Some(record))
    }
}
