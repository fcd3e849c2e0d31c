//! The rules of the language that need more than one reader, row by row.

use super::*;

fn text(text: &str) -> Literal {
    Literal::Text(text.to_owned())
}

fn filter(member: S, test: Test) -> Filter<S> {
    Filter { member, test }
}

#[test]
fn no_query_asks_for_everything() {
    for raw in [None, Some(""), Some("&&"), Some("$include=&$sort=")] {
        assert_eq!(parse(raw, &Limits::default()), Ok(Query::<S>::all(1_000)));
    }
}

#[test]
fn members_are_found_by_name_or_dotted_name_in_any_case() {
    for (raw, member) in [
        ("sessionId=null", S::SessionId),
        ("SESSIONID=null", S::SessionId),
        ("%73essionId=null", S::SessionId),
        ("userName=null", S::UserName),
        ("identity.userName=null", S::UserName),
        ("Identity.UserName=null", S::UserName),
        ("deviceName=null", S::DeviceName),
        ("identity.deviceName=null", S::DeviceName),
        ("envName=null", S::EnvName),
        ("identity.envName=null", S::EnvName),
        ("authenticationType=null", S::AuthenticationType),
        ("identity.authenticationType=null", S::AuthenticationType),
        ("startedAt=null", S::StartedAt),
        ("expiresAt=null", S::ExpiresAt),
        ("lastAccessAt=null", S::LastAccessAt),
        ("_v=null", S::Version),
        ("_V=null", S::Version),
    ] {
        let query = read(raw).expect(raw);
        assert_eq!(query.filters, [filter(member, Test::Null)], "{raw}");
    }
}

#[test]
fn a_repeated_member_adds_operations() {
    let query = read("userName=gt:a;lt:z&startedAt=1970-01-01&username=ne:m").expect("a query");
    let expected = [
        filter(S::UserName, Test::Gt(text("a"))),
        filter(S::UserName, Test::Lt(text("z"))),
        filter(S::StartedAt, Test::Eq(Literal::Time(0))),
        filter(S::UserName, Test::Neq(text("m"))),
    ];
    assert_eq!(query.filters, expected);
}

#[test]
fn a_parameter_without_value_is_eq_of_the_empty_text() {
    for raw in ["userName", "userName=", "userName=;", "userName=;;"] {
        assert_eq!(
            read(raw).expect(raw).filters,
            [filter(S::UserName, Test::Eq(text("")))]
        );
    }
    for raw in ["_v", "_v=", "startedAt", "startedAt=;"] {
        assert_eq!(refused(read(raw)).len(), 1, "{raw}");
    }
}

#[test]
fn paging_follows_the_dollar_parameters() {
    let page = |raw: &str| {
        let query = read(raw).expect(raw);
        (query.skip, query.take, query.count_only)
    };
    for (raw, expected) in [
        ("$skip=0", (0, 1_000, false)),
        ("$skip=7", (7, 1_000, false)),
        ("$skip=9223372036854775807", (i64::MAX as u64, 1_000, false)),
        ("$take=0", (0, 0, false)),
        ("$take=10", (0, 10, false)),
        ("$take=%31%30", (0, 10, false)),
        ("$take=10000", (0, 10_000, false)),
        ("$take=10001", (0, 10_000, false)),
        ("$take=9223372036854775807", (0, 10_000, false)),
        ("$TAKE=10&%24Skip=2", (2, 10, false)),
        ("%24take=10", (0, 10, false)),
        ("$count=true", (0, 1_000, true)),
        ("$count=TRUE", (0, 1_000, true)),
        ("$Count=1", (0, 1_000, true)),
        ("$count=false", (0, 1_000, false)),
        ("$count=0", (0, 1_000, false)),
        ("$count=1&$skip=2&$take=3", (2, 3, true)),
    ] {
        assert_eq!(page(raw), expected, "{raw}");
    }
}

#[test]
fn page_sizes_are_configurable() {
    let limits = Limits {
        take_default: 5,
        take_max: 8,
        ..Limits::default()
    };
    let take = |raw| parse::<S>(Some(raw), &limits).expect("a query").take;
    assert_eq!([take(""), take("$take=7"), take("$take=9")], [5, 7, 8]);
    let narrow = Limits {
        take_default: 9,
        ..limits
    };
    assert_eq!(parse::<S>(None, &narrow).expect("a query").take, 8);
}

#[test]
fn every_refusal_names_its_parameter_as_it_was_sent() {
    for (raw, member) in [
        ("userNam=1", "userNam"),
        ("identity=1", "identity"),
        ("=1", ""),
        ("+userName=1", " userName"),
        ("user%4Eam=1", "userNam"),
        ("a%zz=1", "a%zz"),
        ("%FF=1", "\u{fffd}"),
        ("USERNAME=%zz", "USERNAME"),
        ("userName=%FF", "userName"),
        ("userName=\"a", "userName"),
        ("userName=\"a&b\"", "userName"),
        ("userName=null:x", "userName"),
        ("userName=contains:", "userName"),
        ("identity.userName=between:a", "identity.userName"),
        ("startedAt=yesterday", "startedAt"),
        ("startedAt=2023-08-04T11:19:60Z", "startedAt"),
        ("startedAt=2023-08-04T24:00:00Z", "startedAt"),
        ("startedAt=contains:2023", "startedAt"),
        ("_v=abc", "_v"),
        ("_v=9223372036854775808", "_v"),
        ("_v=like:1", "_v"),
        ("$take=", "$take"),
        ("$take", "$take"),
        ("$take=-1", "$take"),
        ("$take=1.5", "$take"),
        ("$take=x", "$take"),
        ("$take=+1", "$take"),
        ("$take=%2B1", "$take"),
        ("$take=99999999999999999999", "$take"),
        ("$take=\"1\"", "$take"),
        ("$take=%zz", "$take"),
        ("$take=1&$TAKE=1", "$TAKE"),
        ("%24take=x", "$take"),
        ("$skip=", "$skip"),
        ("$skip=-1", "$skip"),
        ("$skip=18446744073709551616", "$skip"),
        ("$skip=0&$skip=0", "$skip"),
        ("$count=", "$count"),
        ("$count=yes", "$count"),
        ("$count=true&$count=true", "$count"),
        ("$after=", "$after"),
        ("$AFTER=foreign", "$AFTER"),
        ("$sort=nothing", "$sort"),
        ("$sort=-userName:asc", "$sort"),
        ("$include=user", "$include"),
        ("$include=+", "$include"),
        ("$filter=x", "$filter"),
        ("$=x", "$"),
    ] {
        let names = refused(read(raw));
        assert_eq!(
            names.first().map(String::as_str),
            Some(member),
            "{raw}: {names:?}"
        );
    }
}

#[test]
fn all_errors_are_gathered_up_to_a_limit() {
    let raw = "colour=red&userName=1&$take=x&_v=y&$after=foreign&$sort=z";
    assert_eq!(
        refused(read(raw)),
        ["colour", "$take", "_v", "$sort", "$after"]
    );
    assert_eq!(refused(read(&"colour=red&".repeat(1_000))).len(), 32);
    let with_after = format!("$after=foreign&{}", "colour=red&".repeat(32));
    assert_eq!(refused(read(&with_after)).len(), 32);
}

#[test]
fn a_query_has_a_bounded_number_of_operations() {
    let raw = |operations: usize| format!("userName={}", vec!["ne:a"; operations].join(";"));
    assert_eq!(read(&raw(64)).expect("a query").filters.len(), 64);
    assert_eq!(refused(read(&raw(65))), ["userName"]);
    assert_eq!(refused(read(&format!("{}&_v=1", raw(64)))), ["_v"]);
}

#[test]
fn names_behind_an_underscore_are_ignored() {
    for raw in ["_=1691147978", "_t=a&_cache=\"", "%5Fx=1", "_=%zz", "_vv=x"] {
        assert_eq!(read(raw), Ok(Query::all(1_000)), "{raw}");
    }
}

#[test]
fn unknown_members_are_dropped_where_that_is_configured() {
    let limits = Limits {
        ignore_unknown_members: true,
        ..Limits::default()
    };
    let read = |raw| parse::<S>(Some(raw), &limits);
    let query = read("colour=red&userName=1&$top=5&$filter=%zz").expect("a query");
    assert_eq!(query.filters, [filter(S::UserName, Test::Eq(text("1")))]);
    for (raw, member) in [
        ("$sort=colour", "$sort"),
        ("$include=user", "$include"),
        ("$take=x", "$take"),
        ("_v=x", "_v"),
    ] {
        assert_eq!(refused(read(raw)), [member]);
    }
}

#[test]
fn the_order_ends_in_what_makes_it_total() {
    let order = |raw: &str| read(raw).expect("a query").order();
    let up = Direction::Ascending;
    let down = Direction::Descending;
    assert_eq!(order(""), [(S::StartedAt, up), (S::SessionId, up)]);
    let expected = [(S::UserName, down), (S::StartedAt, up), (S::SessionId, up)];
    assert_eq!(order("$sort=-userName"), expected);
    assert_eq!(
        order("$sort=-startedAt"),
        [(S::StartedAt, down), (S::SessionId, up)]
    );
    for last in [UserMember::TIE_BREAK.last(), Some(&UserMember::Id)] {
        assert_eq!(last, Some(&UserMember::Id));
    }
}

#[test]
fn members_of_users_devices_and_roles_have_kinds_and_names() {
    let limits = Limits::default();
    let users = "id=eq:x&userName=1&NAME=sw:a&isActive=true&isVirtual=ne:0&featureName=null\
                 &mustChangePassword=FALSE&_v=gt:1&$sort=-isActive,name";
    assert_eq!(
        parse::<UserMember>(Some(users), &limits)
            .expect("users")
            .filters
            .len(),
        8
    );
    let devices = "name=P01&isActive=1&envName=PDA&description=like:x&_v=1&$sort=envName";
    assert_eq!(
        parse::<DeviceMember>(Some(devices), &limits)
            .expect("devices")
            .filters
            .len(),
        5
    );
    let roles = "name=startsWith:ca&label=x&description=y&_v=1&$sort=-label";
    assert_eq!(
        parse::<RoleMember>(Some(roles), &limits)
            .expect("roles")
            .filters
            .len(),
        4
    );
    for raw in [
        "isActive=gt:0",
        "isActive=yes",
        "isActive=",
        "roles=x",
        "password=null",
    ] {
        assert!(parse::<UserMember>(Some(raw), &limits).is_err(), "{raw}");
    }
}

#[test]
fn a_time_of_a_query_is_finer_than_that_of_a_record() {
    let rows = [session(0, "1", "P01", [15, 100, 20], 1)];
    for (raw, total) in [
        ("startedAt=1970-01-01T00:00:00.015Z", 1),
        ("startedAt=1970-01-01T01:00:00.015+01:00", 1),
        ("startedAt=1970-01-01T00:00:00.015000001Z", 0),
        ("startedAt=lt:1970-01-01T00:00:00.015000001Z", 1),
        ("startedAt=gt:1970-01-01T00:00:00.014999999Z", 1),
        ("startedAt=gte:1970-01-01T00:00:00.015000001Z", 0),
        ("startedAt=between:1970-01-01,1970-01-01T00:00:00.015", 1),
        ("startedAt=in:1970-01-01T00:00:00.015Z", 1),
    ] {
        assert_eq!(select(&read(raw).expect(raw), &rows).total, total, "{raw}");
    }
}
