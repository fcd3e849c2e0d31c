//! Whether the time of a refusal tells a user from a name that nobody has:
//! wrong passwords for both in turn, over one connection. Hashes are cheap, so
//! that a difference in anything else would show.

mod support;

use std::time::{Duration, Instant};

use support::client::Connection;
use support::place::Place;
use support::report::{Table, median};
use support::say;
use support::shop;

/// Wrong passwords for each kind of name. Of one user there are two, too few
/// for the lockout to step in.
const TRIES: usize = 2_000;
/// Tries before anything is measured.
const WARM_UP: usize = 50;

fn main() {
    if !support::is_bench() {
        return;
    }
    let place = Place::with_shop(&shop::store_file());
    let server = place.serve(None);
    let mut connection = Connection::open(&server.address);
    say("wrong passwords for users and for nobody, in turn");
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for n in 0..WARM_UP + TRIES {
        let device = shop::device(n);
        known.push(refusal(&mut connection, &shop::user(n), &device));
        unknown.push(refusal(&mut connection, &format!("x{n}"), &device));
    }
    let mut table = Table::new(&["name", "tries", "median us", "10th us", "90th us"]);
    let mut medians = Vec::new();
    for (name, times) in [
        ("a user's", &known[WARM_UP..]),
        ("nobody's", &unknown[WARM_UP..]),
    ] {
        let micros: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
        medians.push(median(&micros));
        let cells = [
            median(&micros),
            quantile(&micros, 10),
            quantile(&micros, 90),
        ];
        let cells = cells.map(|cell| format!("{cell:.0}"));
        let mut row = vec![name.to_owned(), times.len().to_string()];
        row.extend(cells);
        table.row(&row);
    }
    table.print("Time of a refused login");
    println!("The medians differ by {:+.0} us.", medians[0] - medians[1]);
    server.stop();
}

/// How long a wrong password takes to be refused.
fn refusal(connection: &mut Connection, user: &str, device: &str) -> Duration {
    let body = format!(r#"{{"userName":"{user}","password":"wrong","deviceName":"{device}"}}"#);
    let started = Instant::now();
    let status = connection.post("/api/auth", &body);
    let took = started.elapsed();
    assert_eq!(status, 401, "{user}");
    took
}

/// The value that this many hundredths of all are below.
fn quantile(values: &[f64], hundredths: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() * hundredths / 100]
}
