//! `NOTE SUMMARY`: the summaries of a mailbox's messages (format 1).
//!
//! RECFM F, LRECL 512. A summary is a run of records, which the message's record of NOTE INDEX names:
//!
//! | octets of the run | |
//! |---|---|
//! | 0 | C`S` |
//! | 1-3 | 0 |
//! | 4-7 | octets of the summary, little-endian |
//! | 8-15 | number of the message's EMAILID; where another user kept it first, XOR his user id in US-ASCII, then 0 |
//! | 16- | the summary ([`crate::mail::summary`]), then 0 |
//!
//! The file has no header and is not needed: a mailbox without it, or with another one, is opened as any other, and what
//! no message names is free. It goes when the mailbox is empty.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cms::cp::name::DirName;
use cms::csl::{CslError, FileRef, Intent, OpenOptions, ReasonCode, WorkUnitId};

use super::commit::{Records, StepError};
use super::{SfsBackend, store_error, summary_file};
use crate::mailstore::backend::Op;
use crate::mailstore::error::StoreError;
use crate::mailstore::summaries::{PIECE, SummaryPlace, image};
use crate::vm::UserId;

/// Octets asked for in one call.
const CALL: usize = 4 * 1024 * 1024;

/// What is to be done to companion files in one work unit.
#[derive(Default)]
pub(super) struct SummarySteps {
    /// Records to be written, by directory.
    puts: BTreeMap<String, Records>,
    drops: BTreeSet<String>,
}

impl SummarySteps {
    /// Takes one step.
    pub(super) fn gather(&mut self, op: Op) {
        match op {
            Op::PutSummary { dir, place, email, summary } => {
                self.put(dir, place, &image(&summary, email).into())
            }
            Op::DropSummaries { dir } => {
                self.drops.insert(dir);
            }
            _ => {}
        }
    }

    /// The directory goes in the same work unit.
    pub(super) fn forget(&mut self, dir: &str) {
        self.puts.remove(dir);
    }

    fn put(&mut self, dir: String, place: SummaryPlace, image: &Bytes) {
        let records = &mut self.puts.entry(dir).or_default().0;
        records.extend((place.first..).zip(image.chunks(PIECE).map(|record| image.slice_ref(record))));
    }
}

impl SfsBackend {
    /// Writes and forgets summaries.
    pub(super) async fn put_summaries(
        &self,
        user: UserId,
        mut steps: SummarySteps,
        unit: WorkUnitId,
    ) -> Result<(), StepError> {
        for dir in std::mem::take(&mut steps.drops) {
            steps.puts.remove(&dir);
            let dir = self.dir(user, &dir)?;
            self.erase_summaries(&dir, unit).await?;
            self.erase_texts(&dir, unit).await?;
        }
        for (dir, records) in steps.puts {
            let file = summary_file(&self.dir(user, &dir)?)?;
            self.put_records(&file, records, PIECE, unit).await?;
        }
        Ok(())
    }

    /// Erases a companion file, when there is one.
    pub(super) async fn erase_summaries(&self, dir: &DirName, unit: WorkUnitId) -> Result<(), StepError> {
        match self.erase(summary_file(dir)?, unit).await {
            Err(e) if e.reason != ReasonCode::FileNotFound => Err(e.into()),
            _ => Ok(()),
        }
    }

    pub(super) async fn read_runs(
        &self,
        user: UserId,
        dir: &str,
        places: &[SummaryPlace],
    ) -> Result<Vec<Bytes>, StoreError> {
        let file = summary_file(&self.dir(user, dir)?)?;
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let read = self.runs(&file, places, unit).await;
        self.done_reading(unit).await;
        read.map_err(|e| store_error(&e))
    }

    /// The records at places; nothing where the file has none. Runs that follow each other are read in one call.
    async fn runs(
        &self,
        file: &FileRef,
        places: &[SummaryPlace],
        unit: WorkUnitId,
    ) -> Result<Vec<Bytes>, CslError> {
        let mut out = vec![Bytes::new(); places.len()];
        if places.is_empty() {
            return Ok(out);
        }
        let opened = match self.csl.dmsopen(file, Intent::Read, &OpenOptions::default(), unit).await {
            Ok(opened) => opened,
            Err(e) if e.reason == ReasonCode::FileNotFound => return Ok(out),
            Err(e) => return Err(e),
        };
        // A file of another record length is not one of ours.
        let sound = |p: &SummaryPlace| !p.is_none() && p.first > 0 && p.end() - 1 <= opened.status.records;
        let mut order: Vec<usize> = (0..places.len()).filter(|i| sound(&places[*i])).collect();
        if opened.status.lrecl as usize != PIECE {
            order.clear();
        }
        order.sort_by_key(|i| places[*i].first);
        let most = (CALL / PIECE) as u32;
        let mut rest = &order[..];
        while let Some(first) = rest.first().map(|i| places[*i].first) {
            let mut end = first;
            let joined = rest.iter().take_while(|i| {
                let place = places[**i];
                let joins = place.first <= end && place.end() - first <= most;
                end = if joins { end.max(place.end()) } else { end };
                joins
            });
            let joined = joined.count().max(1);
            let (run, after) = rest.split_at(joined);
            rest = after;
            self.csl.dmspoint(opened.token, Some(first), None).await?;
            let got = self.csl.dmsread(opened.token, end.max(first + 1) - first, CALL).await?;
            for i in run {
                let from = (places[*i].first - first) as usize * PIECE;
                let to = from + usize::from(places[*i].pieces) * PIECE;
                if to <= got.data.len() {
                    out[*i] = got.data.slice(from..to);
                }
            }
        }
        self.csl.dmsclose(opened.token, cms::csl::CommitOption::NoCommit).await?;
        Ok(out)
    }
}
