//! The files of a certificate and its key: what is read of them, and what is
//! said when something is wrong with them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use x509_cert::der::Decode;

use crate::model::Timestamp;

/// A chain of certificates is shorter.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Everybody: reading, writing, executing. A group may be meant to read, as
/// Debian's `ssl-cert` is.
const FOREIGN_BITS: u32 = 0o007;
/// How a key begins that nobody can use without its pass phrase.
const LOCKED: [&str; 2] = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

/// Where a certificate and its key lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the certificate first, then those that vouch for it.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// What people want to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The SHA-256 of it, as browsers and openssl spell it.
    pub fingerprint: String,
    /// From when on it is good.
    pub from: Timestamp,
    /// Until when it is good.
    pub until: Timestamp,
}

/// Why there is no certificate to serve with. Each sentence names the option,
/// the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can not be read.
    #[error("{option}: {}: {error}; it must be readable for this user", .path.display())]
    Io {
        /// The option that names the file.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is no certificate in the file.
    #[error(
        "tls.cert: {} holds no certificate; name a PEM file that has one (BEGIN CERTIFICATE)",
        .path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate is none that can be read.
    #[error(
        "tls.cert: {}: certificate {number} can not be read ({why}); ask whoever issued it for the \
         file in PEM",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which of the file, from 1.
        number: usize,
        /// What is wrong.
        why: String,
    },
    /// The key can be read by everybody on the machine.
    #[error(
        "tls.key: {} can be read by all users (mode {mode:03o}); run: chmod o-rwx {}",
        .path.display(),
        .path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is no key in the file.
    #[error(
        "tls.key: {} holds no private key; name a PEM file that has one (BEGIN PRIVATE KEY)",
        .path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key has a pass phrase.
    #[error(
        "tls.key: {} is locked with a pass phrase that nobody types at a start; unlock it with: \
         openssl pkey -in {} -out FILE",
        .path.display(),
        .path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The key is of a kind that TLS is not done with here.
    #[error("tls.key: {}: {why}; use an ECDSA (P-256, P-384), Ed25519 or RSA key", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The key is another one's.
    #[error(
        "tls.key: {} is not the key of the first certificate in {}; name the key that belongs to \
         it, and put the server's certificate before those that vouch for it",
        .key.display(),
        .certificate.display()
    )]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
}

impl CertificateFiles {
    /// Reads both and sees whether they belong together.
    ///
    /// # Errors
    /// [`CertificateError`]
    pub(super) fn read(&self) -> Result<(CertifiedKey, Certificate), CertificateError> {
        let chain = chain(&self.certificate)?;
        let certificate = look_at(&self.certificate, &chain)?;
        let key = key(&self.key)?;
        let key = CertifiedKey::from_der(chain, key, &default_provider());
        let key = key.map_err(|error| match error {
            TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::Mismatch {
                    certificate: self.certificate.clone(),
                    key: self.key.clone(),
                }
            }
            other => CertificateError::Unusable {
                path: self.key.clone(),
                why: other.to_string(),
            },
        })?;
        Ok((key, certificate))
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let (_, text) = read("tls.cert", path)?;
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let damaged = |error: rustls::pki_types::pem::Error| CertificateError::Damaged {
            path: path.to_owned(),
            number: chain.len() + 1,
            why: error.to_string(),
        };
        let certificate = certificate.map_err(damaged)?;
        chain.push(certificate);
    }
    if chain.is_empty() {
        let path = path.to_owned();
        return Err(CertificateError::NoCertificate { path });
    }
    Ok(chain)
}

/// What the first of a chain says; the others must be readable, too.
fn look_at(path: &Path, chain: &[CertificateDer<'_>]) -> Result<Certificate, CertificateError> {
    let mut first = None;
    for (at, der) in chain.iter().enumerate() {
        let read = x509_cert::Certificate::from_der(der);
        let read = read.map_err(|error| CertificateError::Damaged {
            path: path.to_owned(),
            number: at + 1,
            why: error.to_string(),
        })?;
        first.get_or_insert(read);
    }
    let first = first.expect("a chain is not empty");
    let validity = first.tbs_certificate().validity();
    let time = |time: &x509_cert::time::Time| {
        let millis = time.to_unix_duration().as_millis();
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    };
    Ok(Certificate {
        fingerprint: fingerprint(&chain[0]),
        from: time(&validity.not_before),
        until: time(&validity.not_after),
    })
}

/// The SHA-256 of a certificate, as browsers and openssl spell it.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    let digest = digest(&SHA256, der);
    let pairs: Vec<String> = digest.as_ref().iter().map(|b| format!("{b:02X}")).collect();
    pairs.join(":")
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let (mode, text) = read("tls.key", path)?;
    let path = || path.to_owned();
    if mode & FOREIGN_BITS != 0 {
        return Err(CertificateError::Open { path: path(), mode });
    }
    let found = PrivateKeyDer::from_pem_slice(&text);
    found.map_err(|_| {
        let text = String::from_utf8_lossy(&text);
        if LOCKED.iter().any(|locked| text.contains(locked)) {
            CertificateError::Locked { path: path() }
        } else {
            CertificateError::NoKey { path: path() }
        }
    })
}

/// The permission bits and the bytes of a file.
fn read(option: &'static str, path: &Path) -> Result<(u32, Vec<u8>), CertificateError> {
    let failure = |error| CertificateError::Io {
        option,
        path: path.to_owned(),
        error,
    };
    let file = File::open(path).map_err(failure)?;
    // Asked of the open file, not of the path, which could name another by then.
    let mode = file.metadata().map_err(failure)?.mode() & 0o777;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failure)?;
    Ok((mode, bytes))
}
