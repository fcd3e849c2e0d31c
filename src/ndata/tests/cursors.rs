//! What a cursor is bound to, and that nothing else passes for one.

use super::*;

/// A query and the cursor behind a row of it.
fn cursor(raw: &str) -> String {
    next_cursor(
        &read(raw).expect(raw),
        &session(7, "\u{13e} 1", "P01", [1, 3, 2], 9),
    )
}

#[test]
fn a_cursor_is_the_same_text_in_every_process() {
    let raw = "userName=ne:x&$sort=-deviceName&$take=5";
    let text = "AdstdcXnQtkdBAAAAANQMDEDAAAAAAAAAAEEAAAAIDAwMDAw\
                MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA34lqZ1A";
    assert_eq!(cursor(raw), text);
    let query = read(&format!("{raw}&$after={}", cursor(raw))).expect("a query");
    let expected = [
        Value::Text("P01".into()),
        Value::Time(Timestamp::from_millis(1)),
        Value::Text("00000000000000000000000000000007".into()),
    ];
    assert_eq!(query.after, Some(After(expected.into())));
}

#[test]
fn a_cursor_goes_on_with_the_same_filters_and_sort_only() {
    let raw = "userName=1;ne:2&$sort=-envName&$take=5";
    let after = cursor(raw);
    for same in [
        raw,
        "userName=1;ne:2&$sort=-envName",
        "userName=1;ne:2&$sort=-envName&$take=9&$count=true",
        "identity.userName=ne:2;1&$sort=-envName",
        "USERNAME=eq:1&userName=\"1\";ne:2&$sort=envName:desc,envName&_=5",
    ] {
        assert!(read(&format!("{same}&$after={after}")).is_ok(), "{same}");
    }
    for other in [
        "",
        "$sort=-envName",
        "userName=1;ne:2",
        "userName=1;ne:3&$sort=-envName",
        "userName=1;ne:2&$sort=envName",
        "userName=1;ne:2&$sort=-envName,userName",
        "userName=1;eq:2&$sort=-envName",
        "userName=1&deviceName=ne:2&$sort=-envName",
        "userName=1;ne:2;sw:1&$sort=-envName",
    ] {
        assert_eq!(
            refused(read(&format!("{other}&$after={after}"))),
            ["$after"],
            "{other}"
        );
    }
    for skip in ["$skip=0", "$skip=1"] {
        assert_eq!(
            refused(read(&format!("{raw}&{skip}&$after={after}"))),
            ["$after"]
        );
        assert_eq!(
            refused(read(&format!("$After={after}&{raw}&{skip}"))),
            ["$After"]
        );
    }
    assert_eq!(
        refused(read(&format!("{raw}&$after={after}&$after={after}"))),
        ["$after"]
    );
}

#[test]
fn a_cursor_of_another_resource_is_refused() {
    let after = format!("$after={}", cursor(""));
    assert!(read(&after).is_ok());
    for errors in [
        parse::<UserMember>(Some(&after), &Limits::default()).map(|_| ()),
        parse::<DeviceMember>(Some(&after), &Limits::default()).map(|_| ()),
        parse::<RoleMember>(Some(&after), &Limits::default()).map(|_| ()),
    ] {
        assert_eq!(errors.expect_err("refused").errors[0].member, "$after");
    }
}

#[test]
fn a_cut_or_changed_cursor_is_refused() {
    let after = cursor("");
    for end in 0..after.len() {
        assert_eq!(
            refused(read(&format!("$after={}", &after[..end]))),
            ["$after"]
        );
    }
    for at in 0..after.len() {
        for other in ["A", "B", "-", "_", "%41B", "=", "~", "\u{13e}"] {
            let changed = format!("{}{other}{}", &after[..at], &after[at + 1..]);
            let is_same = changed == after;
            assert_eq!(
                read(&format!("$after={changed}")).is_ok(),
                is_same,
                "{changed}"
            );
        }
    }
    for foreign in [
        "foreign",
        "AAAA",
        "0",
        "=",
        "%00",
        &format!("{after}A"),
        &"A".repeat(70_000),
    ] {
        assert_eq!(refused(read(&format!("$after={foreign}"))), ["$after"]);
    }
}

#[test]
fn a_cursor_is_not_blamed_for_the_errors_of_others() {
    let after = cursor("userName=1");
    assert_eq!(
        refused(read(&format!("userName=1&_v=x&$after={after}"))),
        ["_v"]
    );
}
