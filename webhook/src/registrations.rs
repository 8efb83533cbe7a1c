//! The hooks that exist now: the agent writes them, the listener reads them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use syncline_core::record::Name;
use syncline_core::redacted::Redacted;
use tracing::warn;

use crate::signature::{Claim, Verifier};

/// The hook of one Repository.
#[derive(Clone, Debug)]
pub struct Hook {
    /// The Repository.
    pub repository: Name,
    /// What the spellings of its URL share, see [`syncline_core::url::identity`].
    pub url_identity: String,
    /// The branch that it follows.
    pub branch: String,
    /// The secret that signs its deliveries.
    pub secret: Redacted,
}

/// All hooks, shared: clones see the same ones. The agent replaces them when a Repository or a
/// Secret changes; a delivery sees one state from its beginning to its end.
#[derive(Clone, Default)]
pub struct Registrations {
    current: Arc<RwLock<Arc<Table>>>,
}

/// Hooks by secret, so that each secret is tried once however many repositories share it.
#[derive(Default)]
pub(crate) struct Table {
    groups: Vec<Group>,
}

struct Group {
    verifier: Verifier,
    hooks: Vec<Known>,
}

/// A hook without its secret.
struct Known {
    url_identity: String,
    branch: String,
    repository: Name,
}

/// What a delivery is about, of what its sender may speak for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Matched {
    /// These repositories, each once.
    Repositories(Vec<Name>),
    /// The repository is known, and nobody follows the branch.
    OtherBranch,
    /// Nothing.
    Nothing,
}

impl Registrations {
    /// For how many Repositories deliveries are taken.
    pub fn count(&self) -> usize {
        let table = self.table();
        table.groups.iter().map(|group| group.hooks.len()).sum()
    }

    /// Whether deliveries for a Repository are taken.
    pub fn has(&self, repository: &Name) -> bool {
        let table = self.table();
        let mut hooks = table.groups.iter().flat_map(|group| &group.hooks);
        hooks.any(|hook| hook.repository == *repository)
    }

    /// Puts these hooks in the place of all earlier ones. A hook with an empty secret would accept
    /// what anybody signs, so it is left out with a warning.
    pub fn replace(&self, hooks: impl IntoIterator<Item = Hook>) {
        let mut by_secret: BTreeMap<Redacted, Vec<Known>> = BTreeMap::new();
        for hook in hooks {
            if hook.secret.expose().is_empty() {
                warn!(
                    repository.name = %hook.repository,
                    "the webhook secret is empty, so deliveries for the repository are refused",
                );
                continue;
            }
            by_secret.entry(hook.secret).or_default().push(Known {
                url_identity: hook.url_identity,
                branch: hook.branch,
                repository: hook.repository,
            });
        }
        let groups = by_secret
            .into_iter()
            .map(|(secret, hooks)| Group {
                verifier: Verifier::new(secret.expose()),
                hooks,
            })
            .collect();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Table { groups });
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Registrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrations")
            .field("hooks", &self.count())
            .finish_non_exhaustive()
    }
}

impl Table {
    /// The hooks whose secret signed these bytes; `None` where no secret did.
    ///
    /// Every secret is tried, also after one that fits: the time of an answer depends on how many
    /// there are, and on nothing else.
    pub(crate) async fn verified(&self, claim: &Claim, bytes: &[u8]) -> Option<Verified<'_>> {
        let mut groups = Vec::new();
        for group in &self.groups {
            if group.verifier.verify(claim, bytes) {
                groups.push(group);
            }
            // A large body times many secrets must not hold up the other deliveries.
            tokio::task::yield_now().await;
        }
        if groups.is_empty() {
            None
        } else {
            Some(Verified { groups })
        }
    }
}

/// The hooks that a delivery may speak for.
pub(crate) struct Verified<'a> {
    groups: Vec<&'a Group>,
}

impl Verified<'_> {
    /// The repositories among them with one of these URLs that follow the branch; all with the URL
    /// where no branch is said.
    pub(crate) fn repositories(&self, urls: &[String], branch: Option<&str>) -> Matched {
        let identities: Vec<String> = urls
            .iter()
            .map(|url| syncline_core::url::identity(url))
            .collect();
        let hooks = self.groups.iter().flat_map(|group| &group.hooks);
        let known: Vec<&Known> = hooks
            .filter(|hook| {
                // Git servers spell owner and name in the case of their creation, people do not.
                identities
                    .iter()
                    .any(|identity| identity.eq_ignore_ascii_case(&hook.url_identity))
            })
            .collect();
        if known.is_empty() {
            return Matched::Nothing;
        }
        let mut names: Vec<Name> = known
            .into_iter()
            .filter(|hook| branch.is_none_or(|branch| branch == hook.branch))
            .map(|hook| hook.repository.clone())
            .collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            Matched::OtherBranch
        } else {
            Matched::Repositories(names)
        }
    }
}
