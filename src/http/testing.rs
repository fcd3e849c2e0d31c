//! What tests of everything above HTTP need beside the app of the services.

use std::sync::Arc;
use std::time::Duration;

use super::{ForwardedHost, Language, MetricsDoor, Settings};
use crate::ndata;
pub(crate) use crate::service::testing::{PASSWORD, shop_app};

/// As a configuration without a file says.
pub(crate) fn settings() -> Settings {
    Settings {
        allowed_hosts: Arc::default(),
        default_language: Language::English,
        query: ndata::Limits::default(),
        forwarded_host: ForwardedHost::default(),
        metrics: MetricsDoor::default(),
        log_requests: true,
    }
}

/// Deadlines that a test can wait for.
pub(crate) const SHORT: Duration = Duration::from_millis(200);
