//! A strict reader of Prometheus' text format: it takes what the format and its
//! conventions of naming allow, and nothing else.

use std::collections::BTreeMap;

/// What a server told: samples by name and labels, as they were written.
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    /// The kind of each family.
    pub families: BTreeMap<String, String>,
    /// The value of each sample.
    pub samples: BTreeMap<String, f64>,
}

/// Base units, which end the names of families that hold them.
const UNITS: [&str; 2] = ["_seconds", "_bytes"];
/// Parts of names that would be other units.
const OTHER_UNITS: [&str; 6] = ["_ms", "_millis", "_micros", "_nanos", "_minutes", "_kib"];

impl Exposition {
    /// Reads a text.
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line is ended, too");
        let mut read = Self::default();
        let mut family = String::new();
        let mut helped = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a name and what it means");
                assert!(
                    help.ends_with('.') && !help.contains('\\'),
                    "{name}: {help}"
                );
                name.clone_into(&mut helped);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and its kind");
                assert_eq!(name, helped, "the meaning stands before the kind");
                read.begin(name, kind);
                name.clone_into(&mut family);
            } else {
                read.sample(&family, line);
            }
        }
        read.check_histograms();
        read
    }

    fn begin(&mut self, name: &str, kind: &str) {
        assert!(is_name(name), "{name}");
        assert!(
            name.starts_with("tillgate_") || name.starts_with("process_"),
            "{name}"
        );
        match kind {
            "counter" => assert!(name.ends_with("_total"), "{name}"),
            "histogram" => assert!(name.ends_with("_seconds"), "{name}"),
            "gauge" => assert!(!name.ends_with("_total"), "{name}"),
            _ => panic!("{name} is a {kind}"),
        }
        for unit in OTHER_UNITS {
            assert!(!name.contains(unit), "{name}: the units are {UNITS:?}");
        }
        let before = self.families.insert(name.to_owned(), kind.to_owned());
        assert_eq!(before, None, "{name} stands in two places");
    }

    fn sample(&mut self, family: &str, line: &str) {
        let (name, value) = line.rsplit_once(' ').expect("a sample and its value");
        let bare = name.split('{').next().expect("a name");
        let ending = bare.strip_prefix(family).expect("a sample of its family");
        let kind = self.families[family].as_str();
        let known: &[&str] = match kind {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(known.contains(&ending), "{line}");
        for (label, value) in labels(name) {
            assert!(is_name(&label) && !label.starts_with("__"), "{line}");
            assert!(!value.is_empty(), "{line}");
        }
        let value: f64 = value.parse().expect("a number");
        assert!(value.is_finite() && value >= 0.0, "{line}");
        let before = self.samples.insert(name.to_owned(), value);
        assert_eq!(before, None, "{name} stands twice");
    }

    fn check_histograms(&self) {
        let is_histogram = |name: &str| {
            let family = name.split("_bucket{").next().expect("a name");
            name.contains("_bucket{") && self.families[family] == "histogram"
        };
        let mut rows: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (name, value) in self.samples.iter().filter(|(name, _)| is_histogram(name)) {
            let (front, bound) = name.split_once("le=\"").expect("a bound");
            let bound = bound.trim_end_matches("\"}").replace("+Inf", "inf");
            let bound = bound.parse().expect("a bound is a number");
            rows.entry(front.to_owned())
                .or_default()
                .push((bound, *value));
        }
        for (front, mut row) in rows {
            row.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(row.windows(2).all(|two| two[0].1 <= two[1].1), "{front}");
            let (last, all) = row.last().expect("a bucket");
            assert!(last.is_infinite(), "{front}");
            let count = front
                .replace("_bucket{", "_count{")
                .trim_end_matches([',', '{'])
                .to_owned();
            let count = if count.contains('{') {
                format!("{count}}}")
            } else {
                count
            };
            assert!(self.value(&count).total_cmp(all).is_eq(), "{count}");
        }
    }

    /// The value of a sample.
    pub fn value(&self, name: &str) -> f64 {
        let value = self.samples.get(name);
        *value.unwrap_or_else(|| panic!("{name} is not told"))
    }

    /// What has grown since `before` in families of this name's beginning, and
    /// by how much.
    pub fn grown_since(&self, before: &Self, families: &[&str]) -> Vec<(String, f64)> {
        let of_interest = |name: &str| families.iter().any(|family| name.starts_with(family));
        let all = self.samples.iter().filter(|(name, _)| of_interest(name));
        let grown = all.map(|(name, value)| {
            let was = before.samples.get(name).copied().unwrap_or_default();
            (name.clone(), value - was)
        });
        grown.filter(|(_, by)| by.abs() > f64::EPSILON).collect()
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The labels of a sample. Ours hold no quotes and no commas.
fn labels(name: &str) -> Vec<(String, String)> {
    let Some((_, inner)) = name.split_once('{') else {
        return Vec::new();
    };
    let inner = inner.strip_suffix('}').expect("a closing brace");
    let pairs = inner.split(',').map(|pair| {
        let (label, value) = pair.split_once('=').expect("a label");
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        (label.to_owned(), value.expect("in quotes").to_owned())
    });
    pairs.collect()
}
