//! Reading objects: one, or a page after the other.

use kube::api::{GetParams, ListParams};
use kube::core::{DynamicObject, Request, Resource as _};
use serde_json::Value;
use syncline_core::object::ObjectKey;

use super::{Selection, built, collection, found};
use crate::connect::Account;
use crate::discovery::{Resource, Scope};
use crate::error::Error;
use crate::live::Live;
use crate::live::wire::{WireList, WireObject};

/// How many objects one page of a list holds.
pub(crate) const PAGE: u32 = 500;

impl Account {
    /// The object, reduced: in full where its kind is read so ([`Resource::is_read_in_full`]).
    /// `None` where it does not exist.
    pub async fn get(&self, resource: &Resource, key: &ObjectKey) -> Result<Option<Live>, Error> {
        if !resource.is_read_in_full() {
            return self.get_metadata(resource, key).await;
        }
        let request = collection(resource, key)?.get(&key.name, &GetParams::default());
        let answer = self.run(self.client.request::<WireObject>(built(request)?));
        let object = found(answer.await)?;
        Ok(object.map(|object| Live::from_object(resource, object)))
    }

    /// The metadata of the object, which is all that travels; `None` where it does not exist.
    pub async fn get_metadata(
        &self,
        resource: &Resource,
        key: &ObjectKey,
    ) -> Result<Option<Live>, Error> {
        let request = collection(resource, key)?.get_metadata(&key.name, &GetParams::default());
        let answer = self.run(self.client.request::<WireObject>(built(request)?));
        let object = found(answer.await)?;
        Ok(object.map(|object| Live::from_metadata(resource, object.metadata)))
    }

    /// The whole object without `managedFields`; `None` where it does not exist. A Secret comes
    /// without its values.
    pub async fn get_full(
        &self,
        resource: &Resource,
        key: &ObjectKey,
    ) -> Result<Option<Value>, Error> {
        let mut object = self.read(resource, key).await?;
        if let Some(object) = &mut object {
            reduce(resource, object);
        }
        Ok(object)
    }

    /// All objects of a kind as [`Account::get_full`] gives them, with their kind; without a
    /// namespace those of the whole cluster.
    pub async fn list_full(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, Error> {
        let all = Selection {
            namespace,
            most: usize::MAX,
            ..Selection::default()
        };
        Ok(self.list_some(resource, all).await?.items)
    }

    /// The metadata of all objects of a kind that a label selector names; without a namespace of
    /// the whole cluster.
    pub async fn list_metadata(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Live>, Error> {
        let path = path(resource, namespace);
        let request = |params: &ListParams| path.list_metadata(params);
        let read = |object: WireObject| Live::from_metadata(resource, object.metadata);
        self.pages(selector, request, read).await
    }

    /// The objects of a kind in full but for their spec, as [`Live`] keeps them.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Live>, Error> {
        let path = path(resource, namespace);
        let request = |params: &ListParams| path.list(params);
        let read = |object| Live::from_object(resource, object);
        self.pages(selector, request, read).await
    }

    /// As [`Account::list`], but at most `most` objects: what the first page holds.
    pub async fn list_first(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
        most: u32,
    ) -> Result<Vec<Live>, Error> {
        let path = path(resource, namespace);
        let params = ListParams::default().labels(selector).limit(most.max(1));
        let request = built(path.list(&params))?;
        let page: WireList = self.run(self.client.request(request)).await?;
        let items = page.items.into_iter().flatten();
        Ok(items.map(|o| Live::from_object(resource, o)).collect())
    }

    async fn pages(
        &self,
        selector: &str,
        request: impl Fn(&ListParams) -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
        read: impl Fn(WireObject) -> Live,
    ) -> Result<Vec<Live>, Error> {
        let mut params = ListParams::default().labels(selector).limit(PAGE);
        let mut all = Vec::new();
        loop {
            let page: WireList = self
                .run(self.client.request(built(request(&params))?))
                .await?;
            all.extend(page.items.into_iter().flatten().map(&read));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(all),
            }
        }
    }

    /// The autoscalers of a namespace, whole; none where the kind is not served or may not be read.
    pub async fn autoscalers(&self, namespace: &str) -> Vec<Value> {
        let uri = format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers");
        let Ok(request) = http::Request::get(uri).body(Vec::new()) else {
            return Vec::new();
        };
        match self.run(self.client.request::<Value>(request)).await {
            Ok(mut list) => match list["items"].take() {
                Value::Array(items) => items,
                _ => Vec::new(),
            },
            Err(_) => Vec::new(),
        }
    }
}

/// Takes out what is of no use to a reader, and the values of a Secret.
pub(crate) fn reduce(resource: &Resource, object: &mut Value) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
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

/// The path of all objects of a kind, in a namespace or the whole cluster.
pub(crate) fn path(resource: &Resource, namespace: Option<&str>) -> Request {
    let namespace = namespace.filter(|_| resource.scope == Scope::Namespaced);
    Request::new(DynamicObject::url_path(&resource.api(), namespace))
}
