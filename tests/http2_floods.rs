//! HTTP/2 used against the server: requests taken back, heads without end,
//! control frames without end, answers that nobody takes. It answers others
//! throughout, sends such clients away, and its memory stays within bounds.

mod support;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use support::secure::{self, Frame, Http2, connect, frame, get, trust};
use support::{Place, Server};

/// Connections of each flood.
const CONNECTIONS: usize = 8;
/// What a flood may leave in memory beside the answers that it asked for.
const GROWTH_KIB_MAX: u64 = 16 * 1024;
/// Requests of one connection at the same time.
const STREAMS: u32 = 64;

/// GET, complete with its head.
const WHOLE: u8 = secure::END_HEADERS | secure::END_STREAM;

fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("\n{line}\n").as_bytes());
}

/// Asks as somebody else would: on a connection of its own.
fn fetch(server: &Server, place: &Place, path: &str) -> String {
    let client = secure::client(&[&trust(place)], "http/1.1");
    let mut stream = connect(server, &client).expect("others are served");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("answered");
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    said
}

fn is_alive(server: &Server, place: &Place) {
    fetch(server, place, "/livez");
}

/// Lets several clients do their worst, each until it is sent away, while
/// others are served; how much memory that has left behind.
fn flood(name: &str, place: &Place, attack: impl Fn(&Server) + Sync) {
    flood_with(name, place, 0, attack);
}

/// `answers_kib`: of this size all answers are that lie at the same time.
fn flood_with(name: &str, place: &Place, answers_kib: u64, attack: impl Fn(&Server) + Sync) {
    let server = place.serve();
    is_alive(&server, place);
    let before = server.resident_kib();
    let started = Instant::now();
    std::thread::scope(|scope| {
        let attackers: Vec<_> = (0..CONNECTIONS)
            .map(|_| scope.spawn(|| attack(&server)))
            .collect();
        while attackers.iter().any(|attacker| !attacker.is_finished()) {
            is_alive(&server, place);
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    is_alive(&server, place);
    let growth = server.resident_kib().saturating_sub(before);
    say(&format!(
        "http2_floods: {name}: {CONNECTIONS} connections sent away within {:?}, {growth} KiB more",
        started.elapsed()
    ));
    let allowed = GROWTH_KIB_MAX + answers_kib;
    assert!(growth <= allowed, "{growth} KiB more");
    assert_eq!(server.stop().0, Some(0));
}

/// Sends these pieces over and over until the other side has had enough.
fn until_sent_away(connection: &mut Http2, mut next: impl FnMut(u32) -> Vec<u8>) {
    for turn in 0..1_000_000 {
        if !connection.say(&next(turn)) {
            return;
        }
    }
    panic!("a million times, and nobody minds");
}

/// The streams of a client have odd numbers.
fn stream(turn: u32) -> u32 {
    2 * turn + 1
}

#[test]
fn requests_that_are_taken_back_at_once_end_the_connection() {
    let place = secure::place();
    let cancel = 8_u32.to_be_bytes();
    flood("rapid resets", &place, |server| {
        let mut connection = Http2::connect(server, &place, &[]);
        until_sent_away(&mut connection, |turn| {
            // Many in one piece, so that they are there together.
            let pairs = (0..50).map(|at| {
                let id = stream(50 * turn + at);
                let head = frame(secure::HEADERS, WHOLE, id, &get("/nowhere", "localhost"));
                [head, frame(secure::RST_STREAM, 0, id, &cancel)].concat()
            });
            pairs.collect::<Vec<_>>().concat()
        });
    });
}

#[test]
fn requests_that_are_taken_back_one_by_one_end_the_connection_too() {
    let place = secure::place();
    let cancel = 8_u32.to_be_bytes();
    // Nobody takes an answer, so each is still there when it is taken back.
    let closed = [0, 4, 0, 0, 0, 0];
    flood("resets one by one", &place, |server| {
        let mut connection = Http2::connect(server, &place, &closed);
        until_sent_away(&mut connection, |turn| {
            std::thread::sleep(Duration::from_millis(1));
            let id = stream(turn);
            let head = frame(
                secure::HEADERS,
                WHOLE,
                id,
                &get("/openapi.json", "localhost"),
            );
            let previous = id.checked_sub(2);
            let reset = previous.map(|id| frame(secure::RST_STREAM, 0, id, &cancel));
            [head, reset.unwrap_or_default()].concat()
        });
    });
}

#[test]
fn heads_without_end_end_the_connection() {
    let place = secure::place();
    let filler = secure::head(&[("x-filler", &"x".repeat(8_000))]);
    flood("heads without end", &place, |server| {
        let mut connection = Http2::connect(server, &place, &[]);
        connection.say(&frame(secure::HEADERS, 0, 1, &get("/livez", "localhost")));
        until_sent_away(&mut connection, |_| {
            frame(secure::CONTINUATION, 0, 1, &filler)
        });
    });
    flood("empty continuations", &place, |server| {
        let mut connection = Http2::connect(server, &place, &[]);
        connection.say(&frame(secure::HEADERS, 0, 1, &get("/livez", "localhost")));
        until_sent_away(&mut connection, |_| {
            frame(secure::CONTINUATION, 0, 1, &[]).repeat(20)
        });
    });
}

#[test]
fn pings_and_settings_whose_answers_nobody_reads_end_the_connection() {
    let place = secure::place().option("HTTP__WRITE_TIMEOUT", "1s");
    for (name, piece) in [
        ("pings", frame(secure::PING, 0, 0, &[0; 8])),
        ("settings", frame(secure::SETTINGS, 0, 0, &[])),
    ] {
        let pieces = piece.repeat(500);
        flood(name, &place, |server| {
            let mut connection = Http2::connect(server, &place, &[]);
            // A request beside them, so that it is not the idle end that comes.
            let head = frame(secure::HEADERS, WHOLE, 1, &get("/livez", "localhost"));
            connection.say(&head);
            until_sent_away(&mut connection, |_| pieces.clone());
        });
    }
}

#[test]
fn answers_that_nobody_takes_are_let_go() {
    let place = secure::place().option("HTTP__WRITE_TIMEOUT", "1s");
    let server = place.serve();
    let answer_kib = fetch(&server, &place, "/openapi.json").len().div_ceil(1024);
    drop(server);
    let answers = CONNECTIONS * STREAMS as usize * answer_kib;
    // SETTINGS_INITIAL_WINDOW_SIZE: nothing.
    let closed = [0, 4, 0, 0, 0, 0];
    let answers_kib = u64::try_from(answers).expect("a size");
    flood_with("answers that lie", &place, answers_kib, |server| {
        let mut connection = Http2::connect(server, &place, &closed);
        for turn in 0..STREAMS {
            let head = get("/openapi.json", "localhost");
            connection.say(&frame(secure::HEADERS, WHOLE, stream(turn), &head));
        }
        let said: Vec<Frame> = connection.hear_all();
        assert!(said.iter().any(|frame| frame.kind == secure::GOAWAY));
        assert!(said.iter().all(|frame| frame.kind != secure::DATA));
    });
}

#[test]
fn more_requests_than_allowed_at_once_are_refused_one_by_one() {
    let place = secure::place();
    let server = place.serve();
    let closed = [0, 4, 0, 0, 0, 0];
    let mut connection = Http2::connect(&server, &place, &closed);
    // The first frame says how many that is.
    let settings = connection.hear().expect("settings");
    assert_eq!(settings.kind, secure::SETTINGS);
    let streams_max = settings.payload.chunks(6).find(|one| one[..2] == [0, 3]);
    assert_eq!(streams_max.expect("a limit")[2..], STREAMS.to_be_bytes());
    for turn in 0..=STREAMS {
        let head = get("/openapi.json", "localhost");
        connection.say(&frame(secure::HEADERS, WHOLE, stream(turn), &head));
    }
    let refused = std::iter::from_fn(|| connection.hear())
        .find(|frame| frame.kind == secure::RST_STREAM)
        .expect("a refusal");
    assert_eq!(refused.stream, stream(STREAMS));
    assert_eq!(refused.payload, 7_u32.to_be_bytes(), "REFUSED_STREAM");
    is_alive(&server, &place);
}
