//! Durations and limits of the web UI.

use std::time::Duration;

use crate::public_url::PublicUrl;

/// Durations and limits of the web UI.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host names, beside `localhost`, `127.0.0.1` and `[::1]`, that a request may name, without
    /// port. Anything else is refused, so that a foreign name that points here reads nothing.
    pub allowed_hosts: Vec<String>,
    /// The address under which a proxy serves the UI, where there is one.
    pub public_url: Option<PublicUrl>,
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
    /// The shortest time between two events of a stream: changes that come faster are told together.
    pub stream_pause: Duration,
    /// How many event streams may be open at once.
    pub max_streams: usize,
    /// The longest list of applications that is told at once.
    pub list_limit: usize,
    /// How many items a page has unless the request says.
    pub page_size: u32,
    /// The largest page that a request may ask for.
    pub max_page_size: u32,
    /// How many calls with an `Idempotency-Key` are remembered; the oldest is forgotten beyond it.
    pub max_named_calls: usize,
    /// How long such a call is remembered.
    pub named_call_lifetime: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            public_url: None,
            session_lifetime: Duration::from_hours(12),
            max_sessions: 64,
            link_lifetime: Duration::from_hours(24),
            max_links: 16,
            link_hint: "The agent prints a one-time link when it starts.".to_owned(),
            answer_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(15),
            stream_pause: Duration::from_millis(250),
            max_streams: 64,
            list_limit: 2000,
            page_size: 30,
            max_page_size: 200,
            max_named_calls: 1000,
            named_call_lifetime: Duration::from_hours(24),
        }
    }
}
