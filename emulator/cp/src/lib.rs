//! The Control Program: names and code pages, virtual machines, IUCV, consoles, CP commands.

pub mod codepage;
pub mod directory;
pub mod name;
