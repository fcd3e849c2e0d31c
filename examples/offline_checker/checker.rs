//! Decides about a token without asking the server: what a till or a service
//! keeps in memory between two looks at the feed of endings. Does no input or
//! output and reads no clock, so it can be taken over as it is.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use chrono::DateTime;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

/// What the tokens of Tillgate say they are, and for whom.
const TYPE: &str = "at+jwt";
const AUDIENCE: &str = "tillgate";
/// Longer texts are no tokens.
const TOKEN_BYTES_MAX: usize = 4096;
/// A token may begin so much after the server's time as it is estimated here:
/// the estimate is behind by what an answer takes on the wire.
const BEGIN_LEEWAY: i64 = 5;

/// Two clocks, read together. The steady one stands still while some machines
/// sleep; the wall clock may be set at will. The one that has moved further
/// counts, so neither can make old news look fresh.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The clock that never goes back.
    pub steady: Instant,
    /// The clock that people see.
    pub wall: SystemTime,
}

impl Moment {
    /// This moment.
    #[allow(
        clippy::disallowed_methods,
        reason = "runs on a till, far from the server's clock"
    )]
    pub fn now() -> Self {
        Self {
            steady: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// How long ago `earlier` was, at least.
    fn since(&self, earlier: &Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall);
        let steady = self.steady.saturating_duration_since(earlier.steady);
        wall.unwrap_or_default().max(steady)
    }
}

/// `GET /.well-known/jwks.json`
#[derive(Debug, Deserialize)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug, Deserialize)]
struct Key {
    kid: String,
    crv: String,
    x: String,
}

/// `GET /sessions/revocations`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Feed {
    items: Vec<Ending>,
    /// Where to go on.
    pub cursor: String,
    #[serde(deserialize_with = "seconds")]
    now: i64,
    kids: Vec<String>,
    /// Whether what was heard before is void.
    pub reset: bool,
    stale_after_seconds: u64,
}

impl Feed {
    /// Whether nothing more has ended: only an empty answer says so.
    pub fn is_complete(&self) -> bool {
        self.items.is_empty()
    }
}

/// A time as seconds since 1970.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
    Ok(time.timestamp())
}

#[derive(Debug, Deserialize)]
struct Ending {
    sid: String,
    exp: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    sub: String,
    sid: String,
    dev: String,
    env: String,
    nbf: i64,
    exp: i64,
}

/// Whom a token names. Its rights are not in it: ask the server for those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The session.
    pub session_id: String,
    /// The user who logged in.
    pub user_name: String,
    /// The device where.
    pub device_name: String,
    /// The environment of the device.
    pub env_name: String,
}

/// What can be said of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Signed by the server, not expired, and not ended as of the last news,
    /// which is fresh.
    Valid(Identity),
    /// Signed by the server, and over.
    Ended(End),
    /// No token of this server, or not good yet: refuse it.
    Foreign,
    /// Only the server can tell: ask it.
    Unknown(Doubt),
}

/// Why a token is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its session was ended.
    Session,
    /// The key that signed it is not good any more.
    Key,
    /// Its time is over; it may have been refreshed.
    Expired,
}

/// Why nothing can be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The token was good as of the last news, which is older than the server
    /// allows: the session may have been ended since.
    Stale {
        /// Whose token it is.
        identity: Identity,
        /// How old the news is.
        age: Duration,
    },
    /// Signed with a key that is not held here. It may be new, and the token
    /// may be forged: nothing in it was verified.
    NoSuchKey,
    /// The feed was not read to its end yet.
    NothingHeard,
}

/// The news of the last complete reading.
#[derive(Debug)]
struct News {
    /// When the question was sent: what ended later may be missing.
    asked: Moment,
    stale_after: Duration,
}

/// Public keys, ended sessions and the server's time, as far as they were heard.
#[derive(Debug, Default)]
pub struct Checker {
    keys: HashMap<String, Vec<u8>>,
    good_kids: Vec<String>,
    /// Ended sessions, with the end of their tokens in seconds since 1970.
    ended: HashMap<String, i64>,
    /// The server's time in seconds since 1970, and when it was heard.
    time: Option<(i64, Moment)>,
    news: Option<News>,
}

impl Checker {
    /// Takes published keys in. Earlier ones stay: the feed says which are good.
    pub fn take_keys(&mut self, set: KeySet) {
        for key in set.keys.into_iter().filter(|key| key.crv == "Ed25519") {
            if let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(&key.x) {
                self.keys.insert(key.kid, bytes);
            }
        }
    }

    /// Whether the feed has named a key that is not held: ask for the key set.
    pub fn lacks_a_key(&self) -> bool {
        let held = |kid| self.keys.contains_key(kid);
        !self.good_kids.iter().all(held)
    }

    /// Takes an answer of the feed in. `asked`: when the question was sent;
    /// `heard`: when the answer was there.
    pub fn take_feed(&mut self, feed: Feed, asked: Moment, heard: Moment) {
        if feed.reset {
            self.ended.clear();
            self.news = None;
        }
        if feed.is_complete() {
            let stale_after = Duration::from_secs(feed.stale_after_seconds);
            self.news = Some(News { asked, stale_after });
        }
        let endings = feed.items.into_iter();
        self.ended.extend(endings.map(|end| (end.sid, end.exp)));
        self.good_kids = feed.kids;
        self.time = Some((feed.now, heard));
        // Tokens that have expired need no other reason.
        self.ended.retain(|_, exp| *exp > feed.now);
    }

    /// What can be said of a token.
    pub fn check(&self, token: &str, at: Moment) -> Verdict {
        let Some((server_time, heard)) = &self.time else {
            return Verdict::Unknown(Doubt::NothingHeard);
        };
        let Some((header, claims, signed, signature)) = parts(token) else {
            return Verdict::Foreign;
        };
        let Some(key) = self.keys.get(&header.kid) else {
            return Verdict::Unknown(Doubt::NoSuchKey);
        };
        // The signature before everything that the payload says.
        let key = UnparsedPublicKey::new(&ED25519, key);
        if key.verify(signed, &signature).is_err() || claims.aud != AUDIENCE {
            return Verdict::Foreign;
        }
        let elapsed = i64::try_from(at.since(heard).as_secs()).unwrap_or(i64::MAX);
        let now = server_time.saturating_add(elapsed);
        if claims.nbf > now.saturating_add(BEGIN_LEEWAY) {
            return Verdict::Foreign;
        }
        if claims.exp <= now {
            return Verdict::Ended(End::Expired);
        }
        if !self.good_kids.contains(&header.kid) {
            return Verdict::Ended(End::Key);
        }
        if self.ended.contains_key(&claims.sid) {
            return Verdict::Ended(End::Session);
        }
        let identity = Identity {
            session_id: claims.sid,
            user_name: claims.sub,
            device_name: claims.dev,
            env_name: claims.env,
        };
        let Some(news) = &self.news else {
            return Verdict::Unknown(Doubt::NothingHeard);
        };
        let age = at.since(&news.asked);
        if age >= news.stale_after {
            return Verdict::Unknown(Doubt::Stale { identity, age });
        }
        Verdict::Valid(identity)
    }
}

/// Header and claims, what was signed, and the signature. One algorithm is
/// known here, so a header can not choose another.
fn parts(token: &str) -> Option<(Header, Claims, &[u8], Vec<u8>)> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Header = json(header)?;
    let is_ours = header.alg == "EdDSA" && header.typ == TYPE;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    is_ours.then_some((header, json(claims)?, signed.as_bytes(), signature))
}

fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
