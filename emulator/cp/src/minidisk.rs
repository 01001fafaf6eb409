//! Minidisks as virtual devices: which disk a machine has at a device number, and how LINK and DETACH change that.
//!
//! A machine begins with the MDISK and LINK statements of its directory entry. What is on a disk is no concern of CP's;
//! whoever reads and writes it asks here for the device, and stops when the device has been detached.
//!
//! Not here: stable and exclusive modes (SR, SW, SM, ER, EW), which need reserve between machines.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::directory::{DirectoryEntry, LinkMode, LinkPassword, MdiskStatement};
use crate::name::{UserId, Vdev};
use crate::system::Cp;
use crate::vm::Vm;

/// A minidisk at a device number of a machine.
#[derive(Clone, Debug)]
pub struct MinidiskDevice {
    /// Its number here.
    pub vdev: Vdev,
    /// Whose disk it is.
    pub owner: UserId,
    /// Its number in the owner's directory entry.
    pub owner_vdev: Vdev,
    /// R/W or R/O.
    pub writable: bool,
    detached: Arc<AtomicBool>,
}

impl MinidiskDevice {
    fn new(vdev: Vdev, owner: UserId, owner_vdev: Vdev, writable: bool) -> Self {
        Self { vdev, owner, owner_vdev, writable, detached: Arc::default() }
    }

    /// `R/W` or `R/O`.
    pub fn access(&self) -> &'static str {
        if self.writable { "R/W" } else { "R/O" }
    }

    /// True when DETACH has taken it away.
    pub fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Acquire)
    }
}

/// The minidisks of one machine.
struct Minidisks(Mutex<BTreeMap<Vdev, MinidiskDevice>>);

impl Minidisks {
    fn of(vm: &Vm) -> Arc<Self> {
        vm.ext.get_or_insert_with(|| Self(Mutex::new(from_entry(&vm.entry, vm.userid))))
    }
}

fn from_entry(entry: &DirectoryEntry, userid: UserId) -> BTreeMap<Vdev, MinidiskDevice> {
    let linked = entry.links.iter().map(|link| {
        let read_only = matches!(link.mode, LinkMode::R | LinkMode::Rr | LinkMode::Sr | LinkMode::Er);
        MinidiskDevice::new(link.vdev, link.owner, link.owner_vdev, !read_only)
    });
    let own = entry.mdisks.iter().map(|disk| MinidiskDevice::new(disk.vdev, userid, disk.vdev, true));
    // One's own disk comes before a link with the same number.
    linked.chain(own).map(|device| (device.vdev, device)).collect()
}

/// One LINK at a time: whether a mode can be given depends on what others have.
#[derive(Default)]
struct Linking(Mutex<()>);

/// Why a disk was not linked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotLinked {
    /// The owner has no such disk.
    NotInDirectory,
    /// The number is in use here.
    Defined,
    /// Somebody has it R/W.
    WrittenBy(UserId),
    /// Somebody has it R/O, and one wants it alone.
    ReadBy(UserId),
    /// A mode that is not done here.
    Mode,
}

/// A disk that was linked, and who has it besides.
#[derive(Clone, Debug)]
pub struct Linked {
    /// The new device.
    pub device: MinidiskDevice,
    /// The others.
    pub others: Vec<(UserId, MinidiskDevice)>,
}

/// The device at a number.
pub fn device(vm: &Vm, vdev: Vdev) -> Option<MinidiskDevice> {
    Minidisks::of(vm).0.lock().get(&vdev).cloned()
}

/// All minidisks of a machine, by number.
pub fn devices(vm: &Vm) -> Vec<MinidiskDevice> {
    Minidisks::of(vm).0.lock().values().cloned().collect()
}

/// Who has a disk, and how.
pub fn links(cp: &Cp, owner: UserId, owner_vdev: Vdev) -> Vec<(UserId, MinidiskDevice)> {
    let of = |vm: Arc<Vm>| devices(&vm).into_iter().map(move |device| (vm.userid, device));
    let all = cp.machines().into_iter().flat_map(of);
    all.filter(|(_, device)| device.owner == owner && device.owner_vdev == owner_vdev).collect()
}

/// The MDISK statement of a disk.
pub fn statement(cp: &Cp, owner: UserId, vdev: Vdev) -> Option<MdiskStatement> {
    cp.entry(owner)?.mdisks.iter().find(|disk| disk.vdev == vdev).cloned()
}

/// The password that a mode needs.
pub fn password_for(disk: &MdiskStatement, mode: LinkMode) -> &LinkPassword {
    match mode {
        LinkMode::R | LinkMode::Rr => &disk.passwords.read,
        LinkMode::W | LinkMode::Wr => &disk.passwords.write,
        _ => &disk.passwords.multiple,
    }
}

/// LINK: gives a machine a disk. Passwords have been looked at.
///
/// # Errors
/// [`NotLinked`].
pub fn link(
    cp: &Cp,
    vm: &Vm,
    owner: UserId,
    owner_vdev: Vdev,
    vdev: Vdev,
    mode: LinkMode,
) -> Result<Linked, NotLinked> {
    let linking = cp.ext.get_or_insert_with(Linking::default);
    let _one_at_a_time = linking.0.lock();
    if statement(cp, owner, owner_vdev).is_none() {
        return Err(NotLinked::NotInDirectory);
    }
    if device(vm, vdev).is_some() {
        return Err(NotLinked::Defined);
    }
    let others = links(cp, owner, owner_vdev);
    let writer = others.iter().find(|(_, device)| device.writable).map(|(user, _)| *user);
    let reader = others.first().map(|(user, _)| *user);
    let alone = match (writer, reader) {
        (Some(user), _) => Some(NotLinked::WrittenBy(user)),
        (None, Some(user)) => Some(NotLinked::ReadBy(user)),
        (None, None) => None,
    };
    let writable = match mode {
        LinkMode::R => writer.map_or(Ok(false), |user| Err(NotLinked::WrittenBy(user)))?,
        LinkMode::Rr => false,
        LinkMode::W => alone.map_or(Ok(true), Err)?,
        LinkMode::Wr => alone.is_none(),
        LinkMode::M => writer.map_or(Ok(true), |user| Err(NotLinked::WrittenBy(user)))?,
        LinkMode::Mr => writer.is_none(),
        LinkMode::Mw => true,
        _ => return Err(NotLinked::Mode),
    };
    let device = MinidiskDevice::new(vdev, owner, owner_vdev, writable);
    Minidisks::of(vm).0.lock().insert(vdev, device.clone());
    Ok(Linked { device, others })
}

/// DETACH: takes a disk away from a machine; `None` when it has none there.
pub fn detach(vm: &Vm, vdev: Vdev) -> Option<MinidiskDevice> {
    let device = Minidisks::of(vm).0.lock().remove(&vdev)?;
    device.detached.store(true, Ordering::Release);
    Some(device)
}
