//! What is accepted and what is refused.

use serde_json::json;

use super::*;
use crate::image::reference::{Digest, Tag};
use crate::object::Origin;

const OLD: &str = "registry.example.com/roar-web:v1.0.0";
const NEW: &str = "registry.example.com/roar-web:v1.0.1";

fn raw(value: Value) -> Raw {
    Raw::new(value, Origin::default())
}

fn expected(old: &str, new: &str) -> Expected {
    let old = Reference::parse(old).unwrap();
    let new = Reference::parse(new).unwrap();
    Expected {
        image: old.name.clone(),
        old,
        new: Version {
            tag: new.tag.unwrap(),
            digest: new.digest,
        },
    }
}

fn judged(before: Value, after: Value) -> Result<Proof, Disproof> {
    prove(&[raw(before)], &[raw(after)], &[expected(OLD, NEW)])
}

/// A Deployment with the image and one more field, which `at` names by a JSON pointer.
fn deployment(image: &str, at: &str, value: Value) -> Value {
    let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {}, "labels": {}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"annotations": {}, "labels": {}}, "spec": {"containers": [
                {"name": "web", "image": image, "args": ["--x"], "env": []},
                {"name": "side", "image": "registry.example.com/side:v1.0.0"}]}}}});
    if let Some((parent, key)) = at.rsplit_once('/') {
        let parent = object.pointer_mut(parent).unwrap();
        match parent {
            Value::Array(items) => items.push(value),
            parent => parent[key] = value,
        }
    }
    object
}

/// What is said about a change of the image and of one more field.
fn with(at: &str, old: Value, new: Value) -> Result<Proof, Disproof> {
    judged(deployment(OLD, at, old), deployment(NEW, at, new))
}

#[test]
fn the_images_of_every_kind_of_object_are_found() {
    let pod = json!({"containers": [{"image": "a.io/a:1"}], "initContainers": [{"image": "a.io/b:1"}],
        "ephemeralContainers": [{"image": "a.io/c:1"}],
        "volumes": [{"name": "x", "image": {"reference": "a.io/d:1", "pullPolicy": "Always"}}]});
    let objects = [
        raw(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": pod})),
        raw(
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
            "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"image": "e:1"}]}}}}}}),
        ),
        raw(
            json!({"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": "t",
                "annotations": {"image": "a.io/no:1"}},
            "spec": {"image": "a.io/f:1", "sidecarImage": "a.io/g:1", "image2": "a.io/no:1",
                "proxy": {"registry": "a.io", "repository": "h", "tag": "1"},
                "values": {"image": "a.io/i", "tag": "1"},
                "images": [{"name": "x", "newName": "a.io/j", "newTag": "1"}, "x=a.io/k:1"]}}),
        ),
        raw(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "t"},
            "data": {"image": "a.io/no:1"}}),
        ),
    ];
    let found = images(&objects);
    let mut names: Vec<String> = found.iter().map(|f| f.reference.to_string()).collect();
    names.sort();
    let mut wanted: Vec<String> = "abcdfghijk"
        .chars()
        .map(|c| format!("a.io/{c}:1"))
        .collect();
    wanted.push("docker.io/library/e:1".into());
    // The bare `image` beside a `tag` is one too.
    wanted.push("a.io/i".into());
    wanted.sort();
    assert_eq!(names, wanted);
    let cron = found.iter().find(|f| f.object.kind == "CronJob").unwrap();
    assert_eq!(
        cron.path,
        "spec.jobTemplate.spec.template.spec.containers[0].image"
    );
}

#[test]
fn exactly_the_expected_image_changes() {
    let proof = judged(
        deployment(OLD, "", Value::Null),
        deployment(NEW, "", Value::Null),
    )
    .unwrap();
    assert_eq!((proof.changed.len(), proof.followed.len()), (1, 0));
    let change = &proof.changed[0];
    assert_eq!(change.path, "spec.template.spec.containers[0].image");
    assert_eq!(
        (change.old.to_string(), change.new.to_string()),
        (OLD.into(), NEW.into())
    );
    assert!(proof.shows(&expected(OLD, NEW)));
    assert!(!proof.shows(&expected(OLD, "registry.example.com/roar-web:v9")));
}

#[test]
fn an_edit_that_changes_nothing_that_runs_is_refused() {
    let same = deployment(OLD, "", Value::Null);
    let disproof = judged(same.clone(), same).unwrap_err();
    let failure = disproof.failure("shop/web");
    assert_eq!(failure.reason, Reason::EditUnproved);
    assert_eq!(
        failure.detail,
        format!(
            "nothing that `shop/web` runs would change: Deployment.apps shop/web `spec.template.spec.containers[0].image` stays {OLD}"
        )
    );
    let other = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}});
    let failure = judged(other.clone(), other)
        .unwrap_err()
        .failure("shop/web");
    assert!(
        failure.detail.contains("does not run the image"),
        "{failure:?}"
    );
}

#[test]
fn another_image_another_version_and_any_other_field_are_refused() {
    for (after, said) in [
        (
            deployment("registry.example.com/roar-web:v1.0.2", "", Value::Null),
            "roar-web:v1.0.2",
        ),
        (
            deployment("registry.example.com/roar:v1.0.1", "", Value::Null),
            "example.com/roar:v1.0.1",
        ),
        (
            deployment(NEW, "/spec/replicas", json!(2)),
            "`spec.replicas`: 1 -> 2",
        ),
        (
            deployment(NEW, "/spec/paused", json!(true)),
            "`spec.paused`: nothing -> true",
        ),
        (
            deployment(
                NEW,
                "/spec/template/spec/containers/0/command",
                json!(["x"]),
            ),
            "`spec.template.spec.containers[0].command`",
        ),
        (
            deployment(
                NEW,
                "/spec/template/spec/containers/1/image",
                json!("registry.example.com/side:v1.0.1"),
            ),
            "registry.example.com/side:v1.0.1",
        ),
        (
            deployment(NEW, "/spec/template/spec/containers/0/args/-", json!("--y")),
            "args",
        ),
        (
            deployment(NEW, "/metadata/name", json!("other")),
            "would be gone",
        ),
    ] {
        let disproof = judged(deployment(OLD, "", Value::Null), after).unwrap_err();
        let detail = disproof.failure("shop/web").detail;
        assert!(matches!(disproof, Disproof::Unexpected(_)), "{detail}");
        assert!(detail.contains(said), "{detail}");
    }
}

#[test]
fn what_follows_from_the_version_is_accepted_and_named() {
    let (label, env) = (
        "/metadata/labels/version",
        "/spec/template/spec/containers/0/env/-",
    );
    for (at, old, new) in [
        (label, json!("v1.0.0"), json!("v1.0.1")),
        (label, json!("1.0.0"), json!("1.0.1")),
        (label, json!("v1-0-0"), json!("v1-0-1")),
        (
            env,
            json!({"name": "VERSION", "value": "v1.0.0"}),
            json!({"name": "VERSION", "value": "v1.0.1"}),
        ),
        (
            env,
            json!({"name": "SELF", "value": OLD}),
            json!({"name": "SELF", "value": NEW}),
        ),
        (
            "/spec/template/spec/containers/0/args/-",
            json!("--v=v1.0.0,x"),
            json!("--v=v1.0.1,x"),
        ),
    ] {
        let proof = with(at, old.clone(), new).unwrap_or_else(|e| panic!("{old}: {e:?}"));
        assert_eq!((proof.changed.len(), proof.followed.len()), (1, 1), "{old}");
    }
    for (at, old, new) in [
        (label, json!("v1.0.0"), json!("v1.0.2")),
        (label, json!("11.0.0"), json!("11.0.1")),
        (label, json!("a"), json!("b")),
        (
            env,
            json!({"name": "X", "value": "registry.example.com/side:v1.0.0"}),
            json!({"name": "X", "value": "registry.example.com/side:v1.0.1"}),
        ),
        (
            "/spec/template/spec/containers/0/args/-",
            json!("--image=a.io/b:v1.0.0"),
            json!("--image=a.io/b:v1.0.1"),
        ),
    ] {
        assert!(with(at, old.clone(), new).is_err(), "{old}");
    }
}

#[test]
fn a_number_that_looks_like_the_tag_does_not_follow() {
    let before = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"image": "a.io/a:1"}], "priority": 1}});
    let after = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"image": "a.io/a:2"}], "priority": 2}});
    let expected = [expected("a.io/a:1", "a.io/a:2")];
    assert!(prove(&[raw(before)], &[raw(after)], &expected).is_err());
}

#[test]
fn a_checksum_in_an_annotation_may_change_and_one_elsewhere_may_not() {
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    let annotation = "/spec/template/metadata/annotations/checksum~1config";
    assert_eq!(
        with(&annotation.replace("~1", "-"), json!(a), json!(b))
            .unwrap()
            .followed
            .len(),
        1
    );
    let named = "/spec/template/metadata/annotations/config-hash";
    assert!(with(named, json!("3141592653"), json!("27182818")).is_ok());
    let plain = "/spec/template/metadata/annotations/config";
    assert!(with(plain, json!("3141592653"), json!("2718281828")).is_err());
    assert!(with(plain, json!(a), json!(b)).is_ok());
    assert!(with(named, json!("a sentence"), json!("another one")).is_err());
    let env = "/spec/template/spec/containers/0/args/-";
    assert!(with(env, json!(a), json!(b)).is_err());
}

#[test]
fn a_selector_of_a_workload_is_never_changed() {
    let at = "/spec/selector/matchLabels/version";
    let disproof = with(at, json!("v1.0.0"), json!("v1.0.1")).unwrap_err();
    assert!(
        disproof
            .failure("x")
            .detail
            .contains("spec.selector.matchLabels.version")
    );
}

#[test]
fn a_job_with_the_tag_in_its_name_is_the_same_job() {
    let job = |name: &str, image: &str| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"template": {"spec": {"containers": [{"image": image}]}}}})
    };
    for (old, new) in [
        ("migrate-v1.0.0", "migrate-v1.0.1"),
        ("migrate-1-0-0", "migrate-1-0-1"),
    ] {
        let proof = judged(job(old, OLD), job(new, NEW)).unwrap();
        assert_eq!((proof.changed.len(), proof.followed.len()), (1, 1));
        assert_eq!(proof.changed[0].object.name, new);
    }
    let disproof = judged(job("migrate-a", OLD), job("migrate-b", NEW)).unwrap_err();
    let detail = disproof.failure("x").detail;
    assert!(
        detail.contains("Job.batch migrate-a would be gone"),
        "{detail}"
    );
    assert!(
        detail.contains("Job.batch migrate-b would be new"),
        "{detail}"
    );
}

#[test]
fn an_image_in_parts_of_a_custom_resource_changes_as_one() {
    let release = |tag: &str, more: &str| {
        json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "r"},
            "spec": {"values": {"web": {"image": {"registry": "registry.example.com",
                "repository": "roar-web", "tag": tag, "pullPolicy": more}}}}})
    };
    let proof = judged(release("v1.0.0", "Always"), release("v1.0.1", "Always")).unwrap();
    assert_eq!(proof.changed[0].path, "spec.values.web.image");
    assert_eq!(proof.followed, []);
    assert!(judged(release("v1.0.0", "Always"), release("v1.0.1", "Never")).is_err());
    assert!(judged(release("v1.0.0", "Always"), release("v1.0.2", "Always")).is_err());
}

#[test]
fn a_digest_is_expected_exactly() {
    let digest = |c: char| format!("sha256:{}", String::from(c).repeat(64));
    let pod = |image: String| {
        raw(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {"containers": [{"image": image}]}}),
        )
    };
    let expected = [Expected {
        image: ImageName::parse("a.io/a").unwrap(),
        old: Reference::parse(&format!("a.io/a:1@{}", digest('a'))).unwrap(),
        new: Version {
            tag: Tag::parse("2").unwrap(),
            digest: Some(Digest::parse(&digest('b')).unwrap()),
        },
    }];
    let old = [pod(format!("a.io/a:1@{}", digest('a')))];
    let after = |image: String| prove(&old, &[pod(image)], &expected);
    assert!(after(format!("a.io/a:2@{}", digest('b'))).is_ok());
    assert!(after(format!("a.io/a@{}", digest('b'))).is_ok());
    assert!(after(format!("a.io/a:2@{}", digest('c'))).is_err());
    assert!(after(format!("a.io/a:1@{}", digest('b'))).is_err());
    assert!(after("a.io/a:2".into()).is_err());
}

#[test]
fn two_images_that_are_both_expected_change_in_one_commit() {
    let pod = |a: &str, b: &str, label: &str| {
        raw(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"x": label}},
            "spec": {"containers": [{"image": a}, {"image": b}]}}),
        )
    };
    let expected = [
        expected("a.io/a:1.0", "a.io/a:1.1"),
        expected("a.io/b:2.0", "a.io/b:2.1"),
    ];
    let proof = prove(
        &[pod("a.io/a:1.0", "a.io/b:2.0", "1.0_2.0")],
        &[pod("a.io/a:1.1", "a.io/b:2.1", "1.1_2.1")],
        &expected,
    )
    .unwrap();
    assert_eq!((proof.changed.len(), proof.followed.len()), (2, 1));
    let swapped = prove(
        &[pod("a.io/a:1.0", "a.io/b:2.0", "")],
        &[pod("a.io/a:2.1", "a.io/b:1.1", "")],
        &expected,
    );
    assert!(swapped.is_err());
}

#[test]
fn a_use_that_stays_behind_is_named_and_refuses_nothing() {
    let mut before = deployment(OLD, "", Value::Null);
    let mut after = deployment(NEW, "", Value::Null);
    for object in [&mut before, &mut after] {
        object["spec"]["template"]["spec"]["initContainers"] = json!([{"name": "i", "image": OLD}]);
    }
    let proof = judged(before, after).unwrap();
    assert_eq!(proof.left.len(), 1);
    assert_eq!(
        proof.left[0].path,
        "spec.template.spec.initContainers[0].image"
    );
}

#[test]
fn a_field_that_no_two_renders_agree_on_is_not_held_against_the_edit() {
    let with = |image: &str, value: &str, unstable: &[&str]| {
        let mut object = raw(deployment(image, "/metadata/annotations/a~b", json!(value)));
        object.unstable = unstable.iter().map(|p| (*p).to_owned()).collect();
        object
    };
    let expected = [expected(OLD, NEW)];
    let pointer = ["/metadata/annotations/a~0b"];
    assert!(
        prove(
            &[with(OLD, "x", &pointer)],
            &[with(NEW, "y", &pointer)],
            &expected
        )
        .is_ok()
    );
    assert!(prove(&[with(OLD, "x", &[])], &[with(NEW, "y", &[])], &expected).is_err());
}

#[test]
fn inv_i30_a_difference_in_a_secret_shows_no_value() {
    let secret = |value: &str| {
        raw(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
            "data": {"k": value}, "stringData": {"l": value}}),
        )
    };
    let before = [raw(deployment(OLD, "", Value::Null)), secret("hunter22")];
    let after = [raw(deployment(NEW, "", Value::Null)), secret("swordfish")];
    let disproof = prove(&before, &after, &[expected(OLD, NEW)]).unwrap_err();
    let text = format!("{disproof:?} {}", disproof.failure("x").detail);
    assert!(
        text.contains("data.k") && text.contains("(hidden)"),
        "{text}"
    );
    assert!(
        !text.contains("hunter22") && !text.contains("swordfish"),
        "{text}"
    );
}
