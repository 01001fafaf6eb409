//! The composition root: system generation, IPL, the operator's console, the control socket, the command line.
//!
//! Real clocks, sockets, randomness and host files are here and nowhere below.

pub mod cli;
pub mod config;
pub mod console;
pub mod control;
pub mod directxa;
pub mod fileserv;
pub mod folder;
pub mod generate;
pub mod host;
pub mod ipl;
pub mod log;
pub mod pooltool;
pub mod run;
pub mod tls;
pub mod transfer;
