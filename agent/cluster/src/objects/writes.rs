//! Writing objects: apply, take over and release of fields, delete, namespaces.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::Resource as _;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value, json};
use syncline_core::application::Conflicts;
use syncline_core::object::ObjectKey;
use syncline_core::reason::Reason;

use super::{
    ApplyOptions, DeleteOptions, Deleted, DryRun, NamespaceState, Propagation, built, collection,
    found, reduce,
};
use crate::connect::Account;
use crate::discovery::Resource;
use crate::error::Error;
use crate::live::Live;
use crate::live::wire::WireObject;

/// Words of the quota plugin.
const QUOTA: &str = "exceeded quota";

impl Account {
    /// Server-side apply of one object under a field manager; answers with the object as it is now.
    ///
    /// With `resource_version` it fails with [`Reason::Conflict`] where the object changed since;
    /// with [`Conflicts::Fail`] with [`Reason::FieldConflict`] where another manager holds a field
    /// of it, and the causes name both. Unknown and duplicate fields are refused by the API server.
    pub async fn apply(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        wire: &Value,
        manager: &str,
        options: ApplyOptions<'_>,
    ) -> Result<Live, Error> {
        if !resource.supports("patch") {
            return Err(no_apply(resource));
        }
        let mut params = PatchParams::apply(manager).validation_strict();
        params.force = options.conflicts == Conflicts::Take;
        params.dry_run = options.dry_run == DryRun::Yes;
        let path = collection(resource, key)?;
        let patch = Patch::Apply(Versioned {
            object: wire,
            version: options.resource_version,
        });
        let request = if resource.is_read_in_full() {
            path.patch(&key.name, &params, &patch)
        } else {
            path.patch_metadata(&key.name, &params, &patch)
        };
        self.live(resource, request).await
    }

    /// What the whole object would be after an apply, as [`Account::get_full`] gives it, with what
    /// admission and defaulting make of it. Nothing is written. A Secret comes without its values.
    pub async fn dry_run_apply(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        wire: &Value,
        manager: &str,
        conflicts: Conflicts,
    ) -> Result<Value, Error> {
        if !resource.supports("patch") {
            return Err(no_apply(resource));
        }
        let mut params = PatchParams::apply(manager).validation_strict();
        params.force = conflicts == Conflicts::Take;
        params.dry_run = true;
        let request = collection(resource, key)?.patch(&key.name, &params, &Patch::Apply(wire));
        let mut object = self
            .run(self.client.request::<Value>(built(request)?))
            .await?;
        reduce(resource, &mut object);
        Ok(object)
    }

    /// Creates one object under a field manager; answers with it. Unknown and duplicate fields are
    /// refused by the API server.
    ///
    /// `None` where there is one of the same name already; nothing is changed then.
    pub async fn create(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        wire: &Value,
        manager: &str,
    ) -> Result<Option<Live>, Error> {
        if !resource.supports("create") {
            return Err(no_apply(resource));
        }
        let params = PostParams {
            dry_run: false,
            field_manager: Some(manager.to_owned()),
        };
        let body = serde_json::to_vec(wire).map_err(|error| Error::Malformed(error.to_string()))?;
        let mut request = built(collection(resource, key)?.create(&params, body))?;
        strictly(&mut request, key)?;
        match self.run(self.client.request::<WireObject>(request)).await {
            Ok(object) => Ok(Some(Live::from_wire(resource, object))),
            Err(Error::Refused(refusal)) if refusal.word == "AlreadyExists" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the whole record of who set which field, at the version that was read; nothing
    /// else of the object changes. Taking over and giving up fields are both done so.
    ///
    /// Fails with [`Reason::Conflict`] where the object changed since.
    pub async fn set_managed_fields(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        resource_version: &str,
        mut fields: Vec<Value>,
    ) -> Result<Live, Error> {
        if fields.is_empty() {
            // An empty list counts as "not said"; one empty entry empties the record.
            fields.push(json!({}));
        }
        let metadata = json!({ "managedFields": fields });
        self.patch_metadata(resource, key, resource_version, metadata)
            .await
    }

    /// Asks validation and admission whether the object could be created anew, before the live one
    /// of the same name is deleted for it. Nothing is written; the name is taken, so the API server
    /// makes one up, and what a Service has to itself (addresses, node ports) is left out. A quota
    /// does not count: it still counts the live one.
    pub async fn dry_run_create(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        wire: &Value,
        manager: &str,
    ) -> Result<(), Error> {
        if !resource.supports("create") {
            return Err(no_apply(resource));
        }
        let params = PostParams {
            dry_run: true,
            field_manager: Some(manager.to_owned()),
        };
        let body = serde_json::to_vec(&unnamed(resource, key, wire))
            .map_err(|error| Error::Malformed(error.to_string()))?;
        let mut request = built(collection(resource, key)?.create(&params, body))?;
        strictly(&mut request, key)?;
        match self
            .run(self.client.request::<serde::de::IgnoredAny>(request))
            .await
        {
            Err(Error::Refused(refusal))
                if refusal.reason == Reason::AdmissionDenied && refusal.message.contains(QUOTA) =>
            {
                Ok(())
            }
            answer => answer.map(|_| ()),
        }
    }

    /// Deletes exactly this object at this version.
    ///
    /// Another object of the same name, and any change since it was read, is a
    /// [`Reason::Conflict`].
    pub async fn delete(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        options: DeleteOptions<'_>,
    ) -> Result<Deleted, Error> {
        let params = match options.propagation {
            Propagation::Background => DeleteParams::background(),
            Propagation::Foreground => DeleteParams::foreground(),
            Propagation::Orphan => DeleteParams::orphan(),
        };
        let params = params.preconditions(Preconditions {
            uid: Some(options.uid.to_owned()),
            resource_version: Some(options.resource_version.to_owned()),
        });
        let request = built(collection(resource, key)?.delete(&key.name, &params))?;
        let answer = found(self.run(self.client.request_status::<Value>(request)).await)?;
        let object = answer.and_then(|answer| answer.left());
        let waits = object.is_some_and(|object| is_there(&object));
        Ok(if waits {
            Deleted::Started
        } else {
            Deleted::Gone
        })
    }

    /// Creates a namespace where it does not exist. It gets no label and no owner record of ours,
    /// so it is never pruned.
    ///
    /// An account that may not read namespaces still may create one.
    pub async fn ensure_namespace(&self, name: &str) -> Result<NamespaceState, Error> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        match self.run(api.get_opt(name)).await {
            Ok(Some(_)) => return Ok(NamespaceState::Existed),
            Ok(None) => {}
            Err(Error::Refused(refusal)) if refusal.code == 403 => {}
            Err(error) => return Err(error),
        }
        let mut namespace = Namespace::default();
        namespace.meta_mut().name = Some(name.to_owned());
        match self
            .run(api.create(&PostParams::default(), &namespace))
            .await
        {
            Ok(_) => Ok(NamespaceState::Created),
            Err(Error::Refused(refusal)) if refusal.word == "AlreadyExists" => {
                Ok(NamespaceState::Existed)
            }
            Err(error) => Err(error),
        }
    }

    /// Changes metadata of an object of ours or of the user by a merge patch that only fits the
    /// version that was read.
    pub async fn patch_metadata(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        resource_version: &str,
        mut metadata: Value,
    ) -> Result<Live, Error> {
        metadata["resourceVersion"] = resource_version.into();
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let path = collection(resource, key)?;
        let params = PatchParams::default();
        let request = if resource.is_read_in_full() {
            path.patch(&key.name, &params, &patch)
        } else {
            path.patch_metadata(&key.name, &params, &patch)
        };
        self.live(resource, request).await
    }
}

fn no_apply(resource: &Resource) -> Error {
    Error::NoApply {
        api_version: resource.api_version(),
        kind: resource.kind.clone(),
    }
}

/// Has the API server refuse unknown and duplicate fields.
fn strictly(request: &mut http::Request<Vec<u8>>, key: &ObjectKey) -> Result<(), Error> {
    let strict = format!("{}&fieldValidation=Strict", request.uri());
    *request.uri_mut() = strict
        .parse()
        .map_err(|_| Error::Malformed(format!("{key}: it cannot be part of a path")))?;
    Ok(())
}

/// Whether the object that answers a delete still waits for its end. The API server answers with a
/// Status where an object is gone, but for Services, Pods, ServiceAccounts, claims and some other
/// kinds with the object either way (`ReturnDeletedObject` of its registry).
fn is_there(answer: &Value) -> bool {
    let metadata = &answer["metadata"];
    let finalizers = metadata["finalizers"].as_array();
    let grace = metadata["deletionGracePeriodSeconds"].as_i64();
    metadata["deletionTimestamp"].is_string()
        && (finalizers.is_some_and(|names| !names.is_empty()) || grace.is_some_and(|left| left > 0))
}

/// The object without its name and what only one object can have.
fn unnamed(resource: &Resource, key: &ObjectKey, wire: &Value) -> Value {
    let mut object = wire.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("name");
        metadata.insert("generateName".to_owned(), format!("{}-", key.name).into());
    }
    if resource.group.is_empty()
        && resource.kind == "Service"
        && let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
    {
        if spec
            .get("clusterIP")
            .is_none_or(|address| address != "None")
        {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
        spec.remove("healthCheckNodePort");
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
            port.remove("nodePort");
        }
    }
    object
}

/// An object as it is sent, with the version that it has to fit: written in one go, not copied.
#[derive(Debug)]
struct Versioned<'a> {
    object: &'a Value,
    version: Option<&'a str>,
}

impl Serialize for Versioned<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (Some(version), Value::Object(fields)) = (self.version, self.object) else {
            return self.object.serialize(serializer);
        };
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in fields.iter().filter(|(field, _)| *field != "metadata") {
            map.serialize_entry(field, value)?;
        }
        let metadata = fields.get("metadata").and_then(Value::as_object);
        map.serialize_entry("metadata", &VersionedMetadata { metadata, version })?;
        map.end()
    }
}

struct VersionedMetadata<'a> {
    metadata: Option<&'a Map<String, Value>>,
    version: &'a str,
}

impl Serialize for VersionedMetadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let fields = self.metadata.into_iter().flatten();
        for (field, value) in fields.filter(|(field, _)| *field != "resourceVersion") {
            map.serialize_entry(field, value)?;
        }
        map.serialize_entry("resourceVersion", self.version)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Scope;

    #[test]
    fn what_answers_a_delete_is_there_while_something_holds_it() {
        let answered = |metadata: Value| is_there(&json!({ "metadata": metadata }));
        let at = "2026-01-01T00:00:00Z";
        assert!(!answered(json!({ "name": "service" })));
        assert!(!answered(json!({ "finalizers": ["example.com/x"] })));
        assert!(answered(
            json!({ "deletionTimestamp": at, "finalizers": ["example.com/x"] })
        ));
        assert!(answered(
            json!({ "deletionTimestamp": at, "deletionGracePeriodSeconds": 30 })
        ));
        assert!(!answered(
            json!({ "deletionTimestamp": at, "deletionGracePeriodSeconds": 0 })
        ));
    }

    #[test]
    fn the_version_is_sent_with_the_object_and_only_where_it_is_given() {
        let object = json!({ "kind": "ConfigMap", "data": { "a": "1" },
                             "metadata": { "name": "x", "resourceVersion": "old" } });
        let sent = |version| {
            serde_json::to_value(Versioned {
                object: &object,
                version,
            })
            .unwrap()
        };
        assert_eq!(sent(None), object);
        let mut expected = object.clone();
        expected["metadata"]["resourceVersion"] = "7".into();
        assert_eq!(sent(Some("7")), expected);
    }

    #[test]
    fn a_trial_create_leaves_out_the_name_and_what_the_live_service_holds() {
        let service = Resource {
            group: String::new(),
            version: "v1".into(),
            kind: "Service".into(),
            plural: "services".into(),
            scope: Scope::Namespaced,
            verbs: vec![],
        };
        let key = service.key(Some("shop".into()), "web");
        let object = unnamed(
            &service,
            &key,
            &json!({ "metadata": { "name": "web", "labels": { "a": "b" } },
                "spec": { "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
                          "ports": [{ "port": 80, "nodePort": 30080 }] } }),
        );
        assert_eq!(
            object,
            json!({ "metadata": { "generateName": "web-", "labels": { "a": "b" } },
                    "spec": { "ports": [{ "port": 80 }] } })
        );
        let headless = json!({ "metadata": {}, "spec": { "clusterIP": "None" } });
        assert_eq!(
            unnamed(&service, &key, &headless)["spec"]["clusterIP"],
            "None"
        );
    }
}
