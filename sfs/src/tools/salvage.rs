//! Salvage: all that is readable of a pool, as a backup.
//!
//! The catalog is opened, in its last sound state if it is damaged, and the log redone as far as that goes. When there is no catalog
//! that opens, what log and volume tell is put together instead. Either way progress says what is what. Nothing changes on the disks.

use std::io::Write;
use std::sync::Arc;

use cp::clock::Clock;
use dasd::{Dasd, OverlayDasd};

use super::{Progress, Summary, ToolError, open, write};
use crate::pool::{Damage, Pool, PoolConfig, PoolOpenError, rebuild};

/// Writes what is readable of the pool on `dasd`, which no one has open. Changes nothing in it.
///
/// # Errors
/// When the pool is of a later version, or neither catalog nor log and volume can be read at all; [`ToolError::Backup`] of `out`.
pub fn salvage(
    dasd: &Arc<dyn Dasd>,
    config: &PoolConfig,
    clock: Arc<dyn Clock>,
    out: &mut dyn Write,
    progress: Progress<'_>,
) -> Result<Summary, ToolError> {
    match open_apart(dasd, config, clock) {
        Ok((pool, damaged)) => {
            for line in &damaged {
                progress(line);
            }
            return write(&pool.backup_source(), out, true, progress);
        }
        Err(Unusable::Later(error)) => return Err(error),
        Err(Unusable::Damaged(why)) => progress(&format!("The catalog cannot be used: {why}")),
    }
    progress("What log and volume tell is put together without it");
    let overlay: Arc<dyn Dasd> = Arc::new(OverlayDasd::new(dasd.clone()));
    let source = rebuild(&overlay, config, progress)?;
    write(&source, out, true, progress)
}

enum Unusable {
    /// Of a later program, which can read it.
    Later(ToolError),
    Damaged(String),
}

/// Opens the pool in a thread of its own: the catalog's engine may give up on damage altogether.
fn open_apart(
    dasd: &Arc<dyn Dasd>,
    config: &PoolConfig,
    clock: Arc<dyn Clock>,
) -> Result<(Pool, Vec<String>), Unusable> {
    let opened = std::thread::scope(|scope| scope.spawn(|| open(dasd, config, clock, Damage::Bear)).join());
    match opened {
        Ok(Ok(found)) => Ok(found),
        // Version 0 is a catalog without anything in it.
        Ok(Err(error @ ToolError::Open(PoolOpenError::Version { found: 1.. }))) => {
            Err(Unusable::Later(error))
        }
        Ok(Err(error)) => Err(Unusable::Damaged(error.to_string())),
        Err(_) => Err(Unusable::Damaged("it is damaged beyond reading".into())),
    }
}
