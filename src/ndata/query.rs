//! The typed query: what a list route asks the store for.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::model::{Session, Timestamp};

/// What the values of a member are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Compared in UTF-8 byte order.
    Text,
    /// Instants.
    Time,
    /// Whole numbers.
    Number,
    /// `true` or `false`; false sorts first.
    Bool,
}

/// The members of a resource that can be filtered and sorted by.
pub trait Member: Copy + Eq + std::fmt::Debug + Send + Sync + 'static {
    /// All of them.
    const ALL: &'static [Self];
    /// The order that makes every listing total; its last member is unique.
    const TIE_BREAK: &'static [Self];
    /// The spelling of the API; compared case-insensitively.
    fn name(self) -> &'static str;
    /// Another spelling that is understood (`identity.userName`).
    fn alias(self) -> Option<&'static str>;
    /// What its values are.
    fn kind(self) -> Kind;
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Not set. Sorts before everything.
    Null,
    /// Text.
    Text(Cow<'a, str>),
    /// An instant.
    Time(Timestamp),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Bool(bool),
}

impl Value<'_> {
    const fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::Time(_) => 3,
            Self::Text(_) => 4,
        }
    }
}

impl PartialOrd for Value<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// Something that can be filtered and sorted by members `M`.
pub trait Row<M> {
    /// The row's value of a member.
    fn value(&self, member: M) -> Value<'_>;
}

/// A value that a query names. Its kind is that of the member it is compared
/// with: the parser makes no other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Literal {
    /// Text.
    Text(String),
    /// An instant in nanoseconds since 1970: times of a query may be finer than
    /// the milliseconds of a record, and are compared exactly.
    Time(i128),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Bool(bool),
}

impl Literal {
    /// How `value` stands to this literal; `None` when it is unset or of
    /// another kind.
    #[must_use]
    pub fn compare(&self, value: &Value<'_>) -> Option<Ordering> {
        match (value, self) {
            (Value::Text(a), Self::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Value::Time(a), Self::Time(b)) => Some((i128::from(a.as_millis()) * 1_000_000).cmp(b)),
            (Value::Number(a), Self::Number(b)) => Some(a.cmp(b)),
            (Value::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// One test of one member. `between` is two of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// Equal.
    Eq(Literal),
    /// Not equal; an unset value is not equal to anything.
    Neq(Literal),
    /// Greater.
    Gt(Literal),
    /// Greater or equal.
    Gte(Literal),
    /// Less.
    Lt(Literal),
    /// Less or equal.
    Lte(Literal),
    /// One of.
    In(Vec<Literal>),
    /// None of.
    NotIn(Vec<Literal>),
    /// Substring.
    Contains(String),
    /// Prefix.
    StartsWith(String),
    /// Suffix.
    EndsWith(String),
    /// Unset.
    Null,
    /// Set.
    NotNull,
}

impl Test {
    /// Whether a value passes.
    #[must_use]
    pub fn passes(&self, value: &Value<'_>) -> bool {
        let is = |literal: &Literal, wanted: fn(Ordering) -> bool| {
            literal.compare(value).is_some_and(wanted)
        };
        let text =
            |wanted: &dyn Fn(&str) -> bool| matches!(value, Value::Text(text) if wanted(text));
        match self {
            Self::Eq(literal) => is(literal, Ordering::is_eq),
            Self::Neq(literal) => !is(literal, Ordering::is_eq),
            Self::Gt(literal) => is(literal, Ordering::is_gt),
            Self::Gte(literal) => is(literal, Ordering::is_ge),
            Self::Lt(literal) => is(literal, Ordering::is_lt),
            Self::Lte(literal) => is(literal, Ordering::is_le),
            Self::In(literals) => literals.iter().any(|literal| is(literal, Ordering::is_eq)),
            Self::NotIn(literals) => !literals.iter().any(|literal| is(literal, Ordering::is_eq)),
            Self::Contains(part) => text(&|text| text.contains(part.as_str())),
            Self::StartsWith(part) => text(&|text| text.starts_with(part.as_str())),
            Self::EndsWith(part) => text(&|text| text.ends_with(part.as_str())),
            Self::Null => *value == Value::Null,
            Self::NotNull => *value != Value::Null,
        }
    }
}

/// A test and the member it is put to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter<M> {
    /// The member.
    pub member: M,
    /// What its value must pass.
    pub test: Test,
}

/// Which way a sort key runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// Where a page goes on: the sort key of the last row of the page before, one
/// value for each member of [`Query::order`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After(pub Vec<Value<'static>>);

/// A query, ready to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<M> {
    /// All must pass.
    pub filters: Vec<Filter<M>>,
    /// Sort keys as asked for, without doubles; ties break by
    /// [`Member::TIE_BREAK`].
    pub sort: Vec<(M, Direction)>,
    /// How many matches to leave out first.
    pub skip: u64,
    /// How many to return at most.
    pub take: usize,
    /// Only the counts are wanted.
    pub count_only: bool,
    /// Only rows behind this key; then `skip` is 0.
    pub after: Option<After>,
}

impl<M: Member> Query<M> {
    /// Every row in the tie-break order, at most `take` of them.
    #[must_use]
    pub const fn all(take: usize) -> Self {
        Self {
            filters: Vec::new(),
            sort: Vec::new(),
            skip: 0,
            take,
            count_only: false,
            after: None,
        }
    }

    /// The whole order: the sort keys, then the tie-break members that are not
    /// among them, ascending.
    #[must_use]
    pub fn order(&self) -> Vec<(M, Direction)> {
        let mut order = self.sort.clone();
        for member in M::TIE_BREAK {
            if !order.iter().any(|(key, _)| key == member) {
                order.push((*member, Direction::Ascending));
            }
        }
        order
    }

    /// Whether a row passes every filter (`after` and paging aside).
    pub fn passes<R: Row<M> + ?Sized>(&self, row: &R) -> bool {
        self.filters
            .iter()
            .all(|filter| filter.test.passes(&row.value(filter.member)))
    }

    /// How two rows stand in `order` (from [`Query::order`]).
    pub fn compare<R: Row<M> + ?Sized>(order: &[(M, Direction)], a: &R, b: &R) -> Ordering {
        order
            .iter()
            .fold(Ordering::Equal, |so_far, (member, direction)| {
                so_far.then_with(|| direction.apply(a.value(*member).cmp(&b.value(*member))))
            })
    }

    /// Whether a row stands behind the cursor in `order`.
    pub fn is_after<R: Row<M> + ?Sized>(order: &[(M, Direction)], row: &R, after: &After) -> bool {
        let keys = order.iter().zip(&after.0);
        let standing = keys.fold(Ordering::Equal, |so_far, ((member, direction), value)| {
            so_far.then_with(|| direction.apply(row.value(*member).cmp(value)))
        });
        standing.is_gt()
    }
}

impl Direction {
    /// Turns an ascending comparison into this direction's.
    #[must_use]
    pub const fn apply(self, ordering: Ordering) -> Ordering {
        match self {
            Self::Ascending => ordering,
            Self::Descending => ordering.reverse(),
        }
    }
}

/// The members of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionMember {
    /// `sessionId`
    SessionId,
    /// `userName`
    UserName,
    /// `deviceName`
    DeviceName,
    /// `envName`
    EnvName,
    /// `authenticationType`
    AuthenticationType,
    /// `startedAt`
    StartedAt,
    /// `expiresAt`
    ExpiresAt,
    /// `lastAccessAt`
    LastAccessAt,
    /// `_v`
    Version,
}

impl Member for SessionMember {
    const ALL: &'static [Self] = &[
        Self::SessionId,
        Self::UserName,
        Self::DeviceName,
        Self::EnvName,
        Self::AuthenticationType,
        Self::StartedAt,
        Self::ExpiresAt,
        Self::LastAccessAt,
        Self::Version,
    ];
    const TIE_BREAK: &'static [Self] = &[Self::StartedAt, Self::SessionId];

    fn name(self) -> &'static str {
        match self {
            Self::SessionId => "sessionId",
            Self::UserName => "userName",
            Self::DeviceName => "deviceName",
            Self::EnvName => "envName",
            Self::AuthenticationType => "authenticationType",
            Self::StartedAt => "startedAt",
            Self::ExpiresAt => "expiresAt",
            Self::LastAccessAt => "lastAccessAt",
            Self::Version => "_v",
        }
    }

    fn alias(self) -> Option<&'static str> {
        match self {
            Self::UserName => Some("identity.userName"),
            Self::DeviceName => Some("identity.deviceName"),
            Self::EnvName => Some("identity.envName"),
            Self::AuthenticationType => Some("identity.authenticationType"),
            _ => None,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::StartedAt | Self::ExpiresAt | Self::LastAccessAt => Kind::Time,
            Self::Version => Kind::Number,
            _ => Kind::Text,
        }
    }
}

impl Row<SessionMember> for Session {
    fn value(&self, member: SessionMember) -> Value<'_> {
        match member {
            SessionMember::SessionId => Value::Text(self.id.as_str().into()),
            SessionMember::UserName => Value::Text(self.identity.user_name.as_str().into()),
            SessionMember::DeviceName => Value::Text(self.identity.device_name.as_str().into()),
            SessionMember::EnvName => Value::Text(self.identity.env.as_str().into()),
            SessionMember::AuthenticationType => {
                Value::Text(self.identity.authentication_type.as_str().into())
            }
            SessionMember::StartedAt => Value::Time(self.started_at),
            SessionMember::ExpiresAt => Value::Time(self.expires_at),
            SessionMember::LastAccessAt => Value::Time(self.last_access_at),
            SessionMember::Version => {
                Value::Number(i64::try_from(self.version.0).unwrap_or(i64::MAX))
            }
        }
    }
}
