//! `tillgate completions` and `tillgate man`: what shells and manuals know of
//! the command line, made from the same definitions that parse it.

use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory, ValueEnum};
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
    clap_complete::generate(generator, &mut shown(&Cli::command()), NAME, &mut script);
    print(&script)
}

/// A command without its hidden options, which the generators would offer. Not
/// for parsing: of the rest it has what completions need.
fn shown(command: &Command) -> Command {
    let about = command.get_about().cloned().unwrap_or_default();
    let aliases: Vec<String> = command.get_visible_aliases().map(str::to_owned).collect();
    Command::new(command.get_name().to_owned())
        .about(about)
        .visible_aliases(aliases)
        .args(command.get_arguments().filter(|arg| !arg.is_hide_set()))
        .subcommands(command.get_subcommands().map(shown))
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
