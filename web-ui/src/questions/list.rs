//! What the UI asks for its list of applications.

use std::collections::BTreeMap;

use syncline_core::record::Name;

use super::Answer;
use crate::views::{ApplicationSummary, Cause};

/// Questions of the list of applications.
pub trait ListQuestions: Send + Sync {
    /// All applications, in any order.
    fn listed(&self) -> Answer<'_, Vec<Listed>>;

    /// The names of all applications, in any order.
    fn names(&self) -> Answer<'_, Vec<Name>>;
}

/// What a list knows of an application: what is shown of it, and what is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What is the case.
    pub summary: ApplicationSummary,
    /// Labels of the Application.
    pub labels: BTreeMap<String, String>,
    /// Whether newer commits are applied without asking.
    pub automatic: bool,
    /// Whether live objects differ from Git and stay so.
    pub drifted: bool,
    /// What asked for the last sync, where that is known.
    pub cause: Option<Cause>,
    /// A newer tag of an image that it runs, which waits.
    pub update: Option<String>,
}
