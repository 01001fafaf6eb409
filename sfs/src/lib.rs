//! The Shared File System: file pools, their server machines, and the CSL routines through which programs use them.
//!
//! - [`pool`]: the engine. Work units, record files, directories, durable atomic commits.
//! - `server`: the virtual machine that owns a pool and answers on IUCV paths.
//! - `csl`: the callable services, one file a routine, names and parameter order of the original.
//! - `minidisk`: CMS minidisks on the same engine.

pub mod pool;
pub mod types;
