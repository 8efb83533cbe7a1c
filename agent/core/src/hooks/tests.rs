//! Hooks apart from objects, their order, and what tells rollouts apart.

use serde_json::{Value, json};

use super::*;
use crate::manifest::{Body, ManifestSet, Raw};
use crate::object::Origin;
use crate::reason::Reason;
use crate::revision::CommitId;

fn hook(moment: Moment, weight: i32, api_version: &str, kind: &str, name: &str) -> Hook {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name } });
    Hook {
        manifest: Manifest {
            key: ObjectKey {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: kind.to_owned(),
                namespace: Some("shop".to_owned()),
                name: name.to_owned(),
            },
            body: Body::take(object).unwrap(),
            origin: Origin {
                file: "hooks.yaml".to_owned(),
                document: 1,
                line: None,
            },
        },
        hash: Digest::from_hash(name.as_bytes()),
        moment,
        occasion: Occasion::Any,
        weight,
        delete: DeletePolicy::default(),
        timeout: None,
    }
}

fn job(moment: Moment, weight: i32, name: &str) -> Hook {
    hook(moment, weight, "batch/v1", "Job", name)
}

#[test]
fn hooks_run_by_moment_and_weight_and_what_runs_comes_after_what_it_needs() {
    let mut hooks = vec![
        job(Moment::After, -5, "tell"),
        job(Moment::Before, 0, "b"),
        job(Moment::Before, 0, "a"),
        hook(Moment::Before, 0, "v1", "ServiceAccount", "migrate"),
        hook(Moment::Before, 0, "v1", "Secret", "migrate"),
        job(Moment::Before, -1, "first"),
        hook(Moment::Before, 0, "argoproj.io/v1alpha1", "Workflow", "c"),
    ];
    in_order(&mut hooks);
    let names: Vec<_> = hooks
        .iter()
        .map(|hook| format!("{}/{}", hook.manifest.key.kind, hook.manifest.key.name))
        .collect();
    let expected = [
        "Job/first",
        "ServiceAccount/migrate",
        "Secret/migrate",
        "Job/a",
        "Job/b",
        "Workflow/c",
        "Job/tell",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_identity_changes_with_every_object_and_hook_of_a_rollout_and_with_nothing_else() {
    let hooks = vec![job(Moment::Before, 0, "a"), job(Moment::After, 0, "b")];
    let set: std::collections::BTreeMap<_, _> =
        [(job(Moment::After, 0, "web").manifest.key, Digest::default())].into();
    let base = identity(&set, &hooks);
    assert_eq!(base.len(), 32);
    let turned: Vec<_> = hooks.iter().rev().cloned().collect();
    assert_eq!(identity(&set, &turned), base);
    let with = |more: Hook| [hooks.clone(), vec![more]].concat();
    assert_eq!(
        identity(&set, &with(job(Moment::AfterDelete, 0, "c"))),
        base
    );
    assert_eq!(
        identity(&set, &with(job(Moment::BeforeDelete, 0, "c"))),
        base
    );
    assert_ne!(identity(&set, &with(job(Moment::Failure, 0, "c"))), base);
    assert_ne!(identity(&set, &hooks[..1]), base);
    let mut changed = hooks.clone();
    changed[0].hash = Digest::from_hash(b"other");
    assert_ne!(identity(&set, &changed), base);
    changed = hooks.clone();
    changed[0].moment = Moment::After;
    assert_ne!(identity(&set, &changed), base);
    let mut other = set.clone();
    other.insert(changed[0].manifest.key.clone(), Digest::default());
    assert_ne!(identity(&other, &hooks), base);
    other = set.clone();
    for hash in other.values_mut() {
        *hash = Digest::from_hash(b"x");
    }
    assert_ne!(identity(&other, &hooks), base);
}

#[test]
fn a_generated_name_is_that_of_its_run_and_no_longer_than_a_label() {
    let mut generated = job(Moment::Before, 0, "migrate-");
    let object = json!({ "kind": "Job", "metadata": { "generateName": "migrate-" } });
    generated.manifest.body = Body::take(object).unwrap();
    let first = named(&generated, "run-1");
    assert_eq!(named(&generated, "run-1"), first);
    assert_ne!(named(&generated, "run-2"), first);
    let random = first.name.strip_prefix("migrate-").unwrap();
    assert!(random.len() == 8 && random.bytes().all(|b| b.is_ascii_hexdigit()));
    let mut after = generated.clone();
    after.moment = Moment::After;
    assert_ne!(named(&after, "run-1"), first);
    generated.manifest.key.name = format!("{}-", "x".repeat(200));
    assert_eq!(named(&generated, "run-1").name.len(), 63);
    assert_eq!(named(&job(Moment::Before, 0, "a"), "run-1").name, "a");
}

#[test]
fn a_hook_stands_once_at_each_moment_and_is_no_object_of_the_application() {
    let hooks = [
        job(Moment::Before, 0, "a"),
        job(Moment::After, 0, "a"),
        job(Moment::Before, 3, "a"),
        job(Moment::Before, 0, "b"),
    ];
    let object = job(Moment::Before, 0, "b").manifest;
    let set = |objects| {
        let commit = CommitId::parse(&"0".repeat(40)).unwrap();
        ManifestSet::new(commit, objects).unwrap()
    };
    let found = duplicates(&set(vec![object]), &hooks);
    let told: Vec<_> = found
        .iter()
        .map(|failure| failure.detail.as_str())
        .collect();
    assert!(found.iter().all(|f| f.reason == Reason::DuplicateObject));
    assert_eq!(
        told,
        [
            "the hook Job.batch shop/a is declared in hooks.yaml and in hooks.yaml",
            "Job.batch shop/b is declared as an object in hooks.yaml and as a hook in hooks.yaml",
        ]
    );
    assert_eq!(duplicates(&set(Vec::new()), &hooks[..2]), []);
}

fn raw(value: Value) -> Raw {
    let origin = Origin {
        file: "all.yaml".to_owned(),
        document: 1,
        line: Some(7),
    };
    Raw::new(value, origin)
}

#[test]
fn hooks_are_taken_out_of_the_objects_and_out_of_lists() {
    let of = |name: &str, annotations: Value| {
        json!({ "apiVersion": "batch/v1", "kind": "Job",
                "metadata": { "name": name, "annotations": annotations } })
    };
    let items = [
        of("web", json!(null)),
        of("migrate", json!({ "syncline.dev/hook": "before,failure" })),
    ];
    let split = split(vec![
        raw(json!({ "apiVersion": "v1", "kind": "List", "items": items })),
        raw(of("check", json!({ "helm.sh/hook": "test" }))),
        raw(of("left", json!({ "argocd.argoproj.io/hook": "Skip" }))),
    ])
    .unwrap();
    let name = |raw: &Raw| raw.value["metadata"]["name"].as_str().unwrap().to_owned();
    let names: Vec<_> = split.objects.iter().map(name).collect();
    assert_eq!(names, ["web", "left"]);
    let names: Vec<_> = split.hooks.iter().map(|hook| name(&hook.object)).collect();
    assert_eq!(names, ["migrate", "check"]);
    let moments = split.hooks.iter().map(|hook| hook.terms.moments.len());
    assert_eq!(moments.collect::<Vec<_>>(), [2, 0]);
    assert_eq!(
        split.notes,
        ["all.yaml:7: Job check: tests of a chart are not run"]
    );
}

#[test]
fn bad_b47_every_object_with_a_word_that_is_not_understood_is_named_with_its_file() {
    let of = |name: &str, word: &str| {
        raw(json!({ "kind": "Job", "metadata": { "generateName": name,
                    "annotations": { "syncline.dev/hook": word } } }))
    };
    let found = split::split(vec![of("a-", "befor"), of("b-", "before"), of("c-", "")]);
    let failures = found.unwrap_err();
    assert_eq!(failures.len(), 2);
    assert!(failures.iter().all(|f| f.reason == Reason::InvalidHook));
    let told = &failures[0].detail;
    assert!(
        told.starts_with("all.yaml:7: Job a-: `syncline.dev/hook: befor` is not understood: "),
        "{told}"
    );
}
