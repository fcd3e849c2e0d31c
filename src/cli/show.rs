//! What commands show: lists as aligned columns or JSON, progress on a
//! terminal.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::store;

/// A JSON string without its quotes; anything else as JSON.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Prints an array of objects: as JSON, or these members as columns.
pub fn list(rows: &Value, json: bool, columns: &[&str]) {
    if json {
        out!("{rows:#}");
        return;
    }
    let rows: Vec<Vec<String>> = rows
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            columns
                .iter()
                .map(|column| text(member(row, column)))
                .collect()
        })
        .collect();
    let header: Vec<String> = columns
        .iter()
        .map(|column| last(column).to_owned())
        .collect();
    let width = |i: usize| {
        std::iter::once(&header)
            .chain(&rows)
            .map(|row| row[i].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for row in std::iter::once(&header).chain(&rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        out!("{}", cells.join("  ").trim_end());
    }
}

fn member<'a>(row: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(row, |value, name| &value[name])
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// How often a turning mark turns.
const TURN_EVERY: Duration = Duration::from_millis(100);

/// A bar on standard error; nothing when that is no terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar, and what moves it from any thread.
    pub fn shared(caption: &'static str) -> (Arc<store::Progress>, Self) {
        let bar = Self::start(caption);
        let moved = bar.0.clone();
        let progress = move |done, all| {
            moved.set_length(all);
            moved.set_position(done);
        };
        (Arc::new(progress), bar)
    }

    /// Starts a bar with this caption.
    pub fn start(caption: &'static str) -> Self {
        let bar = ProgressBar::new(0).with_message(caption);
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Starts a mark that turns, for work whose length nobody knows.
    pub fn turn(caption: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(caption);
        bar.enable_steady_tick(TURN_EVERY);
        Self(bar)
    }

    /// `done` of `all` are done.
    pub fn at(&self, done: usize, all: usize) {
        self.0.set_length(u64::try_from(all).unwrap_or(u64::MAX));
        self.0.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}
