//! What a query shows while the table changes under it.

use std::time::Duration;

use super::Table;
use super::plan::{Plan, SessionQuery, Source};
use super::testing::check;
use super::view::{SCANS_MAX, SHORT_SCAN_ROWS_MAX};
use crate::model::{
    AuthenticationType, DeviceName, EndReason, Env, Identity, Session, SessionId, Timestamp,
    UserName, Version,
};
use crate::ndata::{Direction, Filter, Query, SessionMember, Test};
use crate::store::sled::record::Record;
use crate::store::{Access, Rules, Scope, StoreError};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000).plus(Duration::from_millis(millis))
}

fn id(number: u64) -> SessionId {
    SessionId::parse(&format!("{number:032}")).expect("digits")
}

fn put(table: &Table, number: u64) {
    table.insert(&Record {
        session: Session {
            id: id(number),
            identity: Identity {
                user_name: UserName::parse("anna").expect("a name"),
                device_name: DeviceName::parse(&format!("P{number}")).expect("a name"),
                env: Env::Tool,
                authentication_type: AuthenticationType::Bearer,
            },
            started_at: at(number),
            expires_at: at(10_000),
            last_access_at: at(number),
            version: Version(1),
        },
        ceiling: Version(65),
        began: 0,
        written: 0,
        tokens: None,
    });
}

fn touch(table: &Table, number: u64, now: u64) {
    let access = Access {
        id: id(number),
        jti_head: None,
        touch: true,
    };
    let _ = check(table, &access, at(now), true);
}

fn by_last_access(direction: Direction, take: usize) -> SessionQuery {
    Query {
        sort: vec![(SessionMember::LastAccessAt, direction)],
        ..Query::all(take)
    }
}

/// The numbers of the sessions on the page of a query during which
/// something happens to the table, which holds sessions 0 to 5.
fn page_during(query: &SessionQuery, happens: impl FnOnce(&Table)) -> Vec<u64> {
    let table = Table::new(Rules::default());
    (0..6).for_each(|number| put(&table, number));
    let view = table.view(query, at(100)).expect("nobody else scans");
    happens(&table);
    let page = table.answer(query, &query.order(), &view);
    let number = |row: &Session| row.id.as_str().parse().expect("digits");
    page.items.iter().map(number).collect()
}

#[test]
fn a_query_shows_what_was_there_at_its_instant() {
    let filters = vec![Filter {
        member: SessionMember::EnvName,
        test: Test::NotNull,
    }];
    for query in [
        Query::all(10),
        Query {
            filters,
            ..Query::all(10)
        },
    ] {
        let page = page_during(&query, |table| {
            (1..4).for_each(|n| drop(table.remove(id(n), 0, EndReason::Revoked, at(0))));
            (6..12).for_each(|n| put(table, n));
        });
        assert_eq!(page, [0, 1, 2, 3, 4, 5]);
    }
}

#[test]
fn rows_that_move_on_during_a_query_stand_where_their_values_say() {
    let query = by_last_access(Direction::Ascending, 10);
    let moves = |table: &Table| [2, 0].into_iter().for_each(|n| touch(table, n, 200 + n));
    assert_eq!(page_during(&query, moves), [1, 3, 4, 5, 0, 2]);

    let query = by_last_access(Direction::Descending, 10);
    assert_eq!(page_during(&query, moves), [2, 0, 5, 4, 3, 1]);
}

#[test]
fn a_row_that_moves_on_during_a_query_takes_no_other_off_the_page() {
    let query = by_last_access(Direction::Ascending, 3);
    assert_eq!(page_during(&query, |table| touch(table, 1, 200)), [0, 2, 3]);
}

#[test]
fn a_third_long_scan_is_busy() {
    let table = Table::new(Rules::default());
    let plan = Plan::Gather(Source::All, SHORT_SCAN_ROWS_MAX + 1);

    let scans: Vec<_> = (0..SCANS_MAX).map(|_| table.admit(&plan)).collect();

    assert!(scans.iter().all(Result::is_ok));
    assert!(matches!(table.admit(&plan), Err(StoreError::Busy)));
    drop(scans);
    assert!(table.admit(&plan).is_ok());
}

#[test]
fn what_was_looked_at_is_given_free_when_the_query_is_done() {
    let table = Table::new(Rules::default());
    put(&table, 0);
    let query = Query::all(10);
    let view = table.view(&query, at(100)).expect("nobody else scans");
    table.remove(id(0), 0, EndReason::Revoked, at(0));
    drop(view);

    put(&table, 1);

    assert!(table.order.read().limbo.is_empty());
    assert_eq!(
        table.devices.id(&DeviceName::parse("P0").expect("a name")),
        None
    );
    assert_eq!(table.verify(), Ok(()));
}

#[test]
fn a_page_deep_inside_is_the_same_whether_or_not_accesses_are_merged() {
    let table = Table::new(Rules::default());
    let number = |row: &Session| -> u64 { row.id.as_str().parse().expect("digits") };
    // Three of one instant each, so that pages begin within an instant, too.
    for n in 0..240 {
        put(&table, n);
        touch(&table, n, 300 + n / 3);
    }
    table.drain(usize::MAX);
    for n in [0, 1, 2, 50, 51, 100, 101, 150, 239] {
        touch(&table, n, 380 + n % 4);
    }
    let page = |direction, skip, take| -> Vec<u64> {
        let query = Query {
            skip,
            ..by_last_access(direction, take)
        };
        let page = table.page(&query, &Scope::Any, at(1_000));
        page.expect("a page").items.iter().map(number).collect()
    };
    let directions = [Direction::Ascending, Direction::Descending];
    let before = directions.map(|direction| page(direction, 0, 240));
    for (direction, all) in directions.into_iter().zip(&before) {
        assert_eq!(all.len(), 240);
        for skip in 0..240 {
            let here = usize::try_from(skip).expect("small");
            let wanted = &all[here..all.len().min(here + 5)];
            assert_eq!(page(direction, skip, 5), wanted, "{direction:?} {skip}");
        }
    }
    table.drain(usize::MAX);
    let after = directions.map(|direction| page(direction, 0, 240));
    assert_eq!(after, before);
}
