//! Tokens: what is made, and every way a text can fail to be one.

use super::*;
use crate::auth::installation::InstallationKey;
use crate::model::{AuthenticationType, DeviceName, Env, Identity, UserName, Version};
use aws_lc_rs::hmac;

const NOW: Timestamp = Timestamp::from_millis(1_691_147_978_015);
const LATER: Timestamp = Timestamp::from_millis(1_691_147_999_000);

fn session() -> Session {
    Session {
        id: SessionId::parse("soZIt6uj62fzs8ep4UvnNSxRXFryUiq3").unwrap(),
        identity: Identity {
            user_name: UserName::parse("999").unwrap(),
            device_name: DeviceName::parse("P\u{10c}\"1").unwrap(),
            env: Env::CashRegister,
            authentication_type: AuthenticationType::Bearer,
        },
        started_at: NOW,
        expires_at: NOW.plus(std::time::Duration::from_hours(12)),
        last_access_at: NOW,
        version: Version::FIRST,
    }
}

const LONGEST: std::time::Duration = std::time::Duration::from_hours(12);
const IN_FLIGHT: std::time::Duration = std::time::Duration::from_secs(60);

fn shop_ring() -> KeyRing {
    KeyRing::generate("shop-1", NOW, LONGEST)
}

fn sign(ring: &KeyRing) -> String {
    let jti = ring.signing().number.mark([1; 16]);
    let session = session();
    let new = NewToken {
        session: &session,
        issued_at: NOW,
        jti,
    };
    ring.sign(&new).unwrap()
}

impl KeyRing {
    /// Reads a token that is good at `now`.
    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let claims = self.read(token)?;
        claims.check(now).map(|()| claims)
    }

    /// Reads a token that is or was good.
    fn read_even_expired(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let claims = self.read(token)?;
        claims.check_begun(now).map(|()| claims)
    }
}

fn encode(text: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

fn decode(text: &str) -> String {
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// The three parts of a token.
fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

/// A token with this header and payload, signed with the ring's own key.
fn signed_as(ring: &KeyRing, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = encode(ring.signing().key.sign_text(&signed));
    format!("{signed}.{signature}")
}

fn assert_invalid(ring: &KeyRing, token: &str, what: &str) {
    assert_eq!(
        ring.verify(token, LATER),
        Err(TokenError::Invalid),
        "{what}: {token}"
    );
    assert_eq!(
        ring.read_even_expired(token, LATER),
        Err(TokenError::Invalid),
        "{what}: {token}"
    );
}

#[test]
fn a_token_says_what_the_contract_lists() {
    let ring = shop_ring();
    let token = sign(&ring);
    let [header, payload, _] = parts(&token);
    let header: serde_json::Value = serde_json::from_str(&decode(header)).unwrap();
    let expected =
        serde_json::json!({"typ": "at+jwt", "alg": "EdDSA", "kid": ring.signing().key.kid});
    assert_eq!(header, expected);
    let payload: serde_json::Value = serde_json::from_str(&decode(payload)).unwrap();
    let expected = serde_json::json!({
        "iss": "shop-1", "aud": "tillgate", "sub": "999",
        "sid": "soZIt6uj62fzs8ep4UvnNSxRXFryUiq3", "dev": "P\u{10c}\"1", "env": "CashRegister",
        "iat": 1_691_147_978, "nbf": 1_691_147_978, "exp": 1_691_147_979 + 12 * 3600,
        "jti": "AQEBAQEBAQEBAQEBAQEAAQ",
    });
    assert_eq!(payload, expected);
}

#[test]
fn the_same_state_makes_the_same_token_and_it_reads_back() {
    let ring = shop_ring();
    let token = sign(&ring);
    assert_eq!(token, sign(&ring));
    let claims = ring.verify(&token, NOW).unwrap();
    assert_eq!(claims.sid, session().id);
    assert_eq!(claims.jti_head, 0x0101_0101_0101_0101);
    assert_eq!(claims.not_before, Timestamp::from_millis(1_691_147_978_000));
    let (sid, end) = (session().id, session().expires_at);
    assert_eq!(claims, Claims::of(sid, claims.jti_head, NOW, end));
}

#[test]
fn the_session_that_a_text_names_is_read_without_asking_whether_it_is_true() {
    let token = sign(&shop_ring());
    assert_eq!(session_named_in(&token), Some(session().id));
    let [head, payload, _] = parts(&token);
    assert_eq!(
        session_named_in(&format!("{head}.{payload}")),
        Some(session().id)
    );
    for text in ["", ".", head, "a.b.c", &format!("{head}.{}", encode("{}"))] {
        assert_eq!(session_named_in(text), None, "{text}");
    }
    let long = format!("{token}{}", "A".repeat(TOKEN_BYTES_MAX));
    assert_eq!(session_named_in(&long), None);
}

#[test]
fn the_longest_names_make_a_token_that_is_read() {
    let ring = shop_ring();
    let mut session = session();
    for character in ["\u{1f40c}", "\"", "\\"] {
        session.identity.user_name = UserName::parse(&character.repeat(64)).unwrap();
        session.identity.device_name = DeviceName::parse(&character.repeat(64)).unwrap();
        let token = ring.sign(&NewToken {
            session: &session,
            issued_at: NOW,
            jti: ring.draw_jti(),
        });
        assert!(ring.verify(&token.unwrap(), NOW).is_ok());
    }
}

#[test]
fn times_hold_without_leeway_against_the_time_that_is_passed_in() {
    let ring = shop_ring();
    let token = sign(&ring);
    let at = Timestamp::from_millis;
    let exp = (1_691_147_979 + 12 * 3600) * 1000;
    let expired = Err(TokenError::Expired { sid: session().id });
    assert_eq!(
        ring.verify(&token, at(1_691_147_977_999)),
        Err(TokenError::NotYetValid)
    );
    assert!(ring.verify(&token, at(1_691_147_978_000)).is_ok());
    assert!(ring.verify(&token, at(exp - 1)).is_ok());
    assert_eq!(ring.verify(&token, at(exp)), expired);
    assert_eq!(
        ring.read_even_expired(&token, at(exp))
            .map(|claims| claims.sid),
        Ok(session().id)
    );
    let early = ring.read_even_expired(&token, at(1_691_147_977_999));
    assert_eq!(early, Err(TokenError::NotYetValid));
}

#[test]
fn no_header_but_the_own_is_accepted_even_if_the_signature_is_good() {
    let ring = shop_ring();
    let token = sign(&ring);
    let payload = decode(parts(&token)[1]);
    let kid = ring.signing().key.kid.as_str();
    let own = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}"}}"#);
    assert_eq!(signed_as(&ring, &own, &payload), token);
    for header in [
        r#"{"typ":"at+jwt","alg":"none"}"#.to_owned(),
        own.replace("EdDSA", "none"),
        own.replace("EdDSA", "HS256"),
        own.replace("EdDSA", "ES256"),
        own.replace("EdDSA", "eddsa"),
        own.replace("at+jwt", "JWT"),
        own.replace("at+jwt", "refresh+jwt"),
        own.replace(r#""typ":"at+jwt","#, ""),
        own.replace(kid, "other"),
        own.replace(kid, "../../../../dev/null"),
        own.replace(kid, "' OR 1=1 --"),
        own.replace(kid, ""),
        own.replace(&format!(r#","kid":"{kid}""#), ""),
        own.replace('}', r#","jku":"https://example.org/jwks.json"}"#),
        own.replace('}', r#","jwk":{"kty":"OKP","crv":"Ed25519","x":"AAAA"}}"#),
        own.replace('}', r#","x5u":"https://example.org/cert.pem"}"#),
        own.replace('}', r#","x5c":["AAAA"]}"#),
        own.replace('}', r#","crit":["exp"]}"#),
        own.replace('}', r#","b64":false}"#),
        own.replace('}', r#","alg":"none"}"#),
        own.replace(':', ": "),
        String::new(),
        "{}".to_owned(),
    ] {
        assert_invalid(&ring, &signed_as(&ring, &header, &payload), &header);
    }
}

#[test]
fn no_signature_but_the_own_keys_is_accepted() {
    let ring = shop_ring();
    let other = shop_ring();
    let token = sign(&ring);
    let [header, payload, signature] = parts(&token);
    let signed = format!("{header}.{payload}");
    assert_invalid(&ring, &format!("{signed}."), "no signature");
    assert_invalid(&ring, &signed, "two parts");

    let public = &ring.signing().key.public;
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, public),
        signed.as_bytes(),
    );
    assert_invalid(
        &ring,
        &format!("{signed}.{}", encode(tag)),
        "HMAC with the public key",
    );
    let hs256 = encode(decode(header).replace("EdDSA", "HS256"));
    let signed_hs256 = format!("{hs256}.{payload}");
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, public),
        signed_hs256.as_bytes(),
    );
    assert_invalid(
        &ring,
        &format!("{signed_hs256}.{}", encode(tag)),
        "HS256 with the public key",
    );

    assert_invalid(&ring, &sign(&other), "another key");
    let foreign = encode(other.signing().key.sign_text(&signed));
    assert_invalid(
        &ring,
        &format!("{signed}.{foreign}"),
        "another key under our kid",
    );
    assert_invalid(&ring, &format!("{signed}.{}", &signature[..85]), "cut");
    assert_invalid(&ring, &format!("{signed}.{signature}A"), "longer");
    assert_invalid(&ring, &format!("{signed}.{}", encode([0; 64])), "zeros");
}

#[test]
fn any_changed_character_makes_a_token_invalid() {
    let ring = shop_ring();
    let token = sign(&ring);
    for place in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(
            ring.read(&changed),
            Err(TokenError::Invalid),
            "character {place}"
        );
        assert_eq!(
            ring.read(&token[..place]),
            Err(TokenError::Invalid),
            "cut at {place}"
        );
    }
}

#[test]
fn a_token_has_one_spelling_only() {
    let ring = shop_ring();
    let token = sign(&ring);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // The last character of 64 bytes carries two bits that mean nothing: all
    // 63 other characters in its place must be refused, these three among them.
    let (body, last) = token.split_at(token.len() - 1);
    for character in alphabet
        .iter()
        .map(|&c| char::from(c))
        .filter(|c| !last.starts_with(*c))
    {
        assert_invalid(&ring, &format!("{body}{character}"), "stray bits");
    }
    for (what, other) in [
        ("padding", format!("{token}=")),
        ("padding", format!("{token}==")),
        ("a space behind", format!("{token} ")),
        ("a space before", format!(" {token}")),
        ("a line break", format!("{token}\n")),
        ("a fourth part", format!("{token}.")),
        ("a fourth part", format!("{token}.e30")),
        ("an empty part before", format!(".{token}")),
        ("doubled dots", token.replace('.', "..")),
        (
            "standard base64",
            format!("{}+/", &token[..token.len() - 2]),
        ),
        ("too long", "A".repeat(TOKEN_BYTES_MAX + 1)),
        ("empty", String::new()),
        ("dots", "..".to_owned()),
    ] {
        assert_invalid(&ring, &other, what);
    }
}

#[test]
fn a_payload_that_is_not_for_us_is_refused_even_if_well_signed() {
    let ring = shop_ring();
    let good = decode(parts(&sign(&ring))[1]);
    let with = |payload: &str| ring.signing().key.sign(payload.as_bytes()).unwrap();
    assert!(ring.verify(&with(&good), LATER).is_ok());
    for (what, payload) in [
        ("iss", good.replace("shop-1", "shop-2")),
        (
            "aud",
            good.replace(r#""aud":"tillgate""#, r#""aud":"other""#),
        ),
        (
            "aud as a list",
            good.replace(r#""aud":"tillgate""#, r#""aud":["tillgate"]"#),
        ),
        ("no exp", good.replace(r#""exp":1691191179,"#, "")),
        ("exp as text", good.replace("1691191179", r#""1691191179""#)),
        (
            "exp beyond all bounds",
            good.replace("1691191179", "9223372036854775807"),
        ),
        ("exp twice", good.replace(r#""exp":"#, r#""exp":1,"exp":"#)),
        (
            "sid",
            good.replace("soZIt6uj62fzs8ep4UvnNSxRXFryUiq3", "../sessions"),
        ),
        ("jti", good.replace("AQEBAQEBAQEBAQEBAQEAAQ", "AQEB")),
        ("a member too many", good.replace('{', r#"{"admin":true,"#)),
        ("no JSON", "sub=999".to_owned()),
        ("empty", String::new()),
    ] {
        assert_ne!(payload, good, "{what}");
        assert_invalid(&ring, &with(&payload), what);
    }
    let broken = ring.signing().key.sign(&[0xff, 0xfe]).unwrap();
    assert_invalid(&ring, &broken, "no UTF-8");
}

#[test]
fn a_sealed_ring_makes_and_knows_the_same_tokens() {
    let installation = InstallationKey::draw();
    let ring = shop_ring();
    let sealed = ring.seal(&installation, "signing-keys/1");

    let back = KeyRing::unseal("shop-1", &installation, "signing-keys/1", &sealed).unwrap();

    assert_eq!(sign(&back), sign(&ring));
    assert!(back.verify(&sign(&ring), NOW).is_ok());
    assert_eq!(
        ring.verify(&sign(&shop_ring()), NOW),
        Err(TokenError::Invalid)
    );
}

#[test]
fn a_ring_opens_with_its_own_installation_key_and_label_only() {
    let installation = InstallationKey::draw();
    let sealed = shop_ring().seal(&installation, "signing-keys/1");
    let other = InstallationKey::draw();
    assert!(KeyRing::unseal("shop-1", &other, "signing-keys/1", &sealed).is_err());
    assert!(KeyRing::unseal("shop-1", &installation, "signing-keys/2", &sealed).is_err());
    let foreign = installation.seal("signing-keys/1", b"something else");
    assert!(KeyRing::unseal("shop-1", &installation, "signing-keys/1", &foreign).is_err());
}

#[test]
fn debug_output_shows_the_name_of_the_key_only() {
    let ring = shop_ring();
    assert_eq!(
        format!("{ring:?}"),
        format!("KeyRing {{ kids: [{:?}], .. }}", ring.signing().key.kid)
    );
}

#[test]
fn tokens_of_an_earlier_key_stay_good_until_they_end() {
    let old = shop_ring();
    let token = sign(&old);
    let new = old.rotated(LATER, LONGEST).unwrap();
    assert_eq!(new.verify(&token, LATER), old.verify(&token, LATER));
    assert_ne!(sign(&new), token);
    assert_eq!(old.verify(&sign(&new), LATER), Err(TokenError::Invalid));
    let standings: Vec<Standing> = new.public_keys().iter().map(|key| key.standing).collect();
    let until = LATER.plus(LONGEST + IN_FLIGHT);
    assert_eq!(standings, [Standing::Retired { until }, Standing::Signing]);
    let later = new.rotated(until, LONGEST).unwrap();
    assert_eq!(later.keys.len(), 2, "the first is gone with its last token");
    assert_eq!(later.signing().number, KeyNumber(3));
}

#[test]
fn a_lost_answer_can_be_made_again_after_a_rotation() {
    let old = shop_ring();
    let new = old.rotated(LATER, LONGEST).unwrap();
    let session = session();
    let again = NewToken {
        session: &session,
        issued_at: NOW,
        jti: KeyNumber::FIRST.mark([1; 16]),
    };
    assert_eq!(new.sign(&again), Some(sign(&old)));
}

#[test]
fn tokens_of_a_revoked_key_are_known_and_not_good() {
    let first = shop_ring();
    let token = sign(&first);
    let kid = first.signing().key.kid.clone();
    let (ring, number) = first.revoked(&kid, LATER, LONGEST).unwrap();
    assert_eq!(number, KeyNumber::FIRST);
    let sid = session().id;
    assert_eq!(ring.verify(&token, LATER), Err(TokenError::Revoked { sid }));
    assert!(
        ring.verify(&sign(&ring), LATER).is_ok(),
        "a fresh key signs"
    );
    let session = session();
    let again = NewToken {
        session: &session,
        issued_at: NOW,
        jti: number.mark([1; 16]),
    };
    assert_eq!(ring.sign(&again), None);

    let (twice, _) = ring.revoked(&kid, LATER, LONGEST).unwrap();
    assert_eq!(twice.public_keys(), ring.public_keys());
    assert_eq!(
        ring.revoked("other", LATER, LONGEST).err(),
        Some(RingError::Unknown)
    );
}

#[test]
fn a_sealed_ring_keeps_what_became_of_its_keys() {
    let installation = InstallationKey::draw();
    let first = shop_ring();
    let kid = first.signing().key.kid.clone();
    let ring = first.rotated(LATER, LONGEST).unwrap();
    let (ring, _) = ring.revoked(&kid, LATER, LONGEST).unwrap();
    let ring = ring.rotated(LATER, LONGEST).unwrap();

    let sealed = ring.seal(&installation, "signing-keys/1");
    let back = KeyRing::unseal("shop-1", &installation, "signing-keys/1", &sealed).unwrap();

    assert_eq!(back.public_keys(), ring.public_keys());
    assert_eq!(sign(&back), sign(&ring));
    let sid = session().id;
    assert_eq!(
        back.verify(&sign(&first), LATER),
        Err(TokenError::Revoked { sid })
    );
}

#[test]
fn a_ring_is_bounded_and_longer_tokens_keep_keys_longer() {
    let mut ring = shop_ring();
    assert!(!ring.lengthen(LONGEST) && ring.lengthen(LONGEST * 2));
    for _ in 1..KEYS_MAX {
        ring = ring.rotated(LATER, LONGEST).unwrap();
    }
    assert_eq!(ring.rotated(LATER, LONGEST).err(), Some(RingError::Full));
    let until = LATER.plus(LONGEST * 2 + IN_FLIGHT);
    assert_eq!(ring.public_keys()[0].standing, Standing::Retired { until });
    let kid = ring.signing().key.kid.clone();
    assert!(
        ring.revoked(&kid, LATER, LONGEST).is_ok(),
        "always possible"
    );
    assert!(
        ring.rotated(LATER.plus(LONGEST + IN_FLIGHT), LONGEST)
            .is_ok()
    );
}
