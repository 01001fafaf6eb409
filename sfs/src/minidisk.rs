//! Minidisks.
