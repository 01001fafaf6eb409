//! DMSGETDI - Get Directory: the next record of an open directory.

use std::collections::{HashMap, VecDeque};

use super::{CommitOption, Csl, CslError, DirRecord, ReasonCode, Token};
use crate::server::protocol::{Answer, Call};

/// Records fetched from the server at once and handed out one by one.
const BATCH: u32 = 1000;

/// Records fetched and not yet handed out; the flag says that the server has more.
pub(super) type Buffers = HashMap<Token, (VecDeque<DirRecord>, bool)>;

impl Csl {
    /// DMSGETDI: the next record, in the order of names.
    ///
    /// # Errors
    /// `EndOfDirectory` behind the last record, `NotOpen`.
    pub async fn dmsgetdi(&self, token: Token) -> Result<DirRecord, CslError> {
        let more = {
            let mut buffers = self.inner.directories.lock();
            let (records, more) = buffers.entry(token).or_insert_with(|| (VecDeque::new(), true));
            if let Some(record) = records.pop_front() {
                return Ok(record);
            }
            *more
        };
        if !more {
            return Err(ReasonCode::EndOfDirectory.into());
        }
        let mut fetched = self.fetch(token, BATCH).await;
        let first = match &mut fetched {
            Ok((records, _)) => records.pop_front(),
            Err(_) => None,
        };
        match fetched {
            Ok(buffer) => {
                self.inner.directories.lock().insert(token, buffer);
                first.ok_or_else(|| ReasonCode::EndOfDirectory.into())
            }
            Err(error) => {
                self.inner.directories.lock().remove(&token);
                Err(error)
            }
        }
    }

    /// Everything that is left of an open directory.
    ///
    /// # Errors
    /// `NotOpen`.
    pub async fn dmsgetdi_all(&self, token: Token) -> Result<Vec<DirRecord>, CslError> {
        let buffered = self.inner.directories.lock().remove(&token);
        let (records, mut more) = buffered.unwrap_or_else(|| (VecDeque::new(), true));
        let mut all = Vec::from(records);
        while more {
            let (records, further) = self.fetch(token, BATCH).await?;
            all.extend(records);
            more = further;
        }
        self.inner.directories.lock().insert(token, (VecDeque::new(), false));
        Ok(all)
    }

    async fn fetch(&self, token: Token, max: u32) -> Result<(VecDeque<DirRecord>, bool), CslError> {
        let call = Call::GetDir { token: token.number, max };
        let (reply, _) = self.token_call(token, CommitOption::NoCommit, call, bytes::Bytes::new()).await?;
        match reply.answer {
            Answer::Records { records, more } => Ok((VecDeque::from(records), more)),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
