//! A connection that goes on as something else than HTTP. A handler puts what
//! goes on into its 101; the server hands it the bare connection once HTTP has
//! sent that answer, and counts it as a connection to its end.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// The bare connection: a socket, or TLS on it.
pub(super) type Wire = Box<dyn Duplex>;

type Carried = Pin<Box<dyn Future<Output = ()> + Send>>;
type Carrier = Box<dyn FnOnce(Wire, Bytes) -> Carried + Send>;

/// What goes on with a connection. Shared, since answers carry nothing else;
/// it goes on once.
#[derive(Clone)]
pub struct Upgrade(Arc<Mutex<Option<Carrier>>>);

impl Upgrade {
    pub(super) fn new<F>(carry: impl FnOnce(Wire, Bytes) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let carrier: Carrier = Box::new(|stream, read| Box::pin(carry(stream, read)));
        Self(Arc::new(Mutex::new(Some(carrier))))
    }

    /// Carries the connection to its end. `read` came behind the request and is
    /// the beginning of what follows.
    pub async fn carry(self, stream: impl Duplex + 'static, read: Bytes) {
        let carrier = self.0.lock().take();
        if let Some(carry) = carrier {
            carry(Box::new(stream), read).await;
        }
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgrade")
    }
}
