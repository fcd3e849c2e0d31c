//! What the audit hears of the configuration: a start with other rules than the
//! start before says which.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::model::{AuditAction, AuditEntry, Cause};
use crate::service::App;
use crate::store::Store;
use crate::store::sled::SledStore;

/// The name under which the rules of the last start are kept.
const RULES: &str = "rules";
/// An option whose value is a path of this machine: only that it has changed is
/// told.
const UNSAID: &str = "password.block_list";
/// Of changes whose values are longer, the audit keeps the beginning.
const DETAIL_CHARS_MAX: usize = 1_000;

/// Options with their values, as TOML.
type Values = BTreeMap<String, String>;

/// Tells the audit of every option of [`Config::rules_in_force`] whose value is
/// another than at the last start, and keeps the values in the same step. A store
/// without such a start is held against the defaults. Where nothing can be written,
/// the next start makes up for it: no till waits for this.
pub async fn tell(app: &App<SledStore>, config: &Config) {
    let now = owned(config);
    let kept = app.store.meta(RULES);
    let before: Option<Values> = kept.and_then(|kept| serde_json::from_slice(kept).ok());
    if before.as_ref() == Some(&now) {
        return;
    }
    let mut old = owned(&Config::default());
    old.extend(before.unwrap_or_default());
    let changes: Vec<_> = now
        .iter()
        .filter_map(|(key, value)| Some((key, old.get(key)?, value)))
        .filter(|(_, old, value)| old != value)
        .collect();
    let mut told = AuditEntry::new(AuditAction::PolicyChanged, Cause::server(), app.now());
    told.changed = changes
        .iter()
        .map(|(key, ..)| key.as_str().into())
        .collect();
    let said: Vec<_> = changes
        .iter()
        .filter(|(key, ..)| *key != UNSAID)
        .map(|(key, old, value)| format!("{key}: {old} to {value}"))
        .collect();
    let said: String = said.join("; ").chars().take(DETAIL_CHARS_MAX).collect();
    let told = (!changes.is_empty()).then(|| told.saying(said));
    let value = serde_json::to_vec(&now).expect("texts are JSON");
    if let Err(error) = app.store.put_meta(RULES, Some(value), told).await {
        tracing::warn!(
            target: "serve", %error,
            "the audit could not be told which options changed; the next start tells it"
        );
    }
}

fn owned(config: &Config) -> Values {
    let rules = config.rules_in_force().into_iter();
    rules.map(|(key, value)| (key.to_owned(), value)).collect()
}
