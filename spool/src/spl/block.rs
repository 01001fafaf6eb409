//! The control blocks: request, reply, file block, arrival.

use bytes::Bytes;
use cp::name::{SpoolId, UserId};
use serde::{Deserialize, Serialize};

use crate::file::{DeviceType, FileKey, Hold, Queue, SpoolFile};

/// Bits of SPGOPTN. CLOSE uses the second set over the first.
pub mod option {
    /// Select one specific file, by user and spool id.
    pub const SPEC: u8 = 0x80;
    /// Select the next unseen file, by user and queue.
    pub const NEXT: u8 = 0x40;
    /// Reset all seen bits of user and queue.
    pub const RESET: u8 = 0x20;
    /// Return the SFBLOK.
    pub const GET_SFB: u8 = 0x10;
    /// Return the 3800 data.
    pub const GET_3800: u8 = 0x08;
    /// Return SPLINKs.
    pub const GET_SPLINK: u8 = 0x04;
    /// Return the XAB.
    pub const GET_XAB: u8 = 0x02;
    /// Data only: the file stays unselected.
    pub const NO_SELECT: u8 = 0x01;
    /// CLOSE: purge the file.
    pub const PURGE: u8 = 0x80;
    /// CLOSE: put it in user hold.
    pub const USER_HOLD: u8 = 0x40;
    /// CLOSE: put it in system hold.
    pub const SYSTEM_HOLD: u8 = 0x20;
    /// CLOSE: decrement the copy count.
    pub const DECREMENT: u8 = 0x10;
}

/// The request block (SPGBK).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spgbk {
    /// SPGUSER: who owns the file.
    pub user: UserId,
    /// SPGSPID: number of the file; zero when none is named.
    pub spid: u16,
    /// SPGQUEUE: 1 RDR, 2 PRT, 3 PUN.
    pub queue: u8,
    /// SPGOPTN: see [`option`].
    pub option: u8,
    /// SPGSPLKS: number of the first SPLINK to return, from 1.
    pub first_splink: u32,
    /// SPGSPLKN: how many SPLINKs to return.
    pub splinks: u32,
}

/// The reply block (SPRBK).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sprbk {
    /// SPRGENRC, see [`super::rc`].
    pub general: u8,
    /// SPRSFBRC about the SFBLOK.
    pub sfblok: u8,
    /// SPRSPKRC about the SPLINKs, see [`super::splink_rc`].
    pub splink: u8,
    /// SPRXABRC about the XAB.
    pub xab: u8,
    /// SPR38RC about the 3800 data.
    pub data3800: u8,
    /// The spool id selected; ours.
    pub spid: u16,
    /// SPLINKs returned; ours.
    pub splinks: u32,
}

/// The queue number of SPGQUEUE.
pub(crate) fn queue_number(queue: Queue) -> u8 {
    match queue {
        Queue::Reader => 1,
        Queue::Printer => 2,
        Queue::Punch => 3,
    }
}

/// The queue of a SPGQUEUE.
pub(crate) fn queue_of(number: u8) -> Option<Queue> {
    Queue::ALL.into_iter().find(|queue| queue_number(*queue) == number)
}

/// The file block (SFBLOK), with the fields of the original that mean anything here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sfblok {
    /// SFBUSER, SFBFILID, SFBDATE and SFBTIME, and the system-wide number.
    pub file: FileKey,
    /// The queue it is in.
    pub queue: Queue,
    /// SFBORIG.
    pub origin: UserId,
    /// The number it had with its origin; ours.
    pub origin_id: SpoolId,
    /// SFBRECNO: records.
    pub records: u64,
    /// SFBRECSZ: length of the longest record.
    pub record_size: u32,
    /// Octets of the records with their frames; ours.
    pub octets: u64,
    /// SFBTYPE.
    pub device: DeviceType,
    /// SFBFLAG: holds.
    pub hold: Hold,
    /// SFBFNAME.
    pub name: String,
    /// SFBFTYPE.
    pub ftype: String,
    /// SFBCOPY.
    pub copies: u8,
    /// SFBCLAS.
    pub class: char,
    /// SFBDIST.
    pub dist: String,
    /// Kept after processing.
    pub keep: bool,
    /// The tag; also the first record of the first SPLINK.
    pub tag: String,
}

impl Sfblok {
    /// The block of a file.
    pub fn of(file: &SpoolFile) -> Self {
        Self {
            file: file.key(),
            queue: file.queue,
            origin: file.origin,
            origin_id: file.origin_id,
            records: file.records,
            record_size: file.record_size,
            octets: file.octets,
            device: file.device,
            hold: file.hold,
            name: file.name.clone(),
            ftype: file.ftype.clone(),
            copies: file.copies,
            class: file.class,
            dist: file.dist.clone(),
            keep: file.keep,
            tag: file.tag.clone(),
        }
    }
}

/// What a SELECT/GET brings back besides SPLINKs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) reply: Sprbk,
    pub(crate) sfblok: Option<Sfblok>,
}

/// Encodes a control block. It never goes to a disk.
pub(crate) fn encode<T: Serialize>(block: &T) -> Bytes {
    let encoded = bincode::serde::encode_to_vec(block, bincode::config::standard());
    encoded.map(Bytes::from).expect("control blocks have no type that cannot be encoded")
}

/// Decodes a control block.
pub(crate) fn decode<T: for<'de> Deserialize<'de>>(control: &[u8]) -> Option<T> {
    bincode::serde::decode_from_slice(control, bincode::config::standard()).ok().map(|(block, _)| block)
}

/// The message of class 8: a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplArrival {
    /// Whose queue.
    pub owner: UserId,
    /// Number of the file.
    pub id: SpoolId,
    /// Which queue.
    pub queue: Queue,
}

impl SplArrival {
    /// Eight octets of user id, two of spool id, one of queue.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(11);
        let mut user = cp::codepage::from_text(self.owner.as_str());
        user.resize(8, cp::codepage::EBCDIC_BLANK);
        out.extend_from_slice(&user);
        out.extend_from_slice(&self.id.get().to_be_bytes());
        out.push(queue_number(self.queue));
        out.into()
    }

    /// Reads the eleven octets; `None` when they are none of these.
    pub fn decode(control: &[u8]) -> Option<Self> {
        let user = cp::codepage::to_text(cp::codepage::trim_end(control.get(..8)?));
        let id = SpoolId::new(u16::from_be_bytes(control.get(8..10)?.try_into().ok()?))?;
        Some(Self { owner: UserId::new(&user).ok()?, id, queue: queue_of(*control.get(10)?)? })
    }
}
