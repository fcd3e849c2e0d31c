//! What must hold for every text, every query and every set of rows.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{Index, select as one_of};

use super::naive::naive_matches;
use super::printer::Printer;
use super::things::{Member4, queries, things};
use super::*;

/// Texts from the words of the grammar.
fn grammar() -> impl Strategy<Value = String> {
    let words = one_of(vec![
        "userName",
        "startedAt",
        "_v",
        "_x",
        "identity.envName",
        "isActive",
        "name",
        "$sort",
        "$take",
        "$skip",
        "$count",
        "$after",
        "$include",
        "%24",
        "=",
        "=",
        "=",
        "&",
        "&",
        ";",
        ";",
        ":",
        ":",
        ":",
        ",",
        ",",
        "\"",
        "\"",
        "\\",
        "%22",
        "%5C",
        "%",
        "%3A",
        "%zz",
        "%FF",
        "+",
        "-",
        "eq",
        "in",
        "nin",
        "between",
        "null",
        "notNull",
        "contains",
        "gt",
        "desc",
        "1",
        "true",
        "2023-08-04",
        "T11:19:38",
        ".5",
        "Z",
        "+02:00",
        "9223372036854775808",
        "\u{13e}",
        "\u{1f600}",
    ]);
    prop::collection::vec(words, 0..24).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(raw in prop_oneof![any::<String>(), grammar()]) {
        for ignore_unknown_members in [false, true] {
            let limits = Limits { ignore_unknown_members, ..Limits::default() };
            let errors = [
                parse::<S>(Some(&raw), &limits).err(),
                parse::<UserMember>(Some(&raw), &limits).err(),
                parse::<DeviceMember>(Some(&raw), &limits).err(),
                parse::<RoleMember>(Some(&raw), &limits).err(),
            ];
            for error in errors.into_iter().flatten() {
                prop_assert!(!error.errors.is_empty() && error.errors.len() <= 32);
            }
        }
    }
}

proptest! {
    #[test]
    fn a_query_written_as_text_is_read_back(
        query in queries(),
        style in prop::collection::vec(any::<Index>(), 1..16),
    ) {
        let raw = Printer(&style, 0).query(&query);
        prop_assert_eq!(parse(Some(&raw), &Limits::default()), Ok(query), "{}", raw);
    }

    #[test]
    fn a_selection_is_what_a_naive_reading_says(query in queries(), rows in things()) {
        let matches = naive_matches(&query, &rows);
        let skip = usize::try_from(query.skip).expect("small");
        let page: Vec<_> = matches.iter().skip(skip).take(query.take).cloned().collect();

        let selected = select(&query, rows.iter().cloned().map(Arc::new));
        prop_assert_eq!(selected.total, matches.len() as u64);
        prop_assert_eq!(selected.count, page.len());
        prop_assert_eq!(selected.more, matches.len() > skip + query.take);
        let items: Vec<_> = selected.items.iter().map(|row| (**row).clone()).collect();
        prop_assert_eq!(items, if query.count_only { Vec::new() } else { page });
    }

    #[test]
    fn walking_by_cursor_gives_every_match_once_in_order(
        query in queries(),
        rows in things(),
        takes in prop::collection::vec(1_usize..6, 1..5),
        style in prop::collection::vec(any::<Index>(), 1..16),
    ) {
        let whole = Query { skip: 0, take: 10_000, count_only: false, ..query };
        let matches = naive_matches(&whole, &rows);
        // Each page is asked for as a client would, by text.
        let raw = Printer(&style, 0).query(&whole);
        let raw = raw.replace("&$skip=0", "").replace("&%24Take=10000", "");
        let mut walked = Vec::new();
        let mut after = String::new();
        // A walk that gains no row a page would never end.
        for take in takes.iter().cycle().take(rows.len() + 1) {
            let raw = format!("{raw}&$take={take}{after}");
            let page = parse::<Member4>(Some(&raw), &Limits::default());
            let page = page.map_err(|errors| TestCaseError::fail(format!("{raw}: {errors:?}")))?;
            let selected = select(&page, &rows);
            prop_assert_eq!(selected.total, matches.len() as u64);
            prop_assert_eq!(selected.count, selected.items.len());
            let counted = select(&Query { count_only: true, ..page.clone() }, &rows);
            prop_assert_eq!((counted.count, counted.more), (selected.count, selected.more));
            walked.extend(selected.items.iter().map(|row| (*row).clone()));
            if !selected.more {
                break;
            }
            let last = selected.items.last().expect("a page with more behind it has a row");
            after = format!("&$after={}", next_cursor(&page, last));
        }
        prop_assert_eq!(walked, matches);
    }

    #[test]
    fn sessions_that_come_and_go_do_not_disturb_the_walk_of_the_others(
        versions in prop::collection::vec(1_u64..5, 4..20),
        gone in any::<Index>(),
    ) {
        let row = |(id, version)| session(id, "1", "P01", [0, 9, 1], version);
        let rows: Vec<_> = (0_u8..).zip(versions).map(row).collect();
        let query = Query { sort: vec![(S::Version, Direction::Descending)], ..Query::all(3) };
        let first = select(&query, &rows);
        let last = first.items.last().expect("more follows a row");
        let raw = format!("$sort=-_v&$after={}", next_cursor(&query, last));
        let gone = rows[gone.index(rows.len())].id;

        let stayed = rows.iter().filter(|row| row.id != gone);
        let rest = select(&read(&raw).expect("our cursor"), stayed);
        let mut seen: Vec<_> = first.items.iter().chain(&rest.items).map(|row| row.id).collect();
        seen.push(gone);
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), rows.len());
        let is_repeated = |row: &&Session| first.items.iter().any(|other| other.id == row.id);
        prop_assert!(!rest.items.iter().any(is_repeated));
    }
}
