//! `tillgate tls self-signed`: a certificate for a server in a shop that nobody
//! else vouches for.
//!
//! Two certificates are made. One vouches for the other and is what clients are
//! told to trust; phones and browsers take nothing else for that. Its key signs
//! once and is forgotten: whoever trusts it trusts this one server, and nobody
//! can make a second one.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Datelike};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::DnsName;

use super::args::SelfSigned;
use super::exit::{Exit, Failure};
use crate::clock::{BUILT_AFTER, SystemTimeSource, TimeSource};
use crate::config::Config;
use crate::model::Timestamp;
use crate::server::fingerprint;

/// The key of the server.
const KEY: &str = "server.key";
/// Its certificate, and the one that vouches for it.
const CERTIFICATE: &str = "server.pem";
/// What clients are told to trust.
const TRUST: &str = "trust.pem";

const DAY: Duration = Duration::from_hours(24);

/// What is written.
struct Made {
    key: String,
    certificate: String,
    trust: String,
    fingerprint: String,
}

/// Makes the three files and says what to do with them.
pub fn make(args: &SelfSigned) -> Result<(), Failure> {
    let now = SystemTimeSource.wall();
    if now < BUILT_AFTER {
        let sentence = format!(
            "the computer's clock says {now}; set it first: a certificate counts from now on"
        );
        return Err(Failure::new(Exit::Failure, sentence));
    }
    let names = names(&args.names)?;
    let until = now.plus(DAY * args.days);
    let made = certificates(&names, now, until).map_err(|error| {
        Failure::new(
            Exit::Failure,
            format!("the certificate can not be made: {error}"),
        )
    })?;
    let Files {
        key,
        certificate,
        trust,
    } = write(&args.out, &made)?;
    let shown: Vec<String> = names.iter().map(spelled).collect();
    out!("key          {}: it stays here", key.display());
    out!("certificate  {}", certificate.display());
    out!(
        "trust        {}: clients trust the server by it",
        trust.display()
    );
    out!("names        {}", shown.join(", "));
    out!("good until   {} ({} days)", day(until), args.days);
    out!("SHA-256      {}", made.fingerprint);
    out!("");
    out!(
        "tillgate serve --listen 0.0.0.0:4000 --tls-cert {} --tls-key {}",
        certificate.display(),
        key.display()
    );
    Ok(())
}

/// The names that the server is known by, each once.
fn names(given: &[String]) -> Result<Vec<SanType>, Failure> {
    let usual = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    // A machine may have a name that no certificate can have.
    let own = Config::host_name().filter(|name| san(name).is_some());
    let mut names = Vec::new();
    for name in usual.iter().chain(&own).chain(given) {
        let san = san(name).ok_or_else(|| {
            let sentence = format!(
                "--name: '{name}' is neither a name nor an address; write it as shop.example or 192.168.1.10"
            );
            Failure::new(Exit::Usage, sentence)
        })?;
        if !names.contains(&san) {
            names.push(san);
        }
    }
    Ok(names)
}

fn san(name: &str) -> Option<SanType> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Some(SanType::IpAddress(address));
    }
    let name = name.to_ascii_lowercase();
    DnsName::try_from(name.as_str()).ok()?;
    Some(SanType::DnsName(name.try_into().ok()?))
}

fn spelled(name: &SanType) -> String {
    match name {
        SanType::DnsName(name) => name.as_str().to_owned(),
        SanType::IpAddress(address) => address.to_string(),
        other => format!("{other:?}"),
    }
}

fn certificates(names: &[SanType], now: Timestamp, until: Timestamp) -> Result<Made, rcgen::Error> {
    let title = spelled(names.last().expect("localhost is one"));
    let params = |common_name: String| {
        let date = |time: Timestamp| {
            let day = calendar(time);
            let part = |number: u32| u8::try_from(number).expect("months and days are small");
            date_time_ymd(day.year(), part(day.month()), part(day.day()))
        };
        let mut params = CertificateParams::default();
        // A till whose clock is a little behind may come, too.
        params.not_before = date(now.minus(DAY));
        params.not_after = date(until);
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, common_name);
        params.distinguished_name = name;
        params
    };
    let mut issuer = params(format!("Tillgate at {title}, made {}", day(now)));
    issuer.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    issuer.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let (issuer_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
    let trust = issuer.self_signed(&issuer_key)?;
    let mut server = params(title);
    names.clone_into(&mut server.subject_alt_names);
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let issuer = rcgen::Issuer::new(issuer, issuer_key);
    let certificate = server.signed_by(&key, &issuer)?;
    Ok(Made {
        key: key.serialize_pem(),
        certificate: certificate.pem() + &trust.pem(),
        trust: trust.pem(),
        fingerprint: fingerprint(certificate.der()),
    })
}

/// The files, by what they are.
struct Files {
    key: PathBuf,
    certificate: PathBuf,
    trust: PathBuf,
}

/// Writes all three, or none. What is there is left alone: somebody may trust it.
fn write(folder: &Path, made: &Made) -> Result<Files, Failure> {
    let [key, certificate, trust] = [KEY, CERTIFICATE, TRUST].map(|name| folder.join(name));
    if let Some(there) = [&key, &certificate, &trust]
        .into_iter()
        .find(|path| path.exists())
    {
        let sentence = format!(
            "--out: {} is there already, and clients may trust it; choose another folder",
            there.display()
        );
        return Err(Failure::new(Exit::Refused, sentence));
    }
    let failure = |path: &Path, error: &std::io::Error| {
        let sentence = format!(
            "--out: {}: {error}; choose a folder that can be written",
            path.display()
        );
        Failure::new(Exit::Io, sentence)
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o755);
    builder
        .create(folder)
        .map_err(|error| failure(folder, &error))?;
    let files = [
        (&key, &made.key, 0o600),
        (&certificate, &made.certificate, 0o644),
        (&trust, &made.trust, 0o644),
    ];
    for (at, (path, text, mode)) in files.iter().enumerate() {
        if let Err(error) = write_new(path, text, *mode) {
            for (begun, ..) in &files[..at] {
                // What is left of it is only in the way.
                let _ = std::fs::remove_file(begun);
            }
            return Err(failure(path, &error));
        }
    }
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| failure(folder, &error))?;
    Ok(Files {
        key,
        certificate,
        trust,
    })
}

fn write_new(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn calendar(time: Timestamp) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp(time.seconds_floor(), 0).unwrap_or_default()
}

fn day(time: Timestamp) -> String {
    calendar(time).format("%Y-%m-%d").to_string()
}
