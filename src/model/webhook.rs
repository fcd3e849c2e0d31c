//! Webhooks: where other servers are told of changes, and of which.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{Version, WebhookId};

/// Longest address, in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// The kinds of things whose changes are told, by their names in notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ResourceKind {
    /// Sessions: created, refreshed, ended.
    Session = 1,
    /// Users.
    User = 2,
    /// Devices.
    Device = 3,
    /// Roles.
    Role = 4,
    /// API keys.
    ApiKey = 5,
    /// Webhooks themselves.
    Webhook = 6,
}

/// The text names no kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be session, user, device, role, apiKey or webhook")]
pub struct UnknownKind;

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Session,
        Self::User,
        Self::Device,
        Self::Role,
        Self::ApiKey,
        Self::Webhook,
    ];

    /// The spelling on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::User => "user",
            Self::Device => "device",
            Self::Role => "role",
            Self::ApiKey => "apiKey",
            Self::Webhook => "webhook",
        }
    }

    /// Reads a name, in any case.
    ///
    /// # Errors
    /// [`UnknownKind`].
    pub fn parse(text: &str) -> Result<Self, UnknownKind> {
        let named = |kind: &Self| kind.as_str().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(named).ok_or(UnknownKind)
    }

    /// From its number on disk.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// Why a text is no address of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookUrlError {
    /// Not such an address.
    #[error("must be an address that begins with http:// or https:// and names a host")]
    NoUrl,
    /// A user name or password in it would be in every list.
    #[error("must not hold a user name or password")]
    Credentials,
    /// Longer than 2,048 bytes.
    #[error("must have at most 2048 characters")]
    TooLong,
    /// There, cloud machines tell their own secrets.
    #[error("must not name a link-local address")]
    LinkLocal,
}

/// Where a webhook is told: `http` or `https`, a host, perhaps a port, a path and
/// a query.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Arc<str>);

impl WebhookUrl {
    /// Reads an address; it is kept as it is written.
    ///
    /// # Errors
    /// [`WebhookUrlError`].
    pub fn parse(text: &str) -> Result<Self, WebhookUrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(WebhookUrlError::TooLong);
        }
        // What stands behind a '#' is never sent.
        if !text.is_ascii() || text.contains('#') {
            return Err(WebhookUrlError::NoUrl);
        }
        let url: hyper::Uri = text.parse().map_err(|_| WebhookUrlError::NoUrl)?;
        let is_web = matches!(url.scheme_str(), Some("http" | "https"));
        let authority = url.authority().filter(|_| is_web);
        let authority = authority.ok_or(WebhookUrlError::NoUrl)?;
        if authority.as_str().contains('@') {
            return Err(WebhookUrlError::Credentials);
        }
        let host = authority.host();
        let named_port = authority.as_str().len() > host.len();
        if host.is_empty() || (named_port && authority.port_u16().is_none_or(|port| port == 0)) {
            return Err(WebhookUrlError::NoUrl);
        }
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        if address.is_ok_and(is_link_local) {
            return Err(WebhookUrlError::LinkLocal);
        }
        Ok(Self(text.into()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Leaves out what stands behind the host: it may be a secret of the receiver.
impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        write!(f, "WebhookUrl({host}/..)")
    }
}

/// Whether an address is of the local link only, also where it hides in one of
/// IPv6. Cloud machines keep their own secrets there.
#[must_use]
pub fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local() || hidden(v6).is_some_and(|v4| v4.is_link_local())
        }
    }
}

/// The address of IPv4 that one of IPv6 stands for: mapped, compatible or behind
/// the well-known prefix of NAT64.
fn hidden(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = v6.segments();
    let (front, [dress, high, low]) = segments.split_last_chunk::<3>()?;
    let is_known = match dress {
        0 => front == [0; 5] || front == [0x64, 0xff9b, 0, 0, 0],
        0xffff => front == [0; 5],
        _ => false,
    };
    let [first, second] = high.to_be_bytes();
    let [third, fourth] = low.to_be_bytes();
    is_known.then(|| Ipv4Addr::new(first, second, third, fourth))
}

/// Another server that is told of changes.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its name for good.
    pub id: WebhookId,
    /// Where it is told.
    pub url: WebhookUrl,
    /// What its notifications are signed with, sealed with the installation key
    /// and bound to `id`; `None`: they are not signed.
    pub sealed_secret: Option<Arc<[u8]>>,
    /// Of which things it is told; empty: of all.
    pub resources: Vec<ResourceKind>,
    /// Whether it is told.
    pub is_active: bool,
    /// Grows with every change.
    pub version: Version,
}

impl Webhook {
    /// Whether it is to be told of changes of such things.
    #[must_use]
    pub fn wants(&self, kind: ResourceKind) -> bool {
        self.is_active && (self.resources.is_empty() || self.resources.contains(&kind))
    }
}

/// Leaves the secret out, sealed as it is.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("url", &self.url)
            .field("resources", &self.resources)
            .field("is_active", &self.is_active)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_or_https_with_a_host_and_without_credentials() {
        for good in [
            "http://pos.example/hook",
            "https://10.0.0.7:8443/a?b=c",
            "http://[::1]:9/",
            "HTTP://localhost",
        ] {
            let url = WebhookUrl::parse(good).expect(good);
            assert_eq!(url.as_str(), good);
        }
        for (bad, why) in [
            ("", WebhookUrlError::NoUrl),
            ("/hook", WebhookUrlError::NoUrl),
            ("ftp://a/", WebhookUrlError::NoUrl),
            ("file:///etc/passwd", WebhookUrlError::NoUrl),
            ("http://", WebhookUrlError::NoUrl),
            ("http://:80/", WebhookUrlError::NoUrl),
            ("http://a:0/", WebhookUrlError::NoUrl),
            ("http://a:99999/", WebhookUrlError::NoUrl),
            ("http://a/#b", WebhookUrlError::NoUrl),
            ("http://a b/", WebhookUrlError::NoUrl),
            ("http://u:p@a/", WebhookUrlError::Credentials),
            ("http://169.254.169.254/x", WebhookUrlError::LinkLocal),
            ("http://[fe80::1]/", WebhookUrlError::LinkLocal),
            ("http://[::ffff:169.254.1.1]/", WebhookUrlError::LinkLocal),
        ] {
            assert_eq!(WebhookUrl::parse(bad), Err(why), "{bad}");
        }
        let long = format!("http://a/{}", "x".repeat(URL_BYTES_MAX));
        assert_eq!(WebhookUrl::parse(&long), Err(WebhookUrlError::TooLong));
    }

    #[test]
    fn link_local_addresses_are_known_in_every_dress() {
        for local in [
            "169.254.0.1",
            "fe80::1",
            "febf::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
        ] {
            assert!(is_link_local(local.parse().expect(local)), "{local}");
        }
        for other in [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_link_local(other.parse().expect(other)), "{other}");
        }
    }

    #[test]
    fn a_hook_wants_what_it_names_or_everything_and_nothing_while_inactive() {
        let mut hook = Webhook {
            id: WebhookId::draw(),
            url: WebhookUrl::parse("http://a/secret-path").expect("an address"),
            sealed_secret: Some(b"sealed".as_slice().into()),
            resources: Vec::new(),
            is_active: true,
            version: Version::FIRST,
        };
        assert!(ResourceKind::ALL.into_iter().all(|kind| hook.wants(kind)));
        hook.resources = vec![ResourceKind::Session];
        assert!(hook.wants(ResourceKind::Session) && !hook.wants(ResourceKind::User));
        hook.is_active = false;
        assert!(!hook.wants(ResourceKind::Session));
        let shown = format!("{hook:?}");
        assert!(
            !shown.contains("secret-path") && !shown.contains("sealed"),
            "{shown}"
        );
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in ResourceKind::ALL {
            assert_eq!(ResourceKind::parse(kind.as_str()), Ok(kind));
            assert_eq!(ResourceKind::from_number(kind as u8), Some(kind));
        }
        assert_eq!(ResourceKind::parse("APIKEY"), Ok(ResourceKind::ApiKey));
        assert_eq!(ResourceKind::parse("sessions"), Err(UnknownKind));
        assert_eq!(ResourceKind::from_number(0), None);
    }
}
