//! Wrong objects: what is said of each, that it hurts only itself, and that no value of a Secret is
//! in it. Each is an application of its own in one repository.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use syncline_tests::World;

use super::{ensure_failed, outcome, sync_of};
use crate::deploy::{
    Person, cluster_admin, config_map, deployed, deployment, ensure_says, message, push, value_of,
};

const CANARY: &str = "canary-5bd1";

/// One wrong file: the name of its application, its text, the reason, and what is said of it.
struct Wrong {
    name: &'static str,
    text: String,
    reason: &'static str,
    says: Vec<&'static str>,
}

fn wrong(
    name: &'static str,
    text: impl Into<String>,
    reason: &'static str,
    says: &[&'static str],
) -> Wrong {
    Wrong {
        name,
        text: text.into(),
        reason,
        says: says.to_vec(),
    }
}

/// A ConfigMap over a size.
fn big(name: &str, bytes: usize) -> String {
    config_map(name, &"x".repeat(bytes))
}

fn refused_before_it_is_sent() -> Vec<Wrong> {
    let map = |name: &str| config_map(name, "1");
    let labelled = |label: &str| {
        map("x").replace("  name: x", &format!("  name: x\n  labels: {{a: {label}}}"))
    };
    let secret = |rest: &str| format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n{rest}");
    let twice = deployment("web").replace(
        "        image: registry.example/web:1\n",
        "        image: registry.example/web:1\n        env:\n        - {name: A, value: a}\n        \
         - {name: A, value: b}\n",
    );
    vec![
        wrong(
            "b07-a",
            labelled("no"),
            "NotText",
            &["metadata.labels", "quote"],
        ),
        wrong(
            "b07-b",
            labelled("1e3"),
            "NotText",
            &["metadata.labels", "quote"],
        ),
        wrong("b08", "- a\n- b\n", "NotAnObject", &["a list"]),
        wrong(
            "b09",
            map("x").replace("kind: ConfigMap\n", ""),
            "NoIdentity",
            &["`kind`"],
        ),
        wrong(
            "b10",
            map("x").replace("  name:", "  generateName:"),
            "GenerateName",
            &["ConfigMap"],
        ),
        wrong("b11", map("Not_A_Name"), "InvalidName", &["Not_A_Name"]),
        wrong("b12", big("x", 1_600_000), "ObjectTooLarge", &["1572864"]),
        wrong(
            "b15",
            format!("{}---\n{}", map("x"), map("x")),
            "DuplicateObject",
            &["bad.yaml:8"],
        ),
        wrong(
            "b18",
            secret(&format!("data:\n  key: {CANARY}!\n")),
            "InvalidSecret",
            &["data.key"],
        ),
        wrong(
            "b19",
            secret(&format!(
                "data:\n  key: {}\nstringData:\n  key: {CANARY}\n",
                STANDARD.encode(CANARY)
            )),
            "InvalidSecret",
            &["key"],
        ),
        wrong(
            "m5",
            secret("stringData:\n  key: 987654321\n"),
            "InvalidSecret",
            &["stringData.key"],
        ),
        wrong("b72", twice, "DuplicateListKey", &["env"]),
    ]
}

/// Commits all applications with a good object beside the wrong one, and a sound application.
async fn commit(world: &World, all: &[Wrong], definitions: &[(String, String)]) -> Result<String> {
    let mut files = vec![("sound/map.yaml".to_owned(), config_map("sound", "1"))];
    for one in all {
        files.push((format!("{}/bad.yaml", one.name), one.text.clone()));
        let good = config_map(&format!("good-{}", one.name), "1");
        files.push((format!("{}/good.yaml", one.name), good));
    }
    files.extend(definitions.iter().cloned());
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let commit = world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("sound", "sound", json!({})).await?;
    for one in all {
        world.application(one.name, one.name, json!({})).await?;
    }
    Ok(commit)
}

/// Nothing that the agent says holds the value of a Secret.
async fn ensure_hidden(world: &World, all: &[Wrong]) -> Result<()> {
    let person = Person::sign_in(world.agent()).await?;
    let encoded = STANDARD.encode(CANARY);
    let mut channels = vec![("the log".to_owned(), world.agent().log())];
    for one in all {
        let live: Value = world.ours("Application", one.name).await?;
        channels.push((
            format!("the status of {}", one.name),
            live["status"].to_string(),
        ));
        let syncs = json!(person.syncs(world, one.name).await?).to_string();
        channels.push((format!("the history of {}", one.name), syncs));
    }
    for (channel, text) in channels {
        for canary in [CANARY, &encoded, "987654321"] {
            ensure!(!text.contains(canary), "{channel} shows {canary}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn bad_b07_b08_b09_b10_b11_b12_b15_b18_b19_b72_what_can_be_seen_in_git_is_said_before_it_is_sent()
-> Result<()> {
    let world = World::new("unsent").await?;
    let all = refused_before_it_is_sent();
    let audit = world.control_plane().audit().from_now()?;
    let first = commit(&world, &all, &[]).await?;
    world.wait_until_synced("sound", &first).await?;
    for one in &all {
        let live = world
            .wait_for_reason("Application", one.name, one.reason)
            .await?;
        let said = message(&live);
        ensure_says(&said, &[&format!("{}/bad.yaml:", one.name)]).context(one.name)?;
        ensure_says(&said, &one.says).context(one.name)?;
    }
    let writes = deployed(&world, &audit)?;
    ensure!(
        writes.iter().all(|write| write.object().name == "sound"),
        "something of a wrong application was written: {writes:#?}"
    );
    ensure_hidden(&world, &all).await
}

fn refused_by_the_api_server(group: &str) -> Vec<Wrong> {
    let negative = deployment("negative").replace("replicas: 2", "replicas: -1");
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: more\nrules:\n\
                - apiGroups: [\"\"]\n  resources: [nodes]\n  verbs: [delete]\n";
    let review = "apiVersion: authorization.k8s.io/v1\nkind: LocalSubjectAccessReview\nmetadata:\n  \
                  name: review\nspec: {user: a, resourceAttributes: {verb: get, resource: pods}}\n";
    let cluster = "apiVersion: v1\nkind: Node\nmetadata:\n  name: a-node\n";
    let note = format!(
        "apiVersion: {group}/v1\nkind: Gadget\nmetadata:\n  name: huge\nspec:\n  text: {}\n",
        "x".repeat(1_572_500)
    );
    let unknown = format!("apiVersion: {group}/v1\nkind: Wodget\nmetadata:\n  name: w\n");
    let typo = config_map("typo", "1").replace("\ndata:", "\ndta:");
    vec![
        wrong(
            "m7-map",
            big("big", 1_100_000),
            "ObjectTooLarge",
            &["1048576"],
        ),
        wrong("m7-custom", note, "ObjectTooLarge", &["too large"]),
        wrong("b13", unknown, "UnknownKind", &["Wodget"]),
        wrong("b73", review, "NoApply", &["LocalSubjectAccessReview"]),
        wrong("typo", typo, "UnknownField", &["dta", "data"]),
        wrong(
            "negative",
            negative,
            "InvalidObject",
            &["spec.replicas", "must be greater than or equal to 0"],
        ),
        wrong(
            "escalation",
            role,
            "Denied",
            &["attempting to grant RBAC permissions"],
        ),
        wrong("denied", cluster, "Denied", &["nodes", "cannot get"]),
    ]
}

#[tokio::test]
async fn bad_b12_b13_b73_what_the_api_server_refuses_is_said_in_its_words_and_the_rest_is_applied()
-> Result<()> {
    let world = World::new("refusals").await?;
    let group = format!("{}.example.com", world.namespace);
    world
        .apply(&serde_json::from_str(&crate::crashes::definition(&group))?)
        .await?;
    world.apply(&gadget_rights(&group)).await?;
    world.apply(&binding(&world)).await?;
    let all = refused_by_the_api_server(&group);
    let first = commit(&world, &all, &[]).await?;
    world.wait_until_synced("sound", &first).await?;
    for one in &all {
        let live = world
            .wait_for_reason("Application", one.name, one.reason)
            .await?;
        let said = message(&live);
        // The schema tells the field, the API server the object.
        let line = if one.reason == "UnknownField" { 5 } else { 1 };
        ensure_says(&said, &[&format!("{}/bad.yaml:{line}", one.name)]).context(one.name)?;
        ensure_says(&said, &one.says).context(one.name)?;
        let good = value_of(&world, &format!("good-{}", one.name)).await?;
        ensure!(good.as_deref() == Some("1"), "{}: {good:?}", one.name);
    }
    Ok(())
}

fn gadget_rights(group: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": { "name": "gadgets" },
        "rules": [{ "apiGroups": [group], "resources": ["*"], "verbs": ["*"] }],
    })
}

fn binding(world: &World) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": { "name": "gadgets" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "gadgets" },
        "subjects": [{
            "kind": "ServiceAccount",
            "name": syncline_tests::world::DEPLOYER,
            "namespace": world.namespace,
        }],
    })
}

#[tokio::test]
async fn all_errors_of_a_commit_are_in_one_sync() -> Result<()> {
    let world = World::new("all-errors").await?;
    world.repository(json!({})).await?;
    let files = [
        (
            "app/a.yaml",
            deployment("a").replace("replicas: 2", "replicas: -1"),
        ),
        (
            "app/b.yaml",
            deployment("b").replace("app: b\n    spec", "app: c\n    spec"),
        ),
        ("app/c.yaml", big("c", 1_100_000)),
        ("app/good.yaml", config_map("good", "1")),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let commit = push(&world, &files, "Start").await?;
    world.application("app", "app", json!({})).await?;
    let sync = sync_of(&world, "app", &commit).await?;
    let failed = |name: &str, kind: &str, reason: &str, field: &str| {
        ensure_failed(
            &sync,
            kind,
            name,
            reason,
            &[&format!("app/{name}.yaml:1"), field],
        )
    };
    failed("a", "Deployment", "InvalidObject", "spec.replicas")?;
    failed(
        "b",
        "Deployment",
        "InvalidObject",
        "spec.template.metadata.labels",
    )?;
    failed("c", "ConfigMap", "ObjectTooLarge", "1048576")?;
    ensure!(outcome(&sync, "ConfigMap", "good")?["failure"].is_null());
    let live = world
        .wait_for_reason("Application", "app", "ApplyFailed")
        .await?;
    ensure_says(&message(&live), &["3 objects failed", "app/c.yaml:1"])
}

#[tokio::test]
async fn bad_b08_b20_b21_b22_b71_b74_what_is_odd_but_clear_is_applied_and_stands() -> Result<()> {
    let world = World::new("odd").await?;
    let list = |items: &[&str]| {
        let items: Vec<Value> = items
            .iter()
            .filter_map(|item| serde_json::from_str(item).ok())
            .collect();
        json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
    };
    let map = |name: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": name, "annotations": null },
            "data": { "key": "1" },
        })
        .to_string()
    };
    let nested = list(&[&map("outer"), &list(&[&map("inner")])]);
    let exported = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "exported",
            "uid": "11111111-2222-3333-4444-555555555555",
            "resourceVersion": "7",
            "creationTimestamp": null,
            "ownerReferences": [{
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": "nobody",
                "uid": "11111111-2222-3333-4444-666666666666",
            }],
        },
        "data": { "key": "1" },
        "status": {},
    })
    .to_string();
    let text = "---\n# nothing\n---\nnull\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: after\n\
                data:\n  key: \"1\"\n";
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: plain\nstringData:\n  key: hello\n";
    let files = [
        ("app/nested.json", nested.as_str()),
        ("app/exported.json", &exported),
        ("app/text.yaml", text),
        ("app/secret.yaml", secret),
    ];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    world.wait_until_synced("app", &world.repo.head()?).await?;
    for name in ["outer", "inner", "exported", "after"] {
        ensure!(
            value_of(&world, name).await?.as_deref() == Some("1"),
            "{name}"
        );
    }
    let live = world.get("v1", "ConfigMap", "exported").await?;
    ensure!(live["metadata"]["ownerReferences"].is_null(), "{live:#}");
    let live = world.get("v1", "Secret", "plain").await?;
    ensure!(live["data"]["key"] == STANDARD.encode("hello"), "{live:#}");

    // What the API server stores is what was asked for: nothing is written again.
    let audit = world.control_plane().audit().from_now()?;
    let commit = push(
        &world,
        &[("app/more.yaml", &config_map("more", "1"))],
        "More",
    )
    .await?;
    world.wait_until_synced("app", &commit).await?;
    let writes = deployed(&world, &audit)?;
    ensure!(
        writes.iter().all(|write| write.object().name == "more"),
        "{writes:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn bad_b14_an_object_whose_kind_never_comes_is_named_after_the_limit() -> Result<()> {
    let turn = crate::lifecycle_setup::turn().await?;
    let world = World::with_agent("never", turn.control_plane, |settings| {
        settings.flag("--crd-timeout=2s")
    })
    .await?;
    cluster_admin(&world).await?;
    let group = format!("{}.example.com", world.namespace);
    let taken: Value = serde_json::from_str(&crate::crashes::definition(&group))?;
    world.apply(&taken).await?;
    // Another definition wants the same kind: the API server never serves it.
    let mut never = taken.clone();
    never["metadata"]["name"] = format!("others.{group}").into();
    never["spec"]["names"]["plural"] = "others".into();
    never["spec"]["names"]["singular"] = "other".into();
    never["spec"]["versions"][0]["name"] = "v9".into();
    let gadget = crate::crashes::gadget(&group).replace("/v1", "/v9");
    let (never, map) = (never.to_string(), config_map("map", "1"));
    let files = [
        ("app/gadget.yaml", gadget.as_str()),
        ("app/kind.json", &never),
        ("app/map.yaml", &map),
    ];
    let commit = world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    let sync = sync_of(&world, "app", &commit).await?;
    let says = ["app/gadget.yaml:1", "Gadget", "v9"];
    ensure_failed(&sync, "Gadget", "gadget", "UnknownKind", &says)?;
    ensure!(value_of(&world, "map").await?.as_deref() == Some("1"));
    Ok(())
}
