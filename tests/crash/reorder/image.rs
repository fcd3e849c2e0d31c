//! What a disk may hold after a power cut: everything synced before, and of
//! everything else some, in any combination.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::calls::Instant;
use super::steps::{Act, File, Recording, Step};

/// What a disk writes as a whole.
const SECTOR: u64 = 512;

/// What becomes of writes that nobody has synced.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// None is there.
    AllLost,
    /// All are there.
    AllKept,
    /// Each is there, or not, or some sectors of it are.
    Mixed,
}

/// A disk after the cut.
pub(crate) struct Image {
    folders: Vec<PathBuf>,
    names: HashMap<PathBuf, File>,
    contents: HashMap<File, Vec<u8>>,
}

impl Image {
    /// A disk whose power went at `cut`.
    pub(crate) fn draw(recording: &Recording, cut: Instant) -> Self {
        let fate = match rand::random_range(0..10) {
            0 => Fate::AllLost,
            1 => Fate::AllKept,
            _ => Fate::Mixed,
        };
        let mut image = Self {
            folders: recording.folders.clone(),
            names: recording.names.clone(),
            contents: recording.contents.clone(),
        };
        let steps = &recording.steps;
        let before = steps.partition_point(|step| step.start < cut);
        let named = names_kept(&steps[..before], cut, fate);
        for (place, step) in steps[..before].iter().enumerate() {
            if step.act.content_of().is_none() {
                if place < named {
                    image.rename(&step.act);
                }
            } else if is_sure(step, cut) {
                image.write(&step.act, |_| true);
            } else {
                image.write_perhaps(&step.act, fate);
            }
        }
        image
    }

    fn rename(&mut self, act: &Act) {
        match act {
            Act::Name(path, file) => drop(self.names.insert(path.clone(), *file)),
            Act::Folder(path) => self.folders.push(path.clone()),
            Act::Remove(path) => {
                self.names.remove(path);
                self.folders.retain(|folder| folder != path);
            }
            Act::Rename(from, to) => {
                if let Some(file) = self.names.remove(from) {
                    self.names.insert(to.clone(), file);
                }
            }
            Act::Write { .. } | Act::Resize { .. } => {}
        }
    }

    fn write_perhaps(&mut self, act: &Act, fate: Fate) {
        match fate {
            Fate::AllLost => {}
            Fate::AllKept => self.write(act, |_| true),
            Fate::Mixed => match rand::random_range(0..3) {
                0 => {}
                1 => self.write(act, |_| true),
                _ => self.write(act, |_| rand::random()),
            },
        }
    }

    /// Carries out what changes a content, on those sectors that `keeps` names.
    fn write(&mut self, act: &Act, keeps: impl Fn(u64) -> bool) {
        match act {
            Act::Resize {
                file,
                length,
                grows,
            } => {
                let content = self.contents.entry(*file).or_default();
                let length = usize::try_from(*length).expect("a small file");
                if !grows || length > content.len() {
                    content.resize(length, 0);
                }
            }
            Act::Write { file, at, bytes } => {
                let content = self.contents.entry(*file).or_default();
                let mut at = *at;
                let mut bytes = bytes.as_slice();
                while !bytes.is_empty() {
                    let room = usize::try_from(SECTOR - at % SECTOR).expect("small");
                    let (here, rest) = bytes.split_at(room.min(bytes.len()));
                    if keeps(at / SECTOR) {
                        put(content, at, here);
                    }
                    at += here.len() as u64;
                    bytes = rest;
                }
            }
            _ => {}
        }
    }

    /// Lays the disk out in a folder that stands for the recorded one.
    pub(crate) fn lay_out(&self, recorded: &Path, to: &Path) -> std::io::Result<()> {
        let place = |path: &Path| to.join(path.strip_prefix(recorded).unwrap_or(path));
        for folder in &self.folders {
            std::fs::create_dir_all(place(folder))?;
        }
        let nothing = Vec::new();
        for (path, file) in &self.names {
            let path = place(path);
            // The folder of a name that survived did so, too.
            if path.parent().is_some_and(Path::is_dir) {
                std::fs::write(&path, self.contents.get(file).unwrap_or(&nothing))?;
                private(&path)?;
            }
        }
        Ok(())
    }
}

fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

fn is_sure(step: &Step, cut: Instant) -> bool {
    step.sure_from.is_some_and(|from| from <= cut)
}

/// Up to which step names have changed: a journal keeps their order, so all
/// before one that is sure, and some more.
fn names_kept(steps: &[Step], cut: Instant, fate: Fate) -> usize {
    let is_name = |step: &Step| step.act.content_of().is_none();
    let sure = steps
        .iter()
        .rposition(|step| is_name(step) && is_sure(step, cut))
        .map_or(0, |place| place + 1);
    match fate {
        Fate::AllLost => sure,
        Fate::AllKept => steps.len(),
        Fate::Mixed => rand::random_range(sure..=steps.len()),
    }
}

fn put(content: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let at = usize::try_from(at).expect("a small file");
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}
