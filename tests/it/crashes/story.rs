//! One application from its first commit to its end, told while the agent may die at any moment.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use syncline_tests::control_plane::audit::Audit;
use syncline_tests::world::{DEADLINE, is_not_found};
use syncline_tests::{World, objects, wait_for};

use super::history;
use crate::deploy::{config_map, deployed};

/// The story of one application of a world.
pub(super) struct Story<'a> {
    pub(super) world: &'a World,
    pub(super) application: String,
    audit: Audit,
    /// The ids of the syncs that the history called `running` when the agent was dead.
    cut: Vec<String>,
    /// How often the agent died.
    pub(super) deaths: u32,
}

/// Objects by kind and name, without what a server writes.
pub(super) type Picture = BTreeMap<String, Value>;

impl<'a> Story<'a> {
    /// The Application does not exist yet.
    pub(super) fn new(world: &'a World, application: &str) -> Result<Self> {
        Ok(Self {
            world,
            application: application.to_owned(),
            audit: world.control_plane().audit().from_now()?,
            cut: Vec::new(),
            deaths: 0,
        })
    }

    fn namespace(&self) -> String {
        format!("{}-{}", self.world.namespace, self.application)
    }

    fn group(&self) -> String {
        format!("{}.example.com", self.namespace())
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}.yaml", self.application)
    }

    /// Tells all of it. Answers with what the cluster had after the second commit.
    pub(super) async fn tell(&mut self) -> Result<Picture> {
        self.begin().await?;
        self.change().await?;
        let picture = self.picture().await?;
        self.ensure_deleted_only(&["removed", "fixed"])?;
        self.leave_git().await?;
        self.end().await?;
        Ok(picture)
    }

    /// A first commit: five objects in a namespace that the agent makes.
    async fn begin(&mut self) -> Result<()> {
        let files = [
            (self.file("same"), config_map("same", "1")),
            (self.file("changed"), config_map("changed", "1")),
            (self.file("removed"), config_map("removed", "1")),
            (self.file("fixed"), fixed("1")),
            (self.file("secret"), SECRET.to_owned()),
        ];
        self.commit(&[], &files).await?;
        let destination = json!({ "namespace": self.namespace(), "createNamespace": true });
        let spec = json!({
            "destination": destination,
            "sync": { "pruneApproval": "Never" },
        });
        self.world
            .application(&self.application, &self.application, spec)
            .await?;
        self.until("the first commit", async |story| {
            story
                .ensure_maps(&[
                    ("same", "1"),
                    ("changed", "1"),
                    ("removed", "1"),
                    ("fixed", "1"),
                ])
                .await
        })
        .await?;
        self.until_told().await
    }

    /// Somebody adds a key; then comes a commit that adds a kind and an object of it, changes one
    /// object, removes one, and changes one that has to be made anew for it.
    async fn change(&mut self) -> Result<()> {
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "same", "namespace": self.namespace() },
        });
        let patch = json!({ "data": { "foreign": "1" } });
        objects::edit(&self.world.client, &map, None, "kubectl-edit", &patch).await?;
        let files = [
            (self.file("changed"), config_map("changed", "2")),
            (self.file("fixed"), fixed("2")),
            (self.file("kind"), definition(&self.group())),
            (self.file("gadget"), gadget(&self.group())),
        ];
        self.commit(&[self.file("removed")], &files).await?;
        self.until("the second commit", async |story| {
            story
                .ensure_maps(&[("same", "1"), ("changed", "2"), ("fixed", "2")])
                .await?;
            story
                .get(&format!("{}/v1", story.group()), "Gadget", "gadget")
                .await?;
            Ok(())
        })
        .await?;
        self.until_told().await
    }

    /// All but one object leaves Git: what was forgotten would stay.
    async fn leave_git(&mut self) -> Result<()> {
        let gone: Vec<_> = ["changed", "fixed", "kind", "gadget", "secret"]
            .map(|name| self.file(name))
            .into();
        self.commit(&gone, &[]).await?;
        let kind = objects::reference(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            &format!("gadgets.{}", self.group()),
        );
        self.until("all but one object to go", async |story| {
            story.ensure_maps(&[("same", "1")]).await?;
            let client = &story.world.client;
            let secret = story.get("v1", "Secret", "secret").await;
            let kind = objects::get(client, &kind, None).await;
            for (what, found) in [("the secret", secret), ("the kind", kind)] {
                let gone = found.err().is_some_and(|error| is_not_found(&error));
                ensure!(gone, "{what} is still there");
            }
            Ok(())
        })
        .await
    }

    /// The Application goes, and the last object with it.
    async fn end(&mut self) -> Result<()> {
        let own = objects::reference("syncline.dev/v1alpha1", "Application", &self.application);
        let namespace = Some(self.world.namespace.as_str());
        objects::delete(&self.world.client, &own, namespace).await?;
        self.until("the end of the Application", async |story| {
            story.ensure_maps(&[]).await?;
            let found = story.world.ours("Application", &story.application).await;
            ensure!(found.err().is_some_and(|error| is_not_found(&error)));
            Ok(())
        })
        .await
    }

    /// Whatever a crash cut off is called interrupted, and something came after it. Asked while
    /// the agent does not run.
    pub(super) async fn ensure_history(&self) -> Result<()> {
        let rows = history::rows(self.world, &self.application).await?;
        ensure!(rows.iter().all(|row| row.result != "running"), "{rows:?}");
        for id in &self.cut {
            let row = rows.iter().find(|row| row.id == *id);
            let result = row.map(|row| row.result.as_str());
            ensure!(result == Some("interrupted"), "{id}: {rows:?}");
            let after = rows.iter().filter(|row| row.id > *id);
            let completed = after.filter(|row| row.result == "succeeded").count();
            ensure!(completed > 0, "nothing was completed after {id}: {rows:?}");
        }
        Ok(())
    }

    /// Pushes a commit and asks for a look at it.
    async fn commit(&self, gone: &[String], files: &[(String, String)]) -> Result<()> {
        let gone: Vec<_> = gone.iter().map(String::as_str).collect();
        let files = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()));
        let files: Vec<_> = files.collect();
        match gone.as_slice() {
            [] => self.world.repo.commit(&files, "Change")?,
            gone => self.world.repo.replace(gone, &files, "Change")?,
        };
        self.world.request("Repository", "config").await
    }

    /// Waits for a state of the cluster; starts an agent that has died without its failpoints.
    async fn until(
        &mut self,
        what: &str,
        mut holds: impl AsyncFnMut(&Self) -> Result<()>,
    ) -> Result<()> {
        let what = format!("{what} of {}", self.application);
        loop {
            let seen = wait_for(&what, DEADLINE, async || {
                if self.world.agent().ensure_running().is_err() {
                    return Ok(false);
                }
                holds(self).await?;
                Ok(true)
            });
            if seen.await? {
                return Ok(());
            }
            self.revive().await?;
        }
    }

    /// Waits until the Application says that it stands at the newest commit.
    async fn until_told(&mut self) -> Result<()> {
        let head = self.world.repo.head()?;
        self.until("the status", async |story| {
            let live = story.world.ours("Application", &story.application).await?;
            let applied = live["status"]["lastAppliedRevision"]
                .as_str()
                .unwrap_or_default();
            ensure!(
                applied.contains(&head) && objects::condition(&live, "Ready").is_some(),
                "its status is {:#}",
                live["status"]
            );
            Ok(())
        })
        .await
    }

    async fn revive(&mut self) -> Result<()> {
        let agent = self.world.agent();
        let rows = history::rows(self.world, &self.application).await?;
        let running = rows.into_iter().filter(|row| row.result == "running");
        self.cut.extend(running.map(|row| row.id));
        self.deaths += 1;
        agent
            .start_again(agent.settings().without_failpoints())
            .await
    }

    async fn get(&self, api_version: &str, kind: &str, name: &str) -> Result<Value> {
        let object = objects::reference(api_version, kind, name);
        objects::get(&self.world.client, &object, Some(&self.namespace())).await
    }

    /// Our objects of a kind.
    async fn list(&self, api_version: &str, kind: &str) -> Result<Vec<DynamicObject>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let client = self.world.client.clone();
        let api: Api<DynamicObject> = Api::namespaced_with(client, &self.namespace(), &kind);
        let ours = ListParams::default().labels("syncline.dev/managed");
        Ok(api.list(&ours).await?.items)
    }

    /// The ConfigMaps of the application are these, and hold nothing else.
    async fn ensure_maps(&self, wanted: &[(&str, &str)]) -> Result<()> {
        let live = self.list("v1", "ConfigMap").await?;
        let live: BTreeMap<_, _> = live
            .iter()
            .map(|map| {
                (
                    map.metadata.name.as_deref().unwrap_or_default(),
                    &map.data["data"],
                )
            })
            .collect();
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(name, value)| (*name, json!({ "key": value })))
            .collect();
        let wanted: BTreeMap<_, _> = wanted.iter().map(|(name, data)| (*name, data)).collect();
        ensure!(live == wanted, "the ConfigMaps are {live:?}");
        Ok(())
    }

    /// Everything of the application, with the same words whatever its name is.
    async fn picture(&self) -> Result<Picture> {
        let mut picture = Picture::new();
        let gadgets = format!("{}/v1", self.group());
        for (api_version, kind) in [("v1", "ConfigMap"), ("v1", "Secret"), (&*gadgets, "Gadget")] {
            for object in self.list(api_version, kind).await? {
                let name = object.metadata.name.unwrap_or_default();
                let own = json!({ "labels": object.metadata.labels, "data": object.data });
                let text = own.to_string().replace(&self.namespace(), "NAMESPACE");
                picture.insert(format!("{kind} {name}"), serde_json::from_str(&text)?);
            }
        }
        Ok(picture)
    }

    /// Nobody but those were deleted since the beginning.
    fn ensure_deleted_only(&self, allowed: &[&str]) -> Result<()> {
        let namespace = self.namespace();
        let writes = deployed(self.world, &self.audit)?;
        let deleted: BTreeSet<_> = writes
            .iter()
            .filter(|write| write.verb == "delete" && write.object().namespace == namespace)
            .map(|write| write.object().name)
            .collect();
        let allowed: BTreeSet<_> = allowed.iter().map(|name| (*name).to_owned()).collect();
        ensure!(deleted.is_subset(&allowed), "deleted were {deleted:?}");
        ensure!(
            writes.iter().all(|write| write.verb != "deletecollection"),
            "a whole collection was deleted"
        );
        Ok(())
    }
}

const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: secret\nstringData:\n  token: hello\n";

/// An object that can only be made anew.
fn fixed(value: &str) -> String {
    format!(
        "{}immutable: true\n",
        config_map("fixed", value).replace(
            "  name: fixed\n",
            "  name: fixed\n  annotations:\n    syncline.dev/replace: allowed\n",
        )
    )
}

/// A kind `Gadget` of a group, as JSON.
pub(crate) fn definition(group: &str) -> String {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("gadgets.{group}") },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": { "plural": "gadgets", "singular": "gadget", "kind": "Gadget" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": true,
                } },
            }],
        },
    })
    .to_string()
}

/// An object of it, as YAML.
pub(crate) fn gadget(group: &str) -> String {
    format!("apiVersion: {group}/v1\nkind: Gadget\nmetadata:\n  name: gadget\nspec:\n  size: 1\n")
}
