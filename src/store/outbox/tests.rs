//! The outbox by itself: what goes, and what too much comes to.

use super::*;
use crate::model::{Version, WebhookUrl};

fn hook(is_active: bool) -> Arc<Webhook> {
    Arc::new(Webhook {
        id: WebhookId::draw(),
        url: WebhookUrl::parse("http://a/").expect("an address"),
        sealed_secret: None,
        resources: Vec::new(),
        is_active,
        version: Version::FIRST,
    })
}

fn role(commit: u64) -> Arc<Event> {
    let place = ChangePlace {
        epoch: 1,
        commit,
        number: 1,
    };
    let what = Changed::Resource {
        kind: ResourceKind::Role,
        id: "owner".into(),
        version: Version::FIRST,
    };
    let at = Timestamp::from_millis(0);
    event(place, at, at, Author::Server, Action::Updated, what)
}

/// An outbox with the events of these commits, and the directory of its hooks.
fn filled(hooks: &[&Arc<Webhook>], commits: std::ops::RangeInclusive<u64>) -> (Outbox, Directory) {
    let outbox = Outbox::from_records(OutboxRecords::default());
    outbox.apply(commits.map(|commit| Step::Queue(role(commit))).collect());
    let hooks = hooks.iter().map(|hook| Arc::clone(hook));
    (outbox, Directory::default().with_webhooks(hooks))
}

fn tidy(outbox: &Outbox, directory: &Directory, max: usize, failures: usize) {
    loop {
        let steps = outbox.tidy(directory, max, failures, 3, Timestamp::from_millis(9));
        if steps.is_empty() {
            return;
        }
        outbox.apply(steps);
    }
}

fn commits(outbox: &Outbox, hook: &Webhook) -> Vec<u64> {
    let events = outbox.next(hook, usize::MAX);
    events
        .iter()
        .map(|event| event.change.place.commit)
        .collect()
}

#[test]
fn an_event_goes_when_every_active_hook_has_passed_it() {
    let (fast, slow, asleep) = (hook(true), hook(true), hook(false));
    let (outbox, directory) = filled(&[&fast, &slow, &asleep], 1..=10);
    let now = Timestamp::from_millis(0);
    for (hook, commit) in [(&fast, 9), (&slow, 4)] {
        let passed = Settled::Passed(role(commit).number());
        outbox.apply(outbox.settle(hook.id, &passed, 9, now));
    }

    tidy(&outbox, &directory, 100, 100);

    assert_eq!(outbox.state.lock().events.len(), 6);
    assert_eq!(commits(&outbox, &fast), [10]);
    assert_eq!(commits(&outbox, &slow), [5, 6, 7, 8, 9, 10]);
}

#[test]
fn of_too_many_the_oldest_are_given_up_for_who_is_behind_only() {
    let (fast, slow) = (hook(true), hook(true));
    let (outbox, directory) = filled(&[&fast, &slow], 1..=20);
    let passed = Settled::Passed(role(20).number());
    outbox.apply(outbox.settle(fast.id, &passed, 9, Timestamp::from_millis(0)));
    assert!(outbox.is_over(5));

    tidy(&outbox, &directory, 5, 100);

    assert!(!outbox.is_over(5));
    assert_eq!(commits(&outbox, &slow), [16, 17, 18, 19, 20]);
    assert_eq!(outbox.failures(slow.id).len(), 15);
    assert_eq!(outbox.failures(fast.id).len(), 0);
    let state = outbox.state(&slow);
    assert_eq!((state.waiting, state.failures), (5, 15));
}

#[test]
fn of_too_many_failures_the_oldest_are_forgotten() {
    let slow = hook(true);
    let (outbox, directory) = filled(&[&slow], 1..=20);

    tidy(&outbox, &directory, 5, 4);

    let kept = outbox.failures(slow.id);
    let kept: Vec<_> = kept
        .iter()
        .map(|one| one.event.change.place.commit)
        .collect();
    assert_eq!(kept, [12, 13, 14, 15]);
}

#[test]
fn a_delivery_is_read_as_it_was_written_and_nothing_else_is_one() {
    let hook = WebhookId::draw();
    let place = role(7).change.place;
    let id = DeliveryId { hook, place };
    assert_eq!(DeliveryId::parse(&id.to_string()), Some(id));
    for text in [
        "",
        "-1-2-3",
        "1-2-3",
        &format!("{hook}-1-2"),
        &format!("{hook}-01-2-3"),
    ] {
        assert_eq!(DeliveryId::parse(text), None, "{text}");
    }
    assert_eq!(super::place(role(7).number()), (7, 1));
    assert!(behind(7) > role(7).number() && behind(7) < role(8).number());
}
