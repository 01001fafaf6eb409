//! The `endicott` command.
fn main() {}
