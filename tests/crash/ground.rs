//! Where the data stands: a folder, or a filesystem of its own whose power can
//! be cut. Everything that needs root is here.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Size of the filesystem; the file is sparse and mostly stays so.
const IMAGE_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// The shutdown ioctl of ext4 and XFS with flag 2: the filesystem stops at
/// once and does not even flush its journal, as if the plug were pulled.
/// Started beforehand and waiting, so that nothing is written back between the
/// kill and the cut.
const CUT: &str = "\
import fcntl, os, struct, sys
if sys.stdin.readline():
    mount = os.open(sys.argv[1], os.O_RDONLY)
    fcntl.ioctl(mount, 0x8004587d, struct.pack('I', 2))
";

/// Where the data stands.
pub(crate) enum Ground {
    /// Lives through a kill of the process, as the page cache does.
    Folder(TempDir),
    /// Loses what was not synced.
    Image(Image),
}

impl Ground {
    /// An ordinary folder.
    pub(crate) fn folder() -> Self {
        Self::Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A filesystem in a file, mounted; or why there can be none here.
    pub(crate) fn image() -> Result<Self, String> {
        Image::make().map(Self::Image)
    }

    /// The folder to put data into.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder.path(),
            Self::Image(image) => &image.mount,
        }
    }

    /// Makes ready for a cut: to be called before the server is killed.
    pub(crate) fn arm(&self) -> Armed {
        match self {
            Self::Folder(_) => Armed(None),
            Self::Image(image) => Armed(Some(image.arm())),
        }
    }

    /// Cuts the power and switches it on again. The server must be dead
    /// already: a sync that the kernel answers during the cut would be a lie
    /// of the test's own making.
    pub(crate) fn cut(&mut self, armed: Armed) {
        if let (Self::Image(image), Some(trigger)) = (self, armed.0) {
            image.cut(trigger);
        }
    }
}

/// A cut that is ready to be made.
pub(crate) struct Armed(Option<Child>);

/// An ext4 in a file, mounted through a loop device. Unmounted when dropped.
pub(crate) struct Image {
    file: PathBuf,
    mount: PathBuf,
    _folder: TempDir,
}

impl Image {
    fn make() -> Result<Self, String> {
        must_be_root()?;
        let folder = image_folder().map_err(|error| error.to_string())?;
        let (file, mount) = (folder.path().join("disk.img"), folder.path().join("disk"));
        std::fs::create_dir(&mount).map_err(|error| error.to_string())?;
        let disk = std::fs::File::create(&file).map_err(|error| error.to_string())?;
        disk.set_len(IMAGE_BYTES)
            .map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&file))?;
        let image = Self {
            file,
            mount,
            _folder: folder,
        };
        image.attach()?;
        Ok(image)
    }

    fn attach(&self) -> Result<(), String> {
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&self.file)
            .arg(&self.mount))
    }

    fn arm(&self) -> Child {
        let system = "/usr/bin/python3";
        let python = if Path::new(system).exists() {
            system
        } else {
            "python3"
        };
        Command::new(python)
            .args(["-S", "-c", CUT])
            .arg(&self.mount)
            .stdin(Stdio::piped())
            .spawn()
            .expect("python3 runs")
    }

    fn cut(&mut self, mut trigger: Child) {
        let mut go = trigger.stdin.take().expect("piped");
        go.write_all(b"\n").expect("the trigger listens");
        drop(go);
        assert!(
            trigger.wait().expect("the trigger ends").success(),
            "the ioctl failed"
        );
        run(Command::new("umount").arg(&self.mount)).expect("nothing holds the dead disk");
        self.attach().expect("the disk comes back");
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("-l").arg(&self.mount));
    }
}

/// In memory where there is such a place: a cut is about what was synced, not
/// about how fast the disk under it is.
fn image_folder() -> std::io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
}

/// Mounting is for root only.
pub(crate) fn must_be_root() -> Result<(), String> {
    if std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() != 0) {
        return Err("needs root".to_owned());
    }
    Ok(())
}

/// Runs a program to its end; what it said when it failed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let name = command.get_program().to_string_lossy().into_owned();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
