//! Why a query can not be read: one place for every sentence a person may see.

/// Everything that is wrong with a query, in the order of its parameters; at
/// least one entry, at most 32.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the query can not be read")]
pub struct QueryErrors {
    /// One entry a parameter that can not be read.
    pub errors: Vec<QueryError>,
}

/// One parameter that can not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {message}")]
pub struct QueryError {
    /// The parameter's name as sent, decoded as far as it can be.
    pub member: String,
    /// What is wrong with it: the rest of a sentence that begins with the name.
    pub message: String,
}

/// How many errors of one query are reported; what follows is not read.
pub(super) const ERRORS_MAX: usize = 32;

/// What is wrong with one parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("is not a member that can be filtered by")]
    UnknownMember,
    #[error("is not a known parameter")]
    UnknownParameter,
    #[error("names '{0}', which is not a member that can be sorted by")]
    UnknownSortKey(String),
    #[error("has a sort direction other than 'asc' and 'desc'")]
    SortDirection,
    #[error("asks for one key both ascending and descending")]
    SortContradiction,
    #[error("is not valid percent-encoding")]
    PercentEncoding,
    #[error("is not valid UTF-8")]
    Utf8,
    #[error("must be given only once")]
    Twice,
    #[error("must not be empty")]
    Empty,
    #[error("must be a whole number, 0 or greater")]
    NotACount,
    #[error("must be 'true' or 'false'")]
    NotABool,
    #[error("must be a whole number")]
    NotANumber,
    #[error("must be a time such as 2023-08-04T11:19:38.015Z")]
    NotATime,
    #[error("has a quote that is not closed")]
    OpenQuote,
    #[error("has text behind a closing quote")]
    BehindQuote,
    #[error("has an operator with a wrong number of arguments")]
    ArgumentCount,
    #[error("has an operator that does not fit the kind of its values")]
    OperatorKind,
    #[error("has an operator whose argument must not be empty")]
    EmptyArgument,
    #[error("goes beyond the number of operations a query may have")]
    TooManyFilters,
    #[error("lists more values than an operation may have")]
    TooManyValues,
    #[error("must be empty: there is nothing to include")]
    Include,
    #[error("is not a cursor of this server")]
    ForeignCursor,
    #[error("belongs to another filter or sort")]
    OtherCursor,
    #[error("can not stand here: only filters can")]
    NotHere,
    #[error("must name at least one filter")]
    NoFilter,
    #[error("can not stand beside $skip")]
    CursorAndSkip,
}
