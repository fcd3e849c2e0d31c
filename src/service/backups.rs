//! Backups: who asked for one, and what the audit says of it.

use std::path::PathBuf;
use std::sync::Arc;

use super::App;
use crate::model::{AuditAction, AuditEntry, Cause};
use crate::store::{BackupError, BackupInfo, BackupOrder, Progress, Store};

impl<S: Store> App<S> {
    /// Makes a backup in this file. It is complete and on the disk when this
    /// returns; a call that is given up leaves nothing behind.
    ///
    /// # Errors
    /// [`BackupError`], which names the file and the remedy.
    pub async fn back_up(
        &self,
        file: PathBuf,
        cause: Cause,
        progress: Arc<Progress>,
    ) -> Result<BackupInfo, BackupError> {
        let backups = self.store.backups().ok_or(BackupError::Elsewhere)?;
        let order = BackupOrder {
            file,
            now: self.now(),
            key_mark: self.installation_key.mark(),
        };
        let made = backups.back_up(order, progress).await?;
        let name = made.file.file_name().unwrap_or_default().to_string_lossy();
        let entry = AuditEntry::new(AuditAction::BackedUp, cause, self.now());
        let entry = AuditEntry {
            detail: Some(name.into()),
            ..entry
        };
        // The backup is there, whether or not the audit can still be written.
        if let Err(error) = self.store.note(entry).await {
            tracing::warn!(target: "backup", %error, "the audit does not tell of a backup");
        }
        Ok(made)
    }
}
