//! Ways in which a disk harms a file: a bit flips, a page comes back as zeros,
//! the end is missing.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand::rngs::StdRng;

/// What a disk gives or loses at once.
const PAGE_BYTES: u64 = 4096;

/// One harm to one file.
#[derive(Debug)]
pub(crate) struct Harm {
    file: PathBuf,
    /// The byte where it begins.
    at: u64,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// This bit of the byte is flipped.
    Bit(u8),
    /// The page around the byte is zero.
    Page,
    /// The file ends before the byte.
    Cut,
}

impl Harm {
    /// Mostly by size within the database; sometimes any of its files alike, and
    /// sometimes any of the files beside it.
    pub(crate) fn choose(data_dir: &Path, rng: &mut StdRng) -> Self {
        let database = files(&data_dir.join("db"));
        let beside: Vec<_> = files(data_dir)
            .into_iter()
            .filter(|(file, _)| !file.starts_with(data_dir.join("db")))
            .collect();
        let (file, size) = match rng.random_range(0..100) {
            0..=69 => by_size(&database, rng),
            70..=84 => database[rng.random_range(0..database.len())].clone(),
            _ => beside[rng.random_range(0..beside.len())].clone(),
        };
        let what = match rng.random_range(0..100) {
            0..=49 => What::Bit(rng.random_range(0..8)),
            50..=79 => What::Page,
            _ => What::Cut,
        };
        Self {
            file,
            at: rng.random_range(0..size),
            what,
        }
    }

    /// Harms the file.
    pub(crate) fn inflict(&self) {
        let file = fs::File::options()
            .read(true)
            .write(true)
            .open(&self.file)
            .expect("the file");
        match self.what {
            What::Bit(number) => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, self.at)
                    .expect("the byte is there");
                byte[0] ^= 1 << number;
                file.write_all_at(&byte, self.at)
                    .expect("the byte is written");
            }
            What::Page => {
                let from = self.at / PAGE_BYTES * PAGE_BYTES;
                let size = file.metadata().expect("its size").len();
                let length = usize::try_from(PAGE_BYTES.min(size - from)).expect("a page");
                file.write_all_at(&vec![0; length], from)
                    .expect("the page is written");
            }
            What::Cut => file.set_len(self.at).expect("the file is cut"),
        }
    }

    /// Its kind as a number: bit, page, cut.
    pub(crate) fn kind(&self) -> usize {
        match self.what {
            What::Bit(_) => 0,
            What::Page => 1,
            What::Cut => 2,
        }
    }

    /// For people.
    pub(crate) fn told(&self, data_dir: &Path) -> String {
        let file = self.file.strip_prefix(data_dir).unwrap_or(&self.file);
        format!("{} byte {} {:?}", file.display(), self.at, self.what)
    }
}

fn by_size(files: &[(PathBuf, u64)], rng: &mut StdRng) -> (PathBuf, u64) {
    let all: u64 = files.iter().map(|(_, size)| size).sum();
    let mut at = rng.random_range(0..all);
    for (file, size) in files {
        if at < *size {
            return (file.clone(), *size);
        }
        at -= size;
    }
    unreachable!("the place lies within the sum of the sizes")
}

/// Every file below a folder that has a bit to flip, in a fixed order.
fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let (path, meta) = (entry.path(), entry.metadata().expect("a readable entry"));
        if meta.is_dir() {
            found.extend(files(&path));
        } else if meta.is_file() && meta.len() > 0 {
            found.push((path, meta.len()));
        }
    }
    found.sort();
    found
}
