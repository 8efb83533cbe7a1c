//! Reading and writing objects as a service account.

mod data;
mod follow;
mod logs;
mod looks;
mod merge;
mod reads;
mod writes;

pub use follow::{LogLines, LogQuery, MAX_LINE_BYTES, RawLine};
pub use logs::{LastPod, LogOptions, Pods};
pub use looks::{Listed, Selection};
pub(crate) use reads::{PAGE, path, reduce};

use kube::core::{DynamicObject, Request, Resource as _};
use serde_json::Value;
use syncline_core::application::Conflicts;
pub use syncline_core::directives::Propagation;
use syncline_core::object::ObjectKey;

use crate::connect::Account;
use crate::discovery::{Resource, Scope};
use crate::error::Error;
use crate::live::Live;
use crate::live::wire::WireObject;

/// How an object is applied.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApplyOptions<'a> {
    /// What is done about fields that other managers hold.
    pub conflicts: Conflicts,
    /// Whether anything is written.
    pub dry_run: DryRun,
    /// Only onto the object as it was at this version.
    pub resource_version: Option<&'a str>,
}

/// Whether a request has an effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DryRun {
    /// It writes.
    #[default]
    No,
    /// Validation and admission are asked and the outcome is answered; nothing is written.
    Yes,
}

/// What exactly is deleted, and how.
#[derive(Clone, Copy, Debug)]
pub struct DeleteOptions<'a> {
    /// UID of the object that is meant.
    pub uid: &'a str,
    /// Its version when that was decided.
    pub resource_version: &'a str,
    /// What happens to its dependents.
    pub propagation: Propagation,
}

/// What became of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deleted {
    /// The object is gone.
    Gone,
    /// The object is being deleted: a finalizer, its dependents or a grace period hold it.
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
    /// Sends a request whose answer is an object of this kind, and reduces it.
    async fn live(
        &self,
        resource: &Resource,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Live, Error> {
        let object: WireObject = self.run(self.client.request(built(request)?)).await?;
        Ok(Live::from_wire(resource, object))
    }

    pub(crate) async fn read(
        &self,
        resource: &Resource,
        key: &ObjectKey,
    ) -> Result<Option<Value>, Error> {
        let request = collection(resource, key)?.get(&key.name, &kube::api::GetParams::default());
        found(
            self.run(self.client.request::<Value>(built(request)?))
                .await,
        )
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

pub(crate) fn built<T>(request: Result<T, kube::core::request::Error>) -> Result<T, Error> {
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
    use kube::api::GetParams;

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
