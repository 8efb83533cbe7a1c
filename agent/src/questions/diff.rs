//! What differs between two states of an application.

use std::collections::BTreeMap;

use syncline_core::application::Ignore;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::ActionKind;
use syncline_core::plan::Action;
use syncline_core::record::{MaskedManifest, Name, SyncRecord};
use syncline_web_ui::views::{self, DiffSide, DiffView, ObjectDiff};
use syncline_web_ui::{Answer, Between, Diffs, Unanswered};

use super::Answers;
use crate::agent::Agent;
use crate::history::unanswered;
use crate::preview::{Unpreviewed, differences};

impl Diffs for Answers {
    fn diff(&self, application: Name, between: Between) -> Answer<'_, Option<DiffView>> {
        Box::pin(async move {
            match between {
                Between::LiveAndDesired(reference) => {
                    live(&self.agent, &application, reference.as_deref()).await
                }
                Between::Syncs { from, to } => syncs(&self.agent, &application, &from, &to).await,
            }
        })
    }
}

/// What is live against what a sync would make of it.
async fn live(
    agent: &std::sync::Arc<Agent>,
    application: &Name,
    reference: Option<&str>,
) -> Result<Option<DiffView>, Unanswered> {
    let mut preview = match differences(agent, application, reference).await {
        Ok(preview) => preview,
        Err(Unpreviewed::NoApplication(_)) => return Ok(None),
        Err(error) => return Err(Unanswered::Refused(error.to_string())),
    };
    let (branch, ignore) = {
        let state = agent.state.lock();
        let entry = state.applications.get(application);
        let spec = entry.and_then(|entry| entry.spec.as_ref().ok());
        let source = state.source_of(application);
        let branch = source.and_then(|found| Some(found.spec.as_ref().ok()?.branch.clone()));
        let ignore = spec.map(|spec| spec.ignore.iter().map(rule).collect());
        (branch, ignore.unwrap_or_default())
    };
    let title = reference.map(str::to_owned).or(branch).unwrap_or_default();
    let mut texts = std::mem::take(&mut preview.texts);
    let actions = preview.plan.actions.iter();
    // What is left as it is without a reason stands.
    let shown = actions.filter(|a| a.kind != ActionKind::Unchanged || a.because.is_some());
    let mut left_out = false;
    let objects = shown.map(|action| {
        let texts = texts.remove(&action.key);
        left_out |= action.kind != ActionKind::Skip && texts.is_none();
        object(action, texts)
    });
    let objects: Vec<ObjectDiff> = objects.collect();
    let mut warnings = preview.remarks.clone();
    warnings.extend(preview.plan.warnings.iter().cloned());
    if left_out {
        warnings.push("so many objects differ that not all of them were compared".to_owned());
    }
    Ok(Some(DiffView {
        from: DiffSide {
            title: "live".to_owned(),
            commit: None,
            sync: None,
        },
        to: DiffSide {
            title,
            commit: preview.commit.as_ref().map(Into::into),
            sync: None,
        },
        unchanged: preview.plan.count(ActionKind::Unchanged) as u32
            - objects
                .iter()
                .filter(|object| object.action == views::Action::Unchanged)
                .count() as u32,
        objects,
        ignored: ignore,
        unread: preview.unread.iter().map(Into::into).collect(),
        warnings,
    }))
}

fn object(action: &Action, texts: Option<crate::preview::Texts>) -> ObjectDiff {
    let texts = texts.unwrap_or_default();
    let why = action.because.as_ref().or(texts.why.as_ref());
    ObjectDiff {
        object: (&action.key).into(),
        action: action.kind.into(),
        origin: action.origin.as_ref().map(Into::into),
        why: why.map(Into::into),
        before: texts.before.map(|manifest| manifest.text),
        after: texts.after.map(|manifest| manifest.text),
        owners: texts.owners.iter().map(Into::into).collect(),
        ignored: texts.ignored.iter().map(Into::into).collect(),
        notes: action.notes.clone(),
    }
}

/// A rule that leaves fields to others, in words.
fn rule(rule: &Ignore) -> String {
    let fields: Vec<String> = rule.fields.iter().map(|path| format!("`{path}`")).collect();
    let what = match (&rule.manager, fields.is_empty()) {
        (Some(manager), true) => format!("what `{manager}` holds"),
        (Some(manager), false) => format!("{}, and what `{manager}` holds,", fields.join(", ")),
        (None, _) => fields.join(", "),
    };
    let kind = match (&rule.kind, &rule.group) {
        (Some(kind), Some(group)) if !group.is_empty() => format!("{kind}.{group}"),
        (Some(kind), _) => kind.clone(),
        (None, Some(group)) => format!("every kind of `{group}`"),
        (None, None) => "every kind".to_owned(),
    };
    match &rule.name {
        Some(name) => format!("{what} of {kind} `{name}`"),
        None => format!("{what} of {kind}"),
    }
}

/// What one sync left against what another left.
async fn syncs(
    agent: &Agent,
    application: &Name,
    from: &str,
    to: &str,
) -> Result<Option<DiffView>, Unanswered> {
    let known = agent.state.lock().applications.contains_key(application);
    let (Some(before), Some(after)) = (
        sync(agent, application, from).await?,
        sync(agent, application, to).await?,
    ) else {
        return if known {
            let what = "history has no such sync of this application".to_owned();
            Err(Unanswered::Refused(what))
        } else {
            Ok(None)
        };
    };
    let (old, new) = tokio::try_join!(
        states(agent, application, from),
        states(agent, application, to)
    )?;
    let keys: std::collections::BTreeSet<&ObjectKey> = old.keys().chain(new.keys()).collect();
    let count = keys.len();
    let objects = keys.into_iter().filter_map(|key| {
        let (before, after) = (old.get(key), new.get(key));
        let action = match (before, after) {
            (Some(one), Some(other)) if one.digest == other.digest => return None,
            (Some(_), Some(_)) => ActionKind::Update,
            (None, _) => ActionKind::Create,
            (Some(_), None) => ActionKind::Prune,
        };
        Some(ObjectDiff {
            object: key.into(),
            action: action.into(),
            origin: None,
            why: None,
            before: before.map(|manifest| manifest.text.clone()),
            after: after.map(|manifest| manifest.text.clone()),
            owners: Vec::new(),
            ignored: Vec::new(),
            notes: Vec::new(),
        })
    });
    let objects: Vec<_> = objects.collect();
    Ok(Some(DiffView {
        from: side(&before),
        to: side(&after),
        unchanged: (count - objects.len()) as u32,
        objects,
        ignored: Vec::new(),
        unread: Vec::new(),
        warnings: Vec::new(),
    }))
}

fn side(sync: &SyncRecord) -> DiffSide {
    let commit = sync.commit.as_ref().map(views::Commit::from);
    DiffSide {
        title: sync
            .revision
            .as_ref()
            .map(|revision| revision.branch.clone())
            .unwrap_or_default(),
        commit,
        sync: Some(sync.id.clone()),
    }
}

/// A sync of this application.
async fn sync(
    agent: &Agent,
    application: &Name,
    id: &str,
) -> Result<Option<SyncRecord>, Unanswered> {
    let found = agent.history.sync(id).await;
    let found = found.map_err(unanswered)?;
    Ok(found.filter(|sync| sync.application == *application))
}

/// The objects as a sync left them.
async fn states(
    agent: &Agent,
    application: &Name,
    sync: &str,
) -> Result<BTreeMap<ObjectKey, MaskedManifest>, Unanswered> {
    let found = agent.history.object_states(application, sync).await;
    let found = found.map_err(unanswered)?;
    let states = found.into_iter();
    Ok(states.map(|state| (state.key, state.manifest)).collect())
}

#[cfg(test)]
mod tests {
    use syncline_core::field_path::FieldPath;

    use super::*;

    #[test]
    fn a_rule_is_told_in_words() {
        let fields = vec![FieldPath::parse("/spec/replicas").unwrap()];
        let mut given = Ignore {
            kind: Some("Deployment".to_owned()),
            name: Some("web".to_owned()),
            fields,
            ..Ignore::default()
        };
        assert_eq!(rule(&given), "`/spec/replicas` of Deployment `web`");
        given = Ignore {
            manager: Some("vpa*".to_owned()),
            ..Ignore::default()
        };
        assert_eq!(rule(&given), "what `vpa*` holds of every kind");
    }
}
