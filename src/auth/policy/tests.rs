//! The rules for new passwords.

use super::*;

fn policy() -> PasswordPolicy {
    PasswordPolicy {
        chars_min: 8,
        letters_and_digits: false,
        pin_envs: [false; 4],
        pin_chars_min: 6,
        blocked: Blocked::common(),
        former: 0,
    }
}

fn with_pins(envs: &[Env]) -> PasswordPolicy {
    let mut policy = policy();
    for env in envs {
        policy.pin_envs[env.index()] = true;
    }
    policy
}

fn judged(policy: &PasswordPolicy, text: &str, envs: &[Env]) -> Result<(), PolicyFault> {
    let about = About {
        names: [
            "kovacova",
            "Jana Kov\u{e1}\u{10d}ov\u{e1}",
            "P01",
            "Office-Front",
        ]
        .map(str::to_owned)
        .to_vec(),
        envs: envs.to_vec(),
    };
    policy.judge(&Secret::new(text.to_owned()), &about)
}

#[test]
fn the_list_holds_more_than_three_thousand_that_are_long_enough_to_be_taken() {
    let all = common::all();
    let long = all.iter().filter(|one| one.chars().count() >= 8).count();
    assert!(long >= 3_000, "{long}");
    assert!(all.iter().all(|one| one.to_lowercase() == **one));
    let pins = all
        .iter()
        .filter(|one| one.len() == 6 && one.bytes().all(|byte| byte.is_ascii_digit()));
    assert!(pins.count() >= 1_000);
}

#[test]
fn what_is_tried_first_is_not_taken_in_any_case() {
    for text in [
        "password",
        "PassWord",
        "password1",
        "P@ssw0rd!",
        "p4ssw0rd123",
        "12345678",
        "87654321",
        "qwertyuiop",
        "Qwertz123",
        "1qaz2wsx",
        "asdfasdf",
        "aaaaaaaa",
        "abcabcabc",
        "iloveyou",
        "Bratislava2024",
        "!!summer99!!",
        "welcome1",
        "20242024",
        "monkeymonkey",
        "heslo1234",
        "pokladna-1",
        "drowssap",
    ] {
        let fault = judged(&policy(), text, &[Env::BackOffice]);
        assert_eq!(fault, Err(PolicyFault::Common), "{text}");
    }
}

#[test]
fn names_with_something_around_them_are_not_taken() {
    for text in [
        "kovacova",
        "Kovacova1987",
        "office-front",
        "kovacovakovacova",
        "KOV\u{c1}\u{10c}OV\u{c1}12",
    ] {
        let fault = judged(&policy(), text, &[Env::BackOffice]);
        assert_eq!(fault, Err(PolicyFault::Name), "{text}");
    }
}

#[test]
fn length_is_all_that_other_passwords_need() {
    for text in [
        "correct horse",
        "jg7!kd2x",
        "trojica vedier",
        "\u{1F600}\u{1F600}x\u{1F600}yz\u{1F600}\u{1F600}",
    ] {
        assert_eq!(judged(&policy(), text, &[]), Ok(()), "{text}");
    }
    assert_eq!(
        judged(&policy(), "jg7!kd2", &[]),
        Err(PolicyFault::TooShort(8))
    );
    let long = "\u{e1}".repeat(513);
    let fault = judged(&policy(), &long, &[]);
    assert_eq!(fault, Err(PolicyFault::TooLong(PASSWORD_BYTES_MAX)));
}

#[test]
fn a_letter_and_a_digit_are_needed_only_when_asked_for() {
    let strict = PasswordPolicy {
        letters_and_digits: true,
        chars_min: 12,
        ..policy()
    };
    for text in ["correct horses", "629471058336"] {
        assert_eq!(
            judged(&strict, text, &[]),
            Err(PolicyFault::OneKind),
            "{text}"
        );
    }
    assert_eq!(judged(&strict, "correct h0rses", &[]), Ok(()));
}

#[test]
fn a_pin_needs_all_of_a_users_devices_where_pins_are_enough() {
    let tills = with_pins(&[Env::CashRegister, Env::Pda]);
    let pin = "620418";
    assert_eq!(judged(&tills, pin, &[Env::CashRegister, Env::Pda]), Ok(()));
    for envs in [&[][..], &[Env::BackOffice], &[Env::CashRegister, Env::Tool]] {
        assert_eq!(judged(&tills, pin, envs), Err(PolicyFault::TooShort(8)));
    }
    let fault = judged(&tills, "62041", &[Env::Pda]);
    assert_eq!(fault, Err(PolicyFault::TooShort(6)));
    for common in ["123456", "111111", "121212", "654321", "112233", "200120"] {
        let taken = judged(&tills, common, &[Env::Pda]);
        let wanted = if common == "200120" {
            Ok(())
        } else {
            Err(PolicyFault::Common)
        };
        assert_eq!(taken, wanted, "{common}");
    }
}

#[test]
fn a_pin_opens_nothing_where_pins_are_not_enough() {
    let tills = with_pins(&[Env::CashRegister]);
    let opens = |text: &str, env| tills.opens(&Secret::new(text.to_owned()), env);
    assert!(opens("620418", Env::CashRegister));
    assert!(!opens("620418", Env::BackOffice));
    assert!(opens("62041837", Env::BackOffice));
    assert!(opens("", Env::BackOffice) && opens("a20418", Env::BackOffice));
}

#[test]
fn a_list_of_ones_own_adds_to_the_rules() {
    let mut policy = policy();
    assert_eq!(judged(&policy, "Nase Mesto", &[]), Ok(()));
    policy.blocked.extend("\n  nase mesto \r\nanother\n");
    assert_eq!(judged(&policy, "Nase Mesto", &[]), Err(PolicyFault::Common));
    policy.blocked = Blocked::default();
    assert_eq!(judged(&policy, "password", &[]), Ok(()));
}
