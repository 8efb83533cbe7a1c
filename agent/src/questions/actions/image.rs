//! What a person asks of an ImagePolicy.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_cluster::kinds::Kind;
use syncline_core::decision::{self, Allowed, ImageFacts, TagDecision, Verb};
use syncline_core::image::hold;
use syncline_core::record::Name;
use syncline_core::trigger::Cause;
use syncline_web_ui::views::{ActionAnswer, ImageAction};
use syncline_web_ui::{How, Unanswered};

use super::{answer, change, check, refused};
use crate::agent::Agent;
use crate::poller::Target;
use crate::state::PolicyState;

/// What may be asked of it now.
pub(super) fn allowed(entry: &PolicyState) -> Vec<Allowed> {
    let skips = hold::skips(entry.skip.as_deref());
    decision::of_image(&ImageFacts {
        invalid: entry.spec.as_ref().err().cloned(),
        has_holds: !entry.memory.holds.is_empty() || !skips.is_empty(),
        has_pin: entry.pin.is_some(),
    })
}

/// Does it, or says what would happen.
pub(super) async fn act(
    agent: &Arc<Agent>,
    name: &Name,
    action: &ImageAction,
    how: &How,
) -> Result<Option<ActionAnswer>, Unanswered> {
    let seen = {
        let state = agent.state.lock();
        let entry = state.policies.get(name);
        entry.map(|entry| {
            let held = entry.memory.holds.iter().map(|hold| hold.value.clone());
            let named = entry.current.clone();
            (allowed(entry), held.collect::<Vec<String>>(), named)
        })
    };
    let Some((allowed, held, named)) = seen else {
        return Ok(None);
    };
    let now = agent.clock.now();
    let (verb, decision, sentence) = match action {
        ImageAction::Refresh => {
            check(&allowed, Verb::Refresh)?;
            if let How::Do(_) = how {
                let target = Target::ImagePolicy(name.clone());
                let instant = agent.clock.monotonic();
                agent.poller.look_now(&target, Cause::User, instant);
            }
            let command = format!("syncline images refresh {name}");
            let sentence = "the registry is asked for its tags";
            return Ok(Some(answer(how, sentence, command)));
        }
        ImageAction::Skip { tag, reason } => (
            Verb::Skip,
            TagDecision::skip(tag, reason, now).map_err(refused)?,
            format!(
                "`{tag}` is not chosen until it is released; a newer tag is taken all the same"
            ),
        ),
        ImageAction::Release { tag } => (
            Verb::Release,
            TagDecision::Release(tag.clone()),
            format!("`{tag}` may be chosen again"),
        ),
        ImageAction::Pin { tag, reason } => (
            Verb::Pin,
            TagDecision::pin(tag, reason, now).map_err(refused)?,
            format!(
                "`{tag}` is chosen and no other, also where it is older than what Git names, as far \
                 as the policy allows it"
            ),
        ),
        ImageAction::Unpin => (
            Verb::Unpin,
            TagDecision::Unpin,
            "the newest tag that the policy allows is chosen again".to_owned(),
        ),
    };
    check(&allowed, verb)?;
    let mut told = answer(how, sentence, decision.command(name));
    if let (ImageAction::Skip { tag, .. }, Some(named)) = (action, &named)
        && hold::is_same(named, tag)
    {
        let note = format!("Git names `{named}` now, and it stays: a skip takes nothing back");
        told.notes.push(note);
    }
    let patch = |annotations: &BTreeMap<String, String>| {
        decision.patch(annotations, &held).map_err(refused)
    };
    if *how == How::Try {
        let annotations = {
            let state = agent.state.lock();
            let entry = state.policies.get(name);
            entry.map(annotations_of).unwrap_or_default()
        };
        patch(&annotations)?;
        return Ok(Some(told));
    }
    let written = change(agent, Kind::ImagePolicy, name, |object| {
        let annotations = object["metadata"]["annotations"].clone();
        patch(&serde_json::from_value(annotations).unwrap_or_default())
    });
    Ok(written.await?.map(|()| told))
}

/// The annotations of it that decisions are in.
fn annotations_of(entry: &PolicyState) -> BTreeMap<String, String> {
    use syncline_core::names::{ANNOTATION_PIN_TAG, ANNOTATION_RELEASE, ANNOTATION_SKIP};
    let known = [
        (ANNOTATION_RELEASE, &entry.release),
        (ANNOTATION_SKIP, &entry.skip),
        (ANNOTATION_PIN_TAG, &entry.pin),
    ];
    let known = known.into_iter();
    known
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
        .collect()
}
