//! Passwords to and from argon2id hashes in the PHC string format. Slow on
//! purpose, so only the pool's own threads call it.

use std::sync::Arc;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::secret::Secret;

/// Least memory that argon2 can work with, in KiB.
pub const MEMORY_KIB_MIN: u32 = 8;
/// Most memory for one hash, in KiB: a hash that asks for more is not computed.
pub const MEMORY_KIB_MAX: u32 = 256 * 1024;
/// Most passes over the memory: a hash that asks for more is not computed.
pub const ITERATIONS_MAX: u32 = 16;
/// Most lanes: a hash that asks for more is not computed.
const LANES_MAX: u32 = 4;
/// Bytes of a hash that Tillgate makes.
const OUTPUT_BYTES: usize = 32;

/// How dear a new hash is. One lane always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashParams {
    memory_kib: u32,
    iterations: u32,
}

impl HashParams {
    /// Memory in KiB and passes over it; `None` outside of
    /// [`MEMORY_KIB_MIN`]..=[`MEMORY_KIB_MAX`] and 1..=[`ITERATIONS_MAX`].
    #[must_use]
    pub const fn new(memory_kib: u32, iterations: u32) -> Option<Self> {
        if memory_kib < MEMORY_KIB_MIN || memory_kib > MEMORY_KIB_MAX {
            return None;
        }
        if iterations < 1 || iterations > ITERATIONS_MAX {
            return None;
        }
        Some(Self {
            memory_kib,
            iterations,
        })
    }

    /// Memory of one hash in KiB.
    #[must_use]
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    #[must_use]
    pub const fn iterations(self) -> u32 {
        self.iterations
    }

    fn argon2(self) -> Params {
        Params::new(self.memory_kib, self.iterations, 1, Some(OUTPUT_BYTES))
            .expect("the ranges lie within argon2's")
    }
}

impl Default for HashParams {
    /// 19 MiB and two passes, as OWASP's cheat sheet asks for.
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            iterations: 2,
        }
    }
}

/// There was not enough memory, or no randomness for a salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashError;

/// Hashes a password under a fresh salt of 128 bits; the PHC string holds
/// everything needed to verify it.
///
/// # Errors
/// [`HashError`].
pub fn hash(password: &Secret, params: HashParams) -> Result<Arc<str>, HashError> {
    Workspace::default().hash(password, params)
}

/// Whether this is the password of a PHC string. The cost is what the string
/// asks for; a string that is no argon2id hash, or asks for more than the
/// bounds of this module, fits no password and costs nothing.
#[must_use]
pub fn verify(password: &Secret, against: &str) -> bool {
    Workspace::default().verify(password, against)
}

/// The memory of one hash after the other: for whoever asks for 19 MiB again and
/// again the system clears them page by page each time.
#[derive(Debug, Default)]
pub struct Workspace(Vec<Block>);

impl Workspace {
    /// As [`hash`].
    ///
    /// # Errors
    /// [`HashError`].
    pub fn hash(&mut self, password: &Secret, params: HashParams) -> Result<Arc<str>, HashError> {
        let params = params.argon2();
        let salt = Salt::generate();
        let mut output = [0; OUTPUT_BYTES];
        let made = self.compute(password, &salt, &params, &mut output);
        made.ok_or(HashError)?;
        Ok(text_of(&params, salt, &output))
    }

    /// As [`verify`].
    pub fn verify(&mut self, password: &Secret, against: &str) -> bool {
        let Some(stored) = read(against) else {
            return false;
        };
        let (Ok(params), Some(salt), Some(wanted)) =
            (Params::try_from(&stored), stored.salt, stored.hash)
        else {
            return false;
        };
        let mut output = [0; Output::MAX_LENGTH];
        let Some(output) = output.get_mut(..wanted.len()) else {
            return false;
        };
        let made = self.compute(password, &salt, &params, output);
        // Outputs are compared in constant time.
        made.is_some() && Output::new(output).is_ok_and(|output| output == wanted)
    }

    /// Whether there is memory that could be given back.
    #[must_use]
    pub fn holds_memory(&self) -> bool {
        self.0.capacity() > 0
    }

    /// `None` when there is not enough memory.
    fn compute(
        &mut self,
        password: &Secret,
        salt: &Salt,
        params: &Params,
        output: &mut [u8],
    ) -> Option<()> {
        let blocks = params.block_count();
        if self.0.len() != blocks {
            self.0 = Vec::new();
            self.0.try_reserve_exact(blocks).ok()?;
            self.0.resize(blocks, Block::new());
        }
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let password = password.expose().as_bytes();
        argon2
            .hash_password_into_with_memory(password, salt, output, &mut self.0)
            .ok()
    }
}

/// Whether [`verify`] can work with this text: an argon2id PHC string within
/// the bounds. For hashes that come from outside, such as an import.
#[must_use]
pub fn is_hash(text: &str) -> bool {
    read(text).is_some()
}

/// Whether a hash is cheaper than one of these parameters would be. What is no
/// hash, or dearer in one of them, is not.
#[must_use]
pub fn is_cheaper(text: &str, than: HashParams) -> bool {
    let params = read(text).and_then(|hash| Params::try_from(&hash).ok());
    params.is_some_and(|params| {
        let costs = (params.m_cost(), params.t_cost());
        let wanted = (than.memory_kib, than.iterations);
        costs != wanted && costs.0 <= wanted.0 && costs.1 <= wanted.1
    })
}

fn read(text: &str) -> Option<PasswordHash> {
    let hash = PasswordHash::new(text).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let whole = hash.salt.is_some() && hash.hash.is_some();
    let kind = hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into());
    let bounded = params.m_cost() <= MEMORY_KIB_MAX
        && params.t_cost() <= ITERATIONS_MAX
        && params.p_cost() <= LANES_MAX;
    (whole && kind && bounded).then_some(hash)
}

/// A hash that no password has: its output is random, not computed. Verifying
/// against it costs the same as against a real hash of these parameters.
#[must_use]
pub fn dummy(params: HashParams) -> Arc<str> {
    text_of(&params.argon2(), Salt::generate(), &rand::random())
}

/// The PHC string.
fn text_of(params: &Params, salt: Salt, output: &[u8; OUTPUT_BYTES]) -> Arc<str> {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).expect("three small numbers fit"),
        salt: Some(salt),
        hash: Some(Output::new(output).expect("32 bytes are an output")),
    };
    hash.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: HashParams = HashParams {
        memory_kib: 8,
        iterations: 1,
    };

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_hash_fits_its_own_password_only() {
        let hash = hash(&secret("Majite\u{13e}"), CHEAP).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert!(verify(&secret("Majite\u{13e}"), &hash));
        for wrong in ["", "majite\u{13e}", "Majite\u{13e} ", "Majitel"] {
            assert!(!verify(&secret(wrong), &hash), "{wrong}");
        }
    }

    #[test]
    fn the_same_password_never_hashes_to_the_same_text() {
        let password = secret("pass");
        assert_ne!(hash(&password, CHEAP), hash(&password, CHEAP));
    }

    #[test]
    fn a_hash_is_verified_with_the_cost_it_was_made_with() {
        let dear = HashParams::new(64, 3).unwrap();
        let hash = hash(&secret("pass"), dear).unwrap();
        assert!(hash.contains("$m=64,t=3,p=1$"));
        assert!(verify(&secret("pass"), &hash));
    }

    #[test]
    fn memory_of_an_earlier_hash_changes_no_later_one() {
        let mut workspace = Workspace::default();
        let dear = HashParams::new(64, 3).unwrap();
        let hashes = [CHEAP, dear, dear, CHEAP].map(|params| {
            let hash = workspace.hash(&secret("pass"), params).unwrap();
            assert!(verify(&secret("pass"), &hash));
            hash
        });
        for hash in &hashes {
            assert!(workspace.verify(&secret("pass"), hash));
            assert!(!workspace.verify(&secret("Pass"), hash));
        }
        assert!(workspace.holds_memory());
    }

    #[test]
    fn a_hash_that_another_program_made_is_verified() {
        // The example of the reference implementation, argon2 1.3.
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify(&secret("password"), hash));
        assert!(!verify(&secret("Password"), hash));
    }

    #[test]
    fn a_hash_is_cheaper_when_one_cost_is_lower_and_none_higher() {
        let hash = dummy(HashParams::new(64, 2).unwrap());
        for (memory, iterations, is_cheaper_than) in [
            (64, 2, false),
            (65, 2, true),
            (64, 3, true),
            (128, 1, false),
            (32, 4, false),
        ] {
            let params = HashParams::new(memory, iterations).unwrap();
            assert_eq!(is_cheaper(&hash, params), is_cheaper_than, "{params:?}");
        }
        assert!(!is_cheaper("no hash", CHEAP));
    }

    #[test]
    fn the_defaults_are_those_of_the_cheat_sheet() {
        assert!(dummy(HashParams::default()).starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[test]
    fn a_dummy_looks_like_a_hash_of_the_same_cost_and_fits_nothing() {
        let dummy = dummy(CHEAP);
        let real = hash(&secret(""), CHEAP).unwrap();
        assert!(is_hash(&dummy));
        assert_eq!(dummy.len(), real.len());
        assert_eq!(dummy[..27], real[..27]);
        assert!(!verify(&secret(""), &dummy));
    }

    #[test]
    fn what_is_no_bounded_argon2id_hash_fits_no_password() {
        let good = hash(&secret("pass"), CHEAP).unwrap().to_string();
        assert!(is_hash(&good));
        for bad in [
            String::new(),
            "pass".to_owned(),
            good.replace("argon2id", "argon2i"),
            good.replace("argon2id", "scrypt"),
            good.replace("v=19", "v=16"),
            good.replace("v=19$", ""),
            good.replace("m=8", "m=4194304"),
            good.replace("t=1", "t=1000000"),
            good.replace("p=1", "p=16"),
            good[..good.rfind('$').unwrap()].to_owned(),
            "$argon2id$v=19$m=8,t=1,p=1".to_owned(),
        ] {
            assert!(!is_hash(&bad), "{bad}");
            assert!(!verify(&secret("pass"), &bad), "{bad}");
        }
    }

    #[test]
    fn parameters_out_of_bounds_can_not_be_written() {
        for (memory, iterations) in [(7, 1), (MEMORY_KIB_MAX + 1, 1), (8, 0), (8, 17)] {
            assert_eq!(HashParams::new(memory, iterations), None);
        }
    }
}
