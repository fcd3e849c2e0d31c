//! Where passwords are hashed: a few threads of their own at lower priority,
//! so that hashing neither blocks the serving threads nor starves them, and
//! before them a fair, bounded queue, so that a flood from one address delays
//! only itself.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;

use self::queue::{Full, Queue};
use super::password::{self, HashError, HashParams, Workspace};
use super::secret::Secret;
use crate::meter::{Counter, Distribution, Histogram};

mod queue;

/// How much nicer to others a hashing thread is than the serving ones. Beside a
/// serving thread that never rests it still gets a fiftieth of their core, so
/// that no flood of checks keeps people from logging in: a password takes a
/// second then. What it gets it takes until the next tick of the kernel, up to
/// 4 ms: at 10 these turns held up more than a hundredth of all checks.
const NICENESS: i32 = 17;
/// How long a thread keeps its memory for the next password.
const MEMORY_KEPT: Duration = Duration::from_millis(200);

/// Why a password was neither hashed nor verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Too many are waiting, of this address or of all. Worth trying again.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// Too little memory, or the pool has ended.
    #[error("the password could not be hashed")]
    Failed,
}

/// A pool of hashing threads. They end when it is dropped; what still waits
/// then is answered [`PoolError::Failed`].
#[derive(Debug)]
pub struct HashPool {
    shared: Arc<Shared>,
    params: HashParams,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was queued, or the pool ends.
    changed: Condvar,
    /// How long each hash took, without the wait before it.
    hashed: Histogram,
    /// Jobs for which there was no room.
    refused: Counter,
}

/// What a pool has done, and how it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolFigures {
    /// Its threads.
    pub threads: usize,
    /// Passwords that wait.
    pub waiting: usize,
    /// How long each hash took, without the wait before it.
    pub hashed: Distribution,
    /// Passwords that were refused because too many waited.
    pub refused: u64,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue<Job>,
    threads: usize,
    ending: bool,
}

/// One password, and who waits for the outcome.
#[derive(Debug)]
enum Job {
    Verify {
        password: Secret,
        against: Arc<str>,
        answer: oneshot::Sender<bool>,
    },
    Hash {
        password: Secret,
        params: HashParams,
        answer: oneshot::Sender<Hashed>,
    },
}

type Hashed = Result<Arc<str>, HashError>;

impl HashPool {
    /// Starts the threads (at least one). `params`: the cost of new hashes.
    ///
    /// With a system that refuses threads the pool goes on with those it got;
    /// without any, every call fails.
    #[must_use]
    pub fn new(threads: usize, params: HashParams) -> Self {
        let shared = Arc::new(Shared::default());
        for number in 0..threads.max(1) {
            let theirs = Arc::clone(&shared);
            let named = std::thread::Builder::new().name(format!("tillgate-hash-{number}"));
            match named.spawn(move || work(&theirs)) {
                Ok(_) => shared.state.lock().threads += 1,
                Err(error) => {
                    tracing::warn!(target: "hashing", %error, "a hashing thread does not start");
                }
            }
        }
        Self { shared, params }
    }

    /// Whether this is the password of a PHC string. The wait is shared fairly
    /// between addresses.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn verify(
        &self,
        peer: IpAddr,
        password: Secret,
        against: Arc<str>,
    ) -> Result<bool, PoolError> {
        let (answer, outcome) = oneshot::channel();
        self.submit(
            peer,
            Job::Verify {
                password,
                against,
                answer,
            },
        )?;
        outcome.await.map_err(|_| PoolError::Failed)
    }

    /// Hashes a password at the pool's cost; answers the PHC string.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn hash(&self, peer: IpAddr, password: Secret) -> Result<Arc<str>, PoolError> {
        let (answer, outcome) = oneshot::channel();
        self.submit(
            peer,
            Job::Hash {
                password,
                params: self.params,
                answer,
            },
        )?;
        let hashed = outcome.await.map_err(|_| PoolError::Failed)?;
        hashed.map_err(|HashError| PoolError::Failed)
    }

    /// Whether a stored hash is cheaper than those the pool makes.
    #[must_use]
    pub fn is_outdated(&self, stored: &str) -> bool {
        password::is_cheaper(stored, self.params)
    }

    /// What it has done, and how it stands.
    #[must_use]
    pub fn figures(&self) -> PoolFigures {
        let state = self.shared.state.lock();
        PoolFigures {
            threads: state.threads,
            waiting: state.queue.len(),
            hashed: self.shared.hashed.read(),
            refused: self.shared.refused.get(),
        }
    }

    fn submit(&self, peer: IpAddr, job: Job) -> Result<(), PoolError> {
        let mut state = self.shared.state.lock();
        if state.threads == 0 {
            return Err(PoolError::Failed);
        }
        state
            .queue
            .push(share_of(peer), job, Job::is_wanted)
            .map_err(|Full| {
                self.shared.refused.count();
                PoolError::Busy
            })?;
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.ending = true;
        // Dropping the jobs answers their callers.
        state.queue = Queue::default();
        drop(state);
        self.shared.changed.notify_all();
    }
}

/// Whose share a peer uses. Whoever has one IPv6 address has all of its /64.
fn share_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(network.into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// The life of one thread.
fn work(shared: &Shared) {
    // On Linux this is the priority of the thread, not of the process. It only
    // helps; a system that refuses it hashes all the same.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    let mut workspace = Workspace::default();
    while let Some(job) = next(shared, &mut workspace) {
        let started = Instant::now();
        // A panic answers its caller by dropping the job, and ends nothing else.
        let _ = catch_unwind(AssertUnwindSafe(|| job.carry_out(&mut workspace)));
        shared.hashed.count(started.elapsed());
    }
}

/// Waits for the next job that somebody waits for; `None` when the pool ends.
fn next(shared: &Shared, workspace: &mut Workspace) -> Option<Job> {
    let mut state = shared.state.lock();
    loop {
        if state.ending {
            return None;
        }
        match state.queue.pop() {
            Some(job) if job.is_wanted() => return Some(job),
            Some(_) => {}
            None if workspace.holds_memory() => {
                if shared.changed.wait_for(&mut state, MEMORY_KEPT).timed_out() {
                    MutexGuard::unlocked(&mut state, || *workspace = Workspace::default());
                }
            }
            None => shared.changed.wait(&mut state),
        }
    }
}

impl Job {
    /// Whether its caller is still there.
    fn is_wanted(&self) -> bool {
        match self {
            Self::Verify { answer, .. } => !answer.is_closed(),
            Self::Hash { answer, .. } => !answer.is_closed(),
        }
    }

    fn carry_out(self, workspace: &mut Workspace) {
        // A caller that has left meanwhile misses nothing.
        match self {
            Self::Verify {
                password,
                against,
                answer,
            } => {
                let _ = answer.send(workspace.verify(&password, &against));
            }
            Self::Hash {
                password,
                params,
                answer,
            } => {
                let _ = answer.send(workspace.hash(&password, params));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::queue::{PEER_JOBS_MAX, QUEUE_JOBS_MAX};
    use super::*;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    const FLOOD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn cheap() -> HashParams {
        HashParams::new(8, 1).unwrap()
    }

    fn secret() -> Secret {
        Secret::new("pass".to_owned())
    }

    /// A pool whose one thread never comes to work.
    fn idle_pool() -> HashPool {
        let shared = Arc::new(Shared::default());
        shared.state.lock().threads = 1;
        HashPool {
            shared,
            params: cheap(),
        }
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn waiting(pool: &HashPool) -> usize {
        pool.shared.state.lock().queue.len()
    }

    #[tokio::test]
    async fn a_hashed_password_is_verified_and_another_is_not() {
        let pool = HashPool::new(2, cheap());
        let hash = pool.hash(FLOOD, secret()).await.unwrap();
        assert_eq!(
            pool.verify(FLOOD, secret(), Arc::clone(&hash)).await,
            Ok(true)
        );
        let wrong = Secret::new("wrong".to_owned());
        assert_eq!(pool.verify(OTHER, wrong, hash).await, Ok(false));
    }

    #[tokio::test]
    async fn hashing_threads_give_way_to_the_others() {
        let pool = HashPool::new(1, cheap());
        // Once it has hashed, the thread has set itself up.
        pool.hash(FLOOD, secret()).await.unwrap();
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let nice = tasks.filter_map(|task| {
            // Threads of other tests may end meanwhile.
            let stat = std::fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
            let (name, fields) = stat.rsplit_once(") ")?;
            let nice = fields.split(' ').nth(16)?.parse().ok()?;
            name.contains("(tillgate-hash").then_some(nice)
        });
        assert!(nice.collect::<Vec<i32>>().contains(&NICENESS));
    }

    #[tokio::test]
    async fn many_callers_at_once_all_get_their_answer() {
        let pool = Arc::new(HashPool::new(2, cheap()));
        let hash = pool.hash(FLOOD, secret()).await.unwrap();
        let callers: Vec<_> = (0..200_u8)
            .map(|number| {
                let (pool, hash) = (Arc::clone(&pool), Arc::clone(&hash));
                let peer = IpAddr::from([10, 0, 1, number]);
                tokio::spawn(async move { pool.verify(peer, secret(), hash).await })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), Ok(true));
        }
    }

    #[test]
    fn an_address_has_its_share_and_the_queue_its_bound() {
        let pool = idle_pool();
        let submit = |peer| {
            let mut waits = Box::pin(pool.hash(peer, secret()));
            (poll(waits.as_mut()), waits)
        };
        let mut waits = Vec::new();
        for _ in 0..PEER_JOBS_MAX {
            let (outcome, wait) = submit(FLOOD);
            assert!(outcome.is_pending());
            waits.push(wait);
        }
        assert_eq!(submit(FLOOD).0, Poll::Ready(Err(PoolError::Busy)));
        while waits.len() < QUEUE_JOBS_MAX {
            let number = u32::try_from(waits.len()).unwrap();
            let (outcome, wait) = submit(IpAddr::V4((0x0b00_0000 + number).into()));
            assert!(outcome.is_pending());
            waits.push(wait);
        }
        assert_eq!(submit(OTHER).0, Poll::Ready(Err(PoolError::Busy)));
    }

    #[test]
    fn a_caller_that_has_left_makes_room_and_costs_nothing() {
        let pool = idle_pool();
        for _ in 0..10 * PEER_JOBS_MAX {
            let mut leaves = pin!(pool.hash(FLOOD, secret()));
            assert!(poll(leaves.as_mut()).is_pending());
        }
        let mut stays = pin!(pool.hash(FLOOD, secret()));
        assert!(poll(stays.as_mut()).is_pending());

        // The thread comes to work: the first job it takes is the one wanted.
        let mut workspace = Workspace::default();
        let job = next(&pool.shared, &mut workspace).unwrap();
        assert!(job.is_wanted());
        assert_eq!(waiting(&pool), 0);
        job.carry_out(&mut workspace);
        assert!(matches!(poll(stays.as_mut()), Poll::Ready(Ok(_))));
    }

    #[test]
    fn threads_end_when_the_pool_is_dropped_and_who_waits_is_told() {
        let pool = HashPool::new(3, cheap());
        let shared = Arc::downgrade(&pool.shared);
        drop(pool);
        let started = Instant::now();
        while shared.strong_count() > 0 {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "the threads do not end"
            );
            std::thread::yield_now();
        }

        let idle = idle_pool();
        let (answer, mut outcome) = oneshot::channel();
        let against = password::dummy(cheap());
        idle.submit(
            FLOOD,
            Job::Verify {
                password: secret(),
                against,
                answer,
            },
        )
        .unwrap();
        drop(idle);
        assert_eq!(
            outcome.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        );
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_one_share() {
        let share = |text: &str| share_of(text.parse().unwrap());
        assert_eq!(share("2001:db8::1"), share("2001:db8::ffff:1"));
        assert_ne!(share("2001:db8::1"), share("2001:db8:0:1::1"));
        assert_eq!(share("::ffff:10.0.0.1"), share("10.0.0.1"));
        assert_ne!(share("10.0.0.1"), share("10.0.0.2"));
    }
}
