//! The keys of an installation through time: one signs, earlier ones are kept
//! until nothing that they signed can be good, revoked ones are only known.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use serde::{Deserialize, Serialize};

use super::KeyRing;
use super::key::{KEY_BYTES, Key};
use crate::auth::installation::{InstallationKey, UnsealError};
use crate::auth::secret::wipe;
use crate::model::{KeyNumber, Timestamp};

/// Keys in a ring beyond which it is not rotated before tokens of earlier ones
/// have ended.
pub const KEYS_MAX: usize = 16;
/// Keys in a ring at most: revoking the key that signs adds one.
const KEYS_HELD_MAX: usize = 64;
/// A token that is being made while its key retires is signed within this.
const IN_FLIGHT_MAX: Duration = Duration::from_secs(60);

/// The first byte of a sealed ring; then its keys as JSON.
const RING_VERSION: u8 = 2;

/// What a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// New tokens are signed with it.
    Signing,
    /// Its tokens are good until they end.
    Retired {
        /// From this instant on none of them can be good.
        until: Timestamp,
    },
    /// Its tokens are not good, and are told why.
    Revoked {
        /// From this instant on they would not be good anyway.
        until: Timestamp,
    },
}

impl Standing {
    /// Its word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Retired { .. } => "retired",
            Self::Revoked { .. } => "revoked",
        }
    }

    /// Until when the key is kept; `None`: it is in use.
    #[must_use]
    pub const fn until(self) -> Option<Timestamp> {
        match self {
            Self::Signing => None,
            Self::Retired { until } | Self::Revoked { until } => Some(until),
        }
    }
}

/// A key of the ring, its public half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its number.
    pub number: KeyNumber,
    /// Its name in the header of tokens.
    pub kid: String,
    /// The Ed25519 public key.
    pub bytes: [u8; KEY_BYTES],
    /// When it was made.
    pub since: Timestamp,
    /// What it is good for.
    pub standing: Standing,
}

/// Why a ring can not be changed as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// No key has this name.
    #[error("there is no such key")]
    Unknown,
    /// [`KEYS_MAX`] keys are in the ring, and tokens of all of them may be good.
    #[error("too many keys whose tokens have not ended")]
    Full,
}

/// A key in its ring.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) number: KeyNumber,
    pub(super) key: Arc<Key>,
    since: Timestamp,
    /// No token that it signed is good for longer.
    longest: Duration,
    pub(super) standing: Standing,
}

impl KeyRing {
    /// A ring with a fresh key. `issuer`: the id of the installation;
    /// `longest`: how long a token is good at most.
    #[must_use]
    pub fn generate(issuer: &str, now: Timestamp, longest: Duration) -> Self {
        Self {
            issuer: issuer.to_owned(),
            keys: vec![Held::draw(KeyNumber::FIRST, now, longest)],
        }
    }

    /// All keys, the signing one last.
    #[must_use]
    pub fn public_keys(&self) -> Vec<PublicKey> {
        let public = |held: &Held| PublicKey {
            number: held.number,
            kid: held.key.kid.clone(),
            bytes: held.key.public,
            since: held.since,
            standing: held.standing,
        };
        self.keys.iter().map(public).collect()
    }

    /// A ring that signs with a fresh key; tokens of this one's keys stay good
    /// until they end. Keys whose tokens have all ended are gone.
    ///
    /// # Errors
    /// [`RingError::Full`].
    pub fn rotated(&self, now: Timestamp, longest: Duration) -> Result<Self, RingError> {
        self.with_fresh_key(now, longest, KEYS_MAX)
    }

    fn with_fresh_key(
        &self,
        now: Timestamp,
        longest: Duration,
        max: usize,
    ) -> Result<Self, RingError> {
        let still_known = |held: &&Held| held.standing.until().is_none_or(|until| now < until);
        let mut keys: Vec<Held> = self.keys.iter().filter(still_known).cloned().collect();
        if keys.len() >= max {
            return Err(RingError::Full);
        }
        let last = keys.last_mut().expect("the signing key is always there");
        last.standing = Standing::Retired {
            until: now.plus(last.longest).plus(IN_FLIGHT_MAX),
        };
        let number = last.number.next().ok_or(RingError::Full)?;
        keys.push(Held::draw(number, now, longest));
        Ok(Self {
            issuer: self.issuer.clone(),
            keys,
        })
    }

    /// A ring that no longer takes tokens of the key with this name, and the
    /// number of that key. When it was the signing one, a fresh key signs.
    /// Revoking a key twice is the same as once.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn revoked(
        &self,
        kid: &str,
        now: Timestamp,
        longest: Duration,
    ) -> Result<(Self, KeyNumber), RingError> {
        let at = self.keys.iter().position(|held| held.key.kid == kid);
        let number = self.keys[at.ok_or(RingError::Unknown)?].number;
        let mut ring = if self.signing().number == number {
            self.with_fresh_key(now, longest, KEYS_HELD_MAX)?
        } else {
            let (issuer, keys) = (self.issuer.clone(), self.keys.clone());
            Self { issuer, keys }
        };
        for held in ring.keys.iter_mut().filter(|held| held.number == number) {
            if let Standing::Retired { until } = held.standing {
                held.standing = Standing::Revoked { until };
                let public = Key::from_public(held.key.public);
                held.key = Arc::new(public.expect("it is the public half of a key"));
            }
        }
        Ok((ring, number))
    }

    /// Notes that tokens may be good for this long; whether that was news.
    pub fn lengthen(&mut self, longest: Duration) -> bool {
        let last = self
            .keys
            .last_mut()
            .expect("the signing key is always there");
        let is_longer = longest > last.longest;
        last.longest = last.longest.max(longest);
        is_longer
    }

    pub(super) fn signing(&self) -> &Held {
        self.keys.last().expect("the signing key is always there")
    }

    /// The ring for the disk, sealed with the installation key.
    #[must_use]
    pub fn seal(&self, installation: &InstallationKey, label: &str) -> Vec<u8> {
        let keys: Vec<HeldValue> = self.keys.iter().map(HeldValue::from).collect();
        let mut plain = vec![RING_VERSION];
        serde_json::to_writer(&mut plain, &keys).expect("texts and numbers are JSON");
        let sealed = installation.seal(label, &plain);
        wipe(&mut plain);
        sealed
    }

    /// The ring that [`KeyRing::seal`] wrote under this label.
    ///
    /// # Errors
    /// [`UnsealError`]: another installation key, another label, or changed.
    pub fn unseal(
        issuer: &str,
        installation: &InstallationKey,
        label: &str,
        sealed: &[u8],
    ) -> Result<Self, UnsealError> {
        let mut plain = installation.unseal(label, sealed)?;
        let keys = match plain.split_first() {
            Some((&RING_VERSION, json)) => read(json),
            _ => None,
        };
        wipe(&mut plain);
        let (issuer, keys) = (issuer.to_owned(), keys.ok_or(UnsealError)?);
        Ok(Self { issuer, keys })
    }
}

/// The keys of a sealed ring; the last one signs.
fn read(json: &[u8]) -> Option<Vec<Held>> {
    let values: Vec<HeldValue> = serde_json::from_slice(json).ok()?;
    let keys: Vec<Held> = values.iter().map(HeldValue::held).collect::<Option<_>>()?;
    let last = keys.last()?;
    (last.standing == Standing::Signing).then_some(keys)
}

impl Held {
    fn draw(number: KeyNumber, since: Timestamp, longest: Duration) -> Self {
        Self {
            number,
            key: Arc::new(Key::draw()),
            since,
            longest,
            standing: Standing::Signing,
        }
    }
}

/// A key as it is sealed. One that was revoked has lost its private half.
#[derive(Serialize, Deserialize)]
struct HeldValue {
    number: u16,
    private: Option<Base64>,
    public: Base64,
    since: i64,
    longest_millis: u64,
    revoked: bool,
    until: Option<i64>,
}

/// 32 bytes as text, wiped when dropped.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Base64(String);

impl Base64 {
    fn of(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(BASE64_STANDARD_NO_PAD.encode(bytes))
    }

    fn bytes(&self) -> Option<[u8; KEY_BYTES]> {
        let bytes = BASE64_STANDARD_NO_PAD.decode(&self.0).ok()?;
        bytes.try_into().ok()
    }
}

impl Drop for Base64 {
    fn drop(&mut self) {
        wipe(&mut std::mem::take(&mut self.0).into_bytes());
    }
}

impl From<&Held> for HeldValue {
    fn from(held: &Held) -> Self {
        let longest = held.longest.as_millis();
        Self {
            number: held.number.0,
            private: held.key.seed().as_ref().map(Base64::of),
            public: Base64::of(&held.key.public),
            since: held.since.as_millis(),
            longest_millis: u64::try_from(longest).unwrap_or(u64::MAX),
            revoked: matches!(held.standing, Standing::Revoked { .. }),
            until: held.standing.until().map(Timestamp::as_millis),
        }
    }
}

impl HeldValue {
    fn held(&self) -> Option<Held> {
        let key = match &self.private {
            Some(seed) => Key::from_seed(&seed.bytes()?),
            None => Key::from_public(self.public.bytes()?)?,
        };
        let standing = match self.until.map(Timestamp::from_millis) {
            Some(until) if self.revoked => Standing::Revoked { until },
            Some(until) => Standing::Retired { until },
            None => Standing::Signing,
        };
        Some(Held {
            number: KeyNumber(self.number),
            key: Arc::new(key),
            since: Timestamp::from_millis(self.since),
            longest: Duration::from_millis(self.longest_millis),
            standing,
        })
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<&str> = self.keys.iter().map(|held| &*held.key.kid).collect();
        f.debug_struct("KeyRing")
            .field("kids", &kids)
            .finish_non_exhaustive()
    }
}
