//! Checks tokens from standard input, one a line, while it listens to the
//! server's feed of endings beside that. Stop the server and it goes on for as
//! long as its news are fresh. `docs/offline-checker.md` explains it.
//!
//! `cargo run --example offline_checker -- http://127.0.0.1:4000 USER PASSWORD DEVICE`

mod checker;
mod follower;

use std::io::BufRead;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use checker::{Checker, Moment};
use follower::{Account, Follower, Heard};

/// After an error the server is left alone for so long.
const PAUSE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, user_name, password, device_name] = arguments.as_slice() else {
        eprintln!("usage: offline_checker http://HOST:PORT USER PASSWORD DEVICE < TOKENS");
        return ExitCode::from(64);
    };
    let account = Account {
        user_name: user_name.clone(),
        password: password.clone(),
        device_name: device_name.clone(),
    };
    let follower = Follower::new(server, account);
    let checker = Arc::new(Mutex::new(Checker::default()));
    let informed = Arc::clone(&checker);
    std::thread::spawn(move || follow(follower, &informed));
    for token in std::io::stdin().lock().lines().map_while(Result::ok) {
        let checker = checker.lock().unwrap_or_else(PoisonError::into_inner);
        println!("{:?}", checker.check(token.trim(), Moment::now()));
    }
    ExitCode::SUCCESS
}

fn follow(mut follower: Follower, checker: &Mutex<Checker>) {
    let mut waits = false;
    loop {
        match follower.ask(checker, waits) {
            Ok(heard) => waits = heard == Heard::Everything,
            Err(error) => {
                eprintln!("no news: {error}");
                std::thread::sleep(PAUSE);
            }
        }
    }
}
