//! What a start makes of damage in the log.
//!
//! The records of a file have a checksum of their own in its block. So it can often be proved that of a damaged batch
//! only the records of certain files are damaged ([`dasd::DamagedBatch::sound_but_for`]): then everything else in it counts, and those
//! files are put in system hold. Otherwise nothing in the batch is certain. A file that is new in it and that can be read is
//! kept, a file that is changed or purged in it stays as it was, and all of them are put in system hold, so that no
//! machine takes them for what they may not be. What cannot be read at all is named by address.

use std::collections::BTreeSet;

use dasd::{DamagedBatch, DamagedStretch, Hole};

use super::Index;
use super::layout::{self, Op};
use crate::error::hcp;
use crate::file::{Place, SpoolFile, UniqueId};

/// The module that speaks at a start.
const MODULE: &str = "WRS";

/// What is known of damage after the log has been read.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Files whose records are damaged.
    unreadable: BTreeSet<UniqueId>,
    /// Files of which something may not be as it was.
    doubtful: BTreeSet<UniqueId>,
    /// What cannot be told by file.
    lines: Vec<String>,
}

/// The chunk of an entry that lies in the entry itself.
struct Inline<'a> {
    unique: UniqueId,
    hole: Hole,
    octets: &'a [u8],
}

impl Inline<'_> {
    fn is_sound(&self) -> bool {
        crc_fast::crc32_iscsi(self.octets) == self.hole.crc
    }
}

impl Damage {
    /// Takes over into the index what can be saved of a damaged stretch.
    pub(super) fn take(&mut self, index: &mut Index, stretch: &DamagedStretch, segment_bytes: u64) {
        let mut proved = stretch.complete;
        for batch in &stretch.batches {
            index.ends.insert(batch.addr().0 / segment_bytes, batch.end());
            proved &= self.take_batch(index, batch);
        }
        if !proved {
            let place = format!("from {:#x} to {:#x}", stretch.from.0, stretch.to.0);
            self.lines.push(hcp(MODULE, 434, &[&place]).to_string());
        }
    }

    /// True when all of the batch is known, but for the records of files that are named.
    fn take_batch(&mut self, index: &mut Index, batch: &DamagedBatch) -> bool {
        let mut all = Vec::new();
        let mut inline = Vec::new();
        let mut known = true;
        for entry in &batch.entries {
            let Ok(ops) = layout::decode(entry.addr, &entry.payload) else {
                known = false;
                continue;
            };
            for op in ops {
                if let Op::Put(file) = &op {
                    inline.extend(inline_chunks(file, entry.addr.0, &entry.payload));
                }
                all.push((entry.addr, op));
            }
        }
        inline.sort_by_key(|chunk| chunk.hole.addr);
        let holes: Vec<Hole> = inline.iter().map(|chunk| chunk.hole).collect();
        let proved = known && batch.sound_but_for(&holes);
        self.unreadable.extend(inline.iter().filter(|c| proved && !c.is_sound()).map(|c| c.unique));
        for (addr, op) in all {
            match op {
                Op::Put(file) if proved => index.put(*file, addr),
                Op::Purge(unique) if proved => index.remove(unique),
                Op::Put(file) => {
                    let whole = inline.iter().filter(|c| c.unique == file.unique).all(Inline::is_sound);
                    self.doubtful.insert(file.unique);
                    if whole && index.may_take(&file) {
                        index.put(*file, addr);
                    }
                }
                Op::Purge(unique) => {
                    self.doubtful.insert(unique);
                }
            }
        }
        proved
    }

    /// A sound record behind the damage says what the file is: that it is held, or that the operator has released it.
    pub(super) fn settle(&mut self, unique: UniqueId) {
        self.unreadable.remove(&unique);
        self.doubtful.remove(&unique);
    }

    /// The files that are to be held, as they are to be from now on; those that were purged since are not among them.
    pub(super) fn to_hold(&self, index: &Index) -> Vec<SpoolFile> {
        let all = self.unreadable.union(&self.doubtful);
        let files = all.filter_map(|unique| index.held(*unique)).filter(|held| !held.file.hold.system);
        files
            .map(|held| {
                let mut file = (*held.file).clone();
                file.hold.system = true;
                file
            })
            .collect()
    }

    /// What the operator is told, of the files that are still there.
    pub(super) fn messages(&self, index: &Index) -> Vec<String> {
        let told = |number| {
            move |file: &SpoolFile| {
                let SpoolFile { id, owner, queue, origin, .. } = file;
                let what = format!("{queue} file of {owner} from {origin}, now in system hold");
                hcp(MODULE, number, &[&id.to_string(), &what]).to_string()
            }
        };
        let there = |unique: &UniqueId| index.held(*unique).map(|held| held.file.clone());
        let unreadable = self.unreadable.iter().filter_map(there).map(|file| told(435)(&file));
        let only_doubtful = self.doubtful.difference(&self.unreadable);
        let doubtful = only_doubtful.filter_map(there).map(|file| told(433)(&file));
        unreadable.chain(doubtful).chain(self.lines.iter().cloned()).collect()
    }
}

/// The chunks of `file` that lie in the entry at `addr`.
fn inline_chunks<'a>(
    file: &SpoolFile,
    addr: u64,
    payload: &'a [u8],
) -> impl Iterator<Item = Inline<'a>> + use<'a> {
    let unique = file.unique;
    let chunks = file.chunks.clone();
    chunks.into_iter().filter_map(move |chunk| {
        let Place::Log(at) = chunk.place else { return None };
        let from = usize::try_from(at.0.checked_sub(addr)?).ok()?;
        let octets = payload.get(from..from.checked_add(chunk.len as usize)?)?;
        let hole = Hole { addr: at, len: u64::from(chunk.len), crc: chunk.crc };
        Some(Inline { unique, hole, octets })
    })
}
