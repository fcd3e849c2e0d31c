//! One POST to another server. Stands apart because it is the only thing that
//! Tillgate asks of others: what may be reached, for how long, and what of the
//! answer is read, is decided here.
//!
//! A name is looked up once and the connection goes to an address that was looked
//! at, so a name that changes its mind leads nowhere else. Nothing is followed,
//! and of the answer the status alone is read. Each POST has a connection of its
//! own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, crypto};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::model::{WebhookUrl, is_link_local};

/// From the look-up of the name to the status of the answer.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// The head of an answer; what is longer is none.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Why a parcel was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// The name has no address.
    #[error("the host's name has no address")]
    NoAddress,
    /// All its addresses are of the local link.
    #[error("the host has a link-local address, which is not asked")]
    LinkLocal,
    /// Nobody listens there, or the way is cut.
    #[error("no connection: {0}")]
    NoConnection(io::ErrorKind),
    /// The certificate is not good, or no TLS is spoken there.
    #[error("no TLS: {0}")]
    NoTls(String),
    /// This computer trusts no authority.
    #[error("no TLS: this computer has no certificates of authorities; install ca-certificates")]
    NoAuthorities,
    /// The connection ended before a whole answer, or it was no HTTP.
    #[error("the connection ended without an answer")]
    NoAnswer,
    /// Nothing came in time.
    #[error("no answer within 10 s")]
    TooSlow,
    /// Another status than 2xx; redirects are not followed.
    #[error("answered {0}")]
    Status(u16),
}

impl Undelivered {
    /// Whether the receiver has understood and does not want it: it will not want
    /// it later either.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        let later = [
            StatusCode::REQUEST_TIMEOUT.as_u16(),
            StatusCode::TOO_MANY_REQUESTS.as_u16(),
        ];
        matches!(self, Self::Status(status @ 400..500) if !later.contains(status))
    }
}

/// Brings parcels to other servers.
#[derive(Debug, Default)]
pub struct Courier {
    /// Read from the computer's store when the first parcel needs it.
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Courier {
    /// Posts JSON with these headers besides; answers the status, which is 2xx.
    ///
    /// # Errors
    /// [`Undelivered`]. It may have arrived all the same.
    pub async fn post(
        &self,
        url: &WebhookUrl,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<u16, Undelivered> {
        let posting = self.post_in_time(url, headers, body);
        let posted = tokio::time::timeout(DEADLINE, posting).await;
        let status = posted.unwrap_or(Err(Undelivered::TooSlow))?;
        if status.is_success() {
            Ok(status.as_u16())
        } else {
            Err(Undelivered::Status(status.as_u16()))
        }
    }

    async fn post_in_time(
        &self,
        url: &WebhookUrl,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<StatusCode, Undelivered> {
        let url: Uri = url.as_str().parse().expect("it was read as one");
        let authority = url.authority().expect("it was looked for");
        let is_tls = url.scheme_str() == Some("https");
        let host = authority.host();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = authority
            .port_u16()
            .unwrap_or(if is_tls { 443 } else { 80 });
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().expect("it was part of an address");
        let plain = |text: &str| HeaderValue::from_str(text).expect("it is plain text");
        let all = request.headers_mut();
        all.insert(HOST, plain(authority.as_str()));
        all.insert(CONNECTION, HeaderValue::from_static("close"));
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            all.insert(HeaderName::from_static(name), plain(value));
        }
        let stream = connect(host, port).await?;
        if !is_tls {
            return send(stream, request).await;
        }
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| Undelivered::NoTls("the host is no name".to_owned()))?;
        let connector = TlsConnector::from(self.tls().await?);
        let stream = connector.connect(name, stream).await;
        send(stream.map_err(|error| no_tls(&error))?, request).await
    }

    async fn tls(&self) -> Result<Arc<ClientConfig>, Undelivered> {
        let read = || async {
            let read = tokio::task::spawn_blocking(client_config).await;
            read.unwrap_or(Err(Undelivered::NoAuthorities))
        };
        self.tls.get_or_try_init(read).await.map(Arc::clone)
    }
}

/// The authorities that this computer trusts: a shop may have one of its own.
fn client_config() -> Result<Arc<ClientConfig>, Undelivered> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Undelivered::NoAuthorities);
    }
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// rustls says what is wrong with the certificate; the system's sentences stay
/// out.
fn no_tls(error: &io::Error) -> Undelivered {
    let of_tls = error.get_ref().map(ToString::to_string);
    Undelivered::NoTls(of_tls.unwrap_or_else(|| error.kind().to_string()))
}

/// A connection to the first address that is fit and takes it.
async fn connect(host: &str, port: u16) -> Result<TcpStream, Undelivered> {
    let found = tokio::net::lookup_host((host, port)).await;
    let addresses = found.map_err(|_| Undelivered::NoAddress)?;
    let mut failed = Undelivered::NoAddress;
    for address in addresses.take(ADDRESSES_MAX) {
        if is_link_local(address.ip()) {
            failed = Undelivered::LinkLocal;
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Undelivered::NoConnection(error.kind()),
        }
    }
    Err(failed)
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<StatusCode, Undelivered> {
    let mut client = hyper::client::conn::http1::Builder::new();
    client.max_buf_size(HEAD_BYTES_MAX);
    let shaken = client.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|_| Undelivered::NoAnswer)?;
    // Dropped with this call, and the connection with it.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request).await;
    answer
        .map(|answer| answer.status())
        .map_err(|_| Undelivered::NoAnswer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_looked_at_behind_the_look_up() {
        for host in [
            "169.254.169.254",
            "2852039166",
            "fe80::1",
            "::ffff:169.254.0.1",
        ] {
            let refused = connect(host, 80).await.map(drop);
            assert_eq!(refused, Err(Undelivered::LinkLocal), "{host}");
        }
    }

    #[test]
    fn a_refusal_is_a_4xx_that_will_not_be_another_answer_later() {
        let is_refusal = |status: u16| Undelivered::Status(status).is_refusal();
        assert!([400, 401, 404, 410, 422].into_iter().all(is_refusal));
        assert!(![301, 408, 429, 500, 503].into_iter().any(is_refusal));
        assert!(!Undelivered::TooSlow.is_refusal());
    }
}
