//! Tokens that were seen before. Checking a signature costs 38 us, more than
//! everything else in a request together; a token that was checked once costs
//! a hash and a look-up.
//!
//! The memory says only that a text is a token of ours and what stands in it,
//! which never changes. Its times are held against `now` at every request, and
//! whether the session lives is always asked of the store.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::digest;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use parking_lot::RwLock;

pub use super::token::TokenError;
use super::token::{Claims, KeyRing, NewToken, SIGNATURE_CHARS, TOKEN_BYTES_MAX};
use crate::model::{SessionId, Timestamp};

/// Parts of the memory, each with a lock of its own. A power of two.
const SHARDS: usize = 16;
/// Tokens in one generation of one shard. Two generations of all shards hold
/// 262,144 tokens in about 24 MB at most.
const GENERATION_TOKENS_MAX: usize = 8_192;

/// What a good token said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownToken {
    /// What stands in it.
    pub claims: Claims,
    /// What [`Bearer::note`] noted, if anything.
    pub note: Option<u32>,
    name: Name,
}

/// The signing keys and the tokens that were seen of them.
#[derive(Debug)]
pub struct Bearer {
    keys: RwLock<Arc<KeyRing>>,
    seen: Seen,
    hasher: RandomState,
}

impl Bearer {
    /// With an empty memory.
    #[must_use]
    pub fn new(keys: KeyRing) -> Self {
        Self {
            keys: RwLock::new(Arc::new(keys)),
            seen: Seen::new(GENERATION_TOKENS_MAX),
            hasher: RandomState::default(),
        }
    }

    /// The signing keys.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.keys.read())
    }

    /// Takes other keys and empties the memory: from the return of this call on
    /// no token is good that these keys do not find good.
    pub fn replace(&self, keys: KeyRing) {
        *self.keys.write() = Arc::new(keys);
        self.seen.clear();
    }

    /// Which session a token is for. Answers exactly as [`KeyRing::verify`],
    /// only faster for a token that was seen before.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn authenticate(&self, token: &str, now: Timestamp) -> Result<KnownToken, TokenError> {
        let (name, claims, note) = self.look_up(token)?;
        claims.check(now)?;
        Ok(KnownToken {
            claims,
            note: Some(note).filter(|note| *note != NO_NOTE),
            name,
        })
    }

    /// Makes the token of a session, as [`KeyRing::sign`] does, and remembers it:
    /// its first use costs no check of a signature that was made here.
    #[must_use]
    pub fn sign(&self, new: &NewToken<'_>) -> Option<String> {
        // Held until the token is in memory, as in `read`.
        let keys = self.keys.read();
        let (token, claims) = keys.sign_known(new)?;
        self.seen.insert(Name::of(&token, &self.hasher), claims);
        Some(token)
    }

    /// As [`Bearer::authenticate`], of a token whose time may be over: for
    /// refreshing.
    ///
    /// # Errors
    /// [`TokenError`], but not for its end.
    pub fn read_even_expired(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let (_, claims, _) = self.look_up(token)?;
        claims.check_begun(now)?;
        Ok(claims)
    }

    /// Notes a number beside a token, as long as the token is remembered: where
    /// its session was found last. It proves nothing; `u32::MAX` is no note.
    pub fn note(&self, known: &KnownToken, note: u32) {
        self.seen.note(&known.name, note);
    }

    /// What a token says and what is noted beside it, from memory where it is there.
    fn look_up(&self, token: &str) -> Result<(Name, Claims, u32), TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let name = Name::of(token, &self.hasher);
        match self.seen.find(&name) {
            Some((claims, note)) => Ok((name, claims, note)),
            None => Ok((name, self.read(name, token)?, NO_NOTE)),
        }
    }

    /// Expired tokens are remembered too: a client that does not give up must
    /// not cost a signature each time.
    fn read(&self, name: Name, token: &str) -> Result<Claims, TokenError> {
        // Held until the token is in memory: otherwise `replace` could empty
        // the memory in between, and a token of a revoked key would stay.
        let keys = self.keys.read();
        let claims = keys.read(token)?;
        self.seen.insert(name, claims);
        Ok(claims)
    }
}

/// No note.
const NO_NOTE: u32 = u32::MAX;
/// Bytes of the SHA-256 that are kept.
const DIGEST_BYTES: usize = 16;

/// Stands for a token's text: half of the SHA-256 of its signature, and a hash
/// of what is signed.
///
/// Whoever knows a good signature has the whole credential, and it can not be
/// guessed or found from 128 bits of its digest. The second hash, seeded and
/// fast, only makes every other text with that signature a stranger; it would
/// be read as the token it belongs to, so nothing is gained by a collision.
/// Digesting the whole text costs 0.2 us more a request.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Name {
    signature: [u8; DIGEST_BYTES],
    signed: u64,
}

impl Name {
    fn of(token: &str, hasher: &RandomState) -> Self {
        let at = token.len().saturating_sub(SIGNATURE_CHARS);
        let (signed, signature) = token.as_bytes().split_at(at);
        let digest = digest::digest(&digest::SHA256, signature);
        Self {
            signature: std::array::from_fn(|i| digest.as_ref()[i]),
            signed: hasher.hash_one(signed),
        }
    }

    /// Its place in a hash table: the bits are random already.
    fn hash(&self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|i| self.signature[i]))
    }

    /// From bits that [`Name::hash`] does not use.
    fn shard(&self) -> usize {
        usize::from(self.signature[DIGEST_BYTES - 1]) % SHARDS
    }
}

/// Bytes of a session's id: its 32 characters are of base64's alphabet.
const SID_BYTES: usize = 24;

/// A good token, in 72 bytes: there may be very many.
struct Known {
    name: Name,
    jti_head: u64,
    sid: [u8; SID_BYTES],
    /// Seconds since 1970, as are those of [`Known::expires_at`].
    not_before: u32,
    expires_at: u32,
    note: AtomicU32,
}

impl Known {
    /// `None` for times that are not whole seconds of the years 1970 to 2105:
    /// such a token is read anew each time.
    fn new(name: Name, claims: &Claims) -> Option<Self> {
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
            note: AtomicU32::new(NO_NOTE),
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

    fn find(&self, name: &Name) -> Option<(Claims, u32)> {
        let shard = self.shards[name.shard()].read();
        if let Some(known) = get(&shard.young, name) {
            return Some((known.claims(), known.note.load(Ordering::Relaxed)));
        }
        get(&shard.old, name)?;
        drop(shard);
        // Looked up again: the memory may have been emptied in between.
        let mut shard = self.shards[name.shard()].write();
        let known = get(&shard.young, name).or_else(|| get(&shard.old, name))?;
        let claims = known.claims();
        shard.insert(*name, claims, self.generation_max);
        Some((claims, NO_NOTE))
    }

    fn note(&self, name: &Name, note: u32) {
        let shard = self.shards[name.shard()].read();
        if let Some(known) = get(&shard.young, name) {
            known.note.store(note, Ordering::Relaxed);
        }
    }

    fn insert(&self, name: Name, claims: Claims) {
        let mut shard = self.shards[name.shard()].write();
        shard.insert(name, claims, self.generation_max);
    }

    fn clear(&self) {
        for shard in &self.shards {
            *shard.write() = Shard::default();
        }
    }
}

impl Shard {
    fn insert(&mut self, name: Name, claims: Claims, generation_max: usize) {
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

fn get<'a>(generation: &'a Generation, name: &Name) -> Option<&'a Known> {
    generation.find(name.hash(), |known| known.name == *name)
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Name(..)")
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

    #[test]
    fn a_token_that_was_made_here_is_known_before_its_first_use() {
        let bearer = bearer();
        let (session, stranger) = issue(&bearer, 2);
        let new = NewToken {
            session: &session,
            issued_at: NOW,
            jti: KeyNumber::FIRST.mark([2; 16]),
        };
        assert_eq!(len(&bearer), 0);
        let token = bearer.sign(&new).unwrap();
        assert_eq!((&token, len(&bearer)), (&stranger, 1));
        let known = bearer.authenticate(&token, NOW).unwrap().claims;
        assert_eq!(Ok(known), bearer.keys().read(&token));
        // Its time may be over for a refresh, and for nothing else.
        let late = NOW.plus(HOUR);
        assert_eq!(bearer.read_even_expired(&token, late), Ok(known));
        assert!(bearer.authenticate(&token, late).is_err());
        // Other keys know nothing of it.
        bearer.replace(KeyRing::generate("other", NOW, HOUR));
        assert_eq!(
            bearer.read_even_expired(&token, NOW),
            Err(TokenError::Invalid)
        );
    }

    #[test]
    fn a_token_answers_the_same_at_first_and_from_memory() {
        let bearer = bearer();
        let (session, token) = issue(&bearer, 2);
        let first = bearer.authenticate(&token, NOW).unwrap();
        assert_eq!(
            (first.claims.sid, first.claims.jti_head, first.note),
            (session.id, 0x0202_0202_0202_0202, None)
        );
        for _ in 0..2 {
            assert_eq!(bearer.authenticate(&token, NOW), Ok(first));
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
        let name = Name::of("any", &RandomState::default());
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
        assert_eq!(size_of::<Known>(), 72);
    }

    #[test]
    fn a_note_stays_with_its_token() {
        let bearer = bearer();
        let (token, other) = (issue(&bearer, 2).1, issue(&bearer, 3).1);
        let known = bearer.authenticate(&token, NOW).unwrap();
        bearer.authenticate(&other, NOW).unwrap();
        bearer.note(&known, 7);
        let note = |token| bearer.authenticate(token, NOW).unwrap().note;
        assert_eq!((note(&token), note(&other)), (Some(7), None));
    }

    #[test]
    fn another_text_with_a_known_signature_is_no_token() {
        let bearer = bearer();
        let (token, other) = (issue(&bearer, 2).1, issue(&bearer, 3).1);
        bearer.authenticate(&token, NOW).unwrap();
        bearer.authenticate(&other, NOW).unwrap();
        let (signed, _) = other.rsplit_once('.').unwrap();
        let (_, signature) = token.rsplit_once('.').unwrap();
        let mixed = format!("{signed}.{signature}");
        for text in [mixed.as_str(), signature, &token[1..]] {
            assert_eq!(bearer.authenticate(text, NOW), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn times_are_checked_at_every_request_of_a_token_in_memory() {
        let bearer = bearer();
        let (session, token) = issue(&bearer, 2);
        let expired = Err(TokenError::Expired { sid: session.id });
        assert!(bearer.authenticate(&token, NOW).is_ok());
        assert_eq!(bearer.authenticate(&token, NOW.plus(HOUR)), expired);
        let before = NOW.minus(Duration::from_millis(1));
        assert_eq!(
            bearer.authenticate(&token, before),
            Err(TokenError::NotYetValid)
        );
        assert!(bearer.authenticate(&token, NOW).is_ok());
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
            assert_eq!(bearer.authenticate(text, NOW), Err(TokenError::Invalid));
        }
        assert_eq!(len(&bearer), 0);
    }

    #[test]
    fn a_token_in_memory_is_not_good_once_its_key_is_revoked() {
        let bearer = bearer();
        let (session, token) = issue(&bearer, 2);
        bearer.authenticate(&token, NOW).unwrap();
        let kid = bearer.keys().public_keys()[0].kid.clone();
        let (keys, _) = bearer.keys().revoked(&kid, NOW, HOUR).unwrap();
        bearer.replace(keys);
        assert_eq!(len(&bearer), 0);
        let revoked = Err(TokenError::Revoked { sid: session.id });
        assert_eq!(bearer.authenticate(&token, NOW), revoked);
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
        let hasher = RandomState::default();
        let name = |text: &str| Name::of(text, &hasher);
        let busy = name("busy");
        seen.insert(busy, claims);
        for number in 0..100_000 {
            seen.insert(name(&number.to_string()), claims);
            if number % 50 == 0 {
                let found = seen.find(&busy).map(|(claims, _)| claims);
                assert_eq!(found, Some(claims), "after {number}");
            }
        }
        for shard in &seen.shards {
            let shard = shard.read();
            assert!(shard.young.len() <= 100 && shard.old.len() <= 100);
        }
        assert_eq!(seen.find(&name("0")), None);
    }
}
