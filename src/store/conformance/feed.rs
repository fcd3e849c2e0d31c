//! Promises of `end_some` and `revocations`: many sessions end in one step, and
//! whoever checks tokens hears of every ending.

use super::{Shop, at, rules, seconds};
use crate::model::{AuditAction, Cause, EndReason, SessionId};
use crate::ndata::{Limits, parse, parse_filters};
use crate::store::{EndSome, FeedPlace, Rules, Store};

fn some(ids: &[SessionId], text: &str) -> EndSome {
    EndSome {
        ids: ids.to_vec(),
        filters: parse_filters(Some(text)).expect("good filters"),
        reason: EndReason::NotBefore,
        cause: Cause::operator(),
        detail: text.into(),
        told: None,
    }
}

pub(crate) fn only_what_still_matches_is_ended_with_others<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::open(open, rules(100, None));
    let ids: Vec<_> = ["1", "2", "1"]
        .map(|user| shop.begin(user, "Office", at(0)).id)
        .to_vec();
    shop.end(ids[2], at(1)).expect("is live");

    let mut part = some(&ids, "userName=1");
    let ended = shop.run(shop.store.end_some(part.clone(), at(2)));
    let ended = ended.expect("the store is well");
    assert_eq!(ended.count, 1);
    assert!(!shop.is_live(ids[0], at(2)) && shop.is_live(ids[1], at(2)));
    assert_eq!(shop.reason(ids[0], at(2)), Some(EndReason::NotBefore));
    assert_eq!(shop.reason(ids[2], at(2)), Some(EndReason::Revoked));

    // The parts of one act are one entry of the audit.
    part = some(&ids, "userName=2");
    part.told = ended.told;
    let ended = shop
        .run(shop.store.end_some(part.clone(), at(3)))
        .expect("well");
    assert_eq!(ended.count, 1);
    part.told = ended.told;
    let none = shop.run(shop.store.end_some(part, at(4))).expect("well");
    assert_eq!(none.count, 0);
    let told = parse(Some("action=sessionsEnded"), &Limits::default()).expect("good");
    let page = shop.audit(&told, at(4));
    let counts: Vec<_> = page.items.iter().map(|e| (e.action, e.count)).collect();
    assert_eq!(counts, [(AuditAction::SessionsEnded, 2)]);
}

pub(crate) fn the_feed_tells_every_ending_once_and_in_order<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let read = |since: Option<FeedPlace>, max| {
        let part = shop.run(shop.store.revocations(since, max, at(50)));
        let ids: Vec<_> = part.items.iter().map(|(id, _)| *id).collect();
        (ids, part.next, part.reset)
    };
    let (ids, start, reset) = read(None, 9);
    assert_eq!((ids, reset), (vec![], true));
    assert_eq!(read(Some(start), 9), (vec![], start, false));

    let mut endings = shop.store.endings();
    let (out, replaced) = (
        shop.begin("1", "Office", at(0)),
        shop.begin("1", "P01", at(0)),
    );
    shop.end(out.id, at(1)).expect("is live");
    let told = async { tokio::time::timeout(seconds(60), endings.changed()).await };
    assert!(shop.run(told).is_ok_and(|told| told.is_ok()));
    shop.begin("2", "P01", at(2));
    let mut fenced: Vec<_> = (0..5)
        .map(|_| shop.begin("2", "Office", at(3)).id)
        .collect();
    fenced.extend(shop.live(at(3)).into_iter().filter(|id| {
        shop.find(*id, at(3))
            .is_some_and(|session| session.identity.device_name.as_str() == "P01")
    }));
    fenced.sort();
    shop.edit(2, at(4), |user| user.is_active = false);

    let mut all = vec![out.id, replaced.id];
    all.extend(&fenced);
    let (ids, end, _) = read(Some(start), 99);
    assert_eq!(ids, all);
    assert_eq!(read(Some(end), 99).0, []);
    // In small parts as well, also in the midst of one change.
    let (mut walked, mut place) = (Vec::new(), start);
    loop {
        let (ids, next, reset) = read(Some(place), 3);
        assert!(!reset && ids.len() <= 3);
        if ids.is_empty() {
            break;
        }
        walked.extend(ids);
        place = next;
    }
    assert_eq!(walked, all);
    // A place of another epoch, or ahead of everything, is not of this feed.
    for strange in [
        FeedPlace {
            epoch: end.epoch + 1,
            ..end
        },
        FeedPlace {
            commit: end.commit + 1_000,
            ..end
        },
    ] {
        let (ids, _, reset) = read(Some(strange), 99);
        assert_eq!((ids, reset), (all.clone(), true));
    }
}

pub(crate) fn the_feed_tells_as_long_as_tokens_last_whatever_the_archive_keeps<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let kept = Rules {
        lifetime: [seconds(100); 4],
        ended_retention: seconds(1),
        ended_max: 0,
        ..Rules::default()
    };
    let shop = Shop::open(open, kept);
    let ended = shop.begin("1", "Office", at(0));
    let expired = shop.begin("1", "Office", at(0));
    shop.end(ended.id, at(1)).expect("is live");
    let told = |now| {
        let part = shop.run(shop.store.revocations(None, 9, at(now)));
        part.items.iter().map(|(id, _)| *id).collect::<Vec<_>>()
    };
    shop.sweep(at(50_000), 9);
    assert_eq!(told(99_999), [ended.id]);
    // From here on its tokens are refused without a feed, as those of a
    // session whose lifetime is over.
    shop.sweep(at(100_000), 9);
    assert_eq!(told(100_000), []);
    assert!(!shop.is_live(expired.id, at(100_000)));
}
