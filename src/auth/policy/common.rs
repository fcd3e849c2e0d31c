//! The passwords that are tried first, made from rules: walks over keyboards and
//! alphabets, repetitions, years and days, and words that people choose. Lists
//! that others have published are not copied; who has one names it in
//! `password.block_list`.

use std::collections::HashSet;

/// Words that people take for passwords, in lower case. With whatever digits
/// and signs around them, they are no better.
pub(super) const WORDS: &[&str] = &[
    // What the field is called, and what one is told to type.
    "password",
    "passwort",
    "passwd",
    "pass",
    "passcode",
    "passphrase",
    "secret",
    "login",
    "logon",
    "signin",
    "access",
    "account",
    "default",
    "change",
    "changeme",
    "changeit",
    "temp",
    "temporary",
    "test",
    "tester",
    "testing",
    "guest",
    "public",
    "private",
    "unknown",
    "nothing",
    "something",
    "whatever",
    "anything",
    "everything",
    "letmein",
    "openup",
    "opensesame",
    "sesame",
    "enter",
    "welcome",
    "hello",
    "goodbye",
    "please",
    "thankyou",
    "demo",
    "sample",
    "example",
    "trustme",
    "trustno",
    "nopassword",
    "mypassword",
    "newpassword",
    "heslo",
    "mojeheslo",
    "noveheslo",
    "tajne",
    "tajneheslo",
    "vstup",
    "ahoj",
    "ahojky",
    "dobryden",
    "prihlasenie",
    "zmenma",
    "skuska",
    // Who is asked.
    "admin",
    "administrator",
    "root",
    "system",
    "superuser",
    "user",
    "username",
    "operator",
    "support",
    "service",
    "server",
    "master",
    "boss",
    "chief",
    "manager",
    "director",
    "owner",
    "employee",
    "worker",
    "staff",
    "cashier",
    "seller",
    "customer",
    "client",
    "majitel",
    "spravca",
    "veduci",
    "veduca",
    "riaditel",
    "zamestnanec",
    "predavac",
    "predavacka",
    "pokladnik",
    "pokladnicka",
    "zakaznik",
    // Where it is typed.
    "shop",
    "store",
    "market",
    "supermarket",
    "bakery",
    "butcher",
    "kiosk",
    "pharmacy",
    "till",
    "register",
    "cashregister",
    "checkout",
    "terminal",
    "office",
    "backoffice",
    "warehouse",
    "computer",
    "internet",
    "network",
    "windows",
    "linux",
    "android",
    "google",
    "facebook",
    "portos",
    "tillgate",
    "obchod",
    "predajna",
    "pokladna",
    "kasa",
    "sklad",
    "kancelaria",
    "potraviny",
    "drogeria",
    "lekaren",
    "pekaren",
    "pocitac",
    "company",
    "business",
    "money",
    "cash",
    "euro",
    "dollar",
    "peniaze",
    "firma",
    "praca",
    // What people like.
    "love",
    "iloveyou",
    "loveyou",
    "lovely",
    "lover",
    "sweetheart",
    "darling",
    "honey",
    "baby",
    "angel",
    "princess",
    "prince",
    "queen",
    "king",
    "sunshine",
    "sunny",
    "flower",
    "rainbow",
    "butterfly",
    "chocolate",
    "cookie",
    "banana",
    "apple",
    "orange",
    "cherry",
    "strawberry",
    "coffee",
    "pizza",
    "summer",
    "winter",
    "spring",
    "autumn",
    "holiday",
    "vacation",
    "weekend",
    "freedom",
    "forever",
    "family",
    "friend",
    "friends",
    "mother",
    "father",
    "sister",
    "brother",
    "laska",
    "milujem",
    "milujemta",
    "slniecko",
    "slnko",
    "zlatko",
    "kvetinka",
    "rodina",
    "mamka",
    "maminka",
    "ocko",
    "babka",
    "dedko",
    "leto",
    "zima",
    "jesen",
    "dovolenka",
    "cokolada",
    "football",
    "soccer",
    "baseball",
    "basketball",
    "hockey",
    "tennis",
    "golf",
    "racing",
    "hunter",
    "fishing",
    "futbal",
    "hokej",
    "music",
    "guitar",
    "rocknroll",
    "dancer",
    "player",
    "gamer",
    "game",
    "games",
    "champion",
    "winner",
    "killer",
    "ninja",
    "warrior",
    "soldier",
    "pirate",
    "wizard",
    "magic",
    "dragon",
    "phoenix",
    "unicorn",
    "monster",
    "shadow",
    "ghost",
    "spider",
    "superman",
    "batman",
    "spiderman",
    "hero",
    "starwars",
    "matrix",
    "jordan",
    "ferrari",
    "porsche",
    "mercedes",
    "toyota",
    "honda",
    "skoda",
    "octavia",
    "fabia",
    "harley",
    "mustang",
    "corvette",
    // Animals.
    "monkey",
    "tiger",
    "lion",
    "eagle",
    "falcon",
    "wolf",
    "bear",
    "horse",
    "dolphin",
    "panda",
    "kitten",
    "puppy",
    "doggy",
    "cat",
    "dog",
    "rabbit",
    "chicken",
    "turtle",
    "snake",
    "scorpion",
    "macka",
    "macicka",
    "psik",
    "havko",
    "zajacik",
    "medved",
    "konik",
    // Days and months.
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "pondelok",
    "utorok",
    "streda",
    "stvrtok",
    "piatok",
    "sobota",
    "nedela",
    "januar",
    "februar",
    "marec",
    "maj",
    "jun",
    "jul",
    "oktober",
    "christmas",
    "vianoce",
    "easter",
    // Places and names.
    "slovakia",
    "slovensko",
    "bratislava",
    "kosice",
    "zilina",
    "presov",
    "nitra",
    "trnava",
    "trencin",
    "europe",
    "london",
    "paris",
    "berlin",
    "vienna",
    "praha",
    "prague",
    "america",
    "england",
    "germany",
    "michael",
    "michelle",
    "daniel",
    "thomas",
    "robert",
    "william",
    "david",
    "richard",
    "charlie",
    "george",
    "andrew",
    "anthony",
    "matthew",
    "joshua",
    "jennifer",
    "jessica",
    "ashley",
    "amanda",
    "nicole",
    "hannah",
    "samantha",
    "elizabeth",
    "maria",
    "anna",
    "peter",
    "martin",
    "jozef",
    "jan",
    "milan",
    "marek",
    "lukas",
    "tomas",
    "jakub",
    "adam",
    "filip",
    "zuzana",
    "katarina",
    "lucia",
    "monika",
    "veronika",
    "kristina",
    "simona",
    "ivana",
    "jana",
    "eva",
    "petra",
    "lenka",
];

/// What is put behind a word.
const SUFFIXES: &[&str] = &[
    "", "1", "2", "3", "7", "9", "0", "01", "11", "12", "13", "21", "22", "23", "69", "77", "88",
    "99", "00", "007", "111", "123", "321", "666", "777", "1234", "12345", "123456", "!", "!!",
    ".", "?", "*", "1!", "123!", "1234!", "@1", "@123", "#1",
];

/// Rows and columns of keyboards, QWERTY and QWERTZ.
const WALKS: &[&str] = &[
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "azertyuiop",
    "1234567890",
    "!@#$%^&*()",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
    "qazwsxedcrfvtgbyhnujm",
    "qawsedrftgyhujikolp",
    "q1w2e3r4t5y6u7i8o9p0",
    "zaq12wsxcde34rfv",
    "147258369",
    "741852963",
    "159357",
    "789456123",
    "1qayxsw23edcvfr4",
];
const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "01234567890123456789";

/// The shortest password that is looked for: no policy allows a shorter one.
const CHARS_MIN: usize = 4;
/// The longest walk or repetition: who types more of it has thought of it.
const CHARS_MAX: usize = 20;
/// Years that people are born in, marry in, and live in.
const YEARS: std::ops::RangeInclusive<u16> = 1930..=2049;

/// All of them, in lower case.
pub(super) fn all() -> HashSet<Box<str>> {
    let mut list = HashSet::with_capacity(40_000);
    walks(&mut list);
    repetitions(&mut list);
    days(&mut list);
    for word in WORDS {
        words(word, &mut list);
    }
    list
}

/// Every stretch of a row, there and back, once and twice.
fn walks(list: &mut HashSet<Box<str>>) {
    let rows = WALKS.iter().copied().chain([ALPHABET, DIGITS]);
    for row in rows {
        let there: Vec<char> = row.chars().collect();
        let back: Vec<char> = row.chars().rev().collect();
        for way in [there, back] {
            for length in 2..=way.len().min(CHARS_MAX) {
                for stretch in way.windows(length) {
                    let stretch: String = stretch.iter().collect();
                    add(list, &stretch.repeat(2));
                    let doubled: String = stretch.chars().flat_map(|one| [one, one]).collect();
                    add(list, &doubled);
                    add(list, &stretch);
                }
            }
        }
    }
}

/// One, two or three characters again and again.
fn repetitions(list: &mut HashSet<Box<str>>) {
    let repeat = |list: &mut HashSet<Box<str>>, unit: &str| {
        for times in 2..=CHARS_MAX / unit.len() {
            add(list, &unit.repeat(times));
        }
    };
    for one in ALPHABET.chars().chain("0123456789!?.*".chars()) {
        repeat(list, &one.to_string());
    }
    for number in 0..100 {
        repeat(list, &format!("{number:02}"));
        let [first, second] = [number / 10, number % 10];
        add(list, &format!("{first}{first}{second}{second}"));
        add(
            list,
            &format!("{first}{first}{first}{second}{second}{second}"),
        );
    }
    for number in 0..1_000 {
        repeat(list, &format!("{number:03}"));
    }
    for unit in [
        "abc", "qwe", "asd", "xyz", "aaa", "1a", "a1", "12ab", "ab12", "abc123", "123abc",
        "1a2b3c", "a1b2c3",
    ] {
        repeat(list, unit);
        add(list, unit);
    }
}

/// Years, and days as people write them.
fn days(list: &mut HashSet<Box<str>>) {
    for year in YEARS {
        add(list, &year.to_string());
        add(list, &format!("{year}{year}"));
    }
    for month in 1..=12 {
        for day in 1..=31 {
            add(list, &format!("{day:02}{month:02}"));
            add(list, &format!("{month:02}{day:02}"));
        }
    }
}

/// A word with what is put behind it, written twice, and with signs for letters.
fn words(word: &str, list: &mut HashSet<Box<str>>) {
    let zero = word.replace('o', "0");
    let signs = zero.replace('a', "@").replace('s', "$").replace('i', "1");
    let numbers = zero.replace('e', "3").replace('a', "4").replace('i', "1");
    let at = zero.replace('a', "@");
    for spelling in [word, &zero, &at, &signs, &numbers] {
        for suffix in SUFFIXES {
            add(list, &format!("{spelling}{suffix}"));
        }
    }
    add(list, &word.repeat(2));
    let back: String = word.chars().rev().collect();
    add(list, &back);
}

fn add(list: &mut HashSet<Box<str>>, password: &str) {
    if password.chars().count() >= CHARS_MIN {
        list.insert(password.into());
    }
}
