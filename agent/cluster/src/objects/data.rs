//! The content of Secrets and ConfigMaps that one of our objects names.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use syncline_core::application::Referent;

use crate::connect::Account;
use crate::error::Error;
use crate::secret::SecretData;

impl Account {
    /// The keys and values of a ConfigMap or Secret; none where it does not exist. Those of a
    /// ConfigMap are kept as those of a Secret: whoever names it may mean them so.
    ///
    /// Fails with [`Error::Unreadable`] where the account may not read it.
    pub async fn data(
        &self,
        referent: Referent,
        namespace: &str,
        name: &str,
    ) -> Result<Option<SecretData>, Error> {
        let data = match referent {
            Referent::Secret => {
                let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
                let read = self.run(api.get_opt(name)).await;
                read.map(|secret| secret.map(SecretData::of_secret))
            }
            Referent::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
                let read = self.run(api.get_opt(name)).await;
                read.map(|map| map.map(SecretData::of_config_map))
            }
        };
        match data {
            Ok(data) => Ok(data),
            Err(Error::Refused(refusal)) if refusal.code == 403 => Err(Error::Unreadable {
                kind: referent.kind(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                account: format!("{}/{}", self.namespace(), self.name()),
            }),
            Err(error) => Err(error),
        }
    }
}
