//! What is stored, under which names, and the conditions on its version.

use super::*;

#[test]
fn rights_are_those_of_the_active_entry_whose_roles_count_in_the_environment() {
    let mut shop = shop();
    let at = |shop: &Directory, device: &str| {
        let principal = shop.principal(&user_name("Cashier"), &device_name(device))?;
        Some(
            principal
                .rights
                .iter()
                .map(|right| right.as_str().to_owned())
                .collect::<Vec<_>>(),
        )
    };

    assert_eq!(at(&shop, "Till"), Some(vec!["sale".to_owned()]));
    assert_eq!(at(&shop, "Link"), Some(Vec::new()));
    assert_eq!(at(&shop, "Office"), None);
    done(&mut shop, &put_device(device("Link", Env::Pda)));
    assert_eq!(at(&shop, "Link"), Some(vec!["stock.edit".to_owned()]));
}

#[test]
fn nobody_is_let_in_by_a_user_device_or_entry_that_is_not_active() {
    let off = |shop: &mut Directory, change: fn(&mut UserInput)| {
        let mut input = edited(shop, CASHIER);
        change(&mut input);
        done(shop, &put_user(CASHIER, input));
    };
    let cashier = |shop: &Directory| shop.principal(&user_name("Cashier"), &device_name("Till"));

    let mut user_off = shop();
    off(&mut user_off, |input| input.is_active = false);
    let mut entry_off = shop();
    off(&mut entry_off, |input| input.devices[0].is_active = false);
    let mut device_off = shop();
    done(
        &mut device_off,
        &put_device(DeviceInput {
            is_active: false,
            ..device("Till", Env::CashRegister)
        }),
    );

    assert!(cashier(&shop()).is_some());
    assert!(
        [user_off, entry_off, device_off]
            .iter()
            .all(|shop| cashier(shop).is_none())
    );
    assert!(
        shop()
            .principal(&user_name("cashier"), &device_name("Till"))
            .is_none()
    );
}

#[test]
fn records_make_up_the_same_directory_again() {
    let shop = shop();
    let users: Vec<_> = shop.users().cloned().collect();
    let devices: Vec<_> = shop.devices().cloned().collect();
    let roles: Vec<_> = shop.roles().cloned().collect();

    let again = Directory::from_records(
        users.clone(),
        devices.clone(),
        roles.clone(),
        Vec::<ApiKey>::new(),
        false,
    );

    assert!(again.users().eq(users.iter()) && again.held_user());
    assert!(again.devices().eq(devices.iter()) && again.roles().eq(roles.iter()));
    assert_eq!(
        again.user_named(&user_name("Boss")).map(|user| user.id),
        Some(id(BOSS))
    );
    assert!(
        Directory::from_records(
            Vec::<User>::new(),
            Vec::<Device>::new(),
            Vec::<Role>::new(),
            Vec::<ApiKey>::new(),
            true
        )
        .held_user()
    );
    assert!(!Directory::default().held_user());
}

#[test]
fn a_name_that_differs_from_another_by_case_only_is_taken() {
    let shop = shop();
    let taken = |change| fields(decide(&shop, &change, &Actor::System));
    let name = |member: &str| vec![(member.to_owned(), Some("2"))];

    assert_eq!(taken(new_user(9, user("Cashier", &[]))), name("userName"));
    assert_eq!(taken(new_user(9, user("CASHIER", &[]))), name("userName"));
    assert_eq!(
        taken(put_user(CASHIER, user("boss", &[]))),
        name("userName")
    );
    assert_eq!(taken(put_device(device("TILL", Env::Pda))), name("name"));
    assert_eq!(taken(put_role(role("Owner", &[], &[]))), name("name"));
    let mode = Mode::Create;
    assert_eq!(
        taken(DirectoryChange::PutDevice {
            mode,
            input: device("Till", Env::Pda)
        }),
        name("name")
    );
    assert_eq!(
        taken(DirectoryChange::PutRole {
            mode,
            input: role("owner", &[], &[])
        }),
        name("name")
    );
}

#[test]
fn a_user_may_change_the_case_of_the_own_name() {
    let mut shop = shop();
    let renamed = UserInput {
        user_name: user_name("CASHIER"),
        ..edited(&shop, CASHIER)
    };

    let decision = done(&mut shop, &put_user(CASHIER, renamed));

    let whose = Subject::User(user_name("Cashier"));
    assert_eq!(ends(&decision), [(whose, EndReason::IdentityChanged)]);
    assert!(shop.user_named(&user_name("CASHIER")).is_some());
    assert!(shop.user_named(&user_name("Cashier")).is_none());
}

#[test]
fn unknown_roles_and_devices_are_named_by_the_path_of_the_member() {
    let shop = shop();
    let input = user(
        "x",
        &[
            ("Till", true, &["cashier", "nobody"]),
            ("Nowhere", true, &[]),
            ("Till", true, &[]),
        ],
    );
    let with_role = DeviceInput {
        roles: vec![role_name("cashier"), role_name("x")],
        ..device("N", Env::Tool)
    };

    let wrong = fields(decide(&shop, &new_user(9, input), &Actor::System));
    let members: Vec<_> = wrong
        .iter()
        .map(|(member, code)| (member.as_str(), *code))
        .collect();

    assert_eq!(
        members,
        [
            ("devices[0].roles[1]", None),
            ("devices[1].name", None),
            ("devices[2].name", Some("2"))
        ]
    );
    let wrong = fields(decide(&shop, &put_device(with_role), &Actor::System));
    assert_eq!(wrong, [("roles[1]".to_owned(), None)]);
}

#[test]
fn what_is_not_there_is_neither_replaced_by_id_nor_deleted() {
    let shop = shop();
    for change in [
        put_user(9, user("x", &[])),
        DirectoryChange::DeleteUser(id(9)),
        DirectoryChange::DeleteDevice(device_name("till")),
        DirectoryChange::DeleteRole(role_name("x")),
    ] {
        let refused = decide(&shop, &change, &boss());
        assert!(
            matches!(refused, Err(Refusal::NotFound)),
            "{change:?} {refused:?}"
        );
    }
}

#[test]
fn a_left_out_password_stays() {
    let mut shop = shop();
    let decision = {
        let input = edited(&shop, CASHIER);
        done(&mut shop, &put_user(CASHIER, input))
    };

    let user = shop.user(id(CASHIER)).expect("is there");

    assert_eq!(user.password.as_deref(), Some("hash of Cashier"));
    assert_eq!(
        (user.version, decision.created, decision.ends.len()),
        (Version(2), false, 0)
    );
}

#[test]
fn a_version_in_the_body_must_be_the_stored_one_and_never_creates_again() {
    let shop = shop();
    let with = |version| Precondition {
        body_version: Some(Version(version)),
        ..Precondition::default()
    };
    let till = put_device(device("Till", Env::CashRegister));
    let gone = put_device(device("Gone", Env::CashRegister));
    let gone_user = put_user(9, user("x", &[]));
    let stored =
        |change: &DirectoryChange, version| match shop.decide(change, &with(version), &boss()) {
            Err(Refusal::VersionMismatch { stored, .. }) => Some(stored),
            _ => None,
        };

    assert_eq!(stored(&till, 1), None);
    assert_eq!(stored(&till, 2), Some(Some(Version(1))));
    assert_eq!(stored(&gone, 1), Some(None));
    assert_eq!(stored(&gone_user, 1), Some(None));
    assert_eq!(
        stored(&DirectoryChange::DeleteRole(role_name("stock")), 3),
        Some(Some(Version(1)))
    );
    // A copy of another resource is posted with the version of its pattern.
    assert!(
        shop.decide(&new_user(9, user("x", &[])), &with(7), &boss())
            .is_ok()
    );
}

#[test]
fn conditions_of_headers_come_first_and_both_must_hold() {
    let shop = shop();
    let tag = |version| Precondition {
        if_match: Some(vec![VersionTag::Exactly(Version(version))]),
        ..Precondition::default()
    };
    let only_new = Precondition {
        create_only: true,
        ..Precondition::default()
    };
    let failed = |change: &DirectoryChange, condition: &Precondition| match shop.decide(
        change,
        condition,
        &boss(),
    ) {
        Err(Refusal::PreconditionFailed {
            stored, resource, ..
        }) => Some((resource, stored)),
        _ => None,
    };
    let till = put_device(device("Till", Env::CashRegister));
    let cashier = put_user(CASHIER, edited(&shop, CASHIER));

    assert_eq!(failed(&till, &tag(1)), None);
    assert_eq!(failed(&till, &tag(2)), Some(("device", Some(Version(1)))));
    assert_eq!(failed(&till, &only_new), Some(("device", Some(Version(1)))));
    assert_eq!(
        failed(&cashier, &only_new),
        Some(("user", Some(Version(1))))
    );
    assert_eq!(
        failed(&put_device(device("New", Env::Pda)), &tag(1)),
        Some(("device", None))
    );
    assert_eq!(
        failed(&put_device(device("New", Env::Pda)), &only_new),
        None
    );
    let both = Precondition {
        body_version: Some(Version(1)),
        ..tag(2)
    };
    assert_eq!(failed(&till, &both), Some(("device", Some(Version(1)))));
    let both = Precondition {
        body_version: Some(Version(2)),
        ..tag(1)
    };
    assert!(matches!(
        shop.decide(&till, &both, &boss()),
        Err(Refusal::VersionMismatch { .. })
    ));
}

#[test]
fn a_put_needs_create_or_update_and_a_post_needs_create() {
    let mut shop = shop();
    done(
        &mut shop,
        &put_role(role("manager", &["deviceUpdate"], &Env::ALL)),
    );
    let new = device("New", Env::Tool);

    assert!(decide(&shop, &put_device(new.clone()), &manager()).is_ok());
    forbidden(
        &shop,
        &DirectoryChange::PutDevice {
            mode: Mode::Create,
            input: new,
        },
        &manager(),
    );
    forbidden(
        &shop,
        &DirectoryChange::DeleteDevice(device_name("Link")),
        &manager(),
    );
}

#[test]
fn several_changes_are_made_in_order_or_not_at_all() {
    let mut shop = shop();
    let fine = DirectoryChange::All(vec![
        put_device(device("Depot", Env::Tool)),
        new_user(9, user("x", &[("Depot", true, &["stock"])])),
        DirectoryChange::DeleteRole(role_name("stock")),
        new_user(10, user("gone", &[])),
        DirectoryChange::DeleteUser(id(10)),
    ]);
    let failing = DirectoryChange::All(vec![
        put_device(device("Yard", Env::Tool)),
        new_user(11, user("y", &[("Yard", true, &["stock"])])),
    ]);

    let decision = done(&mut shop, &fine);

    assert_eq!(
        decision
            .put_users
            .iter()
            .map(|user| user.id)
            .collect::<Vec<_>>(),
        [id(CASHIER), id(9)]
    );
    assert!(decision.removed_users.is_empty() && decision.created);
    assert_eq!(decision.removed_roles, [role_name("stock")]);
    assert!(
        shop.user(id(9))
            .is_some_and(|user| user.devices[0].roles.is_empty())
    );
    let refused = decide(&shop, &failing, &Actor::System);
    assert_eq!(fields(refused), [("devices[0].roles[0]".to_owned(), None)]);
}

#[test]
fn names_may_move_on_within_several_changes() {
    let mut shop = shop();
    let name = |shop: &Directory, number, name: &str| {
        put_user(
            number,
            UserInput {
                user_name: user_name(name),
                ..edited(shop, number)
            },
        )
    };
    let steps = vec![
        name(&shop, MANAGER, "Deputy"),
        name(&shop, CASHIER, "Manager"),
        name(&shop, MANAGER, "Cashier"),
    ];

    done(&mut shop, &DirectoryChange::All(steps));

    assert_eq!(
        shop.user_named(&user_name("Manager")).map(|user| user.id),
        Some(id(CASHIER))
    );
    assert_eq!(
        shop.user_named(&user_name("Cashier")).map(|user| user.id),
        Some(id(MANAGER))
    );
    assert!(shop.user_named(&user_name("Deputy")).is_none());
}

#[test]
fn set_up_is_open_only_while_there_has_never_been_a_user() {
    let steps = || {
        vec![
            put_device(device("A", Env::Tool)),
            new_user(1, user("a", &[])),
        ]
    };
    let mut directory = Directory::default();
    let decision = done(&mut directory, &DirectoryChange::SetUp(steps()));
    assert!(decision.held_user && directory.held_user());
    done(&mut directory, &DirectoryChange::DeleteUser(id(1)));

    let refused = decide(&directory, &DirectoryChange::SetUp(steps()), &Actor::System);

    assert!(matches!(refused, Err(Refusal::SetUpClosed)));
    let passing = DirectoryChange::All(vec![
        new_user(2, user("b", &[])),
        DirectoryChange::DeleteUser(id(2)),
    ]);
    let mut other = Directory::default();
    done(&mut other, &passing);
    assert!(other.held_user() && other.users().len() == 0);
}

#[test]
fn a_decision_alone_changes_nothing() {
    let shop = shop();
    let before: Vec<_> = shop.users().map(Arc::clone).collect();

    let decision = decide(&shop, &DirectoryChange::DeleteUser(id(CASHIER)), &boss());

    assert!(decision.is_ok() && shop.users().eq(before.iter()));
}
