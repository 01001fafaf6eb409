//! The load generator: the same work against any IMAP server, every answer checked, figures printed.
//!
//! It knows nothing of the server it drives but address, user names and passwords, so a peer can be measured with it in
//! the same run. `tests/bench/compare.sh` does that.

pub mod arrival;
pub mod client;
pub mod corpus;
pub mod crowd;
pub mod large;
pub mod process;
pub mod sharing;
pub mod tls;
pub mod workload;
