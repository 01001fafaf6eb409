//! What a guest program holds of the spool: its unit record devices, and output of its own.
//!
//! Cards have at most 80 octets and lines at most 132, as the devices of the directory have; [`UnitRecord::punch_wide`]
//! and [`OutputFile`] take records of up to 65,535 octets, which is how mail travels.

use std::sync::Arc;

use cp::Guest;
use cp::directory::UnitRecordKind;
use cp::name::{SpoolId, UserId, Vdev};

use crate::device::{CloseOptions, Devices, Open};
use crate::engine::Spool;
use crate::error::SpoolError;
use crate::file::{DeviceType, MAX_TAG, Queue, SharedFile, check_length};
use crate::output::{OutputAttributes, OutputFile};
use crate::reader::ReaderFile;
use crate::record::Record;

/// Octets of a card.
pub const CARD: usize = 80;
/// Characters of a printer line.
pub const LINE: usize = 132;
/// The punch of the directory.
pub const PUNCH: Vdev = Vdev(0x00D);
/// The printer of the directory.
pub const PRINTER: Vdev = Vdev(0x00E);
/// The reader of the directory.
pub const READER: Vdev = Vdev(0x00C);

/// A guest's hold on the spool. Cheap to clone.
#[derive(Clone)]
pub struct UnitRecord {
    owner: UserId,
    spool: Arc<Spool>,
    devices: Arc<Devices>,
}

impl UnitRecord {
    /// The unit record devices of a guest's machine.
    ///
    /// # Errors
    /// [`SpoolError::Stopped`] when the system has no spool.
    pub fn of(guest: &Guest) -> Result<Self, SpoolError> {
        let spool = guest.cp().ext.get::<Spool>().ok_or(SpoolError::Stopped)?;
        let devices = Devices::of(guest.vm()).ok_or(SpoolError::Stopped)?;
        Ok(Self { owner: guest.userid(), spool, devices })
    }

    /// The spool itself.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// Output that belongs to no device of the directory; any number may be open at once.
    ///
    /// # Errors
    /// As [`OutputFile::open`].
    pub fn output(&self, device: DeviceType, attributes: OutputAttributes) -> Result<OutputFile, SpoolError> {
        OutputFile::open(&self.spool, self.owner, device, attributes)
    }

    /// Punches a card of at most 80 octets on 00D.
    ///
    /// # Errors
    /// [`SpoolError::TooLong`], and as [`OutputFile::write`].
    pub async fn punch(&self, card: &[u8]) -> Result<(), SpoolError> {
        if card.len() > CARD {
            return Err(SpoolError::TooLong { len: card.len(), max: CARD });
        }
        self.punch_wide(card).await
    }

    /// Punches a record of at most 65,535 octets on 00D.
    ///
    /// # Errors
    /// As [`OutputFile::write`].
    pub async fn punch_wide(&self, record: &[u8]) -> Result<(), SpoolError> {
        let device = self.devices.of_kind(PUNCH, UnitRecordKind::Punch)?;
        self.devices.write(&device, DeviceType::Punch.write_op(), record).await
    }

    /// Prints a line of at most 132 characters on 00E with a command code, X'09' for write and space one line.
    ///
    /// # Errors
    /// [`SpoolError::TooLong`], and as [`OutputFile::write`].
    pub async fn print(&self, op: u8, line: &[u8]) -> Result<(), SpoolError> {
        if line.len() > LINE {
            return Err(SpoolError::TooLong { len: line.len(), max: LINE });
        }
        let device = self.devices.of_kind(PRINTER, UnitRecordKind::Printer)?;
        self.devices.write(&device, op, line).await
    }

    /// Sets the tag of an output device (TAG DEV).
    ///
    /// # Errors
    /// [`SpoolError::NoDevice`], [`SpoolError::WrongDevice`], [`SpoolError::BadAttribute`] past 136 characters.
    pub fn tag(&self, vdev: Vdev, text: &str) -> Result<(), SpoolError> {
        check_length("tag", text, MAX_TAG)?;
        let device = self.devices.get(vdev)?;
        if device.kind == UnitRecordKind::Reader {
            return Err(SpoolError::WrongDevice(vdev));
        }
        device.settings.lock().tag = text.into();
        Ok(())
    }

    /// Closes a device. For an output device the file that came of it, if any, durable and announced.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub async fn close(&self, vdev: Vdev, options: &CloseOptions) -> Result<Option<SharedFile>, SpoolError> {
        let device = self.devices.get(vdev)?;
        if device.kind == UnitRecordKind::Reader {
            self.devices.close_input(&device, options).await?;
            return Ok(None);
        }
        self.devices.close_output(&device, options).await
    }

    /// The files in one's reader, in order.
    pub fn reader_files(&self) -> Vec<SharedFile> {
        self.spool.files(self.owner, Queue::Reader)
    }

    /// Opens the next file that 00C may read: of its class, not held, not in use. `None` when there is none.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub async fn open_reader(&self) -> Result<Option<ReaderFile>, SpoolError> {
        let device = self.devices.of_kind(READER, UnitRecordKind::Reader)?;
        let (class, keep) = {
            let settings = device.settings.lock();
            (settings.class, settings.hold || settings.keep)
        };
        for file in self.reader_files() {
            if file.hold.is_held() || (class != '*' && class != file.class) {
                continue;
            }
            match ReaderFile::open(&self.spool, &file, keep) {
                Ok(open) => return Ok(Some(open)),
                // Somebody else has it by now: the next, then.
                Err(SpoolError::InUse(_) | SpoolError::NoFile(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Opens a file of one's reader by number.
    ///
    /// # Errors
    /// [`SpoolError::NoFile`], also for one in hold, which a program does not read; [`SpoolError::InUse`].
    pub async fn open_file(&self, id: SpoolId) -> Result<ReaderFile, SpoolError> {
        let file = self.spool.file(self.owner, id).filter(|f| f.queue == Queue::Reader && !f.hold.is_held());
        let file = file.ok_or(SpoolError::NoFile(id))?;
        let keep = self.devices.of_kind(READER, UnitRecordKind::Reader).is_ok_and(|device| {
            let settings = device.settings.lock();
            settings.hold || settings.keep
        });
        ReaderFile::open(&self.spool, &file, keep)
    }

    /// Reads a card from 00C itself: opens the next file when none is open, and at its end closes it as SPOOL says.
    /// `None` is the end of a file, or that there is none.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub async fn read_card(&self) -> Result<Option<Record>, SpoolError> {
        let device = self.devices.of_kind(READER, UnitRecordKind::Reader)?;
        let mut open = device.open.lock().await;
        loop {
            if !matches!(*open, Open::Input(_)) {
                let Some(file) = self.open_reader().await? else { return Ok(None) };
                *device.open_id.lock() = Some(file.file().id);
                *open = Open::Input(Box::new(file));
            }
            let Open::Input(file) = &mut *open else { return Ok(None) };
            if let Some(record) = file.next().await? {
                return Ok(Some(record));
            }
            let cont = device.settings.lock().cont;
            if let Open::Input(file) = std::mem::take(&mut *open) {
                *device.open_id.lock() = None;
                let disposition = file.disposition();
                file.close(disposition).await?;
            }
            // Under CONT the files are read as one, as long as there is another that is not kept.
            if !cont || self.reader_files().iter().all(|f| f.hold.is_held()) {
                return Ok(None);
            }
        }
    }

    /// Resolves when a file comes into one's reader after the call began, or when one waits there already that may be
    /// read: the device end of an idle reader.
    pub async fn wait_for_file(&self) {
        let arrival = self.spool.arrival_of(self.owner);
        let mut notified = std::pin::pin!(arrival.notified());
        notified.as_mut().enable();
        let waits = self.reader_files().iter().any(|f| !f.hold.is_held() && !self.spool.is_active(f.unique));
        if !waits {
            notified.await;
        }
    }

    /// Gives a file of one's own to another user's reader, as CP TRANSFER does.
    ///
    /// # Errors
    /// As [`Spool::transfer`].
    pub async fn transfer(&self, file: &SharedFile, to: UserId) -> Result<SharedFile, SpoolError> {
        self.spool.transfer(file, self.owner, to, Queue::Reader).await
    }
}
