//! The power goes while a signing key comes in, or is revoked.

use serde_json::Value;

use super::super::client::Client;
use super::super::promise::{Promise, Violation};
use super::super::site::{Site, random};
use super::{Acknowledged, Outcome, SESSIONS, broken, good, log_in, logged_in, or_start};

/// How long a command beside the server may go on before the cut.
const COMMAND_MILLIS: std::ops::Range<u64> = 0..150;

/// The ids of the public keys.
fn keys(address: &str) -> Result<Vec<String>, Violation> {
    let path = "/.well-known/jwks.json";
    let answer = Client::new(address).call("GET", path, None, &Value::Null);
    let Some(answer) = answer.filter(|answer| answer.status == 200) else {
        return broken(Promise::Start, "no public keys");
    };
    let keys = answer.body["keys"].as_array().cloned().unwrap_or_default();
    let ids = keys.iter().filter_map(|key| key["kid"].as_str());
    Ok(ids.map(str::to_owned).collect())
}

/// A new signing key comes in: what the old one signed stays good.
pub(super) fn rotation(site: &mut Site) -> Outcome {
    let before = logged_in(site)?;
    let keys_before = keys(&before.address)?;
    let armed = site.arm();
    let mut command = site.spawn(&["keys", "rotate"]);
    let done = command.wait(random(COMMAND_MILLIS));
    site.cut(armed, vec![before.server, command]);
    let acknowledged = done.is_some_and(|status| status.success());
    let mut server = site.serve();
    let (address, _) = or_start(site.listening(&mut server))?;
    let after = keys(&address)?;
    let stay = keys_before.iter().all(|key| after.contains(key));
    let added = after.len().saturating_sub(keys_before.len());
    if !stay || (acknowledged && added != 1) || added > 1 {
        let what = format!("keys {keys_before:?} became {after:?}");
        return broken(Promise::Lost, what);
    }
    match good(&address, &before.tokens) {
        SESSIONS => Ok(Acknowledged(acknowledged)),
        some => broken(
            Promise::Lost,
            format!("{some} of {SESSIONS} tokens are good"),
        ),
    }
}

/// A signing key is revoked: all that it signed is over, or nothing of it.
pub(super) fn revocation(site: &mut Site) -> Outcome {
    let before = logged_in(site)?;
    let keys_before = keys(&before.address)?;
    or_start(site.run(&["keys", "rotate"]))?;
    let others = log_in(&Client::new(&before.address))?;
    let Some(old) = keys_before.first() else {
        return broken(Promise::Start, "no public keys");
    };
    let armed = site.arm();
    let mut command = site.spawn(&["keys", "revoke", old]);
    let done = command.wait(random(COMMAND_MILLIS));
    site.cut(armed, vec![before.server, command]);
    let acknowledged = done.is_some_and(|status| status.success());
    let mut server = site.serve();
    let (address, _) = or_start(site.listening(&mut server))?;
    let is_there = keys(&address)?.contains(old);
    let expected = if is_there { SESSIONS } else { 0 };
    let signed_by_it = good(&address, &before.tokens);
    if acknowledged && is_there {
        return broken(Promise::Returned, "a revoked key is back");
    }
    if signed_by_it != expected {
        let what = format!("the key is there: {is_there}, {signed_by_it} of its tokens are good");
        return broken(Promise::Returned, what);
    }
    match good(&address, &others) {
        SESSIONS => Ok(Acknowledged(acknowledged)),
        some => broken(
            Promise::Lost,
            format!("{some} of {SESSIONS} others are good"),
        ),
    }
}
