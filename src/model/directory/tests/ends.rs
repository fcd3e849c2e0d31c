//! What a change takes along: references and sessions.

use super::*;

#[test]
fn deleting_a_role_removes_every_reference_in_the_same_step() {
    let mut shop = shop();
    done(
        &mut shop,
        &put_device(DeviceInput {
            roles: vec![role_name("cashier")],
            ..device("Till", Env::CashRegister)
        }),
    );
    let versions = |shop: &Directory| {
        let user = shop.user(id(CASHIER)).expect("is there").version;
        (
            user,
            shop.device(&device_name("Till")).expect("is there").version,
        )
    };
    assert_eq!(versions(&shop), (Version(1), Version(2)));

    let decision = done(
        &mut shop,
        &DirectoryChange::DeleteRole(role_name("cashier")),
    );

    assert_eq!(versions(&shop), (Version(2), Version(3)));
    assert_eq!(
        shop.user(id(BOSS)).map(|user| user.version),
        Some(Version(1))
    );
    assert!(
        shop.users()
            .flat_map(|user| &user.devices)
            .all(|entry| !entry.roles.contains(&role_name("cashier")))
    );
    assert!(
        shop.device(&device_name("Till"))
            .is_some_and(|device| device.roles.is_empty())
    );
    assert!(decision.ends.is_empty());
}

#[test]
fn deleting_a_device_removes_every_entry_and_ends_its_sessions() {
    let mut shop = shop();

    let decision = done(
        &mut shop,
        &DirectoryChange::DeleteDevice(device_name("Till")),
    );

    assert_eq!(
        ends(&decision),
        [(
            Subject::Device(device_name("Till")),
            EndReason::DeviceDisabled
        )]
    );
    let cashier = shop.user(id(CASHIER)).expect("is there");
    assert_eq!((cashier.devices.len(), cashier.version), (1, Version(2)));
    assert!(matches!(decision.resource, Resource::Device(device) if device.version == Version(1)));
}

#[test]
fn changes_of_a_user_end_the_sessions_they_make_untrue() {
    let shop = shop();
    let ended_by = |change: fn(&mut UserInput)| {
        let mut input = edited(&shop, CASHIER);
        change(&mut input);
        ends(&decide(&shop, &put_user(CASHIER, input), &Actor::System).expect("is allowed"))
    };
    let whole = || Subject::User(user_name("Cashier"));
    let on = |device: &str| Subject::UserOnDevice(user_name("Cashier"), device_name(device));

    assert_eq!(ended_by(|input| input.name = "C.".to_owned()), []);
    assert_eq!(ended_by(|input| input.devices[0].roles.clear()), []);
    assert_eq!(
        ended_by(|input| input.password = Some("x".into())),
        [(whole(), EndReason::PasswordChanged)]
    );
    assert_eq!(
        ended_by(|input| input.is_active = false),
        [(whole(), EndReason::AccountDisabled)]
    );
    assert_eq!(
        ended_by(|input| input.user_name = user_name("C")),
        [(whole(), EndReason::IdentityChanged)]
    );
    assert_eq!(
        ended_by(|input| input.devices[0].is_active = false),
        [(on("Till"), EndReason::AccountDisabled)]
    );
    assert_eq!(
        ended_by(|input| input.devices.clear()),
        [
            (on("Till"), EndReason::AccountDisabled),
            (on("Link"), EndReason::AccountDisabled)
        ]
    );
    let deleted =
        decide(&shop, &DirectoryChange::DeleteUser(id(CASHIER)), &boss()).expect("is allowed");
    assert_eq!(ends(&deleted), [(whole(), EndReason::AccountDisabled)]);
}

#[test]
fn changes_of_a_device_end_the_sessions_they_make_untrue() {
    let shop = shop();
    let till = device("Till", Env::CashRegister);
    let ended_by =
        |input| ends(&decide(&shop, &put_device(input), &Actor::System).expect("is allowed"));
    let on = || Subject::Device(device_name("Till"));

    assert_eq!(
        ended_by(DeviceInput {
            description: "front".to_owned(),
            ..till.clone()
        }),
        []
    );
    assert_eq!(
        ended_by(DeviceInput {
            is_active: false,
            ..till.clone()
        }),
        [(on(), EndReason::DeviceDisabled)]
    );
    assert_eq!(
        ended_by(DeviceInput {
            env: Env::Pda,
            ..till
        }),
        [(on(), EndReason::IdentityChanged)]
    );
    assert_eq!(ended_by(device("New", Env::Pda)), []);
}
