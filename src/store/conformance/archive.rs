//! Promises of `ended`: when a session ended, why, by whom, and how long that
//! is kept.

use super::{Shop, at, device_name, rules, seconds, user_name};
use crate::model::{Author, EndReason, SessionId, Timestamp};
use crate::ndata::{EndedMember, Limits, Query, next_cursor, parse};
use crate::store::{Rules, Store};

fn query(text: &str) -> Query<EndedMember> {
    parse(Some(text), &Limits::default()).expect("a good query")
}

fn ids<S: Store>(shop: &Shop<S>, text: &str, now: Timestamp) -> Vec<SessionId> {
    let page = shop.ended(&query(text), now);
    page.items.iter().map(|ended| ended.session.id).collect()
}

pub(crate) fn the_archive_says_when_why_and_by_whom<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::open(open, rules(100, Some(60)));
    let expired = shop.begin("1", "Office", at(0));
    shop.check(expired.id, at(50_000)).expect("is live");
    let idle = shop.begin("1", "Office", at(0));
    let replaced = shop.begin("1", "P01", at(0));
    let last = shop.check(replaced.id, at(1)).expect("is live").session;
    let second = shop.begin("2", "P01", at(2));
    let revoked = shop.begin("1", "Link", at(0));
    shop.end(revoked.id, at(3)).expect("is live");
    shop.edit(2, at(4), |user| user.is_active = false);
    shop.sweep(at(500_000), 10);

    let page = shop.ended(&Query::all(10), at(500_000));

    assert_eq!((page.count, page.total, page.more), (5, 5, false));
    let by_second = Author::Caller {
        user_name: user_name("2"),
        device_name: device_name("P01"),
    };
    let ended: Vec<_> = page
        .items
        .iter()
        .map(|ended| (ended.session.id, ended.ended_at, ended.reason, &ended.by))
        .collect();
    let (operator, server) = (&Author::CommandLine, &Author::Server);
    assert_eq!(
        ended,
        [
            (replaced.id, at(2), EndReason::Replaced, &by_second),
            (revoked.id, at(3), EndReason::Revoked, operator),
            (second.id, at(4), EndReason::AccountDisabled, operator),
            (idle.id, at(60_000), EndReason::Idle, server),
            (expired.id, at(100_000), EndReason::Expired, server),
        ]
    );
    assert_eq!(page.items[0].session, last);
    let commits: Vec<_> = page.items.iter().map(|ended| ended.commit).collect();
    assert!(commits.is_sorted() && commits[0] > 0, "{commits:?}");
}

pub(crate) fn an_ending_is_in_the_archive_at_once<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let all: Vec<_> = (0..40)
        .map(|_| shop.begin("1", "Office", at(0)).id)
        .collect();
    // Behind a fence, whether or not the records have moved yet.
    shop.edit(1, at(1), |user| user.is_active = false);

    let page = shop.ended(&query("$take=7"), at(1));
    assert_eq!((page.items.len(), page.count, page.total), (7, 7, 40));
    let mut found = ids(&shop, "", at(1));
    found.sort();
    let mut wanted = all;
    wanted.sort();
    assert_eq!(found, wanted);
}

pub(crate) fn the_archive_is_cut_to_its_age_and_its_length<S: Store>(open: &impl Fn(Rules) -> S) {
    let kept = Rules {
        lifetime: [seconds(5); 4],
        ended_retention: seconds(10),
        ended_max: 3,
        ..Rules::default()
    };
    let shop = Shop::open(open, kept);
    let all: Vec<_> = (0..5)
        .map(|millis| {
            let session = shop.begin("1", "Office", at(0));
            shop.end(session.id, at(millis)).expect("is live");
            session.id
        })
        .collect();

    // Beyond the length nothing is shown, and nothing goes before its tokens do.
    assert_eq!(ids(&shop, "", at(10)), all[2..]);
    assert_eq!(shop.sweep(at(4_000), 9).purged, 0);
    let purged = [1, 9].map(|max| shop.sweep(at(6_000), max).purged);
    assert_eq!(purged, [1, 1]);
    assert_eq!(ids(&shop, "", at(6_000)), all[2..]);
    // Beyond the age as well, before any sweep.
    assert_eq!(ids(&shop, "", at(10_003)), all[3..]);
    assert_eq!(shop.sweep(at(10_003), 9).purged, 1);
    assert_eq!(shop.sweep(at(10_003), 9).purged, 0);
}

pub(crate) fn the_archive_is_filtered_sorted_and_paged<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let mut all = Vec::new();
    for number in 0..30 {
        let user = ["1", "2"][number % 2];
        let session = shop.begin(user, "Office", at(0));
        let now = i64::try_from(number / 3).expect("small");
        shop.end(session.id, at(now)).expect("is live");
        all.push((now, user, session.id));
    }
    let now = at(100);
    let of = |wanted: &dyn Fn(&(i64, &str, SessionId)) -> bool, newest_first: bool| {
        let mut rows: Vec<_> = all.iter().filter(|row| wanted(row)).collect();
        rows.sort_by_key(|row| (if newest_first { -row.0 } else { row.0 }, row.2));
        rows.iter().map(|row| row.2).collect::<Vec<_>>()
    };

    assert_eq!(ids(&shop, "", now), of(&|_| true, false));
    assert_eq!(ids(&shop, "$sort=-endedAt", now), of(&|_| true, true));
    assert_eq!(
        ids(&shop, "userName=2", now),
        of(&|row| row.1 == "2", false)
    );
    assert_eq!(ids(&shop, "identity.userName=2&endReason=idle", now), []);
    assert_eq!(ids(&shop, "endReason=revoked", now).len(), 30);
    assert_eq!(ids(&shop, "endedBy.userName=null", now).len(), 30);
    let mut walk = query("$sort=-endedAt&$take=7");
    let mut walked = Vec::new();
    loop {
        let page = shop.ended(&walk, now);
        assert_eq!(page.total, 30);
        walked.extend(page.items.iter().map(|ended| ended.session.id));
        let Some(last) = page.items.last().filter(|_| page.more) else {
            break;
        };
        let cursor = next_cursor(&walk, last);
        walk = query(&format!("$sort=-endedAt&$take=7&$after={cursor}"));
    }
    assert_eq!(walked, of(&|_| true, true));
}
