//! What goes into a render beside the sources: values, variables and keys from ConfigMaps and
//! Secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use syncline_cluster::SecretData;
use syncline_core::application::{Referent, Rendering};
use syncline_core::manifest::yaml;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::redacted::Redacted;
use syncline_core::secret_inputs::SecretInputs;
use syncline_render::{Overlay, sops};

use crate::references::missing;

/// What goes into a render beside the sources.
#[derive(Default)]
pub(crate) struct Material {
    /// Values of Helm.
    pub(crate) overlays: Vec<Overlay>,
    /// Variables that are substituted.
    pub(crate) variables: BTreeMap<String, Redacted>,
    /// Keys of encrypted files.
    pub(crate) keys: Option<Arc<sops::Keys>>,
    /// All of it that came from Secrets.
    pub(crate) secrets: SecretInputs,
    /// The keys as text, for the fingerprint.
    key_material: Vec<String>,
}

/// Reads a ConfigMap or Secret; none where it does not exist.
pub(crate) type Find<'f> = dyn Fn(Referent, String) -> BoxFuture<'f, Result<Option<SecretData>, Failure>>
    + Send
    + Sync
    + 'f;

impl Material {
    /// Gathers what an application names in its namespace.
    pub(crate) async fn gather(
        namespace: &str,
        rendering: &Rendering,
        find: &Find<'_>,
    ) -> Result<Self, Failure> {
        let mut material = Self::default();
        for from in &rendering.helm.values_from {
            let found = find(from.referent, from.name.clone()).await?;
            let at = format!("{} {}, key `{}`", from.referent.kind(), from.name, from.key);
            let text = found.as_ref().and_then(|data| data.text(&from.key));
            let Some(text) = text else {
                if from.optional {
                    continue;
                }
                if found.is_none() {
                    return Err(missing(from.referent, namespace, &from.name));
                }
                return Err(no_key(namespace, &at));
            };
            if from.referent == Referent::Secret {
                if from.target_path.is_empty() {
                    material.hide_scalars(&text);
                } else {
                    material.secrets.add(&text);
                }
            }
            material.overlays.push(Overlay {
                name: at,
                text: text.expose().to_owned(),
                target_path: from.target_path.clone(),
                ..Overlay::default()
            });
        }
        if let Some(substitute) = &rendering.substitute {
            for from in &substitute.from {
                let Some(data) = find(from.referent, from.name.clone()).await? else {
                    if from.optional {
                        continue;
                    }
                    return Err(missing(from.referent, namespace, &from.name));
                };
                for name in data.keys() {
                    let Some(value) = data.text(name) else {
                        continue;
                    };
                    if from.referent == Referent::Secret {
                        material.secrets.add(&value);
                    }
                    material.variables.insert(name.to_owned(), value);
                }
            }
            for (name, value) in &substitute.values {
                material
                    .variables
                    .insert(name.clone(), Redacted::new(value.as_str()));
            }
        }
        if let Some(name) = &rendering.decrypt {
            let data = find(Referent::Secret, name.clone()).await?;
            let data = data.ok_or_else(|| missing(Referent::Secret, namespace, name))?;
            material.take_keys(&data)?;
        }
        Ok(material)
    }

    /// Takes keys of encrypted files in.
    pub(crate) fn take_keys(&mut self, data: &SecretData) -> Result<(), Failure> {
        let entries = || data.keys().filter_map(|key| Some((key, data.get(key)?)));
        let keys = sops::Keys::from_secret(entries()).map_err(|error| Failure {
            reason: error.reason(),
            detail: error.to_string(),
        })?;
        self.keys = Some(Arc::new(keys));
        let entries = entries().map(|(key, value)| format!("{key}={value:?}"));
        self.key_material = entries.collect();
        Ok(())
    }

    /// All of it as one value, to be hashed with a key and shown to nobody; null for nothing.
    pub(crate) fn fingerprint(&self) -> Value {
        if self.overlays.is_empty() && self.variables.is_empty() && self.key_material.is_empty() {
            return Value::Null;
        }
        let overlays = self.overlays.iter().map(|o| json!([o.text, o.target_path]));
        let variables = self.variables.iter().map(|(k, v)| json!([k, v.expose()]));
        json!([
            overlays.collect::<Vec<_>>(),
            variables.collect::<Vec<_>>(),
            self.key_material
        ])
    }

    /// Hides every scalar of a text of values.
    fn hide_scalars(&mut self, text: &Redacted) {
        let limits = yaml::Limits::default();
        // What cannot be read fails the render.
        let documents = yaml::parse("values", text.expose().as_bytes(), &limits);
        for document in documents.unwrap_or_default() {
            hide(&document.value, &mut self.secrets);
        }
    }
}

fn hide(value: &Value, secrets: &mut SecretInputs) {
    match value {
        Value::Object(fields) => fields.values().for_each(|field| hide(field, secrets)),
        Value::Array(items) => items.iter().for_each(|item| hide(item, secrets)),
        Value::String(text) => secrets.add(&Redacted::new(text.as_str())),
        Value::Number(number) => secrets.add(&Redacted::new(number.to_string())),
        Value::Null | Value::Bool(_) => {}
    }
}

fn no_key(namespace: &str, at: &str) -> Failure {
    Failure {
        reason: Reason::SecretMissing,
        detail: format!("{at} in namespace `{namespace}` does not exist or is not text"),
    }
}
