//! The configuration as TOML: every option with what it means.

use std::fmt::Write as _;

use super::options::{self, ConfigOption, OPTIONS};
use super::source::Source;
use super::{Config, Posture};

/// Every option with its value and its source.
pub(super) fn values(config: &Config) -> String {
    render(|option| {
        let source = match (config.source(option.key), option.falls_back_to) {
            (Source::Default, Some(other))
                if (option.get)(config) == (fallback(other).get)(config) =>
            {
                format!("as {other}")
            }
            (Source::Default, _) if (option.get)(config) != (option.get)(&Config::default()) => {
                // The key file goes with the data directory.
                let other = if config.policy == Posture::Standard {
                    "default"
                } else {
                    "as policy"
                };
                other.to_owned()
            }
            (source, _) => one_line(&source.to_string()),
        };
        format!("{} = {}  # {source}", option.name(), (option.get)(config))
    })
}

/// The sections that decide who may do what, and for how long.
const RULES: [&str; 6] = ["sessions", "audit", "nws4", "password", "users", "lockout"];

/// The options of these sections with their values.
pub(super) fn rules(config: &Config) -> Vec<(&'static str, String)> {
    let rules = OPTIONS.iter().filter(|option| {
        let section = option.section().split('.').next();
        section.is_some_and(|section| RULES.contains(&section))
    });
    rules
        .map(|option| (option.key, (option.get)(config)))
        .collect()
}

/// The option whose value holds while another is not given.
fn fallback(key: &str) -> &'static ConfigOption {
    options::find(key).expect("an option falls back to one of the table")
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
