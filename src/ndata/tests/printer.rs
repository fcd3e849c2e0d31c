//! Writes queries as query strings, in all the ways a client may.

use proptest::sample::Index;

use super::things::Member4;
use super::*;

/// Picks among the spellings by the indices, from the number on.
pub(super) struct Printer<'a>(pub(super) &'a [Index], pub(super) usize);

impl Printer<'_> {
    fn choice(&mut self, ways: usize) -> usize {
        self.1 += 1;
        self.0[self.1 % self.0.len()].index(ways)
    }

    fn percent(text: &str) -> String {
        let encoded = |byte: u8| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        };
        text.bytes().map(encoded).collect()
    }

    fn quoted(text: &str) -> String {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        let escaped = escaped
            .replace('%', "%25")
            .replace('&', "%26")
            .replace('+', "%2B");
        format!("\"{escaped}\"")
    }

    fn value(&mut self, literal: &Literal) -> String {
        let text = match literal {
            Literal::Text(text) => text.clone(),
            Literal::Number(number) => number.to_string(),
            Literal::Bool(yes) => {
                [["false", "0"], ["TRUE", "1"]][usize::from(*yes)][self.choice(2)].to_owned()
            }
            Literal::Time(nanos) => {
                let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).expect("in range");
                let fraction = u32::try_from(nanos.rem_euclid(1_000_000_000)).expect("in range");
                let time = chrono::DateTime::from_timestamp(seconds, fraction).expect("in range");
                let zone = chrono::FixedOffset::east_opt([0, 7_200, -19_800][self.choice(3)]);
                let time = time.with_timezone(&zone.expect("within a day"));
                time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
            }
        };
        // The first character of a value may not read as an opening quote.
        match self.choice(2) {
            0 if !text.starts_with('"') => Self::percent(&text),
            _ => Self::quoted(&text),
        }
    }

    fn test(&mut self, test: &Test) -> String {
        let literal = |part: &String| Literal::Text(part.clone());
        match test {
            Test::Eq(literal) if self.choice(3) == 0 => {
                let value = self.value(literal);
                let is_plain =
                    value.starts_with('"') || !value.ends_with("ull") && !value.is_empty();
                if is_plain {
                    value
                } else {
                    format!("eq:{value}")
                }
            }
            Test::Eq(literal) => format!(
                "{}:{}",
                ["eq", "EQUALS"][self.choice(2)],
                self.value(literal)
            ),
            Test::Neq(literal) => {
                format!(
                    "{}:{}",
                    ["neq", "ne", "notEq"][self.choice(3)],
                    self.value(literal)
                )
            }
            Test::Gt(literal) => format!("gt:{}", self.value(literal)),
            Test::Gte(literal) => {
                format!("{}:{}", ["gte", "ge"][self.choice(2)], self.value(literal))
            }
            Test::Lt(literal) => format!("lt:{}", self.value(literal)),
            Test::Lte(literal) => {
                format!("{}:{}", ["lte", "le"][self.choice(2)], self.value(literal))
            }
            Test::In(literals) => format!("in:{}", self.list(literals)),
            Test::NotIn(literals) => format!(
                "{}:{}",
                ["nin", "notin"][self.choice(2)],
                self.list(literals)
            ),
            Test::Contains(part) => format!("contains:{}", self.value(&literal(part))),
            Test::StartsWith(part) => format!("sw:{}", self.value(&literal(part))),
            Test::EndsWith(part) => format!("ew:{}", self.value(&literal(part))),
            Test::Null => ["null", "isNull"][self.choice(2)].to_owned(),
            Test::NotNull => ["notNull", "isnotnull"][self.choice(2)].to_owned(),
        }
    }

    fn list(&mut self, literals: &[Literal]) -> String {
        let separator = [",", ":"][self.choice(2)];
        let values: Vec<_> = literals.iter().map(|literal| self.value(literal)).collect();
        values.join(separator)
    }

    pub(super) fn query(&mut self, query: &Query<Member4>) -> String {
        let mut raw = String::new();
        let mut last = None;
        for filter in &query.filters {
            let test = self.test(&filter.test);
            if last == Some(filter.member) && self.choice(2) == 0 {
                raw = format!("{raw};{test}");
            } else {
                raw = format!("{raw}&{}={test}", filter.member.name());
            }
            last = Some(filter.member);
        }
        let keys = query
            .sort
            .iter()
            .map(|(member, direction)| match direction {
                Direction::Ascending => {
                    [member.name().to_owned(), format!("{}:asc", member.name())]
                }
                Direction::Descending => [
                    format!("-{}", member.name()),
                    format!("{}:desc", member.name()),
                ],
            });
        let keys: Vec<_> = keys.map(|ways| ways[self.choice(2)].clone()).collect();
        format!(
            "{raw}&$sort={}&$skip={}&%24Take={}&$count={}",
            keys.join([",", "&$sort="][self.choice(2)]),
            query.skip,
            query.take,
            query.count_only,
        )
    }
}
