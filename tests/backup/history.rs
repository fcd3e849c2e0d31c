//! A backup made while people log in and out is what a moment of that history
//! was: everything before it, nothing after it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::support::{Login, Place, Server};
use super::{back_up, ended, restored};

/// How many rounds: more by this variable of the environment.
const ROUNDS: &str = "BACKUP_ROUNDS";
const ROUNDS_DEFAULT: usize = 5;
const CLIENTS: usize = 8;

/// One answered change: of a session, to what, between which instants.
struct Step {
    session: String,
    is_end: bool,
    sent: Instant,
    answered: Instant,
}

/// One client: logs in, and out again, until it is told to stop.
fn client(server: &Server, stop: &AtomicBool) -> Vec<Step> {
    let mut steps = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let login: Login = server.log_in("1", "LINK");
        let answered = Instant::now();
        let session = login.id.clone();
        steps.push(Step {
            session,
            is_end: false,
            sent,
            answered,
        });
        let sent = Instant::now();
        assert_eq!(server.delete("/auth", &login.token).status, 204);
        steps.push(Step {
            session: login.id,
            is_end: true,
            sent,
            answered: Instant::now(),
        });
    }
    steps
}

#[test]
fn a_backup_under_load_is_a_prefix_of_what_was_answered() {
    let rounds = std::env::var(ROUNDS)
        .ok()
        .and_then(|text| text.parse().ok());
    for round in 0..rounds.unwrap_or(ROUNDS_DEFAULT) {
        one_round(round);
    }
}

fn one_round(round: usize) {
    let place = Place::with_shop();
    let server = place.serve();
    let stop = AtomicBool::new(false);
    let (clients, file, began, made) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| client(&server, &stop)))
            .collect();
        std::thread::sleep(Duration::from_millis(200 + 50 * (round as u64 % 5)));
        let began = Instant::now();
        let file = back_up(&place, "load.backup");
        let made = Instant::now();
        std::thread::sleep(Duration::from_millis(100));
        stop.store(true, Ordering::Relaxed);
        let clients = clients.into_iter().map(|one| one.join().expect("a client"));
        (clients.collect::<Vec<_>>(), file, began, made)
    });
    server.stop();

    let other = restored(&place, &file);
    let server = other.serve();
    let admin = server.log_in("999", "LINK");
    let archive = ended(&server, &admin);
    let reasons: HashMap<&str, &str> = archive
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().expect("a text");
            (text("sessionId"), text("endReason"))
        })
        .collect();
    let is_in = |step: &Step| match reasons.get(step.session.as_str()) {
        None => false,
        Some(&"restored") => !step.is_end,
        Some(&reason) => {
            assert_eq!(reason, "loggedOut");
            true
        }
    };
    let steps: Vec<(&Step, bool)> = clients
        .iter()
        .flatten()
        .map(|step| (step, is_in(step)))
        .collect();
    let newest_in = steps
        .iter()
        .filter(|(_, is_in)| *is_in)
        .map(|(step, _)| step.sent);
    let newest_in = newest_in
        .max()
        .expect("something was answered before the backup");
    for (step, is_in) in &steps {
        assert!(
            *is_in || step.answered >= newest_in,
            "round {round}: a hole in the history"
        );
        assert!(
            *is_in || step.answered >= began,
            "round {round}: what was answered is missing"
        );
        assert!(
            !*is_in || step.sent <= made,
            "round {round}: from behind the backup"
        );
    }
    for steps in &clients {
        let held: Vec<bool> = steps.iter().map(&is_in).collect();
        assert!(
            held.is_sorted_by(|a, b| a >= b),
            "round {round}: a client's own order"
        );
    }
    let held = steps.iter().filter(|(_, is_in)| *is_in).count();
    println!(
        "round {round}: {held} of {} steps are in the backup",
        steps.len()
    );
    assert!(
        held > 0 && held < steps.len(),
        "round {round}: no load beside the backup"
    );
}
