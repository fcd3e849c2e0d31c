//! TLS before HTTP: the handshake with its deadline, and the certificate that
//! can be changed while connections are there.

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::certificate::{Certificate, CertificateError, CertificateFiles};
use super::{Stage, Terms, http1, http2};
use crate::http::Answers;

/// HTTP/2, as ALPN names it.
const HTTP_2: &[u8] = b"h2";
/// HTTP/1.1, as ALPN names it.
const HTTP_1_1: &[u8] = b"http/1.1";

/// With which certificate handshakes are made.
pub struct Tls {
    files: CertificateFiles,
    /// The whole configuration is changed, and what resumed sessions go on
    /// from with it: nobody goes on from the key that was given up.
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`CertificateError`], with the option and the remedy.
    pub fn open(files: CertificateFiles) -> Result<(Self, Certificate), CertificateError> {
        let (config, certificate) = configuration(&files)?;
        let current = RwLock::new(Arc::new(config));
        Ok((Self { files, current }, certificate))
    }

    /// Reads the files again. Handshakes that begin from here on are made with
    /// what they hold now; connections that are there go on.
    ///
    /// # Errors
    /// [`CertificateError`]: everything stays as it was.
    pub fn reload(&self) -> Result<Certificate, CertificateError> {
        let (config, certificate) = configuration(&self.files)?;
        *self.current.write() = Arc::new(config);
        Ok(certificate)
    }

    fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.read()).into()
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// TLS 1.2 and 1.3, without certificates of clients.
fn configuration(
    files: &CertificateFiles,
) -> Result<(ServerConfig, Certificate), CertificateError> {
    let (key, certificate) = files.read()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has suites for both")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
    Ok((config, certificate))
}

/// Serves one connection to its end, from the handshake on. The handshake has
/// the time of a first byte.
pub(super) async fn serve<A: Answers>(stream: TcpStream, tls: &Tls, terms: Terms<A>) {
    let mut stop = terms.stop.clone();
    let handshake = tls.acceptor().accept(stream);
    let met = tokio::select! {
        met = tokio::time::timeout(terms.limits.first_byte_timeout, handshake) => met,
        () = stop.reached(Stage::Draining) => return,
    };
    match met {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) => {
            http2::serve(stream, terms).await;
        }
        Ok(Ok(stream)) => http1::serve(stream, terms).await,
        // The client has been told why; what it makes of it is its own affair.
        Ok(Err(error)) => {
            let peer = terms.peer.address.ip();
            tracing::debug!(target: "http", %error, %peer, "a TLS handshake failed");
        }
        Err(_) => {}
    }
}
