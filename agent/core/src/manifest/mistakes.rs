//! Mistakes that the API server would report without a place in Git: found before anything is sent.
//!
//! Only built-in kinds are looked at, because only their fields are known here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Manifest;
use super::identity::kind_of_value;
use crate::outcome::Failure;
use crate::reason::Reason;

/// Lists of a pod and of a container whose items are told apart by keys.
const POD_LISTS: [(&str, &[&str]); 5] = [
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("volumes", &["name"]),
    ("imagePullSecrets", &["name"]),
    ("hostAliases", &["ip"]),
];
const CONTAINER_LISTS: [(&str, &[&str]); 4] = [
    ("env", &["name"]),
    ("ports", &["containerPort", "protocol"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
];

/// All mistakes of a manifest, each with its place and field, none with a value.
pub(super) fn find(manifest: &Manifest) -> Vec<Failure> {
    let object = manifest.body.visible();
    let mut found = Found {
        place: format!("{}: {}", manifest.origin, manifest.key),
        all: vec![],
    };
    found.text_map(&object["metadata"], "metadata", "labels");
    found.text_map(&object["metadata"], "metadata", "annotations");
    let kind = (manifest.key.group.as_str(), manifest.key.kind.as_str());
    let template = match kind {
        ("", "Pod") => Some((object, String::new())),
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch", "Job")
        | ("", "ReplicationController") => {
            found.text_map(&object["spec"]["selector"], "spec.selector", "matchLabels");
            Some((&object["spec"]["template"], "spec.template.".to_owned()))
        }
        ("batch", "CronJob") => Some((
            &object["spec"]["jobTemplate"]["spec"]["template"],
            "spec.jobTemplate.spec.template.".to_owned(),
        )),
        _ => None,
    };
    match kind {
        ("", "ConfigMap") => found.text_map(object, "", "data"),
        ("", "Service") => {
            found.text_map(&object["spec"], "spec", "selector");
            found.twice(&object["spec"], "spec", "ports", &["port", "protocol"]);
        }
        _ => {}
    }
    if let Some((template, path)) = template {
        found.pod(template, &path);
    }
    found.all
}

struct Found {
    place: String,
    all: Vec<Failure>,
}

impl Found {
    fn push(&mut self, reason: Reason, what: &str) {
        self.all.push(Failure {
            reason,
            detail: format!("{}: {what}", self.place),
        });
    }

    fn pod(&mut self, template: &Value, path: &str) {
        if !path.is_empty() {
            self.text_map(&template["metadata"], &format!("{path}metadata"), "labels");
            self.text_map(
                &template["metadata"],
                &format!("{path}metadata"),
                "annotations",
            );
        }
        let spec = &template["spec"];
        let path = format!("{path}spec");
        self.text_map(spec, &path, "nodeSelector");
        for (list, keys) in POD_LISTS {
            self.twice(spec, &path, list, keys);
        }
        for list in ["initContainers", "containers"] {
            for (index, container) in spec[list].as_array().into_iter().flatten().enumerate() {
                let path = format!("{path}.{list}[{index}]");
                for (list, keys) in CONTAINER_LISTS {
                    self.twice(container, &path, list, keys);
                }
                for (index, variable) in container["env"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .enumerate()
                {
                    let value = &variable["value"];
                    if !value.is_null() && !value.is_string() {
                        self.not_text(&format!("{path}.env[{index}].value"), value);
                    }
                }
            }
        }
    }

    fn not_text(&mut self, path: &str, value: &Value) {
        let what = format!("`{path}` is {}, not text; quote it", kind_of_value(value));
        self.push(Reason::NotText, &what);
    }

    fn text_map(&mut self, parent: &Value, path: &str, field: &str) {
        let path = if path.is_empty() {
            field.to_owned()
        } else {
            format!("{path}.{field}")
        };
        for (key, value) in parent[field].as_object().into_iter().flatten() {
            if !value.is_string() {
                self.not_text(&format!("{path}.{key}"), value);
            }
        }
    }

    fn twice(&mut self, parent: &Value, path: &str, list: &str, keys: &[&str]) {
        let mut first: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        for (index, item) in parent[list].as_array().into_iter().flatten().enumerate() {
            let mut identity = Vec::with_capacity(keys.len());
            for key in keys {
                match &item[*key] {
                    Value::String(text) => identity.push(text.clone()),
                    Value::Number(number) => identity.push(number.to_string()),
                    _ if *key == "protocol" => identity.push("TCP".to_owned()),
                    _ => break,
                }
            }
            // An item without its key is the API server's to refuse: it names the field.
            if identity.len() < keys.len() {
                continue;
            }
            let shown = identity.join("/");
            if let Some(earlier) = first.insert(identity, index) {
                let what = format!(
                    "`{path}.{list}[{index}]` and `[{earlier}]` have the same {} `{shown}`",
                    keys.join("/")
                );
                self.push(Reason::DuplicateListKey, &what);
            }
        }
    }
}
