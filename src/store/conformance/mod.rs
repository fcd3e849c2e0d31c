//! What every store promises, as tests that run on any of them.
//!
//! A store instantiates the single promises with [`on_store`], and compares
//! whole histories with the oracle through [`twins`]. All ids, salts and times
//! come from here, so a failing case fails again.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;

use super::{
    Access, Begun, Checked, End, NewSession, NotedToken, Refresh, Refreshed, Rules, Scope,
    SessionPage, Store, StoreError, Swept, TokenState,
};
use crate::model::{
    ApiKeyId, ApiKeyInput, AuditEntry, AuthenticationType, Cause, ClientId, Credentials,
    DeviceInput, DeviceName, Directory, DirectoryChange, EndReason, EndedSession, Env, KeyNumber,
    Mode, Origin, Precondition, Resource, Right, RoleInput, RoleName, Session, SessionId,
    Timestamp, TokenName, UserDeviceInput, UserId, UserInput, UserName, VersionTag,
};
use crate::ndata::{AuditMember, EndedMember, Query, Selected, SessionMember};

pub(crate) mod access;
pub(crate) mod archive;
pub(crate) mod audit;
pub(crate) mod changes;
pub(crate) mod directory;
mod edits;
pub(crate) mod ending;
pub(crate) mod feed;
pub(crate) mod history;
pub(crate) mod limits;
pub(crate) mod listing;
pub(crate) mod lockout;
pub(crate) mod login;
pub(crate) mod outbox;
pub(crate) mod refresh;
mod side;
pub(crate) mod signed;
pub(crate) mod sweep;
pub(crate) mod twins;

/// Makes a test of every single promise for one store. The argument is a
/// function from [`Rules`] to an empty store; it is evaluated once a test, so
/// a closure may own the folder of its stores.
macro_rules! on_store {
    ($factory:expr) => {
        $crate::store::conformance::on_store! { @each $factory;
            login::a_login_opens_a_session_that_is_found_at_once,
            login::a_sale_device_holds_one_session_and_an_office_any_number,
            login::a_login_on_a_sale_device_takes_the_place_of_whoever_was_there,
            login::what_was_over_already_is_not_replaced,
            login::a_login_needs_user_device_and_assignment_active,
            login::a_login_with_a_password_that_changed_meanwhile_is_denied,
            login::a_denied_login_ends_nobody,
            login::an_id_that_exists_is_not_opened_again,
            limits::a_limit_denies_one_more_and_lets_others_in,
            limits::a_limit_replaces_the_one_longest_not_accessed,
            limits::what_is_over_or_ends_with_the_login_does_not_count,
            limits::a_denied_login_at_a_till_ends_nobody,
            limits::sessions_of_api_keys_are_outside_of_all_limits,
            limits::several_limits_all_hold,
            lockout::the_tenth_failure_locks_the_pair_and_no_other,
            lockout::a_locked_attempt_is_refused_whatever_its_password_and_not_counted,
            lockout::a_denied_login_counts_as_a_failure,
            lockout::a_good_login_begins_the_count_anew_and_makes_the_place_known,
            lockout::a_right_old_password_begins_the_count_anew,
            lockout::names_that_are_no_users_are_counted_alike,
            lockout::strangers_give_way_to_strangers_and_users_never_do,
            lockout::unlocking_needs_the_right_and_forgets_all_failures,
            lockout::a_sweep_forgets_what_counts_no_more,
            lockout::a_use_is_noted_once_a_day_while_it_is_watched,
            access::an_access_moves_last_access_and_version_and_nothing_else,
            access::an_access_that_does_not_count_changes_nothing,
            access::last_access_never_goes_back_with_the_clock,
            access::a_session_lives_to_the_last_millisecond_of_its_lifetime,
            access::an_idle_session_lives_to_the_last_millisecond_of_its_timeout,
            access::the_rule_that_struck_first_is_the_reason,
            access::every_environment_has_rules_of_its_own,
            access::rights_are_those_of_the_instant_of_the_access,
            access::the_newest_token_is_known_by_its_name_until_the_next,
            access::a_token_that_has_not_begun_is_not_answered_at_once,
            ending::an_ended_session_is_gone_at_once_from_everywhere,
            ending::the_reason_of_every_ending_is_told,
            ending::if_match_must_name_the_stored_version,
            ending::the_asking_access_is_left_out_of_if_match,
            ending::what_is_out_of_scope_is_neither_found_nor_ended,
            ending::ending_everybody_spares_only_who_logs_in_later,
            ending::a_revoked_key_ends_whose_newest_token_it_signed,
            refresh::a_session_is_found_by_its_current_refresh_token_only,
            refresh::the_current_token_moves_the_end_and_the_version,
            refresh::the_longest_life_caps_every_refresh,
            refresh::a_repeat_within_the_grace_gets_the_first_answer_again,
            refresh::a_repeat_after_the_grace_ends_the_session,
            refresh::a_repeat_after_the_new_token_was_used_ends_the_session,
            refresh::an_access_with_an_older_token_leaves_the_grace_open,
            refresh::a_repeat_after_the_next_exchange_ends_the_session,
            refresh::a_token_of_no_generation_ends_nothing,
            refresh::what_is_not_live_is_not_refreshed,
            directory::a_change_ends_whom_it_concerns_and_nobody_else,
            directory::the_own_password_ends_the_other_sessions_only,
            directory::a_refused_change_changes_nothing,
            directory::a_change_answers_the_resource_and_whether_it_was_created,
            directory::a_precondition_is_put_to_what_is_stored,
            directory::what_was_over_before_a_change_keeps_its_own_reason,
            directory::a_snapshot_stays_as_it_was,
            listing::counts_are_exact_whatever_the_page_holds,
            listing::own_scope_neither_lists_nor_counts_others,
            listing::what_is_not_live_is_not_listed_from_that_very_instant,
            listing::rows_follow_the_sort_keys_then_the_tie_break,
            listing::cursors_visit_every_row_once_in_every_order,
            listing::filters_are_all_put_to_every_row,
            signed::the_requests_of_a_key_go_on_in_one_session,
            signed::after_its_end_a_key_goes_on_under_another_id,
            signed::a_till_holds_its_session_and_that_of_its_key,
            signed::a_key_that_is_not_the_one_that_signed_lets_nobody_in,
            signed::a_change_of_a_key_ends_its_session_with_the_reason,
            signed::the_rights_of_a_signed_request_are_those_of_its_instant_cut_down,
            audit::what_is_done_is_in_the_audit_with_its_cause,
            audit::a_flood_of_failed_logins_makes_few_entries,
            audit::the_audit_is_cut_to_its_age,
            audit::a_large_import_is_one_entry,
            outbox::a_hook_is_told_of_what_it_wants_from_its_beginning_on,
            outbox::what_is_settled_is_not_told_again,
            outbox::a_hook_that_sleeps_or_goes_is_told_of_nothing,
            feed::only_what_still_matches_is_ended_with_others,
            feed::the_feed_tells_every_ending_once_and_in_order,
            feed::the_feed_tells_as_long_as_tokens_last_whatever_the_archive_keeps,
            changes::every_change_is_told_once_with_what_it_brought_about,
            changes::the_changes_make_up_the_list_of_who_is_live,
            archive::the_archive_says_when_why_and_by_whom,
            archive::an_ending_is_in_the_archive_at_once,
            archive::the_archive_is_cut_to_its_age_and_its_length,
            archive::the_archive_is_filtered_sorted_and_paged,
            sweep::a_sweep_changes_no_answer,
            sweep::a_sweep_moves_at_most_what_it_is_told,
            sweep::a_sweep_says_when_the_next_is_due,
        }
    };
    (@each $factory:expr; $($group:ident :: $promise:ident),+ $(,)?) => {
        $(#[test]
        fn $promise() {
            $crate::store::conformance::$group::$promise(&$factory);
        })+
    };
}
pub(crate) use on_store;

/// Every device of the shop; the first two are sale devices.
pub(crate) const DEVICES: [(&str, Env); 4] = [
    ("P01", Env::CashRegister),
    ("PDA1", Env::Pda),
    ("Office", Env::BackOffice),
    ("Link", Env::Tool),
];
/// Every user of the shop; the first is the administrator.
pub(crate) const USERS: [&str; 3] = ["999", "1", "2"];

/// How many API keys histories make.
pub(crate) const KEYS: usize = 2;

/// An instant this many milliseconds after the shop was set up.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

pub(crate) fn user_name(text: &str) -> UserName {
    UserName::parse(text).expect("a good name")
}

pub(crate) fn device_name(text: &str) -> DeviceName {
    DeviceName::parse(text).expect("a good name")
}

pub(crate) fn role_name(text: &str) -> RoleName {
    RoleName::parse(text).expect("a good name")
}

/// The id of the user at this place of [`USERS`].
pub(crate) fn user_id(place: usize) -> UserId {
    UserId::from_bytes([u8::try_from(place).expect("a small number"); 12])
}

/// The id of the API key with this number.
pub(crate) fn key_id(number: usize) -> ApiKeyId {
    ApiKeyId::from_bytes([u8::try_from(number).expect("a small number"); 12])
}

/// An active key of a user on a device, with all of the user's rights.
pub(crate) fn api_key_input(user: &str, device: &str) -> ApiKeyInput {
    ApiKeyInput {
        is_active: true,
        name: format!("key of {user}"),
        description: None,
        user_name: user_name(user),
        device_name: device_name(device),
        permissions: Vec::new(),
    }
}

/// Makes the API key with this number; its secret is its number.
pub(crate) fn create_api_key(number: usize, input: ApiKeyInput) -> DirectoryChange {
    let client_id = ClientId::parse(&format!("{number:032x}")).expect("32 digits");
    DirectoryChange::CreateApiKey {
        id: key_id(number),
        credentials: Credentials {
            client_id,
            sealed_secret: number.to_be_bytes().as_slice().into(),
        },
        created_at: at(0),
        input,
    }
}

/// The id of the session that was drawn as this one.
pub(crate) fn session_id(number: u32) -> SessionId {
    SessionId::parse(&format!("S{number:031}")).expect("32 characters")
}

/// The password of a user of the shop, as it is stored.
pub(crate) fn password(user: &str) -> Arc<str> {
    format!("hash of {user}").into()
}

/// The SHA-256 that stands for the refresh token of a generation.
pub(crate) fn refresh_sha256(generation: u32) -> [u8; 32] {
    std::array::from_fn(|place| generation.to_be_bytes()[place % 4])
}

/// What the newest token of a session says.
pub(crate) fn says(tokens: &TokenState, session: &Session) -> NotedToken {
    NotedToken {
        jti_head: tokens.jti_head(),
        issued_at: tokens.issued_at,
        expires_at: session.expires_at,
    }
}

/// What a token of this generation is called.
pub(crate) fn token_name(id: SessionId, generation: u32) -> TokenName {
    let mut signature = [0; 32];
    signature.copy_from_slice(id.as_bytes());
    // The tests' ids differ at their ends.
    signature.reverse();
    signature[0] ^= u8::try_from(generation).expect("few");
    TokenName::new(&signature, u64::from(generation))
}

pub(crate) fn device_input(name: &str, env: Env) -> DeviceInput {
    DeviceInput {
        name: device_name(name),
        is_active: true,
        env,
        description: String::new(),
        roles: Vec::new(),
        preferences: serde_json::Map::new(),
        settings: serde_json::Map::new(),
    }
}

pub(crate) fn role_input(name: &str, right: &str) -> RoleInput {
    RoleInput {
        name: role_name(name),
        label: name.to_owned(),
        description: String::new(),
        rights: vec![Right::parse(right).expect("a good right")],
        env_names: Env::ALL.to_vec(),
    }
}

/// A user with one role on every device of the shop.
pub(crate) fn user_input(name: &str, role: &str) -> UserInput {
    let entries = DEVICES.iter().map(|(device, _)| UserDeviceInput {
        name: device_name(device),
        is_active: true,
        roles: vec![role_name(role)],
    });
    UserInput {
        user_name: user_name(name),
        name: name.to_owned(),
        is_active: true,
        is_virtual: false,
        feature_name: None,
        devices: entries.collect(),
        must_change_password: false,
        password: Some(password(name)),
    }
}

/// The input that leaves a stored user as it is.
pub(crate) fn as_stored(directory: &Directory, id: UserId) -> Option<UserInput> {
    let user = directory.user(id)?;
    let entries = user.devices.iter().map(|entry| UserDeviceInput {
        name: entry.name.clone(),
        is_active: entry.is_active,
        roles: entry.roles.clone(),
    });
    Some(UserInput {
        user_name: user.user_name.clone(),
        name: user.name.clone(),
        is_active: user.is_active,
        is_virtual: user.is_virtual,
        feature_name: user.feature_name.clone(),
        devices: entries.collect(),
        must_change_password: user.must_change_password,
        password: None,
    })
}

pub(crate) fn put_device(input: DeviceInput) -> DirectoryChange {
    DirectoryChange::PutDevice {
        mode: Mode::CreateOrReplace,
        input,
    }
}

pub(crate) fn put_role(input: RoleInput) -> DirectoryChange {
    DirectoryChange::PutRole {
        mode: Mode::CreateOrReplace,
        input,
    }
}

/// Everything the shop holds before anybody logs in.
pub(crate) fn set_up() -> DirectoryChange {
    let roles = [role_input("owner", "admin"), role_input("cashier", "sale")];
    let mut steps: Vec<_> = roles.into_iter().map(put_role).collect();
    steps.extend(
        DEVICES
            .iter()
            .map(|(name, env)| put_device(device_input(name, *env))),
    );
    for (place, name) in USERS.iter().enumerate() {
        let input = user_input(name, if place == 0 { "owner" } else { "cashier" });
        steps.push(DirectoryChange::PutUser {
            mode: Mode::Create,
            id: user_id(place),
            input,
        });
    }
    DirectoryChange::SetUp(steps)
}

/// A caller of the shop.
pub(crate) fn cause(user: &str, device: &str) -> Cause {
    Cause::caller(user_name(user), device_name(device), Origin::default())
}

/// A runtime for one thread, with the timers that stores may need.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("the system gives a runtime")
}

/// A store with the shop in it, called as tests read best: one call at a time.
pub(crate) struct Shop<S> {
    pub(crate) store: S,
    runtime: tokio::runtime::Runtime,
    drawn: Cell<u32>,
    /// How many checks there were.
    checks: Cell<u32>,
}

impl<S: Store> Shop<S> {
    /// A shop on an empty store with these rules.
    pub(crate) fn open(factory: &impl Fn(Rules) -> S, rules: Rules) -> Self {
        let shop = Self {
            store: factory(rules),
            runtime: runtime(),
            drawn: Cell::new(0),
            checks: Cell::default(),
        };
        shop.change(set_up(), at(0))
            .expect("the store never held a user");
        shop
    }

    /// A shop with the documented rules.
    pub(crate) fn documented(factory: &impl Fn(Rules) -> S) -> Self {
        Self::open(factory, Rules::default())
    }

    pub(crate) fn run<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }

    /// A session to open, under an id that was never drawn before.
    pub(crate) fn new_session(&self, user: &str, device: &str) -> NewSession {
        self.drawn.set(self.drawn.get() + 1);
        let number = self.drawn.get();
        NewSession {
            id: session_id(number),
            user_name: user_name(user),
            device_name: device_name(device),
            no_sale_device: false,
            authentication_type: AuthenticationType::Bearer,
            password_seen: Some(password(user)),
            attempt: None,
            refresh_sha256: refresh_sha256(0),
            salt: [7; 16],
            jti: KeyNumber::FIRST.mark(u128::from(number).to_le_bytes()),
        }
    }

    pub(crate) fn try_begin(
        &self,
        user: &str,
        device: &str,
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        let new = self.new_session(user, device);
        self.run(self.store.begin(new, cause(user, device), now))
    }

    pub(crate) fn begin(&self, user: &str, device: &str, now: Timestamp) -> Session {
        self.try_begin(user, device, now)
            .expect("the login is good")
            .session
    }

    /// An access that counts: by turns one that may wait and one that is
    /// answered at once, as long as it may be one with the first token.
    pub(crate) fn check(&self, id: SessionId, now: Timestamp) -> Result<Checked, StoreError> {
        let checks = self.checks.get();
        self.checks.set(checks + 1);
        let name = token_name(id, 0);
        let first = self.run(self.store.tokens(id, now));
        if let Some(first) = first.filter(|first| first.generation == 0) {
            let session = self.find(id, now).expect("it has tokens");
            self.store.note_token(id, &says(&first, &session), name);
        }
        let at_once = (checks % 2 == 1)
            .then(|| self.store.check_at_once(id, &name, now))
            .flatten();
        let access = Access {
            id,
            jti_head: None,
            touch: true,
        };
        at_once.unwrap_or_else(|| self.run(self.store.check(access, now)))
    }

    pub(crate) fn find(&self, id: SessionId, now: Timestamp) -> Option<Session> {
        self.run(self.store.find(id, &Scope::Any, now))
    }

    pub(crate) fn is_live(&self, id: SessionId, now: Timestamp) -> bool {
        self.find(id, now).is_some()
    }

    pub(crate) fn reason(&self, id: SessionId, now: Timestamp) -> Option<EndReason> {
        self.run(self.store.reason(id, now))
    }

    /// Ends a session for somebody else, without a condition.
    pub(crate) fn end(&self, id: SessionId, now: Timestamp) -> Result<Session, StoreError> {
        self.end_if(id, &[], false, now)
    }

    /// Ends a session under `If-Match`; without tags, without a condition.
    pub(crate) fn end_if(
        &self,
        id: SessionId,
        tags: &[VersionTag],
        own_access: bool,
        now: Timestamp,
    ) -> Result<Session, StoreError> {
        let if_match = Precondition {
            if_match: (!tags.is_empty()).then(|| tags.to_vec()),
            ..Precondition::default()
        };
        let end = End {
            if_match,
            own_access,
            ..ending(id)
        };
        self.run(self.store.end(end, now))
    }

    /// Presents the refresh token of a generation.
    pub(crate) fn refresh(
        &self,
        id: SessionId,
        presented: u32,
        now: Timestamp,
    ) -> Result<Refreshed, StoreError> {
        self.drawn.set(self.drawn.get() + 1);
        let refresh = Refresh {
            id,
            presented,
            next_sha256: refresh_sha256(presented + 1),
            next_jti: u128::from(self.drawn.get()).to_be_bytes(),
        };
        self.run(self.store.refresh(refresh, Origin::default(), now))
    }

    /// Makes a change as the operator.
    pub(crate) fn change(
        &self,
        change: DirectoryChange,
        now: Timestamp,
    ) -> Result<(Resource, bool), StoreError> {
        self.run(
            self.store
                .change(change, Precondition::default(), Cause::operator(), now),
        )
    }

    /// Changes a user as the operator.
    pub(crate) fn edit(&self, place: usize, now: Timestamp, edit: impl FnOnce(&mut UserInput)) {
        let id = user_id(place);
        let mut input = as_stored(&self.directory(), id).expect("the user is there");
        edit(&mut input);
        let change = DirectoryChange::PutUser {
            mode: Mode::CreateOrReplace,
            id,
            input,
        };
        self.change(change, now).expect("the operator may");
    }

    pub(crate) fn directory(&self) -> Arc<Directory> {
        self.run(self.store.directory())
    }

    pub(crate) fn page(
        &self,
        query: &Query<SessionMember>,
        scope: &Scope,
        now: Timestamp,
    ) -> SessionPage {
        self.run(self.store.page(query, scope, now))
            .expect("nothing else scans")
    }

    /// The ids of everything that is live.
    pub(crate) fn live(&self, now: Timestamp) -> Vec<SessionId> {
        let page = self.page(&Query::all(usize::MAX), &Scope::Any, now);
        page.items.iter().map(|session| session.id).collect()
    }

    pub(crate) fn ended(
        &self,
        query: &Query<EndedMember>,
        now: Timestamp,
    ) -> Selected<Arc<EndedSession>> {
        self.run(self.store.ended(query, now))
            .expect("nobody else asks")
    }

    pub(crate) fn audit(
        &self,
        query: &Query<AuditMember>,
        now: Timestamp,
    ) -> Selected<Arc<AuditEntry>> {
        self.run(self.store.audit(query, now))
            .expect("nobody else asks")
    }

    pub(crate) fn sweep(&self, now: Timestamp, max: usize) -> Swept {
        self.run(self.store.sweep(now, max))
            .expect("the store is well")
    }
}

/// The operator ends a session, whatever its version.
pub(crate) fn ending(id: SessionId) -> End {
    End {
        id,
        scope: Scope::Any,
        if_match: Precondition::default(),
        own_access: false,
        reason: EndReason::Revoked,
        cause: Cause::operator(),
    }
}

/// Seconds as the rules have them.
pub(crate) const fn seconds(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds)
}

/// Rules with one lifetime and one idle timeout for all environments.
pub(crate) fn rules(lifetime_seconds: u64, idle_seconds: Option<u64>) -> Rules {
    Rules {
        lifetime: [seconds(lifetime_seconds); 4],
        idle: [idle_seconds.map(seconds); 4],
        ..Rules::default()
    }
}
