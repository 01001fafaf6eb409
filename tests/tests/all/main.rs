//! The whole-system tests: one program, one module a theme.

mod console;
mod crash;
mod road;
mod tidy;
