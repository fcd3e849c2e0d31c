//! The languages that people read: which one a request prefers, and the
//! sentences of problem documents in each.
//!
//! Everything below HTTP speaks English. Sentences are translated here, on
//! their way out; one that is not in the table goes out in English.

use std::borrow::Cow;

use warp::http::header::{ACCEPT_LANGUAGE, HeaderMap};

/// A language that answers are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// `en-GB`
    #[default]
    English,
    /// `sk-SK`
    Slovak,
}

/// Preferences beyond these are not looked at.
const PREFERENCES_MAX: usize = 16;

impl Language {
    /// The tag, as it stands in `Content-Language`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en-GB",
            Self::Slovak => "sk-SK",
        }
    }

    /// Reads a tag by its first part: `en`, `en-GB`, `sk`, `sk-SK`, any case.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?;
        [(Self::English, "en"), (Self::Slovak, "sk")]
            .into_iter()
            .find_map(|(language, name)| primary.eq_ignore_ascii_case(name).then_some(language))
    }

    /// The best language of an `Accept-Language` text; `None` when it names
    /// none of ours.
    #[must_use]
    pub fn preferred(accept_language: &str) -> Option<Self> {
        let mut best = None;
        for part in accept_language.split(',').take(PREFERENCES_MAX) {
            let (tag, quality) = weighed(part);
            let Some(language) = Self::parse(tag) else {
                continue;
            };
            if quality > best.map_or(0, |(_, best)| best) {
                best = Some((language, quality));
            }
        }
        best.map(|(language, _)| language)
    }

    /// The language of an answer to a request with these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap, default: Self) -> Self {
        let text = headers
            .get(ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        text.and_then(Self::preferred).unwrap_or(default)
    }

    /// A sentence of ours in this language.
    #[must_use]
    pub fn say(self, english: &str) -> Cow<'_, str> {
        match self {
            Self::English => Cow::Borrowed(english),
            Self::Slovak => translated(english),
        }
    }
}

/// A list element and its quality in thousandths; 1000 when it names none, 0
/// when that can not be read.
pub(super) fn weighed(part: &str) -> (&str, u32) {
    let mut pieces = part.split(';');
    let value = pieces.next().unwrap_or("").trim();
    let quality = pieces.find_map(|piece| {
        let (name, text) = piece.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("q")
            .then(|| thousandths(text.trim()))
    });
    (value, quality.unwrap_or(1_000))
}

fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = format!("{fraction:0<3}").parse().unwrap_or(0);
    match (whole, digits) {
        ("0", true) => fraction,
        ("1", true) if fraction == 0 => 1_000,
        _ => 0,
    }
}

fn translated(english: &str) -> Cow<'_, str> {
    SLOVAK
        .iter()
        .find_map(|(pattern, slovak)| fill(pattern, slovak, english))
        .map_or(Cow::Borrowed(english), Cow::Owned)
}

/// `slovak` if `english` fits `pattern`, with what stands at `{}`.
fn fill(pattern: &str, slovak: &str, english: &str) -> Option<String> {
    let Some((before, after)) = pattern.split_once("{}") else {
        return (pattern == english).then(|| slovak.to_owned());
    };
    let hole = english.strip_prefix(before)?.strip_suffix(after)?;
    Some(slovak.replacen("{}", hole, 1))
}

/// Sentences in Slovak; `{}` stands for a number or a name.
const SLOVAK: &[(&str, &str)] = &[
    // Titles of problem documents.
    ("The request is not valid", "Požiadavka nie je platná"),
    ("The request can not be read", "Požiadavku nemožno prečítať"),
    ("Not logged in", "Neprihlásený"),
    ("Not allowed", "Nepovolené"),
    ("Not found", "Nenájdené"),
    (
        "This method is not available here",
        "Táto metóda tu nie je dostupná",
    ),
    (
        "No answer in an acceptable format",
        "Odpoveď v prijateľnom formáte nie je dostupná",
    ),
    (
        "The request came too slowly",
        "Požiadavka prichádzala príliš pomaly",
    ),
    ("Changed in the meantime", "Medzičasom zmenené"),
    ("The request is too large", "Požiadavka je príliš veľká"),
    ("The address is too long", "Adresa je príliš dlhá"),
    (
        "The body is of another type than needed",
        "Telo má iný typ, než je potrebné",
    ),
    ("Too many sessions", "Priveľa relácií"),
    ("Locked for the time being", "Dočasne zamknuté"),
    ("The headers are too large", "Hlavičky sú príliš veľké"),
    ("Something went wrong here", "Na serveri nastala chyba"),
    ("Not available at the moment", "Momentálne nedostupné"),
    ("No room on the disk", "Na disku nie je miesto"),
    // Validation: bodies.
    ("is required", "je povinné"),
    ("is already taken", "je už obsadené"),
    (
        "names the unknown device '{}'",
        "uvádza neznáme zariadenie '{}'",
    ),
    (
        "names the unknown user '{}'",
        "uvádza neznámeho používateľa '{}'",
    ),
    ("can not be changed", "nemožno zmeniť"),
    (
        "must be 32 or 40 hex digits",
        "musí mať 32 alebo 40 šestnástkových číslic",
    ),
    ("must be 64 hex digits", "musí mať 64 šestnástkových číslic"),
    ("names the unknown role '{}'", "uvádza neznámu rolu '{}'"),
    (
        "takes the last active administrator with a password away",
        "by odobralo posledného aktívneho správcu s heslom",
    ),
    ("is given more than once", "je uvedené viackrát"),
    ("must be text", "musí byť text"),
    ("must be true or false", "musí byť true alebo false"),
    ("must be a list", "musí byť zoznam"),
    (
        "must be an address that begins with http:// or https:// and names a host",
        "musí byť adresa, ktorá začína http:// alebo https:// a uvádza počítač",
    ),
    (
        "must not hold a user name or password",
        "nesmie obsahovať používateľské meno ani heslo",
    ),
    (
        "must have at most 2048 characters",
        "smie mať najviac 2048 znakov",
    ),
    (
        "must not name a link-local address",
        "nesmie uvádzať adresu miestnej linky",
    ),
    (
        "must be session, user, device, role, apiKey or webhook",
        "musí byť session, user, device, role, apiKey alebo webhook",
    ),
    ("must have at most 256 bytes", "smie mať najviac 256 bajtov"),
    (
        "is one too many: there are {} webhooks already",
        "je navyše: webhookov je už {}",
    ),
    ("must be an object", "musí byť objekt"),
    ("must be a whole number", "musí byť celé číslo"),
    (
        "must be BackOffice, CashRegister, PDA or Tool",
        "musí byť BackOffice, CashRegister, PDA alebo Tool",
    ),
    (
        "differs from the name in the path",
        "sa líši od mena v adrese",
    ),
    (
        "differs from the id in the path",
        "sa líši od identifikátora v adrese",
    ),
    ("must not be empty", "nesmie byť prázdne"),
    (
        "must have at most {} characters",
        "smie mať najviac {} znakov",
    ),
    (
        "must have at least {} characters",
        "najmenší počet znakov je {}",
    ),
    ("must have at most {} bytes", "smie mať najviac {} bajtov"),
    (
        "must not contain control characters, direction marks or '/'",
        "nesmie obsahovať riadiace znaky, značky smeru ani '/'",
    ),
    (
        "must not start or end with a space",
        "nesmie začínať ani končiť medzerou",
    ),
    ("must not be '.' or '..'", "nesmie byť '.' ani '..'"),
    (
        "must be 1 to 64 characters of A-Z a-z 0-9 . _ -",
        "musí mať 1 až 64 znakov z A-Z a-z 0-9 . _ -",
    ),
    (
        "must hold a letter and a digit",
        "musí obsahovať písmeno a číslicu",
    ),
    (
        "is one of the passwords that are tried first",
        "patrí medzi heslá, ktoré sa skúšajú ako prvé",
    ),
    (
        "is one of the user's last passwords",
        "patrí medzi posledné heslá používateľa",
    ),
    (
        "is made from a name of the user or of a device",
        "je zložené z mena používateľa alebo zariadenia",
    ),
    ("is not the password", "nie je platné heslo"),
    // Validation: queries.
    (
        "is not a member that can be filtered by",
        "nie je položka, podľa ktorej možno filtrovať",
    ),
    ("is not a known parameter", "nie je známy parameter"),
    (
        "must name at least one filter",
        "musí uvádzať aspoň jeden filter",
    ),
    (
        "can not stand here: only filters can",
        "tu nemôže byť: môžu tu byť len filtre",
    ),
    (
        "names '{}', which is not a member that can be sorted by",
        "uvádza '{}', čo nie je položka, podľa ktorej možno triediť",
    ),
    (
        "has a sort direction other than 'asc' and 'desc'",
        "má iný smer triedenia než 'asc' a 'desc'",
    ),
    (
        "asks for one key both ascending and descending",
        "žiada jeden kľúč vzostupne aj zostupne",
    ),
    (
        "is not valid percent-encoding",
        "nie je platné percentové kódovanie",
    ),
    ("is not valid UTF-8", "nie je platné UTF-8"),
    ("must be given only once", "smie byť uvedené iba raz"),
    (
        "must be a whole number, 0 or greater",
        "musí byť celé číslo, 0 alebo väčšie",
    ),
    ("must be 'true' or 'false'", "musí byť 'true' alebo 'false'"),
    ("must be a time such as {}", "musí byť čas, napríklad {}"),
    ("has a quote that is not closed", "má neuzavretú úvodzovku"),
    (
        "has text behind a closing quote",
        "má text za uzatváracou úvodzovkou",
    ),
    (
        "has an operator with a wrong number of arguments",
        "má operátor s nesprávnym počtom argumentov",
    ),
    (
        "has an operator that does not fit the kind of its values",
        "má operátor, ktorý sa nehodí k druhu hodnôt",
    ),
    (
        "has an operator whose argument must not be empty",
        "má operátor, ktorého argument nesmie byť prázdny",
    ),
    (
        "goes beyond the number of operations a query may have",
        "prekračuje počet operácií, ktoré dopyt smie mať",
    ),
    (
        "lists more values than an operation may have",
        "uvádza viac hodnôt, než operácia smie mať",
    ),
    (
        "must be empty: there is nothing to include",
        "musí byť prázdne: nie je čo pripojiť",
    ),
    (
        "is not a cursor of this server",
        "nie je kurzor tohto servera",
    ),
    (
        "belongs to another filter or sort",
        "patrí k inému filtru alebo triedeniu",
    ),
    ("can not stand beside $skip", "nesmie stáť vedľa $skip"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_language_that_we_speak_is_taken() {
        for (text, wanted) in [
            ("sk-SK", Some(Language::Slovak)),
            ("sk", Some(Language::Slovak)),
            ("EN-us", Some(Language::English)),
            ("de, sk;q=0.5, en;q=0.7", Some(Language::English)),
            ("sk;q=0.8,en;q=0.8", Some(Language::Slovak)),
            ("sk;q=0, en;q=0.1", Some(Language::English)),
            ("sk;q=0", None),
            ("de-DE, *", None),
            ("skx", None),
            ("", None),
            (";;;,q=1", None),
            ("sk;q=abc", None),
            ("sk;q=1.000", Some(Language::Slovak)),
        ] {
            assert_eq!(Language::preferred(text), wanted, "{text}");
        }
    }

    #[test]
    fn sentences_keep_their_numbers_in_translation() {
        let said = Language::Slovak.say("must have at least 8 characters");
        assert_eq!(said, "najmenší počet znakov je 8");
        assert_eq!(Language::English.say("is required"), "is required");
    }

    /// The sentences in the `#[error("...")]` lines of a source, from the enum
    /// of this name on, with `x` for what is filled in.
    fn sentences(source: &'static str, name: &str) -> Vec<String> {
        let at = source.find(&format!("enum {name}"));
        let source = &source[at.expect("the enum is there")..];
        let lines = source.lines().map(str::trim);
        let texts = lines.filter_map(|line| line.strip_prefix("#[error(\"")?.strip_suffix("\")]"));
        texts.map(|text| text.replace("{0}", "x")).collect()
    }

    #[test]
    fn every_sentence_about_a_query_or_a_name_has_a_translation() {
        let queries = sentences(include_str!("../ndata/error.rs"), "Fault");
        let names = sentences(include_str!("../model/name.rs"), "NameError");
        let passwords = sentences(include_str!("../auth/policy.rs"), "PolicyFault");
        assert_eq!(passwords.len(), 6);
        assert!(
            queries.len() > 20 && names.len() > 4,
            "the sources are read"
        );
        let webhooks = include_str!("../model/webhook.rs");
        let urls = sentences(webhooks, "WebhookUrlError");
        assert_eq!(urls.len(), 4);
        for sentence in queries
            .into_iter()
            .chain(names)
            .chain(passwords)
            .chain(urls)
        {
            assert_ne!(Language::Slovak.say(&sentence), sentence);
        }
    }

    #[test]
    fn a_sentence_without_a_translation_goes_out_in_english() {
        assert_eq!(Language::Slovak.say("a rare sentence"), "a rare sentence");
    }
}
