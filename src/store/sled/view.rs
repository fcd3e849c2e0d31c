//! The directory in memory: one snapshot, replaced as a whole by the writer,
//! and who may do what on which device, looked up in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::{HashMap, HashTable};
use parking_lot::RwLock;

use crate::model::{ApiKeyId, DeviceName, Directory, Principal, UserName};
use crate::store::Signer;

/// The directory in force. Readers see one state or the next, never a mixture.
#[derive(Debug)]
pub struct View {
    state: RwLock<State>,
    /// Grows with each directory put in force; changed under the lock of
    /// `state`. Never 0, so that 0 stands for none.
    number: AtomicU32,
    hasher: foldhash::fast::RandomState,
}

#[derive(Debug)]
struct State {
    directory: Arc<Directory>,
    /// What was looked up in `directory`. Filled and emptied under the same
    /// lock that replaces it, so no entry outlives the snapshot it came from.
    principals: HashTable<Seat>,
    /// As `principals`, for whom keys stand: one entry a key at most.
    signers: HashMap<ApiKeyId, Arc<Principal>, foldhash::fast::RandomState>,
}

/// What was found for a user on a device; 16 bytes, as there may be many.
#[derive(Debug)]
enum Seat {
    /// Somebody, who carries both names.
    Taken(Arc<Principal>),
    /// Nobody under these names.
    Empty(Box<(UserName, DeviceName)>),
}

impl Seat {
    fn names(&self) -> (&UserName, &DeviceName) {
        match self {
            Self::Taken(principal) => (&principal.user_name, &principal.device_name),
            Self::Empty(names) => (&names.0, &names.1),
        }
    }

    fn principal(&self) -> Option<Arc<Principal>> {
        match self {
            Self::Taken(principal) => Some(Arc::clone(principal)),
            Self::Empty(_) => None,
        }
    }
}

/// Look-ups kept at most; a shop has far fewer pairs of person and device.
const SEATS_MAX: usize = 100_000;

impl View {
    /// A view of this directory.
    pub fn new(directory: Directory) -> Self {
        let state = State {
            directory: Arc::new(directory),
            principals: HashTable::new(),
            signers: HashMap::default(),
        };
        Self {
            state: RwLock::new(state),
            number: AtomicU32::new(1),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// The whole directory at this instant.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.state.read().directory)
    }

    /// Puts another directory in force, from the instant this returns.
    pub fn replace(&self, directory: Directory) {
        let mut state = self.state.write();
        state.directory = Arc::new(directory);
        state.principals.clear();
        state.signers.clear();
        let next = self.number.load(Ordering::Relaxed).checked_add(1);
        self.number.store(next.unwrap_or(1), Ordering::Release);
    }

    /// The number of the directory in force: what was looked up under it is
    /// good as long as it is the same.
    pub fn state(&self) -> u32 {
        self.number.load(Ordering::Acquire)
    }

    /// [`View::principal`], with the number of a directory that it is not older
    /// than.
    pub fn principal_of(
        &self,
        user: &UserName,
        device: &DeviceName,
    ) -> (u32, Option<Arc<Principal>>) {
        let number = self.state();
        (number, self.principal(user, device))
    }

    /// The user on the device with the rights of this instant; `None` when
    /// one of them, or the assignment, is not there or not active.
    pub fn principal(&self, user: &UserName, device: &DeviceName) -> Option<Arc<Principal>> {
        let hash = self.hash(user, device);
        let same = |seat: &Seat| seat.names() == (user, device);
        if let Some(seat) = self.state.read().principals.find(hash, same) {
            return seat.principal();
        }
        let mut state = self.state.write();
        let principal = state.directory.principal(user, device).map(Arc::new);
        if state.principals.len() >= SEATS_MAX {
            state.principals.clear();
        }
        if state.principals.find(hash, same).is_none() {
            let empty = || Seat::Empty(Box::new((user.clone(), device.clone())));
            let seat = principal.clone().map_or_else(empty, Seat::Taken);
            let rehash = |seat: &Seat| {
                let (user, device) = seat.names();
                self.hash(user, device)
            };
            state.principals.insert_unique(hash, seat, rehash);
        }
        principal
    }

    /// Whom the signer stands for at this instant; `None` when the key, its
    /// user or its device is not there or not active, or when the key has
    /// another secret.
    pub fn signer(&self, signer: &Signer) -> Option<Arc<Principal>> {
        let id = signer.key.id;
        let state = self.state.read();
        let key = state.directory.api_key(id).filter(|key| signer.fits(key))?;
        if let Some(principal) = state.signers.get(&id) {
            return Some(Arc::clone(principal));
        }
        let principal = Arc::new(state.directory.signer(key)?);
        let directory = Arc::clone(&state.directory);
        drop(state);
        let mut state = self.state.write();
        // Another directory may be in force by now; then this one is not kept.
        if Arc::ptr_eq(&directory, &state.directory) {
            state.signers.insert(id, Arc::clone(&principal));
        }
        Some(principal)
    }

    fn hash(&self, user: &UserName, device: &DeviceName) -> u64 {
        use std::hash::BuildHasher;
        self.hasher.hash_one((user.as_str(), device.as_str()))
    }
}
