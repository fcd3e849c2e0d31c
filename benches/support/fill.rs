//! Sessions opened through the store itself: many logins over HTTP would mostly
//! measure passwords.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tillgate::model::{AuthenticationType, Cause, DeviceName, SessionId, Timestamp, UserName};
use tillgate::store::sled::SledStore;
use tillgate::store::{NewSession, Rules, Store};

use super::place::Place;
use super::report::wall;
use super::{say, shop};

/// Callers that open sessions at once.
pub const CALLERS: u32 = 1_024;
/// Audit entries removed in one step.
const SWEPT_MAX: usize = 512;
/// How often progress is told.
const TOLD_EVERY: u32 = 100_000;

/// The store of a place that no server uses.
pub fn open(place: &Place) -> Arc<SledStore> {
    let opened =
        SledStore::open(&place.data_dir(), Rules::default(), wall()).expect("an open store");
    Arc::new(opened.store)
}

/// Opens this many sessions of the shop's users; answers their ids and how long
/// that took. All begin at `at`, or each when its turn comes.
pub fn fill(
    store: &Arc<SledStore>,
    total: u32,
    at: Option<Timestamp>,
) -> (Vec<SessionId>, Duration) {
    let ids: Arc<Vec<SessionId>> = Arc::new((0..total).map(|_| SessionId::draw()).collect());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let started = Instant::now();
    runtime.expect("a runtime").block_on(async {
        let next = Arc::new(AtomicU32::new(0));
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..CALLERS.min(total) {
            let (store, ids, next) = (Arc::clone(store), Arc::clone(&ids), Arc::clone(&next));
            callers.spawn(open_some(store, ids, next, at));
        }
        while let Some(caller) = callers.join_next().await {
            caller.expect("every session is opened");
        }
    });
    let took = started.elapsed();
    sweep(store);
    (Arc::unwrap_or_clone(ids), took)
}

/// What a server's sweeper does meanwhile: so much of the audit stays, no more.
fn sweep(store: &Arc<SledStore>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(async { while store.sweep(wall(), SWEPT_MAX).await.expect("a sweep").more {} });
}

async fn open_some(
    store: Arc<SledStore>,
    ids: Arc<Vec<SessionId>>,
    next: Arc<AtomicU32>,
    at: Option<Timestamp>,
) {
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let place = usize::try_from(n).expect("small enough");
        let Some(id) = ids.get(place) else {
            return;
        };
        let begun = store.begin(
            new_session(*id, place),
            Cause::server(),
            at.unwrap_or_else(wall),
        );
        begun.await.expect("a durable session");
        if (n + 1).is_multiple_of(TOLD_EVERY) {
            say(&format!("{} of {} sessions opened", n + 1, ids.len()));
        }
    }
}

/// The n-th session of the shop.
fn new_session(id: SessionId, n: usize) -> NewSession {
    NewSession {
        id,
        user_name: UserName::parse(&shop::user(n)).expect("a good name"),
        device_name: DeviceName::parse(&shop::device(n)).expect("a good name"),
        no_sale_device: false,
        authentication_type: AuthenticationType::Bearer,
        password_seen: None,
        attempt: None,
        refresh_sha256: rand::random(),
        salt: rand::random(),
        jti: rand::random(),
    }
}
