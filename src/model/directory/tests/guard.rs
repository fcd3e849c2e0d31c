//! Who may what, and what no change may bring about.

use super::*;

#[test]
fn every_change_needs_its_right_and_who_lacks_it_learns_nothing_else() {
    let shop = shop();
    let cashier = caller("Cashier", "Till");
    for change in [
        new_user(9, user("x", &[])),
        put_user(CASHIER, edited(&shop, CASHIER)),
        put_user(9, user("x", &[])),
        DirectoryChange::DeleteUser(id(9)),
        put_device(device("TILL", Env::Pda)),
        DirectoryChange::DeleteDevice(device_name("x")),
        put_role(role("x", &[], &[])),
        DirectoryChange::DeleteRole(role_name("x")),
        api_keys::create(1, api_key("Nobody", "Till", &[])),
        api_keys::replace(1, api_key("Nobody", "Till", &[])),
        DirectoryChange::DeleteApiKey(key_id(1)),
    ] {
        forbidden(&shop, &change, &cashier);
        forbidden(&shop, &change, &caller("Nobody", "Till"));
        forbidden(&shop, &DirectoryChange::All(vec![change]), &cashier);
    }
}

#[test]
fn nobody_gives_what_they_lack_not_even_where_it_does_not_count_yet() {
    let shop = shop();
    for entry in [
        ("Office", true, &["owner"] as &[&str]),
        ("Office", false, &["owner"]),
        // `stock` does not count in an office, until somebody calls it a PDA.
        ("Office", true, &["stock"]),
    ] {
        forbidden(&shop, &new_user(9, user("x", &[entry])), &manager());
        forbidden(
            &shop,
            &put_user(MANAGER, user("Manager", &[entry])),
            &manager(),
        );
        assert!(decide(&shop, &new_user(9, user("x", &[entry])), &boss()).is_ok());
    }
    let fine = new_user(9, user("x", &[("Till", true, &["cashier", "manager"])]));
    assert!(decide(&shop, &fine, &manager()).is_ok());
}

#[test]
fn nobody_lays_hands_on_a_user_who_has_more() {
    let shop = shop();
    let boss_input = |change: fn(&mut UserInput)| {
        let mut input = edited(&shop, BOSS);
        change(&mut input);
        put_user(BOSS, input)
    };
    for change in [
        boss_input(|input| input.password = Some("mine".into())),
        boss_input(|input| input.devices.clear()),
        boss_input(|input| input.is_active = false),
        boss_input(|input| input.user_name = user_name("Bossy")),
        boss_input(|_| {}),
        DirectoryChange::DeleteUser(id(BOSS)),
    ] {
        forbidden(&shop, &change, &manager());
    }
}

#[test]
fn a_user_who_is_not_active_is_protected_all_the_same() {
    let mut shop = shop();
    done(
        &mut shop,
        &new_user(
            9,
            UserInput {
                is_active: false,
                ..user("Old", &[("Till", false, &["owner"])])
            },
        ),
    );
    let takeover = UserInput {
        password: Some("mine".into()),
        ..edited(&shop, 9)
    };

    forbidden(&shop, &put_user(9, takeover), &manager());
    forbidden(&shop, &DirectoryChange::DeleteUser(id(9)), &manager());
}

#[test]
fn a_role_with_rights_that_the_caller_lacks_is_neither_made_nor_altered() {
    let shop = shop();
    for change in [
        put_role(role("new", &["x.y"], &[])),
        put_role(role("cashier", &["sale", "admin"], &Env::ALL)),
        put_role(role("owner", &[], &Env::ALL)),
        put_role(role("stock", &["stock.edit"], &Env::ALL)),
        DirectoryChange::DeleteRole(role_name("owner")),
        DirectoryChange::DeleteRole(role_name("stock")),
    ] {
        forbidden(&shop, &change, &manager());
    }
    assert!(
        decide(
            &shop,
            &put_role(role("new", &["SALE"], &[Env::Pda])),
            &manager()
        )
        .is_ok()
    );
}

#[test]
fn references_of_a_user_who_has_more_are_not_removed() {
    let mut shop = shop();
    forbidden(
        &shop,
        &DirectoryChange::DeleteDevice(device_name("Till")),
        &manager(),
    );
    let with_cashier = user("Boss", &[("Office", true, &["owner", "cashier"])]);
    done(&mut shop, &put_user(BOSS, with_cashier));

    forbidden(
        &shop,
        &DirectoryChange::DeleteRole(role_name("cashier")),
        &manager(),
    );
    assert!(
        decide(
            &shop,
            &DirectoryChange::DeleteRole(role_name("cashier")),
            &boss()
        )
        .is_ok()
    );
}

#[test]
fn an_environment_that_makes_a_role_count_grants_it() {
    let mut shop = shop();
    forbidden(&shop, &put_device(device("Link", Env::Pda)), &manager());
    let off = DeviceInput {
        is_active: false,
        ..device("Link", Env::Pda)
    };
    forbidden(&shop, &put_device(off.clone()), &manager());
    done(&mut shop, &put_device(off));

    forbidden(&shop, &put_device(device("Link", Env::Pda)), &manager());
    assert!(
        decide(
            &shop,
            &put_device(device("Link", Env::BackOffice)),
            &manager()
        )
        .is_ok()
    );
}

#[test]
fn rights_are_those_of_the_caller_s_device_at_the_instant_of_the_decision() {
    let mut shop = shop();
    let more = user(
        "Manager",
        &[("Office", true, &["manager"]), ("Till", true, &["cashier"])],
    );
    done(&mut shop, &put_user(MANAGER, more));
    let change = new_user(9, user("x", &[]));

    assert!(decide(&shop, &change, &manager()).is_ok());
    forbidden(&shop, &change, &caller("Manager", "Till"));
    done(&mut shop, &put_role(role("manager", &[], &Env::ALL)));
    forbidden(&shop, &change, &manager());
}

#[test]
fn the_last_administrator_who_can_log_in_stays() {
    let mut shop = shop();
    let no_password = UserInput {
        password: None,
        ..user("Second", &[("Office", true, &["owner"])])
    };
    let elsewhere = user("Third", &[("Depot", true, &["owner"])]);
    done(
        &mut shop,
        &put_device(DeviceInput {
            is_active: false,
            ..device("Depot", Env::Tool)
        }),
    );
    done(&mut shop, &new_user(8, no_password));
    done(&mut shop, &new_user(9, elsewhere));
    let strip = |change: fn(&mut UserInput)| {
        let mut input = edited(&shop, BOSS);
        change(&mut input);
        put_user(BOSS, input)
    };
    let stripped = |change: &DirectoryChange, actor: &Actor| fields(decide(&shop, change, actor));

    for actor in [boss(), Actor::System] {
        for (change, member) in [
            (strip(|input| input.is_active = false), "isActive"),
            (strip(|input| input.devices.clear()), "devices"),
            (DirectoryChange::DeleteUser(id(BOSS)), "id"),
            (DirectoryChange::DeleteRole(role_name("owner")), "name"),
            (put_role(role("owner", &["sale"], &Env::ALL)), "rights"),
            (put_role(role("owner", &["admin"], &[Env::Pda])), "rights"),
        ] {
            assert_eq!(
                stripped(&change, &actor),
                [(member.to_owned(), None)],
                "{change:?}"
            );
        }
    }
}

#[test]
fn the_devices_of_the_last_administrator_go_one_by_one_but_not_the_last() {
    let mut shop = shop();
    done(
        &mut shop,
        &DirectoryChange::DeleteDevice(device_name("Till")),
    );
    let office_off = put_device(DeviceInput {
        is_active: false,
        ..device("Office", Env::BackOffice)
    });

    let deleted = decide(
        &shop,
        &DirectoryChange::DeleteDevice(device_name("Office")),
        &boss(),
    );

    assert_eq!(fields(deleted), [("name".to_owned(), None)]);
    assert_eq!(
        fields(decide(&shop, &office_off, &boss())),
        [("isActive".to_owned(), None)]
    );
}

#[test]
fn an_administrator_may_go_when_another_stays() {
    let mut shop = shop();
    done(
        &mut shop,
        &new_user(9, user("Second", &[("Office", true, &["owner"])])),
    );

    assert!(decide(&shop, &DirectoryChange::DeleteUser(id(BOSS)), &boss()).is_ok());
}

#[test]
fn the_own_password_is_changed_without_a_right_and_keeps_the_asking_session() {
    let mut shop = shop();
    let must = UserInput {
        must_change_password: true,
        ..edited(&shop, CASHIER)
    };
    done(&mut shop, &put_user(CASHIER, must));
    let keep = Some(SessionId::draw());
    let change = |seen: &str| DirectoryChange::SetPassword {
        user: id(CASHIER),
        seen: Some(seen.into()),
        password: "hash two".into(),
        keep,
    };

    let decision = decide(
        &shop,
        &change("hash of Cashier"),
        &caller("Cashier", "Till"),
    )
    .expect("is allowed");
    shop.apply(&decision);

    let user = shop.user(id(CASHIER)).expect("is there");
    assert_eq!(
        (user.password.as_deref(), user.must_change_password),
        (Some("hash two"), false)
    );
    assert_eq!(user.version, Version(3));
    let subject = Subject::User(user_name("Cashier"));
    assert_eq!(
        decision.ends,
        [Ends {
            subject,
            keep,
            reason: EndReason::PasswordChanged
        }]
    );
    let late = decide(
        &shop,
        &change("hash of Cashier"),
        &caller("Cashier", "Till"),
    );
    assert!(matches!(late, Err(Refusal::NotFound)));
    forbidden(&shop, &change("hash two"), &boss());
}
