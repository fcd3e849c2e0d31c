//! Promises of `outbox` and `settle`: hooks are told of everything they want,
//! once and in order, from their beginning on; what they never get is kept.

use super::{Shop, at, rules};
use crate::model::{
    DirectoryChange, ResourceKind, SecretInput, Timestamp, Webhook, WebhookId, WebhookInput,
    WebhookUrl,
};
use crate::store::{Rules, Settled, Store};

fn input(resources: &[ResourceKind], is_active: bool) -> WebhookInput {
    WebhookInput {
        url: WebhookUrl::parse("http://127.0.0.1/").expect("an address"),
        secret: SecretInput::Keep,
        resources: resources.to_vec(),
        is_active,
    }
}

fn create<S: Store>(shop: &Shop<S>, resources: &[ResourceKind], now: Timestamp) -> WebhookId {
    let id = WebhookId::draw();
    let input = input(resources, true);
    let change = DirectoryChange::CreateWebhook { id, input };
    shop.change(change, now).expect("the operator may");
    id
}

fn hook<S: Store>(shop: &Shop<S>, id: WebhookId) -> std::sync::Arc<Webhook> {
    let directory = shop.run(shop.store.directory());
    std::sync::Arc::clone(directory.webhook(id).expect("it is there"))
}

/// The ids of what a hook is told of next, with their numbers.
fn ahead<S: Store>(shop: &Shop<S>, id: WebhookId) -> Vec<(String, u64)> {
    let events = shop.store.outbox().next(&hook(shop, id), usize::MAX);
    let told = events.iter().map(|event| {
        let what = match &event.change.what {
            crate::store::Changed::Session(session, _) => session.id.to_string(),
            crate::store::Changed::Resource { kind, .. } => kind.as_str().to_owned(),
        };
        (what, event.number())
    });
    told.collect()
}

fn names(ahead: &[(String, u64)]) -> Vec<&str> {
    ahead.iter().map(|(name, _)| name.as_str()).collect()
}

fn settle<S: Store>(shop: &Shop<S>, id: WebhookId, settled: Settled, now: Timestamp) {
    shop.run(shop.store.settle(id, settled, now))
        .expect("written");
}

pub(crate) fn a_hook_is_told_of_what_it_wants_from_its_beginning_on<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::open(open, rules(100, None));
    shop.begin("1", "Office", at(0));
    let sessions = create(&shop, &[ResourceKind::Session], at(1));
    let all = create(&shop, &[], at(2));
    assert_eq!(ahead(&shop, all), []);

    let first = shop.begin("1", "P01", at(3)).id.to_string();
    shop.edit(2, at(4), |user| user.name = "other".to_owned());
    let second = shop.begin("2", "P01", at(5)).id.to_string();

    let told = ahead(&shop, sessions);
    let mut replaced = vec![first.as_str(), &first, &second];
    // The ending and the beginning of one step may be told either way round.
    let mut heard = names(&told);
    replaced[1..].sort_unstable();
    heard[1..].sort_unstable();
    assert_eq!(heard, replaced);
    assert_eq!(ahead(&shop, all).len(), 4);
    assert!(told.is_sorted_by_key(|(_, number)| *number));
}

pub(crate) fn what_is_settled_is_not_told_again<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::open(open, rules(100, None));
    let (one, other) = (
        create(&shop, &[ResourceKind::Session], at(0)),
        create(&shop, &[ResourceKind::Session], at(0)),
    );
    for n in 1..=4 {
        shop.begin("1", "Office", at(n));
    }
    let events = ahead(&shop, one);

    settle(&shop, one, Settled::Passed(events[1].1), at(5));
    assert_eq!(ahead(&shop, one), events[2..]);
    settle(&shop, one, Settled::Passed(events[0].1), at(6));
    assert_eq!(ahead(&shop, one), events[2..], "nobody goes back");
    let why = || "answered 500".into();
    settle(&shop, one, Settled::GaveUp(vec![events[2].1], why()), at(7));
    settle(&shop, one, Settled::GaveUp(vec![events[2].1], why()), at(8));
    assert_eq!(ahead(&shop, one), events[3..]);
    let failures = shop.store.outbox().failures(one);
    assert_eq!(failures.len(), 1);
    assert_eq!(
        (failures[0].event.number(), failures[0].at),
        (events[2].1, at(7))
    );
    settle(&shop, one, Settled::Forgotten(events[2].1, None), at(9));
    settle(&shop, one, Settled::Forgotten(events[2].1, None), at(9));
    assert!(shop.store.outbox().failures(one).is_empty());
    assert_eq!(ahead(&shop, other), events, "each hook by itself");
}

pub(crate) fn a_hook_that_sleeps_or_goes_is_told_of_nothing<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::open(open, rules(100, None));
    let id = create(&shop, &[], at(0));
    let put = |is_active, now| {
        let input = input(&[], is_active);
        let change = DirectoryChange::ReplaceWebhook { id, input };
        shop.change(change, now).expect("the operator may");
    };
    shop.begin("1", "Office", at(1));
    put(false, at(2));
    assert_eq!(ahead(&shop, id), []);
    shop.begin("1", "Office", at(3));
    put(true, at(4));
    assert_eq!(ahead(&shop, id), [], "what happened meanwhile is nobody's");
    shop.begin("1", "Office", at(5));
    let last = ahead(&shop, id);
    assert_eq!(last.len(), 1);
    settle(
        &shop,
        id,
        Settled::GaveUp(vec![last[0].1], "no".into()),
        at(6),
    );

    shop.change(DirectoryChange::DeleteWebhook(id), at(7))
        .expect("the operator may");
    settle(&shop, id, Settled::Passed(u64::MAX), at(8));
    assert!(shop.store.outbox().failures(id).is_empty());
}
