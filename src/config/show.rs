//! The configuration as TOML: every option with what it means.

use std::fmt::Write as _;

use super::Config;
use super::options::{ConfigOption, OPTIONS};
use super::source::Source;

/// Every option with its value and its source.
pub(super) fn values(config: &Config) -> String {
    render(|option| {
        let source = match (config.source(option.key), option.falls_back_to) {
            (Source::Default, Some(other)) => format!("as {other}"),
            (source, _) => one_line(&source.to_string()),
        };
        format!("{} = {}  # {source}", option.name(), (option.get)(config))
    })
}

/// All options, each with its meaning above the line that is made of it.
pub(super) fn render(line: impl Fn(&ConfigOption) -> String) -> String {
    let mut text = String::new();
    let mut section = "";
    for option in OPTIONS {
        if option.section() != section {
            section = option.section();
            let _ = write!(text, "\n[{section}]\n");
        } else if !option.meaning.is_empty() && !text.is_empty() {
            text.push('\n');
        }
        for meaning in option.meaning.lines() {
            let _ = writeln!(text, "# {meaning}");
        }
        let _ = writeln!(text, "{}", line(option));
    }
    text
}

/// A path with a line break in it must not end the comment it stands in.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                '?'
            } else {
                character
            }
        })
        .collect()
}
