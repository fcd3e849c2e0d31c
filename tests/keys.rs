//! The signing keys from outside: published, rotated, revoked, and everything
//! that is not a token of theirs.

mod support;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use aws_lc_rs::{hmac, rand};
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};
use support::{Answer, Login, Place, Server, bad, good};
use tillgate::auth::installation::InstallationKey;
use tillgate::clock::{SystemTimeSource, TimeSource as _};
use tillgate::store::sled::SledStore;
use tillgate::store::{Rules, Store as _};

const JWKS: &str = "/.well-known/jwks.json";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// Header and payload of a token.
fn said(token: &str) -> (Value, Value) {
    let mut parts = token
        .split('.')
        .map(|part| serde_json::from_slice(&decode(part)));
    let mut next = || parts.next().expect("a part").expect("JSON");
    (next(), next())
}

fn kid(token: &str) -> String {
    said(token).0["kid"].as_str().expect("a kid").to_owned()
}

fn published(server: &Server) -> Vec<Value> {
    let answer = server.call("GET", JWKS, None, &Value::Null);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["keys"].as_array().expect("keys").clone()
}

fn kids(server: &Server) -> Vec<String> {
    let keys = published(server);
    let kid = |key: &Value| key["kid"].as_str().expect("a kid").to_owned();
    keys.iter().map(kid).collect()
}

fn refresh(server: &Server, login: &Login) -> Answer {
    let body = json!({"tokenId": login.token, "refreshToken": login.refresh});
    server.call("POST", "/api/auth/refresh", None, &body)
}

/// That a token is refused, and with this reason.
fn assert_revoked(server: &Server, token: &str) {
    let answer = server.get("/sessions", token);
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert_eq!(answer.json()["reason"], "keyRevoked");
}

#[test]
fn anybody_can_check_a_token_with_the_published_key() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("999", "P01");
    let keys = published(&server);
    let expected = json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
        "kid": kid(&login.token), "x": keys[0]["x"],
    });
    assert_eq!(keys, [expected]);
    let under_api = server.call("GET", &format!("/api/v1{JWKS}"), None, &Value::Null);
    assert_eq!(under_api.json()["keys"], json!(keys));

    let x = decode(keys[0]["x"].as_str().expect("a key"));
    let (signed, signature) = login.token.rsplit_once('.').expect("three parts");
    let key = UnparsedPublicKey::new(&ED25519, x);
    assert!(key.verify(signed.as_bytes(), &decode(signature)).is_ok());
}

#[test]
fn old_tokens_stay_good_after_a_rotation_and_a_restart() {
    let place = Place::with_shop();
    let server = place.serve();
    let old = server.log_in("999", "P01");

    let told = good(&place, &["keys", "rotate"]);

    let new = server.log_in("999", "P02");
    assert!(told.contains(&kid(&new.token)), "{told}");
    assert_ne!(kid(&old.token), kid(&new.token));
    assert_eq!(kids(&server), [kid(&old.token), kid(&new.token)]);
    assert_eq!(server.get("/sessions", &old.token).status, 200);
    server.kill();
    let server = place.serve();
    for token in [&old.token, &new.token] {
        assert_eq!(server.get("/sessions", token).status, 200);
    }
    let refreshed = refresh(&server, &old).json();
    let token = refreshed["tokenId"].as_str().expect("a token");
    assert_eq!(kid(token), kid(&new.token));
    assert_eq!(server.get("/sessions", &old.token).status, 200);
}

#[test]
fn revoking_a_key_ends_its_tokens_and_the_sessions_that_have_no_other() {
    let place = Place::with_shop();
    let server = place.serve();
    let gone = server.log_in("999", "P01");
    let moved = server.log_in("999", "P02");
    good(&place, &["keys", "rotate"]);
    let newest = Login::from(&refresh(&server, &moved).json());
    let revoked = kid(&gone.token);
    // Both are remembered as good.
    for token in [&gone.token, &moved.token, &newest.token] {
        assert_eq!(server.get("/sessions", token).status, 200);
    }

    good(&place, &["keys", "revoke", &revoked]);

    let holds = |server: &Server| {
        assert_revoked(server, &gone.token);
        assert_revoked(server, &moved.token);
        let live = server.get("/sessions", &newest.token).json();
        assert_eq!(live["totalCount"], 1, "{live}");
        assert_eq!(live["items"][0]["sessionId"], json!(newest.id));
        let answer = refresh(server, &gone);
        assert_eq!(
            (answer.status, &answer.json()["reason"]),
            (401, &json!("keyRevoked"))
        );
        assert_eq!(kids(server), [kid(&newest.token)]);
    };
    holds(&server);
    server.kill();
    holds(&place.serve());
    let list = good(&place, &["keys", "list"]);
    assert!(
        list.contains("revoked") && list.contains("signing"),
        "{list}"
    );
}

#[test]
fn the_key_that_signs_can_be_revoked_too() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("999", "P01");

    good(&place, &["keys", "revoke", &kid(&login.token)]);

    assert_revoked(&server, &login.token);
    let again = server.log_in("999", "P01");
    assert_eq!(kids(&server), [kid(&again.token)]);
    assert_eq!(
        server.get("/sessions", &again.token).json()["totalCount"],
        1
    );
}

#[test]
fn keys_are_changed_in_a_stopped_store_as_well() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("999", "P01");
    server.stop();

    good(&place, &["keys", "rotate"]);
    let refused = bad(&place, &["keys", "revoke", "../../etc/passwd"], 66);
    assert!(refused.contains("keys list"), "{refused}");
    let server = place.serve();
    assert_eq!(server.get("/sessions", &login.token).status, 200);
    server.stop();
    good(&place, &["keys", "revoke", &kid(&login.token)]);
    let server = place.serve();

    assert_revoked(&server, &login.token);
    let keys: Value =
        serde_json::from_str(&good(&place, &["keys", "list", "--json"])).expect("JSON");
    let standings: Vec<_> = keys
        .as_array()
        .expect("keys")
        .iter()
        .map(|key| &key["standing"])
        .collect();
    assert_eq!(standings, ["revoked", "signing"]);
}

/// The signing key of a stopped installation, as somebody with its key file
/// can take it.
fn stolen(place: &Place) -> Ed25519KeyPair {
    let dir = place.data_dir();
    let wall = SystemTimeSource.wall();
    let store = SledStore::open(&dir, Rules::default(), wall)
        .expect("it opens")
        .store;
    let label = format!("signing-keys/{}", store.health().epoch);
    let key = InstallationKey::load_or_create(&dir.with_extension("key")).expect("the key file");
    let ring = key
        .unseal(&label, store.meta(&label).expect("keys"))
        .expect("they open");
    let keys: Value = serde_json::from_slice(&ring[1..]).expect("JSON");
    let seed = keys[0]["private"].as_str().expect("a private key");
    let seed = BASE64_STANDARD_NO_PAD.decode(seed).expect("base64");
    Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key")
}

/// A token with this header and payload, signed by whatever `sign` does.
fn token(header: &Value, payload: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let signed = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(payload.to_string())
    );
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", encode(signature))
}

/// As the server spells them: the order of members counts.
fn spelled(header: &str, payload: &str, key: &Ed25519KeyPair) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    format!("{signed}.{}", encode(key.sign(signed.as_bytes())))
}

/// The real header and payload, signed by somebody else.
fn resigned(real: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let (signed, _) = real.rsplit_once('.').expect("three parts");
    format!("{signed}.{}", encode(sign(signed.as_bytes())))
}

/// Headers and signatures that are not the server's, with a live session in
/// all of them.
fn attacks(real: &str, key: &Ed25519KeyPair) -> Vec<(&'static str, String)> {
    let (header, payload) = said(real);
    let foreign = Ed25519KeyPair::generate().expect("a key");
    let own = |text: &[u8]| key.sign(text).as_ref().to_vec();
    let other = |text: &[u8]| foreign.sign(text).as_ref().to_vec();
    let public = key.public_key().as_ref().to_vec();
    let mac = |secret: &[u8]| {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        move |text: &[u8]| hmac::sign(&secret, text).as_ref().to_vec()
    };
    let with = |member: &str, value: Value| {
        let mut header = header.clone();
        header[member] = value;
        header
    };
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(foreign.public_key())});
    vec![
        (
            "alg none, no signature",
            token(&with("alg", json!("none")), &payload, |_| Vec::new()),
        ),
        (
            "alg NONE, a signature",
            token(&with("alg", json!("NONE")), &payload, own),
        ),
        (
            "HS256 with the public key",
            token(&with("alg", json!("HS256")), &payload, mac(&public)),
        ),
        ("HMAC with the public key", resigned(real, mac(&public))),
        (
            "HS256 with its text",
            token(
                &with("alg", json!("HS256")),
                &payload,
                mac(encode(&public).as_bytes()),
            ),
        ),
        (
            "ES256 in name",
            token(&with("alg", json!("ES256")), &payload, own),
        ),
        ("a foreign key under our kid", resigned(real, other)),
        (
            "a foreign key under its kid",
            token(&with("kid", json!("attacker")), &payload, other),
        ),
        (
            "a kid that is a path",
            token(&with("kid", json!("../../../../dev/null")), &payload, own),
        ),
        (
            "a kid that is a query",
            token(&with("kid", json!("x' UNION SELECT 'k")), &payload, own),
        ),
        ("no kid", token(&with("kid", Value::Null), &payload, own)),
        (
            "a key in the header",
            token(&with("jwk", jwk), &payload, other),
        ),
        (
            "a key set to fetch",
            token(
                &with("jku", json!("http://127.0.0.1/jwks.json")),
                &payload,
                other,
            ),
        ),
        (
            "a certificate to fetch",
            token(
                &with("x5u", json!("http://127.0.0.1/cert")),
                &payload,
                other,
            ),
        ),
    ]
}

/// The real token, changed.
fn changed(real: &str) -> Vec<(&'static str, String)> {
    let (header, rest) = real.split_once('.').expect("three parts");
    let payload = rest.split_once('.').expect("three parts").0;
    let payload = String::from_utf8(decode(payload)).expect("UTF-8");
    let changed = payload.replace(r#""sub":"999""#, r#""sub":"1""#);
    assert_ne!(changed, payload);
    let (signed, signature) = real.rsplit_once('.').expect("three parts");
    let mut flipped = decode(signature);
    flipped[5] ^= 1;
    vec![
        (
            "a changed payload",
            format!("{header}.{}.{signature}", encode(changed)),
        ),
        (
            "a changed signature",
            format!("{signed}.{}", encode(flipped)),
        ),
        ("a cut signature", real[..real.len() - 1].to_owned()),
        ("half a signature", real[..real.len() - 43].to_owned()),
        ("an empty signature", format!("{signed}.")),
        ("no signature", signed.to_owned()),
        (
            "zeros for a signature",
            format!("{signed}.{}", encode([0; 64])),
        ),
        ("a signature twice", format!("{real}.{signature}")),
        ("another spelling", format!("{real}=")),
    ]
}

/// Payloads that the real key has signed, and which are nevertheless not good.
fn wrong_purposes(real: &str, key: &Ed25519KeyPair) -> Vec<(&'static str, String)> {
    let mut parts = real.split('.').map(|part| String::from_utf8(decode(part)));
    let mut next = || parts.next().expect("a part").expect("UTF-8");
    let (header, payload) = (next(), next());
    let now = SystemTimeSource.wall().as_millis() / 1000;
    let member = |name: &str, value: i64| {
        let old = said(real).1[name].as_i64().expect("a number");
        payload.replace(
            &format!(r#""{name}":{old}"#),
            &format!(r#""{name}":{value}"#),
        )
    };
    let purpose = |from: &str, to: &str| {
        assert!(payload.contains(from), "{payload}");
        payload.replace(from, to)
    };
    let issuer = said(real).1["iss"].as_str().expect("an issuer").to_owned();
    let good = [
        ("expired", member("exp", now - 1)),
        ("not yet valid", member("nbf", now + 3600)),
        (
            "for another service",
            purpose(r#""aud":"tillgate""#, r#""aud":"till""#),
        ),
        ("of another installation", purpose(&issuer, "elsewhere")),
        (
            "with a member too many",
            purpose("{", r#"{"scope":"admin","#),
        ),
    ];
    let mut all: Vec<_> = good
        .into_iter()
        .map(|(what, payload)| (what, spelled(&header, &payload, key)))
        .collect();
    for typ in ["JWT", "rt+jwt", "id+jwt"] {
        all.push((
            "of another type",
            spelled(&header.replace("at+jwt", typ), &payload, key),
        ));
    }
    all
}

#[test]
fn everything_that_is_no_token_of_ours_is_401() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("999", "P01");
    server.stop();
    let key = stolen(&place);
    let server = place.serve();
    let (header, payload) = login.token.split_once('.').expect("three parts");
    let payload = payload.split_once('.').expect("three parts").0;
    let text = |part| String::from_utf8(decode(part)).expect("UTF-8");
    let control = spelled(&text(header), &text(payload), &key);
    assert_eq!(control, login.token, "the key is the right one");
    assert_eq!(server.get("/sessions", &control).status, 200);

    let mut table = attacks(&login.token, &key);
    table.extend(changed(&login.token));
    table.extend(wrong_purposes(&login.token, &key));
    table.push(("the refresh token", login.refresh.clone()));
    table.push(("the session's id", login.id.clone()));
    let mut random = [0; 64];
    rand::fill(&mut random).expect("the system's random source works");
    table.push((
        "noise",
        format!("{}.{}.{}", encode(random), encode(random), encode(random)),
    ));
    assert!(table.len() > 30, "{}", table.len());
    for (what, token) in table {
        for path in ["/sessions".to_owned(), format!("/sessions/{}", login.id)] {
            let answer = server.get(&path, &token);
            assert_eq!(answer.status, 401, "{what}: {}", answer.text);
            assert_eq!(answer.json()["errorCode"], 1, "{what}");
            let challenge = answer.header("www-authenticate");
            assert!(
                challenge.contains(r#"error="invalid_token""#),
                "{what}: {challenge}"
            );
        }
    }
    assert_eq!(server.get("/sessions", &login.token).status, 200);
    good(&place, &["keys", "revoke", &kid(&login.token)]);
    assert_revoked(&server, &login.token);
}
