//! A live object, reduced to what the agent reasons about.

mod room;
pub(crate) mod wire;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use syncline_core::object::ObjectKey;

use crate::discovery::Resource;
use wire::WireObject;

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
    /// Identity, generation, status and the spec without its large fields, where it was read in
    /// full. Never for a Secret.
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
    pub(crate) fn from_metadata(resource: &Resource, meta: wire::Metadata) -> Self {
        let mut annotations = meta.annotations.unwrap_or_default();
        annotations.remove(LAST_APPLIED);
        let owners = meta.owner_references.unwrap_or_default().into_iter();
        Self {
            key: resource.key(meta.namespace, meta.name),
            uid: meta.uid,
            resource_version: meta.resource_version,
            generation: meta.generation,
            labels: meta.labels.unwrap_or_default(),
            annotations,
            managed_fields: meta.managed_fields.unwrap_or_default(),
            owner_references: owners
                .map(|owner| OwnerReference {
                    api_version: owner.api_version,
                    kind: owner.kind,
                    name: owner.name,
                    uid: owner.uid,
                    controller: owner.controller.unwrap_or_default(),
                })
                .collect(),
            finalizers: meta.finalizers.unwrap_or_default(),
            created: meta.creation_timestamp,
            deleted: meta.deletion_timestamp,
            object: None,
        }
    }

    /// From a whole object.
    pub(crate) fn from_object(resource: &Resource, object: WireObject) -> Self {
        let mut live = Self::from_metadata(resource, object.metadata);
        if !live.key.is_secret() {
            live.object = Some(live.reduced(object.spec.0, object.status));
        }
        live
    }

    /// From what was read of an object, as far as its kind is read: see [`Resource::is_read_in_full`].
    pub(crate) fn from_wire(resource: &Resource, object: WireObject) -> Self {
        if resource.is_read_in_full() {
            Self::from_object(resource, object)
        } else {
            Self::from_metadata(resource, object.metadata)
        }
    }

    /// What health depends on: small, whatever the size of the object.
    fn reduced(&self, spec: Map<String, Value>, status: Option<Value>) -> Value {
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
        let mut object = Map::new();
        object.insert("apiVersion".into(), self.key.api_version().into());
        object.insert("kind".into(), self.key.kind.clone().into());
        object.insert("metadata".into(), metadata.into());
        if !spec.is_empty() {
            object.insert("spec".into(), spec.into());
        }
        if let Some(status) = status {
            object.insert("status".into(), status);
        }
        object.into()
    }

    /// The controller that owns it, where one does.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }
}

/// Fields of a spec that are large, and that no health depends on: they are not kept. Rules of people
/// do not see them either.
const SKIPPED_FIELDS: [&str; 10] = [
    "conversion",
    "containers",
    "ephemeralContainers",
    "initContainers",
    "jobTemplate",
    "template",
    "versions",
    "volumeClaimTemplates",
    "volumes",
    "validation",
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

    fn read(resource: &Resource, object: Value) -> Live {
        let text = object.to_string();
        Live::from_object(resource, serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_custom_resource_may_have_any_spec_and_status() {
        for spec in [
            json!(null),
            json!([1, {"a": 2}]),
            json!("text"),
            json!(1.5),
            json!(-1),
        ] {
            let live = read(
                &resource("example.com", "Thing", "things"),
                json!({"metadata": {"name": "x", "creationTimestamp": null}, "spec": spec, "status": "fine"}),
            );
            let object = live.object.unwrap();
            assert!(
                object["spec"].is_null() && object["status"] == "fine",
                "{object}"
            );
        }
    }

    #[test]
    fn a_field_of_a_spec_that_is_very_large_is_left_out() {
        let live = read(
            &resource("example.com", "Dashboard", "dashboards"),
            json!({
                "metadata": {"name": "x"},
                "spec": {"members": 3, "json": "x".repeat(1024 * 1024), "title": "all"},
                "status": {"ready": true},
            }),
        );
        let object = live.object.unwrap();
        assert_eq!(object["spec"], json!({"members": 3, "title": "all"}));
        assert_eq!(object["status"]["ready"], true);
    }

    #[test]
    fn a_workload_keeps_status_and_what_health_needs() {
        let live = read(
            &resource("apps", "Deployment", "deployments"),
            json!({
                "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7",
                             "generation": 2, "creationTimestamp": "2026-01-01T00:00:00Z",
                             "managedFields": [{"manager": "m", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}]},
                "spec": {"replicas": 3, "template": {"spec": {"containers": []}}},
                "status": {"readyReplicas": 3},
            }),
        );
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
        let live = read(
            &resource("", "Secret", "secrets"),
            json!({
                "metadata": {"name": "db", "namespace": "shop", "annotations": {
                    LAST_APPLIED: "{\"data\":{\"pw\":\"aHVudGVyMg==\"}}", "team": "shop"}},
                "data": {"pw": "aHVudGVyMg=="},
            }),
        );
        assert!(live.object.is_none());
        assert_eq!(live.annotations.keys().collect::<Vec<_>>(), ["team"]);
        assert!(!format!("{live:?}").contains("aHVudGVyMg"));
    }
}
