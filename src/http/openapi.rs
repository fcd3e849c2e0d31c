//! `GET /openapi.json`: the API as OpenAPI 3.1, put together from the pieces
//! beside this file, one for each kind of resource. They are written by hand;
//! `tests/openapi.rs` holds them against the routes and the running server.

use std::sync::LazyLock;

use serde_json::{Map, Value, map::Entry};

use super::reply::Reply;
use super::wire;

/// The pieces. Each holds `paths` and `components` of its own; what all share
/// stands in the first.
const PIECES: &[&str] = &[
    include_str!("openapi/document.json"),
    include_str!("openapi/auth.json"),
    include_str!("openapi/tokens.json"),
    include_str!("openapi/sessions.json"),
    include_str!("openapi/archive.json"),
    include_str!("openapi/backups.json"),
    include_str!("openapi/users.json"),
    include_str!("openapi/devices.json"),
    include_str!("openapi/roles.json"),
    include_str!("openapi/apikeys.json"),
    include_str!("openapi/webhooks.json"),
    include_str!("openapi/server.json"),
    include_str!("openapi/page.json"),
    include_str!("openapi/events.json"),
    include_str!("openapi/hub.json"),
];

static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| wire::json(&document()));

/// `GET /openapi.json`
pub(super) fn get() -> Reply {
    Reply::ok(DOCUMENT.clone())
}

fn document() -> Value {
    let mut whole = Map::new();
    for piece in PIECES {
        let piece = serde_json::from_str(piece).expect("the pieces are objects, held by a test");
        merge(&mut whole, piece);
    }
    whole["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    Value::Object(whole)
}

/// Puts a piece into the whole, object by object.
fn merge(whole: &mut Map<String, Value>, piece: Map<String, Value>) {
    for (name, value) in piece {
        match (whole.entry(name), value) {
            (Entry::Occupied(mut there), Value::Object(value)) if there.get().is_object() => {
                let there = there.get_mut().as_object_mut().expect("was looked at");
                merge(there, value);
            }
            (Entry::Occupied(mut there), value) => drop(there.insert(value)),
            (Entry::Vacant(free), value) => drop(free.insert(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that are no objects.
    fn leaves(value: &Value) -> usize {
        match value.as_object() {
            Some(object) => object.values().map(leaves).sum(),
            None => 1,
        }
    }

    #[test]
    fn no_piece_says_anything_that_another_one_says_too() {
        let pieces = PIECES.iter().map(|piece| {
            let piece: Value = serde_json::from_str(piece).expect("JSON");
            assert!(piece.is_object());
            leaves(&piece)
        });
        // And the version.
        assert_eq!(leaves(&document()), pieces.sum::<usize>() + 1);
    }
}
