//! All small changes to an object: each field removed, each value of another type, a field more in
//! each map.

use serde_json::{Value, json};

/// An object with one change.
pub(super) struct Mutant {
    pub(super) object: Value,
    pub(super) change: String,
}

/// The changes to an object; its identity stays.
pub(super) fn of(object: &Value) -> Vec<Mutant> {
    let mut pointers = Vec::new();
    places(object, String::new(), &mut pointers);
    let identity = ["", "/apiVersion", "/kind", "/metadata", "/metadata/name"];
    let mut mutants = Vec::new();
    for pointer in pointers {
        let value = object.pointer(&pointer).cloned().unwrap_or_default();
        if value.is_object() {
            let mut changed = object.clone();
            changed.pointer_mut(&pointer).unwrap()["zzUnknown"] = json!("x");
            mutants.push(Mutant {
                object: changed,
                change: format!("{pointer} has a field more"),
            });
        }
        if identity.contains(&pointer.as_str()) {
            continue;
        }
        for other in others(&value) {
            let mut changed = object.clone();
            let change = format!("{pointer} is {other}");
            *changed.pointer_mut(&pointer).unwrap() = other;
            mutants.push(Mutant {
                object: changed,
                change,
            });
        }
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut changed = object.clone();
        let name = name.replace("~1", "/").replace("~0", "~");
        match changed.pointer_mut(parent).unwrap() {
            Value::Object(fields) => fields.remove(&name),
            Value::Array(items) => Some(items.remove(name.parse().unwrap())),
            _ => None,
        };
        mutants.push(Mutant {
            object: changed,
            change: format!("{pointer} is missing"),
        });
    }
    mutants
}

/// Values of other types, and for texts another text as well.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::String(_) => vec![
            json!(7),
            json!(true),
            json!({"a": "b"}),
            json!("zz-other"),
            json!(""),
        ],
        Value::Number(_) => vec![json!("zz-other"), json!(true), json!(1.5), json!(["a"])],
        Value::Bool(_) => vec![json!("true"), json!(1), json!({"a": "b"})],
        Value::Array(_) => vec![json!("zz-other"), json!({"a": "b"}), json!([7]), json!([])],
        Value::Object(_) => vec![json!("zz-other"), json!(["a"]), json!(7), json!({})],
        Value::Null => vec![],
    }
}

fn places(value: &Value, pointer: String, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(field, format!("{pointer}/{name}"), into);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, format!("{pointer}/{index}"), into);
            }
        }
        _ => {}
    }
    into.push(pointer);
}
