//! The identity of one installation: its random id, and the key of the hashes on objects.
//!
//! Both are made once and kept in the agent's own namespace; a database that is lost changes
//! neither.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;

use crate::connect::{Account, Agent};
use crate::error::Error;
use crate::secret::SecretBytes;

/// Name of the ConfigMap with the id.
pub const CONFIG_MAP: &str = "syncline-instance";
/// Name of the Secret with the key.
pub const SECRET: &str = "syncline-key";
const ID: &str = "id";
const KEY: &str = "key";
const KEY_LENGTH: usize = 32;

/// One installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Random id: twelve lower-case hexadecimal digits, fit for a label.
    pub id: String,
    /// Key of the keyed hashes on objects.
    pub key: SecretBytes,
}

impl Account {
    /// The id of the installation whose agent lives in a namespace; `None` where there is none.
    pub async fn instance_id(&self, namespace: &str) -> Result<Option<String>, Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let map = self.run(api.get_opt(CONFIG_MAP)).await?;
        map.map(id_of).transpose()
    }

    /// The key of the hashes of that installation; `None` where there is none.
    pub async fn instance_key(&self, namespace: &str) -> Result<Option<SecretBytes>, Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let secret = self.run(api.get_opt(SECRET)).await?;
        secret.map(key_of).transpose()
    }
}

impl Agent {
    /// Reads the identity of the installation, and makes it where there is none. Of two processes
    /// that start at once, both get the same.
    pub async fn instance(&self, namespace: &str) -> Result<Instance, Error> {
        Ok(Instance {
            id: self.id(namespace).await?,
            key: self.key(namespace).await?,
        })
    }

    async fn id(&self, namespace: &str) -> Result<String, Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        if let Some(map) = self.requests.run(api.get_opt(CONFIG_MAP)).await? {
            return id_of(map);
        }
        let id = random::<6>()?
            .iter()
            .fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
        let map = ConfigMap {
            metadata: named(CONFIG_MAP),
            data: Some(BTreeMap::from([(ID.to_owned(), id.clone())])),
            ..ConfigMap::default()
        };
        match self
            .requests
            .run(api.create(&PostParams::default(), &map))
            .await
        {
            Ok(_) => Ok(id),
            Err(error) if error.code() == Some(409) => {
                id_of(self.requests.run(api.get(CONFIG_MAP)).await?)
            }
            Err(error) => Err(error),
        }
    }

    async fn key(&self, namespace: &str) -> Result<SecretBytes, Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        if let Some(secret) = self.requests.run(api.get_opt(SECRET)).await? {
            return key_of(secret);
        }
        let key = random::<KEY_LENGTH>()?.to_vec();
        let secret = Secret {
            metadata: named(SECRET),
            data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(key.clone()))])),
            ..Secret::default()
        };
        match self
            .requests
            .run(api.create(&PostParams::default(), &secret))
            .await
        {
            Ok(_) => Ok(SecretBytes::new(key)),
            Err(error) if error.code() == Some(409) => {
                key_of(self.requests.run(api.get(SECRET)).await?)
            }
            Err(error) => Err(error),
        }
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
    Ok(bytes)
}

fn id_of(map: ConfigMap) -> Result<String, Error> {
    let id = map
        .data
        .and_then(|mut data| data.remove(ID))
        .unwrap_or_default();
    let fit = (1..=32).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if fit {
        Ok(id)
    } else {
        Err(Error::Configuration(format!(
            "the ConfigMap `{CONFIG_MAP}` has no `{ID}` of lower-case letters and digits; \
             restore it: without it the objects that were applied are not recognised"
        )))
    }
}

fn key_of(secret: Secret) -> Result<SecretBytes, Error> {
    let key = secret
        .data
        .and_then(|mut data| data.remove(KEY))
        .map(|value| value.0);
    match key {
        Some(key) if key.len() >= KEY_LENGTH => Ok(SecretBytes::new(key)),
        _ => Err(Error::Configuration(format!(
            "the Secret `{SECRET}` has no `{KEY}` of at least {KEY_LENGTH} bytes; \
             delete the Secret to have a new one made"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_does_not_fit_a_label_is_refused_and_not_replaced() {
        let map = |id: &str| ConfigMap {
            data: Some(BTreeMap::from([(ID.to_owned(), id.to_owned())])),
            ..ConfigMap::default()
        };
        assert_eq!(id_of(map("a1b2c3")).unwrap(), "a1b2c3");
        assert!(id_of(map("")).is_err() && id_of(map("a/b")).is_err() && id_of(map("ä")).is_err());
        assert!(id_of(ConfigMap::default()).is_err());
    }

    #[test]
    fn a_key_that_is_too_short_is_refused() {
        let secret = |key: &[u8]| Secret {
            data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(key.to_vec()))])),
            ..Secret::default()
        };
        assert!(key_of(secret(&[1; 16])).is_err());
        assert_eq!(key_of(secret(&[1; 32])).unwrap().expose(), [1; 32]);
    }
}
