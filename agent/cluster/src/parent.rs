//! Marks on one of our own objects: the finalizer and annotations of an inventory's parent.

use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::{DynamicObject, PartialObjectMeta};
use serde_json::{Value, json};
use syncline_core::reason::Reason;
use syncline_core::record::Name;

use crate::connect::Agent;
use crate::error::Error;
use crate::kinds::Kind;

/// How often a write is tried that lost against another one.
const ATTEMPTS: usize = 5;

impl Agent {
    /// Sets annotations and adds a finalizer; other finalizers stay.
    pub async fn mark(
        &self,
        kind: Kind,
        name: &Name,
        annotations: Value,
        finalizer: &str,
    ) -> Result<(), Error> {
        self.change(kind, name, |finalizers| {
            if !finalizers.iter().any(|other| other == finalizer) {
                finalizers.push(finalizer.to_owned());
            }
            json!({ "annotations": annotations })
        })
        .await
    }

    /// Removes a finalizer; other finalizers stay. An object that is gone is fine.
    pub async fn release(&self, kind: Kind, name: &Name, finalizer: &str) -> Result<(), Error> {
        let done = self
            .change(kind, name, |finalizers| {
                finalizers.retain(|other| other != finalizer);
                json!({})
            })
            .await;
        match done {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }

    /// Reads the metadata, changes it and writes it at the version that was read.
    async fn change(
        &self,
        kind: Kind,
        name: &Name,
        change: impl Fn(&mut Vec<String>) -> Value,
    ) -> Result<(), Error> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &name.namespace, &kind.resource());
        let mut attempt = 1;
        loop {
            let read: PartialObjectMeta<DynamicObject> =
                self.requests.run(api.get_metadata(&name.name)).await?;
            let mut finalizers = read.metadata.finalizers.unwrap_or_default();
            let mut metadata = change(&mut finalizers);
            metadata["finalizers"] = finalizers.into();
            metadata["resourceVersion"] = read.metadata.resource_version.unwrap_or_default().into();
            let patch = Patch::Merge(json!({ "metadata": metadata }));
            let params = PatchParams::default();
            let written = self
                .requests
                .run(api.patch_metadata(&name.name, &params, &patch))
                .await;
            match written {
                Ok(_) => return Ok(()),
                Err(error) if error.reason() == Reason::Conflict && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
