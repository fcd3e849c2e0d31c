//! Who may do what: every route, asked by every kind of caller about the own and
//! about foreign things, with `sessions.access` open and own. What has to come
//! out follows from one table; what comes out is written to `docs/rights.md`,
//! which this test holds true.

#[path = "matrix/page.rs"]
mod page;
mod support;
#[path = "matrix/table.rs"]
mod table;
#[path = "matrix/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use support::Answer;
use table::{Access, ROWS, Row, Target};
use world::{Caller, MIGHTIER, OTHER, World};

/// The page.
const PAGE: &str = "docs/rights.md";
/// Set, the page is written instead of compared.
const WRITE: &str = "WRITE_DOCUMENTS";

/// What a caller gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This status.
    Status(u16),
    /// A list without what it was asked for.
    Empty,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Empty => f.write_str("empty"),
        }
    }
}

impl Outcome {
    fn of(row: &Row, answer: &Answer) -> Self {
        let is_list = matches!(row.access, Access::List(_));
        if is_list && answer.status == 200 && answer.json()["totalCount"] == 0 {
            return Self::Empty;
        }
        Self::Status(answer.status)
    }
}

/// `sessions.access`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As documented.
    Open,
    /// Restricted.
    Own,
}

impl Mode {
    const BOTH: [Self; 2] = [Self::Open, Self::Own];

    fn option(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Own => "own",
        }
    }
}

/// What has to come out.
fn expected(row: &Row, caller: Caller, target: Target, mode: Mode) -> Outcome {
    let done = Outcome::Status(row.done);
    if row.access == Access::Open {
        return done;
    }
    match caller {
        Caller::Nobody | Caller::Ended => return Outcome::Status(401),
        Caller::MustChange if row.access != Access::OwnLogin => return Outcome::Status(403),
        _ => {}
    }
    let reaches = |right| mode == Mode::Open || target == Target::Own || caller.holds(&[right]);
    // The user of a cut key is mightier than the key.
    let is_mightier = match target {
        Target::Own => {
            matches!(caller, Caller::CutKey(_)) && row.targets.contains(&Target::Mightier)
        }
        Target::Mightier => !caller.holds(&[]),
        Target::Nothing | Target::Foreign => false,
    };
    match row.access {
        Access::Right(_) if is_mightier => Outcome::Status(403),
        Access::Right(one_of) if !caller.holds(one_of) => Outcome::Status(403),
        Access::Reach(right) if !reaches(right) => Outcome::Status(404),
        Access::List(right) if !reaches(right) => Outcome::Empty,
        Access::Bearer if caller.is_key() => Outcome::Status(401),
        Access::Key(right) if !caller.is_key() || !caller.holds(&[right]) => Outcome::Status(403),
        Access::Key(_) if target != Target::Foreign => Outcome::Status(403),
        _ => done,
    }
}

/// Asks everything in one shop; what came out otherwise, and how much was asked.
fn ask_all(mode: Mode) -> (Vec<String>, usize) {
    let mut world = World::with_access(mode.option());
    let (mut wrong, mut cells) = (Vec::new(), 0);
    for row in ROWS {
        for target in row.targets {
            for caller in Caller::all() {
                let own = caller.user();
                let about = match target {
                    Target::Foreign => OTHER,
                    Target::Mightier => MIGHTIER,
                    Target::Nothing | Target::Own => &own,
                };
                let answer = world.ask(row, caller, about);
                let (got, wanted) = (
                    Outcome::of(row, &answer),
                    expected(row, caller, *target, mode),
                );
                if got != wanted {
                    let Row { method, path, .. } = row;
                    wrong.push(format!(
                        "{method} {path} {target:?}, {caller:?}, access {mode:?}: {got} and not \
                         {wanted}: {}",
                        answer.text
                    ));
                }
                cells += 1;
            }
        }
    }
    (wrong, cells)
}

#[test]
fn everybody_may_what_the_table_says_and_nothing_else() {
    let (wrong, cells) = std::thread::scope(|scope| {
        let runs = Mode::BOTH.map(|mode| scope.spawn(move || ask_all(mode)));
        let (mut all_wrong, mut all_cells) = (Vec::new(), 0);
        for run in runs {
            let (wrong, cells) = run.join().expect("the shop was there");
            all_wrong.extend(wrong);
            all_cells += cells;
        }
        (all_wrong, all_cells)
    });

    assert!(
        wrong.is_empty(),
        "{} of {cells}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let page = page::written(cells);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &page).expect("the page is written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "{PAGE} is not what came out; write it anew: {WRITE}=1 cargo test --test matrix"
    );
}

#[test]
fn the_table_has_every_route_of_the_server_and_no_other() {
    let served: BTreeSet<String> = tillgate::http::PATHS
        .iter()
        .filter(|(path, _)| *path != "/sessions/{word}")
        .flat_map(|(path, methods)| {
            let own = methods
                .split(", ")
                .filter(|method| !["HEAD", "OPTIONS"].contains(method));
            own.map(move |method| format!("{method} {path}"))
        })
        .collect();
    let table: BTreeSet<String> = ROWS
        .iter()
        .map(|row| format!("{} {}", row.method, row.path))
        .collect();
    let difference: Vec<_> = served.symmetric_difference(&table).collect();
    assert!(
        difference.is_empty(),
        "in the server's table or in tests/matrix/table.rs, but not in both: {difference:#?}"
    );
}

#[test]
fn every_path_knows_the_methods_it_names_and_no_other() {
    let world = World::with_access("open");
    for (template, methods) in tillgate::http::PATHS {
        let path = template
            .replace("{id}", "x")
            .replace("{name}", "x")
            .replace("{word}", "ended");
        let options = world.call("OPTIONS", &path);
        assert_eq!(
            (options.status, options.header("allow")),
            (204, *methods),
            "{path}"
        );
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE"] {
            let known = methods.split(", ").any(|one| one == method);
            let status = world.call(method, &path).status;
            assert_eq!(status != 405, known, "{method} {path}: {status}");
        }
    }
}
