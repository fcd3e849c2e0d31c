//! The published vectors, each by the part of the server that it is about, and
//! the rules of the door: order, window, replay, what is demanded beside.

use std::time::Duration;

use serde_json::Value;

use super::canonical::{Canonical, PathRule};
use super::header::{Names, Presented};
use super::{
    Answer, Claim, Head, Key, Refusal, Rules, STREAMING_BODY, SigningSecret, Verifier, Window,
    signature,
};
use crate::auth::secret::Secret;
use crate::model::Timestamp;

const VECTORS: &str = include_str!("../../../tests/data/nws4_vectors.json");

/// A vector, by the names of its members.
struct Vector(Value);

fn vectors(kind: &str) -> Vec<Vector> {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let all = file["vectors"].as_array().unwrap().iter().cloned();
    all.map(Vector).filter(|v| v.text("kind") == kind).collect()
}

fn vector(name: &str) -> Vector {
    let mut requests = vectors("request").into_iter();
    requests.find(|v| v.text("name") == name).unwrap()
}

impl Vector {
    fn text(&self, member: &str) -> &str {
        self.0[member].as_str().unwrap_or_default()
    }

    fn headers(&self) -> Vec<(&str, &[u8])> {
        let headers = self.0["signed_headers"].as_object().unwrap();
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap().as_bytes()))
            .collect()
    }

    fn head<'a>(&'a self, headers: &'a [(&'a str, &'a [u8])]) -> Head<'a> {
        let host = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("host"));
        Head {
            method: self.text("method"),
            path: self.text("path"),
            query: Some(self.text("query")).filter(|query| !query.is_empty()),
            host: host.map(|(_, value)| *value),
            headers,
        }
    }

    fn secret(&self) -> SigningSecret {
        secret(self.text("private_key"))
    }

    fn body(&self) -> &[u8] {
        self.text("body_utf8").as_bytes()
    }

    fn time(&self) -> Timestamp {
        let time = chrono::DateTime::parse_from_rfc3339(self.text("timestamp")).unwrap();
        Timestamp::from_millis(time.timestamp_millis())
    }

    /// The signature part alone: does it fit, with this text in place of the
    /// body's hash?
    fn fits(&self, claim: &Claim, body_hash: &[u8]) -> Result<(), Refusal> {
        let headers = self.headers();
        let canonical = Canonical::of(&self.head(&headers), &claim.names, body_hash)?;
        signature::check(claim, &canonical, Key::Active(&self.secret()))
    }
}

fn secret(text: &str) -> SigningSecret {
    SigningSecret::new(Secret::new(text.to_owned()))
}

fn claim(authorization: &str) -> Claim {
    Presented::of(authorization.as_bytes())
        .unwrap()
        .claim()
        .unwrap()
}

/// Asks a door of its own at an instant.
fn ask(
    head: &Head<'_>,
    authorization: &str,
    key: Key<'_>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Refusal> {
    let door = Verifier::new(Rules::default(), Timestamp::from_millis(0));
    let claim = door.read(head, authorization.as_bytes())?.unwrap();
    door.verify(&claim, head, key, body, now)
}

#[test]
fn every_vector_is_covered() {
    let kinds = [
        // The whole door, or the signature where the door refuses on purpose.
        ("request", 6),
        // The signature over a declared hash: the body is not in the vector.
        ("request_hash", 1),
        ("parse", 2),
        ("body_hash", 3),
        // A length that only a client computes.
        ("chunked_length", 1),
    ];
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let all = file["vectors"].as_array().unwrap().len();
    assert_eq!(kinds.iter().map(|(_, count)| count).sum::<usize>(), all);
    for (kind, count) in kinds {
        assert_eq!(vectors(kind).len(), count, "{kind}");
    }
}

#[test]
fn the_signatures_of_all_signed_vectors_fit() {
    for vector in vectors("request") {
        let body_hash = if vector.0["chunked_block"].is_null() {
            signature::sha256_hex(vector.body()).to_vec()
        } else {
            STREAMING_BODY.to_vec()
        };
        let claim = claim(vector.text("authorization"));
        assert_eq!(
            vector.fits(&claim, &body_hash),
            Ok(()),
            "{}",
            vector.text("name")
        );
        let other = signature::sha256_hex(b"another body");
        assert_eq!(vector.fits(&claim, &other), Err(Refusal::WrongSignature));
    }
}

#[test]
fn the_door_lets_the_vectors_in_that_are_wholly_signed() {
    let mut verdicts = Vec::new();
    for vector in vectors("request") {
        let headers = vector.headers();
        let asked = ask(
            &vector.head(&headers),
            vector.text("authorization"),
            Key::Active(&vector.secret()),
            vector.body(),
            vector.time(),
        );
        verdicts.push((vector.text("name").to_owned(), asked));
    }
    let expected = [
        // `i=1$ref=1`: what stands behind the second `=` is not signed.
        (
            "ExposeExamples_CreateOrganization",
            Err(Refusal::UnsignedQuery),
        ),
        ("PHPExamples_GetAll", Err(Refusal::UnsignedQuery)),
        ("php testSignature", Err(Refusal::UnsignedQuery)),
        ("Ticket_7928", Ok(())),
        (
            "SignerForAuthorizationHeader_SignsPostRequestCorrectly",
            Ok(()),
        ),
        ("ChunkedSigner_SignsRequestCorrectly", Err(Refusal::Chunked)),
    ];
    assert_eq!(
        verdicts,
        expected.map(|(name, asked)| (name.to_owned(), asked))
    );
}

#[test]
fn the_host_that_a_tunnel_replaced_counts_when_it_is_given() {
    for name in [
        "Ticket_7928",
        "SignerForAuthorizationHeader_SignsPostRequestCorrectly",
    ] {
        let vector = vector(name);
        let headers = vector.headers();
        let asked = |member: &str| {
            let host = vector.0["forwarded_host"][member].as_str().unwrap();
            let head = Head {
                host: Some(host.as_bytes()),
                ..vector.head(&headers)
            };
            ask(
                &head,
                vector.text("authorization"),
                Key::Active(&vector.secret()),
                vector.body(),
                vector.time(),
            )
        };
        assert_eq!(asked("proxy_host"), Err(Refusal::WrongSignature));
        assert_eq!(asked("x_forwarded_host"), Ok(()));
    }
}

#[test]
fn the_headers_of_captured_requests_read() {
    for vector in vectors("parse") {
        let claim = claim(vector.text("authorization"));
        let expected = &vector.0["expected"];
        assert_eq!(claim.key_id(), expected["credential"]);
        assert_eq!(
            claim.names.by_upper_case().join(";"),
            expected["signed"].as_str().unwrap()
        );
        assert_eq!(claim.time_text, expected["timestamp"].as_str().unwrap());
        let signature = expected["signature"].as_str().unwrap();
        let byte = |place: usize| u8::from_str_radix(&signature[2 * place..][..2], 16).unwrap();
        assert_eq!(claim.signature, std::array::from_fn(byte));
    }
}

#[test]
fn a_captured_signature_fits_the_hash_that_was_declared_with_it() {
    let captured = vectors("parse").remove(1);
    let vector = vectors("request_hash").remove(0);
    let claim = claim(captured.text("authorization"));
    assert_eq!(
        vector.fits(&claim, vector.text("body_hash").as_bytes()),
        Ok(())
    );
}

#[test]
fn bodies_hash_as_the_clients_hash_them() {
    for vector in vectors("body_hash") {
        assert_eq!(
            std::str::from_utf8(&signature::sha256_hex(vector.body())),
            Ok(vector.text("expected"))
        );
    }
}

#[test]
fn the_declared_length_of_a_chunk_signed_body_is_that_of_the_clients() {
    // The clients' formula: the block is about a whole chunk, its frame included. It
    // is here to read the vectors; the server refuses such bodies.
    let frame = |data: usize| format!("{data:X}").len() + ";chunk-signature=".len() + 64 + 4;
    let declared = |length: usize, block: usize| {
        let data = block - frame(block);
        let (full, rest) = (length / data, length % data);
        let rest = if rest > 0 { rest + frame(rest) } else { 0 };
        full * (data + frame(data)) + rest + frame(0)
    };
    let vector = vectors("chunked_length").remove(0);
    let number = |member: &str| usize::try_from(vector.0[member].as_u64().unwrap()).unwrap();
    assert_eq!(
        declared(number("original"), number("max_chunk")),
        number("expected")
    );
    assert_eq!(declared(1_000_000, 65_536), 1_001_510);
}

#[test]
fn canonical_text_of_a_vector_is_as_written_down() {
    let vector = vector("SignerForAuthorizationHeader_SignsPostRequestCorrectly");
    let headers = vector.headers();
    let names = Names::parse("host;x-nd-content-sha256;x-nd-date;__tenant").unwrap();
    let hash = signature::sha256_hex(vector.body());
    let canonical = Canonical::of(&vector.head(&headers), &names, &hash).unwrap();
    let expected = "POST
/api/v1/registrations/receipts

__tenant:39ff67bf-0182-4903-c820-2dd75eed9d21
host:ekasa-cloud-int.ninedigit.sk
x-nd-content-sha256:d3f6d6058ff1441be92e7561d0951b5c4f91405d7380b42465d940de1eba5e59
x-nd-date:2022-02-07T10:47:53.026Z
host;x-nd-content-sha256;x-nd-date;__tenant
d3f6d6058ff1441be92e7561d0951b5c4f91405d7380b42465d940de1eba5e59";
    assert_eq!(canonical.text(PathRule::Net), expected.as_bytes());
}

/// A good request, to be spoiled in one way at a time.
struct Case {
    vector: Vector,
    headers: Vec<(String, String)>,
}

impl Case {
    fn new() -> Self {
        let vector = vector("Ticket_7928");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = vector.headers().into_iter();
        let headers = headers
            .map(|(name, value)| (name.to_owned(), text(value)))
            .collect();
        Self { vector, headers }
    }

    fn verdict(&self) -> Result<(), Refusal> {
        self.verdict_with(Key::Active(&self.vector.secret()), self.vector.time())
    }

    fn verdict_with(&self, key: Key<'_>, now: Timestamp) -> Result<(), Refusal> {
        let authorization = self.vector.text("authorization");
        self.with_head(|head| ask(head, authorization, key, self.vector.body(), now))
    }

    fn with_head<T>(&self, look: impl FnOnce(&Head<'_>) -> T) -> T {
        let headers = self.headers.iter();
        let headers: Vec<(&str, &[u8])> = headers
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        look(&self.vector.head(&headers))
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        for header in &mut self.headers {
            if header.0.eq_ignore_ascii_case(name) {
                value.clone_into(&mut header.1);
            }
        }
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(held, _)| !held.eq_ignore_ascii_case(name));
        self
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

#[test]
fn each_spoiled_request_is_refused_for_its_reason() {
    assert_eq!(Case::new().verdict(), Ok(()));
    let chunked = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    for (case, reason) in [
        (Case::new().without("user-agent"), Refusal::HeaderMissing),
        (
            Case::new().set("user-agent", "other"),
            Refusal::WrongSignature,
        ),
        (
            Case::new().with("User-Agent", "GuzzleHttp/7"),
            Refusal::WrongSignature,
        ),
        (
            Case::new().set("x-nd-date", "2023-05-30T07:37:59.391Z"),
            Refusal::DateDiffers,
        ),
        (
            Case::new().with("X-Nd-Date", "2023-05-30T07:37:59.390Z"),
            Refusal::DateDiffers,
        ),
        (
            Case::new().set("x-nd-content-sha256", "e3b0"),
            Refusal::BodyDiffers,
        ),
        (
            Case::new().set("x-nd-content-sha256", chunked),
            Refusal::Chunked,
        ),
        (
            Case::new().with("Content-Encoding", "gzip, NWS-chunked"),
            Refusal::Chunked,
        ),
    ] {
        assert_eq!(case.verdict(), Err(reason));
    }
    // What is not signed may change on the way; white space in what is, too.
    assert_eq!(Case::new().with("Via", "1.1 proxy").verdict(), Ok(()));
    assert_eq!(
        Case::new().set("user-agent", "  GuzzleHttp/7 ").verdict(),
        Ok(())
    );
}

#[test]
fn keys_that_are_unknown_or_inactive_have_reasons_of_their_own() {
    let case = Case::new();
    let now = case.vector.time();
    let (another, empty) = (secret("another secret"), secret(""));
    for (key, reason) in [
        (Key::Unknown, Refusal::UnknownKey),
        (Key::Inactive, Refusal::InactiveKey),
        (Key::Active(&another), Refusal::WrongSignature),
        (Key::Active(&empty), Refusal::WrongSignature),
    ] {
        assert_eq!(case.verdict_with(key, now), Err(reason));
        assert_eq!(reason.answer(), Answer::Unauthenticated);
    }
}

#[test]
fn the_window_reaches_half_of_it_to_each_side_and_counts_after_the_signature() {
    let case = Case::new();
    let (signed, half) = (case.vector.time(), Duration::from_secs(150));
    let milli = Duration::from_millis(1);
    for (now, verdict) in [
        (signed.plus(half), Ok(())),
        (signed.minus(half), Ok(())),
        (signed.plus(half).plus(milli), Err(Refusal::Expired)),
        (signed.minus(half).minus(milli), Err(Refusal::Expired)),
    ] {
        assert_eq!(
            case.verdict_with(Key::Active(&case.vector.secret()), now),
            verdict
        );
    }
    let late = signed.plus(Duration::from_hours(1));
    assert_eq!(
        case.verdict_with(Key::Active(&secret("wrong")), late),
        Err(Refusal::WrongSignature)
    );
}

#[test]
fn a_window_is_between_a_second_and_an_hour() {
    assert_eq!(Window::of_seconds(300), Some(Window::DEFAULT));
    for seconds in [0, 3_601, u64::MAX] {
        assert_eq!(Window::of_seconds(seconds), None);
    }
    assert!(Window::of_seconds(1).is_some() && Window::of_seconds(3_600).is_some());
}

#[test]
fn a_changing_request_is_let_in_once_and_not_if_it_is_older_than_the_server() {
    let case = Case::new();
    let claim = claim(case.vector.text("authorization"));
    let (body, now) = (case.vector.body(), case.vector.time());
    let door = Verifier::new(Rules::default(), now);
    let asked = || {
        case.with_head(|head| {
            door.verify(&claim, head, Key::Active(&case.vector.secret()), body, now)
        })
    };
    assert_eq!((asked(), asked()), (Ok(()), Err(Refusal::Replayed)));

    let later = now.plus(Duration::from_millis(1));
    let door = Verifier::new(Rules::default(), later);
    let asked = case.with_head(|head| {
        door.verify(
            &claim,
            head,
            Key::Active(&case.vector.secret()),
            body,
            later,
        )
    });
    assert_eq!(asked, Err(Refusal::BeforeStart));
}

#[test]
fn a_refused_request_uses_no_signature_up() {
    let case = Case::new();
    let claim = claim(case.vector.text("authorization"));
    let (now, secret) = (case.vector.time(), case.vector.secret());
    let door = Verifier::new(Rules::default(), now);
    let ask = |key, body: &[u8]| case.with_head(|head| door.verify(&claim, head, key, body, now));
    assert_eq!(
        ask(Key::Active(&secret), b"other"),
        Err(Refusal::BodyDiffers)
    );
    assert_eq!(
        ask(Key::Unknown, case.vector.body()),
        Err(Refusal::UnknownKey)
    );
    assert_eq!(ask(Key::Active(&secret), case.vector.body()), Ok(()));
}

#[test]
fn loose_rules_give_up_host_and_date_and_nothing_else() {
    const NAMES: &str = "accept-encoding%253Bcontent-type%253Bhost%253Buser-agent\
                         %253Bx-nd-content-sha256%253Bx-nd-date";
    let loose = Rules {
        strict: false,
        ..Rules::default()
    };
    let (good, bad_date) = (Case::new(), Case::new().set("x-nd-date", "yesterday"));
    let bad_hash = Case::new().set("x-nd-content-sha256", "e3b0");
    // With other names than were signed the signature can not fit, so what
    // comes before it shows.
    for (case, names, strict, loosely) in [
        (
            &bad_date,
            "host",
            Refusal::DateDiffers,
            Refusal::WrongSignature,
        ),
        (
            &good,
            "x-nd-date",
            Refusal::HostUnsigned,
            Refusal::WrongSignature,
        ),
        (
            &bad_hash,
            "host",
            Refusal::BodyDiffers,
            Refusal::BodyDiffers,
        ),
    ] {
        let claim = claim(&case.vector.text("authorization").replace(NAMES, names));
        for (rules, reason) in [(Rules::default(), strict), (loose, loosely)] {
            let (body, now) = (case.vector.body(), case.vector.time());
            let door = Verifier::new(rules, Timestamp::from_millis(0));
            let asked = case.with_head(|head| {
                door.verify(&claim, head, Key::Active(&case.vector.secret()), body, now)
            });
            assert_eq!(asked, Err(reason));
        }
    }
}
