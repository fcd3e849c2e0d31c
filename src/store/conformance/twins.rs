//! One history, two stores, equal answers.
//!
//! Each side keeps its own notes of what its store answered and builds the
//! next call from them; the answers are compared after every action, and so
//! are the list of everything that is live, every reason and the directory.

use super::at;
use super::history::Action;
use super::side::{Answer, Call, Side, State, Told};
use crate::model::{Session, SessionId, Timestamp, Version};
use crate::ndata::SessionMember;
use crate::store::{Rules, SessionPage, Store, StoreError};

/// How alike the two stores have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// In every answer.
    Exact,
    /// Restarts of the second store are unclean: versions may jump ahead and
    /// the newest accesses may be lost. Versions only have to grow, and what
    /// follows from `lastAccessAt` is left out. The rules must have no idle
    /// timeout then, since an unclean start grants some grace.
    VersionsGrow,
}

/// Where the two stores parted: the action, and both answers.
#[derive(Debug)]
pub(crate) struct Difference(pub(crate) String);

/// Runs a history on both stores, which must be empty and have these rules.
/// `restart` closes the second one and opens it again.
pub(crate) fn compare<A: Store, B: Store>(
    rules: &Rules,
    history: &[Action],
    stores: (A, B),
    mut restart: impl FnMut(B) -> B,
    likeness: Likeness,
) -> Result<(), Difference> {
    let idle = rules.idle.iter().any(Option::is_some);
    assert!(
        likeness == Likeness::Exact || !idle,
        "an unclean start grants idle sessions a grace"
    );
    let mut a = Side::new(stores.0);
    let mut b = Side::new(stores.1);
    let mut now = at(0);
    for (step, action) in history.iter().enumerate() {
        match action {
            Action::Pass { millis } => now = at(now.as_millis() - at(0).as_millis() + millis),
            Action::Restart => b.replace_store(&mut restart),
            action if likeness == Likeness::VersionsGrow && depends_on_accesses(action) => continue,
            _ => {}
        }
        let call = Call { action, step, now };
        let answers = (a.carry_out(call), b.carry_out(call));
        let state = (a.state(now), b.state(now));
        let same = same_answers(&a, likeness, &answers, now)
            && same_states(&a, likeness, &state, now)
            && wakes_in_time(a.next_deadline(), b.next_deadline(), now);
        if !same {
            let what = format!("step {step} at {now}: {action:?}\n{answers:#?}\n{state:#?}");
            return Err(Difference(what));
        }
    }
    Ok(())
}

/// Runs a history on one store alone, whatever it answers; the sessions whose
/// ending was answered.
pub(crate) fn run<S: Store>(history: &[Action], store: S) -> Vec<SessionId> {
    let mut side = Side::new(store);
    let mut now = at(0);
    let mut ended = Vec::new();
    for (step, action) in history.iter().enumerate() {
        if let Action::Pass { millis } = action {
            now = at(now.as_millis() - at(0).as_millis() + millis);
        }
        let told = side.carry_out(Call { action, step, now });
        if let Answer::Ended(session) = told.answer {
            ended.push(session.id);
        }
    }
    ended
}

/// As [`compare`], for a test to fail with.
pub(crate) fn assert_same<A: Store, B: Store>(
    rules: &Rules,
    history: &[Action],
    stores: (A, B),
    restart: impl FnMut(B) -> B,
    likeness: Likeness,
) {
    if let Err(Difference(what)) = compare(rules, history, stores, restart, likeness) {
        panic!("the stores part at {what}");
    }
}

/// Whether an answer follows from versions or last accesses by itself.
fn depends_on_accesses(action: &Action) -> bool {
    let moved = |member| matches!(member, SessionMember::Version | SessionMember::LastAccessAt);
    match action {
        Action::List { query, .. } => {
            query.sort.iter().any(|(member, _)| moved(*member))
                || query.filters.iter().any(|filter| moved(filter.member))
        }
        _ => false,
    }
}

fn same_states<A>(
    side: &Side<A>,
    likeness: Likeness,
    (a, b): &(State, State),
    now: Timestamp,
) -> bool {
    let reasons = a.reasons.iter().zip(&b.reasons);
    let mut alike = reasons.map(|((id, a), (_, b))| side.same_reason(*id, *a, *b, now));
    masked_page(&a.live, likeness) == masked_page(&b.live, likeness)
        && a.directory == b.directory
        && alike.all(|same| same)
}

fn same_answers<A>(
    side: &Side<A>,
    likeness: Likeness,
    (told, other): &(Told, Told),
    now: Timestamp,
) -> bool {
    match (&told.answer, &other.answer) {
        (Answer::Failed(StoreError::NotLive(a)), Answer::Failed(StoreError::NotLive(b))) => told
            .about
            .is_none_or(|id| side.same_reason(id, *a, *b, now)),
        // How many it moves depends on what the one before took of those that were
        // over at the same instant. What a sweep leaves is the same, in every state.
        (Answer::Swept(_), Answer::Swept(_)) => true,
        (a, b) => masked(a, likeness) == masked(b, likeness),
    }
}

/// The second store may look too early for what is due, never too late. What
/// is overdue is left out, on either side: of sessions that were over at the
/// same instant, a sweep that stops between them may have taken the one or the
/// other, and a change may then have ended the other one.
fn wakes_in_time(exact: Option<Timestamp>, next: Option<Timestamp>, now: Timestamp) -> bool {
    match (exact, next) {
        (Some(exact), _) if exact <= now => true,
        (Some(exact), Some(next)) => next <= exact,
        (None, Some(next)) if next <= now => true,
        (exact, next) => exact == next,
    }
}

fn masked(answer: &Answer, likeness: Likeness) -> Answer {
    let mask = |session: &Session| masked_session(session, likeness);
    let version = |version: Version| match likeness {
        Likeness::Exact => version,
        Likeness::VersionsGrow => Version(0),
    };
    match answer.clone() {
        Answer::Begun {
            session,
            rights,
            replaced,
        } => Answer::Begun {
            session: mask(&session),
            rights,
            replaced: replaced.iter().map(mask).collect(),
        },
        Answer::Checked {
            session,
            before,
            rights,
        } => Answer::Checked {
            session: mask(&session),
            before: version(before),
            rights,
        },
        Answer::Found(session, tokens) => Answer::Found(session.as_ref().map(mask), tokens),
        Answer::Ended(session) => Answer::Ended(mask(&session)),
        Answer::Refreshed(session, tokens) => Answer::Refreshed(mask(&session), tokens),
        Answer::Pages(pages) => Answer::Pages(
            pages
                .iter()
                .map(|page| masked_page(page, likeness))
                .collect(),
        ),
        Answer::Failed(StoreError::Stale(stored)) => {
            Answer::Failed(StoreError::Stale(version(stored)))
        }
        answer => answer,
    }
}

fn masked_session(session: &Session, likeness: Likeness) -> Session {
    let mut session = session.clone();
    if likeness == Likeness::VersionsGrow {
        (session.version, session.last_access_at) = (Version(0), session.started_at);
    }
    session
}

fn masked_page(page: &SessionPage, likeness: Likeness) -> SessionPage {
    let items = page
        .items
        .iter()
        .map(|session| masked_session(session, likeness));
    SessionPage {
        items: items.collect(),
        ..page.clone()
    }
}
