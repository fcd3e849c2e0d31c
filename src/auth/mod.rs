//! Credentials: passwords and their hashing, bearer tokens, refresh tokens,
//! the secrets of API keys and webhooks, the set-up code, and the installation key under which secrets are sealed.
//!
//! Everything here works on bytes and a `now` that is passed in. What a caller
//! may do is decided elsewhere; whether a session lives is the store's word.

pub mod api_key;
pub mod installation;
pub mod memory;
pub mod nws4;
pub mod password;
pub mod policy;
pub mod pool;
pub mod refresh;
pub mod secret;
pub mod setup_code;
pub mod token;
pub mod webhook;
