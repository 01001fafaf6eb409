//! What the whole-system tests share: starting real systems, talking to them, scripts.
//!
//! A test starts the `endicott` binary in a folder of its own with ports chosen by the host, so tests run side by side.
//! Nothing here sleeps: a start is over when the program says so, an arrival when the client sees it.

pub mod console_script;
pub mod fuzz;
pub mod imap_script;
pub mod load;
pub mod python;
pub mod system;
