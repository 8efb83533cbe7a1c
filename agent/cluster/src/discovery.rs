//! Which kinds the cluster serves, read in two requests and cached.
//!
//! A group that cannot be read now (its aggregated API is down) is *unknown*, not absent: what was
//! known of it stays, and an unknown kind in it is [`Error::DiscoveryIncomplete`].

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::client::{APIGroupDiscovery, APIGroupDiscoveryList};
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::watcher;
use syncline_core::object::ObjectKey;
use tokio::sync::watch;

use crate::backoff::Backoff;
use crate::connect::Agent;
use crate::error::Error;

/// Whether objects of a kind live in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// They belong to the cluster.
    Cluster,
    /// Each lives in a namespace.
    Namespaced,
}

/// A kind that the cluster serves, in one version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: String,
    /// API version inside the group.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Plural name, as in URLs and roles.
    pub plural: String,
    /// Whether objects live in a namespace.
    pub scope: Scope,
    /// What can be done with it: `get`, `list`, `watch`, `patch`, `delete` and so on.
    pub verbs: Vec<String>,
}

/// The groups with a dot that every API server serves by itself; those of `k8s.io` that are not
/// among them are of custom resources, like those of the Gateway API.
const BUILT_IN_GROUPS: [&str; 18] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "custom.metrics.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "metrics.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

impl Resource {
    /// `group/version`, or `version` alone in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The identity of an object of this kind.
    pub fn key(&self, namespace: Option<String>, name: impl Into<String>) -> ObjectKey {
        ObjectKey {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
            namespace: namespace.filter(|_| self.scope == Scope::Namespaced),
            name: name.into(),
        }
    }

    /// Whether the cluster offers the verb for it.
    pub fn supports(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// Whether its objects are read in full, because their health is in their status; of all others
    /// only the metadata is read. Never a Secret.
    pub fn is_read_in_full(&self) -> bool {
        match (self.group.as_str(), self.kind.as_str()) {
            ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job" | "CronJob")
            | (
                "",
                "Pod" | "PersistentVolumeClaim" | "PersistentVolume" | "Service" | "Namespace",
            )
            | ("networking.k8s.io", "Ingress")
            | ("autoscaling", "HorizontalPodAutoscaler")
            | ("policy", "PodDisruptionBudget")
            | ("apiextensions.k8s.io", "CustomResourceDefinition")
            | ("apiregistration.k8s.io", "APIService")
            | ("syncline.dev", _) => true,
            // Custom resources: groups with a dot that are not built in.
            (group, _) => group.contains('.') && !BUILT_IN_GROUPS.contains(&group),
        }
    }

    /// Whether this is the core `Secret`.
    pub fn is_secret(&self) -> bool {
        self.group.is_empty() && self.kind == "Secret"
    }

    pub(crate) fn api(&self) -> ApiResource {
        ApiResource {
            group: self.group.clone(),
            version: self.version.clone(),
            api_version: self.api_version(),
            kind: self.kind.clone(),
            plural: self.plural.clone(),
        }
    }
}

/// All that one look at the cluster showed.
#[derive(Clone, Debug, Default)]
struct Snapshot {
    /// Group -> its versions, the preferred one first, each with its kinds.
    groups: HashMap<String, Vec<(String, Vec<Resource>)>>,
    /// Groups that could not be read completely.
    incomplete: BTreeSet<String>,
    server_version: String,
}

/// The kinds of a cluster. Cheap to clone; all clones share the cache.
#[derive(Clone)]
pub struct Discovery {
    agent: Agent,
    interval: Duration,
    cache: Arc<RwLock<Arc<Snapshot>>>,
    /// When the cache was filled; `None` where it is known to be out of date. The lock makes
    /// concurrent refreshes one.
    refreshed: Arc<tokio::sync::Mutex<Option<Instant>>>,
    outdated: Arc<watch::Sender<u64>>,
}

impl Discovery {
    pub(crate) fn new(agent: Agent, interval: Duration) -> Self {
        Self {
            agent,
            interval,
            cache: Arc::default(),
            refreshed: Arc::default(),
            outdated: Arc::new(watch::Sender::new(0)),
        }
    }

    /// The kind in this version. A kind that is not in the cache is looked for anew, at most once
    /// per `discovery_interval`.
    ///
    /// Fails with [`Error::UnknownKind`] where the cluster does not serve it, and with
    /// [`Error::DiscoveryIncomplete`] where that cannot be said.
    pub async fn resolve(&self, group: &str, version: &str, kind: &str) -> Result<Resource, Error> {
        if let Some(found) = self.snapshot().find(group, version, kind) {
            return Ok(found);
        }
        self.refresh_if_old().await?;
        let snapshot = self.snapshot();
        snapshot
            .find(group, version, kind)
            .ok_or_else(|| snapshot.why_not(group, version, kind))
    }

    /// The kind in the version that the cluster prefers, for an inventory that names no version.
    pub async fn preferred(&self, group: &str, kind: &str) -> Result<Resource, Error> {
        if let Some(found) = self.snapshot().find_preferred(group, kind) {
            return Ok(found);
        }
        self.refresh_if_old().await?;
        let snapshot = self.snapshot();
        snapshot
            .find_preferred(group, kind)
            .ok_or_else(|| snapshot.why_not(group, "*", kind))
    }

    /// Waits until the kind is served, for objects whose CRD was applied a moment ago.
    ///
    /// Fails like [`Discovery::resolve`] when `patience` is over.
    pub async fn wait_for(
        &self,
        group: &str,
        version: &str,
        kind: &str,
        patience: Duration,
    ) -> Result<Resource, Error> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut changed = self.outdated.subscribe();
        loop {
            match self.resolve(group, version, kind).await {
                Err(Error::UnknownKind { .. } | Error::DiscoveryIncomplete { .. })
                    if tokio::time::Instant::now() < deadline => {}
                settled => return settled,
            }
            // An established CRD is served a little later, so the clock is needed beside the event.
            let again = deadline.min(tokio::time::Instant::now() + self.interval.div_f32(4.0));
            tokio::select! {
                _ = changed.changed() => {}
                () = tokio::time::sleep_until(again) => {}
            }
        }
    }

    /// Version of the API server, for example `v1.36.3`.
    pub async fn server_version(&self) -> Result<String, Error> {
        self.fill().await?;
        Ok(self.snapshot().server_version.clone())
    }

    /// What Helm calls the API versions: `v1`, `apps/v1`, `apps/v1/Deployment`, in order.
    pub async fn api_versions(&self) -> Result<Vec<String>, Error> {
        self.fill().await?;
        Ok(self.snapshot().api_versions())
    }

    /// One text for everything that a chart may learn of the cluster: equal ones mean that nothing
    /// of it has changed. Empty while nothing was read.
    pub fn fingerprint(&self) -> String {
        let snapshot = self.snapshot();
        if snapshot.groups.is_empty() {
            return String::new();
        }
        format!(
            "{} {}",
            snapshot.server_version,
            snapshot.api_versions().join(",")
        )
    }

    /// Groups that could not be read at the last look.
    pub fn incomplete(&self) -> Vec<String> {
        self.snapshot().incomplete.iter().cloned().collect()
    }

    /// Reads the kinds anew.
    pub async fn refresh(&self) -> Result<(), Error> {
        let mut refreshed = self.refreshed.lock().await;
        self.read().await?;
        *refreshed = Some(Instant::now());
        Ok(())
    }

    /// Forgets how fresh the cache is: the next unknown kind is looked for at once.
    pub async fn invalidate(&self) {
        *self.refreshed.lock().await = None;
        self.outdated.send_modify(|count| *count += 1);
    }

    /// Changes whenever a CRD changed; for what waits for a kind.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.outdated.subscribe()
    }

    /// Watches the CRDs for ever and calls [`Discovery::invalidate`] for each change.
    pub async fn follow(self, least: Duration, most: Duration) {
        let api: Api<PartialObjectMeta<CustomResourceDefinition>> =
            Api::all(self.agent.watches.clone());
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
        let mut backoff = Backoff::new(least, most);
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
                Ok(_) => {
                    backoff.reset();
                    self.invalidate().await;
                }
                Err(error) => {
                    let error = Error::from(error);
                    tracing::warn!(%error, "the watch of the CRDs failed and is started again");
                    backoff.wait().await;
                }
            }
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.cache.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn fill(&self) -> Result<(), Error> {
        if self.snapshot().groups.is_empty() {
            self.refresh_if_old().await
        } else {
            Ok(())
        }
    }

    async fn refresh_if_old(&self) -> Result<(), Error> {
        let mut refreshed = self.refreshed.lock().await;
        if refreshed.is_some_and(|at| at.elapsed() < self.interval) {
            return Ok(());
        }
        self.read().await?;
        *refreshed = Some(Instant::now());
        Ok(())
    }

    async fn read(&self) -> Result<(), Error> {
        let client = &self.agent.client;
        let requests = &self.agent.requests;
        let (core, groups, server) = tokio::try_join!(
            requests.run(client.list_core_api_versions_aggregated()),
            requests.run(client.list_api_groups_aggregated()),
            requests.run(client.apiserver_version()),
        )?;
        let snapshot = Snapshot::read([core, groups], &self.snapshot(), server.git_version);
        *self.cache.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        Ok(())
    }
}

impl Snapshot {
    fn read(lists: [APIGroupDiscoveryList; 2], previous: &Self, server_version: String) -> Self {
        let mut snapshot = Self {
            server_version,
            ..Self::default()
        };
        for group in lists.into_iter().flat_map(|list| list.items) {
            snapshot.add(group, previous);
        }
        snapshot
    }

    fn add(&mut self, group: APIGroupDiscovery, previous: &Self) {
        let name = group
            .metadata
            .and_then(|meta| meta.name)
            .unwrap_or_default();
        let mut versions = Vec::new();
        for found in group.versions {
            let version = found.version.unwrap_or_default();
            let mut resources: Vec<Resource> = found
                .resources
                .into_iter()
                .filter_map(|resource| {
                    let served = resource.response_kind?;
                    Some(Resource {
                        // A resource may be served with the kind of another group (`scale`).
                        group: served
                            .group
                            .filter(|g| !g.is_empty())
                            .unwrap_or(name.clone()),
                        version: served
                            .version
                            .filter(|v| !v.is_empty())
                            .unwrap_or(version.clone()),
                        kind: served.kind?,
                        plural: resource.resource?,
                        scope: match resource.scope.as_deref() {
                            Some("Namespaced") => Scope::Namespaced,
                            _ => Scope::Cluster,
                        },
                        verbs: resource.verbs,
                    })
                })
                .collect();
            if found.freshness.as_deref() == Some("Stale") {
                self.incomplete.insert(name.clone());
                if resources.is_empty() {
                    resources = previous
                        .version(&name, &version)
                        .cloned()
                        .unwrap_or_default();
                }
            }
            versions.push((version, resources));
        }
        self.groups.insert(name, versions);
    }

    fn version(&self, group: &str, version: &str) -> Option<&Vec<Resource>> {
        let versions = self.groups.get(group)?;
        versions
            .iter()
            .find(|(name, _)| name == version)
            .map(|(_, resources)| resources)
    }

    fn find(&self, group: &str, version: &str, kind: &str) -> Option<Resource> {
        self.version(group, version)?
            .iter()
            .find(|resource| resource.kind == kind)
            .cloned()
    }

    fn find_preferred(&self, group: &str, kind: &str) -> Option<Resource> {
        let versions = self.groups.get(group)?;
        versions
            .iter()
            .flat_map(|(_, resources)| resources)
            .find(|r| r.kind == kind)
            .cloned()
    }

    fn why_not(&self, group: &str, version: &str, kind: &str) -> Error {
        if self.incomplete.contains(group) {
            return Error::DiscoveryIncomplete {
                group: group.to_owned(),
            };
        }
        let api_version = match (group, version) {
            ("", version) => version.to_owned(),
            (group, "*") => group.to_owned(),
            (group, version) => format!("{group}/{version}"),
        };
        Error::UnknownKind {
            api_version,
            kind: kind.to_owned(),
        }
    }

    fn api_versions(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        for (group, versions) in &self.groups {
            for (version, resources) in versions {
                let name = if group.is_empty() {
                    version.clone()
                } else {
                    format!("{group}/{version}")
                };
                names.extend(
                    resources
                        .iter()
                        .map(|resource| format!("{name}/{}", resource.kind)),
                );
                names.insert(name);
            }
        }
        names.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn list(value: Value) -> APIGroupDiscoveryList {
        serde_json::from_value(value).unwrap()
    }

    fn core() -> APIGroupDiscoveryList {
        list(
            json!({"items": [{"metadata": {"name": ""}, "versions": [{"version": "v1", "resources": [
                {"resource": "pods", "scope": "Namespaced", "verbs": ["get", "patch"],
                 "responseKind": {"group": "", "version": "v1", "kind": "Pod"}},
                {"resource": "namespaces", "scope": "Cluster", "verbs": ["get"],
                 "responseKind": {"group": "", "version": "", "kind": "Namespace"}},
            ]}]}]}),
        )
    }

    fn custom(freshness: &str, resources: Value) -> APIGroupDiscoveryList {
        list(
            json!({"items": [{"metadata": {"name": "example.com"}, "versions": [
                {"version": "v2", "freshness": freshness, "resources": resources},
                {"version": "v1", "freshness": "Current", "resources": []},
            ]}]}),
        )
    }

    fn thing() -> Value {
        json!([{"resource": "things", "scope": "Namespaced", "verbs": ["get", "patch"],
                "responseKind": {"group": "example.com", "version": "v2", "kind": "Thing"}}])
    }

    #[test]
    fn only_kinds_with_health_are_read_in_full_and_never_a_secret() {
        for (group, kind, full) in [
            ("apps", "Deployment", true),
            ("example.com", "Thing", true),
            ("", "Secret", false),
            ("", "ConfigMap", false),
            ("rbac.authorization.k8s.io", "Role", false),
            ("gateway.networking.k8s.io", "Gateway", true),
            ("networking.k8s.io", "NetworkPolicy", false),
        ] {
            let resource = Resource {
                group: group.into(),
                version: "v1".into(),
                kind: kind.into(),
                plural: String::new(),
                scope: Scope::Namespaced,
                verbs: vec![],
            };
            assert_eq!(resource.is_read_in_full(), full, "{kind}");
        }
    }

    #[test]
    fn kinds_are_found_by_group_version_and_kind() {
        let lists = [core(), custom("Current", thing())];
        let snapshot = Snapshot::read(lists, &Snapshot::default(), "v1.36.3".into());
        let pod = snapshot.find("", "v1", "Pod").unwrap();
        assert_eq!(
            (pod.plural.as_str(), pod.scope),
            ("pods", Scope::Namespaced)
        );
        assert!(pod.supports("patch") && !pod.supports("delete"));
        assert_eq!(
            snapshot.find("", "v1", "Namespace").unwrap().scope,
            Scope::Cluster
        );
        assert!(snapshot.find("example.com", "v1", "Thing").is_none());
        assert_eq!(
            snapshot
                .find_preferred("example.com", "Thing")
                .unwrap()
                .version,
            "v2"
        );
        let names = snapshot.api_versions();
        assert!(
            names.contains(&"v1/Pod".to_owned()) && names.contains(&"example.com/v2".to_owned())
        );
    }

    #[test]
    fn fault_f24_a_group_that_cannot_be_read_is_unknown_and_not_absent() {
        let before = Snapshot::read(
            [core(), custom("Current", thing())],
            &Snapshot::default(),
            String::new(),
        );
        let now = Snapshot::read([core(), custom("Stale", json!([]))], &before, String::new());
        assert!(
            now.find("example.com", "v2", "Thing").is_some(),
            "what was known stays"
        );
        let error = now.why_not("example.com", "v2", "Other");
        assert!(
            matches!(error, Error::DiscoveryIncomplete { .. }),
            "{error}"
        );
        let error = now.why_not("other.com", "v1", "Other");
        assert!(matches!(error, Error::UnknownKind { .. }), "{error}");
    }
}
