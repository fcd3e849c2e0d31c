//! A disk that fills up: what begins is refused, what ends goes on, and
//! nothing has to be restarted.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::store::sled::disk::{Batch, Room, SledDisk};
use crate::store::sled::verify;

/// A disk that says it is full when the test wants it to.
struct Filling {
    disk: SledDisk,
    low: Arc<AtomicBool>,
}

impl Disk for Filling {
    fn commit(&mut self, batch: &Batch) -> io::Result<()> {
        self.disk.commit(batch)
    }

    fn sync(&mut self, batch: &Batch) -> io::Result<()> {
        self.disk.sync(batch)
    }

    fn room(&self) -> Room {
        let low = self.low.load(Ordering::SeqCst);
        Room { free: 1, low }
    }
}

fn filling(dir: &Path) -> (SledStore, Arc<AtomicBool>) {
    let low = Arc::new(AtomicBool::new(false));
    let opened = open_with(dir, |disk| Filling {
        disk,
        low: Arc::clone(&low),
    });
    (opened.expect("opens").store, low)
}

fn assert_whole(dir: &Path) {
    let verified = verify::verify(dir).expect("opens");
    assert_eq!(verified.problems, Vec::<String>::new());
}

fn a_third_till() -> DirectoryChange {
    DirectoryChange::PutDevice {
        mode: Mode::Create,
        input: device_input("P03", Env::CashRegister),
    }
}

#[test]
fn with_little_room_logins_are_refused_and_endings_go_on_until_there_is_room_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, low) = filling(dir.path());
    let [till, tool, late] = [(); 3].map(|()| SessionId::draw());
    block_on(async {
        change(&store, shop()).await.expect("written");
        begin(&store, till, "a", "P01").await.expect("written");
        begin(&store, tool, "a", "LINK").await.expect("written");

        low.store(true, Ordering::SeqCst);
        assert_eq!(begin(&store, late, "b", "P01").await, Err(StoreError::Full));
        assert!(
            is_live(&store, till).await,
            "a refused login has ended nothing"
        );
        assert_eq!(
            change(&store, a_third_till()).await,
            Err(StoreError::Full),
            "what is created grows"
        );
        assert!(store.health().full);
        assert_eq!(refresh(&store, till, 0).await, Ok(()));
        assert_eq!(end(&store, tool).await, Ok(()));
        assert_eq!(disable(&store, "a").await, Ok(()));
        assert!(!is_live(&store, till).await);

        low.store(false, Ordering::SeqCst);
        assert_eq!(begin(&store, late, "b", "P01").await, Ok(()));
        assert!(!store.health().full);
        assert_eq!(change(&store, a_third_till()).await, Ok(()));
    });
    drop(store);
    assert_whole(dir.path());
}

#[test]
fn the_sweep_shows_a_disk_that_fills_up_while_nobody_logs_in() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, low) = filling(dir.path());
    block_on(store.sweep(NOW, 8)).expect("swept");
    assert!(!store.health().full);
    low.store(true, Ordering::SeqCst);
    block_on(store.sweep(NOW, 8)).expect("swept");
    assert!(store.health().full);
}

/// A small file system of its own, as long as it lives.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where nobody may mount.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=96m", "tmpfs"])
            .arg(dir.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self { dir })
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Takes every free byte.
    fn fill(&self) {
        use std::io::Write;
        let mut filler = std::fs::File::create(self.dir.path().join("filler")).expect("made");
        for bytes in [1 << 16, 1 << 12, 1] {
            while filler.write_all(&vec![7; bytes]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.dir.path().join("filler")).expect("removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.dir.path()).output();
    }
}

/// sled needs new blocks for every group: without the ballast not one of these
/// endings would reach the disk.
#[test]
fn without_a_free_byte_endings_are_written_and_logins_come_back_without_a_restart() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let dir = disk.data();
    let store = open(&dir);
    let tools: Vec<SessionId> = (0..200).map(|_| SessionId::draw()).collect();
    let late = SessionId::draw();
    block_on(async {
        change(&store, shop()).await.expect("written");
        for tool in &tools {
            begin(&store, *tool, "a", "LINK").await.expect("written");
        }
        disk.fill();
        assert_eq!(begin(&store, late, "b", "P01").await, Err(StoreError::Full));
        for tool in &tools {
            assert_eq!(end(&store, *tool).await, Ok(()));
        }
        assert_eq!(disable(&store, "a").await, Ok(()));
        assert_eq!(begin(&store, late, "b", "P01").await, Err(StoreError::Full));

        assert!(!dir.join("ballast").exists(), "it has given way");
        disk.make_room();
        assert_eq!(begin(&store, late, "b", "P01").await, Ok(()));
    });
    assert!(dir.join("ballast").exists(), "it is laid again");
    drop(store);
    assert_whole(&dir);
    let store = open(&dir);
    block_on(async {
        assert!(is_live(&store, late).await);
        for tool in &tools {
            assert!(!is_live(&store, *tool).await);
        }
    });
}
