//! What an answer lacks: rights by their names, everything else as a sentence.

use std::collections::BTreeSet;

use syncline_cluster::{Account, Error, Resource};
use syncline_web_ui::views::MissingRight;

/// What could not be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Lacks {
    pub(super) missing: BTreeSet<MissingRight>,
    pub(super) notes: BTreeSet<String>,
}

impl Lacks {
    /// A request of an account failed: it may not, or something else is wrong.
    pub(super) fn add(
        &mut self,
        account: &Account,
        verb: &str,
        resource: &Resource,
        namespace: Option<&str>,
        error: &Error,
    ) {
        if is_forbidden(error) {
            let (group, plural) = (&resource.group, &resource.plural);
            let right = MissingRight::new(verb, group, plural, namespace, &named(account));
            self.missing.insert(right);
        } else {
            self.note(format!("the {} cannot be read: {error}", resource.plural));
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.insert(note.into());
    }
}

/// The account as people write it.
pub(super) fn named(account: &Account) -> String {
    format!("{}/{}", account.namespace(), account.name())
}

/// Whether an account lacks a right. That the agent may not act as the account is another thing.
pub(super) fn is_forbidden(error: &Error) -> bool {
    error.code() == Some(403) && !error.to_string().contains("cannot impersonate")
}
