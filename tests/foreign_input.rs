//! Bytes that nobody here has written never make the server panic. The same
//! doors are targets of a fuzzer (`fuzz/`), which looks further; these draw
//! from the words that the doors know, and run on every compiler.
#![cfg(feature = "faults")]

#[path = "../fuzz/doors.rs"]
mod doors;

use proptest::prelude::*;

/// Anything at all.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..300)
}

/// Pieces of a language in any order, with noise between them.
fn made_of(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => "[a-z0-9%.,:;=&$ -]{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

const NDATA: &[&str] = &[
    "userName",
    "sessionId",
    "lastAccessAt",
    "_v",
    "envName",
    "isActive",
    "action",
    "=",
    "&",
    ":",
    ";",
    ",",
    "eq:",
    "neq:",
    "gte:",
    "lt:",
    "in:",
    "like:",
    "$sort",
    "$skip",
    "$take",
    "$count",
    "$after",
    "$and",
    "$or",
    "(",
    ")",
    "%22",
    "%",
    "%2",
    "%zz",
    "%C4%BE",
    "-",
    "asc",
    "desc",
    "2023-08-04T11:19:38.015Z",
    "9999999999999999999999",
    "-1",
    "null",
    "true",
    "\"",
    "\\",
];
const TOKEN: &[&str] = &[
    "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSIsImtpZCI6IjEifQ",
    "eyJhbGciOiJub25lIn0",
    ".",
    "=",
    "eyJzdWIiOiI5OTkifQ",
    "AAAA",
    "-",
    "_",
    "e30",
    "..",
];
const NWS4: &[&str] = &[
    "NWS4-HMAC-SHA256 ",
    "Credential%3D",
    "Credential=",
    "key",
    "%2CSignedHeaders%3D",
    ",SignedHeaders=",
    "host",
    "%253B",
    ";",
    "x-nd-date",
    "%2CTimestamp%3D",
    ",Timestamp=",
    "2023-11-14T22:13:20.000Z",
    "2023-11-14T22%253A13%253A20.000Z",
    "%2CSignature%3D",
    ",Signature=",
    "00000000000000000000000000000000",
    "\n",
    "\n\n",
    "GET",
    "POST",
    "/sessions",
    "//",
    "?a=b",
    "&",
    "=",
    ":",
    "x-nd-content-sha256:",
    "host:a",
    "%",
    "+",
];
const CONFIG: &[&str] = &[
    "listen",
    "data_dir",
    "key_file",
    "log.level",
    "sessions.lifetime",
    "password.policy",
    "http",
    "lockout.lock_after",
    "nws4.window",
    "query.take_max",
    "backup.every",
    "sessions",
    "=",
    "\n",
    "[",
    "]",
    "\"",
    "127.0.0.1:0",
    "10h",
    "0",
    "-1",
    "true",
    "off",
    "99999999999999999999d",
    "#",
    "1e999",
    "{",
    "}",
    "'''",
    ".",
    "info",
    "pci",
    "[[",
    "]]",
    "\\u0000",
    "policy",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_query_makes_a_list_panic(noise in noise(), words in made_of(NDATA)) {
        doors::ndata(&noise);
        doors::ndata(&words);
    }

    #[test]
    fn no_foreign_token_is_good_or_makes_its_reader_panic(
        noise in noise(), words in made_of(TOKEN),
    ) {
        doors::token(&noise);
        doors::token(&words);
    }

    #[test]
    fn no_foreign_signature_is_good_or_makes_its_reader_panic(
        noise in noise(), words in made_of(NWS4),
    ) {
        doors::nws4(&noise);
        doors::nws4(&words);
    }

    #[test]
    fn no_stored_bytes_make_their_readers_panic(noise in noise()) {
        doors::records(&noise);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_configuration_makes_its_reader_panic(noise in noise(), words in made_of(CONFIG)) {
        for given in [&noise, &words] {
            doors::config(given);
            doors::config_file(given);
        }
    }
}
