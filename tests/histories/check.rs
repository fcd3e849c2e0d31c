//! Whether recorded answers can be explained by one order of the requests.
//!
//! A request took effect at some instant between its asking and its answer. So
//! of two requests the one that was answered before the other was asked for
//! came first; all others may have come either way. Each change makes a version
//! of its own, so the order of the changes is that of their versions, and no
//! search for an order is needed: there is one exactly when none of these rules
//! is broken.
//!
//! For each session, user or device:
//!
//! 1. Nothing succeeds that was asked for after its end was answered, or after
//!    somebody was told that it is gone. It ends once.
//! 2. A change makes a version above all that were shown before it was asked
//!    for; a look shows none below them. (A request of a session that meets an
//!    ending with `If-Match` is a look in this sense: it is shown the version
//!    that the ending was decided on.)
//! 3. No version is made twice, and whoever sees a version sees the same.
//! 4. A change with `If-Match` makes the next version after the one it names; an
//!    ending with `If-Match` ends that very version. So no update is lost.
//! 5. A refresh token has one successor, also when it is given again; it has
//!    none once that successor was given for the next.
//!
//! And when every request that could bear on it is in the record:
//!
//! 6. It is gone only when something that may have ended it was asked for.
//! 7. A change is refused as too late only when a version other than the one
//!    named may have been there.

use std::collections::{BTreeMap, HashMap};

use super::log::{Did, Event};

/// Whether all requests that bear on a thing are in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// All: rules 1 to 7.
    Complete,
    /// Some: rules 1 to 5.
    Partial,
}

/// Checks a record; answers the broken rules as sentences, none when the
/// answers can be explained.
pub fn check(events: &[Event], record: Record) -> Vec<String> {
    let mut things: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events {
        things.entry(&event.key).or_default().push(event);
    }
    let mut broken = Vec::new();
    for (key, mut events) in things {
        events.sort_by_key(|event| event.asked);
        let changes = changes(&events);
        let mut rules = vec![
            nothing_after_the_end(&events),
            versions_grow(&events, &changes),
            versions_are_made_once(&events, &changes),
            conditions_hold(&events),
            refresh_tokens_have_one_successor(&events),
        ];
        if record == Record::Complete {
            rules.push(what_is_gone_was_ended(&events));
            rules.push(what_is_stale_was_changed(&events));
        }
        let sentences = rules.into_iter().flatten();
        broken.extend(sentences.map(|sentence| format!("{key}: {sentence}")));
    }
    broken
}

fn nothing_after_the_end(events: &[&Event]) -> Vec<String> {
    let mut broken = Vec::new();
    let ends = events.iter().filter(|event| event.did.is_last());
    if let Some(end) = ends.min_by_key(|event| event.answered) {
        let late = events
            .iter()
            .filter(|event| event.did.needs_life() && event.asked > end.answered);
        broken.extend(late.map(|event| format!("{:?} after {:?}", event.did, end.did)));
    }
    let endings = events
        .iter()
        .filter(|event| matches!(event.did, Did::Ended { .. }));
    if endings.count() > 1 {
        broken.push("ended twice".to_owned());
    }
    broken
}

/// For each event, whether it made the version that it shows.
fn changes(events: &[&Event]) -> Vec<bool> {
    let decided_on_a_version = |did: &Did| match did {
        Did::Ended { if_match, .. } => if_match.is_some(),
        Did::Stale { .. } | Did::MayHaveEnded => true,
        _ => false,
    };
    let endings: Vec<&&Event> = events
        .iter()
        .filter(|event| decided_on_a_version(&event.did))
        .collect();
    let meets_one = |event: &Event| {
        let mut endings = endings.iter();
        endings.any(|end| end.asked <= event.answered && event.asked <= end.answered)
    };
    let changes = events.iter().map(|event| match event.did {
        Did::Used { .. } => !meets_one(event),
        _ => event.did.is_change(),
    });
    changes.collect()
}

fn versions_grow(events: &[&Event], changes: &[bool]) -> Vec<String> {
    let mut by_answer: Vec<&&Event> = events.iter().collect();
    by_answer.sort_by_key(|event| event.answered);
    let mut shown = by_answer
        .iter()
        .filter_map(|event| Some((event.answered, event.did.version()?)))
        .peekable();
    let mut highest = 0;
    let mut broken = Vec::new();
    for (event, is_change) in events.iter().zip(changes) {
        while let Some((_, version)) = shown.next_if(|(answered, _)| *answered < event.asked) {
            highest = highest.max(version);
        }
        let Some(version) = event.did.version() else {
            continue;
        };
        if version < highest || (version == highest && *is_change) {
            broken.push(format!("{:?} after version {highest} was shown", event.did));
        }
    }
    broken
}

fn versions_are_made_once(events: &[&Event], changes: &[bool]) -> Vec<String> {
    let mut shown: HashMap<u64, &str> = HashMap::new();
    let mut made: HashMap<u64, &Did> = HashMap::new();
    let mut broken = Vec::new();
    for (event, is_change) in events.iter().zip(changes) {
        let (Did::Used { version, shows }
        | Did::Read { version, shows }
        | Did::Wrote { version, shows, .. }) = &event.did
        else {
            continue;
        };
        let first = *shown.entry(*version).or_insert(shows);
        if first != shows {
            broken.push(format!("version {version} shows {first}, then {shows}"));
        }
        if *is_change && let Some(other) = made.insert(*version, &event.did) {
            broken.push(format!("{other:?} and {:?}", event.did));
        }
    }
    broken
}

fn conditions_hold(events: &[&Event]) -> Vec<String> {
    let holds = |did: &Did| match did {
        Did::Wrote {
            if_match: Some(named),
            version,
            ..
        } => *version == named + 1,
        Did::Ended {
            if_match: Some(named),
            version: Some(version),
        } => version == named,
        _ => true,
    };
    let broken = events.iter().filter(|event| !holds(&event.did));
    broken
        .map(|event| format!("{:?} against its condition", event.did))
        .collect()
}

fn refresh_tokens_have_one_successor(events: &[&Event]) -> Vec<String> {
    let mut successors: HashMap<&str, &str> = HashMap::new();
    let mut broken = Vec::new();
    let refreshes: Vec<(&Event, &str, &str)> = events
        .iter()
        .filter_map(|event| match &event.did {
            Did::Refreshed { spent, got } => Some((*event, spent.as_str(), got.as_str())),
            _ => None,
        })
        .collect();
    for (_, spent, got) in &refreshes {
        let first = *successors.entry(spent).or_insert(got);
        if first != *got {
            broken.push(format!("{spent} was refreshed to {first} and to {got}"));
        }
    }
    for (event, spent, got) in &refreshes {
        let next = refreshes.iter().find(|(_, given, _)| given == got);
        if next.is_some_and(|(next, _, _)| next.answered < event.asked) {
            broken.push(format!("{spent} is good after {got} was refreshed"));
        }
    }
    broken
}

fn what_is_gone_was_ended(events: &[&Event]) -> Vec<String> {
    let endings = events
        .iter()
        .filter(|event| matches!(event.did, Did::Ended { .. } | Did::MayHaveEnded));
    let first = endings.map(|event| event.asked).min();
    let early = events
        .iter()
        .find(|event| event.did == Did::Gone && first.is_none_or(|asked| asked > event.answered));
    early
        .map(|_| "gone, and nothing had asked for that".to_owned())
        .into_iter()
        .collect()
}

fn what_is_stale_was_changed(events: &[&Event]) -> Vec<String> {
    let mut broken = Vec::new();
    for event in events {
        let Did::Stale { if_match } = event.did else {
            continue;
        };
        let named = events.iter().filter(|e| e.did.version() == Some(if_match));
        let shown = named.map(|event| event.asked).min();
        let mut before = events.iter().filter(|e| e.asked < event.answered);
        // A refresh is a change whose version nobody is told.
        let other = before.any(|change| match &change.did {
            Did::Refreshed { .. } => shown.is_none_or(|shown| change.answered > shown),
            did => did.is_change() && did.version().is_some_and(|version| version > if_match),
        });
        if !other {
            broken.push(format!("{:?}, and nothing had changed it", event.did));
        }
    }
    broken
}
