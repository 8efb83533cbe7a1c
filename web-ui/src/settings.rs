//! Durations and limits of the web UI.

use std::time::Duration;

/// Durations and limits of the web UI.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host names, beside `localhost`, `127.0.0.1` and `[::1]`, that a request may name, without
    /// port. Anything else is refused, so that a foreign name that points here reads nothing.
    pub allowed_hosts: Vec<String>,
    /// How long a browser stays signed in.
    pub session_lifetime: Duration,
    /// How many browsers may be signed in; the oldest is signed out beyond it.
    pub max_sessions: usize,
    /// How long a one-time link waits to be used.
    pub link_lifetime: Duration,
    /// How many unused one-time links are kept; the oldest is forgotten beyond it.
    pub max_links: usize,
    /// What the page for people without a session says about how to get a link.
    pub link_hint: String,
    /// How long an answer of the agent is awaited.
    pub answer_timeout: Duration,
    /// Time between two signs of life on a quiet event stream.
    pub heartbeat: Duration,
    /// How many event streams may be open at once.
    pub max_streams: usize,
    /// How many syncs a page has unless the request says.
    pub page_size: u32,
    /// The largest page that a request may ask for.
    pub max_page_size: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            session_lifetime: Duration::from_hours(12),
            max_sessions: 64,
            link_lifetime: Duration::from_hours(24),
            max_links: 16,
            link_hint: "The agent prints a one-time link when it starts.".to_owned(),
            answer_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(15),
            max_streams: 64,
            page_size: 30,
            max_page_size: 200,
        }
    }
}
