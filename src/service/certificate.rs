//! What is known of the certificate that the server shows, for health. Whoever
//! reads the files says so here.

use parking_lot::Mutex;

use super::health::{Entry, Status, entry};
use crate::model::Timestamp;

/// The longest time before its end at which a certificate is near it.
const SOON_MAX_MILLIS: i64 = 30 * 24 * 3_600_000;
/// Those that are made for weeks are renewed late: near the end is the last
/// fifth of their time.
const SOON_PART: i64 = 5;

/// The certificate in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// The SHA-256 of it.
    pub fingerprint: String,
    /// From when on it is good.
    pub from: Timestamp,
    /// Until when it is good.
    pub until: Timestamp,
}

/// How a certificate stands to the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// It is not good yet.
    NotYet,
    /// It is good.
    Good,
    /// It is good, and ends soon.
    EndsSoon,
    /// It is not good any more.
    Over,
}

impl InUse {
    /// How it stands at `now`.
    #[must_use]
    pub fn term(&self, now: Timestamp) -> Term {
        let (from, until) = (self.from.as_millis(), self.until.as_millis());
        let soon = (until.saturating_sub(from) / SOON_PART).min(SOON_MAX_MILLIS);
        let now = now.as_millis();
        if now < from {
            Term::NotYet
        } else if now > until {
            Term::Over
        } else if now > until - soon {
            Term::EndsSoon
        } else {
            Term::Good
        }
    }
}

/// The certificate of a server.
#[derive(Debug, Default)]
pub struct CertificateState(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// `None`: there is no TLS.
    in_use: Option<InUse>,
    /// The files were read again and were not good.
    kept_old: bool,
}

impl CertificateState {
    /// This one is shown from here on.
    pub fn took(&self, certificate: InUse) {
        *self.0.lock() = State {
            in_use: Some(certificate),
            kept_old: false,
        };
    }

    /// Another one was to be, and could not.
    pub fn kept_old(&self) {
        self.0.lock().kept_old = true;
    }

    /// The entry of the health page, where there is TLS.
    pub(super) fn health(&self, now: Timestamp) -> Option<Entry> {
        let state = self.0.lock();
        let in_use = state.in_use.as_ref()?;
        let renew = "put a new one in place of tls.cert and tls.key, and send the server SIGHUP";
        let (status, description) = match in_use.term(now) {
            Term::Over => (Status::Unhealthy, Some(format!("the certificate is over: {renew}"))),
            // Why, the log says: this page is for everybody, and names no paths.
            _ if state.kept_old => (
                Status::Degraded,
                Some(
                    "the files of tls.cert and tls.key are not good, and the certificate from before \
                     is still shown: the log says why; put them right and send the server SIGHUP"
                        .to_owned(),
                ),
            ),
            Term::EndsSoon => (Status::Degraded, Some(format!("the certificate ends soon: {renew}"))),
            Term::NotYet => (
                Status::Degraded,
                Some("the certificate is not good yet: is the computer's clock right?".to_owned()),
            ),
            Term::Good => (Status::Healthy, None),
        };
        let data = vec![
            ("from", in_use.from.to_string().into()),
            ("until", in_use.until.to_string().into()),
            ("sha256", in_use.fingerprint.as_str().into()),
        ];
        Some(entry("certificate", status, description, data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3_600_000;

    fn lasting(days: i64) -> InUse {
        InUse {
            fingerprint: "AB:CD".to_owned(),
            from: Timestamp::from_millis(0),
            until: Timestamp::from_millis(days * DAY),
        }
    }

    #[test]
    fn near_its_end_is_the_last_month_or_of_short_ones_the_last_fifth() {
        for (days, at, term) in [
            (3_650, -1, Term::NotYet),
            (3_650, 0, Term::Good),
            (3_650, 3_619, Term::Good),
            (3_650, 3_621, Term::EndsSoon),
            (3_650, 3_651, Term::Over),
            (90, 71, Term::Good),
            (90, 73, Term::EndsSoon),
            (6, 4, Term::Good),
            (6, 5, Term::EndsSoon),
        ] {
            let now = Timestamp::from_millis(at * DAY);
            assert_eq!(lasting(days).term(now), term, "{at} of {days}");
        }
    }

    #[test]
    fn health_names_the_remedy_and_is_silent_without_tls() {
        let state = CertificateState::default();
        let at = |day| state.health(Timestamp::from_millis(day * DAY));
        assert!(at(1).is_none());
        state.took(lasting(100));
        assert_eq!(at(1).map(|entry| entry.status), Some(Status::Healthy));
        let soon = at(90).expect("an entry");
        assert_eq!(soon.status, Status::Degraded);
        assert!(soon.description.is_some_and(|said| said.contains("SIGHUP")));
        assert_eq!(at(101).map(|entry| entry.status), Some(Status::Unhealthy));
        state.kept_old();
        assert_eq!(at(1).map(|entry| entry.status), Some(Status::Degraded));
        state.took(lasting(100));
        assert_eq!(at(1).map(|entry| entry.status), Some(Status::Healthy));
    }
}
