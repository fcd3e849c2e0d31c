//! Holds a server that started on a drawn disk against what was known when the
//! power went.

use serde_json::Value;

use super::calls;
use super::trade::{CLIENTS, Known};
use crate::client::{Answer, Client};
use crate::promise::{Promise, Violation};
use crate::site::{Site, shop_users};
use crate::tally::Tally;
use crate::verdict;

/// Sessions of an image whose tokens are tried.
const TRIED_MAX: usize = 5;

fn broken<T>(promise: Promise, what: String) -> Result<T, Violation> {
    Err(Violation { promise, what })
}

/// An import into nothing has left all or nothing, and can be made again.
pub(super) fn import_on(site: &Site, is_answered: bool) -> Result<(), Violation> {
    let or_start = |why| Violation {
        promise: Promise::Start,
        what: why,
    };
    let users = site.users().map_err(or_start)?;
    if users == 0 && !is_answered {
        site.import().map_err(or_start)?;
    } else if users != shop_users() {
        return broken(Promise::Lost, format!("an import left {users} users"));
    }
    Ok(())
}

/// The server starts, and shows what clients know to be there at the cut.
pub(super) fn serve_on(
    site: &mut Site,
    known: &Known,
    cut: calls::Instant,
    tally: &mut Tally,
) -> Result<(), Violation> {
    let mut server = site.serve();
    let (address, took) = site.listening(&mut server).map_err(|what| Violation {
        promise: Promise::Start,
        what,
    })?;
    tally.slowest_start = tally.slowest_start.max(took);
    let client = Client::new(&address);
    let Some(owner) = verdict::owner(&client) else {
        return broken(Promise::Lost, "the owner can not log in".to_owned());
    };
    let list = client.get("/sessions?deviceName=LINK&$take=10000", &owner);
    let Some(list) = list.filter(|answer| answer.status == 200) else {
        return broken(Promise::Lost, "the sessions can not be listed".to_owned());
    };
    let found = list.body["items"].as_array().cloned().unwrap_or_default();
    let version = |id: &str| {
        let row = found.iter().find(|row| row["sessionId"] == id)?;
        row["_v"].as_u64()
    };
    for life in &known.lives {
        match version(&life.id) {
            None if life.must_live(cut) => {
                return broken(Promise::Lost, format!("{} is gone", life.id));
            }
            Some(_) if life.must_be_dead(cut) => {
                return broken(Promise::Returned, format!("{} lives", life.id));
            }
            Some(version) if version < life.version(cut) => {
                let what = format!("{} is back at version {version}", life.id);
                return broken(Promise::Repeated, what);
            }
            _ => {}
        }
    }
    let is_known = |row: &&Value| known.lives.iter().any(|life| row["sessionId"] == life.id);
    let strangers = found.len() - found.iter().filter(is_known).count();
    if strangers > CLIENTS {
        return broken(Promise::Returned, format!("{strangers} unknown sessions"));
    }
    tally.acknowledged += known
        .lives
        .iter()
        .filter(|life| life.must_live(cut))
        .count() as u64;
    tally.acknowledged += known
        .lives
        .iter()
        .filter(|life| life.must_be_dead(cut))
        .count() as u64;
    description(&client, &owner, known, cut)?;
    tokens(&client, known, cut)
}

fn description(
    client: &Client,
    owner: &str,
    known: &Known,
    cut: calls::Instant,
) -> Result<(), Violation> {
    let text = client.get("/devices/LINK", owner);
    let text = text
        .map(|answer| answer.text("description"))
        .unwrap_or_default();
    let may_be = known.described(cut);
    if !may_be.contains(&text.parse().unwrap_or(0)) {
        let what = format!("LINK is described as '{text}', not {may_be:?}");
        return broken(Promise::Lost, what);
    }
    Ok(())
}

/// Tokens of the living are good, and give versions that nobody was shown.
fn tokens(client: &Client, known: &Known, cut: calls::Instant) -> Result<(), Violation> {
    let living = known.lives.iter().filter(|life| life.must_live(cut));
    for life in living.rev().take(TRIED_MAX) {
        let Some((token, refresh)) = life.tokens(cut) else {
            continue;
        };
        let answer = client.get(&format!("/sessions/{}", life.id), token);
        match answer.as_ref().and_then(Answer::version) {
            Some((version, _)) if version > life.version(cut) => {}
            _ => return broken(Promise::Repeated, format!("{} answers {answer:?}", life.id)),
        }
        let answer = client.refresh(token, refresh);
        if answer.as_ref().is_none_or(|answer| answer.status != 200) {
            let what = format!("the refresh of {} answers {answer:?}", life.id);
            return broken(Promise::Lost, what);
        }
    }
    Ok(())
}
