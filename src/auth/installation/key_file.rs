//! The file of the installation key: how it is created, who may read it, and
//! what is said when something is wrong with it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::auth::secret::wipe;

/// Random bytes in the file.
pub(super) const KEY_BYTES: usize = 32;
/// The first line: says what the file is to somebody who finds it.
const HEADER: &str = "tillgate installation key v1";
/// A good file is shorter; no more than this is ever read.
const FILE_BYTES_MAX: u64 = 256;
/// Group and others: reading, writing, executing.
const FOREIGN_BITS: u32 = 0o077;

/// Why there is no installation key. Each sentence names the file and what to
/// do.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file can be read by more people than its owner.
    #[error(
        "{} can be read by other users (mode {mode:03o}); run: chmod 600 {}",
        .path.display(),
        .path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error(
        "{} is not an installation key; put the right file back from its backup, or name it with --key-file",
        .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder can not be read or written.
    #[error("{}: {error}; it must be readable, and its folder writable, for this user", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// The key of the file; the file is created if it does not exist.
pub(super) fn load_or_create(path: &Path) -> Result<[u8; KEY_BYTES], KeyFileError> {
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    create(path).map_err(|error| io_error(path, error))?;
    let gone = || io_error(path, io::Error::from(io::ErrorKind::NotFound));
    // Read back: if another process was faster, its key is the one that holds.
    load(path)?.ok_or_else(gone)
}

fn io_error(path: &Path, error: io::Error) -> KeyFileError {
    KeyFileError::Io {
        path: path.to_owned(),
        error,
    }
}

/// The key of the file; `None` when there is no such file.
pub(super) fn load(path: &Path) -> Result<Option<[u8; KEY_BYTES]>, KeyFileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path, error)),
    };
    // Asked of the open file, not of the path, which could name another by then.
    let meta = file.metadata().map_err(|error| io_error(path, error))?;
    let mode = meta.mode() & 0o777;
    if !meta.is_file() {
        return Err(KeyFileError::Foreign {
            path: path.to_owned(),
        });
    }
    if mode & FOREIGN_BITS != 0 {
        return Err(KeyFileError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(|error| io_error(path, error))?;
    let key = parse(&text);
    wipe(&mut text);
    key.map(Some).ok_or_else(|| KeyFileError::Foreign {
        path: path.to_owned(),
    })
}

/// Reads exactly what [`spell`] writes; a missing last line break is forgiven,
/// because editors and secret stores drop it.
fn parse(text: &[u8]) -> Option<[u8; KEY_BYTES]> {
    let text = std::str::from_utf8(text).ok()?;
    let (header, hex) = text.split_once('\n')?;
    let hex = hex.strip_suffix('\n').unwrap_or(hex).as_bytes();
    if header != HEADER || hex.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut key = [0; KEY_BYTES];
    for (byte, pair) in key.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

fn spell(key: &[u8; KEY_BYTES]) -> Vec<u8> {
    let mut text = Vec::with_capacity(HEADER.len() + 2 + 2 * KEY_BYTES);
    text.extend_from_slice(HEADER.as_bytes());
    text.push(b'\n');
    for byte in key {
        for half in [byte >> 4, byte & 15] {
            text.push(b"0123456789abcdef"[usize::from(half)]);
        }
    }
    text.push(b'\n');
    text
}

/// Writes a fresh key. The file appears with its whole content or not at all,
/// and stays through a power cut. A file that is there is left alone.
fn create(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    create_folder(folder)?;
    let mut name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_owned();
    name.push(format!(".new-{:016x}", rand::random::<u64>()));
    let draft = folder.join(name);
    let placed = write_draft(&draft).and_then(|()| place(&draft, path));
    if placed.is_err() {
        // A draft that is left behind holds a key that was never used.
        let _ = std::fs::remove_file(&draft);
    }
    placed?;
    sync_folder(folder)
}

fn write_draft(draft: &Path) -> io::Result<()> {
    let mut key = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no random bytes"))?;
    let mut text = spell(&key);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    let written = file.write_all(&text).and_then(|()| file.sync_all());
    wipe(&mut key);
    wipe(&mut text);
    written
}

/// Gives the draft its name unless a file has it. A server that has just
/// sealed something with the key of another process must find that key again.
fn place(draft: &Path, path: &Path) -> io::Result<()> {
    match renameat_with(CWD, draft, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::EXIST) => std::fs::remove_file(draft),
        // File systems that can not rename this way can still link.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            match std::fs::hard_link(draft, path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                _ => std::fs::remove_file(draft),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Creates the folders that are missing, each durable in the one above it.
fn create_folder(folder: &Path) -> io::Result<()> {
    let missing = folder
        .ancestors()
        .take_while(|above| !above.as_os_str().is_empty() && !above.exists());
    let missing: Vec<_> = missing.collect();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    missing
        .into_iter()
        .try_for_each(|created| sync_folder(folder_of(created)))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_key_is_created_once_private_and_alone_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/db.key");

        let first = load_or_create(&path).unwrap();
        let again = load_or_create(&path).unwrap();

        assert_eq!(first, again);
        assert_ne!(first, [0; KEY_BYTES]);
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            path.parent().unwrap().metadata().unwrap().mode() & 0o777,
            0o700
        );
        assert_eq!(names(path.parent().unwrap()), ["db.key"]);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_command_that_helps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.key");
        load_or_create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601, 0o777] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();

            let error = load_or_create(&path).unwrap_err();

            let help = format!("chmod 600 {}", path.display());
            assert!(matches!(error, KeyFileError::Open { .. }), "{mode:o}");
            assert!(error.to_string().contains(&help), "{error}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert!(load_or_create(&path).is_ok());
    }

    #[test]
    fn only_the_exact_format_is_a_key_and_other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.key");
        let good = String::from_utf8(spell(&[0xab; KEY_BYTES])).unwrap();
        let hex = "ab".repeat(32);
        for (text, is_key) in [
            (good.clone(), true),
            (good.trim_end().to_owned(), true),
            (String::new(), false),
            (hex.clone(), false),
            (good.replace("v1", "v2"), false),
            (good.to_uppercase(), false),
            (good.replace("abab", "ABAB"), false),
            (format!("{HEADER}\n{}\n", &hex[2..]), false),
            (format!("{HEADER}\n{hex}ab\n"), false),
            (format!("{HEADER}\n{hex}\n\n"), false),
            (format!("{HEADER}\r\n{hex}\r\n"), false),
            (format!("{HEADER}\n+{}\n", &hex[1..]), false),
        ] {
            std::fs::write(&path, &text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();

            let loaded = load_or_create(&path);

            assert_eq!(loaded.is_ok(), is_key, "{text:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert!(load_or_create(folder.path()).is_err());
    }

    #[test]
    fn of_two_processes_that_create_the_key_at_once_both_have_the_same() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("new/db.key");
            let keys: Vec<_> = std::thread::scope(|scope| {
                let run = || scope.spawn(|| load_or_create(&path).unwrap());
                let runs = [run(), run(), run(), run()];
                runs.into_iter().map(|run| run.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| *key == keys[0]));
            assert_eq!(names(path.parent().unwrap()), ["db.key"]);
        }
    }
}
