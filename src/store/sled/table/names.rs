//! User and device names as numbers: each text is held once, however many
//! sessions carry it.

use std::hash::Hash;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use parking_lot::RwLock;

/// The number of a name while at least one session carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NameId(pub(super) u32);

/// The names by their numbers at one instant; a free number has none.
pub(super) type Labels<N> = Arc<Vec<Option<N>>>;

/// All names of one kind.
pub(super) struct Names<N>(RwLock<Inner<N>>);

struct Inner<N> {
    ids: HashMap<N, NameId, RandomState>,
    labels: Labels<N>,
    /// How many sessions carry each name.
    uses: Vec<u32>,
    free: Vec<NameId>,
}

impl<N: Clone + Eq + Hash> Names<N> {
    /// No names.
    pub(super) fn new() -> Self {
        let (ids, labels) = (HashMap::default(), Arc::default());
        Self(RwLock::new(Inner {
            ids,
            labels,
            uses: Vec::new(),
            free: Vec::new(),
        }))
    }

    /// One more session carries this name. Its number stays good until as many
    /// have left.
    pub(super) fn enter(&self, name: &N) -> NameId {
        let mut inner = self.0.write();
        let id = inner
            .ids
            .get(name)
            .copied()
            .unwrap_or_else(|| inner.add(name.clone()));
        inner.uses[id.0 as usize] += 1;
        id
    }

    /// One session less carries this name.
    pub(super) fn leave(&self, id: NameId) {
        let mut inner = self.0.write();
        let uses = &mut inner.uses[id.0 as usize];
        *uses -= 1;
        if *uses == 0 {
            inner.forget(id);
        }
    }

    /// The number of a name; `None` when no session carries it.
    pub(super) fn id(&self, name: &N) -> Option<NameId> {
        self.0.read().ids.get(name).copied()
    }

    /// The name of a number that a session in the table carries.
    pub(super) fn get(&self, id: NameId) -> N {
        let inner = self.0.read();
        inner.labels[id.0 as usize]
            .clone()
            .expect("a session carries this name")
    }

    /// All names as they are; costs one reference count.
    pub(super) fn labels(&self) -> Labels<N> {
        Arc::clone(&self.0.read().labels)
    }
}

impl<N: Clone + Eq + Hash> Inner<N> {
    fn add(&mut self, name: N) -> NameId {
        let id = self.free.pop().unwrap_or_else(|| {
            let next = NameId(u32::try_from(self.uses.len()).expect("fewer names than sessions"));
            Arc::make_mut(&mut self.labels).push(None);
            self.uses.push(0);
            next
        });
        Arc::make_mut(&mut self.labels)[id.0 as usize] = Some(name.clone());
        self.ids.insert(name, id);
        id
    }

    fn forget(&mut self, id: NameId) {
        if let Some(name) = Arc::make_mut(&mut self.labels)[id.0 as usize].take() {
            self.ids.remove(&name);
            self.free.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_free_again_when_the_last_session_left() {
        let names = Names::<&str>::new();
        let anna = names.enter(&"anna");
        assert_eq!(names.enter(&"anna"), anna);
        assert_eq!(names.get(anna), "anna");

        names.leave(anna);
        assert_eq!(names.id(&"anna"), Some(anna));
        let before = names.labels();
        names.leave(anna);

        assert_eq!(names.id(&"anna"), None);
        assert_eq!(names.enter(&"ben"), anna);
        assert_eq!(before[0], Some("anna"));
    }
}
