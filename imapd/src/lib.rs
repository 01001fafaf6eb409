//! IMAPMAIN: the IMAP server program that runs in the IMAP virtual machine.
//!
//! From the socket inwards: [`transport`] owns sockets and TLS, [`wire`] cuts bytes into commands, [`parse`] turns a
//! command into values of [`syntax`], [`session`] decides what may be done and runs a [`command`], which works on the
//! [`mailstore`] and shows messages through [`mail`] and [`search`]. [`auth`] says who the client is.
//!
//! Everything between `wire` and `mailstore` is free of sockets, clocks and disks: a session takes framed commands and
//! writes responses to a buffer. Not here: SMTP, the CP directory, and the file pool itself, which is reached by CSL.

pub mod auth;
pub mod command;
pub mod machine;
pub mod mail;
pub mod mailstore;
pub mod parse;
pub mod search;
pub mod session;
pub mod syntax;
pub mod transport;
pub mod vm;
pub mod wire;
