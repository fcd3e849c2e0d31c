//! The power goes while a backup is made beside the server, or while a store
//! is made from one.

use std::path::Path;

use super::super::client::Client;
use super::super::promise::{Promise, Violation};
use super::super::site::{Site, random};
use super::{Acknowledged, Outcome, SESSIONS, broken, good, logged_in, or_start, whole_shop};
use crate::ground::Ground;

/// How long they may go on before the cut.
const BACKUP_MILLIS: std::ops::Range<u64> = 0..80;
const RESTORE_MILLIS: std::ops::Range<u64> = 0..150;
/// The exit code that says to restore again (`src/cli/exit.rs`).
const DAMAGED: i32 = 65;

fn text(path: &Path) -> &str {
    path.to_str().expect("an UTF-8 path")
}

/// What has the name of a backup is a whole one, and the store is as it was.
pub(super) fn backup(site: &mut Site) -> Outcome {
    let before = logged_in(site)?;
    let file = site.home().join("shop.backup");
    let armed = site.arm();
    let mut command = site.spawn(&["backup", text(&file)]);
    let done = command.wait(random(BACKUP_MILLIS));
    site.cut(armed, vec![before.server, command]);
    let acknowledged = done.is_some_and(|status| status.success());
    if acknowledged && !file.exists() {
        return broken(Promise::Lost, "a backup that was acknowledged is not there");
    }
    if !file.exists() {
        // What an unfinished one has left is in nobody's way.
        or_start(site.run(&["backup", text(&file)]))?;
    }
    or_start(site.run(&["backup", "verify", text(&file)]))?;
    let mut server = site.serve();
    let (address, _) = or_start(site.listening(&mut server))?;
    match good(&address, &before.tokens) {
        SESSIONS => Ok(Acknowledged(acknowledged)),
        some => broken(
            Promise::Lost,
            format!("{some} of {SESSIONS} tokens are good"),
        ),
    }
}

/// A half restored store is refused, and can be restored again; nobody who was
/// logged in comes back.
pub(super) fn restore(site: &mut Site) -> Outcome {
    let mut other = Site::new(Ground::folder());
    other.begin();
    let before = logged_in(&mut other)?;
    let file = other.home().join("shop.backup");
    or_start(other.run(&["backup", text(&file)]))?;
    drop(before.server);
    let copied = std::fs::copy(other.key_file(), site.key_file());
    copied.expect("the key file is there");

    let armed = site.arm();
    let mut command = site.spawn(&["restore", text(&file)]);
    let done = command.wait(random(RESTORE_MILLIS));
    site.cut(armed, vec![command]);
    let acknowledged = done.is_some_and(|status| status.success());
    // A cut may have taken the copy.
    let _ = std::fs::copy(other.key_file(), site.key_file());
    whole_after_restore(site, text(&file), acknowledged)?;
    let mut server = site.serve();
    let (address, _) = or_start(site.listening(&mut server))?;
    match good(&address, &before.tokens) {
        0 => {}
        some => return broken(Promise::Returned, format!("{some} tokens are good again")),
    }
    if Client::new(&address)
        .log_in("1", "P01")
        .is_none_or(|a| a.status != 200)
    {
        return broken(Promise::Lost, "nobody can log in after a restore");
    }
    Ok(Acknowledged(acknowledged))
}

/// After a restore that was cut off all of the shop is there, or a refusal that
/// says to restore again, or, unless it was answered, nothing at all. Restores
/// again what is not there.
pub(crate) fn whole_after_restore(
    site: &Site,
    file: &str,
    is_answered: bool,
) -> Result<(), Violation> {
    if is_answered {
        whole_shop(site, true)?;
    } else if !site.data_dir().exists() || site.exit_code(&["export"]) == Some(DAMAGED) {
        or_start(site.run(&["restore", file]))?;
    } else if whole_shop(site, false)? == 0 {
        // Not even its beginning was on the disk: an export has found nothing
        // there, and made a new store of it.
        let _ = std::fs::remove_dir_all(site.data_dir());
        or_start(site.run(&["restore", file]))?;
    }
    whole_shop(site, true).map(drop)
}
