//! The whole-system tests: one program, one module a theme.

// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

mod auth_exit;
mod certificates;
mod console;
mod copyfile;
mod crash;
mod damage;
mod fileserv;
mod foreign;
mod foreign_java;
mod foreign_readers;
mod foreign_sync;
mod fuzz;
mod hostile;
mod limits;
mod pools;
mod ports;
mod readers;
mod road;
mod terminal;
mod tidy;
mod transfer;
mod translate_table;
