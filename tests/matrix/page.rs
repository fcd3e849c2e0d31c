//! The page that people read: the table with what every caller gets, in as few
//! words as it takes.

use std::fmt::Write as _;

use crate::table::{Access, ROWS, Row, Target};
use crate::world::{Caller, FOREIGN_RIGHT};
use crate::{Mode, Outcome, expected};

const HEAD: &str = "\
# Who may do what

Written by `tests/matrix.rs`, which asks a running server every one of these questions and fails when
an answer or this page differs. After a change of the table in `tests/matrix/table.rs`:
`WRITE_DOCUMENTS=1 cargo test --test matrix`.

- *own* is about something of the caller's own user, *foreign* of another one who has no right,
  *mightier* of an administrator.
- *must change* is an administrator who must change the password first.
- *a login* has no right that Tillgate knows. Beside it stand the rights of which each alone gives what
  it refuses; `admin` gives everything that any right gives.
- *key* is an API key of an administrator, *cut key* one that is cut to a right that Tillgate does not
  know. A key that is cut to one right gets what a login with that right gets, but its own user is
  mightier than itself.
- Where `sessions.access` matters, the first word is for `open`, the second for `own`. *empty*: a list
  that shows and counts nothing.
- `GET /metrics` asks for no login but for a place: this machine and no proxy before it, or the token of
  `metrics.token_file` (`tests/metrics.rs`). The table is asked from this machine.
- HEAD is as GET. OPTIONS is open.
";

/// The whole page.
pub fn written(cells: usize) -> String {
    let mut page = HEAD.to_owned();
    let callers = Caller::all().len();
    let subjects: usize = ROWS.iter().map(|row| row.targets.len()).sum();
    writeln!(
        page,
        "\n{cells} cells: {} routes, {subjects} rows with whose things they are about, {callers} \
         callers, two settings of `sessions.access`.\n\n\
         | route | about | no login | ended | must change | a login | with one of | `admin` | key | \
         cut key |\n\
         |---|---|---|---|---|---|---|---|---|---|",
        ROWS.len()
    )
    .expect("text takes every line");
    for row in ROWS {
        for target in row.targets {
            line(&mut page, row, *target);
        }
    }
    page
}

fn line(page: &mut String, row: &Row, target: Target) {
    let about = match target {
        Target::Nothing => "",
        Target::Own => "own",
        Target::Foreign => "foreign",
        Target::Mightier => "mightier",
    };
    let shown = |caller| shown(row, caller, target);
    let rights = opening_rights(row, target);
    writeln!(
        page,
        "| `{} {}` | {about} | {} | {} | {} | {} | {} | {} | {} | {} |",
        row.method,
        row.path,
        shown(Caller::Nobody),
        shown(Caller::Ended),
        shown(Caller::MustChange),
        shown(Caller::Cashier),
        rights.join(" "),
        shown(Caller::Admin),
        shown(Caller::Key),
        shown(Caller::CutKey(FOREIGN_RIGHT))
    )
    .expect("text takes every line");
}

/// What a caller gets in both settings, said once where it is the same.
fn shown(row: &Row, caller: Caller, target: Target) -> String {
    let [open, own] = Mode::BOTH.map(|mode| expected(row, caller, target, mode));
    if open == own {
        return open.to_string();
    }
    format!("{open}, {own}")
}

/// The rights of which each alone does what a login without any can not.
fn opening_rights(row: &Row, target: Target) -> Vec<String> {
    let done = Outcome::Status(row.done);
    let opens = |caller: Caller, without: Caller| {
        Mode::BOTH.iter().any(|mode| {
            let gets = |caller| expected(row, caller, target, *mode);
            gets(caller) == done && gets(without) != done
        })
    };
    if row.access == Access::Open {
        return Vec::new();
    }
    let said = |right| {
        if opens(Caller::Manager(right), Caller::Cashier) {
            return Some(format!("`{right}`"));
        }
        let by_key = opens(Caller::CutKey(right), Caller::CutKey(FOREIGN_RIGHT));
        by_key.then(|| format!("`{right}` (key)"))
    };
    Caller::single_rights().filter_map(said).collect()
}
