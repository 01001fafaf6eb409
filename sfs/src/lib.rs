//! The Shared File System: file pools, their server machines, and the CSL routines through which programs use them.
//!
//! - [`pool`]: the engine. Work units, record files, directories, durable atomic commits.
//! - [`server`]: the virtual machine that owns a pool and answers on IUCV paths.
//! - [`csl`]: the callable services, one file a routine, names and parameter order of the original.
//! - [`tools`]: check, backup, restore, salvage.
//! - [`minidisk`]: CMS minidisks on the same engine.
//!
//! A program in a virtual machine uses [`csl`] (and CMS uses [`minidisk`]); nothing outside this crate but the system's own
//! generation and operation uses [`pool`].

pub mod csl;
pub mod minidisk;
mod names;
pub mod pool;
mod reason;
pub mod server;
pub mod tools;
pub mod types;
