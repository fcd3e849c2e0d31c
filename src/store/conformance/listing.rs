//! Promises of `page`.

use super::{Shop, at, rules, user_name};
use crate::model::{Session, SessionId};
use crate::ndata::{
    After, Direction, Filter, Literal, Member, Query, Row, SessionMember, Test, Value,
};
use crate::store::{Rules, Scope, SessionPage, Store};

/// The cursor behind a row.
pub(crate) fn after_row(query: &Query<SessionMember>, row: &Session) -> After {
    let owned = |value: Value<'_>| match value {
        Value::Text(text) => Value::Text(text.into_owned().into()),
        Value::Null => Value::Null,
        Value::Time(time) => Value::Time(time),
        Value::Number(number) => Value::Number(number),
        Value::Bool(bool) => Value::Bool(bool),
    };
    After(
        query
            .order()
            .iter()
            .map(|(member, _)| owned(row.value(*member)))
            .collect(),
    )
}

fn ids(page: &SessionPage) -> Vec<SessionId> {
    page.items.iter().map(|session| session.id).collect()
}

fn filter(member: SessionMember, test: Test) -> Filter<SessionMember> {
    Filter { member, test }
}

/// Twelve sessions of three users, some of them begun at one instant.
fn crowd<S: Store>(shop: &Shop<S>) -> Vec<Session> {
    let begin = |number: i64| {
        let place = usize::try_from(number).expect("is positive");
        let device = if place % 2 == 0 { "Office" } else { "Link" };
        let session = shop.begin(super::USERS[place % 3], device, at(number / 3 * 10));
        for _ in 0..number % 4 {
            shop.check(session.id, at(100 - number)).expect("is live");
        }
        shop.find(session.id, at(100)).expect("is live")
    };
    (0..12).map(begin).collect()
}

pub(crate) fn counts_are_exact_whatever_the_page_holds<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    crowd(&shop);
    for (skip, take, count, more) in [
        (0, 5, 5, true),
        (0, 12, 12, false),
        (8, 5, 4, false),
        (40, 5, 0, false),
        (0, 0, 0, true),
    ] {
        let query = Query {
            skip,
            ..Query::all(take)
        };
        let page = shop.page(&query, &Scope::Any, at(100));
        let counted = Query {
            count_only: true,
            ..query
        };
        let counts = shop.page(&counted, &Scope::Any, at(100));

        assert_eq!(
            (page.items.len(), page.count, page.total),
            (count, count, 12),
            "{skip} {take}"
        );
        assert_eq!(page.more, more, "{skip} {take}");
        assert_eq!(
            (counts.items.len(), counts.count, counts.total),
            (0, count, 12)
        );
    }
}

pub(crate) fn own_scope_neither_lists_nor_counts_others<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    crowd(&shop);
    let own = Scope::Own(user_name("1"));
    let others = Query {
        filters: vec![filter(
            SessionMember::UserName,
            Test::Eq(Literal::Text("2".to_owned())),
        )],
        ..Query::all(100)
    };

    let page = shop.page(&Query::all(3), &own, at(100));

    assert_eq!((page.count, page.total, page.more), (3, 4, true));
    assert!(
        page.items
            .iter()
            .all(|session| session.identity.user_name == user_name("1"))
    );
    assert_eq!(shop.page(&others, &own, at(100)).total, 0);
    assert_eq!(shop.page(&others, &Scope::Any, at(100)).total, 4);
}

pub(crate) fn what_is_not_live_is_not_listed_from_that_very_instant<S: Store>(
    open: &impl Fn(Rules) -> S,
) {
    let shop = Shop::open(open, rules(100, Some(60)));
    let idle = shop.begin("1", "Office", at(0));
    let busy = shop.begin("1", "Office", at(0));
    shop.check(busy.id, at(59_000)).expect("is live");
    let ended = shop.begin("1", "Office", at(0));
    shop.end(ended.id, at(1)).expect("is live");

    let mut both = vec![idle.id, busy.id];
    both.sort();
    assert_eq!(shop.live(at(59_999)), both);
    assert_eq!(shop.live(at(60_000)), [busy.id]);
    assert_eq!(shop.live(at(99_999)), [busy.id]);
    assert_eq!(shop.page(&Query::all(9), &Scope::Any, at(100_000)).total, 0);
}

pub(crate) fn rows_follow_the_sort_keys_then_the_tie_break<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let all = crowd(&shop);
    for sort in orders() {
        let query = Query {
            sort,
            ..Query::all(100)
        };
        let order = query.order();
        let mut expected: Vec<&Session> = all.iter().collect();
        expected.sort_by(|a, b| Query::compare(&order, *a, *b));

        let page = shop.page(&query, &Scope::Any, at(100));

        assert_eq!(page.items.iter().collect::<Vec<_>>(), expected, "{order:?}");
    }
}

/// Every member either way, and two keys at once.
fn orders() -> Vec<Vec<(SessionMember, Direction)>> {
    let either = [Direction::Ascending, Direction::Descending];
    let single = SessionMember::ALL
        .iter()
        .flat_map(|member| either.map(|direction| vec![(*member, direction)]));
    let pairs = [
        vec![
            (SessionMember::UserName, Direction::Descending),
            (SessionMember::LastAccessAt, Direction::Ascending),
        ],
        vec![
            (SessionMember::DeviceName, Direction::Ascending),
            (SessionMember::Version, Direction::Descending),
        ],
        Vec::new(),
    ];
    single.chain(pairs).collect()
}

pub(crate) fn cursors_visit_every_row_once_in_every_order<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    crowd(&shop);
    for sort in orders() {
        let mut query = Query {
            sort,
            ..Query::all(5)
        };
        let whole = ids(&shop.page(
            &Query {
                take: 100,
                ..query.clone()
            },
            &Scope::Any,
            at(100),
        ));
        let mut seen = Vec::new();
        loop {
            let page = shop.page(&query, &Scope::Any, at(100));
            assert_eq!(page.total, 12, "all matches, before paging");
            seen.extend(ids(&page));
            let Some(last) = page.items.last().filter(|_| page.more) else {
                break;
            };
            query.after = Some(after_row(&query, last));
        }

        assert_eq!(seen, whole, "{:?}", query.sort);
    }
}

pub(crate) fn filters_are_all_put_to_every_row<S: Store>(open: &impl Fn(Rules) -> S) {
    let shop = Shop::documented(open);
    let all = crowd(&shop);
    let text = |text: &str| Literal::Text(text.to_owned());
    let time = |millis| Literal::Time(i128::from(at(millis).as_millis()) * 1_000_000);
    let one = all[4].id.as_str().to_owned();
    for filters in [
        vec![filter(
            SessionMember::SessionId,
            Test::Eq(Literal::Text(one)),
        )],
        vec![filter(
            SessionMember::UserName,
            Test::In(vec![text("1"), text("2"), text("x")]),
        )],
        vec![
            filter(SessionMember::UserName, Test::Eq(text("1"))),
            filter(
                SessionMember::DeviceName,
                Test::StartsWith("Off".to_owned()),
            ),
        ],
        vec![filter(SessionMember::StartedAt, Test::Lt(time(20)))],
        vec![
            filter(SessionMember::StartedAt, Test::Gte(time(10))),
            filter(SessionMember::LastAccessAt, Test::Gt(time(95))),
        ],
        vec![filter(SessionMember::Version, Test::Gt(Literal::Number(2)))],
        vec![filter(SessionMember::EnvName, Test::Neq(text("Tool")))],
        vec![filter(SessionMember::ExpiresAt, Test::Lte(time(0)))],
    ] {
        let query = Query {
            filters,
            ..Query::all(100)
        };
        let expected = all.iter().filter(|session| query.passes(*session)).count();

        let page = shop.page(&query, &Scope::Any, at(100));

        assert!(page.items.iter().all(|session| query.passes(session)));
        assert_eq!(
            (page.items.len(), page.total),
            (expected, expected as u64),
            "{query:?}"
        );
    }
}
