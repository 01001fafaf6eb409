//! CMS: the conversational monitor system in a virtual machine.
//!
//! [`nucleus::CmsSystem`] is what `IPL CMS` starts: it accesses the disks, runs PROFILE EXEC and then reads commands from
//! the console. A command is an EXEC on an accessed file mode, a native program ([`program`]), a CMS command
//! ([`command`]), or is passed to CP.
//!
//! Guests above (the IMAP and SMTP machines) find what they need of CP, the spool and SFS re-exported here.
//!
//! Not here: a language processor (see [`exec`]), full-screen work, OS simulation.

pub mod cms;
pub mod command;
pub mod exec;
pub mod exit;
pub mod files;
pub mod message;
pub mod names;
pub mod netdata;
pub mod network;
pub mod nucleus;
pub mod program;
pub mod stack;
pub mod tables;
pub mod trace;
pub mod vmipc;

pub use cms::Cms;
pub use cp;
pub use sfs;
pub use sfs::csl;
pub use spool;
