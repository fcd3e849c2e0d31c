//! A change in the form that the documented API gives to notifications: the
//! same text for `/events`, for the hub and for webhooks.

use super::wire;
use crate::store::{Action, Change, Changed};

/// The name that the documented API gives to what happened.
pub(super) const CHANGED: &str = "portos.resources.changed";

/// One notification, on one line. Written once, by whoever tells it first.
pub fn of(change: &Change) -> &[u8] {
    change.written.get_or_init(|| {
        let mut out = Vec::new();
        write(&mut out, change);
        out.into_boxed_slice()
    })
}

fn write(out: &mut Vec<u8>, change: &Change) {
    out.extend_from_slice(b"{\"e\":");
    wire::write_text(out, CHANGED);
    out.extend_from_slice(b",\"s\":{\"c\":null,\"identity\":");
    wire::write_author(out, &change.by);
    out.extend_from_slice(b"},\"r\":null,\"ca\":\"");
    change.at.write_iso(out);
    out.extend_from_slice(b"\",\"ea\":null,\"p\":{\"action\":\"");
    out.extend_from_slice(match change.action {
        Action::Created => b"created",
        Action::Updated => b"updated",
        Action::Deleted => b"deleted",
    });
    out.extend_from_slice(b"\",\"resource\":{\"name\":\"");
    let (id, version) = match &change.what {
        Changed::Session(session, _) => (session.id.as_str(), session.version),
        Changed::Resource { id, version, .. } => (&**id, *version),
    };
    out.extend_from_slice(change.what.kind().as_str().as_bytes());
    out.extend_from_slice(b"\",\"id\":");
    wire::write_text(out, id);
    out.extend_from_slice(b",\"version\":");
    wire::write_number(out, version.0);
    out.push(b'}');
    if let Changed::Session(session, reason) = &change.what {
        out.extend_from_slice(b",\"identity\":");
        wire::write_identity(out, &session.identity);
        if let Some(reason) = reason {
            out.extend_from_slice(b",\"endReason\":\"");
            out.extend_from_slice(reason.as_str().as_bytes());
            out.push(b'"');
        }
    }
    out.extend_from_slice(b"}}");
}
