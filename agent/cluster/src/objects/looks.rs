//! What is read for somebody who looks: lists of whole objects up to a bound, and one object to be
//! shown.

use kube::api::ListParams;
use serde_json::Value;
use syncline_core::manifest::Body;
use syncline_core::object::ObjectKey;

use super::{PAGE, built, path, reduce};
use crate::connect::Account;
use crate::discovery::Resource;
use crate::error::Error;

/// Which objects of a kind are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'a> {
    /// Their namespace; `None` for the whole cluster.
    pub namespace: Option<&'a str>,
    /// Label selector; empty for all.
    pub labels: &'a str,
    /// Field selector; empty for all.
    pub fields: &'a str,
    /// At most so many.
    pub most: usize,
}

/// A list that ends at a bound.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The objects, with their kind; of a Secret without its values.
    pub items: Vec<Value>,
    /// Whether there are more than were asked for.
    pub more: bool,
}

impl Account {
    /// Objects of a kind, whole but for `managedFields`, up to a bound.
    pub async fn list_some(
        &self,
        resource: &Resource,
        selection: Selection<'_>,
    ) -> Result<Listed, Error> {
        let path = path(resource, selection.namespace);
        let mut listed = Listed::default();
        let mut token = None;
        loop {
            let left = selection.most.saturating_sub(listed.items.len());
            if left == 0 {
                listed.more = true;
                return Ok(listed);
            }
            let mut params =
                ListParams::default().limit(PAGE.min(u32::try_from(left).unwrap_or(PAGE)));
            if !selection.labels.is_empty() {
                params = params.labels(selection.labels);
            }
            if !selection.fields.is_empty() {
                params = params.fields(selection.fields);
            }
            params.continue_token = token;
            let request = built(path.list(&params))?;
            let mut page: Value = self.run(self.client.request(request)).await?;
            if let Value::Array(items) = page["items"].take() {
                listed.items.extend(items.into_iter().map(|mut item| {
                    item["apiVersion"] = resource.api_version().into();
                    item["kind"] = resource.kind.as_str().into();
                    reduce(resource, &mut item);
                    item
                }));
            }
            match page["metadata"]["continue"].as_str() {
                Some(next) if !next.is_empty() => token = Some(next.to_owned()),
                _ => return Ok(listed),
            }
        }
    }

    /// One object, whole but for `managedFields`; `None` where it does not exist.
    pub async fn get_body(
        &self,
        resource: &Resource,
        key: &ObjectKey,
    ) -> Result<Option<Body>, Error> {
        let Some(mut object) = self.read(resource, key).await? else {
            return Ok(None);
        };
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        // The message names a key of the Secret at most.
        Body::take(object).map(Some).map_err(Error::Answer)
    }
}
