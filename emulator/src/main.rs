//! The `endicott` command: see [`emulator::cli`] for what it takes.

fn main() -> std::process::ExitCode {
    emulator::run::main()
}
