//! An app over the naive store, for tests of everything above the services.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::installation::InstallationKey;
use crate::auth::memory::Bearer;
use crate::auth::nws4;
use crate::auth::password::{self, HashParams};
use crate::auth::policy::{Blocked, PasswordPolicy};
use crate::auth::pool::HashPool;
use crate::auth::secret::Secret;
use crate::auth::token::KeyRing;
use crate::clock::{Clock, SystemTimeSource};
use crate::model::{
    Cause, DeviceInput, DeviceName, DirectoryChange, Env, KnownRight, Mode, Precondition, Right,
    RoleInput, RoleName, SessionAccess, Timestamp, UserDeviceInput, UserId, UserInput, UserName,
};
use crate::service::rehash::Rehashing;
use crate::service::{
    App, Feed, KeyKeeper, Logins, Notifier, Policy, SetUpGate, SignedDoor, sweep::SweeperState,
};
use crate::store::memory::MemoryStore;
use crate::store::{Rules, Store};

/// Shortest password of the test app.
pub(crate) const PASSWORD_CHARS_MIN: usize = 4;

/// An app without users whose hashes are cheap.
pub(crate) fn empty_app() -> Arc<App<MemoryStore>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = InstallationKey::load_or_create(&folder.path().join("key")).expect("a key");
    let params = HashParams::new(8, 1).expect("cheap and possible");
    let clock = Clock::start(Box::new(SystemTimeSource), None);
    let longest = Rules::default().lifetime[0];
    Arc::new(App {
        store: MemoryStore::new(Rules::default()),
        bearer: Bearer::new(KeyRing::generate("test", clock.now(), longest)),
        signed: SignedDoor::new(nws4::Rules::default(), Timestamp::from_millis(0)),
        keys: KeyKeeper::new("signing-keys".to_owned(), longest),
        installation_key: Arc::new(key),
        hashing: HashPool::new(1, params),
        clock: Arc::new(clock),
        policy: Policy {
            disable_unused_after: None,
            passwords: PasswordPolicy {
                chars_min: PASSWORD_CHARS_MIN,
                letters_and_digits: false,
                pin_envs: [false; Env::ALL.len()],
                pin_chars_min: PASSWORD_CHARS_MIN,
                blocked: Blocked::default(),
                former: 0,
            },
            dummy_hash: password::dummy(params),
            session_access: SessionAccess::Open,
            signed_sessions_visible: true,
        },
        set_up: SetUpGate::new(None),
        rehashing: Rehashing::default(),
        feed: Feed::new(16),
        notifier: Notifier::new(|_| &[], Duration::from_secs(1)),
        backups: crate::service::backups::BackupKeeper::default(),
        logins: Logins::default(),
        certificate: crate::service::certificate::CertificateState::default(),
        sweeper: SweeperState::default(),
    })
}

/// Every user's password.
pub(crate) const PASSWORD: &str = "pass";

/// An app with users `999` and `1`, who may do everything, on `BackOffice` and
/// the till `P01`.
pub(crate) async fn shop_app() -> Arc<App<MemoryStore>> {
    let app = empty_app();
    let places = [("BackOffice", Env::BackOffice), ("P01", Env::CashRegister)];
    let mut steps = vec![role()];
    steps.extend(places.map(|(name, env)| device(name, env)));
    let password = Secret::new(PASSWORD.to_owned());
    let peer = Ipv4Addr::LOCALHOST.into();
    let hash = app
        .hashing
        .hash(peer, password)
        .await
        .expect("the hashing is idle");
    steps.extend(["999", "1"].map(|name| user(name, &places.map(|(name, _)| name), &hash)));
    let (change, none) = (DirectoryChange::All(steps), Precondition::default());
    app.store
        .change(change, none, Cause::operator(), app.now())
        .await
        .expect("a good shop");
    app
}

fn role_name() -> RoleName {
    RoleName::parse("owner").expect("a name")
}

fn role() -> DirectoryChange {
    let input = RoleInput {
        name: role_name(),
        label: String::new(),
        description: String::new(),
        rights: vec![Right::parse(KnownRight::Admin.as_str()).expect("a right")],
        env_names: Env::ALL.to_vec(),
    };
    DirectoryChange::PutRole {
        mode: Mode::Create,
        input,
    }
}

fn device(name: &str, env: Env) -> DirectoryChange {
    let input = DeviceInput {
        name: DeviceName::parse(name).expect("a name"),
        is_active: true,
        env,
        description: String::new(),
        roles: Vec::new(),
        preferences: serde_json::Map::new(),
        settings: serde_json::Map::new(),
    };
    DirectoryChange::PutDevice {
        mode: Mode::Create,
        input,
    }
}

fn user(name: &str, devices: &[&str], hash: &Arc<str>) -> DirectoryChange {
    let devices = devices.iter().map(|name| UserDeviceInput {
        name: DeviceName::parse(name).expect("a name"),
        is_active: true,
        roles: vec![role_name()],
    });
    let input = UserInput {
        user_name: UserName::parse(name).expect("a name"),
        name: name.to_owned(),
        is_active: true,
        is_virtual: false,
        feature_name: None,
        devices: devices.collect(),
        must_change_password: false,
        password: Some(Arc::clone(hash)),
    };
    DirectoryChange::PutUser {
        mode: Mode::Create,
        id: UserId::draw(),
        input,
    }
}
