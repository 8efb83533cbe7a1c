//! The cluster and the Applications in it, for commands that need no agent.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use syncline_cluster::{Account, Cluster, Resource, kinds};
use syncline_core::names;
use syncline_core::owner::Owner;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;

use crate::preview::own_kind;
use crate::settings;

/// Field manager of what the command line writes.
pub(super) const MANAGER: &str = "syncline-cli";

/// Which cluster, and which namespace of it.
#[derive(Args, Clone, Debug)]
pub(super) struct Connection {
    /// Namespace of what is named; that of the kubeconfig's context where it is left out.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Kubeconfig file; as with `kubectl` where it is left out.
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one where it is left out.
    #[arg(long, value_name = "CONTEXT", help_heading = "Cluster")]
    context: Option<String>,
    /// Deadline of one request to the API server.
    #[arg(long, default_value = "30s", value_parser = settings::duration, value_name = "DURATION", help_heading = "Cluster")]
    request_timeout: Duration,
    /// Deadline of a connection to the API server.
    #[arg(long, default_value = "10s", value_parser = settings::duration, value_name = "DURATION", help_heading = "Cluster")]
    connect_timeout: Duration,
}

/// A connected cluster that serves our kinds.
pub(super) struct Place {
    cluster: Cluster,
    person: Account,
    resource: Resource,
    /// The namespace that is meant.
    pub(super) namespace: String,
}

/// An Application as it was read.
pub(super) struct Found {
    /// Its name.
    pub(super) name: Name,
    /// Its spec and status.
    pub(super) application: kinds::Application,
}

impl Connection {
    /// Connects with the rights of the person.
    pub(super) async fn open(&self) -> anyhow::Result<Place> {
        let cluster = Cluster::connect(syncline_cluster::connect::Settings {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            connect_timeout: self.connect_timeout,
            request_timeout: self.request_timeout,
            ..Default::default()
        })
        .await?;
        let resource = own_kind(&cluster).await;
        let namespace = self.namespace.as_deref();
        Ok(Place {
            resource: resource.context("does this cluster have Syncline?")?,
            namespace: namespace.unwrap_or(cluster.default_namespace()).to_owned(),
            person: cluster.person(),
            cluster,
        })
    }

    /// The namespace that was given.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Deadline of one request.
    pub(super) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Deadline of a connection.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }
}

impl Place {
    /// The full name of what was named as `NAME` or `NAMESPACE/NAME`.
    pub(super) fn name(&self, text: &str) -> Name {
        match text.split_once('/') {
            Some((namespace, name)) => Name::new(namespace, name),
            None => Name::new(&self.namespace, text),
        }
    }

    /// Reads one Application.
    pub(super) async fn find(&self, name: &Name) -> anyhow::Result<Found> {
        let key = self.resource.key(Some(name.namespace.clone()), &*name.name);
        let found = self.person.get_full(&self.resource, &key).await;
        let found = found.with_context(|| format!("read the Application `{name}`"))?;
        let Some(found) = found else {
            bail!("there is no Application `{name}`; `syncline get -A` prints all");
        };
        read(found)
    }

    /// Reads the Applications of a namespace, or all.
    pub(super) async fn list(&self, namespace: Option<&str>) -> anyhow::Result<Vec<Found>> {
        let all = self.person.list_full(&self.resource, namespace).await;
        let all = all.context("list the Applications")?;
        all.into_iter().map(read).collect()
    }

    /// Reads one ImagePolicy; `None` where there is none.
    pub(super) async fn image_policy(
        &self,
        name: &Name,
    ) -> anyhow::Result<Option<kinds::ImagePolicy>> {
        let resource = self.own(kinds::Kind::ImagePolicy).await?;
        let key = resource.key(Some(name.namespace.clone()), &*name.name);
        let found = self.person.get_full(&resource, &key).await;
        let found = found.with_context(|| format!("read the ImagePolicy `{name}`"))?;
        found.map(policy).transpose()
    }

    /// Reads the ImagePolicies of a namespace, or all.
    pub(super) async fn image_policies(
        &self,
        namespace: Option<&str>,
    ) -> anyhow::Result<Vec<kinds::ImagePolicy>> {
        let resource = self.own(kinds::Kind::ImagePolicy).await?;
        let all = self.person.list_full(&resource, namespace).await;
        let all = all.context("list the ImagePolicies")?;
        all.into_iter().map(policy).collect()
    }

    /// One of our kinds as the cluster serves it.
    async fn own(&self, kind: kinds::Kind) -> anyhow::Result<Resource> {
        let kind = kind.as_str();
        let found = self.cluster.discovery().preferred(names::GROUP, kind).await;
        found.context("does this cluster have Syncline?")
    }

    /// The newest commit of the Repository of an Application that its status names.
    pub(super) async fn head_of(&self, found: &Found) -> anyhow::Result<Option<CommitId>> {
        let resource = self.own(kinds::Kind::Repository).await?;
        let namespace = found.name.namespace.clone();
        let key = resource.key(Some(namespace), &*found.application.spec.repository);
        let object = self.person.get_full(&resource, &key).await;
        let object = object.with_context(|| format!("read the Repository `{}`", key.name))?;
        let revision = object
            .as_ref()
            .and_then(|o| o["status"]["revision"].as_str());
        let commit = revision.and_then(|revision| revision.rsplit_once('@'));
        Ok(commit.and_then(|(_, commit)| CommitId::parse(commit).ok()))
    }

    /// Changes one of our objects, whatever it is like.
    pub(super) async fn change_own(
        &self,
        kind: kinds::Kind,
        name: &Name,
        patch: &Value,
    ) -> anyhow::Result<()> {
        let resource = self.own(kind).await?;
        let key = resource.key(Some(name.namespace.clone()), &*name.name);
        let changed = self.person.merge(&resource, &key, MANAGER, patch).await;
        changed.with_context(|| format!("change the {} `{name}`", kind.as_str()))?;
        Ok(())
    }

    /// Changes an Application as it was read; refused where somebody changed it meanwhile.
    pub(super) async fn change(&self, found: &Found, mut patch: Value) -> anyhow::Result<Found> {
        let name = &found.name;
        let version = found.application.metadata.resource_version.clone();
        patch["metadata"]["resourceVersion"] = version.into();
        let key = self.resource.key(Some(name.namespace.clone()), &*name.name);
        let changed = self
            .person
            .merge(&self.resource, &key, MANAGER, &patch)
            .await;
        read(changed.with_context(|| format!("change the Application `{name}`"))?)
    }
}

fn policy(object: Value) -> anyhow::Result<kinds::ImagePolicy> {
    serde_json::from_value(object).context("an ImagePolicy is not what its schema promises")
}

fn read(object: Value) -> anyhow::Result<Found> {
    let text = |field: &str| {
        object["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let name = Name::new(text("namespace"), text("name"));
    let application = serde_json::from_value(object)
        .with_context(|| format!("the Application `{name}` is not what its schema promises"))?;
    Ok(Found { name, application })
}

impl Found {
    /// An annotation of it.
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        let annotations = self.application.metadata.annotations.as_ref()?;
        annotations.get(name).map(String::as_str)
    }

    /// The Application whose Git names this one: what is changed here is put back from there.
    pub(super) fn owner(&self, place: &Place) -> Option<Name> {
        let name = &self.name;
        let key = place
            .resource
            .key(Some(name.namespace.clone()), &*name.name);
        let owner = Owner::read(self.annotation(names::ANNOTATION_OWNER)?, &key)?;
        Some(owner.application)
    }
}

/// When something ends that is given a time or a length; `None` for never.
pub(super) fn end(
    until: Option<Timestamp>,
    length: Option<Duration>,
    now: Timestamp,
) -> anyhow::Result<Option<Timestamp>> {
    let until = match length {
        Some(length) => Some(now.checked_add(length).context("`--for` is too long")?),
        None => until,
    };
    if until.is_some_and(|until| until <= now) {
        bail!("`--until` is in the past: it is {} now", shown(now));
    }
    Ok(until)
}

/// A moment to the second, in UTC.
pub(super) fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How long ago something was, or will be, in one unit: `12s`, `4m`, `3h`, `9d`.
pub(super) fn apart(one: Timestamp, other: Timestamp) -> String {
    let seconds = SignedDuration::from_secs(one.as_second() - other.as_second());
    let seconds = seconds.unsigned_abs().as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Without what would move the cursor or colour the terminal: the text may be anybody's.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_to_come() {
        let now: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        let at = |text: &str| Some(text.parse().unwrap());
        assert_eq!(end(None, None, now).unwrap(), None);
        assert_eq!(
            end(None, Some(Duration::from_secs(7_200)), now).unwrap(),
            at("2026-12-01T14:00:00Z")
        );
        let past = end(at("2026-12-01T11:59:59Z"), None, now).unwrap_err();
        assert_eq!(
            past.to_string(),
            "`--until` is in the past: it is 2026-12-01T12:00:00Z now"
        );
        assert!(end(None, Some(Duration::from_secs(u64::MAX)), now).is_err());
    }

    #[test]
    fn a_distance_in_time_has_one_unit() {
        let now: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        let told = |text: &str| apart(now, text.parse().unwrap());
        assert_eq!(told("2026-12-01T11:59:18Z"), "42s");
        assert_eq!(told("2026-12-01T12:07:00Z"), "7m");
        assert_eq!(told("2026-11-20T12:00:00Z"), "11d");
    }

    #[test]
    fn text_of_others_does_not_command_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\nc"), "a [31mb c");
    }
}
