//! CP spooling: spool files and their queues, virtual unit record devices, the durable spool volume, and `*SPL`.
//!
//! [`Spool`] is the engine: what it acknowledges is durable. [`UnitRecord`] is what a guest holds; the CP commands act on
//! the same devices. [`spl`] is the spool system service. [`install`] hangs all of it on a system.
//!
//! Not here: real readers, printers and punches; SPXTAPE; printer features (FLASH, MODIFY, FCB, CHARS).

mod announce;
pub mod command;
mod console;
pub mod device;
pub mod engine;
pub mod error;
pub mod file;
pub mod output;
pub mod reader;
pub mod record;
pub mod spl;
mod system;
pub mod unit_record;

pub use device::CloseOptions;
pub use engine::{Spool, SpoolConfig, StartKind, StartReport};
pub use error::{SpoolError, SpoolStartError};
pub use file::{DeviceType, FileKey, Hold, Queue, SpoolFile, UniqueId};
pub use output::{OutputAttributes, OutputFile};
pub use reader::{Disposition, ReaderFile};
pub use record::Record;
pub use system::install;
pub use unit_record::UnitRecord;
