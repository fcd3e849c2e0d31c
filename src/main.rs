//! The binary: reads the command line, runs it, and is the only place that
//! ends the process.

use std::process::ExitCode;

use clap::Parser;
use tillgate::cli::{self, args::Cli};

/// Steadier than the system's under many small requests.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tillgate: {failure}");
            ExitCode::from(failure.exit as u8)
        }
    }
}
