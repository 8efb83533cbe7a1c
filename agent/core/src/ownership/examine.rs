//! One look at a live object: what is lost, foreign or to be given up, and the new
//! `managedFields` that make the next apply do what Git and the rules say.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::application::{ForeignFields, Ignore};

use super::ignored::{
    Within, held, is_ignored, labels_and_annotations, our_marks, select, without_held,
};
use super::left_alone::{REPLICAS, allocated, by_custom};
use super::lost::{Holder, holders, lost_of};
use super::named::{describe, unnamed};
use super::set::FieldSet;
use super::{is_applied, matches, no_subresource};

/// Whether a HorizontalPodAutoscaler targets the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Autoscaled {
    /// One does.
    Yes,
    /// None does.
    #[default]
    No,
}

/// What decides about fields that Git does not name.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Our field manager.
    pub ours: &'a str,
    /// What is done about foreign fields.
    pub foreign: ForeignFields,
    /// Patterns of manual tools, see [`super::MANUAL_TOOLS`].
    pub manual: &'a [String],
    /// The rules of `ignore` that select the object.
    pub ignore: &'a [&'a Ignore],
    /// Patterns of the managers whose whole entries are taken over, because the object is being
    /// adopted, see [`super::ADOPTED_MANAGERS`]; empty for an object that carries our owner record.
    pub adopt: &'a [String],
    /// Whether a HorizontalPodAutoscaler targets the object.
    pub autoscaled: Autoscaled,
}

/// What is done about the foreign fields of one manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next apply removes them.
    Remove,
    /// They stay and are shown.
    Keep,
}

/// Fields outside of `status` and `metadata` that Git does not name and one entry of another
/// manager holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The field manager.
    pub manager: String,
    /// Readable paths; an added list item or map is one.
    pub fields: Vec<String>,
    /// When its entry was written last.
    pub time: Option<Timestamp>,
    /// What is done about them.
    pub verdict: Verdict,
}

/// What a look at one live object gives: everything that a plan needs to know of its fields.
///
/// An apply is called for when `lost`, `surplus`, `released` or `adopted` has something, or
/// a foreign entry is removed; and whenever there is a `rewrite`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examination {
    /// Fields that Git names and our entry no longer has; without those left to others.
    pub lost: Vec<String>,
    /// Who holds them now, newest first; empty where nothing is lost.
    pub holders: Vec<Holder>,
    /// Fields of others that Git does not name, an entry each, newest first.
    pub foreign: Vec<Foreign>,
    /// Fields of our entry that Git does not name and that are not released: they left Git, or
    /// somebody wrote under our name. The next apply removes them.
    pub surplus: Vec<String>,
    /// Fields of our entry that are given up and keep their values.
    pub released: Vec<String>,
    /// Managers whose entries are taken over because the object is being adopted, newest first.
    pub adopted: Vec<Holder>,
    /// The new value of `metadata.managedFields`, to be written by a JSON patch that names the
    /// resourceVersion, before the apply; `None` where none is needed.
    pub rewrite: Option<Vec<Value>>,
}

/// Looks at one live object. Pure; the same object under the same rules gives the same answer, and
/// after the rewrite and the apply another look finds nothing more to do.
///
/// `desired` is the wire form without the ignored fields, see [`super::without_ignored`]; our own label
/// and annotations may be in it or not. Entries that cannot be read, entries with a subresource and
/// those of ignored managers are never rewritten. With a `rewrite`, what is sent is
/// `desired` [`without_held`].
pub fn examine(desired: &Value, managed_fields: &[Value], rules: &Rules<'_>) -> Examination {
    let left = held(managed_fields, rules.ignore);
    let mut wanted = Cow::Borrowed(desired);
    if !left.is_empty() {
        without_held(wanted.to_mut(), managed_fields, rules.ignore);
    }
    let wanted = wanted.as_ref();

    let mut found = Examination::default();
    let mut entries: Vec<Value> = Vec::with_capacity(managed_fields.len() + 1);
    let mut taken = Taken::default();
    let mut ours: Option<(usize, FieldSet)> = None;
    for entry in managed_fields {
        if is_applied(entry, rules.ours) && ours.is_none() {
            ours = Some((entries.len(), FieldSet::parse(&entry["fieldsV1"])));
            entries.push(entry.clone());
            continue;
        }
        let rest = match share(entry, wanted, rules) {
            Share::Nothing => None,
            Share::Foreign(foreign, removable) => {
                let remove = foreign.verdict == Verdict::Remove;
                found.foreign.push(foreign);
                remove.then(|| taken.take(entry, &removable, &FieldSet::default()))
            }
            Share::Adopted(movable, dropped) => {
                found.adopted.push(Holder::of(entry));
                Some(taken.take(entry, &movable, &dropped))
            }
        };
        match rest {
            None => entries.push(entry.clone()),
            Some(rest) if rest.is_empty() => {}
            Some(rest) => {
                let mut entry = entry.clone();
                entry["fieldsV1"] = rest.to_value();
                entries.push(entry);
            }
        }
    }
    found
        .foreign
        .sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.manager.cmp(&b.manager)));
    found
        .adopted
        .sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.manager.cmp(&b.manager)));

    let empty = FieldSet::default();
    let mine = ours.as_ref().map_or(&empty, |(_, set)| set);
    found.lost = lost_of(wanted, mine);
    if !found.lost.is_empty() {
        found.holders = holders(wanted, managed_fields, rules.ours, &found.lost);
    }
    let (surplus, released) = surplus(mine, wanted, &left, rules);
    found.surplus = describe(&surplus, wanted, &mine.difference(&surplus));
    found.released = describe(&released, wanted, &mine.difference(&released));
    if released.is_empty() && taken.fields.is_empty() && !taken.dropped {
        return found;
    }
    let mut set = mine.difference(&released);
    set.add(&taken.fields);
    match ours {
        Some((at, _)) => entries[at]["fieldsV1"] = set.to_value(),
        None if set.is_empty() => {}
        None => entries.push(json!({
            "manager": rules.ours,
            "operation": "Apply",
            "apiVersion": taken.api_version,
            "time": taken.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": set.to_value(),
        })),
    }
    found.rewrite = Some(entries);
    found
}

/// What comes into our entry from others.
#[derive(Default)]
struct Taken {
    fields: FieldSet,
    dropped: bool,
    api_version: Value,
    time: Value,
}

impl Taken {
    /// Moves a part of an entry to us and forgets another; answers with what stays theirs.
    fn take(&mut self, entry: &Value, moved: &FieldSet, dropped: &FieldSet) -> FieldSet {
        self.fields.add(moved);
        self.dropped |= !dropped.is_empty();
        if self.api_version.is_null() {
            self.api_version = entry["apiVersion"].clone();
            self.time = entry["time"].clone();
        }
        FieldSet::parse(&entry["fieldsV1"])
            .difference(moved)
            .difference(dropped)
    }
}

/// What concerns us of somebody else's entry.
enum Share {
    /// Nothing.
    Nothing,
    /// Foreign fields, and the same as a set.
    Foreign(Foreign, FieldSet),
    /// All that may be taken over, and what becomes nobody's.
    Adopted(FieldSet, FieldSet),
}

fn share(entry: &Value, desired: &Value, rules: &Rules<'_>) -> Share {
    let manager = entry["manager"].as_str().unwrap_or_default();
    let readable = entry["fieldsType"]
        .as_str()
        .is_none_or(|kind| kind == "FieldsV1");
    if !readable || !no_subresource(entry) || is_ignored(manager, rules.ignore) {
        return Share::Nothing;
    }
    let mut set = FieldSet::parse(&entry["fieldsV1"]);
    for field in ["f:status", "f:apiVersion", "f:kind"] {
        set.children.remove(field);
    }
    let fits = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, manager));
    if fits(rules.adopt) {
        adopted(set, desired, rules)
    } else {
        set.children.remove("f:metadata");
        let manual = manager == rules.ours || fits(rules.manual);
        foreign(&set, entry, manual, desired, rules)
    }
}

fn adopted(mut set: FieldSet, desired: &Value, rules: &Rules<'_>) -> Share {
    if let Some(metadata) = set.children.remove("f:metadata") {
        let written = labels_and_annotations(&metadata);
        if !written.is_empty() {
            set.children.insert("f:metadata".to_owned(), written);
        }
    }
    let unnamed = unnamed(&set, desired);
    // What the server allocated becomes nobody's, as it is where the server was asked for it.
    let dropped = allocated(&unnamed, desired);
    let mut staying = by_rules(&unnamed, desired, rules);
    staying.add(&by_custom(&unnamed, desired));
    let staying = unnamed.difference(&unnamed.apart_from(&staying));
    let dropped = dropped.difference(&staying);
    let movable = set.difference(&staying).difference(&dropped);
    if movable.is_empty() && dropped.is_empty() {
        Share::Nothing
    } else {
        Share::Adopted(movable, dropped)
    }
}

fn foreign(
    set: &FieldSet,
    entry: &Value,
    manual: bool,
    desired: &Value,
    rules: &Rules<'_>,
) -> Share {
    let unnamed = unnamed(set, desired);
    let mut staying = by_rules(&unnamed, desired, rules);
    staying.add(&by_custom(&unnamed, desired));
    staying.add(&allocated(&unnamed, desired));
    let removable = unnamed.apart_from(&staying);
    if removable.is_empty() {
        return Share::Nothing;
    }
    let verdict = match rules.foreign {
        ForeignFields::Keep => Verdict::Keep,
        ForeignFields::RemoveManual if !manual => Verdict::Keep,
        ForeignFields::RemoveManual | ForeignFields::RemoveAll => Verdict::Remove,
    };
    let Holder { manager, time } = Holder::of(entry);
    let fields = describe(&removable, desired, &set.difference(&removable));
    let foreign = Foreign {
        manager,
        fields,
        time,
        verdict,
    };
    Share::Foreign(foreign, removable)
}

/// The part of a set that the rules of `ignore` name.
fn by_rules(unnamed: &FieldSet, desired: &Value, rules: &Rules<'_>) -> FieldSet {
    let mut named = FieldSet::default();
    for path in rules.ignore.iter().flat_map(|rule| &rule.fields) {
        named.add(&select(unnamed, path.steps(), desired, Within::Maps));
    }
    named
}

/// The fields of our entry that Git does not name: those that the next apply removes, and those
/// that are given up.
fn surplus(
    mine: &FieldSet,
    desired: &Value,
    held: &FieldSet,
    rules: &Rules<'_>,
) -> (FieldSet, FieldSet) {
    let unnamed = unnamed(mine, desired);
    let unnamed = unnamed.apart_from(&our_marks(&unnamed));
    let mut given_up = by_rules(&unnamed, desired, rules);
    given_up.add(&unnamed.intersection(held));
    if rules.autoscaled == Autoscaled::Yes {
        given_up.add(&select(&unnamed, &REPLICAS, desired, Within::Maps));
    }
    // With a field its parents are given up: an apply that drops a map drops what is in it.
    let surplus = unnamed.apart_from(&given_up);
    let released = unnamed.difference(&surplus);
    (surplus, released)
}

#[cfg(test)]
mod tests;
