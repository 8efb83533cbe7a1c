//! What a preview answers with: one type for the plan that waits, the API and the command line.

use std::collections::BTreeMap;

use serde::Serialize;
use syncline_core::hooks::{Hook, Moment};
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::outcome::Failure;
use syncline_core::plan::{Consent, Plan, Writes};
use syncline_core::record::Name;
use syncline_core::revision::CommitInfo;
use syncline_web_ui::views::{self, ApprovalView, Approves, PreviewView};

use super::Texts;

/// What a sync would do. Holds no value of a Secret.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Preview {
    /// Whose objects they are.
    pub(crate) application: Name,
    /// The commit that was rendered; none for a folder.
    pub(crate) commit: Option<CommitInfo>,
    /// Every object with what happens to it, in the order in which it happens; `hash` is what an
    /// approval names, and empty where that is not known.
    #[serde(flatten)]
    pub(crate) plan: Plan,
    /// The objects as two texts, where these were asked for.
    #[serde(skip)]
    pub(crate) texts: BTreeMap<ObjectKey, Texts>,
    /// What runs once at a point of the rollout.
    pub(crate) hooks: Vec<PlannedHook>,
    /// Other applications whose files differ from what they were last rendered from.
    pub(crate) touched: Vec<Name>,
    /// What could not be read: about that nothing is known.
    pub(crate) unread: Vec<Failure>,
    /// What is said of the comparison itself.
    pub(crate) remarks: Vec<String>,
    /// Whether all of it waits for a person, because syncs are not automatic.
    #[serde(skip)]
    pub(crate) asks: bool,
    /// What would be written, counted; what waits for a person counts as written.
    #[serde(skip)]
    pub(crate) counts: Writes,
    /// What an approval of all of it covers.
    #[serde(skip)]
    pub(crate) consent: Consent,
}

impl Preview {
    /// What the API sends.
    pub(crate) fn view(&self) -> PreviewView {
        let why = |failures: &[Failure]| failures.iter().map(Into::into).collect();
        let texts = self.remarks.iter().chain(&self.plan.warnings);
        let hooks = self.hooks.iter().map(|hook| views::PlannedHook {
            moment: hook.moment.into(),
            object: (&hook.key).into(),
            origin: (&hook.origin).into(),
        });
        let waits = self.asks && !self.consent.is_empty();
        let approval = if waits {
            Some(ApprovalView::new(
                &self.application,
                &self.plan.hash,
                Approves::Changes,
            ))
        } else {
            let held = self.plan.hold.as_ref();
            held.map(|_| ApprovalView::new(&self.application, &self.plan.hash, Approves::Prune))
        };
        PreviewView {
            commit: self.commit.as_ref().map(Into::into),
            counts: self.counts.into(),
            actions: self.plan.actions.iter().map(Into::into).collect(),
            standing: self.plan.standing as u32,
            hooks: hooks.collect(),
            hold: self.plan.hold.as_ref().map(Into::into),
            approval,
            touched: self.touched.iter().map(ToString::to_string).collect(),
            unread: why(&self.unread),
            warnings: texts.cloned().collect(),
        }
    }
}

/// A hook that would run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlannedHook {
    /// When.
    pub(crate) moment: Moment,
    /// The object; without a name where the API server gives it one.
    pub(crate) key: ObjectKey,
    /// Where Git names it.
    pub(crate) origin: Origin,
}

impl PlannedHook {
    pub(super) fn of(hook: &Hook) -> Self {
        Self {
            moment: hook.moment,
            key: hook.manifest.key.clone(),
            origin: hook.manifest.origin.clone(),
        }
    }
}

/// The writes of a plan in words: `2 to create, 1 to prune`.
pub(crate) fn counted(writes: Writes) -> String {
    let words = [
        (writes.create, "to create"),
        (writes.update, "to update"),
        (writes.prune, "to prune"),
        (writes.hooks, "hooks to run"),
    ];
    let words: Vec<String> = words
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if words.is_empty() {
        "nothing to do".to_owned()
    } else {
        words.join(", ")
    }
}
