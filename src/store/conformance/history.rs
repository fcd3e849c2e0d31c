//! Random histories: few users, devices and sessions, so that actions meet.
//!
//! An action names things by place ("the third session that was begun"), so
//! that every part of a history keeps its meaning while a failing case is made
//! smaller.

use proptest::prelude::*;

use super::{DEVICES, KEYS, USERS};
use crate::model::{Env, SessionId, VersionTag};
use crate::ndata::{Direction, Filter, Literal, Query, SessionMember, Test};

/// Sessions that actions reach back to; older ones are left alone.
const REACH: usize = 6;

/// One thing that happens. Sessions are counted from the newest back.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Time passes.
    Pass { millis: i64 },
    /// Somebody logs in, having typed the right password, one that was
    /// changed since, or none.
    Begin {
        user: usize,
        device: usize,
        typed: Typed,
    },
    /// A login is repeated under the id of an earlier one.
    BeginAgain { session: usize },
    /// A request of a session, with the newest token, an older one, or none.
    Check {
        session: usize,
        touch: bool,
        token: Token,
    },
    /// A request signed with a key; the first one opens a session.
    Signed { key: usize },
    /// A look at a session.
    Find { session: usize },
    /// A session is ended under `If-Match`.
    End {
        session: usize,
        tag: Option<Tag>,
        own_access: bool,
    },
    /// A refresh token is presented, this many generations old.
    Refresh { session: usize, age: u32 },
    /// Somebody changes the directory.
    Change {
        edits: Vec<Edit>,
        asker: Asker,
        condition: Condition,
    },
    /// Every session is ended.
    EndAll,
    /// The sweeper comes by.
    Sweep { max: usize },
    /// A list is read page by page.
    List {
        query: Query<SessionMember>,
        own: Option<usize>,
        pages: usize,
    },
    /// The second store is stopped and opened again.
    Restart,
}

/// What was typed as the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    Stored,
    Changed,
    Nothing,
}

/// Which token a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Newest,
    Older,
    None,
}

/// A version tag, before anybody knows the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// The version stored, less the asking access.
    Stored,
    /// One more than that.
    Ahead,
    /// `*`, or a tag that never matches.
    Fixed(VersionTag),
}

/// Who asks for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    Operator,
    Caller { user: usize, device: usize },
}

/// A condition on what is changed, before anybody knows its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    BodyStored,
    BodyAhead,
    MatchStored,
    MatchAhead,
    CreateOnly,
}

/// One edit of the directory.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    UserActive {
        user: usize,
        is_active: bool,
    },
    /// Active, not active, or gone.
    Entry {
        user: usize,
        device: usize,
        is_active: Option<bool>,
    },
    Password {
        user: usize,
    },
    OwnPassword {
        session: usize,
        typed: Typed,
    },
    /// To the name of this place, or to another one.
    Name {
        user: usize,
        original: bool,
    },
    NewUser {
        user: usize,
    },
    DeleteUser {
        user: usize,
    },
    Device {
        device: usize,
        env: Env,
        is_active: bool,
    },
    DeleteDevice {
        device: usize,
    },
    Role {
        admin: bool,
        env: Option<Env>,
    },
    DeleteRole,
    /// Made, or replaced if it is there.
    Key {
        key: usize,
        user: usize,
        device: usize,
        is_active: bool,
        other_secret: bool,
    },
    DeleteKey {
        key: usize,
    },
}

fn user() -> impl Strategy<Value = usize> {
    0..USERS.len()
}

fn device() -> impl Strategy<Value = usize> {
    0..DEVICES.len()
}

fn key() -> impl Strategy<Value = usize> {
    0..KEYS
}

fn edit_of_key() -> impl Strategy<Value = Edit> {
    let put = (
        key(),
        user(),
        device(),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
    );
    prop_oneof![
        4 => put.prop_map(|(key, user, device, is_active, other_secret)| Edit::Key {
            key,
            user,
            device,
            is_active,
            other_secret,
        }),
        1 => key().prop_map(|key| Edit::DeleteKey { key }),
    ]
}

fn session() -> impl Strategy<Value = usize> {
    0..REACH
}

/// Steps around the limits of [`rules`], often exactly onto them. Never back:
/// trusted time does not, and a store may forget what is over at once.
fn pass() -> impl Strategy<Value = i64> {
    let exact = proptest::sample::select(vec![1_i64, 999, 1_000, 9_999, 10_000, 29_999, 30_000]);
    prop_oneof![3 => exact, 1 => 0..45_000_i64]
}

fn typed() -> impl Strategy<Value = Typed> {
    prop_oneof![8 => Just(Typed::Stored), 1 => Just(Typed::Changed), 1 => Just(Typed::Nothing)]
}

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![3 => Just(Token::Newest), 1 => Just(Token::Older), 2 => Just(Token::None)]
}

fn tag() -> impl Strategy<Value = Tag> {
    prop_oneof![
        3 => Just(Tag::Stored),
        1 => Just(Tag::Ahead),
        1 => Just(Tag::Fixed(VersionTag::Any)),
        1 => Just(Tag::Fixed(VersionTag::Never)),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let often = prop::bool::weighted(0.7);
    let env = proptest::sample::select(Env::ALL.to_vec());
    let entry = (
        user(),
        device(),
        proptest::option::weighted(0.8, any::<bool>()),
    );
    prop_oneof![
        2 => (user(), often).prop_map(|(user, is_active)| Edit::UserActive { user, is_active }),
        4 => entry
            .prop_map(|(user, device, is_active)| Edit::Entry { user, device, is_active }),
        1 => user().prop_map(|user| Edit::Password { user }),
        2 => (session(), typed()).prop_map(|(session, typed)| Edit::OwnPassword { session, typed }),
        1 => (user(), any::<bool>()).prop_map(|(user, original)| Edit::Name { user, original }),
        3 => user().prop_map(|user| Edit::NewUser { user }),
        1 => user().prop_map(|user| Edit::DeleteUser { user }),
        4 => (device(), env.clone(), often)
            .prop_map(|(device, env, is_active)| Edit::Device { device, env, is_active }),
        1 => device().prop_map(|device| Edit::DeleteDevice { device }),
        2 => (any::<bool>(), proptest::option::of(env))
            .prop_map(|(admin, env)| Edit::Role { admin, env }),
        1 => Just(Edit::DeleteRole),
        4 => edit_of_key(),
    ]
}

fn change() -> impl Strategy<Value = Action> {
    let edits = prop_oneof![
        5 => edit().prop_map(|edit| vec![edit]),
        1 => proptest::collection::vec(edit(), 2..4),
    ];
    let asker = prop_oneof![
        3 => Just(Asker::Operator),
        2 => (user(), device()).prop_map(|(user, device)| Asker::Caller { user, device }),
    ];
    let condition = prop_oneof![
        6 => Just(Condition::None),
        1 => Just(Condition::BodyStored),
        1 => Just(Condition::BodyAhead),
        1 => Just(Condition::MatchStored),
        1 => Just(Condition::MatchAhead),
        1 => Just(Condition::CreateOnly),
    ];
    (edits, asker, condition).prop_map(|(edits, asker, condition)| Action::Change {
        edits,
        asker,
        condition,
    })
}

fn filter() -> impl Strategy<Value = Filter<SessionMember>> {
    let text = |text: &str| Literal::Text(text.to_owned());
    let time = (0..120_000_i64)
        .prop_map(|millis| Literal::Time(i128::from(super::at(millis).as_millis()) * 1_000_000));
    let number = (1..6_i64).prop_map(Literal::Number);
    let on = |member| move |test| Filter { member, test };
    let user = proptest::sample::select(&USERS[..]).prop_map(text);
    let device = proptest::sample::select(&DEVICES[..]).prop_map(move |(name, _)| text(name));
    prop_oneof![
        2 => user.clone().prop_map(Test::Eq).prop_map(on(SessionMember::UserName)),
        1 => user.prop_map(Test::Neq).prop_map(on(SessionMember::UserName)),
        2 => device.clone().prop_map(Test::Eq).prop_map(on(SessionMember::DeviceName)),
        1 => device.prop_map(|one| Test::NotIn(vec![one])).prop_map(on(SessionMember::DeviceName)),
        1 => Just(Test::Eq(text("Tool"))).prop_map(on(SessionMember::EnvName)),
        1 => (0..12_u32)
            .prop_map(|number| {
                // Spelled as the ids of a history are, also some that never were.
                let id: SessionId = super::session_id(number);
                Test::Eq(Literal::Text(id.as_str().to_owned()))
            })
            .prop_map(on(SessionMember::SessionId)),
        1 => time.clone().prop_map(Test::Gte).prop_map(on(SessionMember::StartedAt)),
        1 => time.clone().prop_map(Test::Lt).prop_map(on(SessionMember::LastAccessAt)),
        1 => time.prop_map(Test::Gt).prop_map(on(SessionMember::ExpiresAt)),
        1 => number.prop_map(Test::Lte).prop_map(on(SessionMember::Version)),
    ]
}

fn query() -> impl Strategy<Value = Query<SessionMember>> {
    use crate::ndata::Member;
    let member = proptest::sample::select(SessionMember::ALL);
    let direction = prop_oneof![Just(Direction::Ascending), Just(Direction::Descending)];
    let sort = proptest::collection::vec((member, direction), 0..3);
    let filters = proptest::collection::vec(filter(), 0..3);
    let paging = (prop_oneof![3 => Just(0_u64), 1 => 0..4_u64], 0..5_usize);
    (filters, sort, paging, prop::bool::weighted(0.2)).prop_map(
        |(filters, sort, (skip, take), count_only)| {
            let mut once: Vec<(SessionMember, Direction)> = Vec::new();
            for (member, direction) in sort {
                if once.iter().all(|(key, _)| *key != member) {
                    once.push((member, direction));
                }
            }
            Query {
                filters,
                sort: once,
                skip,
                take,
                count_only,
                after: None,
            }
        },
    )
}

fn list() -> impl Strategy<Value = Action> {
    (query(), proptest::option::weighted(0.3, user()), 1..4_usize)
        .prop_map(|(query, own, pages)| Action::List { query, own, pages })
}

/// One action; logins, accesses and time are the most frequent.
pub(crate) fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (user(), device(), typed())
            .prop_map(|(user, device, typed)| Action::Begin { user, device, typed }),
        1 => session().prop_map(|session| Action::BeginAgain { session }),
        6 => (session(), prop::bool::weighted(0.9), token())
            .prop_map(|(session, touch, token)| Action::Check { session, touch, token }),
        4 => key().prop_map(|key| Action::Signed { key }),
        5 => pass().prop_map(|millis| Action::Pass { millis }),
        1 => session().prop_map(|session| Action::Find { session }),
        2 => (session(), proptest::option::of(tag()), any::<bool>())
            .prop_map(|(session, tag, own_access)| Action::End { session, tag, own_access }),
        5 => (session(), prop_oneof![4 => Just(0_u32), 2 => Just(1), 1 => Just(2)])
            .prop_map(|(session, age)| Action::Refresh { session, age }),
        5 => change(),
        1 => Just(Action::EndAll),
        2 => (0..4_usize).prop_map(|max| Action::Sweep { max }),
        3 => list(),
        1 => Just(Action::Restart),
    ]
}

/// A history of at most this many actions.
pub(crate) fn history(actions_max: usize) -> impl Strategy<Value = Vec<Action>> {
    proptest::collection::vec(action(), 1..=actions_max)
}

/// Rules whose limits histories run into: a lifetime of 30 s, an idle timeout
/// of 10 s at tills, a refresh grace of 1 s, no life beyond 40 s.
pub(crate) fn rules() -> crate::store::Rules {
    let mut rules = super::rules(30, None);
    rules.idle[Env::CashRegister.index()] = Some(super::seconds(10));
    rules.refresh_grace = super::seconds(1);
    rules.lifetime_max = Some(super::seconds(40));
    rules
}
