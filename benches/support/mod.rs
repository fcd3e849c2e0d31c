//! What the benches share: an installation in a folder on the real disk, a
//! client that is cheap enough not to be what is measured, the CPU time of
//! other processes, and tables in markdown.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every bench uses another part of it"
)]

pub mod asking;
pub mod client;
pub mod cpu;
pub mod fill;
pub mod paced;
pub mod place;
pub mod report;
pub mod shop;
pub mod signing;
pub mod walk;

/// Whether this run is `cargo bench`, and not `cargo test --all-targets`,
/// which builds and starts the same program to see that it builds.
pub fn is_bench() -> bool {
    let wanted = std::env::args().any(|argument| argument == "--bench");
    if !wanted {
        println!("nothing measured: this program runs under `cargo bench`");
    }
    wanted
}

/// Says what goes on, on standard error: standard output is for the tables.
pub fn say(progress: &str) {
    eprintln!("bench: {progress}");
}
