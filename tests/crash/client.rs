//! The clients' side of the wire. An answer that does not come is an ordinary
//! outcome here, not a failed test: servers are killed all the time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a client waits for an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);

/// One client with connections of its own.
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
}

/// An answer that came.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// After how many seconds to come again.
    pub(crate) retry_after: Option<u64>,
    /// The body; null when it is empty or no JSON.
    pub(crate) body: Value,
    /// Before the request's first byte was sent.
    pub(crate) asked: Instant,
    /// After the answer's last byte had come.
    pub(crate) answered: Instant,
}

impl Answer {
    /// A member of the body as text, empty when it is not there.
    pub(crate) fn text(&self, member: &str) -> String {
        self.body[member].as_str().unwrap_or_default().to_owned()
    }

    /// A session's version and last access.
    pub(crate) fn version(&self) -> Option<(u64, String)> {
        Some((self.body["_v"].as_u64()?, self.text("lastAccessAt")))
    }
}

impl Client {
    /// A client of the server on this `address:port`.
    pub(crate) fn new(address: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(ANSWER_WAIT_MAX))
            .build()
            .new_agent();
        Self {
            agent,
            base: format!("http://{address}"),
        }
    }

    /// `address:port` of the server.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// One call; `None` when no whole answer came.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Option<Answer> {
        let bearer = token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}")));
        self.send(method, path, bearer.as_slice(), body)
    }

    /// One call with headers; `None` when no whole answer came.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &Value,
    ) -> Option<Answer> {
        let uri = format!("{}{path}", self.base);
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let asked = Instant::now();
        let answer = if body.is_null() {
            self.agent.run(request.body(()).expect("a good request"))
        } else {
            let request = request.header("Content-Type", "application/json");
            self.agent
                .run(request.body(body.to_string()).expect("a good request"))
        };
        let mut answer = answer.ok()?;
        let retry_after = answer
            .headers()
            .get("Retry-After")
            .and_then(|after| after.to_str().ok()?.parse().ok());
        let text = answer.body_mut().read_to_string().ok()?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Some(Answer {
            status: answer.status().as_u16(),
            retry_after,
            body,
            asked,
            answered: Instant::now(),
        })
    }

    /// `GET` with a token.
    pub(crate) fn get(&self, path: &str, token: &str) -> Option<Answer> {
        self.call("GET", path, Some(token), &Value::Null)
    }

    /// `POST /api/auth`, as a user of the test shop.
    pub(crate) fn log_in(&self, user: &str, device: &str) -> Option<Answer> {
        self.log_in_with(user, "pass", device)
    }

    /// `POST /api/auth` with a password.
    pub(crate) fn log_in_with(&self, user: &str, password: &str, device: &str) -> Option<Answer> {
        let body = json!({"userName": user, "password": password, "deviceName": device});
        self.call("POST", "/api/auth", None, &body)
    }

    /// `POST /api/auth/refresh`.
    pub(crate) fn refresh(&self, token: &str, refresh: &str) -> Option<Answer> {
        let body = json!({"tokenId": token, "refreshToken": refresh});
        self.call("POST", "/api/auth/refresh", None, &body)
    }
}
