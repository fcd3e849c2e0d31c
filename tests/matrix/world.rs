//! The shop that the matrix is asked in: one user for each kind of caller, each
//! with a device, a role, a session and an API key of its own, and one more
//! whose things are foreign to all of them. What a request has broken is made
//! whole again before the next one.

use std::cell::Cell;
use std::collections::HashMap;

use serde_json::{Value, json};
use tillgate::model::KnownRight;

use crate::support::signer::Signer;
use crate::support::{Answer, Login, Place, Server};
use crate::table::Row;

/// Everybody's password.
pub const PASSWORD: &str = "pass";
/// Who keeps the shop whole.
const KEEPER: &str = "keeper";
/// Whose things are foreign to every caller.
pub const OTHER: &str = "other";
/// Whose things only an administrator may change.
pub const MIGHTIER: &str = "mightier";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// No credentials at all.
    Nobody,
    /// With the token of a session that was ended.
    Ended,
    /// An administrator who must change the password first.
    MustChange,
    /// A login without any right that Tillgate knows.
    Cashier,
    /// A login with this one right.
    Manager(&'static str),
    /// A login with `admin`.
    Admin,
    /// An API key of an administrator, with all that the user may.
    Key,
    /// An API key of an administrator, cut to this one right.
    CutKey(&'static str),
}

/// A right that means nothing to Tillgate.
pub const FOREIGN_RIGHT: &str = "pos.sale";

impl Caller {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let single = Self::single_rights().map(Self::Manager);
        let mut all = vec![Self::Nobody, Self::Ended, Self::MustChange, Self::Cashier];
        all.extend(single);
        all.extend([Self::Admin, Self::Key, Self::CutKey(FOREIGN_RIGHT)]);
        all.extend(Self::single_rights().map(Self::CutKey));
        all
    }

    /// Every right that Tillgate knows, `admin` aside.
    pub fn single_rights() -> impl Iterator<Item = &'static str> {
        let known = KnownRight::ALL.iter().map(|right| right.as_str());
        known.filter(|right| *right != "admin")
    }

    /// The user's name.
    pub fn user(self) -> String {
        match self {
            Self::Manager(right) => format!("manager-{right}"),
            Self::CutKey(right) => format!("key-{right}"),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    /// Whether requests are signed with an API key.
    pub fn is_key(self) -> bool {
        matches!(self, Self::Key | Self::CutKey(_))
    }

    /// The right that counts.
    fn right(self) -> &'static str {
        match self {
            Self::CutKey(right) => right,
            other => other.right_of_user(),
        }
    }

    fn right_of_user(self) -> &'static str {
        match self {
            Self::MustChange | Self::Admin | Self::Key | Self::CutKey(_) => "admin",
            Self::Manager(right) => right,
            Self::Nobody | Self::Ended | Self::Cashier => FOREIGN_RIGHT,
        }
    }

    /// Whether one of these rights is held.
    pub fn holds(self, one_of: &[&str]) -> bool {
        let right = self.right();
        right == "admin" || one_of.contains(&right)
    }
}

/// Somebody, and what is theirs.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The user's name.
    pub user: String,
    /// The one device the user works at.
    pub device: String,
    /// The role there.
    pub role: String,
    /// The role's right; `None` for a role without any.
    right: Option<&'static str>,
    must_change: bool,
    /// What is left of the rights of the key that signs; `None`: nothing is
    /// signed.
    signs_with: Option<Vec<&'static str>>,
    /// Signs the requests of a key.
    signer: Option<Signer>,
    /// What a request of this user carries.
    pub token: String,
    /// Another session of the user.
    pub session: String,
    /// The tokens of that session.
    pub tokens: (String, String),
    /// The id of an API key of the user.
    pub key: String,
    /// A name that nothing has.
    pub unused: String,
}

impl Subject {
    fn new(user: &str, right: Option<&'static str>) -> Self {
        Self {
            user: user.to_owned(),
            device: format!("device-{user}"),
            role: format!("role-{user}"),
            right,
            ..Self::default()
        }
    }

    /// The user as it is, for a PUT.
    pub fn as_user(&self) -> Value {
        json!({
            "userName": self.user,
            "mustChangePassword": self.must_change,
            "devices": [{"name": self.device, "roles": [self.role]}],
        })
    }

    /// The device as it is.
    pub fn as_device(&self) -> Value {
        json!({"name": self.device, "envName": "BackOffice"})
    }

    /// The role as it is.
    pub fn as_role(&self) -> Value {
        let rights: Vec<_> = self.right.into_iter().collect();
        json!({"name": self.role, "rights": rights, "envNames": ["BackOffice"]})
    }

    /// An API key of the user.
    pub fn as_key(&self) -> Value {
        json!({"name": "key", "userName": self.user, "deviceName": self.device, "isActive": true})
    }

    fn with_password(&self) -> Value {
        let mut user = self.as_user();
        user["password"] = PASSWORD.into();
        user
    }
}

/// The shop, and a server that has it.
pub struct World {
    server: Server,
    // Goes after the server.
    _place: Place,
    keeper: String,
    subjects: HashMap<String, Subject>,
    broken: Vec<String>,
    numbers: Cell<u32>,
}

impl World {
    /// A shop where this is the `sessions.access`.
    pub fn with_access(access: &str) -> Self {
        let mut subjects = vec![
            Subject::new(KEEPER, Some("admin")),
            Subject::new(MIGHTIER, Some("admin")),
            Subject::new(OTHER, None),
        ];
        for caller in Caller::all() {
            let mut subject = Subject::new(&caller.user(), Some(caller.right_of_user()));
            subject.must_change = caller == Caller::MustChange;
            subject.signs_with = match caller {
                Caller::Key => Some(Vec::new()),
                Caller::CutKey(right) => Some(vec![right]),
                _ => None,
            };
            subjects.push(subject);
        }
        let all = |what: fn(&Subject) -> Value| subjects.iter().map(what).collect::<Vec<_>>();
        let shop = json!({
            "roles": all(Subject::as_role),
            "devices": all(Subject::as_device),
            "users": all(Subject::with_password),
        });
        let place = Place::empty()
            .option("SESSIONS__ACCESS", access)
            .option("BACKUP__DIRECTORY", "backups")
            .option("BACKUP__EVERY", "off");
        let file = place.path().join("matrix.json");
        std::fs::write(&file, shop.to_string()).expect("the shop is written");
        crate::support::good(&place, &["import", file.to_str().expect("UTF-8")]);
        let server = place.serve();
        let mut world = Self {
            keeper: server.log_in(KEEPER, "device-keeper").token,
            server,
            _place: place,
            broken: Vec::new(),
            subjects: HashMap::new(),
            numbers: Cell::new(0),
        };
        for subject in subjects
            .into_iter()
            .filter(|subject| subject.user != KEEPER)
        {
            let subject = world.open(subject);
            world.subjects.insert(subject.user.clone(), subject);
        }
        world
    }

    /// Logs a subject in, twice, and makes a key.
    fn open(&self, mut subject: Subject) -> Subject {
        let login = |subject: &Subject| self.server.log_in(&subject.user, &subject.device);
        subject.token = login(&subject).token;
        let Login { token, refresh, id } = login(&subject);
        subject.session = id;
        subject.tokens = (token, refresh);
        let made = self.keep("POST", "/apikeys", &subject.as_key());
        made.json()["id"]
            .as_str()
            .expect("an id")
            .clone_into(&mut subject.key);
        if let Some(permissions) = &subject.signs_with {
            let mut key = subject.as_key();
            key["permissions"] = json!(permissions);
            subject.signer = Some(Signer::of(&self.keep("POST", "/apikeys", &key).json()));
        }
        if subject.user == Caller::Ended.user() {
            assert_eq!(self.server.delete("/auth", &subject.token).status, 204);
        }
        subject
    }

    fn keep(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.server.call(method, path, Some(&self.keeper), body)
    }

    /// Makes whole what earlier requests have broken.
    fn mend(&mut self) {
        for user in std::mem::take(&mut self.broken) {
            let subject = self.subjects[&user].clone();
            let put = |path: String, body: &Value| self.keep("PUT", &path, body).status;
            put(format!("/roles/{}", subject.role), &subject.as_role());
            put(format!("/devices/{}", subject.device), &subject.as_device());
            let user_again = subject.with_password();
            if put(format!("/users/{user}"), &user_again) == 404 {
                self.keep("POST", "/users", &user_again);
            }
            let subject = self.open(subject);
            self.subjects.insert(user, subject);
        }
    }

    /// Sends the request of a row.
    pub fn ask(&mut self, row: &Row, caller: Caller, about: &str) -> Answer {
        self.mend();
        self.numbers.set(self.numbers.get() + 1);
        let mut subject = self.subjects[about].clone();
        subject.unused = format!("unused-{}", self.numbers.get());
        let (path, body) = (row.request)(&subject);
        let answer = self.send(row.method, &path, &body, caller);
        let uses_up = ["/auth/refresh", "/auth/password", "/revoke"].contains(&row.path);
        let changes = row.method == "DELETE" || uses_up;
        if changes && answer.status < 300 {
            self.broken.push(about.to_owned());
        }
        answer
    }

    /// A text goes as a form, everything else as JSON.
    fn send(&self, method: &str, path: &str, body: &Value, caller: Caller) -> Answer {
        let (kind, text) = match body {
            Value::Null => ("", String::new()),
            Value::String(form) => ("application/x-www-form-urlencoded", form.clone()),
            json => ("application/json", json.to_string()),
        };
        let asker = &self.subjects[&caller.user()];
        let mut headers = match &asker.signer {
            Some(signer) => signer.headers(&self.server, method, path, &text),
            None if caller == Caller::Nobody => Vec::new(),
            None => vec![(
                "Authorization".to_owned(),
                format!("Bearer {}", asker.token),
            )],
        };
        // A browser says so of every request from a page of the server's own.
        headers.push(("Sec-Fetch-Site".to_owned(), "same-origin".to_owned()));
        if path == "/signalr/v1/mainHub" {
            headers.extend(crate::support::upgrade());
        }
        if !kind.is_empty() {
            headers.push(("Content-Type".to_owned(), kind.to_owned()));
        }
        self.server.send_text(method, path, &headers, &text)
    }

    /// Any call without credentials.
    pub fn call(&self, method: &str, path: &str) -> Answer {
        self.server.call(method, path, None, &Value::Null)
    }
}
