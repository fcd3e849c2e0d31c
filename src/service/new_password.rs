//! What a new password must be like: the rules of the policy, and not one that
//! the user has had.

use std::net::IpAddr;
use std::sync::Arc;

use super::{App, ServiceError};
use crate::auth::policy::{About, PolicyFault};
use crate::auth::secret::Secret;
use crate::model::{Field, User};
use crate::store::Store;

impl<S: Store> App<S> {
    /// Refuses a password that the user has or had, as far as the policy looks
    /// back.
    pub(super) async fn must_not_be_former(
        &self,
        member: &str,
        share: IpAddr,
        password: &Secret,
        user: &User,
    ) -> Result<(), ServiceError> {
        let former = self.policy.passwords.former;
        if former == 0 {
            return Ok(());
        }
        let held = user.password.iter();
        for hash in held.chain(user.former_passwords.iter().take(former)) {
            let tried = Secret::new(password.expose().to_owned());
            if self.hashing.verify(share, tried, Arc::clone(hash)).await? {
                return Err(refused(member, PolicyFault::Former, None));
            }
        }
        Ok(())
    }

    /// The rules for a new password.
    pub(super) fn look_at_new_password(
        &self,
        member: &str,
        password: &Secret,
        about: &About,
    ) -> Result<(), ServiceError> {
        let judged = self.policy.passwords.judge(password, about);
        let Err(fault) = judged else {
            return Ok(());
        };
        let code = password.is_empty().then_some("1");
        Err(refused(member, fault, code))
    }
}

fn refused(member: &str, fault: PolicyFault, code: Option<&'static str>) -> ServiceError {
    ServiceError::Invalid(vec![Field {
        member: member.to_owned(),
        message: fault.to_string(),
        code,
    }])
}
