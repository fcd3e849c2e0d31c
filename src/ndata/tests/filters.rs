//! What the raw value of one filter parameter asks for, by kind of member.

use super::super::error::Fault;
use super::super::filter::{LIST_VALUES_MAX, tests};
use super::super::literal::time;
use super::*;

fn text(text: &str) -> Literal {
    Literal::Text(text.to_owned())
}

fn texts(all: &[&str]) -> Vec<Literal> {
    all.iter().map(|one| text(one)).collect()
}

fn times(all: &[&str]) -> Vec<Literal> {
    all.iter()
        .map(|one| Literal::Time(time(one).expect("a time")))
        .collect()
}

fn check(kind: Kind, rows: &[(&str, Result<Vec<Test>, Fault>)]) {
    for (raw, expected) in rows {
        assert_eq!(tests(kind, raw), *expected, "{kind:?} {raw}");
    }
}

#[test]
fn an_operation_without_a_known_operator_is_the_argument_of_eq() {
    let eq = |value| Ok(vec![Test::Eq(text(value))]);
    check(
        Kind::Text,
        &[
            ("999", eq("999")),
            ("a:b:c", eq("a:b:c")),
            ("a,b", eq("a,b")),
            ("a=b", eq("a=b")),
            ("eq", eq("eq")),
            ("IN", eq("IN")),
            ("between", eq("between")),
            ("+eq:5", eq(" eq:5")),
            ("eq%3A5", eq("eq:5")),
            ("a%3Bb%2Cc%3Ad+e%2Bf", eq("a;b,c:d e+f")),
            ("", eq("")),
            (";;", eq("")),
            ("nullx", eq("nullx")),
            (r#""null""#, eq("null")),
            (r#""eq:5""#, eq("eq:5")),
            (r#""a;b:c,d""#, eq("a;b:c,d")),
            (r#""""#, eq("")),
            (r#"a"b:"c"#, eq(r#"a"b:"c"#)),
            (r#""eq":5"#, Err(Fault::BehindQuote)),
            (r#""eq"#, Err(Fault::OpenQuote)),
            ("%zz", Err(Fault::PercentEncoding)),
            ("%zz:5", Err(Fault::PercentEncoding)),
            ("a:%FF", Err(Fault::Utf8)),
        ],
    );
}

#[test]
fn operators_with_one_argument_join_the_rest() {
    check(
        Kind::Text,
        &[
            ("eq:a:b", Ok(vec![Test::Eq(text("a:b"))])),
            ("EQ:a,b", Ok(vec![Test::Eq(text("a,b"))])),
            ("equals:", Ok(vec![Test::Eq(text(""))])),
            ("%65q:null", Ok(vec![Test::Eq(text("null"))])),
            ("eq:eq:a", Ok(vec![Test::Eq(text("eq:a"))])),
            ("eq::", Ok(vec![Test::Eq(text(":"))])),
            ("ne:a", Ok(vec![Test::Neq(text("a"))])),
            ("gt:a:", Ok(vec![Test::Gt(text("a:"))])),
            ("ge:a", Ok(vec![Test::Gte(text("a"))])),
            ("lt:a%3Bb", Ok(vec![Test::Lt(text("a;b"))])),
            ("le:a", Ok(vec![Test::Lte(text("a"))])),
            (r#"eq:"a;b""#, Ok(vec![Test::Eq(text("a;b"))])),
            ("eq:%22a;b%22", Ok(vec![Test::Eq(text("a;b"))])),
            (r#"eq:"a":b"#, Err(Fault::BehindQuote)),
            (r#"eq:"a"#, Err(Fault::OpenQuote)),
            ("like:a:b", Ok(vec![Test::Contains("a:b".to_owned())])),
            ("sw:a", Ok(vec![Test::StartsWith("a".to_owned())])),
            ("endsWith:\"a;\"", Ok(vec![Test::EndsWith("a;".to_owned())])),
            ("contains:", Err(Fault::EmptyArgument)),
            ("startsWith:\"\"", Err(Fault::EmptyArgument)),
            ("ew:", Err(Fault::EmptyArgument)),
        ],
    );
}

#[test]
fn operations_stand_between_semicolons_and_empty_ones_are_none() {
    let both = || Ok(vec![Test::Gt(text("a")), Test::Neq(text("b"))]);
    check(
        Kind::Text,
        &[
            ("gt:a;ne:b", both()),
            (";gt:a;;ne:b;", both()),
            ("gt:\"a\";ne:%22b%22", both()),
            ("a;\"\"", Ok(vec![Test::Eq(text("a")), Test::Eq(text(""))])),
            ("a;eq:", Ok(vec![Test::Eq(text("a")), Test::Eq(text(""))])),
            ("gt:a;\"b", Err(Fault::OpenQuote)),
        ],
    );
}

#[test]
fn null_and_not_null_stand_alone() {
    for kind in [Kind::Text, Kind::Time, Kind::Number, Kind::Bool] {
        check(
            kind,
            &[
                ("null", Ok(vec![Test::Null])),
                ("NULL", Ok(vec![Test::Null])),
                ("isNull", Ok(vec![Test::Null])),
                ("n%75ll", Ok(vec![Test::Null])),
                ("notNull", Ok(vec![Test::NotNull])),
                ("isnotnull;null", Ok(vec![Test::NotNull, Test::Null])),
                ("null:", Err(Fault::ArgumentCount)),
                ("notNull:a", Err(Fault::ArgumentCount)),
            ],
        );
    }
    check(Kind::Text, &[("eq:null", Ok(vec![Test::Eq(text("null"))]))]);
}

#[test]
fn lists_are_separated_by_commas_and_colons() {
    let is_in = |all: &[&str]| Ok(vec![Test::In(texts(all))]);
    check(
        Kind::Text,
        &[
            ("in:a", is_in(&["a"])),
            ("in:a,b:c", is_in(&["a", "b", "c"])),
            ("in:", is_in(&[""])),
            ("in:a,", is_in(&["a", ""])),
            ("in:,:", is_in(&["", "", ""])),
            ("in:a%2Cb,c%3Ad", is_in(&["a,b", "c:d"])),
            (r#"in:"a,b":"c:d",e"#, is_in(&["a,b", "c:d", "e"])),
            (r#"in:a"b,c""#, is_in(&[r#"a"b"#, r#"c""#])),
            (r#"in:"a"b,c"#, Err(Fault::BehindQuote)),
            (r#"in:a,"b"#, Err(Fault::OpenQuote)),
            ("nin:a,b", Ok(vec![Test::NotIn(texts(&["a", "b"]))])),
            (
                "notin:a;b",
                Ok(vec![Test::NotIn(texts(&["a"])), Test::Eq(text("b"))]),
            ),
        ],
    );
    let numbers = |all: &[i64]| all.iter().copied().map(Literal::Number).collect();
    check(
        Kind::Number,
        &[
            ("in:1,2:-3", Ok(vec![Test::In(numbers(&[1, 2, -3]))])),
            ("in:1,", Err(Fault::NotANumber)),
            ("in:", Err(Fault::NotANumber)),
        ],
    );
}

#[test]
fn a_list_longer_than_the_limit_is_refused() {
    let raw = |values: usize| format!("in:{}", vec!["a"; values].join(","));
    assert!(tests(Kind::Text, &raw(LIST_VALUES_MAX)).is_ok());
    assert_eq!(
        tests(Kind::Text, &raw(LIST_VALUES_MAX + 1)),
        Err(Fault::TooManyValues)
    );
}

#[test]
fn between_takes_two_arguments_and_is_two_tests() {
    let range = |low, high| Ok(vec![Test::Gte(text(low)), Test::Lte(text(high))]);
    check(
        Kind::Text,
        &[
            ("between:a:b", range("a", "b")),
            ("range:a,b:c,d", range("a,b", "c,d")),
            (r#"between:"a:b":"c""#, range("a:b", "c")),
            ("between:a:", range("a", "")),
            ("between:", Err(Fault::ArgumentCount)),
            ("between:a", Err(Fault::ArgumentCount)),
            ("between:a,b", Err(Fault::ArgumentCount)),
            ("between:a:b:c", Err(Fault::ArgumentCount)),
        ],
    );
    let numbers = vec![Test::Gte(Literal::Number(1)), Test::Lte(Literal::Number(5))];
    check(
        Kind::Number,
        &[
            ("between:1:5", Ok(numbers)),
            ("between:1:x", Err(Fault::NotANumber)),
        ],
    );
}

#[test]
fn times_need_no_escaping_of_their_colons() {
    const A: &str = "2023-08-04T11:19:38Z";
    const B: &str = "2023-08-05T00:00:00+02:00";
    let one = |raw: &str| times(&[raw]).remove(0);
    let is_in = |all: &[&str]| Ok(vec![Test::In(times(all))]);
    let range = |low, high| Ok(vec![Test::Gte(one(low)), Test::Lte(one(high))]);
    check(
        Kind::Time,
        &[
            (A, Ok(vec![Test::Eq(one(A))])),
            ("gt:2023-08-04T11:19:38Z", Ok(vec![Test::Gt(one(A))])),
            ("lt:2023-08-05T00:00:00+02:00", Ok(vec![Test::Lt(one(B))])),
            ("lt:2023-08-05T00:00:00%2B02:00", Ok(vec![Test::Lt(one(B))])),
            ("lt:2023-08-05T00:00:00%2002:00", Ok(vec![Test::Lt(one(B))])),
            ("\"2023-08-04T11:19:38Z\"", Ok(vec![Test::Eq(one(A))])),
            ("2023-08-04T11%3A19%3A38Z", Ok(vec![Test::Eq(one(A))])),
            ("in:2023-08-04T11:19:38Z", is_in(&[A])),
            ("in:2023-08-05T00:00:00+02:00", is_in(&[B])),
            (
                "in:2023-08-04T11:19:38Z,2023-08-05T00:00:00+02:00",
                is_in(&[A, B]),
            ),
            (
                "in:2023-08-04:2023-08-05",
                is_in(&["2023-08-04", "2023-08-05"]),
            ),
            (
                "in:2023-08-04T11%3A19%3A38Z:2023-08-05",
                is_in(&[A, "2023-08-05"]),
            ),
            (
                "in:\"2023-08-04T11:19:38Z\":2023-08-05",
                is_in(&[A, "2023-08-05"]),
            ),
            ("in:\"2023-08-04T11:19:38Z\"", is_in(&[A])),
            (
                "nin:2023-08-04T11:19:38Z",
                Ok(vec![Test::NotIn(times(&[A]))]),
            ),
            (
                "between:2023-08-04T11:19:38Z,2023-08-05T00:00:00+02:00",
                range(A, B),
            ),
            (
                "between:2023-08-04:2023-08-05",
                range("2023-08-04", "2023-08-05"),
            ),
            (
                "between:2023-08-04T11%3A19%3A38Z:2023-08-05",
                range(A, "2023-08-05"),
            ),
            (
                "between:\"2023-08-04T11:19:38Z\",2023-08-05",
                range(A, "2023-08-05"),
            ),
            ("between:2023-08-04T11:19:38Z", Err(Fault::ArgumentCount)),
            (
                "between:2023-08-04T11:19:38Z:2023-08-05T11:19:38Z",
                Err(Fault::ArgumentCount),
            ),
            (
                "between:2023-08-04,2023-08-05,2023-08-06",
                Err(Fault::ArgumentCount),
            ),
            (
                "in:2023-08-04T11:19:38Z:2023-08-05T11:19:38Z",
                Err(Fault::NotATime),
            ),
            // A comma never turns into a colon.
            ("in:2023-08-04T11,19,38Z", Err(Fault::NotATime)),
            ("in:2023-08-04%2C2023-08-05", Err(Fault::NotATime)),
            ("in:2023-08-04,", Err(Fault::NotATime)),
            (
                "in:\"2023-08-04\":\"2023-08-05\",2023-08-06",
                Err(Fault::BehindQuote),
            ),
            ("", Err(Fault::NotATime)),
            (";", Err(Fault::NotATime)),
            ("eq:", Err(Fault::NotATime)),
            ("after:2023-08-04", Err(Fault::NotATime)),
        ],
    );
}

#[test]
fn operators_fit_only_some_kinds() {
    for (kind, value) in [
        (Kind::Time, "2023-08-04"),
        (Kind::Number, "1"),
        (Kind::Bool, "1"),
    ] {
        for name in ["contains", "like", "startsWith", "sw", "endsWith", "ew"] {
            assert_eq!(
                tests(kind, &format!("{name}:{value}")),
                Err(Fault::OperatorKind)
            );
        }
    }
    for operation in [
        "gt:1",
        "gte:1",
        "ge:1",
        "lt:1",
        "lte:1",
        "le:1",
        "between:0:1",
    ] {
        assert_eq!(
            tests(Kind::Bool, operation),
            Err(Fault::OperatorKind),
            "{operation}"
        );
        assert!(tests(Kind::Number, operation).is_ok(), "{operation}");
        assert!(tests(Kind::Text, operation).is_ok(), "{operation}");
    }
    let yes = || Literal::Bool(true);
    check(
        Kind::Bool,
        &[
            ("TRUE", Ok(vec![Test::Eq(yes())])),
            ("eq:1", Ok(vec![Test::Eq(yes())])),
            ("ne:true", Ok(vec![Test::Neq(yes())])),
            (
                "in:true,0",
                Ok(vec![Test::In(vec![yes(), Literal::Bool(false)])]),
            ),
            ("nin:1", Ok(vec![Test::NotIn(vec![yes()])])),
            ("", Err(Fault::NotABool)),
            ("yes", Err(Fault::NotABool)),
        ],
    );
    check(
        Kind::Number,
        &[
            ("", Err(Fault::NotANumber)),
            ("1.5", Err(Fault::NotANumber)),
        ],
    );
}
