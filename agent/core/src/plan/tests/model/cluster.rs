//! The model's API server: objects of a few fields, and who holds which.

use super::*;

/// The fields that an object can have.
pub(super) const FIELDS: [&str; 3] = ["a", "b", "x"];
/// A tool of people.
pub(super) const PERSON: &str = "kubectl-edit";
/// A manager that is none.
pub(super) const CONTROLLER: &str = "a-controller";
/// Who held what there was before the first apply.
const BEFORE: &str = "before-first-apply";

/// The content of an object: its fields with their values.
pub(super) type Content = BTreeMap<&'static str, u8>;

/// One live object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) uid: u32,
    version: u32,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) fields: Content,
    /// Manager, operation, time, fields.
    entries: Vec<(String, &'static str, u32, BTreeSet<&'static str>)>,
}

impl Object {
    /// What the planner is told of it.
    pub(super) fn live(&self) -> Live {
        Live {
            uid: format!("uid-{}", self.uid),
            resource_version: self.version.to_string(),
            annotations: self.annotations.clone(),
            managed_fields: self.managed_fields(),
            ..Live::default()
        }
    }

    pub(super) fn managed_fields(&self) -> Vec<Value> {
        let entries = self.entries.iter();
        let values = entries.map(|(manager, operation, time, fields)| {
            let fields = fields.iter().map(|name| (format!("f:{name}"), json!({})));
            let fields: serde_json::Map<_, _> = fields.collect();
            let time = format!(
                "2026-11-21T{:02}:{:02}:{:02}Z",
                time / 3600,
                time / 60 % 60,
                time % 60
            );
            json!({"manager": manager, "operation": operation, "time": time,
                   "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": fields}})
        });
        values.collect()
    }

    /// The managers that hold a field.
    pub(super) fn holders(&self, field: &str) -> BTreeSet<&str> {
        let entries = self.entries.iter().filter(|entry| entry.3.contains(field));
        entries.map(|entry| entry.0.as_str()).collect()
    }

    fn hold(
        &mut self,
        manager: &str,
        operation: &'static str,
        time: u32,
    ) -> &mut BTreeSet<&'static str> {
        let fits = |e: &(String, &str, u32, _)| e.0 == manager && e.1 == operation;
        let at = self.entries.iter().position(fits).unwrap_or_else(|| {
            let entry = (manager.to_owned(), operation, time, BTreeSet::new());
            self.entries.push(entry);
            self.entries.len() - 1
        });
        self.entries[at].2 = time;
        &mut self.entries[at].3
    }

    fn nobody_holds(&mut self, field: &str) {
        self.entries.iter_mut().for_each(|entry| {
            entry.3.remove(field);
        });
    }
}

/// All objects, and a clock that counts writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Cluster {
    pub(super) objects: BTreeMap<ObjectKey, Object>,
    clock: u32,
}

/// What people and controllers do to an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    Change(&'static str),
    Remove(&'static str),
    Add(&'static str),
    AddUnderOurName,
    ResetManagers,
    Delete,
    StripOwner,
    CopyMarksTo(usize),
    KeepForEver,
    Create,
    CreateForAnotherInstance,
}

impl Cluster {
    fn new_object(&mut self) -> Object {
        self.clock += 1;
        Object {
            uid: self.clock,
            version: self.clock,
            annotations: BTreeMap::new(),
            fields: Content::new(),
            entries: Vec::new(),
        }
    }

    /// A forced apply under our name.
    pub(super) fn apply(&mut self, key: &ObjectKey, content: &Content, marks: [(&str, String); 2]) {
        let mut object = match self.objects.remove(key) {
            Some(object) => object,
            None => self.new_object(),
        };
        self.clock += 1;
        object.version = self.clock;
        if object.entries.is_empty() && !object.fields.is_empty() {
            let all = object.fields.keys().copied().collect();
            *object.hold(BEFORE, "Update", self.clock) = all;
        }
        for (field, value) in content {
            if object
                .fields
                .insert(field, *value)
                .is_some_and(|old| old != *value)
            {
                object.nobody_holds(field);
            }
        }
        let mine = content.keys().copied().collect();
        let before = std::mem::replace(object.hold(MANAGER, "Apply", self.clock), mine);
        for field in before {
            if object.holders(field).is_empty() {
                object.fields.remove(field);
            }
        }
        object.entries.retain(|entry| !entry.3.is_empty());
        for (name, value) in marks {
            object.annotations.insert(name.to_owned(), value);
        }
        self.objects.insert(key.clone(), object);
    }

    /// A patch of the managed fields that names a version.
    pub(super) fn rewrite(&mut self, key: &ObjectKey, version: &str, entries: &[Value]) -> bool {
        self.clock += 1;
        let clock = self.clock;
        let object = self.objects.get_mut(key);
        let Some(object) = object.filter(|object| object.version.to_string() == version) else {
            return false;
        };
        object.version = clock;
        object.entries = entries
            .iter()
            .map(|entry| {
                let held = &entry["fieldsV1"]["f:data"];
                let fields = FIELDS.into_iter();
                let fields = fields.filter(|name| !held[format!("f:{name}")].is_null());
                let operation = if entry["operation"] == "Apply" {
                    "Apply"
                } else {
                    "Update"
                };
                let manager = entry["manager"].as_str().unwrap().to_owned();
                (manager, operation, clock, fields.collect())
            })
            .collect();
        true
    }

    /// Somebody changes something; nothing where it does not fit the object.
    pub(super) fn edit(&mut self, key: &ObjectKey, edit: Edit, keys: &[ObjectKey]) {
        self.clock += 1;
        let clock = self.clock;
        if let Edit::Create | Edit::CreateForAnotherInstance = edit {
            if self.objects.contains_key(key) {
                return;
            }
            let mut object = self.new_object();
            object.fields = Content::from([("a", 7), ("x", 7)]);
            *object.hold(PERSON, "Update", clock) = BTreeSet::from(["a", "x"]);
            if matches!(edit, Edit::CreateForAnotherInstance) {
                let other = Owner {
                    instance: "zzz".into(),
                    ..owner_named("a")
                };
                let record = other.record_for(key);
                object
                    .annotations
                    .insert(names::ANNOTATION_OWNER.into(), record);
            }
            self.objects.insert(key.clone(), object);
            return;
        }
        if let Edit::Delete = edit {
            self.objects.remove(key);
            return;
        }
        let Some(object) = self.objects.get_mut(key) else {
            return;
        };
        object.version = clock;
        match edit {
            Edit::Change(field) if object.fields.contains_key(field) => {
                object.fields.insert(field, 9);
                object.nobody_holds(field);
                object.hold(PERSON, "Update", clock).insert(field);
            }
            Edit::Remove(field) => {
                object.fields.remove(field);
                object.nobody_holds(field);
            }
            Edit::Add(manager) if !object.fields.contains_key("x") => {
                object.fields.insert("x", 9);
                object.hold(manager, "Update", clock).insert("x");
            }
            Edit::AddUnderOurName if !object.fields.contains_key("x") => {
                object.fields.insert("x", 9);
                object.hold(MANAGER, "Apply", clock).insert("x");
            }
            Edit::ResetManagers => object.entries.clear(),
            Edit::StripOwner => drop(object.annotations.remove(names::ANNOTATION_OWNER)),
            Edit::KeepForEver => {
                let never = (names::ANNOTATION_PRUNE.to_owned(), "never".to_owned());
                object.annotations.extend([never]);
            }
            Edit::CopyMarksTo(to) => {
                let marks = object.annotations.clone();
                if let Some(copy) = self.objects.get_mut(&keys[to]).filter(|_| keys[to] != *key) {
                    copy.version = clock;
                    copy.annotations.extend(marks);
                }
            }
            _ => {}
        }
        if let Some(object) = self.objects.get_mut(key) {
            object.entries.retain(|entry| !entry.3.is_empty());
        }
    }
}
