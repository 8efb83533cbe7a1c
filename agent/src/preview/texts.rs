//! Objects as two whole texts: as they are live, and as the API server would make them.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use serde_json::Value;
use syncline_core::application::Ignore;
use syncline_core::manifest::{Body, Manifest, ManifestSet};
use syncline_core::masking::Masking;
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::owner::Owner;
use syncline_core::ownership::{self, FieldOwners, IgnoredFields};
use syncline_core::plan::{Action, Live, Plan};
use syncline_core::projection::project;
use syncline_core::reason::Reason;
use syncline_core::record::MaskedManifest;
use syncline_core::secret_inputs::SecretInputs;

use super::Subject;
use super::compare::with_values;

/// Most objects of one answer that are compared as texts.
const MOST_OBJECTS: usize = 200;

/// One object before and after, and what is known of the fields that differ.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    /// As it is live; `None` where it is not, or cannot be read.
    pub(crate) before: Option<MaskedManifest>,
    /// As a sync would leave it; `None` where it goes.
    pub(crate) after: Option<MaskedManifest>,
    /// Who holds the fields that differ.
    pub(crate) owners: Vec<FieldOwners>,
    /// What is left to others.
    pub(crate) ignored: Vec<IgnoredFields>,
    /// Why it cannot be read, or would be refused.
    pub(crate) why: Option<Failure>,
}

/// What all objects of one answer are compared with.
struct Comparison<'a> {
    subject: &'a Subject<'a>,
    masking: Masking<'a>,
    /// Our field manager.
    manager: String,
}

/// The texts of the objects that a plan does not leave as they are. Equal values have equal masks in
/// all of them.
pub(super) async fn texts(
    subject: &Subject<'_>,
    owner: &Owner,
    set: &ManifestSet,
    live: &BTreeMap<ObjectKey, Live>,
    plan: &Plan,
    secrets: &SecretInputs,
) -> BTreeMap<ObjectKey, Texts> {
    let random = ulid::Ulid::new().to_bytes();
    let comparison = Comparison {
        subject,
        masking: Masking::of_answer(&subject.settings.masking, secrets, &random),
        manager: names::field_manager(&owner.instance),
    };
    let actions = plan.actions.iter().filter(|action| match action.kind {
        ActionKind::Create | ActionKind::Update | ActionKind::Prune => true,
        ActionKind::Unchanged => action.because.is_some(),
        ActionKind::Skip => false,
    });
    let made = actions.take(MOST_OBJECTS).map(|action| {
        let key = &action.key;
        let made = comparison.of(action, set.get(key), live.get(key));
        async move {
            let mut texts = match made.await {
                Ok(texts) => texts,
                Err(why) => Texts {
                    why: Some(why),
                    ..Texts::default()
                },
            };
            if let Some(why) = &mut texts.why {
                why.detail = secrets.mask_text(&why.detail).into_owned();
            }
            (key.clone(), texts)
        }
    });
    let made: Vec<_> = made.collect();
    stream::iter(made)
        .buffer_unordered(subject.settings.concurrency)
        .collect()
        .await
}

impl Comparison<'_> {
    async fn of(
        &self,
        action: &Action,
        manifest: Option<&Manifest>,
        live: Option<&Live>,
    ) -> Result<Texts, Failure> {
        let Some(manifest) = manifest else {
            let object = self.read(&action.key).await?;
            return Ok(Texts {
                before: object
                    .map(|object| body(&action.key, object))
                    .transpose()?
                    .map(|body| self.masking.object(&body).manifest()),
                ..Texts::default()
            });
        };
        let object = match live {
            Some(_) => self.read(&action.key).await?,
            None => None,
        };
        match (object, live) {
            (Some(object), Some(live)) => self.both(action, manifest, live, object).await,
            _ => Ok(Texts {
                after: Some(self.masking.object(&manifest.body).manifest()),
                ..Texts::default()
            }),
        }
    }

    async fn both(
        &self,
        action: &Action,
        manifest: &Manifest,
        live: &Live,
        object: Value,
    ) -> Result<Texts, Failure> {
        let key = &manifest.key;
        let fields = &live.managed_fields;
        let rules = self.subject.application.ignore.iter();
        let rules: Vec<&Ignore> = rules.filter(|rule| rule.selects(key)).collect();
        let mut wire = manifest.body.to_wire();
        let ignored = ownership::ignored_fields(&object, &wire, fields, &rules);
        ownership::without_held(&mut wire, fields, &rules);
        // What a sync does to the managed fields before its apply cannot be tried without effect.
        let can_try = action.rewrite.is_none() && !key.is_secret();
        let (tried, why) = if can_try {
            match self.try_out(manifest, &wire).await {
                Ok(after) => (Some(after), None),
                Err(why) => (None, Some(why)),
            }
        } else {
            (None, None)
        };
        let (before, after) = match tried {
            Some(after) => (object, after),
            None => {
                let fields = action.rewrite.as_ref().unwrap_or(fields);
                let owned = ownership::applied_entry(fields, &self.manager);
                let before = project(&object, &wire, owned.unwrap_or(&Value::Null));
                (before, wire)
            }
        };
        let (before, after) = (body(key, before)?, body(key, after)?);
        let (before, after) = self.masking.pair(&before, &after);
        Ok(Texts {
            owners: ownership::owners(&before, &after, fields),
            before: Some(before.manifest()),
            after: Some(after.manifest()),
            ignored,
            why,
        })
    }

    /// The live object with the values of a Secret, without what the API server alone writes.
    async fn read(&self, key: &ObjectKey) -> Result<Option<Value>, Failure> {
        let failed = |error: syncline_cluster::Error| Failure {
            reason: error.reason(),
            detail: format!("{key}: {error}"),
        };
        let discovery = self.subject.cluster.discovery();
        let resource = discovery.resolve(&key.group, &key.version, &key.kind).await;
        let resource = resource.map_err(failed)?;
        let found = self.subject.account.get_full(&resource, key).await;
        let Some(mut object) = found.map_err(failed)? else {
            return Ok(None);
        };
        tidy(&mut object);
        if key.is_secret() {
            let values = with_values(self.subject, key, &mut object).await;
            values.map_err(failed)?;
        }
        Ok(Some(object))
    }

    /// What the object would be, or why the API server refuses it.
    async fn try_out(&self, manifest: &Manifest, wire: &Value) -> Result<Value, Failure> {
        let key = &manifest.key;
        let discovery = self.subject.cluster.discovery();
        let conflicts = self.subject.application.sync.conflicts;
        let tried = async {
            let resource = discovery
                .resolve(&key.group, &key.version, &key.kind)
                .await?;
            let account = self.subject.account;
            account
                .dry_run_apply(&resource, key, wire, &self.manager, conflicts)
                .await
        };
        let mut after = tried.await.map_err(|error| Failure {
            reason: error.reason(),
            detail: format!("{}: {key}: {error}", manifest.origin),
        })?;
        tidy(&mut after);
        Ok(after)
    }
}

/// Takes out what the API server alone writes.
fn tidy(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    fields.remove("status");
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in [
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "selfLink",
        ] {
            metadata.remove(name);
        }
    }
}

/// The message of the error names a key of the Secret at most.
fn body(key: &ObjectKey, object: Value) -> Result<Body, Failure> {
    Body::take(object).map_err(|why| Failure {
        reason: Reason::InvalidObject,
        detail: format!("{key}: {why}"),
    })
}
