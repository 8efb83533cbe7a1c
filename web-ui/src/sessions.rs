//! Who may use the UI: one-time links, the browsers that used one, and programs beside the agent
//! that know its key. In memory only.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use subtle::ConstantTimeEq as _;
use syncline_core::redacted::Redacted;
use tokio::time::Instant;

use crate::settings::Settings;

/// The one-time links that wait and the browsers that are signed in. Clones share them.
#[derive(Clone, Debug)]
pub struct Sessions {
    held: Arc<Mutex<Held>>,
    cookie: Arc<str>,
    /// Another one in each process.
    key: Redacted,
    session_lifetime: Duration,
    max_sessions: usize,
    link_lifetime: Duration,
    max_links: usize,
}

/// How a browser reaches the UI, which decides what its cookie may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Directly, on this machine or by a port that is forwarded to it.
    Loopback,
    /// Over TLS, by the proxy of the public address.
    Tls,
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

#[derive(Default)]
struct Held {
    links: Vec<Ticket>,
    browsers: Vec<Ticket>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("links", &self.links.len())
            .field("browsers", &self.browsers.len())
            .finish()
    }
}

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Browser {
    /// When its session ends.
    pub(crate) ends: Instant,
    /// What tells it from others in the audit; says nothing of its cookie.
    pub(crate) label: String,
}

struct Ticket {
    secret: String,
    label: String,
    ends: Instant,
}

impl Sessions {
    /// No link and no browser yet.
    pub fn new(settings: &Settings) -> Result<Self, NoRandomness> {
        Ok(Self {
            held: Arc::default(),
            // Cookies ignore the port: a name of its own keeps two agents on one host apart.
            cookie: format!("syncline-{}", random_hex::<4>()?).into(),
            key: Redacted::new(random_hex::<32>()?),
            session_lifetime: settings.session_lifetime,
            max_sessions: settings.max_sessions,
            link_lifetime: settings.link_lifetime,
            max_links: settings.max_links,
        })
    }

    /// A new token that signs one browser in: the link is `<address>/login?token=<token>`.
    pub fn one_time_link(&self) -> Result<String, NoRandomness> {
        let ticket = Ticket::new(self.link_lifetime)?;
        let token = ticket.secret.clone();
        self.with(|held| push(&mut held.links, ticket, self.max_links));
        Ok(token)
    }

    /// Whether a link still works: it was neither used nor has it expired.
    pub fn is_waiting(&self, token: &str) -> bool {
        self.with(|held| held.links.iter().any(|link| link.is(token)))
    }

    /// What a program sends as `Authorization: Bearer <key>` to read the API. Give it to nobody who may
    /// not have a link: it works as long as this process lives. A program that signed in with links
    /// would sign browsers out.
    pub fn key(&self) -> &Redacted {
        &self.key
    }

    /// Until when an `Authorization` header lets a request read; `None` where it holds another key.
    pub(crate) fn reads(&self, header: &str) -> Option<Instant> {
        let (scheme, key) = header.split_once(' ')?;
        let is_ours: bool = self.key.expose().as_bytes().ct_eq(key.as_bytes()).into();
        (scheme.eq_ignore_ascii_case("bearer") && is_ours)
            .then(|| Instant::now() + self.session_lifetime)
    }

    /// Uses a token up and signs a browser in; `None` where the token is unknown, used or old.
    pub(crate) fn redeem(&self, token: &str) -> Result<Option<String>, NoRandomness> {
        let ticket = Ticket::new(self.session_lifetime)?;
        let id = ticket.secret.clone();
        Ok(self.with(|held| {
            let at = held.links.iter().position(|link| link.is(token))?;
            held.links.remove(at);
            push(&mut held.browsers, ticket, self.max_sessions);
            Some(id)
        }))
    }

    /// The session of a `Cookie` header; `None` where it names none of that way.
    pub(crate) fn find(&self, header: &str, way: Way) -> Option<Browser> {
        let cookie = self.cookie(way);
        let id = header.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == cookie).then_some(value)
        })?;
        self.with(|held| {
            held.browsers
                .iter()
                .find(|browser| browser.is(id))
                .map(|browser| Browser {
                    ends: browser.ends,
                    label: browser.label.clone(),
                })
        })
    }

    /// The `Set-Cookie` header that hands a session to a browser.
    pub(crate) fn set_cookie(&self, id: &str, way: Way) -> String {
        let seconds = self.session_lifetime.as_secs();
        let cookie = self.cookie(way);
        let secure = match way {
            Way::Loopback => "",
            Way::Tls => "; Secure",
        };
        format!("{cookie}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
    }

    /// Browsers take a `__Host-` cookie over TLS and for one host only: no other host of the domain
    /// can set it.
    fn cookie(&self, way: Way) -> String {
        match way {
            Way::Loopback => self.cookie.to_string(),
            Way::Tls => format!("__Host-{}", self.cookie),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Held) -> T) -> T {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        held.links.retain(|ticket| ticket.ends > now);
        held.browsers.retain(|ticket| ticket.ends > now);
        act(&mut held)
    }
}

impl Ticket {
    fn new(lifetime: Duration) -> Result<Self, NoRandomness> {
        Ok(Self {
            secret: random_hex::<32>()?,
            label: random_hex::<4>()?,
            ends: Instant::now() + lifetime,
        })
    }

    fn is(&self, given: &str) -> bool {
        self.secret.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

fn push(tickets: &mut Vec<Ticket>, ticket: Ticket, most: usize) {
    tickets.push(ticket);
    let surplus = tickets.len().saturating_sub(most.max(1));
    tickets.drain(..surplus);
}

/// `N` random bytes as hexadecimal digits.
pub(crate) fn random_hex<const N: usize>() -> Result<String, NoRandomness> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes
        .iter()
        .fold(String::with_capacity(2 * N), |mut text, byte| {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
            text
        }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie_of(sessions: &Sessions, id: &str) -> String {
        sessions
            .set_cookie(id, Way::Loopback)
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_link_works_once() {
        let sessions = Sessions::new(&Settings::default()).unwrap();
        let token = sessions.one_time_link().unwrap();
        let id = sessions
            .redeem(&token)
            .unwrap()
            .expect("the first use signs in");
        assert!(
            sessions
                .find(
                    &format!("other=1; {}", cookie_of(&sessions, &id)),
                    Way::Loopback
                )
                .is_some()
        );
        assert_eq!(sessions.redeem(&token).unwrap(), None);
        assert!(
            sessions
                .find(&cookie_of(&sessions, ""), Way::Loopback)
                .is_none()
        );
        assert!(sessions.find("", Way::Loopback).is_none());
    }

    #[test]
    fn links_and_sessions_end() {
        let short = Settings {
            link_lifetime: Duration::ZERO,
            session_lifetime: Duration::ZERO,
            ..Settings::default()
        };
        let sessions = Sessions::new(&short).unwrap();
        let token = sessions.one_time_link().unwrap();
        assert_eq!(sessions.redeem(&token).unwrap(), None);

        let sessions = Sessions::new(&Settings {
            session_lifetime: Duration::ZERO,
            ..Settings::default()
        })
        .unwrap();
        let token = sessions.one_time_link().unwrap();
        let id = sessions
            .redeem(&token)
            .unwrap()
            .expect("the link itself is still good");
        assert!(
            sessions
                .find(&cookie_of(&sessions, &id), Way::Loopback)
                .is_none()
        );
    }

    #[test]
    fn the_oldest_browser_is_signed_out_beyond_the_limit() {
        let sessions = Sessions::new(&Settings {
            max_sessions: 2,
            ..Settings::default()
        })
        .unwrap();
        let ids: Vec<_> = (0..3)
            .map(|_| {
                let token = sessions.one_time_link().unwrap();
                cookie_of(&sessions, &sessions.redeem(&token).unwrap().unwrap())
            })
            .collect();
        let alive: Vec<_> = ids
            .iter()
            .map(|cookie| sessions.find(cookie, Way::Loopback).is_some())
            .collect();
        assert_eq!(alive, [false, true, true]);
    }

    #[test]
    fn a_cookie_counts_only_on_the_way_that_it_was_given_for() {
        let sessions = Sessions::new(&Settings::default()).unwrap();
        let token = sessions.one_time_link().unwrap();
        let id = sessions.redeem(&token).unwrap().unwrap();
        for (way, other) in [(Way::Loopback, Way::Tls), (Way::Tls, Way::Loopback)] {
            let cookie = sessions.set_cookie(&id, way);
            assert_eq!(cookie.starts_with("__Host-"), way == Way::Tls, "{cookie}");
            assert_eq!(cookie.contains("; Secure"), way == Way::Tls, "{cookie}");
            assert!(cookie.contains("; Path=/;"), "{cookie}");
            let named = cookie.split(';').next().unwrap();
            assert!(sessions.find(named, way).is_some());
            assert!(sessions.find(named, other).is_none());
        }
    }

    #[test]
    fn nothing_secret_is_printed_by_debug() {
        let sessions = Sessions::new(&Settings::default()).unwrap();
        let token = sessions.one_time_link().unwrap();
        let shown = format!("{sessions:?}");
        assert!(!shown.contains(&token) && !shown.contains(sessions.key().expose()));
    }
}
