//! Syncs among other writers on the model: what must hold after each.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::application::{ForeignFields, Ignore};
use crate::field_path::FieldPath;
use crate::names;
use crate::ownership::*;

const OURS: &str = "syncline-x";

/// What a person, a controller or we do.
#[derive(Clone, Debug)]
enum Step {
    Sync(Value),
    Adopt(Value),
    Update(&'static str, Value),
    Remove(&'static str, prop::sample::Index),
    Apply(&'static str, Value),
    Scale(u8),
    Reset,
    /// Other rules from here on.
    Rules(World),
}

fn small_map() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(prop::sample::select(vec!["x", "y"]), 0..3_u8, 1..3)
        .prop_map(|map| json!(map))
}

fn item() -> impl Strategy<Value = Value> {
    let v = prop::option::of(0..3_u8);
    (v, prop::option::of(small_map())).prop_map(|(v, m)| json!({"v": v, "m": m}))
}

/// An object; what is null goes.
fn object() -> impl Strategy<Value = Value> {
    let items = prop::collection::btree_map(prop::sample::select(vec!["p", "q"]), item(), 1..3)
        .prop_map(|items| {
            let named = items.into_iter().map(|(name, mut item)| {
                item["name"] = json!(name);
                item
            });
            named.collect::<Value>()
        });
    let restarted = prop::option::weighted(0.2, 0..3_u8).prop_map(|at| {
        at.map(|at| json!({"metadata": {"annotations": {names::ANNOTATION_RESTARTED_AT: at}}}))
    });
    (
        prop::option::of(0..3_u8),
        prop::option::of(small_map()),
        prop::option::of(items),
        prop::option::of(0..3_u8),
        restarted,
        prop::option::of(small_map()),
    )
        .prop_map(|(replicas, map, items, value, template, data)| {
            let mut object = json!({
                "spec": {"replicas": replicas, "map": map, "items": items, "value": value,
                         "template": template},
                "data": data,
            });
            clean(&mut object);
            object
        })
}

fn clean(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(clean);
            map.retain(|_, value| !value.is_null() && !is_empty(value));
        }
        Value::Array(items) => items.iter_mut().for_each(clean),
        _ => {}
    }
}

const PEOPLE: [&str; 2] = ["kubectl-edit", "k9s"];

fn step() -> impl Strategy<Value = Step> {
    let who = || prop::sample::select(vec!["kubectl-edit", "k9s", "operator", "vpa"]);
    let which = any::<prop::sample::Index>;
    prop_oneof![
        4 => object().prop_map(Step::Sync),
        1 => object().prop_map(Step::Adopt),
        4 => (who(), object()).prop_map(|(who, object)| Step::Update(who, object)),
        2 => (who(), which()).prop_map(|(who, which)| Step::Remove(who, which)),
        2 => (who(), object()).prop_map(|(who, object)| Step::Apply(who, object)),
        1 => (0..5_u8).prop_map(Step::Scale),
        1 => Just(Step::Reset),
        2 => world().prop_map(Step::Rules),
    ]
}

const IGNORABLE: [&str; 7] = [
    "/spec/replicas",
    "/spec/map/x",
    "/spec/items/p",
    "/spec/items/q/v",
    "/spec/items/0/m/y",
    "/spec/value",
    "/data",
];

/// The rules of one run.
#[derive(Clone, Debug)]
struct World {
    foreign: ForeignFields,
    ignore: Vec<Ignore>,
    autoscaled: Autoscaled,
}

fn world() -> impl Strategy<Value = World> {
    let foreign = prop::sample::select(vec![
        ForeignFields::RemoveManual,
        ForeignFields::Keep,
        ForeignFields::RemoveAll,
    ]);
    let fields = prop::sample::subsequence(IGNORABLE.to_vec(), 0..3);
    let autoscaled = prop::sample::select(vec![Autoscaled::No, Autoscaled::Yes]);
    let parts = (foreign, fields, any::<bool>(), autoscaled);
    parts.prop_map(|(foreign, fields, vpa, autoscaled)| World {
        foreign,
        autoscaled,
        ignore: vec![Ignore {
            fields: fields
                .iter()
                .map(|path| FieldPath::parse(path).unwrap())
                .collect(),
            manager: vpa.then(|| "vpa*".to_owned()),
            ..Ignore::default()
        }],
    })
}

/// One sync: look, rewrite, apply, as the agent does it. Answers with what was seen and sent.
fn sync(object: &mut Object, desired: &Value, rules: &Rules<'_>) -> (Examination, Value) {
    let entries = object.managed_fields();
    let found = examine(desired, &entries, rules);
    let mut sent = desired.clone();
    without_held(&mut sent, &entries, rules.ignore);
    sent["metadata"] = json!({"annotations": {names::ANNOTATION_OWNER: "us"}});
    if let Some(rewrite) = &found.rewrite {
        object.rewrite(rewrite);
    }
    object.apply(OURS, &sent);
    (found, sent)
}

/// The paths that the rules leave to others, as keys, resolved in a desired object.
fn ignored_paths(desired: &Value, ignore: &[&Ignore]) -> Vec<Vec<String>> {
    let resolve = |path: &FieldPath| {
        let mut value = desired;
        let mut keys: Vec<String> = Vec::new();
        for (depth, step) in path.steps().iter().enumerate() {
            let list = keys.last().is_some_and(|key| key == "f:items");
            let number = step.parse::<usize>().ok();
            let name = number.and_then(|at| value.get(at)?.get("name")?.as_str());
            let key = if list {
                format!("k:{}", json!({"name": name.unwrap_or(step)}))
            } else {
                format!("f:{step}")
            };
            value = named::below(value, &key).unwrap_or(&Value::Null);
            keys.push(key);
            // Through an item that Git does not name a path leads nowhere.
            if list && value.is_null() && depth + 1 < path.steps().len() {
                return None;
            }
        }
        Some(keys)
    };
    let paths = ignore.iter().flat_map(|rule| &rule.fields);
    paths.filter_map(resolve).collect()
}

fn check(mut world: World, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (manual, adopted) = (texts(MANUAL_TOOLS), texts(ADOPTED_MANAGERS));
    let mut object = Object::default();
    for step in steps {
        let (desired, adopt) = match step {
            Step::Update(who, overlay) => {
                let mut after = object.live.clone();
                merge(&mut after, &overlay);
                object.update(who, "", after);
                continue;
            }
            Step::Remove(who, which) => {
                let all = leaves(&object.live);
                if !all.is_empty() {
                    let mut after = object.live.clone();
                    let gone = only(&which.get(&all).0);
                    prune(&mut after, &gone, &FieldSet::default());
                    object.update(who, "", after);
                }
                continue;
            }
            Step::Apply(who, config) => {
                object.apply(who, &config);
                continue;
            }
            Step::Scale(replicas) => {
                let mut after = object.live.clone();
                merge(&mut after, &json!({"spec": {"replicas": replicas}}));
                object.update("kubectl", "scale", after);
                continue;
            }
            Step::Reset => {
                object.owners.clear();
                continue;
            }
            Step::Rules(other) => {
                world = other;
                continue;
            }
            Step::Sync(desired) => (desired, [].as_slice()),
            Step::Adopt(desired) => (desired, adopted.as_slice()),
        };
        let ignore: Vec<&Ignore> = world.ignore.iter().collect();
        let rules = Rules {
            ours: OURS,
            foreign: world.foreign,
            manual: &manual,
            ignore: &ignore,
            adopt,
            autoscaled: world.autoscaled,
        };
        sync_and_check(&rules, &mut object, desired)?;
    }
    Ok(())
}

/// The set of one path.
fn only(path: &[String]) -> FieldSet {
    let field = FieldSet {
        member: true,
        ..FieldSet::default()
    };
    path.iter().rev().fold(field, |below, key| {
        FieldSet::of(false, [(key.clone(), below)].into_iter())
    })
}

fn sync_and_check(
    rules: &Rules<'_>,
    object: &mut Object,
    mut desired: Value,
) -> Result<(), TestCaseError> {
    without_ignored(&mut desired, rules.ignore);
    let left = ignored_paths(&desired, rules.ignore);
    let before = object.clone();
    let (_, sent) = sync(object, &desired, rules);

    // Git's fields have Git's values.
    for (path, value) in leaves(&sent) {
        prop_assert_eq!(at(&object.live, &strs(&path)), Some(&value), "{:?}", path);
    }
    // What is ignored keeps its value, whoever set it.
    for path in &left {
        let path = strs(path);
        let (was, is) = (at(&before.live, &path), at(&object.live, &path));
        prop_assert_eq!(is, was, "ignored {:?}", path);
    }
    check_others(rules, &before, object, &desired, &left)?;

    // After at most one more round (entries that were reset come back as one) all is at rest.
    let rules = Rules {
        adopt: &[],
        ..*rules
    };
    sync(object, &desired, &rules);
    let rest = object.clone();
    let (again, _) = sync(object, &desired, &rules);
    let removes = again.foreign.iter().any(|f| f.verdict == Verdict::Remove);
    let finds = !again.lost.is_empty() || !again.surplus.is_empty() || again.rewrite.is_some();
    prop_assert!(!removes && !finds, "not at rest: {:?}", again);
    prop_assert_eq!(&rest.live, &object.live);
    let digest = |object: &Object| digests(&object.managed_fields(), OURS);
    prop_assert_eq!(digest(&rest), digest(object));
    Ok(())
}

/// What people's tools added is gone, what controllers and ignored managers set is as it was.
fn check_others(
    rules: &Rules<'_>,
    before: &Object,
    after: &Object,
    desired: &Value,
    left: &[Vec<String>],
) -> Result<(), TestCaseError> {
    for (path, value) in leaves(&before.live) {
        let path = strs(&path);
        let ignored = left.iter().any(|left| path.starts_with(&strs(left)));
        if at(desired, &path).is_some() || ignored || path[0] == "f:metadata" {
            continue;
        }
        let by_custom = path == ["f:spec", "f:replicas"]
            || path
                .last()
                .is_some_and(|key| key.ends_with(names::ANNOTATION_RESTARTED_AT));
        // In an item that Git does not name a field only stays with the item.
        let item = path.iter().position(|key| key.starts_with("k:"));
        let item = item.map(|at| &path[..=at]);
        let item = item.filter(|item| at(desired, item).is_none());
        let holds = |path: &[&str]| {
            let sets = before.owners.iter().filter(|(_, set)| set.contains(path));
            sets.map(|((manager, ..), _)| manager.as_str())
                .collect::<Vec<_>>()
        };
        let owners = holds(&path);
        let stays = |owner: &str| {
            let with_item = item.is_none_or(|item| holds(item).contains(&owner));
            with_item
                && match rules.foreign {
                    _ if ignored::is_ignored(owner, rules.ignore) => true,
                    _ if by_custom => owner != OURS,
                    ForeignFields::RemoveAll => false,
                    ForeignFields::Keep => owner != OURS && rules.adopt.is_empty(),
                    ForeignFields::RemoveManual => owner == "operator" || owner == "vpa",
                }
        };
        let goes = |owner: &str| {
            owner == OURS || (PEOPLE.contains(&owner) && rules.foreign != ForeignFields::Keep)
        };
        let now = at(&after.live, &path);
        let scaled = path == ["f:spec", "f:replicas"] && rules.autoscaled == Autoscaled::Yes;
        if scaled || owners.iter().any(|owner| stays(owner)) {
            prop_assert_eq!(now, Some(&value), "{:?} of {:?}", path, owners);
        }
        if !by_custom && !owners.is_empty() && owners.iter().all(|owner| goes(owner)) {
            prop_assert_eq!(now, None, "{:?} of {:?}", path, owners);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn syncs_among_other_writers_keep_git_true_and_everybody_elses_fields(
        world in world(), steps in vec(step(), 1..10)
    ) {
        check(world, steps)?;
    }

    #[test]
    fn digests_are_equal_exactly_when_the_sets_are(left in object(), right in object()) {
        let digest = |set: &FieldSet| {
            let entry = json!({"manager": "other", "operation": "Update", "fieldsV1": set.to_value()});
            digests(&[entry], OURS)
        };
        for containers in [Containers::Members, Containers::Parents] {
            let (a, b) = (fields(&left, Containers::Members), fields(&right, containers));
            prop_assert_eq!(digest(&a) == digest(&b), a == b);
        }
    }

    #[test]
    fn sets_obey_their_laws(left in object(), right in object()) {
        let a = fields(&left, Containers::Members);
        let b = fields(&right, Containers::Parents);
        prop_assert_eq!(&FieldSet::parse(&a.to_value()), &a);
        let mut sum = a.difference(&b);
        let count = sum.paths().len() + a.intersection(&b).paths().len();
        prop_assert_eq!(count, a.paths().len());
        sum.add(&a.intersection(&b));
        prop_assert_eq!(&sum, &a);
        sum.add(&b);
        prop_assert!(a.difference(&sum).is_empty() && b.difference(&sum).is_empty());
        prop_assert!(sum.difference(&a).difference(&b).is_empty());
        prop_assert!(a.apart_from(&b).intersection(&b).is_empty());
    }
}
