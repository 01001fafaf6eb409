//! The `endicott` command: see [`emulator::cli`] for what it takes.

/// Bodies of all lengths, rows and answers come and go in every thread.
#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    emulator::run::main()
}
