//! What every object of an application gets after it was rendered: labels and annotations.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::names;
use crate::outcome::Failure;
use crate::reason::Reason;

/// Labels and annotations for all objects of an application, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// Most characters of the part of a name behind its `/`, and of the value of a label.
const MOST_NAME: usize = 63;
/// Most characters of the part of a name before its `/`.
const MOST_PREFIX: usize = 253;

impl Marks {
    /// Takes labels and annotations in.
    ///
    /// Fails, with all findings, for names that begin with `syncline.dev/`, because those steer the
    /// agent, and for names and values that Kubernetes would refuse. `at` names the field of the
    /// Application that holds them, for the messages.
    pub fn new(
        at: &str,
        labels: BTreeMap<String, String>,
        annotations: BTreeMap<String, String>,
    ) -> Result<Self, Vec<Failure>> {
        let mut failures = Vec::new();
        for (field, entries) in [("labels", &labels), ("annotations", &annotations)] {
            for (name, value) in entries {
                let wrong = wrong_name(name).or_else(|| {
                    (field == "labels" && !is_label_value(value)).then_some(
                        "the value of a label has at most 63 letters, digits, `-`, `_` and `.`, \
                         and begins and ends with a letter or digit",
                    )
                });
                if let Some(wrong) = wrong {
                    let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
                    failures.push(Failure {
                        reason: Reason::InvalidSpec,
                        detail: format!("{at}.{field}: `{name}`: {wrong}"),
                    });
                }
            }
        }
        if failures.is_empty() {
            Ok(Self {
                labels,
                annotations,
            })
        } else {
            Err(failures)
        }
    }

    /// The labels.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// The annotations.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// Whether there is nothing to set.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }
}

/// Sets the labels and annotations on the object itself, not on pod templates or selectors, over
/// what it has under the same names. The items of a `List` are objects of their own; what is no
/// object is left as it is.
pub fn labels_and_annotations(value: &mut Value, marks: &Marks) {
    if marks.is_empty() {
        return;
    }
    let is_list = value["kind"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("List"))
        && value["metadata"]["name"].is_null();
    if is_list && let Some(Value::Array(items)) = value.get_mut("items") {
        for item in items {
            labels_and_annotations(item, marks);
        }
        return;
    }
    let Value::Object(object) = value else {
        return;
    };
    let metadata = object.entry("metadata").or_insert(Value::Null);
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    let Value::Object(metadata) = metadata else {
        return;
    };
    for (field, entries) in [
        ("labels", &marks.labels),
        ("annotations", &marks.annotations),
    ] {
        if entries.is_empty() {
            continue;
        }
        let map = metadata.entry(field).or_insert(Value::Null);
        if map.is_null() {
            *map = Value::Object(Map::new());
        }
        // Anything but a map is a mistake that is named later.
        if let Value::Object(map) = map {
            for (name, value) in entries {
                map.insert(name.clone(), Value::from(value.as_str()));
            }
        }
    }
}

fn wrong_name(name: &str) -> Option<&'static str> {
    if name.starts_with(names::OUR_PREFIX) {
        return Some("labels and annotations of Syncline itself cannot be set for all objects");
    }
    let (prefix, own) = match name.split_once('/') {
        Some((prefix, own)) => (Some(prefix), own),
        None => (None, name),
    };
    let dns = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    if let Some(prefix) = prefix
        && (prefix.len() > MOST_PREFIX || !prefix.split('.').all(dns))
    {
        return Some("what stands before the `/` is a DNS name");
    }
    if own.is_empty() || !is_label_value(own) {
        return Some(
            "a name has at most 63 letters, digits, `-`, `_` and `.`, and begins and ends with a \
             letter or digit",
        );
    }
    None
}

fn is_label_value(value: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    bytes.len() <= MOST_NAME
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        entries.iter().map(owned).collect()
    }

    fn marks() -> Marks {
        let labels = map(&[("team", "shop"), ("example.com/tier", "front")]);
        Marks::new("spec.postRender", labels, map(&[("note", "a: b")])).unwrap()
    }

    #[test]
    fn labels_and_annotations_are_set_on_the_object_alone() {
        let mut object = json!({"kind": "Deployment", "metadata": {"name": "web",
                "labels": {"team": "old", "app": "web"}, "annotations": null},
            "spec": {"selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}}}});
        let before = object["spec"].clone();
        labels_and_annotations(&mut object, &marks());
        let labels = json!({"team": "shop", "app": "web", "example.com/tier": "front"});
        assert_eq!(object["metadata"]["labels"], labels);
        assert_eq!(object["metadata"]["annotations"], json!({"note": "a: b"}));
        assert_eq!(object["spec"], before);
        let once = object.clone();
        labels_and_annotations(&mut object, &marks());
        assert_eq!(object, once, "twice is once");
    }

    #[test]
    fn the_items_of_a_list_get_them_and_what_is_no_object_stays() {
        let mut list = json!({"kind": "List", "items": [{"kind": "A"}, null, "text"]});
        labels_and_annotations(&mut list, &marks());
        assert_eq!(list["items"][0]["metadata"]["labels"]["team"], "shop");
        assert_eq!(list["items"][1], Value::Null);
        assert!(list["metadata"].is_null());
        for odd in [
            json!(null),
            json!([1]),
            json!({"metadata": [1]}),
            json!({"metadata": {"labels": 1}}),
        ] {
            let mut value = odd.clone();
            labels_and_annotations(
                &mut value,
                &Marks::new("x", map(&[("a", "b")]), map(&[])).unwrap(),
            );
            assert_eq!(value, odd);
        }
    }

    #[test]
    fn names_of_the_agent_and_what_kubernetes_refuses_is_refused_with_its_field() {
        let long = "x".repeat(64);
        for (label, value, words) in [
            ("syncline.dev/managed", "other", "Syncline itself"),
            ("syncline.dev/owner", "", "Syncline itself"),
            ("a b", "c", "letters"),
            ("/a", "c", "DNS"),
            ("Example.com/a", "c", "DNS"),
            ("a/b/c", "c", "letters"),
            ("", "c", "letters"),
            ("a", "two words", "value of a label"),
            ("a", "-x", "value of a label"),
            ("a", long.as_str(), "value of a label"),
        ] {
            let failures = Marks::new("spec.postRender", map(&[(label, value)]), map(&[]));
            let failures = failures.unwrap_err();
            assert_eq!(failures[0].reason, Reason::InvalidSpec);
            let detail = &failures[0].detail;
            assert!(detail.starts_with("spec.postRender.labels: `"), "{detail}");
            assert!(detail.contains(words), "{detail}");
        }
        let failures = Marks::new("p", map(&[]), map(&[("syncline.dev/prune", "always")]));
        assert!(
            failures.unwrap_err()[0]
                .detail
                .starts_with("p.annotations: ")
        );
        assert!(Marks::new("p", map(&[("a", "")]), map(&[("b", "any text\n")])).is_ok());
    }
}
