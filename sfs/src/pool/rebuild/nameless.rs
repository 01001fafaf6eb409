//! What a rebuilt state has no name for, and what is said of its files.

use std::collections::{HashMap, HashSet};

use dasd::ExtentHeader;

use super::{BODIES, MOST, Rebuild};
use crate::pool::catalog::{
    BodyId, DirId, DirRec, FileNo, FileRec, Name16, ObjectNo, Slice, Storage, file_id, level_key, named_key,
};
use crate::pool::error::PoolError;
use crate::pool::recent::TableId;
use crate::pool::source;
use crate::types::{ModeNumber, RecordFormat, Stamp};

impl Rebuild<'_> {
    pub(super) fn name_bodies(
        &mut self,
        extents: &HashMap<BodyId, ExtentHeader>,
        named: &HashSet<BodyId>,
    ) -> Result<(), PoolError> {
        let mut nameless = Vec::new();
        self.draft.bodies(|id, rec| {
            if !named.contains(&id) && rec.storage == Storage::Log {
                nameless.push(id);
            }
        })?;
        for id in extents.keys().filter(|id| !named.contains(id)) {
            // What came behind the last gap and is gone was erased.
            if self.draft.body(*id)?.is_some() || !self.followed.contains(id) {
                nameless.push(*id);
            }
        }
        nameless.sort_unstable();
        nameless.dedup();
        nameless.retain(|id| id.0 < MOST);
        if nameless.is_empty() {
            return Ok(());
        }
        let lost = self.lost.clone();
        let top = self.top(&lost)?;
        let dir = DirId(self.number());
        let rec = DirRec { id: dir, created: Stamp::default() };
        if let Some(level) = level_key(BODIES) {
            self.draft.put(TableId::Dir, &named_key(top, level), &rec.encode())?;
        }
        for id in nameless {
            self.name_body(dir, id, extents.get(&id))?;
        }
        Ok(())
    }

    fn name_body(&mut self, dir: DirId, id: BodyId, extent: Option<&ExtentHeader>) -> Result<(), PoolError> {
        let stored = self.draft.body(id)?.and_then(|rec| self.store.open(id, rec));
        let data = match (stored.map(|body| self.store.read_all(&body)), extent) {
            (Some(Ok(data)), _) => Some(data),
            (_, Some(header)) => self.take_extent(header)?,
            _ => None,
        };
        let Some(data) = data.filter(|data| !data.is_empty()) else { return Ok(()) };
        let rec = nameless(FileNo(self.number()), id, &data);
        let name = body_name(id);
        let what = match rec.recfm {
            RecordFormat::Variable => format!("{} records of RECFM V", rec.records),
            RecordFormat::Fixed => "one record".into(),
        };
        self.draft.put(TableId::Entry, &named_key(dir, name), &rec.encode())?;
        let (name, lost) = (file_id(&name)?, self.lost.clone());
        (self.say)(&format!(
            "{name} {lost}.{BODIES}: body {} without a name, {} octets as {what}",
            id.0, rec.bytes
        ));
        Ok(())
    }

    /// Says which files may not be whole or not the latest, and takes out those of which nothing is known.
    pub(super) fn report_files(&mut self) -> Result<(), PoolError> {
        let mut paths = HashMap::new();
        let spaces = self.draft.spaces()?;
        for (name, rec) in &spaces {
            source::paths_below(&self.draft, name, rec.top, &mut paths)?;
        }
        for ((dir, name), put) in std::mem::take(&mut self.files) {
            let Some(rec) = self.draft.file(dir, name)? else { continue };
            let path = paths.get(&dir.0).map_or_else(String::new, |(s, l)| format!("{s}.{}", l.join(".")));
            let file = format!("{} {path}", file_id(&name)?);
            if put < self.gapless {
                (self.say)(&format!("{file}: may have been changed or erased since"));
            }
            if !rec.keyed {
                continue;
            }
            let known = self.records.get(&rec.file);
            let upto = rec.records.saturating_add(1);
            let known: u32 =
                known.into_iter().flatten().map(|(a, b)| (*b).min(upto).saturating_sub(*a)).sum();
            if known == 0 && rec.records > 0 {
                (self.say)(&format!("{file}: none of its {} records is known; left out", rec.records));
                self.draft.remove(TableId::Entry, &named_key(dir, name))?;
            } else if known < rec.records {
                (self.say)(&format!(
                    "{file}: {known} of {} records are known; the others are zeros",
                    rec.records
                ));
            }
        }
        Ok(())
    }

    /// Lets every file space have room for what comes out.
    pub(super) fn make_room(&mut self) -> Result<(), PoolError> {
        for (space, mut rec) in self.draft.spaces()? {
            let mut paths = HashMap::new();
            source::paths_below(&self.draft, &space, rec.top, &mut paths)?;
            let mut blocks = 0u64;
            for dir in paths.keys() {
                self.draft.files(DirId(*dir), |_, file| blocks = blocks.saturating_add(file.blocks()))?;
            }
            if rec.limit < blocks || rec.limit == 0 {
                // Twice of it, so that work can go on.
                rec.limit = blocks.saturating_mul(2).max(1);
                (self.say)(&format!("file space {space}: limit set to {} blocks", rec.limit));
                self.draft.put(TableId::Space, space.as_bytes(), &rec.encode())?;
            }
        }
        Ok(())
    }
}

/// `Bnnnnnnn BODYnnnn`: the last seven digits of the number, and those in front of them.
fn body_name(id: BodyId) -> Name16 {
    let mut name = [b' '; 16];
    let text = format!("B{:07}BODY{:04}", id.0 % 10_000_000, id.0 / 10_000_000);
    name.copy_from_slice(text.get(..16).unwrap_or("BODY    BODY    ").as_bytes());
    name
}

/// A file that is one body: its records, if it is whole records of RECFM V, else one record.
fn nameless(file: FileNo, body: BodyId, data: &[u8]) -> FileRec {
    let len = data.len() as u32;
    let (recfm, lrecl, records) = match variable_records(data) {
        Some((longest, count)) => (RecordFormat::Variable, longest, count),
        None => (RecordFormat::Fixed, len, 1),
    };
    FileRec {
        file,
        object: ObjectNo(file.0),
        recfm,
        keyed: false,
        recover: true,
        in_place: false,
        mode: ModeNumber::DEFAULT,
        lrecl,
        records,
        bytes: u64::from(len),
        created: Stamp::default(),
        updated: Stamp::default(),
        referenced: Stamp::default(),
        slices: [Slice { body, offset: 0, len }].into_iter().collect(),
    }
}

/// Longest record and number of records, if `data` is records with their lengths in front, none of them empty.
fn variable_records(data: &[u8]) -> Option<(u32, u32)> {
    let (mut at, mut longest, mut count) = (0, 0, 0);
    while at < data.len() {
        let head = data.get(at..at + 2)?;
        let len = usize::from(u16::from_be_bytes([head[0], head[1]]));
        at += 2 + len;
        if len == 0 || at > data.len() {
            return None;
        }
        (longest, count) = (longest.max(len as u32), count + 1);
    }
    (count > 0).then_some((longest, count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pool::catalog::level_name;

    proptest! {
        #[test]
        fn octets_are_records_or_one_record(data in prop::collection::vec(prop_oneof![Just(0u8), 0u8..5, any::<u8>()], 1..40)) {
            let rec = nameless(FileNo(1), BodyId(2), &data);
            prop_assert!(rec.records > 0 && rec.lrecl > 0);
            prop_assert_eq!(rec.bytes, data.len() as u64);
            if rec.recfm == RecordFormat::Fixed {
                prop_assert_eq!((rec.lrecl, rec.records), (data.len() as u32, 1));
            }
        }
    }

    #[test]
    fn bodies_have_names_up_to_the_greatest_number() {
        assert_eq!(&body_name(BodyId(12)), b"B0000012BODY0000");
        assert_eq!(&body_name(BodyId(MOST - 1)), b"B9999999BODY9999");
        assert!(file_id(&body_name(BodyId(1))).is_ok());
        assert!(level_key(&format!("D{}", MOST - 1)).is_some_and(|key| level_name(&key).len() == 12));
    }
}
