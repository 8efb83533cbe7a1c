//! The content of a Secret as bytes that cannot be printed.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::{Map, Value};
use syncline_core::digest::Digest;
use syncline_core::owner::applied_hash;
use syncline_core::redacted::Redacted;

/// Bytes that cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes secret bytes in.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one place that must use them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The content of a Secret: its keys can be printed, its values cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretData(BTreeMap<String, SecretBytes>);

impl SecretData {
    /// Takes the content of a Secret in.
    pub fn new(data: BTreeMap<String, Vec<u8>>) -> Self {
        Self(
            data.into_iter()
                .map(|(key, value)| (key, SecretBytes(value)))
                .collect(),
        )
    }

    pub(crate) fn of_secret(secret: Secret) -> Self {
        let data = secret.data.unwrap_or_default().into_iter();
        Self::new(data.map(|(key, value)| (key, value.0)).collect())
    }

    pub(crate) fn of_config_map(map: ConfigMap) -> Self {
        let text = map.data.unwrap_or_default().into_iter();
        let text = text.map(|(key, value)| (key, value.into_bytes()));
        let binary = map.binary_data.unwrap_or_default().into_iter();
        let binary = binary.map(|(key, value)| (key, value.0));
        Self::new(text.chain(binary).collect())
    }

    /// The content of a ConfigMap or Secret as it came over the wire; empty for anything else.
    pub(crate) fn of_object(object: &Value) -> Self {
        match object["kind"].as_str() {
            Some("Secret") => serde_json::from_value(object.clone()).map(Self::of_secret),
            _ => serde_json::from_value(object.clone()).map(Self::of_config_map),
        }
        .unwrap_or_default()
    }

    /// The keyed hash of all of it, to see whether it is another.
    pub fn fingerprint(&self, key: &[u8]) -> Digest {
        let values = self.0.iter().map(|(name, value)| {
            let value = ByteString(value.expose().to_vec());
            // Bytes are text in JSON (base64), so that they always can be written.
            let value = serde_json::to_value(value).unwrap_or_default();
            (name.clone(), value)
        });
        applied_hash(key, &Value::Object(values.collect::<Map<_, _>>()))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).map(SecretBytes::expose)
    }

    /// The value of a key as text; `None` where the key is missing or its value is not UTF-8.
    pub fn text(&self, key: &str) -> Option<Redacted> {
        self.get(key)
            .and_then(|value| std::str::from_utf8(value).ok())
            .map(Redacted::new)
    }

    /// The `data` of the object that it was read from. It shows everything: only for who renders.
    pub fn to_wire(&self) -> Value {
        let encoded = self.0.iter().map(|(key, value)| {
            let text = base64::engine::general_purpose::STANDARD.encode(value.expose());
            (key.clone(), Value::from(text))
        });
        Value::Object(encoded.collect())
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_and_values_are_not() {
        let data = SecretData::new([("password".to_owned(), b"hunter2".to_vec())].into());
        let shown = format!("{data:?}");
        assert!(
            shown.contains("password") && !shown.contains("hunter2"),
            "{shown}"
        );
        assert_eq!(data.text("password").unwrap().expose(), "hunter2");
        assert_eq!(data.get("user"), None);
    }
}
