//! The operators of filters: their names, how many arguments they take and
//! which kinds of values they fit.

use super::query::Kind;

/// What an operation does; two of the contract's spellings may mean one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Neq,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    NotIn,
    Contains,
    StartsWith,
    EndsWith,
    Between,
    Null,
    NotNull,
}

/// Every spelling, in lower case.
const NAMES: &[(&str, Operator)] = &[
    ("eq", Operator::Eq),
    ("equals", Operator::Eq),
    ("neq", Operator::Neq),
    ("ne", Operator::Neq),
    ("noteq", Operator::Neq),
    ("gt", Operator::Gt),
    ("gte", Operator::Gte),
    ("ge", Operator::Gte),
    ("lt", Operator::Lt),
    ("lte", Operator::Lte),
    ("le", Operator::Lte),
    ("in", Operator::In),
    ("nin", Operator::NotIn),
    ("notin", Operator::NotIn),
    ("contains", Operator::Contains),
    ("like", Operator::Contains),
    ("startswith", Operator::StartsWith),
    ("sw", Operator::StartsWith),
    ("endswith", Operator::EndsWith),
    ("ew", Operator::EndsWith),
    ("between", Operator::Between),
    ("range", Operator::Between),
    ("null", Operator::Null),
    ("isnull", Operator::Null),
    ("notnull", Operator::NotNull),
    ("isnotnull", Operator::NotNull),
];

impl Operator {
    /// By its name, any case.
    pub(super) fn find(name: &str) -> Option<Self> {
        let spelled = NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        spelled.map(|(_, operator)| *operator)
    }

    /// Whether it stands alone, without arguments.
    pub(super) const fn is_alone(self) -> bool {
        matches!(self, Self::Null | Self::NotNull)
    }

    /// Whether values of a kind can be asked this.
    pub(super) const fn fits(self, kind: Kind) -> bool {
        match self {
            Self::Gt | Self::Gte | Self::Lt | Self::Lte | Self::Between => {
                !matches!(kind, Kind::Bool)
            }
            Self::Contains | Self::StartsWith | Self::EndsWith => matches!(kind, Kind::Text),
            Self::Eq | Self::Neq | Self::In | Self::NotIn | Self::Null | Self::NotNull => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_contract_is_known_in_any_case() {
        for (names, operator) in [
            ("eq equals", Operator::Eq),
            ("neq ne noteq", Operator::Neq),
            ("gt", Operator::Gt),
            ("gte ge", Operator::Gte),
            ("lt", Operator::Lt),
            ("lte le", Operator::Lte),
            ("in", Operator::In),
            ("nin notin", Operator::NotIn),
            ("contains like", Operator::Contains),
            ("startsWith sw", Operator::StartsWith),
            ("endsWith ew", Operator::EndsWith),
            ("between range", Operator::Between),
            ("null isnull", Operator::Null),
            ("notNull isnotnull", Operator::NotNull),
        ] {
            for name in names.split(' ') {
                assert_eq!(Operator::find(name), Some(operator), "{name}");
                assert_eq!(
                    Operator::find(&name.to_uppercase()),
                    Some(operator),
                    "{name}"
                );
            }
        }
        for name in ["", "e", "eqq", " eq", "is", "not", "greater"] {
            assert_eq!(Operator::find(name), None, "{name}");
        }
    }
}
