//! The whole of a query: every parameter goes to its reader, every error is
//! gathered, and the pieces become one [`Query`].

use super::cursor;
use super::error::{ERRORS_MAX, Fault, QueryError, QueryErrors};
use super::filter::tests;
use super::paging::{Paging, find};
use super::query::{After, Filter, Member, Query};
use super::raw::{Parameter, decode, decode_lossy, parameters};

/// How many tests one query may put to each row.
const FILTERS_MAX: usize = 64;

/// What the installation configures about queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows on a page when a query has no `$take`.
    pub take_default: usize,
    /// Most rows on a page; a larger `$take` is cut to it.
    pub take_max: usize,
    /// Whether unknown filters and unknown `$` parameters are dropped instead
    /// of refused.
    pub ignore_unknown_members: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            take_default: 1_000,
            take_max: 10_000,
            ignore_unknown_members: false,
        }
    }
}

/// Reads a query: the text behind the `?`, still encoded; `None` and the empty
/// text ask for everything. Never panics; the work grows with the length of
/// the text.
///
/// # Errors
/// [`QueryErrors`]: every parameter that can not be read, with what is wrong.
pub fn parse<M: Member>(raw: Option<&str>, limits: &Limits) -> Result<Query<M>, QueryErrors> {
    let mut reading = Reading::new(limits);
    for parameter in parameters(raw.unwrap_or_default()) {
        if reading.errors.len() < ERRORS_MAX {
            reading.read(parameter);
        }
    }
    reading.finish()
}

/// Reads the filters of a query that ends sessions: more must not be ended than
/// was meant, so nothing is passed over that [`parse`] may ignore, and there is
/// nothing to page or sort.
///
/// # Errors
/// [`QueryErrors`], also when there is no filter at all.
pub fn parse_filters<M: Member>(raw: Option<&str>) -> Result<Vec<Filter<M>>, QueryErrors> {
    let limits = Limits::default();
    let mut reading = Reading::<M>::new(&limits);
    for parameter in parameters(raw.unwrap_or_default()) {
        if reading.errors.len() < ERRORS_MAX {
            reading.read_strictly(parameter);
        }
    }
    if reading.errors.is_empty() && reading.filters.is_empty() {
        reading.refuse("query".to_owned(), &Fault::NoFilter);
    }
    reading.finish().map(|query| query.filters)
}

/// A query that is being read.
struct Reading<'a, M> {
    limits: &'a Limits,
    filters: Vec<Filter<M>>,
    paging: Paging<M>,
    /// `$after` as the query spells it.
    after_name: String,
    errors: Vec<QueryError>,
}

impl<'a, M: Member> Reading<'a, M> {
    const fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            filters: Vec::new(),
            paging: Paging::new(),
            after_name: String::new(),
            errors: Vec::new(),
        }
    }

    fn read(&mut self, parameter: Parameter<'_>) {
        let read = decode(parameter.name.as_bytes()).and_then(|name| {
            if name.starts_with('$') {
                self.read_paging(&name, parameter.value)
            } else {
                self.read_filter(&name, parameter.value)
            }
        });
        if let Err(fault) = read {
            self.refuse(decode_lossy(parameter.name), &fault);
        }
    }

    fn read_strictly(&mut self, parameter: Parameter<'_>) {
        let read = decode(parameter.name.as_bytes()).and_then(|name| {
            if find::<M>(&name).is_some() {
                self.read_filter(&name, parameter.value)
            } else if name.starts_with('$') {
                Err(Fault::NotHere)
            } else {
                Err(Fault::UnknownMember)
            }
        });
        if let Err(fault) = read {
            self.refuse(decode_lossy(parameter.name), &fault);
        }
    }

    fn read_paging(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let had_after = self.paging.after.is_some();
        let read = self.paging.read(name, value);
        if !had_after && self.paging.after.is_some() {
            name.clone_into(&mut self.after_name);
        }
        match read {
            Err(Fault::UnknownParameter) if self.limits.ignore_unknown_members => Ok(()),
            read => read,
        }
    }

    fn read_filter(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let Some(member) = find::<M>(name) else {
            // Programs put such names into addresses to get past caches.
            let is_ignored = name.starts_with('_') || self.limits.ignore_unknown_members;
            return if is_ignored {
                Ok(())
            } else {
                Err(Fault::UnknownMember)
            };
        };
        let tests = tests(member.kind(), value)?;
        if self.filters.len() + tests.len() > FILTERS_MAX {
            return Err(Fault::TooManyFilters);
        }
        self.filters
            .extend(tests.into_iter().map(|test| Filter { member, test }));
        Ok(())
    }

    fn refuse(&mut self, member: String, fault: &Fault) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(QueryError {
                member,
                message: fault.to_string(),
            });
        }
    }

    fn finish(mut self) -> Result<Query<M>, QueryErrors> {
        let default = u64::try_from(self.limits.take_default).unwrap_or(u64::MAX);
        let take = usize::try_from(self.paging.take.unwrap_or(default)).unwrap_or(usize::MAX);
        let mut query = Query {
            filters: std::mem::take(&mut self.filters),
            sort: std::mem::take(&mut self.paging.sort),
            skip: self.paging.skip.unwrap_or(0),
            take: take.min(self.limits.take_max),
            count_only: self.paging.count.unwrap_or(false),
            after: None,
        };
        match self.after(&query) {
            Ok(after) => query.after = after,
            Err(fault) => self.refuse(self.after_name.clone(), &fault),
        }
        if self.errors.is_empty() {
            Ok(query)
        } else {
            Err(QueryErrors {
                errors: self.errors,
            })
        }
    }

    /// The cursor, held against the rest of the query.
    fn after(&self, query: &Query<M>) -> Result<Option<After>, Fault> {
        let Some(text) = &self.paging.after else {
            return Ok(None);
        };
        let cursor = cursor::decode(text).ok_or(Fault::ForeignCursor)?;
        if self.paging.skip.is_some() {
            return Err(Fault::CursorAndSkip);
        }
        match cursor.of(query) {
            Some(after) => Ok(Some(after)),
            // What the cursor belongs to can not be told from half a query.
            None if !self.errors.is_empty() => Ok(None),
            None => Err(Fault::OtherCursor),
        }
    }
}
