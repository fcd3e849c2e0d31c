//! One filter parameter: from its raw value to the tests it asks for.

use super::error::Fault;
use super::literal::{literal, time};
use super::operator::Operator;
use super::query::{Kind, Literal, Test};
use super::raw::{Piece, Scanner, decode};

/// How many values one `in` or `nin` may list.
pub(super) const LIST_VALUES_MAX: usize = 256;

/// The tests that a raw value (`OP1;OP2`) puts to a member of a kind; at least
/// one.
pub(super) fn tests(kind: Kind, raw: &str) -> Result<Vec<Test>, Fault> {
    let mut scanner = Scanner::new(raw);
    let mut tests = Vec::new();
    while !scanner.is_at_end() {
        // An empty operation is none.
        if scanner.separator(b";").is_none() {
            tests.extend(operation(&mut scanner, kind)?);
        }
    }
    if tests.is_empty() {
        tests.push(Test::Eq(literal(kind, "")?));
    }
    Ok(tests)
}

/// Takes one operation; afterwards a `;` comes next, or the end.
fn operation(scanner: &mut Scanner<'_>, kind: Kind) -> Result<Vec<Test>, Fault> {
    let operator = operator(scanner)?.unwrap_or(Operator::Eq);
    if !operator.fits(kind) {
        return Err(Fault::OperatorKind);
    }
    let test = match operator {
        Operator::Eq => Test::Eq(argument(scanner, kind)?),
        Operator::Neq => Test::Neq(argument(scanner, kind)?),
        Operator::Gt => Test::Gt(argument(scanner, kind)?),
        Operator::Gte => Test::Gte(argument(scanner, kind)?),
        Operator::Lt => Test::Lt(argument(scanner, kind)?),
        Operator::Lte => Test::Lte(argument(scanner, kind)?),
        Operator::In => Test::In(list(scanner, kind)?),
        Operator::NotIn => Test::NotIn(list(scanner, kind)?),
        Operator::Contains => Test::Contains(part(scanner)?),
        Operator::StartsWith => Test::StartsWith(part(scanner)?),
        Operator::EndsWith => Test::EndsWith(part(scanner)?),
        Operator::Null => Test::Null,
        Operator::NotNull => Test::NotNull,
        Operator::Between => {
            let (low, high) = bounds(scanner, kind)?;
            return Ok(vec![Test::Gte(low), Test::Lte(high)]);
        }
    };
    Ok(vec![test])
}

/// Takes an operator with the `:` behind it. `None`, with nothing taken, when
/// the whole operation is the argument of `eq`.
fn operator(scanner: &mut Scanner<'_>) -> Result<Option<Operator>, Fault> {
    if scanner.is_at_quote() {
        return Ok(None);
    }
    let word = scanner.ahead(b":;");
    let Some(operator) = Operator::find(&decode(word)?) else {
        return Ok(None);
    };
    let mut behind = scanner.clone();
    behind.take(word.len());
    let has_arguments = behind.separator(b":").is_some();
    if has_arguments && operator.is_alone() {
        return Err(Fault::ArgumentCount);
    }
    Ok((has_arguments || operator.is_alone()).then(|| {
        *scanner = behind;
        operator
    }))
}

/// The one argument of an operator: colons and commas belong to it.
fn argument(scanner: &mut Scanner<'_>, kind: Kind) -> Result<Literal, Fault> {
    literal(kind, &scanner.value(b";")?.text)
}

/// The one argument of an operator on parts of texts.
fn part(scanner: &mut Scanner<'_>) -> Result<String, Fault> {
    let part = scanner.value(b";")?.text;
    if part.is_empty() {
        Err(Fault::EmptyArgument)
    } else {
        Ok(part)
    }
}

/// The values of `in` and `nin`.
fn list(scanner: &mut Scanner<'_>, kind: Kind) -> Result<Vec<Literal>, Fault> {
    let parts = Parts::take(scanner, b":,")?;
    let values = match kind {
        Kind::Time => parts
            .one_time()
            .map_or_else(|| parts.times(), |one| Ok(vec![one]))?,
        _ => parts.texts(),
    };
    if values.len() > LIST_VALUES_MAX {
        return Err(Fault::TooManyValues);
    }
    values.iter().map(|value| literal(kind, value)).collect()
}

/// The two values of `between`. A comma separates only times.
fn bounds(scanner: &mut Scanner<'_>, kind: Kind) -> Result<(Literal, Literal), Fault> {
    let values = match kind {
        Kind::Time => Parts::take(scanner, b":,")?.times()?,
        _ => Parts::take(scanner, b":")?.texts(),
    };
    let [low, high] = values.as_slice() else {
        return Err(Fault::ArgumentCount);
    };
    Ok((literal(kind, low)?, literal(kind, high)?))
}

/// The pieces of an argument list, split at every separator, each with whether
/// a comma stands before it.
struct Parts(Vec<(bool, Piece)>);

impl Parts {
    /// Takes everything up to the end of the operation.
    fn take(scanner: &mut Scanner<'_>, separators: &[u8]) -> Result<Self, Fault> {
        let stops = [separators, b";"].concat();
        let mut parts = vec![(false, scanner.value(&stops)?)];
        while let Some(separator) = scanner.separator(separators) {
            parts.push((separator == b',', scanner.value(&stops)?));
        }
        Ok(Self(parts))
    }

    /// Each piece for itself.
    fn texts(&self) -> Vec<String> {
        self.0.iter().map(|(_, piece)| piece.text.clone()).collect()
    }

    fn has_comma(&self) -> bool {
        self.0.iter().any(|(is_behind_comma, _)| *is_behind_comma)
    }

    /// The values of a list of times: where there is a comma, only commas
    /// separate and the colons belong to the times.
    fn times(&self) -> Result<Vec<String>, Fault> {
        if !self.has_comma() {
            return Ok(self.texts());
        }
        self.0
            .chunk_by(|_, (is_behind_comma, _)| !is_behind_comma)
            .map(joined)
            .collect()
    }

    /// The whole as one value, colons included, if it is a time.
    fn one_time(&self) -> Option<String> {
        let whole = (!self.has_comma()).then(|| joined(&self.0).ok()).flatten();
        whole.filter(|whole| time(whole).is_some())
    }
}

/// Puts the colons back between pieces; a quote must be a whole value.
fn joined(parts: &[(bool, Piece)]) -> Result<String, Fault> {
    if parts.len() > 1 && parts.iter().any(|(_, piece)| piece.is_quoted) {
        return Err(Fault::BehindQuote);
    }
    let texts: Vec<_> = parts.iter().map(|(_, piece)| piece.text.as_str()).collect();
    Ok(texts.join(":"))
}
