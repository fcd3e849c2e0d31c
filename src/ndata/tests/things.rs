//! Rows with a member of each kind, so that every operator and order is met,
//! and random queries on them.

use proptest::prelude::*;
use proptest::sample::select as one_of;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member4 {
    Text,
    Time,
    Number,
    Bool,
    Key,
}

impl Member for Member4 {
    const ALL: &'static [Self] = &[Self::Text, Self::Time, Self::Number, Self::Bool, Self::Key];
    const TIE_BREAK: &'static [Self] = &[Self::Time, Self::Key];

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Time => "time",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::Key => "key",
        }
    }

    fn alias(self) -> Option<&'static str> {
        None
    }

    fn kind(self) -> Kind {
        match self {
            Self::Text => Kind::Text,
            Self::Time => Kind::Time,
            Self::Bool => Kind::Bool,
            Self::Number | Self::Key => Kind::Number,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thing {
    pub(super) text: Option<String>,
    pub(super) time: Option<i64>,
    pub(super) number: Option<i64>,
    pub(super) bool: Option<bool>,
    pub(super) key: i64,
}

impl Row<Member4> for Thing {
    fn value(&self, member: Member4) -> Value<'_> {
        match member {
            Member4::Text => self
                .text
                .as_deref()
                .map_or(Value::Null, |t| Value::Text(t.into())),
            Member4::Time => self
                .time
                .map_or(Value::Null, |t| Value::Time(Timestamp::from_millis(t))),
            Member4::Number => self.number.map_or(Value::Null, Value::Number),
            Member4::Bool => self.bool.map_or(Value::Null, Value::Bool),
            Member4::Key => Value::Number(self.key),
        }
    }
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]{0,3}",
        "[ab;:,\"\\\\+%&= \u{13e}]{0,6}",
        one_of(vec!["null", "notNull", "eq:1", "in", "-", "$take", ""]).prop_map(str::to_owned),
    ]
}

fn literals(kind: Kind) -> BoxedStrategy<Literal> {
    match kind {
        Kind::Text => words().prop_map(Literal::Text).boxed(),
        Kind::Time => {
            let nanos = one_of(vec![0_i128, 1, 500_000, 999_999]);
            let millis = prop_oneof![-3_i128..4, -62_167_000_000_000_i128..253_402_000_000_000];
            (millis, nanos)
                .prop_map(|(m, n)| Literal::Time(m * 1_000_000 + n))
                .boxed()
        }
        Kind::Number => prop_oneof![-3_i64..4, any::<i64>()]
            .prop_map(Literal::Number)
            .boxed(),
        Kind::Bool => any::<bool>().prop_map(Literal::Bool).boxed(),
    }
}

fn tests_of(kind: Kind) -> BoxedStrategy<Test> {
    let one = |make: fn(Literal) -> Test| literals(kind).prop_map(make).boxed();
    let many = prop::collection::vec(literals(kind), 1..4);
    let mut all = vec![
        one(Test::Eq),
        one(Test::Neq),
        many.clone().prop_map(Test::In).boxed(),
        many.prop_map(Test::NotIn).boxed(),
        Just(Test::Null).boxed(),
        Just(Test::NotNull).boxed(),
    ];
    if kind != Kind::Bool {
        all.extend([one(Test::Gt), one(Test::Gte), one(Test::Lt), one(Test::Lte)]);
    }
    if kind == Kind::Text {
        let part = || words().prop_filter("not empty", |part| !part.is_empty());
        all.extend([
            part().prop_map(Test::Contains).boxed(),
            part().prop_map(Test::StartsWith).boxed(),
            part().prop_map(Test::EndsWith).boxed(),
        ]);
    }
    proptest::strategy::Union::new(all).boxed()
}

pub(super) fn queries() -> impl Strategy<Value = Query<Member4>> {
    let filter = one_of(Member4::ALL).prop_flat_map(|member| {
        tests_of(member.kind()).prop_map(move |test| Filter { member, test })
    });
    let direction = one_of(vec![Direction::Ascending, Direction::Descending]);
    let sort = prop::collection::vec((one_of(Member4::ALL), direction), 0..4);
    let paging = (
        0_u64..6,
        prop_oneof![0_usize..8, Just(10_000)],
        any::<bool>(),
    );
    let filters = prop::collection::vec(filter, 0..3);
    (filters, sort, paging).prop_map(|(filters, keys, (skip, take, count_only))| {
        let mut sort: Vec<(Member4, Direction)> = Vec::new();
        for key in keys {
            if sort.iter().all(|(known, _)| *known != key.0) {
                sort.push(key);
            }
        }
        Query {
            filters,
            sort,
            skip,
            take,
            count_only,
            after: None,
        }
    })
}

prop_compose! {
    pub(super) fn things()(
        rows in prop::collection::vec(
            (
                prop::option::weighted(0.8, words()),
                prop::option::weighted(0.8, -3_i64..4),
                prop::option::weighted(0.8, -3_i64..4),
                prop::option::weighted(0.8, any::<bool>()),
            ),
            0..24,
        )
    ) -> Vec<Thing> {
        let thing = |(key, (text, time, number, bool))| Thing { text, time, number, bool, key };
        (0_i64..).zip(rows).map(thing).collect()
    }
}
