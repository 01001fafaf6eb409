//! The whole-system tests: one program, one module a theme.

// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

mod console;
mod crash;
mod fuzz;
mod readers;
mod road;
mod tidy;
