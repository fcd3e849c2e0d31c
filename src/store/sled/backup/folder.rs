//! The folder where the server keeps backups of its own making: their names,
//! which there are, and which may go.

use std::io;
use std::path::PathBuf;

use super::draft::UNFINISHED;
use super::{BackupInfo, CheckError, look};
use crate::model::Timestamp;

const FRONT: &str = "tillgate-";
const END: &str = ".backup";
/// Longest name that is looked at.
const NAME_BYTES_MAX: usize = 64;

/// The folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupFolder(PathBuf);

/// A backup in the folder.
#[derive(Debug)]
pub struct Kept {
    /// Its name, without the folder.
    pub name: String,
    /// What it says of itself.
    pub info: Result<BackupInfo, CheckError>,
}

impl BackupFolder {
    /// The folder at this place.
    pub fn new(place: PathBuf) -> Self {
        Self(place)
    }

    /// Makes the folder where there is none, for its owner alone, and removes
    /// what a kill has left in it.
    ///
    /// # Errors
    /// The disk refused.
    pub fn prepare(&self) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        if !self.0.is_dir() {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&self.0)?;
        }
        for name in self.names()? {
            if name.strip_suffix(UNFINISHED).is_some_and(is_name) {
                std::fs::remove_file(self.0.join(name))?;
            }
        }
        Ok(())
    }

    /// A name for a backup made now, and its place; nothing is there yet.
    pub fn place_at(&self, now: Timestamp) -> (String, PathBuf) {
        let names = (0_u32..).map(|n| {
            let stamp = now.to_string().replace(['-', ':', '.'], "");
            match n {
                0 => format!("{FRONT}{stamp}{END}"),
                n => format!("{FRONT}{stamp}-{n}{END}"),
            }
        });
        let mut places = names.map(|name| {
            let place = self.0.join(&name);
            (name, place)
        });
        places
            .find(|(_, place)| place.symlink_metadata().is_err())
            .expect("there are more numbers than files")
    }

    /// Where a backup of this name is, if it can be the name of one.
    pub fn place(&self, name: &str) -> Option<PathBuf> {
        is_name(name).then(|| self.0.join(name))
    }

    /// All backups, the newest first; those that can not be read are last.
    ///
    /// # Errors
    /// The folder can not be read.
    pub fn list(&self) -> io::Result<Vec<Kept>> {
        let names = self.names()?.into_iter().filter(|name| is_name(name));
        let mut all: Vec<Kept> = names
            .map(|name| Kept {
                info: look(&self.0.join(&name)),
                name,
            })
            .collect();
        all.sort_by(|a, b| b.rank().cmp(&a.rank()).then_with(|| b.name.cmp(&a.name)));
        Ok(all)
    }

    /// Removes the oldest backups of the installation with this key until `keep`
    /// are left; answers the names of those removed. One that can not be read
    /// does not count and stays.
    ///
    /// # Errors
    /// The disk refused.
    pub fn forget_oldest(&self, keep: usize, key_mark: [u8; 8]) -> io::Result<Vec<String>> {
        let own = |kept: &Kept| matches!(&kept.info, Ok(info) if info.key_mark == key_mark);
        let mut gone = Vec::new();
        for kept in self.list()?.into_iter().filter(own).skip(keep) {
            std::fs::remove_file(self.0.join(&kept.name))?;
            gone.push(kept.name);
        }
        Ok(gone)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.0)?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }
}

impl Kept {
    /// Clocks go back, numbers of changes never do.
    fn rank(&self) -> Option<(u64, u64, i64)> {
        let info = self.info.as_ref().ok()?;
        Some((info.epoch, info.commit, info.taken_at.as_millis()))
    }
}

/// Whether this can be the name of a backup in the folder: never one of
/// somebody else's files, never a way out of it.
fn is_name(name: &str) -> bool {
    let stamp = name
        .strip_prefix(FRONT)
        .and_then(|name| name.strip_suffix(END));
    let is_plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= NAME_BYTES_MAX && stamp.is_some_and(|stamp| !stamp.is_empty() && is_plain(stamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_this_folder_only() {
        let folder = BackupFolder::new(PathBuf::from("/backups"));
        let (name, place) = folder.place_at(Timestamp::from_millis(1_800_000_000_123));
        assert_eq!(name, "tillgate-20270115T080000123Z.backup");
        assert_eq!(folder.place(&name), Some(place));
        for name in [
            "",
            "tillgate-.backup",
            "tillgate-1.backup.unfinished",
            "tillgate-../../etc/passwd.backup",
            "tillgate-a/b.backup",
            "shop.backup",
        ] {
            assert_eq!(folder.place(name), None, "{name}");
        }
    }
}
