//! The certificate of a running server: read at the start, and again at SIGHUP.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::signal::unix::Signal;

use super::exit::{Exit, Failure};
use super::notify::Manager;
use crate::config::Config;
use crate::model::Timestamp;
use crate::server::{Certificate, CertificateFiles, Tls, Transport};
use crate::service::App;
use crate::service::certificate::{InUse, Term};
use crate::store::sled::SledStore;

/// How this server speaks with its clients.
pub enum Speech {
    /// Without TLS.
    Plain,
    /// With this certificate at first.
    Tls(Arc<Tls>, InUse),
}

impl Speech {
    /// Reads the files of the certificate, where the configuration names them.
    pub fn open(config: &Config) -> Result<Self, Failure> {
        let named = config.tls.cert.clone().zip(config.tls.key.clone());
        let Some((certificate, key)) = named else {
            return Ok(Self::Plain);
        };
        let files = CertificateFiles { certificate, key };
        let (tls, certificate) =
            Tls::open(files).map_err(|error| Failure::new(Exit::Config, error))?;
        Ok(Self::Tls(Arc::new(tls), in_use(certificate)))
    }

    /// What clients at this address are to ask for.
    pub fn url(&self, address: SocketAddr) -> String {
        match self {
            Self::Plain => format!("http://{address}"),
            Self::Tls(..) => format!("https://{address}"),
        }
    }

    /// For the server.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Plain => Transport::Plain,
            Self::Tls(tls, _) => Transport::Tls(Arc::clone(tls)),
        }
    }

    /// Tells health and the log of the certificate. What is given back reads it
    /// again whenever somebody says so, tells the service manager, and is never
    /// done.
    pub fn look_after(
        self,
        app: Arc<App<SledStore>>,
        mut hangups: Signal,
        manager: Option<Arc<Manager>>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let tls = match self {
            Self::Plain => None,
            Self::Tls(tls, certificate) => {
                take(&app, certificate);
                Some(tls)
            }
        };
        async move {
            while hangups.recv().await.is_some() {
                let reload = reload(&app, tls.clone());
                match &manager {
                    None => reload.await,
                    Some(manager) => manager.during(reload).await,
                }
            }
        }
    }
}

async fn reload(app: &App<SledStore>, tls: Option<Arc<Tls>>) {
    let Some(tls) = tls else {
        tracing::info!(target: "tls", "SIGHUP: there is no certificate to read again");
        return;
    };
    // Disks can be slow, and requests go on.
    let read = tokio::task::spawn_blocking(move || tls.reload()).await;
    match read {
        Ok(Ok(certificate)) => take(app, in_use(certificate)),
        Ok(Err(error)) => {
            app.certificate.kept_old();
            tracing::error!(
                target: "tls",
                "the certificate from before is kept: {error}; then send SIGHUP again"
            );
        }
        // It was stopped in between.
        Err(_) => {}
    }
}

fn in_use(certificate: Certificate) -> InUse {
    let Certificate {
        fingerprint,
        from,
        until,
    } = certificate;
    InUse {
        fingerprint,
        from,
        until,
    }
}

fn take(app: &App<SledStore>, certificate: InUse) {
    tell(&certificate, app.now());
    app.certificate.took(certificate);
}

/// What the log says of a certificate that is taken into use.
fn tell(certificate: &InUse, now: Timestamp) {
    let InUse {
        fingerprint,
        from,
        until,
    } = certificate;
    tracing::info!(target: "tls", sha256 = fingerprint, %until, "the certificate in use");
    match certificate.term(now) {
        Term::Good => {}
        Term::EndsSoon => tracing::warn!(
            target: "tls", %until,
            "the certificate ends soon: put a new one in place of tls.cert and tls.key, and send SIGHUP"
        ),
        Term::Over => tracing::warn!(
            target: "tls", %until,
            "the certificate is over, clients refuse it: put a new one in place of tls.cert and tls.key, and send SIGHUP"
        ),
        Term::NotYet => tracing::warn!(
            target: "tls", %from,
            "the certificate is not good yet: is the computer's clock right?"
        ),
    }
}
