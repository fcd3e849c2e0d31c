//! The checker that tills and services may take over (`examples/`), held against
//! the real server: what it says of tokens beside it, and while it is away.

mod support;

#[path = "../examples/offline_checker/checker.rs"]
mod checker;
#[path = "../examples/offline_checker/follower.rs"]
mod follower;

use std::sync::Mutex;
use std::time::Duration;

use checker::{Checker, Doubt, End, Moment, Verdict};
use follower::{Account, Follower, Heard};
use serde_json::{Value, json};
use support::{Login, Place, Server, good};

/// More answers than this do not come before the end of the feed.
const ANSWERS_MAX: usize = 10;
/// As the server says it.
const STALE_AFTER: Duration = Duration::from_secs(30);

/// A till with a checker in it.
struct Till {
    checker: Mutex<Checker>,
    follower: Follower,
}

impl Till {
    fn new(server: &Server) -> Self {
        let account = Account {
            user_name: "999".to_owned(),
            password: "pass".to_owned(),
            device_name: "BackOffice".to_owned(),
        };
        Self {
            checker: Mutex::new(Checker::default()),
            follower: Follower::new(&format!("http://{}", server.address), account),
        }
    }

    /// Listens until everything is heard.
    fn listen(&mut self) {
        for _ in 0..ANSWERS_MAX {
            // The first question after a restart may meet a session that is over.
            if self.follower.ask(&self.checker, false).ok() == Some(Heard::Everything) {
                return;
            }
        }
        panic!("the feed does not end");
    }

    fn says(&self, token: &str) -> Verdict {
        self.says_at(token, Moment::now())
    }

    fn says_at(&self, token: &str, at: Moment) -> Verdict {
        self.checker.lock().expect("no panic").check(token, at)
    }

    fn lets_in(&self, login: &Login) -> bool {
        matches!(self.says(&login.token), Verdict::Valid(identity) if identity.session_id == login.id)
    }
}

/// A moment by the steady clock, the wall clock, or both.
fn later(from: Moment, steady: Duration, wall: Duration) -> Moment {
    Moment {
        steady: from.steady + steady,
        wall: from.wall + wall,
    }
}

fn serve_at(place: &Place, address: &str) -> Server {
    Server::start(place.command(&["serve", "--listen", address]))
}

fn kid(token: &str) -> String {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
    let header = token.split('.').next().expect("a header");
    let header = BASE64_URL_SAFE_NO_PAD.decode(header).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

#[test]
fn a_checker_lets_in_who_is_logged_in_until_the_session_is_ended() {
    let place = Place::with_shop();
    let server = place.serve();
    let (one, other) = (server.log_in("1", "P01"), server.log_in("999", "P02"));
    let mut till = Till::new(&server);
    assert_eq!(
        till.says(&one.token),
        Verdict::Unknown(Doubt::NothingHeard),
        "before the first answer"
    );

    till.listen();

    let Verdict::Valid(who) = till.says(&one.token) else {
        panic!("{:?}", till.says(&one.token));
    };
    assert_eq!(
        (
            who.user_name.as_str(),
            who.device_name.as_str(),
            who.env_name.as_str()
        ),
        ("1", "P01", "CashRegister")
    );
    assert!(till.lets_in(&other));
    assert_eq!(server.delete("/api/auth", &one.token).status, 204);
    till.listen();
    assert_eq!(till.says(&one.token), Verdict::Ended(End::Session));
    assert!(till.lets_in(&other));
}

#[test]
fn a_checker_goes_on_alone_until_its_news_are_stale_and_after_a_restart_from_where_it_was() {
    let place = Place::with_shop();
    let server = place.serve();
    let address = server.address.clone();
    let (ended, live) = (server.log_in("1", "P01"), server.log_in("1", "P02"));
    let mut till = Till::new(&server);
    assert_eq!(server.delete("/api/auth", &ended.token).status, 204);
    till.listen();
    let heard = Moment::now();
    server.kill();

    assert!(till.follower.ask(&till.checker, false).is_err());
    assert!(till.lets_in(&live));
    assert_eq!(till.says(&ended.token), Verdict::Ended(End::Session));
    let (none, all) = (Duration::ZERO, STALE_AFTER);
    let almost = STALE_AFTER.mul_f32(0.6);
    let at = later(heard, almost, almost);
    assert!(matches!(till.says_at(&live.token, at), Verdict::Valid(_)));
    // Asleep, the steady clock may stand; set back, the wall clock says nothing.
    for (steady, wall) in [(all, none), (none, all), (all, all)] {
        let verdict = till.says_at(&live.token, later(heard, steady, wall));
        let Verdict::Unknown(Doubt::Stale { identity, age }) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(identity.session_id, live.id);
        assert!(age >= STALE_AFTER);
        // What is known to be over stays over.
        let verdict = till.says_at(&ended.token, later(heard, steady, wall));
        assert_eq!(verdict, Verdict::Ended(End::Session));
    }
    let half_a_day = Duration::from_secs(13 * 60 * 60);
    let at = later(heard, half_a_day, half_a_day);
    assert_eq!(till.says_at(&live.token, at), Verdict::Ended(End::Expired));

    let server = serve_at(&place, &address);
    assert_eq!(server.delete("/api/auth", &live.token).status, 204);
    // The session of the checker's account lives, so its place is still good.
    let told = till.follower.ask(&till.checker, false).expect("an answer");
    assert_eq!(told, Heard::More);
    till.listen();
    for token in [&ended.token, &live.token] {
        assert_eq!(till.says(token), Verdict::Ended(End::Session));
    }
}

#[test]
fn a_checker_begins_anew_with_a_store_that_has_begun_anew() {
    let place = Place::with_shop();
    let server = place.serve();
    let address = server.address.clone();
    let old = server.log_in("1", "P01");
    let mut till = Till::new(&server);
    till.listen();
    assert!(till.lets_in(&old));
    server.stop();
    std::fs::remove_dir_all(place.data_dir().join("db")).expect("the database was there");

    let server = serve_at(&place, &address);
    till.listen();
    assert_eq!(till.says(&old.token), Verdict::Ended(End::Key));
    assert_eq!(server.get("/api/auth", &old.token).status, 401);
    let new = server.log_in("1", "P01");
    assert!(till.lets_in(&new));
}

#[test]
fn a_checker_learns_fresh_keys_and_forgets_revoked_ones() {
    let place = Place::with_shop();
    let server = place.serve();
    let old = server.log_in("1", "P01");
    let mut till = Till::new(&server);
    till.listen();
    good(&place, &["keys", "rotate"]);
    let new = server.log_in("1", "P02");
    assert_eq!(
        till.says(&new.token),
        Verdict::Unknown(Doubt::NoSuchKey),
        "not heard of yet"
    );
    till.listen();
    assert!(till.lets_in(&old) && till.lets_in(&new));

    good(&place, &["keys", "revoke", &kid(&old.token)]);
    till.listen();

    assert_eq!(till.says(&old.token), Verdict::Ended(End::Key));
    assert!(till.lets_in(&new));
}

#[test]
fn a_checker_refuses_what_the_server_did_not_sign() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("1", "P01");
    let mut till = Till::new(&server);
    till.listen();
    let elsewhere = Place::with_shop();
    let foreign = elsewhere.serve().log_in("1", "P01");
    assert_eq!(
        till.says(&foreign.token),
        Verdict::Unknown(Doubt::NoSuchKey)
    );
    let (signed, signature) = login.token.rsplit_once('.').expect("three parts");
    let (header, _) = signed.split_once('.').expect("three parts");
    let theirs = foreign.token.split('.').nth(1).expect("three parts");
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoiIn0";
    for token in [
        format!("{header}.{theirs}.{signature}"),
        format!("{signed}."),
        format!("{signed}.{}", "A".repeat(86)),
        format!("{none}.{theirs}."),
        login.refresh.clone(),
        login.token[..60].to_owned(),
        "x".repeat(100_000),
        String::new(),
    ] {
        assert_eq!(till.says(&token), Verdict::Foreign, "{token}");
    }
    let body = json!({"tokenId": login.token, "refreshToken": login.refresh});
    let refreshed = server.call("POST", "/api/auth/refresh", None, &body).json();
    let token = refreshed["tokenId"].as_str().expect("a token");
    assert!(matches!(till.says(token), Verdict::Valid(_)));
}
