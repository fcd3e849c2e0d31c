//! The text that Prometheus reads: one family after the other, each with what
//! it means, its kind and its samples.
//!
//! Forty lines and no library: those that write this format bring a registry
//! whose histograms take a lock, or write `OpenMetrics`, which older scrapers do
//! not read.

use std::fmt::{Display, Write};

use crate::meter::{BOUNDS_NANOS, Distribution};

/// The type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Nanoseconds of a second.
const NANOS: u32 = 1_000_000_000;

/// What kind of number a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows, until a restart.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How long things took.
    Histogram,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The text so far.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// A family that samples are added to. Label values are words and templates of
/// ours, which hold nothing that had to be escaped.
#[derive(Debug)]
pub(super) struct Family<'t> {
    text: &'t mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let text = &mut self.0;
        line(
            text,
            format_args!("# HELP {name} {help}\n# TYPE {name} {}", kind.as_str()),
        );
        Family { text, name }
    }

    /// A family of one counter.
    pub(super) fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Counter, help).sample("", value);
    }

    /// A family of one gauge.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help).sample("", value);
    }

    /// A family of one gauge, where there is something to say.
    pub(super) fn known(&mut self, name: &'static str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.gauge(name, help, value);
        }
    }

    /// A family of one histogram.
    pub(super) fn histogram(&mut self, name: &'static str, help: &str, read: &Distribution) {
        self.family(name, Kind::Histogram, help)
            .distribution("", read);
    }

    /// All of it.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

impl Family<'_> {
    /// Adds a sample. `labels` as they stand between the braces.
    pub(super) fn sample(&mut self, labels: &str, value: impl Display) {
        self.put("", labels, value);
    }

    /// Adds the samples of a histogram, in seconds.
    pub(super) fn distribution(&mut self, labels: &str, read: &Distribution) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (bound, bucket) in BOUNDS_NANOS.iter().zip(read.buckets) {
            below += bucket;
            let bound = format!("{labels}{comma}le=\"{}\"", seconds(*bound));
            self.put("_bucket", &bound, below);
        }
        let all = read.len();
        self.put("_bucket", &format!("{labels}{comma}le=\"+Inf\""), all);
        self.put("_sum", labels, seconds(read.nanos));
        self.put("_count", labels, all);
    }

    fn put(&mut self, ending: &str, labels: &str, value: impl Display) {
        let name = self.name;
        if labels.is_empty() {
            line(self.text, format_args!("{name}{ending} {value}"));
        } else {
            line(
                self.text,
                format_args!("{name}{ending}{{{labels}}} {value}"),
            );
        }
    }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("memory takes every byte");
    text.push('\n');
}

/// Nanoseconds as seconds, without the zeros that say nothing.
pub(super) fn seconds(nanos: u64) -> String {
    let (whole, rest) = (nanos / u64::from(NANOS), nanos % u64::from(NANOS));
    let text = format!("{whole}.{rest:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::meter::Histogram;

    #[test]
    fn a_family_has_its_meaning_its_kind_and_its_samples() {
        let mut text = Exposition::default();
        text.counter("a_total", "What a is.", 7);
        text.known("b", "Nothing.", None::<u64>);
        text.family("c", Kind::Gauge, "What c is.")
            .sample("x=\"y\"", 0.5);
        let said = String::from_utf8(text.into_bytes()).unwrap();
        assert_eq!(
            said,
            "# HELP a_total What a is.\n# TYPE a_total counter\na_total 7\n\
             # HELP c What c is.\n# TYPE c gauge\nc{x=\"y\"} 0.5\n"
        );
    }

    #[test]
    fn the_buckets_of_a_histogram_add_up() {
        let histogram = Histogram::default();
        for micros in [1, 7, 31_000_000] {
            histogram.count(Duration::from_micros(micros));
        }
        let mut text = Exposition::default();
        text.histogram("d_seconds", "How long.", &histogram.read());
        let said = String::from_utf8(text.into_bytes()).unwrap();
        for line in [
            "d_seconds_bucket{le=\"0.000005\"} 1\n",
            "d_seconds_bucket{le=\"0.00001\"} 2\n",
            "d_seconds_bucket{le=\"30\"} 2\n",
            "d_seconds_bucket{le=\"+Inf\"} 3\n",
            "d_seconds_sum 31.000008\n",
            "d_seconds_count 3\n",
        ] {
            assert!(said.contains(line), "{line}{said}");
        }
    }
}
