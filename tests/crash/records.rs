//! What clients know of users and API keys. Each record has one writer, so the
//! states that it was asked to take form a line; it is never found in a state
//! older than one that anybody was told of.

use serde_json::Value;

/// Which resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `/users`
    User,
    /// `/apikeys`
    ApiKey,
}

/// What a record holds. A number stands for everything that people typed, so
/// that no two states look alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// In the name of a user, the description of a key.
    pub(crate) number: u64,
    /// In the password of a user.
    pub(crate) password: u64,
    /// `isActive`
    pub(crate) is_active: bool,
    /// `_v`
    pub(crate) version: u64,
}

impl Content {
    /// The password in words.
    pub(crate) fn password(&self) -> String {
        format!("pass-{}", self.password)
    }

    /// What an answer shows of it beside the version, in one text.
    pub(crate) fn shows(&self) -> String {
        shows(&self.number.to_string(), &Value::Bool(self.is_active))
    }

    /// Whether an answer shows this content. Passwords are never shown.
    fn is_shown_by(&self, body: &Value, member: &str) -> bool {
        let typed = body[member].as_str().unwrap_or_default();
        typed == self.number.to_string()
            && body["isActive"] == self.is_active
            && body["_v"] == self.version
    }
}

/// What people typed, and `isActive`, in one text.
pub(crate) fn shows(typed: &str, is_active: &Value) -> String {
    format!("{typed}, active {is_active}")
}

/// A record and every state that it may be in.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Which resource.
    pub(crate) kind: Kind,
    /// `userName` of a user, `name` of a key.
    pub(crate) name: String,
    /// The id of a key, when it is known.
    pub(crate) id: String,
    /// `clientId` and `clientSecret` of a key, when they are known.
    pub(crate) secret: Option<Value>,
    /// In the order in which they were asked for; `None`: it does not exist.
    states: Vec<Option<Content>>,
    /// The newest state that is known to have been reached.
    sure: usize,
    /// States that were reached before the first of these.
    earlier: usize,
}

impl Record {
    /// A record that does not exist.
    pub(crate) fn absent(kind: Kind, name: String) -> Self {
        Self {
            kind,
            name,
            id: String::new(),
            secret: None,
            states: vec![None],
            sure: 0,
            earlier: 0,
        }
    }

    /// Where it is read.
    pub(crate) fn path(&self) -> String {
        match self.kind {
            Kind::User => format!("/users/{}", self.name),
            Kind::ApiKey => format!("/apikeys/{}", self.id),
        }
    }

    /// The member that shows its number.
    pub(crate) fn member(&self) -> &'static str {
        match self.kind {
            Kind::User => "name",
            Kind::ApiKey => "description",
        }
    }

    /// The state last asked for.
    pub(crate) fn newest(&self) -> Option<&Content> {
        self.states.last().expect("never empty").as_ref()
    }

    /// The state last acknowledged or seen.
    pub(crate) fn sure(&self) -> Option<&Content> {
        self.states[self.sure].as_ref()
    }

    /// How far the line is known; to be taken before a look.
    pub(crate) fn floor(&self) -> usize {
        self.sure
    }

    /// How often it has changed, as far as that is known.
    pub(crate) fn changes(&self) -> usize {
        self.earlier + self.sure
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_settled(&self) -> bool {
        self.sure + 1 == self.states.len()
    }

    /// The next state is asked for.
    pub(crate) fn ask(&mut self, state: Option<Content>) {
        self.states.push(state);
    }

    /// The state last asked for was acknowledged.
    pub(crate) fn acknowledged(&mut self) {
        self.sure = self.states.len() - 1;
    }

    /// A look found this (`None`: 404). What was seen is never unseen.
    pub(crate) fn saw(&mut self, floor: usize, found: Option<&Value>) -> Result<(), String> {
        let member = self.member();
        let fits = |state: &Option<Content>| match (state, found) {
            (None, None) => true,
            (Some(content), Some(body)) => content.is_shown_by(body, member),
            _ => false,
        };
        let Some(place) = (floor..self.states.len()).find(|at| fits(&self.states[*at])) else {
            let known = &self.states[floor..];
            return Err(format!("{} is {found:?}, not one of {known:?}", self.name));
        };
        self.sure = self.sure.max(place);
        Ok(())
    }

    /// The newest password that is surely no longer good.
    pub(crate) fn earlier_password(&self) -> Option<String> {
        let now = self.sure()?.password;
        let earlier = self.states[..self.sure].iter().flatten();
        let mut others = earlier.filter(|content| content.password != now);
        others.next_back().map(Content::password)
    }

    /// What was found after a restart is what is: every doubt is over.
    pub(crate) fn settle(&mut self) {
        self.earlier += self.sure;
        self.states = vec![self.states[self.sure].clone()];
        self.sure = 0;
    }
}
