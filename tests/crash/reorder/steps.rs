//! From system calls to what they do to files and names: which write belongs to
//! which file, whatever the file is called later, and which sync covers it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::calls::{Call, Instant, Positions, path};

/// A file, under all its names.
pub(crate) type File = usize;

/// What a call does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Bytes go into a file.
    Write {
        /// Into which.
        file: File,
        /// At which place.
        at: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A file is cut, or grows with zeros.
    Resize {
        /// Which.
        file: File,
        /// Its length then; for growing, the least.
        length: u64,
        /// Only ever longer.
        grows: bool,
    },
    /// A name for a new file.
    Name(PathBuf, File),
    /// A folder.
    Folder(PathBuf),
    /// A name changes, and takes the place of another.
    Rename(PathBuf, PathBuf),
    /// A name goes.
    Remove(PathBuf),
}

impl Act {
    /// The file whose content changes.
    pub(crate) fn content_of(&self) -> Option<File> {
        match self {
            Self::Write { file, .. } | Self::Resize { file, .. } => Some(*file),
            _ => None,
        }
    }

    /// The folder whose names change.
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Name(path, _) | Self::Folder(path) | Self::Remove(path) => path.parent(),
            Self::Rename(_, to) => to.parent(),
            _ => None,
        }
    }
}

/// One act and when it happened.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// When it was asked for.
    pub(crate) start: Instant,
    /// When it was done, as far as the program could tell.
    end: Instant,
    /// From this instant on it survives a power cut; never, if nobody synced.
    pub(crate) sure_from: Option<Instant>,
    /// What it does.
    pub(crate) act: Act,
}

/// Everything that happened in a folder, and what was in it before.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    /// Folders and files before, on the disk.
    pub(crate) folders: Vec<PathBuf>,
    /// Names before.
    pub(crate) names: HashMap<PathBuf, File>,
    /// Contents before.
    pub(crate) contents: HashMap<File, Vec<u8>>,
    /// What happened, in order.
    pub(crate) steps: Vec<Step>,
}

/// Files that hold nothing: the ballast is laid anew by each start.
fn is_hollow(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "ballast")
}

impl Recording {
    /// What stands in a folder before anything is recorded.
    pub(crate) fn of(folder: &Path) -> std::io::Result<Self> {
        let mut recording = Self::default();
        recording.look(folder)?;
        Ok(recording)
    }

    fn look(&mut self, folder: &Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.folders.push(path.clone());
                self.look(&path)?;
            } else if path.is_file() && !is_hollow(&path) {
                let file = self.names.len();
                self.contents.insert(file, std::fs::read(&path)?);
                self.names.insert(path, file);
            }
        }
        Ok(())
    }

    /// Adds what was called about files under `home`. Fails on a call that this
    /// model does not know.
    pub(crate) fn add(&mut self, calls: &[Call], home: &Path) -> Result<(), String> {
        let mut reader = Reader {
            home: home.to_owned(),
            names: self.names.clone(),
            files: self.names.len(),
            positions: Positions::default(),
            steps: Vec::new(),
        };
        for call in calls {
            reader.take(call)?;
        }
        self.steps = reader.steps;
        Ok(())
    }
}

/// Goes through the calls with the names as the running program saw them.
struct Reader {
    home: PathBuf,
    names: HashMap<PathBuf, File>,
    files: usize,
    positions: Positions,
    steps: Vec<Step>,
}

impl Reader {
    fn take(&mut self, call: &Call) -> Result<(), String> {
        let paths: Vec<PathBuf> = call.texts.iter().map(|text| path(text)).collect();
        let is_here = |path: &PathBuf| path.starts_with(&self.home) && !is_hollow(path);
        let handle = call.words.first().cloned().unwrap_or_default();
        if call.name == "openat" || call.name == "open" {
            if let Some(path) = paths.iter().find(|path| is_here(path)) {
                self.open(call, path.clone());
            }
            return Ok(());
        }
        if !paths.iter().any(is_here) {
            return Ok(());
        }
        // Names that a call gives are absolute; a folder handle before them is
        // the working folder's, which is another.
        let named: Vec<PathBuf> = paths.iter().filter(|path| is_here(path)).cloned().collect();
        let file = self.names.get(&named[0]).copied();
        match call.name.as_str() {
            "write" | "pwrite64" => {
                if let (Some(file), Some(bytes)) = (file, call.texts.get(1)) {
                    let written = usize::try_from(call.returned).unwrap_or_default();
                    let bytes = bytes[..bytes.len().min(written)].to_vec();
                    let at = match call.name.as_str() {
                        "write" => self.positions.advance(&handle, bytes.len() as u64),
                        _ => number(call.words.last())?,
                    };
                    self.step(call, Act::Write { file, at, bytes });
                }
            }
            "lseek" => {
                let at = u64::try_from(call.returned).unwrap_or_default();
                self.positions.set(&handle, at);
            }
            "ftruncate" => self.resize(call, file, number(call.words.last())?, false),
            "fallocate" => {
                let numbers: Result<Vec<u64>, String> = call.words[1..]
                    .iter()
                    .map(|word| number(Some(word)))
                    .collect();
                let numbers = numbers?;
                self.resize(call, file, numbers[1] + numbers[2], true);
            }
            "mkdir" | "mkdirat" => self.step(call, Act::Folder(named[0].clone())),
            "rename" | "renameat" | "renameat2" => {
                let [from, to] = named.as_slice() else {
                    return Err(format!("a rename out of the folder: {named:?}"));
                };
                if let Some(file) = self.names.remove(from) {
                    self.names.insert(to.clone(), file);
                }
                self.step(call, Act::Rename(from.clone(), to.clone()));
            }
            "unlink" | "unlinkat" | "rmdir" => {
                self.names.remove(&named[0]);
                self.step(call, Act::Remove(named[0].clone()));
            }
            "fsync" | "fdatasync" => self.sync(call, file, &named[0]),
            other => return Err(format!("{other} is not known to this model: {named:?}")),
        }
        Ok(())
    }

    fn open(&mut self, call: &Call, path: PathBuf) {
        let flags = call.words.iter().find(|word| word.contains("O_"));
        let has = |flag: &str| flags.is_some_and(|flags| flags.split('|').any(|f| f == flag));
        self.positions.set(&call.returned.to_string(), 0);
        if has("O_CREAT") && !self.names.contains_key(&path) {
            let file = self.files;
            self.files += 1;
            self.names.insert(path.clone(), file);
            self.step(call, Act::Name(path, file));
        } else if has("O_TRUNC") {
            let file = self.names.get(&path).copied();
            self.resize(call, file, 0, false);
        }
    }

    fn resize(&mut self, call: &Call, file: Option<File>, length: u64, grows: bool) {
        if let Some(file) = file {
            self.step(
                call,
                Act::Resize {
                    file,
                    length,
                    grows,
                },
            );
        }
    }

    fn step(&mut self, call: &Call, act: Act) {
        self.steps.push(Step {
            start: call.start,
            end: call.end,
            sure_from: None,
            act,
        });
    }

    /// A sync covers what had been called before on the file, or the names of
    /// the folder.
    fn sync(&mut self, call: &Call, file: Option<File>, path: &Path) {
        for step in &mut self.steps {
            let is_covered = match (step.act.content_of(), file) {
                (Some(of), Some(file)) => of == file,
                (None, None) => step.act.folder() == Some(path),
                _ => false,
            };
            if is_covered && step.end <= call.start && step.sure_from.is_none() {
                step.sure_from = Some(call.end);
            }
        }
    }
}

fn number(word: Option<&String>) -> Result<u64, String> {
    let word = word.map_or("", String::as_str);
    word.parse().map_err(|_| format!("not a number: '{word}'"))
}
