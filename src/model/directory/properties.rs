//! What holds after any history of allowed changes.

use proptest::prelude::*;

use super::tests::{
    api_key, client_id, device, device_name, id, key_id, new_user, put_device, put_role, put_user,
    role, role_name, user, user_name,
};
use super::*;
use crate::model::{Env, Precondition, Rights, SessionId};

const USERS: [&str; 4] = ["Ada", "Bob", "ada", "Cyd"];
const DEVICES: [&str; 4] = ["Till", "Office", "till", "Link"];
const ROLES: [&str; 4] = ["owner", "manager", "clerk", "OWNER"];
const KEYS: std::ops::Range<u8> = 1..4;
const RIGHTS: [&str; 6] = [
    "admin",
    "userUpdate",
    "deviceUpdate",
    "roleUpdate",
    "Sale",
    "sale",
];

fn envs() -> impl Strategy<Value = Vec<Env>> {
    prop_oneof![
        Just(Env::ALL.to_vec()),
        proptest::collection::vec(proptest::sample::select(Env::ALL.to_vec()), 0..3),
    ]
}

fn role_input() -> impl Strategy<Value = RoleInput> {
    let rights = proptest::collection::vec(proptest::sample::select(&RIGHTS[..]), 0..4);
    (proptest::sample::select(&ROLES[..]), rights, envs())
        .prop_map(|(name, rights, envs)| role(name, &rights, &envs))
}

fn device_input() -> impl Strategy<Value = DeviceInput> {
    let roles = proptest::collection::vec(proptest::sample::select(&ROLES[..2]), 0..2);
    let env = proptest::sample::select(Env::ALL.to_vec());
    (
        proptest::sample::select(&DEVICES[..]),
        env,
        prop::bool::weighted(0.8),
        roles,
    )
        .prop_map(|(name, env, is_active, roles)| DeviceInput {
            is_active,
            roles: roles.into_iter().map(role_name).collect(),
            ..device(name, env)
        })
}

fn user_input() -> impl Strategy<Value = UserInput> {
    let roles = proptest::collection::vec(proptest::sample::select(&ROLES[..3]), 0..3);
    let entry = (
        proptest::sample::select(&DEVICES[..]),
        prop::bool::weighted(0.8),
        roles,
    );
    let password = prop_oneof![
        Just(None),
        Just(Some("one".into())),
        Just(Some("two".into()))
    ];
    let entries = proptest::collection::vec(entry, 0..3);
    (
        proptest::sample::select(&USERS[..]),
        prop::bool::weighted(0.8),
        password,
        entries,
    )
        .prop_map(|(name, is_active, password, entries)| {
            let entries: Vec<_> = entries
                .iter()
                .map(|(name, on, roles)| (*name, *on, roles.as_slice()))
                .collect();
            UserInput {
                is_active,
                password,
                ..user(name, &entries)
            }
        })
}

fn key_input() -> impl Strategy<Value = ApiKeyInput> {
    let permissions = proptest::collection::vec(proptest::sample::select(&RIGHTS[..]), 0..3);
    (
        proptest::sample::select(&USERS[..]),
        proptest::sample::select(&DEVICES[..]),
        permissions,
        prop::bool::weighted(0.8),
    )
        .prop_map(|(user, device, permissions, is_active)| ApiKeyInput {
            is_active,
            ..api_key(user, device, &permissions)
        })
}

fn key_change() -> impl Strategy<Value = DirectoryChange> {
    let secret = || prop_oneof![Just(Arc::from([1_u8])), Just(Arc::from([2_u8]))];
    prop_oneof![
        3 => (KEYS, KEYS, secret(), key_input()).prop_map(|(number, named, sealed_secret, input)| {
            DirectoryChange::CreateApiKey {
                id: key_id(number),
                credentials: Credentials { client_id: client_id(named), sealed_secret },
                created_at: crate::model::Timestamp::from_millis(i64::from(number)),
                input,
            }
        }),
        4 => (KEYS, proptest::option::of(secret()), key_input()).prop_map(
            |(number, sealed_secret, input)| DirectoryChange::ReplaceApiKey {
                id: key_id(number),
                client_id: None,
                sealed_secret,
                input,
            }
        ),
        1 => KEYS.prop_map(|number| DirectoryChange::DeleteApiKey(key_id(number))),
    ]
}

fn single() -> impl Strategy<Value = DirectoryChange> {
    let number = 1..4u8;
    let keep = Some(SessionId::parse(&"k".repeat(32)).expect("a good id"));
    prop_oneof![
        4 => (number.clone(), user_input()).prop_map(|(number, input)| put_user(number, input)),
        2 => (number.clone(), user_input()).prop_map(|(number, input)| new_user(number, input)),
        1 => number.clone().prop_map(|number| DirectoryChange::DeleteUser(id(number))),
        1 => number.prop_map(move |number| DirectoryChange::SetPassword {
            user: id(number),
            seen: Some("one".into()),
            password: "two".into(),
            keep,
        }),
        4 => device_input().prop_map(put_device),
        1 => proptest::sample::select(&DEVICES[..])
            .prop_map(|name| DirectoryChange::DeleteDevice(device_name(name))),
        4 => role_input().prop_map(put_role),
        1 => proptest::sample::select(&ROLES[..])
            .prop_map(|name| DirectoryChange::DeleteRole(role_name(name))),
        4 => key_change(),
    ]
}

fn change() -> impl Strategy<Value = DirectoryChange> {
    prop_oneof![
        9 => single(),
        1 => proptest::collection::vec(single(), 0..4).prop_map(DirectoryChange::All),
    ]
}

fn actor() -> impl Strategy<Value = Actor> {
    let caller = (
        proptest::sample::select(&USERS[..]),
        proptest::sample::select(&DEVICES[..]),
        proptest::option::weighted(0.4, KEYS),
    );
    prop_oneof![
        1 => Just(Actor::System),
        2 => caller.prop_map(|(user, device, key)| Actor::Caller {
            user_name: user_name(user),
            device_name: device_name(device),
            api_key: key.map(key_id),
        }),
    ]
}

/// A shop in which many callers may much.
fn start() -> Directory {
    let managing = [
        "userUpdate",
        "deviceUpdate",
        "roleUpdate",
        "userDelete",
        "roleDelete",
        "deviceDelete",
        "apiKeyCreate",
        "apiKeyDelete",
    ];
    let steps = vec![
        put_role(role("owner", &["admin"], &Env::ALL)),
        put_role(role("manager", &managing, &Env::ALL)),
        put_role(role("clerk", &["sale"], &[Env::CashRegister])),
        put_device(device("Till", Env::CashRegister)),
        put_device(device("Office", Env::BackOffice)),
        put_device(device("Link", Env::Tool)),
        new_user(
            1,
            user(
                "Ada",
                &[("Office", true, &["owner"]), ("Link", true, &["clerk"])],
            ),
        ),
        new_user(
            2,
            user(
                "Bob",
                &[("Office", true, &["manager"]), ("Till", true, &["manager"])],
            ),
        ),
    ];
    let set_up = DirectoryChange::SetUp(steps);
    let decision = Directory::default()
        .decide(&set_up, &Precondition::default(), &Actor::System)
        .expect("set-up is open");
    let mut directory = Directory::default();
    directory.apply(&decision);
    directory
}

/// Every pair of a user and a device, with who would stand there.
fn seats(directory: &Directory) -> Vec<(Arc<User>, DeviceName, Option<Principal>)> {
    let pairs = directory.users().flat_map(|user| {
        user.devices.iter().map(move |entry| {
            let principal = directory.principal(&user.user_name, &entry.name);
            (Arc::clone(user), entry.name.clone(), principal)
        })
    });
    pairs.collect()
}

fn refers_only_to_what_exists(directory: &Directory) {
    for user in directory.users() {
        assert_eq!(
            directory.user_named(&user.user_name).map(|found| found.id),
            Some(user.id)
        );
        for entry in &user.devices {
            assert!(directory.device(&entry.name).is_some(), "{entry:?}");
            assert!(
                entry
                    .roles
                    .iter()
                    .all(|role| directory.role(role).is_some()),
                "{entry:?}"
            );
        }
    }
    for key in directory.api_keys() {
        let whole = directory.user_named(&key.user_name).is_some()
            && directory.device(&key.device_name).is_some();
        assert!(whole || !key.is_active, "{key:?}");
        assert_eq!(
            directory
                .api_key_named(&key.client_id)
                .map(|found| found.id),
            Some(key.id)
        );
    }
    assert_eq!(directory.client_ids.len(), directory.api_keys.len());
    for device in directory.devices() {
        assert!(
            device
                .roles
                .iter()
                .all(|role| directory.role(role).is_some()),
            "{device:?}"
        );
    }
}

fn names_differ_by_more_than_case(directory: &Directory) {
    let unique = |mut names: Vec<String>| {
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
    };
    unique(
        directory
            .users()
            .map(|user| user.user_name.folded())
            .collect(),
    );
    unique(
        directory
            .devices()
            .map(|device| device.name.folded())
            .collect(),
    );
    unique(directory.roles().map(|role| role.name.folded()).collect());
    assert_eq!(directory.user_names.len(), directory.users.len());
    assert_eq!(directory.device_names.len(), directory.devices.len());
    assert_eq!(directory.role_names.len(), directory.roles.len());
}

/// One change raises the version of what it changes by one, of nothing else.
fn versions_grow_by_one(before: &Directory, after: &Directory) {
    let fits = |old: Option<Version>, new: Version, same: bool| match old {
        None => new == Version::FIRST,
        Some(old) if same => new == old,
        Some(old) => new == old.next(),
    };
    for user in after.users() {
        let old = before.user(user.id);
        assert!(
            fits(old.map(|old| old.version), user.version, old == Some(user)),
            "{user:?}"
        );
    }
    for device in after.devices() {
        let old = before.device(&device.name);
        assert!(
            fits(
                old.map(|old| old.version),
                device.version,
                old == Some(device)
            ),
            "{device:?}"
        );
    }
    for key in after.api_keys() {
        let old = before.api_key(key.id);
        assert!(
            fits(old.map(|old| old.version), key.version, old == Some(key)),
            "{key:?}"
        );
    }
    for role in after.roles() {
        let old = before.role(&role.name);
        assert!(
            fits(old.map(|old| old.version), role.version, old == Some(role)),
            "{role:?}"
        );
    }
}

/// Nobody holds a right on a device that the caller lacks and that they did
/// not hold there before.
fn nobody_gained_more_than_the_caller_has(before: &Directory, after: &Directory, actor: &Actor) {
    let Actor::Caller {
        user_name,
        device_name,
        api_key,
    } = actor
    else {
        return;
    };
    let caller = match api_key.and_then(|id| before.api_key(id)) {
        None => before.principal(user_name, device_name),
        Some(key) => before.signer(key),
    };
    let caller = caller.expect("only who is active may");
    for key in after.api_keys() {
        let held = |directory: &Directory| {
            let key = directory.api_key(key.id)?;
            Some(directory.signer(key)?.rights)
        };
        let gained = held(before)
            .unwrap_or(Rights::NONE)
            .missing(&held(after).unwrap_or(Rights::NONE));
        assert!(caller.rights.cover(&gained), "{key:?} gained {gained:?}");
    }
    for (user, device, principal) in seats(after) {
        let held = principal.map_or(Rights::NONE, |principal| principal.rights);
        let had = before
            .user(user.id)
            .and_then(|user| before.principal(&user.user_name, &device))
            .map_or(Rights::NONE, |principal| principal.rights);
        let gained = had.missing(&held);
        assert!(
            caller.rights.cover(&gained),
            "{user:?} gained {gained:?} on {device:?}"
        );
    }
}

fn covers(subject: &Subject, user: &UserName, device: &DeviceName) -> bool {
    match subject {
        Subject::Everybody => true,
        Subject::User(name) => name == user,
        Subject::Device(name) => name == device,
        Subject::UserOnDevice(name, on) => name == user && on == device,
        // No change of users, devices or roles is about a key.
        Subject::Key(_) => false,
    }
}

/// Sessions end exactly where what they were opened with no longer holds.
fn sessions_end_where_they_are_no_longer_true(
    before: &Directory,
    after: &Directory,
    decision: &DirectoryDecision,
) {
    for (old, device, principal) in seats(before) {
        let Some(principal) = principal else { continue };
        let holds = after
            .user(old.id)
            .filter(|user| user.user_name == old.user_name && user.password == old.password)
            .and_then(|user| after.principal(&user.user_name, &device))
            .is_some_and(|after| after.device.env == principal.device.env);
        let ended = decision
            .ends
            .iter()
            .any(|end| covers(&end.subject, &old.user_name, &device));
        assert_eq!(
            ended, !holds,
            "{} on {device}: {:?}",
            old.user_name, decision.ends
        );
    }
}

/// A key's session ends exactly where the key is no longer the one it was
/// opened with.
fn sessions_of_keys_end_where_they_are_no_longer_true(
    before: &Directory,
    after: &Directory,
    decision: &DirectoryDecision,
) {
    for old in before.api_keys() {
        let Some(principal) = before.signer(old) else {
            continue;
        };
        let holds = after
            .api_key(old.id)
            .filter(|new| {
                new.sealed_secret == old.sealed_secret
                    && (&new.user_name, &new.device_name) == (&old.user_name, &old.device_name)
            })
            .and_then(|new| after.signer(new))
            .is_some_and(|new| {
                new.device.env == principal.device.env
                    && new.user.password == principal.user.password
            });
        let ended = decision.key_ends.iter().any(|ends| ends.key == old.id)
            || decision
                .ends
                .iter()
                .any(|end| covers(&end.subject, &old.user_name, &old.device_name));
        assert_eq!(ended, !holds, "{old:?}: {decision:?}");
    }
}

fn decision_says_what_changes(before: &Directory, after: &Directory, decision: &DirectoryDecision) {
    let users = before.users().filter(|user| {
        !decision.removed_users.contains(&user.id)
            && !decision.put_users.iter().any(|put| put.id == user.id)
    });
    let devices = before.devices().filter(|device| {
        !decision.removed_devices.contains(&device.name)
            && !decision
                .put_devices
                .iter()
                .any(|put| put.name == device.name)
    });
    let roles = before.roles().filter(|role| {
        !decision.removed_roles.contains(&role.name)
            && !decision.put_roles.iter().any(|put| put.name == role.name)
    });
    let api_keys = before.api_keys().filter(|key| {
        !decision.removed_api_keys.contains(&key.id)
            && !decision.put_api_keys.iter().any(|put| put.id == key.id)
    });
    let again = Directory::from_records(
        users.chain(&decision.put_users).cloned(),
        devices.chain(&decision.put_devices).cloned(),
        roles.chain(&decision.put_roles).cloned(),
        api_keys.chain(&decision.put_api_keys).cloned(),
        decision.held_user,
    );
    assert!(again.users().eq(after.users()));
    assert!(again.devices().eq(after.devices()));
    assert!(again.roles().eq(after.roles()));
    assert!(again.api_keys().eq(after.api_keys()));
    assert_eq!(again.held_user(), after.held_user());
    let ids: std::collections::BTreeSet<_> = decision.put_users.iter().map(|put| put.id).collect();
    assert_eq!(
        ids.len(),
        decision.put_users.len(),
        "a record is written once"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_history_of_allowed_changes_keeps_the_rules(
        history in proptest::collection::vec((change(), actor()), 1..60)
    ) {
        let mut directory = start();
        for (change, actor) in history {
            let decided = directory.decide(&change, &Precondition::default(), &actor);
            let Ok(decision) = decided else { continue };
            let before = directory.clone();
            directory.apply(&decision);
            refers_only_to_what_exists(&directory);
            names_differ_by_more_than_case(&directory);
            prop_assert!(directory.has_admin(), "there is an administrator");
            decision_says_what_changes(&before, &directory, &decision);
            nobody_gained_more_than_the_caller_has(&before, &directory, &actor);
            if !matches!(change, DirectoryChange::All(_)) {
                versions_grow_by_one(&before, &directory);
                sessions_end_where_they_are_no_longer_true(&before, &directory, &decision);
                sessions_of_keys_end_where_they_are_no_longer_true(&before, &directory, &decision);
            }
        }
    }
}
