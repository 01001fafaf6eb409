//! The virtual unit record devices of a machine: their settings (SPOOL, TAG) and the file each has open.

use std::collections::BTreeMap;
use std::sync::Arc;

use cp::console::ConsoleMonitor;
use cp::directory::{DirectoryEntry, UnitRecordKind};
use cp::name::{SpoolId, UserId, Vdev};
use cp::vm::Vm;
use parking_lot::{Mutex, RwLock};

use crate::console::ConsoleTap;
use crate::engine::Spool;
use crate::error::SpoolError;
use crate::file::{DEFAULT_DEST, DEFAULT_FORM, DeviceType, Queue, SharedFile};
use crate::output::{OutputAttributes, OutputFile};
use crate::reader::ReaderFile;

/// Devices of a machine whose directory entry has no SPOOL statements.
const DEFAULT_DEVICES: [(u16, &str, UnitRecordKind, char); 3] = [
    (0x00C, "2540", UnitRecordKind::Reader, '*'),
    (0x00D, "2540", UnitRecordKind::Punch, 'A'),
    (0x00E, "1403", UnitRecordKind::Printer, 'A'),
];

/// Number of a console the directory says nothing of.
const CONSOLE: Vdev = Vdev(0x009);

/// What SPOOL sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeviceSettings {
    pub(crate) class: char,
    pub(crate) hold: bool,
    pub(crate) keep: bool,
    pub(crate) cont: bool,
    pub(crate) eof: bool,
    pub(crate) msg: bool,
    pub(crate) copies: u8,
    pub(crate) copy_star: bool,
    pub(crate) form: String,
    pub(crate) dist: Option<String>,
    pub(crate) dest: String,
    /// TO or FOR.
    pub(crate) to: Option<(UserId, Queue)>,
    pub(crate) name: Option<(String, String)>,
    /// TAG DEV.
    pub(crate) tag: String,
}

impl DeviceSettings {
    fn new(class: char) -> Self {
        Self {
            class,
            hold: false,
            keep: false,
            cont: false,
            eof: true,
            msg: true,
            copies: 1,
            copy_star: false,
            form: DEFAULT_FORM.into(),
            dist: None,
            dest: DEFAULT_DEST.into(),
            to: None,
            name: None,
            tag: String::new(),
        }
    }

    fn attributes(&self) -> OutputAttributes {
        OutputAttributes {
            to: self.to.map(|(user, _)| user),
            queue: self.to.map(|(_, queue)| queue),
            class: self.class,
            name: self.name.clone(),
            tag: self.tag.clone(),
            dist: self.dist.clone(),
            form: self.form.clone(),
            dest: self.dest.clone(),
            hold: self.hold,
            keep: self.keep,
            msg: self.msg,
            copies: self.copies,
            copy_star: self.copy_star,
        }
    }
}

/// What a device has open.
#[derive(Default)]
pub(crate) enum Open {
    #[default]
    Nothing,
    Output(Box<OutputFile>),
    Input(Box<ReaderFile>),
}

/// One virtual unit record device.
pub(crate) struct Device {
    pub(crate) vdev: Vdev,
    pub(crate) kind: UnitRecordKind,
    /// Device type, `2540` for instance.
    pub(crate) model: String,
    /// The virtual console, whose output may be spooled.
    pub(crate) is_console: bool,
    /// What sees the console while it is being spooled.
    pub(crate) tap: Mutex<Option<Arc<ConsoleTap>>>,
    pub(crate) settings: Mutex<DeviceSettings>,
    /// Number of the file it has open, for queries.
    pub(crate) open_id: Mutex<Option<SpoolId>>,
    pub(crate) open: tokio::sync::Mutex<Open>,
}

impl Device {
    fn new(vdev: Vdev, model: &str, kind: UnitRecordKind, class: char) -> Self {
        Self {
            vdev,
            kind,
            model: model.into(),
            is_console: false,
            tap: Mutex::new(None),
            settings: Mutex::new(DeviceSettings::new(class)),
            open_id: Mutex::new(None),
            open: tokio::sync::Mutex::default(),
        }
    }

    /// The queue of its files.
    pub(crate) fn queue(&self) -> Queue {
        match self.kind {
            UnitRecordKind::Reader => Queue::Reader,
            UnitRecordKind::Punch => Queue::Punch,
            UnitRecordKind::Printer => Queue::Printer,
        }
    }

    fn device_type(&self) -> DeviceType {
        match self.kind {
            _ if self.is_console => DeviceType::Console,
            UnitRecordKind::Reader => DeviceType::Reader,
            UnitRecordKind::Punch => DeviceType::Punch,
            UnitRecordKind::Printer => DeviceType::Printer,
        }
    }
}

/// What CLOSE says besides the device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloseOptions {
    /// NAME fn ft.
    pub name: Option<(String, String)>,
    /// HOLD or NOHOLD.
    pub hold: Option<bool>,
    /// KEEP or NOKEEP.
    pub keep: Option<bool>,
    /// DIST code.
    pub dist: Option<String>,
    /// PURGE: there will be no file.
    pub purge: bool,
    /// A CLOSE under CONT ends the file only with this (EOF, or at LOGOFF).
    pub ends_cont: bool,
}

/// The devices of one machine.
pub(crate) struct Devices {
    owner: UserId,
    spool: Arc<Spool>,
    devices: RwLock<BTreeMap<Vdev, Arc<Device>>>,
}

impl Devices {
    /// The devices of the directory entry.
    pub(crate) fn new(spool: &Arc<Spool>, entry: &DirectoryEntry) -> Self {
        let defaults =
            || DEFAULT_DEVICES.iter().map(|(v, m, k, c)| Arc::new(Device::new(Vdev(*v), m, *k, *c)));
        let mut devices: BTreeMap<Vdev, Arc<Device>> = entry
            .spool
            .iter()
            .map(|s| (s.vdev, Arc::new(Device::new(s.vdev, &s.device, s.kind, s.class))))
            .collect();
        if devices.is_empty() {
            devices = defaults().map(|device| (device.vdev, device)).collect();
        }
        let (vdev, class) = entry.console.as_ref().map_or((CONSOLE, 'T'), |c| (c.vdev, c.class));
        let console =
            Device { is_console: true, ..Device::new(vdev, "3215", UnitRecordKind::Printer, class) };
        devices.insert(vdev, Arc::new(console));
        Self { owner: entry.userid, spool: spool.clone(), devices: RwLock::new(devices) }
    }

    /// The devices of a logged-on machine.
    pub(crate) fn of(vm: &Vm) -> Option<Arc<Self>> {
        vm.ext.get::<Self>()
    }

    /// All of them, by device number.
    pub(crate) fn all(&self) -> Vec<Arc<Device>> {
        self.devices.read().values().cloned().collect()
    }

    /// The device of that number.
    pub(crate) fn get(&self, vdev: Vdev) -> Result<Arc<Device>, SpoolError> {
        self.devices.read().get(&vdev).cloned().ok_or(SpoolError::NoDevice(vdev))
    }

    /// The device at `vdev`, which must be of `kind`.
    pub(crate) fn of_kind(&self, vdev: Vdev, kind: UnitRecordKind) -> Result<Arc<Device>, SpoolError> {
        let device = self.get(vdev)?;
        if device.kind == kind { Ok(device) } else { Err(SpoolError::WrongDevice(vdev)) }
    }

    /// Writes a record on an output device, opening a file if none is open.
    pub(crate) async fn write(&self, device: &Device, op: u8, data: &[u8]) -> Result<(), SpoolError> {
        let mut open = device.open.lock().await;
        if !matches!(*open, Open::Output(_)) {
            let attributes = device.settings.lock().attributes();
            let file = OutputFile::open(&self.spool, self.owner, device.device_type(), attributes)?;
            *device.open_id.lock() = Some(file.origin_id());
            *open = Open::Output(Box::new(file));
        }
        let Open::Output(file) = &mut *open else { return Err(SpoolError::WrongDevice(device.vdev)) };
        file.write_op(op, data).await
    }

    /// Closes what an output device has open. `None` when nothing was written, when CONT is on, or after PURGE.
    pub(crate) async fn close_output(
        &self,
        device: &Device,
        options: &CloseOptions,
    ) -> Result<Option<SharedFile>, SpoolError> {
        let tap = device.tap.lock().clone();
        if let Some(tap) = tap {
            tap.flush().await?;
        }
        let settings = device.settings.lock().clone();
        let mut open = device.open.lock().await;
        if settings.cont && !options.ends_cont && !options.purge {
            return Ok(None);
        }
        let Open::Output(mut file) = std::mem::take(&mut *open) else { return Ok(None) };
        *device.open_id.lock() = None;
        if options.purge || file.records() == 0 {
            return Ok(None);
        }
        // The file is what the device says now, and in the end what CLOSE says.
        let mut attributes = settings.attributes();
        attributes.name = options.name.clone().or(attributes.name);
        attributes.hold = options.hold.unwrap_or(attributes.hold);
        attributes.keep = options.keep.unwrap_or(attributes.keep);
        attributes.dist = options.dist.clone().or(attributes.dist);
        *file.attributes_mut() = attributes;
        file.close().await.map(Some)
    }

    /// Closes what a reader has open: the rest of it is not read.
    pub(crate) async fn close_input(
        &self,
        device: &Device,
        options: &CloseOptions,
    ) -> Result<(), SpoolError> {
        let mut open = device.open.lock().await;
        let Open::Input(file) = std::mem::take(&mut *open) else { return Ok(()) };
        *device.open_id.lock() = None;
        let keep = options.hold.or(options.keep);
        let disposition = match keep {
            Some(true) => crate::reader::Disposition::Hold,
            Some(false) => crate::reader::Disposition::Purge,
            None => file.disposition(),
        };
        file.close(disposition).await
    }

    /// SPOOL CONSOLE START and STOP. What is in the file stays there until CLOSE.
    pub(crate) async fn spool_console(
        self: &Arc<Self>,
        vm: &Vm,
        device: &Arc<Device>,
        on: bool,
    ) -> Result<(), SpoolError> {
        let old = device.tap.lock().take();
        if let Some(tap) = old {
            if on {
                *device.tap.lock() = Some(tap);
                return Ok(());
            }
            let monitor: Arc<dyn ConsoleMonitor> = tap.clone();
            vm.console.remove_monitor(&monitor);
            return tap.flush().await;
        }
        if on {
            let tap = ConsoleTap::new(self, device);
            *device.tap.lock() = Some(tap.clone());
            vm.console.add_monitor(tap);
        }
        Ok(())
    }

    /// What LOGOFF does: output becomes files, input goes back.
    pub(crate) async fn close_all(&self) {
        for device in self.all() {
            let options = CloseOptions { ends_cont: true, ..CloseOptions::default() };
            if let Err(error) = self.close_output(&device, &options).await {
                tracing::warn!(owner = %self.owner, vdev = %device.vdev, %error, "output was lost at LOGOFF");
            }
            *device.open.lock().await = Open::Nothing;
            *device.open_id.lock() = None;
        }
    }
}
