//! A panic in one request must not end the others: it becomes a 500, and the
//! log says where.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The handler panicked; the panic hook has already said where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Panicked;

/// Carries a handler out; a panic is an error like any other.
///
/// What the handler holds is dropped with it, and everything shared is behind
/// locks that do not poison, so going on is safe.
pub(super) async fn caught<T>(handler: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut handler = pin!(handler);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx)));
        polled.map_or_else(|_| Poll::Ready(Err(told())), |polled| polled.map(Ok))
    })
    .await
}

/// As [`caught`], of a handler that waits for nothing.
pub(super) fn caught_at_once<T>(handler: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(handler)).map_err(|_| told())
}

fn told() -> Panicked {
    tracing::error!(target: "http", "a handler panicked");
    Panicked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error() {
        assert_eq!(caught(async { 7 }).await, Ok(7));
        let panics = async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "on purpose");
        };
        assert_eq!(caught(panics).await, Err(Panicked));
        let panics = || assert!(std::hint::black_box(false), "on purpose");
        assert_eq!(caught_at_once(panics), Err(Panicked));
    }
}
