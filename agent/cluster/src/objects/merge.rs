//! Changing some fields of one object, for a person at the command line.

use kube::api::{Patch, PatchParams};
use serde_json::Value;
use syncline_core::object::ObjectKey;

use super::{built, collection, reads};
use crate::connect::Account;
use crate::discovery::Resource;
use crate::error::Error;

impl Account {
    /// Changes an object by a merge patch (`null` removes a field) under the name of a field manager,
    /// and answers with the object as [`Account::get_full`] does. With
    /// `metadata.resourceVersion` in the patch it only fits the object as it was read.
    pub async fn merge(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        manager: &str,
        patch: &Value,
    ) -> Result<Value, Error> {
        let params = PatchParams {
            field_manager: Some(manager.to_owned()),
            ..PatchParams::default()
        };
        let request = collection(resource, key)?.patch(&key.name, &params, &Patch::Merge(patch));
        let mut object: Value = self.run(self.client.request(built(request)?)).await?;
        reads::reduce(resource, &mut object);
        Ok(object)
    }
}
