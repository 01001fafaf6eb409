//! The side of a guest: a typed `*SPL` path.

use std::collections::VecDeque;

use bytes::Bytes;
use cp::Guest;
use cp::iucv::{ConnectParms, Interrupt, IpRcode, IucvMessage, IucvPath, IucvTarget};
use cp::name::{SpoolId, UserId};
use thiserror::Error;

use super::block::{Answer, Sfblok, Spgbk, SplArrival, Sprbk, decode, encode, option, queue_number};
use super::splink::{BadSplink, SPLINK, Unpager};
use super::{SERVICE, class, rc, splink_rc};
use crate::file::Queue;
use crate::record::Record;

/// SPLINKs that are fetched at a time.
const FETCH: u32 = 64;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SplError {
    /// IUCV refused.
    #[error("*SPL: IUCV return code {code}: {0}", code = .0.code())]
    Iucv(#[from] IpRcode),
    /// The service answered with this general return code.
    #[error("*SPL: general return code {0}")]
    Refused(u8),
    /// The service answered with this return code about SPLINKs.
    #[error("*SPL: SPLINK return code {0}")]
    Splink(u8),
    /// CP severed the path; the first byte of IPUSER.
    #[error("*SPL: path severed, code {0}")]
    Severed(u8),
    /// An answer that is none.
    #[error("*SPL: an answer cannot be understood")]
    BadAnswer,
    /// The application name is longer than eight characters.
    #[error("*SPL: the application name is longer than 8 characters")]
    BadName,
}

impl From<BadSplink> for SplError {
    fn from(_: BadSplink) -> Self {
        Self::BadAnswer
    }
}

impl SplError {
    /// Whether the answer was that there is no such file.
    pub fn is_no_match(&self) -> bool {
        *self == Self::Refused(rc::NO_MATCH)
    }
}

/// What becomes of a file at CLOSE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseAction {
    /// It goes back as it was; it has been seen.
    Release,
    /// It is gone, durably.
    Purge,
    /// It is put in user hold.
    UserHold,
    /// It is put in system hold.
    SystemHold,
}

/// A path to `*SPL`. Clones are the same path; it is severed, and its files released, when the last is dropped.
#[derive(Clone)]
pub struct SplPath {
    path: IucvPath,
}

impl SplPath {
    /// Connects as a reader of queues.
    ///
    /// # Errors
    /// [`SplError::Iucv`], with return code 15 when the directory has no `IUCV *SPL`.
    pub async fn connect(guest: &Guest, application: &str) -> Result<Self, SplError> {
        let mut user = [cp::codepage::EBCDIC_BLANK; 16];
        let name = cp::codepage::from_text(application);
        user.get_mut(..name.len())
            .filter(|_| name.len() <= 8)
            .ok_or(SplError::BadName)?
            .copy_from_slice(&name);
        user[8..].copy_from_slice(&cp::codepage::from_text("VIRTUAL "));
        let parms = ConnectParms { user, ..ConnectParms::default() };
        let path = guest.iucv_connect(&IucvTarget::Service(SERVICE.into()), &parms).await?;
        Ok(Self { path })
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// [`SplError::Iucv`], [`SplError::BadAnswer`].
    pub async fn request(
        &self,
        class: u32,
        block: &Spgbk,
    ) -> Result<(Sprbk, Option<Sfblok>, Bytes), SplError> {
        let message = IucvMessage { class, control: encode(block), ..IucvMessage::default() };
        let reply = self.path.send(message).await?;
        let Answer { reply: status, sfblok } = decode(&reply.control).ok_or(SplError::BadAnswer)?;
        Ok((status, sfblok, reply.data))
    }

    async fn select_with(&self, block: &Spgbk) -> Result<Sfblok, SplError> {
        match self.request(class::SELECT, block).await? {
            (Sprbk { general: rc::OK, .. }, Some(sfblok), _) => Ok(sfblok),
            (Sprbk { general: rc::OK, .. }, None, _) => Err(SplError::BadAnswer),
            (status, ..) => Err(SplError::Refused(status.general)),
        }
    }

    /// Selects the next unseen file that is not held. `None` when there is none: the path is idle then, and the next
    /// file to come is announced ([`SplPath::arrival`]).
    ///
    /// # Errors
    /// [`SplError`].
    pub async fn select_next(&self, owner: UserId, queue: Queue) -> Result<Option<Sfblok>, SplError> {
        let block = Spgbk {
            user: owner,
            spid: 0,
            queue: queue_number(queue),
            option: option::NEXT | option::GET_SFB,
            first_splink: 0,
            splinks: 0,
        };
        match self.select_with(&block).await {
            Err(error) if error.is_no_match() => Ok(None),
            other => other.map(Some),
        }
    }

    /// Selects a file by number.
    ///
    /// # Errors
    /// [`SplError::Refused`] with 4 for no such file or one in hold, 8 for one in use.
    pub async fn select(&self, owner: UserId, id: SpoolId) -> Result<Sfblok, SplError> {
        let option = option::SPEC | option::GET_SFB;
        let block = Spgbk { user: owner, spid: id.get(), queue: 0, option, first_splink: 0, splinks: 0 };
        self.select_with(&block).await
    }

    /// Makes all files of a queue unseen again.
    ///
    /// # Errors
    /// [`SplError`].
    pub async fn reset_seen(&self, owner: UserId, queue: Queue) -> Result<(), SplError> {
        let queue = queue_number(queue);
        let block = Spgbk { user: owner, spid: 0, queue, option: option::RESET, first_splink: 0, splinks: 0 };
        match self.request(class::SELECT, &block).await?.0.general {
            rc::OK => Ok(()),
            code => Err(SplError::Refused(code)),
        }
    }

    /// Pages of a selected file from page `first` (from 1) on; true when the file ends within them.
    ///
    /// # Errors
    /// [`SplError`].
    pub async fn splinks(&self, file: &Sfblok, first: u32, count: u32) -> Result<(Bytes, bool), SplError> {
        let block = Spgbk {
            user: file.file.owner,
            spid: file.file.id.get(),
            queue: 0,
            option: 0,
            first_splink: first,
            splinks: count,
        };
        let (status, _, data) = self.request(class::READ_SPLINK, &block).await?;
        match (status.general, status.splink) {
            (rc::OK, 0) => {
                let last = data.len().checked_sub(SPLINK).ok_or(SplError::BadAnswer)?;
                let next = data.get(last..last + 4).ok_or(SplError::BadAnswer)?;
                let ended = next == [0; 4];
                Ok((data, ended))
            }
            (rc::OK, splink_rc::END_OF_FILE) => Ok((data, true)),
            (rc::OK, code) => Err(SplError::Splink(code)),
            (code, _) => Err(SplError::Refused(code)),
        }
    }

    /// The records of a selected file.
    pub fn records(&self, file: &Sfblok) -> SplRecords {
        SplRecords {
            path: self.clone(),
            file: file.clone(),
            next_page: 1,
            ended: false,
            pages: VecDeque::new(),
            unpager: Unpager::default(),
        }
    }

    /// Ends the use of a selected file; what becomes of it is durable on return.
    ///
    /// # Errors
    /// [`SplError`].
    pub async fn close(&self, file: &Sfblok, action: CloseAction) -> Result<(), SplError> {
        let option = match action {
            CloseAction::Release => 0,
            CloseAction::Purge => option::PURGE,
            CloseAction::UserHold => option::USER_HOLD,
            CloseAction::SystemHold => option::SYSTEM_HOLD,
        };
        let (user, spid) = (file.file.owner, file.file.id.get());
        let block = Spgbk { user, spid, queue: 0, option, first_splink: 0, splinks: 0 };
        match self.request(class::CLOSE, &block).await?.0.general {
            rc::OK => Ok(()),
            code => Err(SplError::Refused(code)),
        }
    }

    /// Waits until CP announces a file on the idle path.
    ///
    /// # Errors
    /// [`SplError::Severed`].
    pub async fn arrival(&self) -> Result<SplArrival, SplError> {
        loop {
            match self.path.next().await {
                Some(Interrupt::Message(message)) if message.message.class == class::ARRIVAL => {
                    return SplArrival::decode(&message.message.control).ok_or(SplError::BadAnswer);
                }
                Some(Interrupt::Severed(user)) => return Err(SplError::Severed(user[0])),
                Some(_) => {}
                None => return Err(SplError::Severed(0)),
            }
        }
    }
}

/// The records of a selected file, fetched as they are needed.
pub struct SplRecords {
    path: SplPath,
    file: Sfblok,
    next_page: u32,
    ended: bool,
    pages: VecDeque<Bytes>,
    unpager: Unpager,
}

impl SplRecords {
    /// The next record; `None` at the end of the file.
    ///
    /// # Errors
    /// [`SplError`].
    pub async fn next(&mut self) -> Result<Option<Record>, SplError> {
        loop {
            if let Some(record) = self.unpager.record()? {
                return Ok(Some(record));
            }
            if let Some(page) = self.pages.pop_front() {
                self.unpager.feed(page)?;
                continue;
            }
            if self.ended {
                return Ok(None);
            }
            let (mut data, ended) = self.path.splinks(&self.file, self.next_page, FETCH).await?;
            self.ended = ended;
            self.next_page += FETCH;
            while data.len() >= SPLINK {
                self.pages.push_back(data.split_to(SPLINK));
            }
        }
    }
}
