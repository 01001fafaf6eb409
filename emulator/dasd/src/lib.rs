//! Placeholder crate root, replaced in the next commits.
