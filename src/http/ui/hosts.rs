//! The names under which browsers may reach the page. Whoever points a name of
//! his own at this server must not get a browser to send him its cookie's worth.

use std::net::IpAddr;

use warp::http::header::{HOST, HeaderMap};
use warp::http::uri::Authority;

/// Which hosts requests by cookie may be for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    /// Whether every IP address is: nobody else can own one as a name.
    pub any_address: bool,
    /// Names and addresses, in lower case and without ports.
    pub names: Vec<String>,
}

impl AllowedHosts {
    /// Whether the request is for one of them.
    pub(super) fn have(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(HOST).and_then(|value| value.to_str().ok());
        let authority = host.and_then(|host| host.parse::<Authority>().ok());
        authority.is_some_and(|authority| self.has(authority.host()))
    }

    fn has(&self, host: &str) -> bool {
        let bare = |host: &str| host.trim_matches(['[', ']']).to_ascii_lowercase();
        let host = bare(host);
        let is_address = host.parse::<IpAddr>().is_ok();
        (self.any_address && is_address) || self.names.iter().any(|name| bare(name) == host)
    }
}

#[cfg(test)]
mod tests {
    use warp::http::header::HeaderValue;

    use super::*;

    fn for_host(host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).expect("a value"));
        headers
    }

    #[test]
    fn addresses_and_named_hosts_are_allowed_with_any_port_and_nothing_else_is() {
        let hosts = AllowedHosts {
            any_address: true,
            names: vec!["localhost".to_owned(), "store-pc".to_owned()],
        };
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "192.168.1.20:80",
            "[::1]:8080",
            "localhost:8080",
            "STORE-PC",
        ] {
            assert!(hosts.have(&for_host(host)), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "store-pc.evil.example:8080",
            "",
            "a b",
        ] {
            assert!(!hosts.have(&for_host(host)), "{host}");
        }
        assert!(!hosts.have(&HeaderMap::new()));
    }

    #[test]
    fn a_list_of_one_s_own_lets_addresses_in_only_by_name() {
        let hosts = AllowedHosts {
            any_address: false,
            names: vec!["shop.example".to_owned(), "[::1]".to_owned()],
        };
        assert!(hosts.have(&for_host("shop.example:443")));
        assert!(hosts.have(&for_host("[::1]:8080")));
        assert!(!hosts.have(&for_host("127.0.0.1:8080")));
    }
}
