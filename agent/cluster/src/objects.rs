//! Reading and writing objects as a service account.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{
    DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::{DynamicObject, ObjectList, PartialObjectMeta, Request, Resource as _};
use serde_json::{Value, json};
use syncline_core::object::ObjectKey;

use crate::connect::Account;
use crate::discovery::{Resource, Scope};
use crate::error::Error;
use crate::live::Live;
use crate::secret::SecretData;

/// How many objects one page of a list holds.
const PAGE: u32 = 500;

/// What a server-side apply does about fields that others hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApplyMode {
    /// Git wins: the fields are taken over.
    Force,
    /// The apply fails with a conflict that names them.
    Fail,
    /// As `Force`, but nothing is written: what the outcome would be.
    DryRun,
}

/// What became of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deleted {
    /// The object is gone.
    Gone,
    /// The object is being deleted: a finalizer or a grace period holds it.
    Started,
}

/// What [`Account::ensure_namespace`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NamespaceState {
    /// It was there.
    Existed,
    /// It was created.
    Created,
}

impl Account {
    /// Server-side apply of one object under a field manager; answers with the object as it is now.
    ///
    /// With `resource_version` it fails with [`syncline_core::reason::Reason::Conflict`] where the
    /// object changed since. Unknown and duplicate fields are refused by the API server.
    pub async fn apply(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        wire: &Value,
        manager: &str,
        mode: ApplyMode,
        resource_version: Option<&str>,
    ) -> Result<Live, Error> {
        if !resource.supports("patch") {
            let kind = resource.kind.clone();
            return Err(Error::NoApply {
                api_version: resource.api_version(),
                kind,
            });
        }
        let mut params = PatchParams::apply(manager).validation_strict();
        params.force = mode != ApplyMode::Fail;
        params.dry_run = mode == ApplyMode::DryRun;
        let path = collection(resource, key)?;
        let request = match resource_version {
            None => path.patch(&key.name, &params, &Patch::Apply(wire)),
            Some(version) => {
                let mut wire = wire.clone();
                wire["metadata"]["resourceVersion"] = version.into();
                path.patch(&key.name, &params, &Patch::Apply(&wire))
            }
        };
        let object = self
            .run(self.client.request::<Value>(built(request)?))
            .await?;
        Live::from_object(resource, object)
    }

    /// The object, reduced; `None` where it does not exist.
    pub async fn get(&self, resource: &Resource, key: &ObjectKey) -> Result<Option<Live>, Error> {
        let object = self.read(resource, key).await?;
        object
            .map(|object| Live::from_object(resource, object))
            .transpose()
    }

    /// The whole object without `managedFields`; `None` where it does not exist. A Secret comes
    /// without its values.
    pub async fn get_full(
        &self,
        resource: &Resource,
        key: &ObjectKey,
    ) -> Result<Option<Value>, Error> {
        let mut object = self.read(resource, key).await?;
        if let Some(fields) = object.as_mut().and_then(Value::as_object_mut) {
            if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("managedFields");
                if let Some(annotations) = metadata
                    .get_mut("annotations")
                    .and_then(Value::as_object_mut)
                {
                    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
                }
            }
            if resource.is_secret() {
                fields.remove("data");
                fields.remove("stringData");
            }
        }
        Ok(object)
    }

    async fn read(&self, resource: &Resource, key: &ObjectKey) -> Result<Option<Value>, Error> {
        let request = built(collection(resource, key)?.get(&key.name, &GetParams::default()))?;
        found(self.run(self.client.request::<Value>(request)).await)
    }

    /// Deletes exactly this object at this version, its dependents in the background.
    ///
    /// Another object of the same name, and any change since it was read, is a
    /// [`syncline_core::reason::Reason::Conflict`].
    pub async fn delete(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        uid: &str,
        resource_version: &str,
    ) -> Result<Deleted, Error> {
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: Some(resource_version.to_owned()),
        });
        let request = built(collection(resource, key)?.delete(&key.name, &params))?;
        match found(self.run(self.client.request_status::<Value>(request)).await)? {
            None => Ok(Deleted::Gone),
            Some(answer) if answer.is_left() => Ok(Deleted::Started),
            Some(_) => Ok(Deleted::Gone),
        }
    }

    /// The metadata of all objects of a kind that a label selector names; without a namespace of
    /// the whole cluster.
    pub async fn list_metadata(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Live>, Error> {
        let namespace = namespace.filter(|_| resource.scope == Scope::Namespaced);
        let path = Request::new(DynamicObject::url_path(&resource.api(), namespace));
        let mut params = ListParams::default().labels(selector).limit(PAGE);
        let mut all = Vec::new();
        loop {
            let request = built(path.list_metadata(&params))?;
            let page: ObjectList<PartialObjectMeta<DynamicObject>> =
                self.run(self.client.request(request)).await?;
            all.extend(
                page.items
                    .into_iter()
                    .map(|item| Live::from_metadata(resource, item.metadata)),
            );
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(all),
            }
        }
    }

    /// The objects of a kind in full but for their spec, as [`Live`] keeps them.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Live>, Error> {
        let namespace = namespace.filter(|_| resource.scope == Scope::Namespaced);
        let path = Request::new(DynamicObject::url_path(&resource.api(), namespace));
        let mut params = ListParams::default().labels(selector).limit(PAGE);
        let mut all = Vec::new();
        loop {
            let request = built(path.list(&params))?;
            let mut page: Value = self.run(self.client.request(request)).await?;
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                for item in items {
                    all.push(Live::from_object(resource, item)?);
                }
            }
            match page["metadata"]["continue"]
                .as_str()
                .filter(|token| !token.is_empty())
            {
                Some(token) => params.continue_token = Some(token.to_owned()),
                None => return Ok(all),
            }
        }
    }

    /// The content of a Secret.
    ///
    /// Fails with [`Error::SecretUnreadable`] where it does not exist or the account may not read
    /// it.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<SecretData, Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let unreadable = |why: String| Error::SecretUnreadable {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            why,
        };
        match self.run(api.get_opt(name)).await {
            Ok(Some(secret)) => {
                let data = secret.data.unwrap_or_default();
                Ok(SecretData::new(
                    data.into_iter()
                        .map(|(key, value)| (key, value.0))
                        .collect(),
                ))
            }
            Ok(None) => Err(unreadable("does not exist".to_owned())),
            Err(Error::Refused(refusal)) if refusal.code == 403 => Err(unreadable(format!(
                "cannot be read: the service account `{}/{}` may not `get` it",
                self.namespace(),
                self.name()
            ))),
            Err(error) => Err(error),
        }
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
        let patch = json!({ "metadata": metadata });
        let request = collection(resource, key)?.patch(
            &key.name,
            &PatchParams::default(),
            &Patch::Merge(&patch),
        );
        let object = self
            .run(self.client.request::<Value>(built(request)?))
            .await?;
        Live::from_object(resource, object)
    }
}

/// The path of the collection that an object is in. The identity must fit the scope of the kind.
fn collection(resource: &Resource, key: &ObjectKey) -> Result<Request, Error> {
    let malformed = |what: &str| Err(Error::Malformed(format!("{key}: {what}")));
    let valid = |name: &str| {
        !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%', '?', '#'])
    };
    if !valid(&key.name) {
        return malformed("the name cannot be part of a path");
    }
    let namespace = match (resource.scope, &key.namespace) {
        (Scope::Namespaced, Some(namespace)) if valid(namespace) => Some(namespace.as_str()),
        (Scope::Namespaced, _) => return malformed("an object of this kind needs a namespace"),
        (Scope::Cluster, _) => None,
    };
    Ok(Request::new(DynamicObject::url_path(
        &resource.api(),
        namespace,
    )))
}

fn built<T>(request: Result<T, kube::core::request::Error>) -> Result<T, Error> {
    request.map_err(|error| Error::Malformed(error.to_string()))
}

fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(scope: Scope) -> Resource {
        Resource {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            plural: "deployments".into(),
            scope,
            verbs: vec!["patch".into()],
        }
    }

    #[test]
    fn an_identity_that_would_leave_its_path_is_refused() {
        let resource = resource(Scope::Namespaced);
        for (namespace, name) in [
            (Some("shop"), "../secrets/x"),
            (Some("shop"), "a?b"),
            (Some("../x"), "web"),
            (Some("shop"), ""),
            (Some("shop"), ".."),
            (None, "web"),
        ] {
            let mut key = resource.key(namespace.map(Into::into), name);
            key.namespace = namespace.map(Into::into);
            assert!(collection(&resource, &key).is_err(), "{key}");
        }
        let key = resource.key(Some("shop".into()), "web");
        let request = collection(&resource, &key)
            .unwrap()
            .get("web", &GetParams::default())
            .unwrap();
        assert_eq!(
            request.uri().path(),
            "/apis/apps/v1/namespaces/shop/deployments/web"
        );
    }
}
