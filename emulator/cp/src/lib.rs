//! The Control Program: names and code pages, the user directory, virtual machines, IUCV, consoles, CP commands.
//!
//! CP knows nothing of spool files, file pools or CMS: those crates hang their commands, services and hooks on
//! [`system::Cp`]. Guests are asynchronous programs that hold a [`guest::Guest`].

pub mod clock;
pub mod codepage;
pub mod command;
pub mod console;
pub mod directory;
pub mod editing;
pub mod ext;
pub mod guest;
pub mod iucv;
pub mod message;
pub mod minidisk;
pub mod msg_service;
pub mod name;
pub mod system;
pub mod terminal;
mod translate;
pub mod translate_table;
pub mod vm;

pub use guest::Guest;
pub use system::Cp;
