//! The `$` parameters: which page of the answer is wanted, and in which order.

use super::error::Fault;
use super::literal::{boolean, number};
use super::query::{Direction, Member};
use super::raw::decode;

/// What the `$` parameters of a query say so far.
#[derive(Debug)]
pub(super) struct Paging<M> {
    pub(super) skip: Option<u64>,
    pub(super) take: Option<u64>,
    pub(super) count: Option<bool>,
    /// Still to be held against the filters and the sort.
    pub(super) after: Option<String>,
    /// Without doubles.
    pub(super) sort: Vec<(M, Direction)>,
}

impl<M: Member> Paging<M> {
    pub(super) const fn new() -> Self {
        Self {
            skip: None,
            take: None,
            count: None,
            after: None,
            sort: Vec::new(),
        }
    }

    /// Reads one parameter; `name` is decoded and begins with `$`.
    pub(super) fn read(&mut self, name: &str, raw: &str) -> Result<(), Fault> {
        match name.to_ascii_lowercase().as_str() {
            "$skip" => once(&mut self.skip, raw, |text| {
                whole(text).ok_or(Fault::NotACount)
            }),
            "$take" => once(&mut self.take, raw, |text| {
                whole(text).ok_or(Fault::NotACount)
            }),
            "$count" => once(&mut self.count, raw, |text| {
                boolean(text).ok_or(Fault::NotABool)
            }),
            "$after" => once(&mut self.after, raw, |text| Ok(text.to_owned())),
            "$sort" => self.read_sort(raw),
            "$include" if raw.is_empty() => Ok(()),
            "$include" => Err(Fault::Include),
            _ => Err(Fault::UnknownParameter),
        }
    }

    fn read_sort(&mut self, raw: &str) -> Result<(), Fault> {
        for key in raw.split(',').filter(|key| !key.is_empty()) {
            let (member, direction) = sort_key(key)?;
            if !self.sort.iter().any(|(known, _)| *known == member) {
                self.sort.push((member, direction));
            }
        }
        Ok(())
    }
}

/// Fills a slot from a parameter that may stand only once and not be empty.
fn once<T>(
    slot: &mut Option<T>,
    raw: &str,
    read: impl FnOnce(&str) -> Result<T, Fault>,
) -> Result<(), Fault> {
    if slot.is_some() {
        return Err(Fault::Twice);
    }
    let text = decode(raw.as_bytes())?;
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    *slot = Some(read(&text)?);
    Ok(())
}

/// A number that is not negative.
fn whole(text: &str) -> Option<u64> {
    number(text).and_then(|number| u64::try_from(number).ok())
}

/// `key`, `-key`, `key:asc` or `key:desc`.
fn sort_key<M: Member>(raw: &str) -> Result<(M, Direction), Fault> {
    let (name, direction) = match raw.split_once(':') {
        Some((name, direction)) => (name, Some(sort_direction(direction)?)),
        None => (raw, None),
    };
    let name = decode(name.as_bytes())?;
    let (name, has_minus) = match name.strip_prefix('-') {
        Some(name) => (name, true),
        None => (name.as_str(), false),
    };
    let direction = match (has_minus, direction) {
        (true, Some(Direction::Ascending)) => return Err(Fault::SortContradiction),
        (true, _) => Direction::Descending,
        (false, direction) => direction.unwrap_or(Direction::Ascending),
    };
    let member = find(name).ok_or_else(|| Fault::UnknownSortKey(name.to_owned()))?;
    Ok((member, direction))
}

fn sort_direction(raw: &str) -> Result<Direction, Fault> {
    match decode(raw.as_bytes())?.to_ascii_lowercase().as_str() {
        "asc" => Ok(Direction::Ascending),
        "desc" => Ok(Direction::Descending),
        _ => Err(Fault::SortDirection),
    }
}

/// A member by its name or its other spelling, any case.
pub(super) fn find<M: Member>(name: &str) -> Option<M> {
    let is_called = |member: &M| {
        let alias = member.alias();
        member.name().eq_ignore_ascii_case(name)
            || alias.is_some_and(|alias| alias.eq_ignore_ascii_case(name))
    };
    M::ALL.iter().copied().find(is_called)
}

#[cfg(test)]
mod tests {
    use super::super::query::SessionMember as S;
    use super::*;

    fn sort(raw: &str) -> Result<Vec<(S, Direction)>, Fault> {
        let mut paging = Paging::new();
        paging.read("$sort", raw).map(|()| paging.sort)
    }

    #[test]
    fn sort_keys_are_read_in_order() {
        let up = Direction::Ascending;
        let down = Direction::Descending;
        for (raw, keys) in [
            ("", vec![]),
            (",,", vec![]),
            ("userName", vec![(S::UserName, up)]),
            ("USERNAME:ASC", vec![(S::UserName, up)]),
            ("-userName", vec![(S::UserName, down)]),
            ("%2DuserName", vec![(S::UserName, down)]),
            ("userName:desc", vec![(S::UserName, down)]),
            ("-userName:Desc", vec![(S::UserName, down)]),
            ("-identity.userName", vec![(S::UserName, down)]),
            (
                "_v,-startedAt,,envName:desc",
                vec![(S::Version, up), (S::StartedAt, down), (S::EnvName, down)],
            ),
            (
                "userName,-userName,identity.username:desc",
                vec![(S::UserName, up)],
            ),
        ] {
            assert_eq!(sort(raw), Ok(keys), "{raw}");
        }
    }

    #[test]
    fn a_sort_key_that_can_not_be_meant_is_refused() {
        let unknown = |name: &str| Fault::UnknownSortKey(name.to_owned());
        for (raw, fault) in [
            ("nothing", unknown("nothing")),
            ("userName,nothing", unknown("nothing")),
            ("-", unknown("")),
            (":desc", unknown("")),
            ("--userName", unknown("-userName")),
            ("+userName", unknown(" userName")),
            ("userName%2CenvName", unknown("userName,envName")),
            ("userName%3Adesc", unknown("userName:desc")),
            ("-userName:asc", Fault::SortContradiction),
            ("userName:", Fault::SortDirection),
            ("userName:down", Fault::SortDirection),
            ("userName:desc:asc", Fault::SortDirection),
            ("%zz", Fault::PercentEncoding),
            ("userName:%FF", Fault::Utf8),
        ] {
            assert_eq!(sort(raw), Err(fault), "{raw}");
        }
    }

    #[test]
    fn several_sorts_concatenate() {
        let mut paging = Paging::<S>::new();
        for raw in ["envName", "", "-userName,envName:desc"] {
            assert_eq!(paging.read("$SORT", raw), Ok(()));
        }
        let expected = [
            (S::EnvName, Direction::Ascending),
            (S::UserName, Direction::Descending),
        ];
        assert_eq!(paging.sort, expected);
    }
}
