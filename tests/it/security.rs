//! Least privilege and secrets, proved by the audit log and by looking everywhere.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use syncline_tests::agent::{ACCOUNT, NAMESPACE};
use syncline_tests::world::{READER, deliver};
use syncline_tests::{Access, ControlPlane, Options, World, objects};

use crate::deploy::{Person, config_map, deployment, push, value_of, wait_for_value};

const IN_DATA: &str = "canary-in-data-5f1c";
const IN_STRING_DATA: &str = "canary-in-string-data-77ab";
const IN_BAD_DATA: &str = "canary-not-base64-c0de!";
const IN_BROKEN_YAML: &str = "canary-in-broken-yaml-19d2";
const IN_CHANGED: &str = "canary-changed-by-hand-44e0";
const PASSWORD: &str = "canary-git-password-8e21";
const WRONG: &str = "canary-wrong-password-3b3b";
const HOOK: &str = "canary-hook-secret-a901";
const ALL: [&str; 8] = [
    IN_DATA,
    IN_STRING_DATA,
    IN_BAD_DATA,
    IN_BROKEN_YAML,
    IN_CHANGED,
    PASSWORD,
    WRONG,
    HOOK,
];

/// A Git repository with a password, a Secret in Git, a workload, a webhook.
async fn world() -> Result<World> {
    World::alone("secure", Options::default(), |settings| {
        settings.flag("--log=debug")
    })
    .await
}

fn secret(name: &str, field: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n{field}:\n  token: {value}\n")
}

#[tokio::test]
async fn no_secret_leaves_and_the_agent_itself_touches_nothing_of_others() -> Result<()> {
    let mut world = world().await?;
    let access = Access::Basic {
        user: "robin".into(),
        password: PASSWORD.into(),
    };
    world.repo = world
        .git
        .create(&format!("{}-closed", world.namespace), access)?;
    world
        .secret("git", &[("username", "robin"), ("password", WRONG)])
        .await?;
    world.secret("hook", &[("secret", HOOK)]).await?;

    let data = secret("data", "data", &STANDARD.encode(IN_DATA));
    let string_data = secret("string-data", "stringData", IN_STRING_DATA);
    let (web, workload) = (config_map("web", "1"), deployment("web"));
    let files = [
        ("apps/web/data.yaml", data.as_str()),
        ("apps/web/string-data.yaml", string_data.as_str()),
        ("apps/web/web.yaml", web.as_str()),
        ("apps/work/work.yaml", workload.as_str()),
        ("apps/bad/bad.yaml", &secret("bad", "data", IN_BAD_DATA)),
        (
            "apps/broken/broken.yaml",
            &format!(
                "{}: [\n",
                secret("broken", "stringData", IN_BROKEN_YAML).trim_end()
            ),
        ),
    ];
    world.repo.commit(&files, "Start")?;
    let spec = json!({
        "secretRef": { "name": "git" },
        "serviceAccount": READER,
        "webhook": { "secretRef": { "name": "hook" } },
    });
    world.repository(spec).await?;
    for name in ["web", "work", "bad", "broken"] {
        world
            .application(name, &format!("apps/{name}"), json!({}))
            .await?;
    }
    world
        .wait_for_reason("Repository", "config", "AuthFailed")
        .await?;
    world
        .secret("git", &[("username", "robin"), ("password", PASSWORD)])
        .await?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &world.repo.head()?).await?;
    world
        .wait_for_reason("Application", "bad", "InvalidSecret")
        .await?;
    world
        .wait_for_reason("Application", "broken", "YamlSyntax")
        .await?;

    // Drift of a Secret, a refused change of one, and deliveries with a right and a wrong secret.
    let changed = json!({ "stringData": { "token": IN_CHANGED } });
    world.edit("v1", "Secret", "string-data", &changed).await?;
    syncline_tests::wait_for(
        "the Secret of Git",
        syncline_tests::world::DEADLINE,
        async || {
            let live = world.get("v1", "Secret", "string-data").await?;
            ensure!(
                live["data"]["token"] == STANDARD.encode(IN_STRING_DATA),
                "it still differs"
            );
            Ok(())
        },
    )
    .await?;
    let fixed = format!(
        "{}immutable: true\n",
        secret("fixed", "stringData", IN_DATA)
    );
    let commit = push(&world, &[("apps/web/fixed.yaml", &fixed)], "Add fixed").await?;
    world.wait_until_synced("web", &commit).await?;
    let fixed = format!(
        "{}immutable: true\n",
        secret("fixed", "stringData", IN_CHANGED)
    );
    push(&world, &[("apps/web/fixed.yaml", &fixed)], "Change fixed").await?;
    world
        .wait_for_reason("Application", "web", "ImmutableField")
        .await?;
    world.repo.commit(
        &[("apps/web/web.yaml", &config_map("web", "2"))],
        "Change web",
    )?;
    ensure!(deliver(&world.repo, world.agent(), WRONG).await? == 401);
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    let status = deliver(&world.repo, world.agent(), HOOK).await?;
    ensure!(
        (200..300).contains(&status),
        "the delivery was answered with {status}"
    );
    wait_for_value(&world, "web", Some("2")).await?;
    world.repo.remove(&["apps/web/data.yaml"], "Remove data")?;
    world.request("Repository", "config").await?;
    syncline_tests::wait_for("the prune", syncline_tests::world::DEADLINE, async || {
        ensure!(
            !world.exists("v1", "Secret", "data").await?,
            "it is still there"
        );
        Ok(())
    })
    .await?;

    for (place, text) in everything_shown(&world).await? {
        for canary in ALL {
            let forms = [canary.to_owned(), STANDARD.encode(canary)];
            for form in forms {
                let at = text
                    .windows(form.len())
                    .position(|part| part == form.as_bytes());
                if let Some(at) = at {
                    let from = at.saturating_sub(300);
                    let context = String::from_utf8_lossy(&text[from..at]).into_owned();
                    anyhow::bail!("{place} shows {canary} after {context:?}");
                }
            }
        }
    }
    own_identity_stays_at_home(world.control_plane())
}

/// All that the agent has shown or kept, but for the objects in Git themselves.
async fn everything_shown(world: &World) -> Result<Vec<(String, Vec<u8>)>> {
    let mut all = vec![("the log".to_owned(), world.agent().log().into_bytes())];
    ensure!(all[0].1.len() > 1000, "there is no log");
    for (kind, names) in [
        ("Repository", &["config"][..]),
        ("Application", &["web", "work", "bad", "broken"][..]),
    ] {
        for name in names {
            let live = world.ours(kind, name).await?;
            all.push((
                format!("the status of {name}"),
                live.to_string().into_bytes(),
            ));
        }
    }
    for api_version in ["v1", "events.k8s.io/v1"] {
        let path = match api_version {
            "v1" => "/api/v1/events".to_owned(),
            other => format!("/apis/{other}/events"),
        };
        let request = http::Request::get(path).body(Vec::new())?;
        let events = world.client.request_text(request).await?;
        all.push(("an event".to_owned(), events.into_bytes()));
    }
    let metrics = reqwest::get(world.agent().metrics_url("/metrics"))
        .await?
        .text()
        .await?;
    all.push(("a metric".to_owned(), metrics.into_bytes()));
    let person = Person::sign_in(world.agent()).await?;
    for path in ["/applications", "/repositories", "/images", "/about"] {
        all.push((format!("GET {path}"), person.read(path).await?.into_bytes()));
    }
    for name in ["web", "work", "bad", "broken"] {
        let path = format!("/applications/{}/{name}", world.namespace);
        all.push((
            format!("GET {path}"),
            person.read(&path).await?.into_bytes(),
        ));
        let syncs = person.syncs(world, name).await?;
        ensure!(!syncs.is_empty(), "{name} has no history");
        all.push((
            format!("the syncs of {name}"),
            Value::from(syncs).to_string().into_bytes(),
        ));
    }
    let folder = world.agent().data_folder();
    let before = all.len();
    read_files(&folder, &folder.join("git"), &mut all)?;
    ensure!(
        all[before..]
            .iter()
            .any(|(place, _)| place.ends_with("history.db")),
        "there is no database in {}",
        folder.display()
    );
    // The settings of the mirrors are files of their own; the objects of Git are compressed.
    read_files(&folder.join("git"), Path::new("-"), &mut all)?;
    Ok(all)
}

fn read_files(folder: &Path, but: &Path, into: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path == but {
            continue;
        }
        if path.is_dir() {
            read_files(&path, but, into)?;
        } else {
            into.push((path.display().to_string(), std::fs::read(&path)?));
        }
    }
    Ok(())
}

/// The agent's own identity reads and writes its own kinds, and besides only in its namespace.
fn own_identity_stays_at_home(control_plane: &ControlPlane) -> Result<()> {
    let own = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    let events = control_plane.audit().events()?;
    let events: Vec<_> = events
        .iter()
        .filter(|event| event.user.username == own)
        .collect();
    let (mut acted_as, mut as_itself) = (0, 0);
    for event in events {
        if let Some(user) = &event.impersonated_user {
            ensure!(
                user.username.starts_with("system:serviceaccount:"),
                "{event:?}"
            );
            ensure!(user.username != own, "{event:?}");
            acted_as += 1;
            continue;
        }
        as_itself += 1;
        let Some(object) = &event.object_ref else {
            ensure!(!event.is_write(), "{event:?}");
            continue;
        };
        let allowed = match (object.api_group.as_str(), object.resource.as_str()) {
            ("syncline.dev", _) => true,
            ("" | "events.k8s.io", "events") => ["create", "patch"].contains(&event.verb.as_str()),
            // To see that an account exists before it is used.
            ("", "serviceaccounts") => event.verb == "get" && !object.name.is_empty(),
            ("apiextensions.k8s.io", "customresourcedefinitions") => !event.is_write(),
            ("coordination.k8s.io", "leases") | ("", "secrets" | "configmaps") => {
                object.namespace == NAMESPACE
            }
            _ => false,
        };
        ensure!(allowed, "the agent's own identity did {event:?}");
    }
    ensure!(
        acted_as > 10 && as_itself > 10,
        "{acted_as} and {as_itself} requests"
    );
    Ok(())
}

#[tokio::test]
async fn the_account_of_one_namespace_is_of_no_use_in_another() -> Result<()> {
    let world = World::new("mine").await?;
    let other = World::new("theirs").await?;
    world
        .repo
        .commit(&[("apps/web/web.yaml", &config_map("web", "1"))], "Start")?;
    world.repository(json!({})).await?;
    let destination = json!({ "destination": { "namespace": other.namespace } });
    world.application("web", "apps/web", destination).await?;
    let live = world
        .wait_for_reason("Application", "web", "Denied")
        .await?;
    let ready = objects::find_condition(&live, "Ready").context("no condition")?;
    let said = ready["message"].as_str().unwrap_or_default();
    ensure!(said.contains(&other.namespace), "{said}");
    ensure!(
        value_of(&other, "web").await?.is_none(),
        "it was written in another namespace"
    );
    Ok(())
}
