//! The order in which waiting passwords get their turn: one share for each
//! address, round-robin over the addresses. Pure, so that fairness is tested
//! without threads.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// Jobs that wait at once, of all addresses.
pub(super) const QUEUE_JOBS_MAX: usize = 1_024;
/// Jobs that wait at once of one address: about a second of hashing.
pub(super) const PEER_JOBS_MAX: usize = 64;

/// No more can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Jobs by address.
///
/// Invariant: an address stands in `turns` once if it stands in `jobs`, and not
/// at all otherwise; `len` is the number of all jobs.
#[derive(Debug)]
pub(super) struct Queue<T> {
    jobs: HashMap<IpAddr, VecDeque<T>>,
    turns: VecDeque<IpAddr>,
    len: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            jobs: HashMap::new(),
            turns: VecDeque::new(),
            len: 0,
        }
    }
}

impl<T> Queue<T> {
    /// Queues a job behind those of the same address. When the address has
    /// used up its share, jobs of its own that nobody wants any more make room.
    pub(super) fn push(
        &mut self,
        peer: IpAddr,
        job: T,
        is_wanted: impl Fn(&T) -> bool,
    ) -> Result<(), Full> {
        if let Some(own) = self.jobs.get_mut(&peer)
            && own.len() >= PEER_JOBS_MAX
        {
            own.retain(is_wanted);
            self.len -= PEER_JOBS_MAX - own.len();
            if own.len() >= PEER_JOBS_MAX {
                return Err(Full);
            }
        }
        if self.len >= QUEUE_JOBS_MAX {
            return Err(Full);
        }
        let turns = &mut self.turns;
        let own = self.jobs.entry(peer).or_insert_with(|| {
            turns.push_back(peer);
            VecDeque::new()
        });
        own.push_back(job);
        self.len += 1;
        Ok(())
    }

    /// The oldest job of the address whose turn it is; the address goes to the
    /// end of the line.
    pub(super) fn pop(&mut self) -> Option<T> {
        while let Some(peer) = self.turns.pop_front() {
            let own = self
                .jobs
                .get_mut(&peer)
                .expect("whoever has a turn has an entry");
            let job = own.pop_front();
            if own.is_empty() {
                self.jobs.remove(&peer);
            } else {
                self.turns.push_back(peer);
            }
            if job.is_some() {
                self.len -= 1;
                return job;
            }
        }
        None
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    /// Queues jobs of which none is given up; each job is its peer and number.
    fn push(queue: &mut Queue<(u8, usize)>, from: u8, jobs: usize) {
        for number in 0..jobs {
            queue.push(peer(from), (from, number), |_| true).unwrap();
        }
    }

    #[test]
    fn behind_a_flood_from_one_address_the_first_of_another_comes_within_two_turns() {
        let mut queue = Queue::default();
        push(&mut queue, 1, PEER_JOBS_MAX);
        queue.pop();
        push(&mut queue, 2, 1);

        let next_two = [queue.pop(), queue.pop()];

        assert!(next_two.contains(&Some((2, 0))), "{next_two:?}");
    }

    #[test]
    fn addresses_take_turns_and_each_keeps_its_own_order() {
        let mut queue = Queue::default();
        push(&mut queue, 1, 4);
        push(&mut queue, 2, 2);
        push(&mut queue, 3, 1);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(
            order,
            [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2), (1, 3)]
        );
        assert_eq!(queue.len(), 0);
        assert!(queue.jobs.is_empty() && queue.turns.is_empty());
    }

    #[test]
    fn whoever_comes_again_and_again_does_not_come_first_again_and_again() {
        let mut queue = Queue::default();
        push(&mut queue, 2, 3);
        let mut order = Vec::new();
        for _ in 0..6 {
            push(&mut queue, 1, 1);
            order.extend(queue.pop().map(|(from, _)| from));
        }
        assert_eq!(order, [2, 1, 2, 1, 2, 1]);
    }

    #[test]
    fn an_address_waits_with_no_more_than_its_share_and_all_with_no_more_than_the_bound() {
        let mut queue = Queue::default();
        push(&mut queue, 1, PEER_JOBS_MAX);
        assert_eq!(queue.push(peer(1), (1, 99), |_| true), Err(Full));
        for from in 2.. {
            if queue.len() == QUEUE_JOBS_MAX {
                break;
            }
            push(&mut queue, from, PEER_JOBS_MAX);
        }
        assert_eq!(queue.push(peer(200), (200, 0), |_| true), Err(Full));
        queue.pop();
        assert_eq!(queue.push(peer(200), (200, 0), |_| true), Ok(()));
    }

    #[test]
    fn jobs_that_nobody_wants_make_room_for_their_own_address() {
        let mut queue = Queue::default();
        push(&mut queue, 1, PEER_JOBS_MAX);
        push(&mut queue, 2, 1);

        queue
            .push(peer(1), (1, 99), |&(_, number)| number % 2 == 0)
            .unwrap();
        assert_eq!(queue.len(), PEER_JOBS_MAX / 2 + 2);

        push(&mut queue, 1, PEER_JOBS_MAX / 2 - 1);
        queue.push(peer(1), (1, 99), |_| false).unwrap();
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(rest, [(1, 99), (2, 0)]);
    }
}
