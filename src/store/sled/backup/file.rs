//! Reading a backup file: its manifest alone, or all of it with every sum.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

use super::{
    BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES, BackupInfo, CheckError, Content, KIND_CHANGES,
    KIND_MANIFEST, KIND_RECORDS, MAGIC, Manifest, Progress, Row, TAIL_BYTES,
};
use crate::store::sled::codec::{self, CodecError};
use crate::store::sled::digest::Digest;
use crate::store::sled::disk::{Head, Stored, Tree};
use crate::store::sled::open::read::{Read as TakeRecord, Source, Unreadable};

/// A change that stands behind the records.
enum Changed {
    Value(Vec<u8>),
    Withheld(u64),
    Gone,
}

/// A backup whose sums all hold. What its records say is still to be read.
pub struct BackupFile {
    file: File,
    /// The head of its last group.
    pub head: Stored,
    /// What it says of itself.
    pub info: BackupInfo,
    /// Where the blocks of records stand, and of which tree they are.
    blocks: Vec<(Tree, u64)>,
    changes: BTreeMap<(Tree, Vec<u8>), Changed>,
    /// What was withheld, as far as it was read.
    pub withheld: Digest,
}

/// What a file says of itself, by its last block alone.
///
/// # Errors
/// [`CheckError`].
pub fn look(path: &Path) -> Result<BackupInfo, CheckError> {
    let io = CheckError::io(path);
    let file = File::open(path).map_err(&io)?;
    let bytes = file.metadata().map_err(&io)?.len();
    let damaged = || CheckError::damaged(path, "it has no end");
    let mut tail = [0; 4];
    let at = bytes.checked_sub(4).ok_or_else(damaged)?;
    file.read_exact_at(&mut tail, at).map_err(&io)?;
    let length = u64::from(u32::from_le_bytes(tail));
    let at = bytes.checked_sub(length + TAIL_BYTES as u64);
    let (Some(at), true) = (at, length <= BLOCK_BYTES_MAX as u64) else {
        return Err(damaged());
    };
    let mut block = vec![0; usize::try_from(length).map_err(|_| damaged())?];
    file.read_exact_at(&mut block, at).map_err(&io)?;
    let (head, record) = block
        .split_at_checked(BLOCK_HEAD_BYTES)
        .ok_or_else(damaged)?;
    if head[0] != KIND_MANIFEST {
        return Err(damaged());
    }
    let manifest: Manifest = decoded(path, record)?;
    let (format, head) = head_of(path, &manifest)?;
    Ok(manifest.info(path.to_owned(), format, &head, bytes))
}

/// The head in a manifest, and the number of its format.
fn head_of(path: &Path, manifest: &Manifest) -> Result<(u8, Stored), CheckError> {
    let head = Head::decode(&manifest.head).map_err(|error| unread(path, error))?;
    Ok((manifest.head.first().copied().unwrap_or_default(), head))
}

fn decoded<'a, T: serde::Deserialize<'a>>(path: &Path, record: &'a [u8]) -> Result<T, CheckError> {
    codec::decode(record).map_err(|error| unread(path, error))
}

fn unread(path: &Path, error: CodecError) -> CheckError {
    match error {
        CodecError::Newer(format) => CheckError::Newer {
            file: path.to_owned(),
            format,
        },
        CodecError::Damaged(why) => CheckError::damaged(path, format!("a block: {why}")),
    }
}

/// Reads blocks one behind the other and sums them up.
struct Blocks<'a> {
    path: &'a Path,
    file: BufReader<&'a File>,
    sum: Context,
    at: u64,
    bytes: u64,
}

impl Blocks<'_> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), CheckError> {
        self.file.read_exact(buffer).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                CheckError::damaged(self.path, "it was cut off")
            } else {
                CheckError::io(self.path)(error)
            }
        })?;
        self.at += buffer.len() as u64;
        Ok(())
    }

    /// The next block: its kind and its record.
    fn next(&mut self) -> Result<(u8, Vec<u8>), CheckError> {
        let mut head = [0; BLOCK_HEAD_BYTES];
        self.fill(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_le_bytes(length) as usize;
        if length > BLOCK_BYTES_MAX || length as u64 > self.bytes.saturating_sub(self.at) {
            return Err(CheckError::damaged(self.path, "it was cut off"));
        }
        let mut record = vec![0; length];
        self.fill(&mut record)?;
        self.sum.update(&head);
        self.sum.update(&record);
        Ok((kind, record))
    }

    /// The rest of the file, behind a manifest of this many bytes.
    fn end(mut self, manifest: usize) -> Result<(), CheckError> {
        let sum = self.sum.clone().finish();
        let mut tail = [0; TAIL_BYTES];
        self.fill(&mut tail)?;
        let length = u32::try_from(manifest + BLOCK_HEAD_BYTES).unwrap_or(u32::MAX);
        let (told, told_length) = tail.split_at(32);
        if told != sum.as_ref() || told_length != length.to_le_bytes() {
            return Err(CheckError::damaged(self.path, "its SHA-256 does not fit"));
        }
        if self.at != self.bytes {
            return Err(CheckError::damaged(
                self.path,
                "something stands behind its end",
            ));
        }
        Ok(())
    }
}

impl BackupFile {
    /// Reads all of it once and holds it against its sums.
    ///
    /// # Errors
    /// [`CheckError`].
    pub fn open(path: &Path, progress: &Progress) -> Result<Self, CheckError> {
        let io = CheckError::io(path);
        let file = File::open(path).map_err(&io)?;
        let bytes = file.metadata().map_err(&io)?.len();
        let mut blocks = Blocks {
            path,
            file: BufReader::with_capacity(1 << 18, &file),
            sum: Context::new(&SHA256),
            at: 0,
            bytes,
        };
        let mut magic = [0; MAGIC.len()];
        blocks.fill(&mut magic)?;
        if &magic != MAGIC {
            return Err(CheckError::damaged(path, "it is no backup of Tillgate"));
        }
        blocks.sum.update(&magic);
        let mut places = Vec::new();
        let mut changes = BTreeMap::new();
        let manifest = loop {
            let at = blocks.at;
            let (kind, record) = blocks.next()?;
            progress(blocks.at, bytes);
            match kind {
                KIND_RECORDS => places.push((tree_of(path, &record)?, at)),
                KIND_CHANGES => note(path, &record, &mut changes)?,
                KIND_MANIFEST => break record,
                _ => return Err(CheckError::damaged(path, "a block of an unknown kind")),
            }
        };
        blocks.end(manifest.len())?;
        let manifest: Manifest = decoded(path, &manifest)?;
        let (format, head) = head_of(path, &manifest)?;
        Ok(Self {
            info: manifest.info(path.to_owned(), format, &head, bytes),
            file,
            head,
            blocks: places,
            changes,
            withheld: Digest::default(),
        })
    }

    fn block(&self, at: u64) -> Result<Vec<u8>, Unreadable> {
        let read = |buffer: &mut [u8], at| {
            let read = self.file.read_exact_at(buffer, at);
            read.map_err(|error| Unreadable::Damaged(error.to_string()))
        };
        let mut head = [0; BLOCK_HEAD_BYTES];
        read(&mut head, at)?;
        let [_, length @ ..] = head;
        let mut record = vec![0; u32::from_le_bytes(length) as usize];
        read(&mut record, at + BLOCK_HEAD_BYTES as u64)?;
        Ok(record)
    }
}

fn tree_of(path: &Path, record: &[u8]) -> Result<Tree, CheckError> {
    let rows: Vec<Row<'_>> = decoded(path, record)?;
    let tree = rows.first().and_then(|row| Tree::from_number(row.0));
    let of_one = rows.iter().all(|row| row.0 == rows[0].0);
    tree.filter(|_| of_one)
        .ok_or_else(|| CheckError::damaged(path, "a block of no tree"))
}

fn note(
    path: &Path,
    record: &[u8],
    changes: &mut BTreeMap<(Tree, Vec<u8>), Changed>,
) -> Result<(), CheckError> {
    let rows: Vec<Row<'_>> = decoded(path, record)?;
    for (tree, key, content) in rows {
        let tree = Tree::from_number(tree)
            .ok_or_else(|| CheckError::damaged(path, "a change of no tree"))?;
        let changed = match content {
            Content::Value(value) => Changed::Value(value.to_vec()),
            Content::Withheld(hash) => Changed::Withheld(hash),
            Content::Gone => Changed::Gone,
        };
        changes.insert((tree, key.to_vec()), changed);
    }
    Ok(())
}

impl Source for BackupFile {
    /// The records of a tree with the changes made on them.
    fn each(&mut self, tree: Tree, read: &mut TakeRecord<'_>) -> Result<(), Unreadable> {
        let from = (tree, Vec::new());
        let of_tree = self.changes.range(from..);
        let mut changes = of_tree
            .take_while(|((of, _), _)| *of == tree)
            .map(|((_, key), changed)| (key.as_slice(), changed))
            .peekable();
        let mut withheld = Digest::default();
        let mut put = |key: &[u8], content: Content<'_>| match content {
            Content::Value(value) => read(key, value),
            Content::Withheld(hash) => {
                withheld.add(hash);
                Ok(())
            }
            Content::Gone => Ok(()),
        };
        let mut last: Vec<u8> = Vec::new();
        let mut is_first = true;
        for (_, at) in self.blocks.iter().filter(|(of, _)| *of == tree) {
            let record = self.block(*at)?;
            let rows: Vec<Row<'_>> = codec::decode(&record)?;
            for (_, key, content) in rows {
                if !is_first && key <= last.as_slice() {
                    return Err(Unreadable::damaged("records are not in their order"));
                }
                is_first = false;
                last.clear();
                last.extend_from_slice(key);
                while let Some((before, changed)) = changes.next_if(|(other, _)| *other < key) {
                    put(before, changed.content())?;
                }
                match changes.next_if(|(other, _)| *other == key) {
                    Some((_, changed)) => put(key, changed.content())?,
                    None => put(key, content)?,
                }
            }
        }
        for (key, changed) in changes {
            put(key, changed.content())?;
        }
        self.withheld.count = self.withheld.count.wrapping_add(withheld.count);
        self.withheld.sum = self.withheld.sum.wrapping_add(withheld.sum);
        Ok(())
    }
}

impl Changed {
    fn content(&self) -> Content<'_> {
        match self {
            Self::Value(value) => Content::Value(value),
            Self::Withheld(hash) => Content::Withheld(*hash),
            Self::Gone => Content::Gone,
        }
    }
}
