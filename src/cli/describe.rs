//! `tillgate completions` and `tillgate man`: what shells and manuals know of
//! the command line, made from the same definitions that parse it.

use std::io::Write;
use std::path::Path;

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::args::Cli;
use super::exit::{Exit, Failure};

/// The name of the program.
const NAME: &str = "tillgate";

/// A shell that commands are completed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompletedShell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// Writes the completions of a shell to standard output.
pub fn completions(shell: CompletedShell) -> Result<(), Failure> {
    let generator = match shell {
        CompletedShell::Bash => Shell::Bash,
        CompletedShell::Zsh => Shell::Zsh,
        CompletedShell::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut Cli::command(), NAME, &mut script);
    print(&script)
}

/// Writes the page of the program to standard output, or the pages of all
/// commands into a folder.
pub fn man(into: Option<&Path>) -> Result<(), Failure> {
    let command = Cli::command();
    let Some(folder) = into else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command).render(&mut page);
        rendered.map_err(|error| Failure::new(Exit::Io, error))?;
        return print(&page);
    };
    clap_mangen::generate_to(command, folder).map_err(|error| {
        let sentence = format!("--into: {}: {error}", folder.display());
        Failure::new(Exit::Io, sentence)
    })
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let written = std::io::stdout().write_all(bytes);
    written.map_err(|error| Failure::new(Exit::Io, error))
}
