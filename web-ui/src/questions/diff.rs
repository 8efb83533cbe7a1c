//! What differs, object by object.

use syncline_core::record::Name;

use super::Answer;
use crate::views::DiffView;

/// Questions about differences. Nothing is written for an answer.
pub trait Diffs: Send + Sync + 'static {
    /// What differs between two states of an application; `None` where there is no such application.
    ///
    /// [`super::Unanswered::Refused`] where one of the states is not known, with why. It may take as
    /// long as the agent's setting `preview_timeout`.
    fn diff(&self, application: Name, between: Between) -> Answer<'_, Option<DiffView>>;
}

/// Which two states of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Between {
    /// What is live, and what a sync would make of it: of the commit that is to run, or of a branch,
    /// tag, commit or other reference.
    LiveAndDesired(Option<String>),
    /// What two syncs left, by their ids.
    Syncs {
        /// The one before.
        from: String,
        /// The one after.
        to: String,
    },
}
