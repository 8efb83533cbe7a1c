//! What is said of a delivery to people: what became of it, and why. Of one that is not believed
//! nothing of its content is said.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, HeaderName};
use syncline_core::record::{DeliveryVerdict, Name};

use crate::counters::Fate;
use crate::receiver::Provider;
use crate::refusal::Refusal;

static GITEA_EVENT: HeaderName = HeaderName::from_static("x-gitea-event");
static FORGEJO_EVENT: HeaderName = HeaderName::from_static("x-forgejo-event");

/// The longest word of a sender that is passed on.
const WORD_LIMIT: usize = 64;

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who sends such deliveries: `github`, `gitea`, `forgejo` or `generic`; by its form alone where
    /// it was not believed.
    pub provider: &'static str,
    /// The id that the sender gave it; empty where it gave none or was not believed.
    pub delivery: String,
    /// What happened there; empty where it was not believed.
    pub event: String,
    /// The branch that it is about.
    pub branch: Option<String>,
    /// What became of it.
    pub verdict: DeliveryVerdict,
    /// Why, in a sentence without a full stop.
    pub reason: String,
    /// The Repositories that are looked at because of it.
    pub repositories: Vec<Name>,
}

impl Told {
    /// Of a delivery that was not believed, or not looked into.
    pub(crate) fn of_stranger(provider: Provider, refusal: &Refusal, from: Option<Origin>) -> Self {
        let from = from.map(|from| format!("; it came from {}", from.as_str()));
        Self {
            provider: provider.as_str(),
            delivery: String::new(),
            event: String::new(),
            branch: None,
            verdict: refusal.fate.verdict(),
            reason: format!("{}{}", refusal.why, from.unwrap_or_default()),
            repositories: Vec::new(),
        }
    }

    /// Of a delivery whose sender holds a secret of ours, before anything else of it is known.
    pub(crate) fn of_sender(provider: Provider, headers: &HeaderMap, event: &str) -> Self {
        let provider = match provider {
            Provider::GitHub if headers.contains_key(&FORGEJO_EVENT) => "forgejo",
            Provider::GitHub if headers.contains_key(&GITEA_EVENT) => "gitea",
            other => other.as_str(),
        };
        Self {
            provider,
            delivery: String::new(),
            event: printable(event),
            branch: None,
            verdict: DeliveryVerdict::Ignored,
            reason: String::new(),
            repositories: Vec::new(),
        }
    }

    /// What became of it in the end.
    pub(crate) fn and(self, fate: Fate, reason: impl Into<String>) -> (Fate, Self) {
        let told = Self {
            verdict: fate.verdict(),
            reason: reason.into(),
            ..self
        };
        (fate, told)
    }
}

/// Where a request came from, as far as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Loopback,
    Private,
    Public,
}

impl Origin {
    /// The class of the address at the other end of the connection, which may be a proxy.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        let ConnectInfo(address) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        Some(Self::of_address(address.ip()))
    }

    fn of_address(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let is_private = match address {
            IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
        };
        if address.is_loopback() {
            Self::Loopback
        } else if is_private {
            Self::Private
        } else {
            Self::Public
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "this machine",
            Self::Private => "a private address, perhaps that of a proxy",
            Self::Public => "a public address",
        }
    }
}

/// A word of a sender without what a terminal or a page could take for more than text.
pub(crate) fn printable(word: &str) -> String {
    let graphic = word.chars().filter(char::is_ascii_graphic);
    graphic.take(WORD_LIMIT).collect()
}

/// `Repository `team/config` is looked at`, or how many.
pub(crate) fn looked_at(repositories: &[Name]) -> String {
    match repositories {
        [one] => format!("Repository `{one}` is looked at"),
        more => format!("{} Repositories are looked at", more.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_its_class_is_kept() {
        for (address, class) in [
            ("127.0.0.1", Origin::Loopback),
            ("::1", Origin::Loopback),
            ("::ffff:10.1.2.3", Origin::Private),
            ("192.168.1.1", Origin::Private),
            ("fe80::1", Origin::Private),
            ("fd00::1", Origin::Private),
            ("203.0.113.7", Origin::Public),
            ("2001:db8::1", Origin::Public),
        ] {
            assert_eq!(
                Origin::of_address(address.parse().unwrap()),
                class,
                "{address}"
            );
        }
    }

    #[test]
    fn words_of_a_sender_are_short_and_plain() {
        assert_eq!(printable("pull_request\u{1b}[31m"), "pull_request[31m");
        assert_eq!(printable(&"a".repeat(100)).len(), WORD_LIMIT);
    }
}
