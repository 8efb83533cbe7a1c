//! The front half of a sync for any commit, without a write and without a claim: what it would do.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use syncline_cluster::Account;
use syncline_core::manifest::Raw;
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::owner::{Owner, applied_hash};
use syncline_core::plan::Approval;
use syncline_core::read_set::ReadSet;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_core::secret_inputs::SecretInputs;
use syncline_core::trigger::Cause;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Extent, Purpose, Start, account_of, beginning, desired, given, inventory};
use crate::agent::{Agent, blocking};
use crate::preview::{
    self, Certainty, Detail, Identity, Last, Left, Preview, Rehearsal, Settings, Subject,
};
use crate::rendering::Seen;
use crate::state::{Head, Rendered};

/// What an application is at a commit.
pub(crate) struct Drawn {
    /// What was read of the sources that were asked about.
    pub(crate) reads: ReadSet,
    /// The objects and the hooks, or everything that is wrong.
    pub(crate) objects: Result<Vec<Raw>, Vec<Failure>>,
    /// What in the objects is not to be shown.
    pub(crate) secrets: SecretInputs,
}

/// A sync that is only thought of.
pub(crate) struct Dry<'a> {
    agent: &'a Arc<Agent>,
    start: Start,
    given: given::Given,
    account: Account,
}

impl<'a> Dry<'a> {
    /// Gathers what a sync of the commit would begin with. The commit has to be in the mirror.
    pub(crate) async fn begin(
        agent: &'a Arc<Agent>,
        name: &Name,
        target: Head,
    ) -> Result<Self, Vec<Failure>> {
        let start = start(agent, name, target).map_err(|failure| vec![failure])?;
        let account = account_of(agent, &start.application).await;
        let account = account.map_err(|error| {
            let detail = format!("service account: {error}");
            let reason = error.reason();
            vec![Failure { reason, detail }]
        })?;
        let given = given::gather(agent, &start).await;
        Ok(Self {
            agent,
            given: given.map_err(super::Stopped::into_failures)?,
            start,
            account,
        })
    }

    /// As [`Dry::begin`], with every source that is one of these Repositories at a commit, whichever
    /// of the Application's sources that is; the others are at their newest.
    pub(crate) async fn begin_at(
        agent: &'a Arc<Agent>,
        name: &Name,
        repositories: &BTreeSet<Name>,
        at: &Head,
    ) -> Result<Self, Vec<Failure>> {
        let one = |failure| vec![failure];
        let own = own_head(agent, name, repositories, at).map_err(one)?;
        let mut dry = Self::begin(agent, name, own).await?;
        for other in dry.start.others.values_mut() {
            if repositories.contains(&Name::new(&name.namespace, &other.repository)) {
                other.commit.clone_from(&at.info.id);
            }
        }
        Ok(dry)
    }

    /// Renders, and says what was read of these Repositories.
    pub(crate) async fn draw(&self, repositories: &BTreeSet<Name>) -> Drawn {
        let (agent, start) = (self.agent, &self.start);
        let namespace = &start.application.name.namespace;
        let mut reads = ReadSet::default();
        let mut sources = match desired::sources(start, &self.given).await {
            Ok((sources, _)) => sources,
            Err(failure) => {
                reads.add_tree("");
                return Drawn {
                    reads,
                    objects: Err(vec![failure]),
                    secrets: SecretInputs::default(),
                };
            }
        };
        let rendered = desired::output(agent, start, &self.account, &self.given, &mut sources);
        let rendered = rendered.await;
        let Seen {
            reads: seen,
            mut secrets,
        } = sources.into_seen();
        secrets.extend(&self.given.material.secrets);
        let is_one = |repository: &str| repositories.contains(&Name::new(namespace, repository));
        for (source, read) in &seen {
            let repository = match start.others.get(source) {
                Some(other) => &other.repository,
                None if source.is_empty() => &start.application.repository,
                None => continue,
            };
            if is_one(repository) {
                reads.extend(read);
            }
        }
        // What a render that failed would have read is below its path.
        if rendered.is_err() && is_one(&start.application.repository) {
            reads.add_tree(start.application.path.as_str());
        }
        let objects = rendered.map(|(_, output)| {
            let hooks = output.hooks.into_iter().map(|hook| hook.object);
            output.objects.into_iter().chain(hooks).collect()
        });
        let objects = objects.map_err(|failures| desired::masked(failures, &secrets));
        Drawn {
            reads,
            objects,
            secrets,
        }
    }

    /// What the plan is made of: the same text, the same plan. Nothing secret is in it.
    pub(crate) fn basis(&self) -> String {
        let name = &self.start.application.name;
        let state = self.agent.state.lock();
        let mut live: Vec<String> = Vec::new();
        if let Some(entry) = state.applications.get(name) {
            for key in entry.objects.keys().chain(&entry.left) {
                let seen = state.live.seen(key).map(|seen| {
                    let owner = seen.owner.as_ref();
                    format!(
                        "{} {owner:?} {:?} {:?}",
                        seen.uid, seen.applied, seen.fields
                    )
                });
                live.push(format!("{key} {}", seen.unwrap_or_default()));
            }
        }
        drop(state);
        let others = self.start.others.iter();
        let others: Vec<_> = others
            .map(|(source, other)| (source, &other.commit))
            .collect();
        let application = &self.start.application;
        let policy = (
            &application.sync,
            &application.account,
            &application.adopt_from,
        );
        let inputs = self.given.inputs.all();
        let commit = &self.start.target.info.id;
        let live = applied_hash(&[], &Value::from(live));
        let last = self.last();
        let last = (last.applied, last.rollout.map(|ledger| ledger.identity));
        format!("{commit} {others:?} {inputs} {policy:?} {last:?} {live}")
    }

    /// The other applications of the repository that read what differs between its head and a commit.
    pub(crate) async fn touched(&self, commit: &CommitId) -> Vec<Name> {
        let name = &self.start.application.name;
        let repository = Name::new(&name.namespace, &self.start.application.repository);
        let head = {
            let state = self.agent.state.lock();
            let source = state.repositories.get(&repository);
            source.and_then(|source| Some(source.head.as_ref()?.info.id.clone()))
        };
        let Some(head) = head.filter(|head| head != commit) else {
            return Vec::new();
        };
        let (mirror, commit) = (self.start.mirror.clone(), commit.clone());
        let changed = blocking(move || mirror.changed_paths(&head, &commit)).await;
        let state = self.agent.state.lock();
        let source = state.repositories.get(&repository);
        let (Ok(changed), Some(source)) = (changed, source) else {
            return Vec::new();
        };
        let touched = source.index.touched_by(&changed).into_iter();
        touched.filter(|other| other != name).collect()
    }

    /// What the application was rendered to last, if that is in memory.
    fn last_rendered(&self) -> Option<Arc<Rendered>> {
        let state = self.agent.state.lock();
        let entry = state.applications.get(&self.start.application.name)?;
        entry.rendered.clone()
    }

    fn last(&self) -> Last {
        let rollout = {
            let state = self.agent.state.lock();
            let entry = state.applications.get(&self.start.application.name);
            entry.and_then(|entry| entry.rollout.clone())
        };
        Last {
            rollout,
            applied: self.start.applied.clone(),
        }
    }

    /// Renders, reads and plans.
    pub(crate) async fn plan(&self, detail: Detail) -> Result<Preview, Vec<Failure>> {
        let (agent, start) = (self.agent, &self.start);
        let one = |failure| vec![failure];
        let (mut sources, _) = desired::sources(start, &self.given).await.map_err(one)?;
        let application = &start.application;
        let rendered = desired::output(agent, start, &self.account, &self.given, &mut sources);
        let rendered = rendered.await;
        let mut secrets = sources.secrets();
        secrets.extend(&self.given.material.secrets);
        if let Some(last) = self.last_rendered() {
            // What is live may still hold them.
            secrets.extend(&last.secrets);
        }
        let (kind, output) = rendered.map_err(|failures| desired::masked(failures, &secrets))?;
        let subject = Subject {
            memory: Some(agent),
            cluster: &agent.cluster,
            account: &self.account,
            application,
            kind,
            sources: &sources,
            identity: Identity {
                instance: Some(agent.instance.id().to_owned()),
                key: Some(agent.instance.key().to_vec()),
                name: Certainty::Known,
            },
            left: Left::In(inventory::extent(agent, start)),
            approval: Approval::default(),
            rehearsal: Rehearsal::No,
            detail,
            commit: Some(start.target.info.clone()),
            last: self.last(),
            settings: Settings {
                agent_namespace: agent.settings.namespace.clone(),
                manual_tools: agent.settings.manual_tools.clone(),
                tool_quiet_period: agent.settings.tool_quiet_period,
                concurrency: agent.settings.apply_concurrency,
                limits: agent.yaml_limits(),
                masking: Arc::clone(&agent.masking),
            },
        };
        let planned = Box::pin(preview::preview(
            &subject,
            output.objects,
            output.hooks,
            &secrets,
        ))
        .await;
        let mut preview = planned.map_err(|failures| desired::masked(failures, &secrets))?;
        preview
            .plan
            .warnings
            .extend(hidden(&output.warnings, &secrets));
        Ok(preview)
    }
}

/// Where an application's own repository is read: at `at` where it is one of the Repositories.
fn own_head(
    agent: &Agent,
    name: &Name,
    repositories: &BTreeSet<Name>,
    at: &Head,
) -> Result<Head, Failure> {
    let state = agent.state.lock();
    let own = state.repository_of(name);
    if own.as_ref().is_some_and(|own| repositories.contains(own)) {
        return Ok(at.clone());
    }
    let source = own.as_ref().and_then(|own| state.repositories.get(own));
    let head = source.and_then(|source| source.head.clone());
    head.ok_or_else(|| Failure {
        reason: Reason::RepositoryNotReady,
        detail: own.map(|own| format!("`{}`", own.name)).unwrap_or_default(),
    })
}

fn hidden<'t>(texts: &'t [String], secrets: &'t SecretInputs) -> impl Iterator<Item = String> + 't {
    texts
        .iter()
        .map(|text| secrets.mask_text(text).into_owned())
}

/// What a render of a commit begins with that is not that of a sync.
pub(super) fn start(agent: &Agent, name: &Name, target: Head) -> Result<Start, Failure> {
    let refuse = |reason, detail| Failure { reason, detail };
    let state = agent.state.lock();
    let entry = state.applications.get(name);
    let entry = entry.ok_or_else(|| refuse(Reason::Internal, format!("no application {name}")))?;
    let application = entry.spec.clone()?;
    let repository = Name::new(&name.namespace, &application.repository);
    let source = state.repositories.get(&repository);
    let spec = source.and_then(|source| source.spec.as_ref().ok());
    let spec = spec.ok_or_else(|| {
        let detail = format!("`{}`", application.repository);
        refuse(Reason::RepositoryMissing, detail)
    })?;
    let mirror = agent.mirrors.get(&spec.url);
    let mirror = mirror.map_err(|error| refuse(error.reason(), error.to_string()))?;
    let others = application.rendering.sources.iter().map(|(source, other)| {
        let found = beginning::other(agent, &state.repositories, &name.namespace, other)?;
        Ok((format!("${source}"), found))
    });
    let applied = entry.applied.as_ref().map(|head| head.info.id.clone());
    Ok(Start {
        purpose: Purpose::Look,
        withheld: None,
        overridden: Vec::new(),
        pending: None,
        owner: Owner {
            instance: agent.instance.id().to_owned(),
            application: name.clone(),
        },
        others: others.collect::<Result<_, Failure>>()?,
        mirror,
        approved_plan: None,
        applied: applied.or(entry.recorded.clone()),
        approved_since: None,
        listed: Extent {
            kinds: entry.listed(names::ANNOTATION_CONTAINS),
            namespaces: entry.listed(names::ANNOTATION_NAMESPACES),
        },
        cause: Cause::Reference,
        heads: 0,
        renders: 0,
        give_way: CancellationToken::new(),
        deadline: Instant::now() + application.sync.timeout,
        target,
        application,
    })
}
