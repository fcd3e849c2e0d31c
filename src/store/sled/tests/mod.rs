//! The whole store under tests that only see its trait, its disk, or both.

use std::path::Path;

use super::SledStore;
use super::disk::Disk;
use super::store::Opened;
use crate::model::{
    AuthenticationType, Cause, DirectoryChange, EndReason, Env, Mode, Origin, Precondition,
    SessionId, Timestamp, UserDeviceInput, UserId, UserInput,
};
use crate::store::conformance::{device_input, device_name, user_name};
use crate::store::{Access, End, NewSession, Refresh, Rules, Scope, Store, StoreError};

mod faults;
mod groups;
mod indexes;
mod lockouts;
mod room;
mod stops;
mod touches;
mod twins;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Users `a` and `b` on the tills `P01` and `P02` and on `LINK`.
fn shop() -> DirectoryChange {
    let devices = [
        ("P01", Env::CashRegister),
        ("P02", Env::CashRegister),
        ("LINK", Env::Tool),
    ];
    let mut changes: Vec<DirectoryChange> = devices
        .iter()
        .map(|(name, env)| DirectoryChange::PutDevice {
            mode: Mode::Create,
            input: device_input(name, *env),
        })
        .collect();
    for name in ["a", "b"] {
        let id = UserId::draw();
        changes.push(DirectoryChange::PutUser {
            mode: Mode::Create,
            id,
            input: user(name, true),
        });
    }
    DirectoryChange::All(changes)
}

fn user(name: &str, is_active: bool) -> UserInput {
    let devices = ["P01", "P02", "LINK"].map(|device| UserDeviceInput {
        name: device_name(device),
        is_active: true,
        roles: Vec::new(),
    });
    UserInput {
        user_name: user_name(name),
        name: name.to_owned(),
        is_active,
        is_virtual: false,
        feature_name: None,
        devices: devices.to_vec(),
        must_change_password: false,
        password: None,
    }
}

fn new_session(id: SessionId, user: &str, device: &str) -> NewSession {
    NewSession {
        id,
        user_name: user_name(user),
        device_name: device_name(device),
        no_sale_device: false,
        authentication_type: AuthenticationType::Bearer,
        password_seen: None,
        attempt: None,
        refresh_sha256: [0; 32],
        salt: [0; 16],
        jti: [0; 16],
    }
}

fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, Rules::default(), NOW)
        .expect("opens")
        .store
}

fn open_with<D: Disk + 'static>(
    dir: &Path,
    wrap: impl FnOnce(super::disk::SledDisk) -> D,
) -> Result<Opened, super::OpenError> {
    SledStore::with(super::open::open(dir, NOW)?, Rules::default(), wrap)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

/// Whether a session is live, without counting an access.
async fn is_live(store: &SledStore, id: SessionId) -> bool {
    let access = Access {
        id,
        jti_head: None,
        touch: false,
    };
    store
        .check(access, NOW)
        .await
        .is_ok_and(|checked| checked.principal.is_some())
}

async fn begin(
    store: &SledStore,
    id: SessionId,
    user: &str,
    device: &str,
) -> Result<(), StoreError> {
    store
        .begin(new_session(id, user, device), Cause::server(), NOW)
        .await
        .map(drop)
}

async fn end(store: &SledStore, id: SessionId) -> Result<(), StoreError> {
    let end = End {
        id,
        scope: Scope::Any,
        if_match: Precondition::default(),
        own_access: false,
        reason: EndReason::Revoked,
        cause: Cause::server(),
    };
    store.end(end, NOW).await.map(drop)
}

async fn refresh(store: &SledStore, id: SessionId, presented: u32) -> Result<(), StoreError> {
    let next = u8::try_from(presented + 1).expect("few");
    let refresh = Refresh {
        id,
        presented,
        next_sha256: [next; 32],
        next_jti: [next; 16],
    };
    store
        .refresh(refresh, Origin::default(), NOW)
        .await
        .map(drop)
}

async fn change(store: &SledStore, change: DirectoryChange) -> Result<(), StoreError> {
    store
        .change(change, Precondition::default(), Cause::operator(), NOW)
        .await
        .map(drop)
}

async fn disable(store: &SledStore, name: &str) -> Result<(), StoreError> {
    let directory = store.directory().await;
    let id = directory
        .user_named(&user_name(name))
        .ok_or(StoreError::Denied)?
        .id;
    let input = user(name, false);
    change(
        store,
        DirectoryChange::PutUser {
            mode: Mode::CreateOrReplace,
            id,
            input,
        },
    )
    .await
}

/// The power-cut harness found it: a start after a kill goes on from the
/// ceilings, and the clean stop that followed wrote no session that nobody had
/// used. The next start took the old versions from the disk for exact.
#[test]
fn versions_do_not_go_back_over_a_kill_and_a_clean_stop() {
    let dir = tempfile::tempdir().expect("a folder");
    let killed = tempfile::tempdir().expect("a folder");
    let id = SessionId::draw();
    let version = |store: &SledStore| {
        block_on(store.find(id, &Scope::Any, NOW))
            .expect("is live")
            .version
    };
    let store = open(dir.path());
    block_on(async {
        change(&store, shop()).await.expect("written");
        begin(&store, id, "a", "LINK").await.expect("written");
    });
    twins::as_after_a_kill(dir.path(), killed.path());

    let after_kill = open(killed.path());
    let jumped = version(&after_kill);
    assert!(jumped > version(&store));
    drop(after_kill);
    let after_stop = open(killed.path());
    assert_eq!(version(&after_stop), jumped);
}
