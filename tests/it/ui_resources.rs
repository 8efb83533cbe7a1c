//! What people see of live objects: the tree down to pods, objects, events and logs, read as the
//! account of the Application and only when somebody looks.

use anyhow::{Context as _, Result, bail, ensure};
use futures::{Stream, StreamExt as _};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use syncline_tests::control_plane::Run;
use syncline_tests::control_plane::audit::Audit;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use crate::deploy::deployment;
use crate::ui_session::Session;

/// A value that stands in a Secret of Git, in an environment variable and in a log.
const CANARY: &str = "canary-7f3c19-resources";

const MAP: &str = "# Settings.\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {word: one}\n";

/// A StatefulSet of one pod with a volume.
fn database() -> String {
    "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  replicas: 1\n  serviceName: db\n  \
     selector: {matchLabels: {app: db}}\n  template:\n    metadata: {labels: {app: db}}\n    spec:\n      \
     containers:\n      - {name: main, image: \"registry.example/db:1\", volumeMounts: [{name: data, mountPath: /data}]}\n  \
     volumeClaimTemplates:\n  - metadata: {name: data}\n    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"
        .to_owned()
}

async fn deploy(world: &World, files: &[(&str, &str)], more: Value) -> Result<()> {
    let commit = world.repo.commit(files, "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "app", more).await?;
    let what = format!("applied at {commit}");
    world
        .wait_for_ours("Application", "web", &what, |live| {
            let applied = live["status"]["lastAppliedRevision"].as_str();
            applied.is_some_and(|applied| applied.contains(&commit))
        })
        .await?;
    Ok(())
}

fn path(world: &World, rest: &str) -> String {
    format!("/api/v1/applications/{}/web/{rest}", world.namespace)
}

/// The lines of a tree, indented, in the order of their names.
fn lines(tree: &Value) -> Vec<String> {
    let items = tree["items"].as_array().into_iter().flatten();
    let lines = items.map(|item| {
        let indent = "  ".repeat(item["depth"].as_u64().unwrap_or_default() as usize);
        let kind = item["object"]["kind"].as_str().unwrap_or_default();
        format!("{indent}{kind}")
    });
    lines.collect()
}

/// The line of an object of a tree.
fn line<'a>(tree: &'a Value, kind: &str, name: &str) -> Result<&'a Value> {
    let mut items = tree["items"].as_array().into_iter().flatten();
    let found = items.find(|item| {
        let object = &item["object"];
        let is = object["name"].as_str().unwrap_or_default();
        object["kind"] == kind && is.starts_with(name)
    });
    found.with_context(|| format!("no {kind} {name} in {tree:#}"))
}

/// Waits until so many pods of the tree are ready.
async fn wait_for_pods(session: &Session, world: &World, count: usize) -> Result<Value> {
    wait_for(
        &format!("{count} pods that are ready"),
        DEADLINE,
        async || {
            world.agent().ensure_running()?;
            let tree = session.get(&path(world, "resources")).await?;
            let items = tree["items"].as_array().context("no items")?;
            let ready = items.iter().filter(|item| {
                item["object"]["kind"] == "Pod"
                    && item["ready"] == json!({ "ready": 1, "wanted": 1 })
            });
            let ready = ready.count();
            ensure!(ready == count, "{ready} are ready in {:?}", lines(&tree));
            Ok(tree)
        },
    )
    .await
}

#[tokio::test]
async fn the_tree_goes_from_the_line_in_git_down_to_pods_and_their_volumes() -> Result<()> {
    let world = World::new("tree").await?;
    let session = Session::open(world.agent()).await?;
    let web = deployment("web");
    let files = [
        ("app/web.yaml", web.as_str()),
        ("app/db.yaml", &database()),
        ("app/map.yaml", MAP),
    ];
    deploy(&world, &files, json!({ "sync": { "selfHeal": false } })).await?;
    let tree = wait_for_pods(&session, &world, 3).await?;

    ensure!(tree["missing"] == json!([]), "{:#}", tree["missing"]);
    let map = line(&tree, "ConfigMap", "settings")?;
    ensure!(
        map["origin"]["file"] == "app/map.yaml" && map["origin"]["line"].is_u64(),
        "{map:#}"
    );
    ensure!(
        map["sync"] == "synced" && map["created"].is_string(),
        "{map:#}"
    );
    let web = line(&tree, "Deployment", "web")?;
    ensure!(
        web["ready"] == json!({ "ready": 2, "wanted": 2 }),
        "{web:#}"
    );
    let pod = line(&tree, "Pod", "web-")?;
    ensure!(pod["depth"] == 2 && pod["sync"].is_null(), "{pod:#}");
    let container = &pod["containers"][0];
    ensure!(
        container["name"] == "main"
            && container["state"] == "running"
            && container["ready"] == true,
        "{pod:#}"
    );
    let claim = line(&tree, "PersistentVolumeClaim", "data-db-0")?;
    let set = claim["parent"]
        .as_u64()
        .context("the claim is below nothing")?;
    ensure!(
        tree["items"][set as usize]["object"]["name"] == "db",
        "{claim:#}"
    );
    let kinds = lines(&tree);
    ensure!(
        !kinds.iter().any(|kind| kind.contains("EndpointSlice")),
        "{kinds:?}"
    );

    world
        .edit(
            "v1",
            "ConfigMap",
            "settings",
            &json!({ "data": { "word": "two" } }),
        )
        .await?;
    wait_for("the drift in the tree", DEADLINE, async || {
        let tree = session.get(&path(&world, "resources")).await?;
        let map = line(&tree, "ConfigMap", "settings")?;
        ensure!(map["sync"] == "drifted", "it is {}", map["sync"]);
        Ok(())
    })
    .await
}

/// How often pods of a world were listed as one of its accounts since a mark.
fn lists_of_pods(world: &World, since: &Audit) -> Result<usize> {
    let events = since.events()?;
    let lists = events.iter().filter(|event| {
        let object = event.object();
        object.resource == "pods"
            && object.namespace == world.namespace
            && event.impersonated_user.is_some()
    });
    Ok(lists.count())
}

#[tokio::test]
async fn nothing_is_read_at_rest_and_many_who_look_at_once_share_one_read() -> Result<()> {
    let world = World::new("looks").await?;
    let session = Session::open(world.agent()).await?;
    deploy(&world, &[("app/web.yaml", &deployment("web"))], json!({})).await?;
    wait_for_pods(&session, &world, 2).await?;
    wait_for("it to be healthy", DEADLINE, async || {
        let live = world.ours("Application", "web").await?;
        ensure!(
            live["status"]["health"] == "Healthy",
            "{:#}",
            live["status"]
        );
        Ok(())
    })
    .await?;

    let audit = world.control_plane().audit().from_now()?;
    // The agent works meanwhile: a change of Git is applied.
    let files = [
        ("app/web.yaml", deployment("web")),
        ("app/map.yaml", MAP.to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    let commit = world.repo.commit(&files, "A map")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &commit).await?;
    ensure!(
        lists_of_pods(&world, &audit)? == 0,
        "pods were listed while nobody looked"
    );

    let tree = path(&world, "resources");
    wait_for("a read that is shared", DEADLINE, async || {
        session.get(&tree).await?;
        ensure!(lists_of_pods(&world, &audit)? > 0, "an older one counts");
        Ok(())
    })
    .await?;
    let audit = world.control_plane().audit().from_now()?;
    let looks = futures::future::join_all((0..12).map(|_| session.get(&tree))).await;
    for look in looks {
        look?;
    }
    let lists = lists_of_pods(&world, &audit)?;
    ensure!(lists <= 3, "{lists} lists for 12 looks");
    Ok(())
}

/// An account with rights on these resources and no others.
async fn account(world: &World, name: &str, rules: Value) -> Result<()> {
    for object in [
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": { "name": name }, "rules": rules,
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": world.namespace }],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": { "name": format!("impersonate-{name}") },
            "rules": [{ "apiGroups": [""], "resources": ["serviceaccounts"],
                        "resourceNames": [name], "verbs": ["get", "impersonate"] }],
        }),
    ] {
        world.apply(&object).await?;
    }
    let agent = world
        .get(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "syncline-impersonate",
        )
        .await?;
    world
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": format!("impersonate-{name}") },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role",
                         "name": format!("impersonate-{name}") },
            "subjects": agent["subjects"],
        }))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_and_everything_else_is_shown() -> Result<()> {
    let world = World::new("rights").await?;
    let session = Session::open(world.agent()).await?;
    let all = json!([
        "get", "list", "watch", "create", "patch", "update", "delete"
    ]);
    let own = json!({ "apiGroups": ["apps"], "resources": ["deployments"], "verbs": all });
    account(&world, "narrow", json!([own])).await?;
    let spec = json!({ "serviceAccount": "narrow" });
    deploy(&world, &[("app/web.yaml", &deployment("web"))], spec).await?;
    let name = format!("{}/narrow", world.namespace);

    let tree = wait_for("the rights in the tree", DEADLINE, async || {
        let tree = session.get(&path(&world, "resources")).await?;
        let missing = tree["missing"].as_array().context("nothing is missing")?;
        let resources: Vec<&str> = missing
            .iter()
            .filter_map(|r| r["resource"].as_str())
            .collect();
        ensure!(resources == ["pods", "replicasets"], "{resources:?}");
        Ok(tree)
    })
    .await?;
    let right = &tree["missing"][0];
    ensure!(
        right["verb"] == "list" && right["account"] == name.as_str(),
        "{right:#}"
    );
    let web = line(&tree, "Deployment", "web")?;
    ensure!(
        web["ready"]["wanted"] == 2 && web["created"].is_string(),
        "{web:#}"
    );

    let events = session.get(&path(&world, "events")).await?;
    ensure!(events["missing"][0]["resource"] == "events", "{events:#}");
    let log = session.send(Method::GET, &path(&world, "logs")).await?;
    let (status, text) = (log.status(), log.text().await?);
    ensure!(
        status == 403 && text.contains("`list` `pods`"),
        "{status} {text}"
    );

    // With the rights to look, but for logs.
    let look = json!({ "apiGroups": ["", "apps"], "resources": ["pods", "replicasets", "events"],
                       "verbs": ["get", "list"] });
    account(&world, "narrow", json!([own, look])).await?;
    wait_for_pods(&session, &world, 2).await?;
    let log = session.send(Method::GET, &path(&world, "logs")).await?;
    let (status, text) = (log.status(), log.text().await?);
    ensure!(
        status == 403 && text.contains("`get` `pods/log`") && text.contains(&name),
        "{status} {text}"
    );
    Ok(())
}

/// A Deployment of one pod whose container has a log, and has the canary in its environment.
fn logged(container: &str) -> String {
    let env = format!(
        "      - name: {container}\n        env: [{{name: GREETING, value: \"say {CANARY}\"}}, {{name: DB_PASSWORD, value: open-sesame}}]\n"
    );
    deployment("web")
        .replace("replicas: 2", "replicas: 1")
        .replace("      - name: main\n", &env)
}

fn secret() -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: words}}\nstringData: {{greeting: {CANARY}}}\n"
    )
}

#[tokio::test]
async fn an_object_is_told_with_what_it_belongs_to_and_without_a_secret() -> Result<()> {
    let world = World::new("object").await?;
    let session = Session::open(world.agent()).await?;
    let (web, secret) = (logged("logged-0"), secret());
    let files = [("app/web.yaml", web.as_str()), ("app/secret.yaml", &secret)];
    deploy(&world, &files, json!({})).await?;
    let tree = wait_for_pods(&session, &world, 1).await?;
    let pod = line(&tree, "Pod", "web-")?["object"]["name"].clone();
    let pod = pod.as_str().context("no name")?;
    let namespace = &world.namespace;

    let object = path(&world, &format!("objects/-/Pod/{namespace}/{pod}"));
    let detail = session.get(&object).await?;
    let owners = detail["owners"].as_array().context("no owners")?;
    let kinds: Vec<&Value> = owners
        .iter()
        .map(|owner| &owner["object"]["kind"])
        .collect();
    ensure!(kinds == ["Deployment", "ReplicaSet"], "{kinds:?}");
    ensure!(owners[0]["origin"]["file"] == "app/web.yaml", "{owners:#?}");
    let yaml = detail["yaml"].as_str().context("no YAML")?;
    ensure!(
        yaml.contains("GREETING") && yaml.contains("DB_PASSWORD"),
        "{yaml}"
    );
    ensure!(!yaml.contains("managedFields"), "{yaml}");
    let conditions = detail["conditions"].as_array().context("no conditions")?;
    ensure!(
        conditions.iter().any(|one| one["kind"] == "Ready"),
        "{conditions:?}"
    );
    let words = session
        .get(&path(
            &world,
            &format!("objects/-/Secret/{namespace}/words"),
        ))
        .await?;
    let shown = words["yaml"].as_str().context("no YAML")?;
    ensure!(shown.contains("greeting:"), "the keys are shown: {shown}");
    for text in [&detail.to_string(), &words.to_string()] {
        for secret in [CANARY, "open-sesame", "Y2FuYXJ5LTdmM2MxOS1yZXNvdXJjZXM="] {
            ensure!(!text.contains(secret), "{text}");
        }
    }

    let said = wait_for("the events of the Deployment", DEADLINE, async || {
        let said = session.get(&path(&world, "events")).await?;
        let items = said["items"].as_array().context("no items")?.clone();
        let has = |reason: &str| items.iter().any(|event| event["reason"] == reason);
        ensure!(has("ScalingReplicaSet") && has("Scheduled"), "{items:#?}");
        Ok(items)
    })
    .await?;
    let times: Vec<jiff::Timestamp> = said
        .iter()
        .filter_map(|event| event["last"].as_str()?.parse().ok())
        .collect();
    ensure!(
        times.is_sorted_by(|newer, older| newer >= older),
        "{times:?}"
    );
    let one = format!("events?kind=Pod&namespace={namespace}&name={pod}");
    let one = session.get(&path(&world, &one)).await?;
    let items = one["items"].as_array().context("no items")?;
    ensure!(
        !items.is_empty() && items.iter().all(|event| event["object"]["name"] == pod),
        "{items:#?}"
    );

    // A pod of somebody else in the same namespace is none of the application's.
    world
        .apply(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "stranger" },
            "spec": { "containers": [{ "name": "logged-0", "image": "registry.example/x:1" }] },
        }))
        .await?;
    for rest in [
        format!("objects/-/Pod/{namespace}/stranger"),
        "logs?pod=stranger".to_owned(),
    ] {
        let status = session
            .send(Method::GET, &path(&world, &rest))
            .await?
            .status();
        ensure!(status == 404, "{rest} answered {status}");
    }

    let configuration = session.get(&path(&world, "configuration")).await?;
    let groups = configuration["groups"].as_array().context("no groups")?;
    let mut settings = groups
        .iter()
        .flat_map(|group| group["settings"].as_array().into_iter().flatten());
    let account = settings.find(|one| one["field"] == "spec.serviceAccount");
    ensure!(
        account.is_some_and(|one| one["values"] == json!(["deployer"])),
        "{configuration:#}"
    );
    Ok(())
}

/// The entries of a stream of logs.
fn entries(answer: Response) -> impl Stream<Item = Result<Value>> + Unpin {
    let chunks = Box::pin(answer.bytes_stream());
    let lines =
        futures::stream::unfold((chunks, Vec::new()), |(mut chunks, mut rest)| async move {
            loop {
                if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    let entry: Result<Value> = serde_json::from_slice(&line).context("an entry");
                    return Some((entry, (chunks, rest)));
                }
                match chunks.next().await? {
                    Ok(chunk) => rest.extend_from_slice(&chunk),
                    Err(error) => return Some((Err(error.into()), (chunks, rest))),
                }
            }
        });
    Box::pin(lines)
}

/// The next line of a log.
async fn next_line(entries: &mut (impl Stream<Item = Result<Value>> + Unpin)) -> Result<Value> {
    let next = tokio::time::timeout(DEADLINE, entries.next()).await?;
    let entry = next.context("the stream ended")??;
    if entry["type"] != "line" {
        bail!("no line but {entry:#}");
    }
    Ok(entry)
}

#[tokio::test]
async fn a_log_is_followed_without_secrets_bounded_in_number_and_ends_with_its_reader() -> Result<()>
{
    let world = World::new("logs").await?;
    let session = Session::open(world.agent()).await?;
    let container = "logged-1";
    let (web, secret) = (logged(container), secret());
    let files = [("app/web.yaml", web.as_str()), ("app/secret.yaml", &secret)];
    deploy(&world, &files, json!({})).await?;
    let tree = wait_for_pods(&session, &world, 1).await?;
    let pod = line(&tree, "Pod", "web-")?["object"]["name"].clone();
    let plane = world.control_plane();
    plane.write_log(container, Run::Current, "the first line")?;
    plane.write_log(container, Run::Current, &format!("greets with {CANARY}"))?;
    plane.write_log(container, Run::Previous, "of the run before")?;

    let read = async |query: &str| -> Result<Vec<Value>> {
        let answer = session
            .send(Method::GET, &path(&world, &format!("logs?{query}")))
            .await?;
        ensure!(answer.status() == 200, "{}", answer.text().await?);
        entries(answer)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect()
    };
    let all = read("tail=100").await?;
    let texts: Vec<&str> = all
        .iter()
        .filter_map(|entry| entry["text"].as_str())
        .collect();
    ensure!(
        texts == ["the first line", "greets with ***", "the end of the log"],
        "{all:#?}"
    );
    ensure!(
        all[0]["pod"] == pod && all[0]["container"] == container,
        "{:#}",
        all[0]
    );
    ensure!(all[0]["time"].is_string(), "{:#}", all[0]);
    let last = read("tail=1").await?;
    ensure!(last[0]["text"] == "greets with ***", "{last:#?}");
    let pod_name = pod.as_str().context("no name")?;
    let before = read(&format!(
        "pod={pod_name}&container={container}&previous=true"
    ))
    .await?;
    ensure!(before[0]["text"] == "of the run before", "{before:#?}");

    let follow = path(&world, "logs?tail=1&follow=true");
    let mut followed = entries(session.send(Method::GET, &follow).await?);
    next_line(&mut followed).await?;
    plane.write_log(
        container,
        Run::Current,
        &format!("later, password={CANARY}"),
    )?;
    let line = next_line(&mut followed).await?;
    ensure!(line["text"] == "later, password=***", "{line:#}");

    // As many as may be; one more is refused until one of them goes.
    let mut open = vec![followed];
    let refused = wait_for("a log that is refused", DEADLINE, async || {
        for _ in 0..20 {
            let answer = session.send(Method::GET, &follow).await?;
            if answer.status() != 200 {
                return Ok((answer.status(), answer.text().await?));
            }
            let mut more = entries(answer);
            next_line(&mut more).await?;
            open.push(more);
        }
        bail!("{} logs are open", open.len())
    })
    .await?;
    ensure!(
        refused.0 == 409 && refused.1.contains("as many as may be"),
        "{refused:?}"
    );
    drop(open);
    wait_for("a place that is free again", DEADLINE, async || {
        let status = session.send(Method::GET, &follow).await?.status();
        ensure!(status == 200, "it answered {status}");
        Ok(())
    })
    .await
}
