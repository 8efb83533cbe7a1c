//! What a person decides of an Application, checked, and the change of the object that says so.
//!
//! The command line and the API of the web UI make the same change from here, so that they cannot
//! differ. Nothing of it is desired state: that comes from Git alone.

mod allowed;
mod stop;
mod tags;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::gate::Freeze;
use crate::names;
use crate::record::Name;
use crate::rollback::Request;
use crate::shell;

pub use allowed::{
    Allowed, ApplicationFacts, ImageFacts, Verb, of_agent, of_application, of_image,
};
pub use stop::Stop;
pub use tags::TagDecision;

/// Longest reason that the schema takes, in characters.
pub const MAX_REASON: usize = 512;

/// Why something cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What was given is wrong, whatever the object is like.
    #[error("{0}")]
    Invalid(String),
    /// The object is not so that it could be done now.
    #[error("{0}")]
    NotNow(String),
}

/// Why, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// Why, for the next person who looks.
    pub reason: String,
    /// When it ends by itself; never where it is absent.
    pub until: Option<Timestamp>,
}

impl Because {
    /// Checks both.
    ///
    /// # Errors
    /// `Invalid` for a reason that is empty or too long, and an end that is over.
    pub fn checked(text: &str, until: Option<Timestamp>, now: Timestamp) -> Result<Self, Refusal> {
        let reason = reason(text)?;
        if until.is_some_and(|until| until <= now) {
            let now = shown(now);
            return Err(Refusal::Invalid(format!(
                "the end is in the past: it is {now} now"
            )));
        }
        Ok(Self { reason, until })
    }

    fn options(&self) -> String {
        let reason = shell::word(&self.reason);
        match self.until {
            Some(until) => format!(" --reason {reason} --until {}", shown(until)),
            None => format!(" --reason {reason}"),
        }
    }
}

/// A reason that a person gave, without the space around it.
///
/// # Errors
/// `Invalid` where it is empty or too long.
pub fn reason(text: &str) -> Result<String, Refusal> {
    let reason = text.trim();
    if reason.is_empty() {
        return Err(Refusal::Invalid("the reason is empty: say why".to_owned()));
    }
    let length = reason.chars().count();
    if length > MAX_REASON {
        return Err(Refusal::Invalid(format!(
            "the reason has {length} characters; {MAX_REASON} are allowed"
        )));
    }
    Ok(reason.to_owned())
}

/// What was given as a commit: all of its hexadecimal digits, or the first seven and more.
///
/// # Errors
/// `Invalid` for anything else.
pub fn commit(text: &str) -> Result<String, Refusal> {
    let text = text.to_ascii_lowercase();
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits && (7..=64).contains(&text.len()) {
        return Ok(text);
    }
    Err(Refusal::Invalid(format!(
        "`{text}` is no commit: name its first seven hexadecimal digits, or more"
    )))
}

/// A moment to the second, in UTC.
fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What a person asks of an Application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A sync now. It goes on with what was stopped.
    Sync,
    /// No sync until it is resumed.
    Suspend(Because),
    /// The end of a suspension.
    Resume,
    /// What runs ends between two objects, and nothing more of the commit is written.
    Abort(Stop),
    /// The plan with this hash, and no other.
    Approve(String),
    /// A plan for a rollback, or its commit.
    Rollback(Request),
    /// One commit, whatever is pushed.
    Pin {
        /// From [`commit`].
        commit: String,
        /// Why, and for how long.
        because: Because,
    },
    /// The newest commit again.
    Unpin,
}

impl Decision {
    /// The merge patch of the Application that says so.
    pub fn patch(&self, now: Timestamp) -> Value {
        match self {
            Self::Sync => annotations(json!({
                (names::ANNOTATION_REQUESTED_AT): now.to_string(),
                (names::ANNOTATION_ABORT): null,
            })),
            Self::Suspend(Because { reason, until }) => {
                json!({"spec": {"suspend": {"reason": reason, "until": until}}})
            }
            Self::Resume => json!({"spec": {"suspend": null}}),
            Self::Abort(stop) => annotations(json!({(names::ANNOTATION_ABORT): stop.to_string()})),
            Self::Approve(plan) => annotations(json!({(names::ANNOTATION_APPROVE): plan})),
            Self::Rollback(request) => annotations(json!({
                (names::ANNOTATION_ROLLBACK): serde_json::to_string(request).unwrap_or_default(),
            })),
            Self::Pin { commit, because } => {
                let Because { reason, until } = because;
                json!({"spec": {"pin": {"commit": commit, "reason": reason, "until": until}}})
            }
            Self::Unpin => json!({"spec": {"pin": null}}),
        }
    }

    /// Whether it changes the spec, which may be in Git itself.
    pub fn is_of_spec(&self) -> bool {
        matches!(
            self,
            Self::Suspend(_) | Self::Resume | Self::Pin { .. } | Self::Unpin
        )
    }

    /// The command that does the same.
    pub fn command(&self, name: &Name) -> String {
        let of = |verb: &str| format!("syncline {verb} {name}");
        match self {
            Self::Sync => of("sync"),
            Self::Suspend(because) => of("suspend") + &because.options(),
            Self::Resume => of("resume"),
            Self::Abort(stop) => format!("{} --reason {}", of("abort"), shell::word(&stop.reason)),
            Self::Approve(plan) => format!("{} {}", of("approve"), shell::word(plan)),
            Self::Rollback(request) => {
                let to = request.to.as_deref();
                let to = to.map(|to| format!(" --to {}", shell::word(to)));
                let reason = shell::word(&request.reason);
                let to = to.unwrap_or_default();
                format!("{}{to} --reason {reason}", of("rollback"))
            }
            Self::Pin { commit, because } => {
                format!("{} {commit}{}", of("pin"), because.options())
            }
            Self::Unpin => of("unpin"),
        }
    }
}

/// Whether a person may approve the plan that was named; `waits` is the one that waits.
///
/// # Errors
/// `NotNow` where no plan waits, or another one.
pub fn approves(name: &Name, named: &str, waits: Option<&str>) -> Result<(), Refusal> {
    match waits {
        None => Err(Refusal::NotNow(format!(
            "no plan of `{name}` waits for approval"
        ))),
        Some(waits) if waits == named => Ok(()),
        Some(waits) => Err(Refusal::NotNow(format!(
            "plan `{named}` of `{name}` does not wait: `{waits}` does; look at it first"
        ))),
    }
}

/// The merge patch of one of our objects that has the agent look at it now: at the branch of a
/// Repository, at the registry of an ImagePolicy.
pub fn look(now: Timestamp) -> Value {
    annotations(json!({(names::ANNOTATION_REQUESTED_AT): now.to_string()}))
}

/// The command that has the agent look at the Repository of an Application now.
pub fn refresh_command(name: &Name) -> String {
    format!("syncline refresh {name}")
}

/// The command that freezes like this.
pub fn freeze_command(freeze: &Freeze) -> String {
    let because = Because {
        reason: freeze.reason.clone(),
        until: freeze.until,
    };
    format!("syncline freeze{}", because.options())
}

fn annotations(annotations: Value) -> Value {
    json!({"metadata": {"annotations": annotations}})
}

#[cfg(test)]
mod tests;
