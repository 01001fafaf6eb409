//! The names that this program takes from the system below it, in one place.
//!
//! Only identifiers and code pages of CP are used here; file pools are reached in [`crate::mailstore::sfs`] alone.

pub use cms::cp::codepage;
pub use cms::cp::name::UserId;
