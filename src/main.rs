//! The binary: reads the command line, runs it, and is the only place that
//! ends the process.

use std::process::ExitCode;

use clap::Parser;
use tillgate::cli::{self, args::Cli};

/// Holds least beyond what is in use. Its settings: `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tillgate: {failure}");
            ExitCode::from(failure.exit as u8)
        }
    }
}
