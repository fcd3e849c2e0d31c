//! Tokens that were seen before. Checking a signature costs 38 us, more than
//! everything else in a request together; a token that was checked once costs
//! a hash and a look-up.
//!
//! The newest token of a session is what nearly every request comes with: the
//! store keeps its name beside the session, whatever their number, and nothing
//! is kept here. The memory is for the others: tokens before a refresh, and
//! those of sessions that have ended, whose owners do not give up.
//!
//! It says only that a text is a token of ours and what stands in it, which
//! never changes. Its times are held against `now` at every request, and
//! whether the session lives is always asked of the store.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use parking_lot::RwLock;

pub use super::token::TokenError;
use super::token::{Claims, KeyRing, NewToken, SIGNATURE_CHARS, TOKEN_BYTES_MAX};
use crate::model::{SessionId, Timestamp, TokenName};

/// Parts of the memory, each with a lock of its own. A power of two.
const SHARDS: usize = 16;
/// Tokens in one generation of one shard. Two generations of all shards hold
/// 16,384 tokens in 1.2 MB at most.
const GENERATION_TOKENS_MAX: usize = 512;

/// The signing keys, the names of tokens, and the tokens that were remembered.
#[derive(Debug)]
pub struct Bearer {
    keys: RwLock<Arc<KeyRing>>,
    /// Grows behind every change of `keys`, and goes into the names of tokens.
    changes: AtomicU64,
    seen: Seen,
    hasher: RandomState,
}

impl Bearer {
    /// With an empty memory.
    #[must_use]
    pub fn new(keys: KeyRing) -> Self {
        Self {
            keys: RwLock::new(Arc::new(keys)),
            changes: AtomicU64::new(0),
            seen: Seen::new(GENERATION_TOKENS_MAX),
            hasher: RandomState::default(),
        }
    }

    /// The signing keys.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.keys.read())
    }

    /// Takes other keys, and forgets every token and every name: from the return
    /// of this call on no token is good that these keys do not find good.
    pub fn replace(&self, keys: KeyRing) {
        *self.keys.write() = Arc::new(keys);
        self.changes.fetch_add(1, Ordering::Release);
        self.seen.clear();
    }

    /// What stands for this text; `None`: too long for a token.
    ///
    /// A name is good between two changes of the keys: behind the next one the
    /// same text has another, so what was noted under the one before is of no
    /// use any more. It holds half of the SHA-256 of the text's signature, and a
    /// hash of the rest. Whoever knows a good signature has the whole
    /// credential, and it can not be guessed or found from 128 bits of its
    /// digest. The second hash, seeded and fast, only makes every other text
    /// with that signature a stranger; it would be read as the token it belongs
    /// to, so nothing is gained by a collision. Digesting the whole text costs
    /// 0.2 us more a request.
    #[must_use]
    pub fn name(&self, token: &str) -> Option<TokenName> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let at = token.len().saturating_sub(SIGNATURE_CHARS);
        let (signed, signature) = token.as_bytes().split_at(at);
        let digest = digest::digest(&digest::SHA256, signature);
        let digest = digest.as_ref().try_into().expect("a SHA-256 is 32 bytes");
        // Read before the keys are, and changed behind them: a name is never
        // newer than the keys that found its token good.
        let changes = self.changes.load(Ordering::Acquire);
        let signed = self.hasher.hash_one((changes, signed));
        Some(TokenName::new(digest, signed))
    }

    /// What the text of this name says, whatever the time: from memory, or as
    /// [`KeyRing::read`] finds it.
    ///
    /// # Errors
    /// [`TokenError::Invalid`], [`TokenError::Revoked`].
    pub fn read(&self, name: &TokenName, token: &str) -> Result<Claims, TokenError> {
        match self.seen.find(name) {
            Some(claims) => Ok(claims),
            None => self.keys().read(token),
        }
    }

    /// Keeps what [`Bearer::read`] answered, expired or not: a client that does
    /// not give up must not cost a signature each time.
    pub fn remember(&self, name: TokenName, claims: Claims) {
        self.seen.insert(name, claims);
    }

    /// Makes the token of a session, as [`KeyRing::sign`] does, with its name.
    #[must_use]
    pub fn sign(&self, new: &NewToken<'_>) -> Option<(String, TokenName)> {
        // Held until the token has its name, which belongs to these keys.
        let keys = self.keys.read();
        let token = keys.sign(new)?;
        let name = self.name(&token)?;
        Some((token, name))
    }
}

/// Bytes of a session's id: its 32 characters are of base64's alphabet.
const SID_BYTES: usize = 24;

/// A good token, in 64 bytes: there may be many.
struct Known {
    name: TokenName,
    jti_head: u64,
    sid: [u8; SID_BYTES],
    /// Seconds since 1970, as are those of [`Known::expires_at`].
    not_before: u32,
    expires_at: u32,
}

impl Known {
    /// `None` for times that are not whole seconds of the years 1970 to 2105:
    /// such a token is read anew each time.
    fn new(name: TokenName, claims: &Claims) -> Option<Self> {
        let seconds = |time: Timestamp| {
            let millis = u64::try_from(time.as_millis()).ok()?;
            let whole = millis.is_multiple_of(1000);
            whole.then(|| u32::try_from(millis / 1000).ok()).flatten()
        };
        let mut sid = [0; SID_BYTES];
        BASE64_URL_SAFE_NO_PAD
            .decode_slice_unchecked(claims.sid.as_bytes(), &mut sid)
            .ok()?;
        Some(Self {
            name,
            jti_head: claims.jti_head,
            sid,
            not_before: seconds(claims.not_before)?,
            expires_at: seconds(claims.expires_at)?,
        })
    }

    fn claims(&self) -> Claims {
        let mut sid = [0; 32];
        BASE64_URL_SAFE_NO_PAD
            .encode_slice(self.sid, &mut sid)
            .expect("24 bytes are 32 characters");
        let time = |seconds: u32| Timestamp::from_millis(i64::from(seconds) * 1000);
        Claims {
            sid: SessionId::from_bytes(&sid).expect("they were made from an id"),
            jti_head: self.jti_head,
            not_before: time(self.not_before),
            expires_at: time(self.expires_at),
        }
    }
}

type Generation = HashTable<Known>;

/// A bounded memory of two generations. Fresh tokens go into the young one;
/// when it is full it becomes the old one, whose content is forgotten. A token
/// found in the old one moves up, so what is in use stays. Nothing is ever
/// searched for a victim, and the table is reused, so no request stalls.
struct Seen {
    shards: Box<[RwLock<Shard>]>,
    generation_max: usize,
}

#[derive(Default)]
struct Shard {
    young: Generation,
    old: Generation,
}

impl Seen {
    fn new(generation_max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            generation_max,
        }
    }

    fn find(&self, name: &TokenName) -> Option<Claims> {
        let shard = self.shard(name).read();
        if let Some(known) = get(&shard.young, name) {
            return Some(known.claims());
        }
        get(&shard.old, name)?;
        drop(shard);
        // Looked up again: the memory may have been emptied in between.
        let mut shard = self.shard(name).write();
        let known = get(&shard.young, name).or_else(|| get(&shard.old, name))?;
        let claims = known.claims();
        shard.insert(*name, claims, self.generation_max);
        Some(claims)
    }

    fn insert(&self, name: TokenName, claims: Claims) {
        let mut shard = self.shard(&name).write();
        shard.insert(name, claims, self.generation_max);
    }

    fn shard(&self, name: &TokenName) -> &RwLock<Shard> {
        &self.shards[usize::from(name.last_byte()) % SHARDS]
    }

    fn clear(&self) {
        for shard in &self.shards {
            *shard.write() = Shard::default();
        }
    }
}

impl Shard {
    fn insert(&mut self, name: TokenName, claims: Claims, generation_max: usize) {
        // Another request with the same token may have been faster.
        if get(&self.young, &name).is_some() {
            return;
        }
        if self.young.len() >= generation_max {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        if let Some(known) = Known::new(name, &claims) {
            self.young
                .insert_unique(name.hash(), known, |known| known.name.hash());
        }
    }
}

fn get<'a>(generation: &'a Generation, name: &TokenName) -> Option<&'a Known> {
    generation.find(name.hash(), |known| known.name == *name)
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::token::NewToken;
    use crate::model::{
        AuthenticationType, DeviceName, Env, Identity, KeyNumber, Session, UserName, Version,
    };
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_691_147_978_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn bearer() -> Bearer {
        Bearer::new(KeyRing::generate("shop-1", NOW, HOUR))
    }

    fn issue(bearer: &Bearer, jti: u8) -> (Session, String) {
        let session = Session {
            id: SessionId::draw(),
            identity: Identity {
                user_name: UserName::parse("999").unwrap(),
                device_name: DeviceName::parse("P01").unwrap(),
                env: Env::CashRegister,
                authentication_type: AuthenticationType::Bearer,
            },
            started_at: NOW,
            expires_at: NOW.plus(HOUR),
            last_access_at: NOW,
            version: Version::FIRST,
        };
        let new = NewToken {
            session: &session,
            issued_at: NOW,
            jti: KeyNumber::FIRST.mark([jti; 16]),
        };
        let token = bearer.keys().sign(&new).unwrap();
        (session, token)
    }

    fn len(bearer: &Bearer) -> usize {
        let shards = bearer.seen.shards.iter();
        shards
            .map(|shard| shard.read().young.len() + shard.read().old.len())
            .sum()
    }

    /// Reads a token and remembers it, as is done of those that the store does
    /// not know.
    fn read(bearer: &Bearer, token: &str) -> Result<Claims, TokenError> {
        let name = bearer.name(token).ok_or(TokenError::Invalid)?;
        let claims = bearer.read(&name, token)?;
        bearer.remember(name, claims);
        Ok(claims)
    }

    #[test]
    fn a_token_is_made_with_the_name_that_it_is_found_under() {
        let bearer = bearer();
        let (session, stranger) = issue(&bearer, 2);
        let new = NewToken {
            session: &session,
            issued_at: NOW,
            jti: KeyNumber::FIRST.mark([2; 16]),
        };
        let (token, name) = bearer.sign(&new).unwrap();
        assert_eq!(token, stranger);
        assert_eq!(bearer.name(&token), Some(name));
        assert_ne!(bearer.name(&token[1..]), Some(name));
        assert_eq!(bearer.name(&"A".repeat(TOKEN_BYTES_MAX + 1)), None);
    }

    #[test]
    fn a_token_answers_the_same_at_first_and_from_memory() {
        let bearer = bearer();
        let (session, token) = issue(&bearer, 2);
        let first = read(&bearer, &token).unwrap();
        assert_eq!(
            (first.sid, first.jti_head),
            (session.id, 0x0202_0202_0202_0202)
        );
        for _ in 0..2 {
            assert_eq!(read(&bearer, &token), Ok(first));
            assert_eq!(len(&bearer), 1);
        }
    }

    #[test]
    fn claims_are_kept_whole_or_not_at_all() {
        let claims = |not_before, expires_at| Claims {
            sid: SessionId::draw(),
            jti_head: u64::MAX - 3,
            not_before: Timestamp::from_millis(not_before),
            expires_at: Timestamp::from_millis(expires_at),
        };
        let name = TokenName::new(&[7; 32], 1);
        let last = i64::from(u32::MAX) * 1000;
        for good in [
            claims(0, last),
            claims(1_691_147_978_000, 1_691_151_578_000),
        ] {
            let known = Known::new(name, &good).map(|known| known.claims());
            assert_eq!(known, Some(good));
        }
        for bad in [claims(-1000, last), claims(0, last + 1000), claims(1, last)] {
            assert!(Known::new(name, &bad).is_none(), "{bad:?}");
        }
        assert_eq!(size_of::<Known>(), 64);
    }

    #[test]
    fn another_text_with_a_known_signature_is_no_token() {
        let bearer = bearer();
        let (token, other) = (issue(&bearer, 2).1, issue(&bearer, 3).1);
        read(&bearer, &token).unwrap();
        read(&bearer, &other).unwrap();
        let (signed, _) = other.rsplit_once('.').unwrap();
        let (_, signature) = token.rsplit_once('.').unwrap();
        let mixed = format!("{signed}.{signature}");
        for text in [mixed.as_str(), signature, &token[1..]] {
            assert_eq!(read(&bearer, text), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn only_tokens_of_ours_are_remembered() {
        let bearer = bearer();
        let (_, token) = issue(&bearer, 2);
        let foreign = issue(&self::bearer(), 2).1;
        for text in [
            &token[1..],
            &token[..token.len() - 1],
            &foreign,
            "",
            &"A".repeat(5000),
        ] {
            assert_eq!(read(&bearer, text), Err(TokenError::Invalid));
        }
        assert_eq!(len(&bearer), 0);
    }

    #[test]
    fn a_token_in_memory_is_not_good_once_its_key_is_revoked() {
        let bearer = bearer();
        let (session, token) = issue(&bearer, 2);
        read(&bearer, &token).unwrap();
        let kid = bearer.keys().public_keys()[0].kid.clone();
        let (keys, _) = bearer.keys().revoked(&kid, NOW, HOUR).unwrap();
        bearer.replace(keys);
        assert_eq!(len(&bearer), 0);
        let revoked = Err(TokenError::Revoked { sid: session.id });
        assert_eq!(read(&bearer, &token), revoked);
        assert_eq!(len(&bearer), 0);
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_in_use() {
        let seen = Seen::new(100);
        let claims = Claims {
            sid: SessionId::draw(),
            jti_head: 7,
            not_before: NOW,
            expires_at: NOW.plus(HOUR),
        };
        let bearer = bearer();
        let name = |text: &str| bearer.name(text).unwrap();
        let busy = name("busy");
        seen.insert(busy, claims);
        for number in 0..100_000 {
            seen.insert(name(&number.to_string()), claims);
            if number % 50 == 0 {
                assert_eq!(seen.find(&busy), Some(claims), "after {number}");
            }
        }
        for shard in &seen.shards {
            let shard = shard.read();
            assert!(shard.young.len() <= 100 && shard.old.len() <= 100);
        }
        assert_eq!(seen.find(&name("0")), None);
    }
}
