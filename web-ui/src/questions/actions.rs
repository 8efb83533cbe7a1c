//! What a person asks the agent to do.

use syncline_core::outcome::Failure;
use syncline_core::record::Name;

use super::Answer;
use crate::views::{ActionAnswer, AgentAction, ApplicationAction, ImageAction};

/// Commands which the agent carries out. [`super::Unanswered::Refused`] where that may not be now,
/// [`super::Unanswered::Invalid`] where what was given is wrong; both with why.
pub trait Actions: Send + Sync + 'static {
    /// Does something with an Application, or says what would happen; `None` where there is no such
    /// Application.
    fn act_on_application(
        &self,
        name: Name,
        action: ApplicationAction,
        how: How,
    ) -> Answer<'_, Option<ActionAnswer>>;

    /// Does something with an ImagePolicy, or says what would happen; `None` where there is no such
    /// ImagePolicy.
    fn act_on_image(
        &self,
        name: Name,
        action: ImageAction,
        how: How,
    ) -> Answer<'_, Option<ActionAnswer>>;

    /// Does something with the agent itself, or says what would happen.
    fn act_on_agent(&self, action: AgentAction, how: How) -> Answer<'_, ActionAnswer>;

    /// Keeps what was asked for and how that ended. Never waits.
    fn audit(&self, call: Call);
}

/// Whether something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// Nothing is: it is said what would happen.
    Try,
    /// It is, for whom this names.
    Do(String),
}

/// One call that changes something, or was to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who asked: `web UI session 3f2a`.
    pub actor: String,
    /// The address that the request came from; `None` where that is not known.
    pub address: Option<String>,
    /// What was asked for; `unknown` where that could not be read.
    pub action: String,
    /// The kind of what it is about.
    pub kind: &'static str,
    /// Which one; empty for the agent itself.
    pub target: Name,
    /// What was given with it and what it changed; may be empty.
    pub detail: String,
    /// How it ended; the failure where it was refused.
    pub failure: Option<Failure>,
}
