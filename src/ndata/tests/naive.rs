//! An independent, naive reading of what a query means: shares only the types
//! of a query with the code under test.

use std::cmp::Ordering;

use super::things::{Member4, Thing};
use super::*;

fn naive_order(query: &Query<Member4>, a: &Thing, b: &Thing) -> Ordering {
    let keys = query.sort.iter().copied();
    let ties = [
        (Member4::Time, Direction::Ascending),
        (Member4::Key, Direction::Ascending),
    ];
    for (member, direction) in keys.chain(ties) {
        let standing = match member {
            Member4::Text => a
                .text
                .as_ref()
                .map(String::as_bytes)
                .cmp(&b.text.as_ref().map(String::as_bytes)),
            Member4::Time => a.time.cmp(&b.time),
            Member4::Number => a.number.cmp(&b.number),
            Member4::Bool => a.bool.cmp(&b.bool),
            Member4::Key => a.key.cmp(&b.key),
        };
        if standing != Ordering::Equal {
            return if direction == Direction::Ascending {
                standing
            } else {
                standing.reverse()
            };
        }
    }
    Ordering::Equal
}

/// The row's value as the literal that equals it.
fn as_literal(row: &Thing, member: Member4) -> Option<Literal> {
    match member {
        Member4::Text => row.text.clone().map(Literal::Text),
        Member4::Time => row
            .time
            .map(|millis| Literal::Time(i128::from(millis) * 1_000_000)),
        Member4::Number => row.number.map(Literal::Number),
        Member4::Bool => row.bool.map(Literal::Bool),
        Member4::Key => Some(Literal::Number(row.key)),
    }
}

fn naive_less(a: &Literal, b: &Literal) -> bool {
    match (a, b) {
        (Literal::Text(a), Literal::Text(b)) => a.as_bytes() < b.as_bytes(),
        (Literal::Time(a), Literal::Time(b)) => a < b,
        (Literal::Number(a), Literal::Number(b)) => a < b,
        _ => false,
    }
}

fn naive_passes(row: &Thing, filter: &Filter<Member4>) -> bool {
    let value = as_literal(row, filter.member);
    let set = value.clone();
    let has = |wanted: &dyn Fn(&str) -> bool| matches!(&value, Some(Literal::Text(t)) if wanted(t));
    match &filter.test {
        Test::Eq(literal) => value.as_ref() == Some(literal),
        Test::Neq(literal) => value.as_ref() != Some(literal),
        Test::Gt(literal) => set.is_some_and(|value| naive_less(literal, &value)),
        Test::Gte(literal) => set.is_some_and(|value| !naive_less(&value, literal)),
        Test::Lt(literal) => set.is_some_and(|value| naive_less(&value, literal)),
        Test::Lte(literal) => set.is_some_and(|value| !naive_less(literal, &value)),
        Test::In(literals) => set.is_some_and(|value| literals.contains(&value)),
        Test::NotIn(literals) => !set.is_some_and(|value| literals.contains(&value)),
        Test::Contains(part) => has(&|text| text.contains(part)),
        Test::StartsWith(part) => has(&|text| text.starts_with(part)),
        Test::EndsWith(part) => has(&|text| text.ends_with(part)),
        Test::Null => value.is_none(),
        Test::NotNull => value.is_some(),
    }
}

/// Picks the smallest row again and again; knows nothing of cursors.
pub(super) fn naive_matches(query: &Query<Member4>, rows: &[Thing]) -> Vec<Thing> {
    let mut left: Vec<_> = rows
        .iter()
        .filter(|row| query.filters.iter().all(|f| naive_passes(row, f)))
        .collect();
    let mut matches = Vec::new();
    while let Some(first) = left.iter().copied().min_by(|a, b| naive_order(query, a, b)) {
        left.retain(|row| row.key != first.key);
        matches.push(first.clone());
    }
    matches
}
