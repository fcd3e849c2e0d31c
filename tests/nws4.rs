//! What a client signs, the server recognizes, and nothing else: the verifier
//! against a client that spells requests by code of its own.

mod support;

use proptest::prelude::*;
use support::signer::{Dialect, Signer, Unsigned};
use tillgate::auth::nws4::{Head, Key, Refusal, Rules, SigningSecret, Verifier};
use tillgate::auth::secret::Secret;
use tillgate::model::Timestamp;

const TIME: &str = "2023-05-30T13:17:01.990Z";
const NOW: Timestamp = Timestamp::from_millis(1_685_452_622_000);

/// A request as it went over the wire.
#[derive(Clone, Debug)]
struct Sent {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    fn verdict(&self, secret: &str) -> Result<(), Refusal> {
        let headers: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let find = |name: &str| {
            let found = headers
                .iter()
                .find(|(held, _)| held.eq_ignore_ascii_case(name));
            found.map(|(_, value)| *value)
        };
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target.as_str(), None),
        };
        let head = Head {
            method: &self.method,
            path,
            query,
            host: find("host"),
            headers: &headers,
        };
        let door = Verifier::new(Rules::default(), Timestamp::from_millis(0));
        let claim = door.read(&head, find("authorization").expect("a signed request"))?;
        let claim = claim.expect("of this scheme");
        let secret = SigningSecret::new(Secret::new(secret.to_owned()));
        door.verify(&claim, &head, Key::Active(&secret), &self.body, NOW)
    }
}

fn signer(dialect: Dialect) -> Signer {
    Signer {
        dialect,
        ..Signer::new(
            "d948ec22e47790caacce234b792a0f117d85c365",
            "5070adfb2bedf1c0c97d5c8cfa8c794d513249b802ea10596a175d88828abc19",
        )
    }
}

fn signed(dialect: Dialect, unsigned: &Unsigned<'_>) -> Sent {
    Sent {
        method: unsigned.method.to_owned(),
        target: unsigned.target.to_owned(),
        headers: signer(dialect).sign(unsigned, TIME),
        body: unsigned.body.to_owned(),
    }
}

/// Targets with everything that is spelled specially, second `=` aside.
fn targets() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just(":".to_owned()),
        Just("%20".to_owned()),
        Just("%c4%8D".to_owned()),
        "[A-Za-z0-9~_.!*'();,@+-]{1,4}",
    ];
    let path =
        prop::collection::vec(piece, 0..6).prop_map(|pieces| format!("/{}", pieces.concat()));
    let parameter = "[a-cA-C$_.%:+~-]{0,3}(=[a-z0-9%:;,+\"/?$.]{0,6})?";
    let query = prop::option::of(prop::collection::vec(parameter, 0..5));
    (path, query).prop_map(|(path, query)| match query {
        Some(parameters) => format!("{path}?{}", parameters.join("&")),
        None => path,
    })
}

/// Signed headers, some of one name more than once.
fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = "[a-cA-C_][a-c_-]{0,2}";
    let value = "[ a-z,;=%\t]{0,8}";
    prop::collection::vec((name, value), 0..6)
}

fn dialects() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Dialect::Net), Just(Dialect::Php)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_a_client_signs_is_let_in(
        dialect in dialects(),
        method in "GET|POST|PUT|DELETE",
        target in targets(),
        headers in headers(),
        body in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let unsigned = Unsigned {
            method: &method,
            target: &target,
            host: "shop.example:4000",
            headers: &headers,
            body: &body,
        };
        let sent = signed(dialect, &unsigned);
        prop_assert_eq!(sent.verdict(&signer(dialect).secret), Ok(()), "{:?}", sent);
    }

    #[test]
    fn whatever_is_changed_on_the_way_is_refused(
        dialect in dialects(),
        target in targets(),
        headers in headers(),
        body in prop::collection::vec(any::<u8>(), 1..40),
        place in any::<prop::sample::Index>(),
    ) {
        let unsigned = Unsigned {
            method: "POST",
            target: &target,
            host: "shop.example:4000",
            headers: &headers,
            body: &body,
        };
        let sent = signed(dialect, &unsigned);
        let secret = signer(dialect).secret;
        let refused = |spoil: &dyn Fn(&mut Sent)| {
            let mut spoiled = sent.clone();
            spoil(&mut spoiled);
            spoiled.verdict(&secret).is_err()
        };
        let with = if target.contains('?') { "&z=1" } else { "?z=1" };
        prop_assert!(refused(&|sent| "DELETE".clone_into(&mut sent.method)));
        prop_assert!(refused(&|sent| sent.target.insert(1, 'z')));
        prop_assert!(refused(&|sent| sent.target.push_str(with)));
        prop_assert!(refused(&|sent| sent.body[place.index(body.len())] ^= 1));
        prop_assert!(refused(&|sent| sent.body.push(0)));
        let signed_header = place.index(sent.headers.len() - 1);
        prop_assert!(refused(&|sent| sent.headers[signed_header].1.push('x')));
        prop_assert!(sent.verdict(&secret[1..]).is_err());
    }
}

#[test]
fn parameters_can_not_be_put_before_signed_ones_of_the_same_name() {
    // The PHP client signs the last of several parameters of one name only.
    // Were that form accepted, anybody on the way could add the others.
    let request = |target| Unsigned {
        method: "GET",
        target,
        host: "shop.example",
        headers: &[],
        body: b"",
    };
    let mut sent = signed(Dialect::Php, &request("/sessions?userName=1"));
    assert_eq!(sent.verdict(&signer(Dialect::Php).secret), Ok(()));
    "/sessions?userName=2&userName=1".clone_into(&mut sent.target);
    let verdict = sent.verdict(&signer(Dialect::Php).secret);
    assert_eq!(verdict, Err(Refusal::WrongSignature));
}
