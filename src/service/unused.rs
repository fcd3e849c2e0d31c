//! Accounts that nobody has used for long are disabled (PCI DSS 8.2.6), by the
//! rules of the directory: the last administrator stays.
//!
//! An account is used when a session of it begins, a signed request's included,
//! and as long as one lives. One that was never used is watched from the first
//! look on, and one that is switched on again from then on.

use std::sync::Arc;
use std::time::Duration;

use super::App;
use crate::model::{Cause, DirectoryChange, Mode, Precondition, Timestamp, User, UserInput};
use crate::ndata::Query;
use crate::store::{Scope, Store, StoreError};

/// How often the accounts are looked at.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// How exactly the last use is known.
const USE_NOTED_EVERY: Duration = Duration::from_hours(24);

/// Disables what was unused for `after` until the task is dropped; without it,
/// ends at once.
pub async fn run<S: Store>(app: Arc<App<S>>) {
    let Some(after) = app.policy.disable_unused_after else {
        return;
    };
    loop {
        if let Err(error) = look(&app, after).await {
            tracing::warn!(target: "unused", %error, "unused accounts are looked at later");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Looks at every account once.
pub(super) async fn look<S: Store>(app: &App<S>, after: Duration) -> Result<(), StoreError> {
    let now = app.now();
    let directory = app.store.directory().await;
    for user in directory.users() {
        let name = &user.user_name;
        let last = app.store.last_use(name).await;
        match (user.is_active, last) {
            (false, Some(_)) => app.store.note_use(name.clone(), None, now).await?,
            (false, None) => {}
            (true, None) => app.store.note_use(name.clone(), Some(now), now).await?,
            (true, Some(last)) => {
                let is_long_ago = now.since(last) >= after + USE_NOTED_EVERY;
                if is_long_ago && has_session(app, user, now).await? {
                    app.store.note_use(name.clone(), Some(now), now).await?;
                } else if is_long_ago {
                    disable(app, user).await;
                }
            }
        }
    }
    Ok(())
}

async fn has_session<S: Store>(
    app: &App<S>,
    user: &User,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let scope = Scope::Own(user.user_name.clone());
    let page = app.store.page(&Query::all(1), &scope, now).await?;
    Ok(page.total > 0)
}

async fn disable<S: Store>(app: &App<S>, user: &User) {
    let input = UserInput {
        is_active: false,
        ..UserInput::from(user)
    };
    let change = DirectoryChange::PutUser {
        mode: Mode::CreateOrReplace,
        id: user.id,
        input,
    };
    // Changed by somebody just now: looked at again in an hour.
    let as_seen = Precondition {
        body_version: Some(user.version),
        ..Precondition::default()
    };
    let name = &user.user_name;
    match app.change(change, as_seen, Cause::server()).await {
        Ok(_) => {
            tracing::info!(target: "unused", disabled = true, user.name = %name, "unused for long");
        }
        Err(error) => {
            tracing::warn!(target: "unused", ?error, user.name = %name, "unused for long, and not disabled");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserName;
    use crate::service::testing::shop_app;

    const AFTER: Duration = Duration::from_hours(90 * 24);

    #[tokio::test]
    async fn an_account_unused_for_long_is_disabled_and_the_last_administrator_never() {
        let app = shop_app().await;
        let now = app.now();
        let [boss, other] = ["999", "1"].map(|name| UserName::parse(name).unwrap());
        let is_active = async |name: &UserName| {
            let directory = app.store.directory().await;
            directory.user_named(name).unwrap().is_active
        };
        look(&app, AFTER).await.unwrap();
        assert!(app.store.last_use(&other).await.is_some_and(|at| at >= now));
        assert!(is_active(&boss).await && is_active(&other).await);

        let long_ago = Some(now.minus(AFTER + 2 * USE_NOTED_EVERY));
        for name in [&boss, &other] {
            app.store
                .note_use(name.clone(), long_ago, now)
                .await
                .unwrap();
        }
        look(&app, AFTER).await.unwrap();
        // Both are administrators: the first of them was disabled, the last not.
        let active = [is_active(&boss).await, is_active(&other).await];
        assert_eq!(active.iter().filter(|is_active| **is_active).count(), 1);

        // Whoever is switched on again is watched from then on.
        look(&app, AFTER).await.unwrap();
        let off = if active[0] { &other } else { &boss };
        assert_eq!(app.store.last_use(off).await, None);
    }
}
