//! A large shop: 200,000 sessions that nobody uses, opened through the library
//! since as many logins over HTTP would mostly measure passwords. Some are ended
//! under the traffic, and at last all of them by one request. The real binary
//! serves them, with the memory for sled's pages that it always has.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use tillgate::model::{AuthenticationType, Cause, DeviceName, SessionId, Timestamp, UserName};
use tillgate::store::sled::SledStore;
use tillgate::store::{NewSession, Rules, Store};

use super::client::Client;
use super::history::History;
use super::promise::Promise;

/// Sessions.
const SESSIONS: u32 = 200_000;
/// Callers that open sessions at once.
const CALLERS: u32 = 1_024;
/// Whose sessions they are, and where: nobody else of this user logs in here,
/// and no traffic ends all sessions of this device.
pub(crate) const USER: &str = "m";
const DEVICE: &str = "BackOffice";
/// Rows of one page.
const PAGE: usize = 10_000;

/// The sessions, and what is known of them.
pub(crate) struct Crowd {
    live: HashSet<String>,
    /// Their end was acknowledged.
    dead: HashSet<String>,
    /// Their end was asked for.
    dying: HashSet<String>,
    /// The end of all was acknowledged.
    over: bool,
}

impl Crowd {
    /// Opens all sessions in a stopped store.
    pub(crate) fn fill(data_dir: &Path) -> Result<Self, String> {
        let opened = SledStore::open(data_dir, Rules::default(), wall());
        let store = Arc::new(opened.map_err(|error| error.to_string())?.store);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let live = runtime.block_on(async {
            let next = Arc::new(AtomicU32::new(0));
            let mut callers = tokio::task::JoinSet::new();
            for _ in 0..CALLERS {
                callers.spawn(open_some(Arc::clone(&store), Arc::clone(&next)));
            }
            let mut live = HashSet::new();
            while let Some(ids) = callers.join_next().await {
                live.extend(ids.map_err(|error| error.to_string())??);
            }
            Ok::<_, String>(live)
        })?;
        store.close();
        Ok(Self {
            live,
            dead: HashSet::new(),
            dying: HashSet::new(),
            over: false,
        })
    }

    /// Ends some of them, one by one, until `stop`.
    pub(crate) fn thin_out(&mut self, address: &str, owner: &str, stop: &AtomicBool) {
        let client = Client::new(address);
        while !stop.load(Ordering::Relaxed) {
            let Some(id) = self.live.iter().next().cloned() else {
                return;
            };
            self.live.remove(&id);
            let path = format!("/sessions/{id}");
            let answer = client.call("DELETE", &path, Some(owner), &Value::Null);
            if answer.is_some_and(|answer| answer.status == 200) {
                self.dead.insert(id);
            } else {
                self.dying.insert(id);
            }
        }
    }

    /// Ends all of them by disabling their user. Answers whether that was
    /// acknowledged.
    pub(crate) fn end_all(&mut self, address: &str, owner: &str) -> bool {
        let body = json!({"userName": USER, "name": "Manager", "isActive": false,
            "devices": [{"name": DEVICE, "isActive": true, "roles": ["manager"]}]});
        let path = format!("/users/{USER}");
        let answer = Client::new(address).call("PUT", &path, Some(owner), &body);
        self.over |= answer.is_some_and(|answer| answer.status == 200);
        self.over
    }

    /// After a restart: exactly those live that must.
    pub(crate) fn look(&mut self, address: &str, owner: &str, history: &mut History) {
        let Some(found) = list(&Client::new(address), owner) else {
            let what = "the large shop can not be listed".to_owned();
            history.broken(Promise::Lost, what);
            return;
        };
        if self.over && !found.is_empty() {
            let what = format!("{} sessions of a disabled user live", found.len());
            history.broken(Promise::Returned, what);
        }
        if self.over {
            return;
        }
        let lost = self.live.difference(&found).count();
        if lost > 0 {
            history.broken(Promise::Lost, format!("{lost} sessions of the crowd"));
        }
        let back = self.dead.intersection(&found).count();
        if back > 0 {
            history.broken(Promise::Returned, format!("{back} sessions of the crowd"));
        }
        // Every doubt is over.
        for id in std::mem::take(&mut self.dying) {
            if found.contains(&id) {
                self.live.insert(id);
            } else {
                self.dead.insert(id);
            }
        }
    }
}

async fn open_some(store: Arc<SledStore>, next: Arc<AtomicU32>) -> Result<Vec<String>, String> {
    let mut ids = Vec::new();
    while next.fetch_add(1, Ordering::Relaxed) < SESSIONS {
        let session = NewSession {
            id: SessionId::draw(),
            user_name: UserName::parse(USER).expect("a good name"),
            device_name: DeviceName::parse(DEVICE).expect("a good name"),
            no_sale_device: false,
            authentication_type: AuthenticationType::Bearer,
            password_seen: None,
            attempt: None,
            refresh_sha256: rand::random(),
            salt: rand::random(),
            jti: rand::random(),
        };
        ids.push(session.id.as_str().to_owned());
        let opened = store.begin(session, Cause::server(), wall()).await;
        opened.map_err(|error| error.to_string())?;
    }
    Ok(ids)
}

/// The ids of all live sessions of the crowd's user.
fn list(client: &Client, owner: &str) -> Option<HashSet<String>> {
    let mut found = HashSet::new();
    let first = format!("/sessions?userName={USER}&$sort=startedAt&$take={PAGE}");
    let mut next = first.clone();
    loop {
        let answer = client.get(&next, owner)?;
        let items = answer.body["items"].as_array()?;
        let ids = items.iter().filter_map(|item| item["sessionId"].as_str());
        found.extend(ids.map(str::to_owned));
        let Some(cursor) = answer.body["nextCursor"].as_str() else {
            return Some(found);
        };
        next = format!("{first}&$after={cursor}");
    }
}

fn wall() -> Timestamp {
    let since = UNIX_EPOCH.elapsed().expect("after 1970");
    Timestamp::from_millis(i64::try_from(since.as_millis()).expect("not that late"))
}
