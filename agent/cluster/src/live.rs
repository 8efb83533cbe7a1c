//! A live object, reduced to what the agent reasons about.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};
use syncline_core::object::ObjectKey;

use crate::discovery::Resource;
use crate::error::Error;

/// Written by `kubectl apply`; it holds the whole object, values of a Secret included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A live object as it was at one resource version. Holds no value of a Secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its identity.
    pub key: ObjectKey,
    /// Its UID; another object of the same name has another.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
    /// Its generation, where the kind has one.
    pub generation: Option<i64>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations, without `kubectl`'s copy of the object.
    pub annotations: BTreeMap<String, String>,
    /// The entries of `managedFields`.
    pub managed_fields: Vec<Value>,
    /// Owner references.
    pub owner_references: Vec<OwnerReference>,
    /// Finalizers.
    pub finalizers: Vec<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Since when it is being deleted.
    pub deleted: Option<Timestamp>,
    /// Its status, where it was read in full.
    pub status: Option<Value>,
    /// Identity, generation, status and the fields of the spec that its health depends on, where it
    /// was read in full. Never for a Secret.
    pub object: Option<Value>,
}

/// An owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerReference {
    /// `group/version` of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// UID of the owner.
    pub uid: String,
    /// Whether it is the controller of the object.
    pub controller: bool,
}

impl Live {
    /// From metadata alone.
    pub(crate) fn from_metadata(resource: &Resource, meta: ObjectMeta) -> Self {
        let name = meta.name.unwrap_or_default();
        let mut annotations = meta.annotations.unwrap_or_default();
        annotations.remove(LAST_APPLIED);
        Self {
            key: resource.key(meta.namespace, name),
            uid: meta.uid.unwrap_or_default(),
            resource_version: meta.resource_version.unwrap_or_default(),
            generation: meta.generation,
            labels: meta.labels.unwrap_or_default(),
            annotations,
            managed_fields: meta
                .managed_fields
                .unwrap_or_default()
                .into_iter()
                .filter_map(|entry| serde_json::to_value(entry).ok())
                .collect(),
            owner_references: meta
                .owner_references
                .unwrap_or_default()
                .into_iter()
                .map(|owner| OwnerReference {
                    api_version: owner.api_version,
                    kind: owner.kind,
                    name: owner.name,
                    uid: owner.uid,
                    controller: owner.controller.unwrap_or_default(),
                })
                .collect(),
            finalizers: meta.finalizers.unwrap_or_default(),
            created: meta.creation_timestamp.map(|time| time.0),
            deleted: meta.deletion_timestamp.map(|time| time.0),
            status: None,
            object: None,
        }
    }

    /// From a whole object.
    pub(crate) fn from_object(resource: &Resource, mut object: Value) -> Result<Self, Error> {
        let meta = object
            .get_mut("metadata")
            .map(Value::take)
            .unwrap_or_default();
        let meta: ObjectMeta = serde_json::from_value(meta)
            .map_err(|error| Error::Answer(format!("metadata of a {}: {error}", resource.kind)))?;
        Ok(Self::from_parts(resource, meta, object))
    }

    /// From metadata and the rest of the object.
    pub(crate) fn from_parts(resource: &Resource, meta: ObjectMeta, mut rest: Value) -> Self {
        let mut live = Self::from_metadata(resource, meta);
        if !live.key.is_secret() {
            live.status = rest
                .get_mut("status")
                .map(Value::take)
                .filter(|s| !s.is_null());
            live.object = Some(live.reduced(rest.get_mut("spec").map(Value::take)));
        }
        live
    }

    /// What health depends on: small, whatever the size of the object.
    fn reduced(&self, spec: Option<Value>) -> Value {
        let mut metadata = Map::new();
        metadata.insert("name".into(), self.key.name.clone().into());
        if let Some(namespace) = &self.key.namespace {
            metadata.insert("namespace".into(), namespace.clone().into());
        }
        if let Some(generation) = self.generation {
            metadata.insert("generation".into(), generation.into());
        }
        if let Some(deleted) = self.deleted {
            metadata.insert("deletionTimestamp".into(), deleted.to_string().into());
        }
        if !self.finalizers.is_empty() {
            metadata.insert("finalizers".into(), json!(self.finalizers));
        }
        if !self.annotations.is_empty() {
            metadata.insert("annotations".into(), json!(self.annotations));
        }
        let mut object = json!({
            "apiVersion": self.key.api_version(),
            "kind": self.key.kind,
            "metadata": metadata,
        });
        if let Some(Value::Object(mut spec)) = spec {
            spec.retain(|field, _| HEALTH_FIELDS.contains(&field.as_str()));
            if !spec.is_empty() {
                object["spec"] = Value::Object(spec);
            }
        }
        if let Some(status) = &self.status {
            object["status"] = status.clone();
        }
        object
    }

    /// The controller that owns it, where one does.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }
}

/// Fields of a spec that the health of built-in kinds depends on.
const HEALTH_FIELDS: [&str; 16] = [
    "backoffLimit",
    "completions",
    "group",
    "minReadySeconds",
    "names",
    "parallelism",
    "partition",
    "paused",
    "podManagementPolicy",
    "progressDeadlineSeconds",
    "replicas",
    "restartPolicy",
    "suspend",
    "type",
    "updateStrategy",
    "volumeName",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Scope;

    fn resource(group: &str, kind: &str, plural: &str) -> Resource {
        Resource {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            plural: plural.into(),
            scope: Scope::Namespaced,
            verbs: vec![],
        }
    }

    #[test]
    fn a_workload_keeps_status_and_what_health_needs() {
        let live = Live::from_object(
            &resource("apps", "Deployment", "deployments"),
            json!({
                "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7",
                             "generation": 2, "creationTimestamp": "2026-01-01T00:00:00Z",
                             "managedFields": [{"manager": "m", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}]},
                "spec": {"replicas": 3, "template": {"spec": {"containers": []}}},
                "status": {"readyReplicas": 3},
            }),
        )
        .unwrap();
        assert_eq!(live.key.to_string(), "Deployment.apps shop/web");
        assert_eq!(
            (live.uid.as_str(), live.resource_version.as_str()),
            ("u", "7")
        );
        assert_eq!(live.managed_fields[0]["fieldsV1"], json!({"f:spec": {}}));
        let object = live.object.unwrap();
        assert_eq!(object["spec"], json!({"replicas": 3}));
        assert_eq!(object["status"]["readyReplicas"], 3);
        assert_eq!(object["metadata"]["generation"], 2);
    }

    #[test]
    fn inv_i30_nothing_of_a_secret_but_its_metadata_is_kept() {
        let live = Live::from_object(
            &resource("", "Secret", "secrets"),
            json!({
                "metadata": {"name": "db", "namespace": "shop", "annotations": {
                    LAST_APPLIED: "{\"data\":{\"pw\":\"aHVudGVyMg==\"}}", "team": "shop"}},
                "data": {"pw": "aHVudGVyMg=="},
            }),
        )
        .unwrap();
        assert!(live.object.is_none() && live.status.is_none());
        assert_eq!(live.annotations.keys().collect::<Vec<_>>(), ["team"]);
        assert!(!format!("{live:?}").contains("aHVudGVyMg"));
    }
}
