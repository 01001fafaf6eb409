//! The names that this program takes from the system below it, in one place.
//!
//! Identifiers, code pages and the check of challenges are all that is used of CP in sessions; file pools are reached in [`crate::mailstore::sfs`] alone.

pub use cms::cp::codepage;
pub use cms::cp::directory::challenge::ScramHash;
pub use cms::cp::directory::password::ScramSalt;
pub use cms::cp::directory::{DirectoryImage, Password};
pub use cms::cp::name::UserId;
