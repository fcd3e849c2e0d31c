//! Tables in markdown, the machine they were made on, and medians.

use std::process::Command;
use std::time::Duration;

use tillgate::model::Timestamp;

/// A table in markdown.
pub struct Table {
    lines: Vec<String>,
}

impl Table {
    /// A table with these columns.
    pub fn new(columns: &[&str]) -> Self {
        let rule = "---|".repeat(columns.len());
        Self {
            lines: vec![format!("| {} |", columns.join(" | ")), format!("|{rule}")],
        }
    }

    /// One more row.
    pub fn row(&mut self, cells: &[String]) {
        self.lines.push(format!("| {} |", cells.join(" | ")));
    }

    /// Prints it under a title, the machine named.
    pub fn print(&self, title: &str) {
        println!("\n**{title}**\n\n{}\n\n{}\n", machine(), self.text());
    }

    /// The table alone.
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// The machine, the system, the compiler and the day, in one line.
pub fn machine() -> String {
    let kernel = read("/proc/sys/kernel/osrelease");
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    });
    format!(
        "_{}, {} cores, Linux {kernel}, {rustc}, {}._",
        processor(),
        cores(),
        today()
    )
}

/// Whether a limit was kept, as a cell.
pub fn verdict(kept: bool) -> String {
    if kept { "yes" } else { "**no**" }.to_owned()
}

/// How many cores this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn processor() -> String {
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model
        .map_or("an unnamed processor", |(_, name)| name)
        .to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The computer's own time.
#[allow(clippy::disallowed_methods, reason = "a bench has no trusted clock")]
pub fn wall() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn today() -> String {
    let mut text = Vec::new();
    wall().write_iso(&mut text);
    String::from_utf8_lossy(&text[..10]).into_owned()
}

/// The middle of the values, the mean of the middle two when they are even.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Microseconds of one of `n` that took `time` together.
pub fn micros_each(time: Duration, n: u32) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(n)
}

/// How many a second, when `n` took `time`.
pub fn per_second(n: u32, time: Duration) -> f64 {
    f64::from(n) / time.as_secs_f64()
}

/// A rate for people: 812, 4.62k, 171k.
pub fn rate(value: f64) -> String {
    match value {
        value if value < 1e3 => format!("{value:.0}"),
        value if value < 1e4 => format!("{:.2}k", value / 1e3),
        value if value < 1e5 => format!("{:.1}k", value / 1e3),
        value => format!("{:.0}k", value / 1e3),
    }
}

/// Bytes as megabytes (10^6).
pub fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}
