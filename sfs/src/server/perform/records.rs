//! Open files: opening, reading, writing, positioning, closing.

use std::sync::Arc;

use bytes::Bytes;

use super::{At, Outcome, done};
use crate::names::FileRef;
use crate::pool::{OpenRequest, Opened, PoolError, Token, Waiting, WorkUnit};
use crate::server::handler::{Session, path};
use crate::server::protocol::{Answer, Call, OpenWay};
use crate::types::{Attributes, DateReference, Grantee, Intent, Rights};

impl Session {
    pub(super) fn on_records(&self, at: At<'_>, call: &Call) -> Option<Outcome> {
        let unit = at.unit;
        Some(match call {
            Call::Open { file, intent, attributes, allow_empty, dates, way } => {
                self.open(at, file, (*intent, *attributes, *allow_empty), *dates, *way)
            }
            Call::Write { token, count } => done(unit.write(Token(*token), at.data, *count)),
            Call::WriteBlocks { token, block } => done(unit.write_blocks(Token(*token), *block, at.data)),
            Call::Point { token, read, write } => done(unit.point(Token(*token), *read, *write)),
            Call::Truncate { token, records } => done(unit.truncate(Token(*token), *records)),
            Call::Close { token } => self.close(at, *token),
            _ => return None,
        })
    }

    pub(super) fn open(
        &self,
        at: At<'_>,
        file: &FileRef,
        (intent, attributes, allow_empty): (Intent, Attributes, bool),
        dates: DateReference,
        way: OpenWay,
    ) -> Outcome {
        let request = OpenRequest { dir: path(&file.dir), id: file.id, intent, attributes, allow_empty };
        let opened = match way {
            OpenWay::Records => at.unit.open_as(&request, dates)?,
            OpenWay::Blocks { records } => at.unit.open_blocks(&request, dates, records)?,
        };
        if opened.created {
            self.own_new_file(at.unit, file)?;
        }
        Ok(self.keep_open(at, opened))
    }

    /// Keeps an open file for later calls.
    pub(super) fn keep_open(&self, at: At<'_>, opened: Opened) -> Answer {
        self.tokens.lock().insert(opened.token.0, (at.number, at.unit.clone()));
        Answer::Opened { token: opened.token.0, status: opened.status, created: opened.created }
    }

    /// Who creates a file in another's FILECONTROL directory may write it.
    fn own_new_file(&self, unit: &WorkUnit, file: &FileRef) -> Result<(), PoolError> {
        if file.dir.owner == self.user() || self.shared.admins.read().contains(&self.user()) {
            return Ok(());
        }
        match unit.grant(path(&file.dir), Some(file.id), Grantee::User(self.user()), Rights::WRITE) {
            // In a DIRCONTROL directory the authority is on the directory.
            Err(PoolError::WrongControl) => Ok(()),
            done => done,
        }
    }

    pub(super) fn close(&self, at: At<'_>, token: u64) -> Outcome {
        let closed = at.unit.close_with_status(Token(token));
        if !at.unit.is_open(Token(token)) {
            self.tokens.lock().remove(&token);
        }
        closed.map(Answer::File)
    }
}

/// Reads inline what is in memory, and elsewhere what is not: a session's task never waits for a disk here.
pub(in crate::server) async fn read(unit: &Arc<WorkUnit>, call: &Call) -> Result<(Answer, Bytes), PoolError> {
    match read_with(unit, call, Waiting::Refused) {
        Err(PoolError::WouldWait) => {
            let (unit, call) = (unit.clone(), call.clone());
            let done = tokio::task::spawn_blocking(move || read_with(&unit, &call, Waiting::Allowed)).await;
            done.unwrap_or_else(|e| Err(PoolError::Offline(e.to_string().into())))
        }
        done => done,
    }
}

fn read_with(unit: &WorkUnit, call: &Call, wait: Waiting) -> Result<(Answer, Bytes), PoolError> {
    match call {
        Call::Read { token, count, max } => {
            let out = unit.read_in(Token(*token), *count, *max as usize, wait)?;
            Ok((Answer::Read { records: out.records }, out.data))
        }
        Call::ReadImage { token, offset, len } => {
            Ok((Answer::Done, unit.read_blocks(Token(*token), *offset, *len as usize, wait)?))
        }
        _ => Err(PoolError::NotOpen),
    }
}
