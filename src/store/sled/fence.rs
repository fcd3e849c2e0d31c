//! Fences: one small record that ends any number of sessions.

use super::record::Record;
use crate::model::{Author, EndReason, Ends, Subject, Timestamp};

/// Everything that began before this commit, of these subjects, is over. It
/// stands in `meta` until the last such session has moved to the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The commit that put it up, which is also its name. Sessions that began
    /// in a lower one are behind it.
    pub number: u64,
    /// Whose sessions, and why.
    pub ends: Vec<Ends>,
    /// Who put it up.
    pub by: Author,
    /// When.
    pub at: Timestamp,
}

impl Fence {
    /// Why a session is over, if it stands behind this fence.
    pub fn ends_session(&self, record: &Record) -> Option<EndReason> {
        if record.began >= self.number {
            return None;
        }
        let kept = Some(record.session.id);
        let behind = |ends: &&Ends| ends.keep != kept && covers(&ends.subject, record);
        self.ends.iter().find(behind).map(|ends| ends.reason)
    }
}

/// Whether a session is one of the subject's.
pub fn covers(subject: &Subject, record: &Record) -> bool {
    let identity = &record.session.identity;
    match subject {
        Subject::Everybody => true,
        Subject::User(user) => identity.user_name == *user,
        Subject::Device(device) => identity.device_name == *device,
        Subject::UserOnDevice(user, device) => {
            identity.user_name == *user && identity.device_name == *device
        }
        Subject::Key(number) => record.tokens.is_some_and(|tokens| tokens.key() == *number),
    }
}
