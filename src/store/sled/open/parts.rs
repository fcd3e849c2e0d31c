//! Reading a database with two threads: it is read in parts, and who has read
//! one takes the next. At a million sessions this is most of a start, and nearly
//! all of it is work of sled's.

use std::ops::Bound;

use parking_lot::Mutex;

use super::read::{self, Contents, MetaTree, Piece, Read, Source, Unreadable};
use crate::store::sled::codec::Names;
use crate::store::sled::digest::{self, Digest};
use crate::store::sled::disk::{Head, Index, Tree, Trees};

/// Where the keys of sessions are cut into parts of about the same size: ids are
/// drawn from digits, capitals and small letters.
const CUTS: [&[u8]; 7] = [b"8", b"G", b"N", b"V", b"d", b"l", b"s"];

/// What a thread reads at a time.
#[derive(Clone, Copy, Debug)]
enum Part {
    Index(Index),
    Small,
    Audit,
    Ended,
    /// From the cut of this number on, up to the next; before the first is 0.
    Sessions(usize),
}

/// Reads a database; its indexes only if the head asks for them.
pub(super) fn read(
    trees: &Trees,
    with_indexes: impl FnOnce(Option<&Head>) -> bool,
) -> Result<Contents, Unreadable> {
    let meta = read::guarded(|| {
        let mut source = Slice::whole(trees);
        read::meta(&mut source, None, &mut Names::default())
    })?;
    // What may take longest comes first: so both threads are ready at about the
    // same time.
    let with_indexes = with_indexes(meta.head());
    let indexes = Index::ALL.into_iter().filter(|_| with_indexes);
    let indexes = indexes.map(Part::Index);
    let others = [Part::Small, Part::Audit, Part::Ended];
    let sessions = (0..=CUTS.len()).map(Part::Sessions);
    let waiting = Mutex::new(indexes.chain(others).chain(sessions));
    let work = || {
        let read = work(trees, &meta, || waiting.lock().next());
        if let Err(Unreadable::Newer(_)) = read {
            // The other one needs not go on.
            waiting.lock().by_ref().for_each(drop);
        }
        read
    };
    let (here, beside) = std::thread::scope(|scope| {
        let beside = scope.spawn(work);
        let here = work();
        let beside = beside.join();
        let panicked = |_| Err(Unreadable::damaged(read::PANICKED));
        (here, beside.unwrap_or_else(panicked))
    });
    match (here, beside) {
        (Ok(mut piece), Ok(other)) => {
            piece.join(other);
            Ok(Contents::of(meta, piece))
        }
        (Err(one), Err(other)) => Err(one.weightier(other)),
        (Err(why), Ok(_)) | (Ok(_), Err(why)) => Err(why),
    }
}

/// Reads parts until none waits, or one was written by a newer version. Damage in
/// one part keeps nobody from reading the others: a newer version's database is
/// left alone, damaged or not.
fn work(
    trees: &Trees,
    meta: &MetaTree,
    next: impl Fn() -> Option<Part>,
) -> Result<Piece, Unreadable> {
    let mut piece = Piece::new();
    let mut names = Names::default();
    let mut damage = None;
    while let Some(part) = next() {
        match read::guarded(|| read_part(trees, meta, part, &mut piece, &mut names)) {
            Ok(()) => {}
            Err(Unreadable::Damaged(what)) => {
                damage.get_or_insert(what);
            }
            Err(newer) => return Err(newer),
        }
    }
    damage.map_or(Ok(piece), |what| Err(Unreadable::Damaged(what)))
}

fn read_part(
    trees: &Trees,
    meta: &MetaTree,
    part: Part,
    piece: &mut Piece,
    names: &mut Names,
) -> Result<(), Unreadable> {
    let whole = &mut Slice::whole(trees);
    match part {
        Part::Index(index) => piece.index(index, digest_of(trees.index(index))?),
        Part::Small => piece.small(whole, names, meta)?,
        Part::Audit => piece.audit(whole, names)?,
        Part::Ended => piece.ended(whole, names)?,
        Part::Sessions(number) => {
            piece.sessions(&mut Slice::of_sessions(trees, number), names, number)?;
        }
    }
    Ok(())
}

/// What the keys of an index come to.
fn digest_of(index: &sled::Tree) -> Result<Digest, Unreadable> {
    let mut found = Digest::default();
    for key in index.iter().keys() {
        found.add(digest::hash(&key?));
    }
    Ok(found)
}

/// The records between two keys.
struct Slice<'a> {
    trees: &'a Trees,
    from: Bound<&'a [u8]>,
    to: Bound<&'a [u8]>,
}

impl<'a> Slice<'a> {
    fn whole(trees: &'a Trees) -> Self {
        Self {
            trees,
            from: Bound::Unbounded,
            to: Bound::Unbounded,
        }
    }

    fn of_sessions(trees: &'a Trees, number: usize) -> Self {
        let cut = |number: Option<usize>| number.and_then(|number| CUTS.get(number)).copied();
        Self {
            trees,
            from: cut(number.checked_sub(1)).map_or(Bound::Unbounded, Bound::Included),
            to: cut(Some(number)).map_or(Bound::Unbounded, Bound::Excluded),
        }
    }
}

impl Source for Slice<'_> {
    fn each(&mut self, tree: Tree, read: &mut Read<'_>) -> Result<(), Unreadable> {
        let records = self
            .trees
            .tree(tree)
            .range::<&[u8], _>((self.from, self.to));
        for record in records {
            let (key, value) = record?;
            read(&key, &value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_exactly_one_part_of_the_sessions() {
        let place = tempfile::tempdir().expect("a folder");
        let trees = Trees::open(&place.path().join("db")).expect("a database");
        for key in 0..=u8::MAX {
            for key in [vec![key], vec![key; 32]] {
                trees.sessions.insert(key, b"").expect("written");
            }
        }
        let mut seen = Vec::new();
        for number in 0..=CUTS.len() {
            let mut slice = Slice::of_sessions(&trees, number);
            let read = slice.each(Tree::Sessions, &mut |key, _| {
                seen.push(key.to_vec());
                Ok(())
            });
            assert!(read.is_ok());
        }
        let all: Vec<_> = trees.sessions.iter().keys().flatten().collect();
        assert_eq!(seen, all.iter().map(|key| key.to_vec()).collect::<Vec<_>>());
        assert_eq!(seen.len(), 512);
    }
}
