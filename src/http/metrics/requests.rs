//! How requests were answered: one cell for each route, method and status, all
//! laid out at the start, so that counting is adding to two numbers.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use warp::http::StatusCode;

use super::text::{Exposition, Kind};
use crate::http::request::Verb;
use crate::http::{PAGES, PATHS};
use crate::meter::{Counter, Distribution, Histogram, Striped};

/// Where a request is counted that is for no route.
pub(in crate::http) const NO_ROUTE: &str = "-";
/// The route that is answered before all others.
const HOT_ROUTE: &str = "/sessions/{id}";
/// Every status that is answered, and 0 for one that is forgotten here.
const STATUSES: [u16; 24] = [
    101, 200, 201, 202, 204, 304, 308, 400, 401, 403, 404, 405, 406, 408, 412, 413, 414, 415, 423,
    431, 500, 503, 507, 0,
];

/// One in so many answers before any route is timed: looking at the clock twice
/// would cost as much as a tenth of the check.
const TIMED_EVERY: u32 = 16;

/// The answers of one route to one method.
#[derive(Debug, Default)]
struct Answers {
    by_status: [Counter; STATUSES.len()],
    took: Histogram,
}

impl Answers {
    fn count(&self, status: StatusCode, took: Duration) {
        self.by_status[place_of(status)].count();
        self.took.count(took);
    }
}

fn place_of(status: StatusCode) -> usize {
    let status = status.as_u16();
    let place = STATUSES.iter().position(|known| *known == status);
    place.unwrap_or(STATUSES.len() - 1)
}

/// Those that one thread gives before any route.
#[derive(Debug, Default)]
struct Hot {
    by_status: [Counter; STATUSES.len()],
    /// Grows with each; one that gets lost between two threads matters to nobody.
    turn: AtomicU32,
    took: Histogram,
}

/// All answers since the start.
#[derive(Debug)]
pub(in crate::http) struct Requests {
    /// Those that are given before any route, by every serving thread at once.
    hot: Striped<Hot>,
    /// The others, by route and method.
    all: Vec<[Answers; Verb::ALL.len()]>,
}

impl Requests {
    pub(in crate::http) fn new() -> Self {
        Self {
            hot: Striped::default(),
            all: routes().map(|_| Default::default()).collect(),
        }
    }

    /// A request begins that may be answered before any route: since when, where
    /// it is one of those that are timed.
    pub(in crate::http) fn begin_hot(&self) -> Option<Instant> {
        let turn = &self.hot.own().turn;
        let now = turn.load(Ordering::Relaxed);
        turn.store(now.wrapping_add(1), Ordering::Relaxed);
        now.is_multiple_of(TIMED_EVERY).then(Instant::now)
    }

    /// Counts an answer that was given before any route.
    pub(in crate::http) fn count_hot(&self, status: StatusCode, since: Option<Instant>) {
        let hot = self.hot.own();
        hot.by_status[place_of(status)].count();
        if let Some(since) = since {
            hot.took.count(since.elapsed());
        }
    }

    /// Counts an answer of a route by its template.
    pub(in crate::http) fn count(
        &self,
        route: &str,
        verb: Verb,
        status: StatusCode,
        took: Duration,
    ) {
        let place = routes().position(|known| known == route);
        let answers = place.and_then(|place| self.all.get(place));
        if let Some(answers) = answers.or_else(|| self.all.last()) {
            answers[verb as usize].count(status, took);
        }
    }

    /// Writes what was counted.
    pub(super) fn write(&self, text: &mut Exposition) {
        let mut counted = text.family(
            "tillgate_http_requests_total",
            Kind::Counter,
            "Requests that were answered, by route, method and status.",
        );
        self.each(|route, verb, by_status, _| {
            for (status, many) in STATUSES.iter().zip(by_status).filter(|(_, many)| *many > 0) {
                let status = match status {
                    0 => "other".to_owned(),
                    status => status.to_string(),
                };
                let labels = format!("route=\"{route}\",method=\"{verb}\",status=\"{status}\"");
                counted.sample(&labels, many);
            }
        });
        let mut took = text.family(
            "tillgate_http_request_duration_seconds",
            Kind::Histogram,
            "From the head of a request to its answer; of events, to the head of the answer.",
        );
        self.each(|route, verb, _, read| {
            took.distribution(&format!("route=\"{route}\",method=\"{verb}\""), read);
        });
        let hot = self.hot.all().map(|hot| hot.took.read());
        text.histogram(
            "tillgate_http_check_duration_seconds",
            "Of one in 16 checks that are answered before any route; they are not in the one above.",
            &hot.fold(Distribution::default(), |all, one| all.and(&one)),
        );
    }

    /// Every route and method that was asked for.
    fn each(&self, mut told: impl FnMut(&str, &str, [u64; STATUSES.len()], &Distribution)) {
        for (route, answers) in routes().zip(&self.all) {
            for (verb, answers) in Verb::ALL.into_iter().zip(answers) {
                let is_hot = route == HOT_ROUTE && verb == Verb::Get;
                let hot = self.hot.all().filter(|_| is_hot);
                let mut by_status = [0; STATUSES.len()];
                for counted in hot.map(|hot| &hot.by_status).chain([&answers.by_status]) {
                    for (sum, more) in by_status.iter_mut().zip(counted) {
                        *sum += more.get();
                    }
                }
                if by_status.iter().any(|many| *many > 0) {
                    told(route, verb.as_str(), by_status, &answers.took.read());
                }
            }
        }
    }
}

/// Every route, and at last the one for all that are none.
fn routes() -> impl Iterator<Item = &'static str> {
    let table = PATHS.iter().map(|(route, _)| *route);
    let pages = PAGES.iter().map(|page| page.form);
    table.chain(pages).chain([NO_ROUTE])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_moves_its_own_cell_and_no_other() {
        let requests = Requests::new();
        let took = Duration::from_micros(3);
        assert!(requests.begin_hot().is_some());
        assert!(requests.begin_hot().is_none());
        requests.count_hot(StatusCode::OK, None);
        requests.count(HOT_ROUTE, Verb::Get, StatusCode::OK, took);
        requests.count("/users", Verb::Post, StatusCode::CREATED, took);
        requests.count("of nobody", Verb::Get, StatusCode::IM_A_TEAPOT, took);

        let mut cells = Vec::new();
        requests.each(|route, verb, by_status, took| {
            for (status, many) in STATUSES.iter().zip(by_status).filter(|(_, many)| *many > 0) {
                cells.push((route.to_owned(), verb.to_owned(), *status, many, took.len()));
            }
        });
        let cell = |route: &str, verb: &str, status, many| {
            (route.to_owned(), verb.to_owned(), status, many, 1)
        };
        assert_eq!(
            cells,
            [
                cell(HOT_ROUTE, "GET", 200, 2),
                cell("/users", "POST", 201, 1),
                cell(NO_ROUTE, "GET", 0, 1),
            ]
        );
    }

    #[test]
    fn the_hot_route_is_one_of_the_table() {
        assert!(PATHS.iter().any(|(route, _)| *route == HOT_ROUTE));
    }
}
