//! Promise 10, once for everything: a secret goes into every input of the agent, and nothing that comes
//! out of it holds one.
//!
//! The same search looks for the secrets in the cluster, where they have to be, and for an open word
//! in each kind of output, where it has to be: it would find a secret that is there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use reqwest::Method;
use serde_json::{Value, json};
use syncline_tests::fault_proxy::{Action, Rule};
use syncline_tests::git_server::signature;
use syncline_tests::registry::{PASSWORD as REGISTRY_PASSWORD, USER as REGISTRY_USER};
use syncline_tests::world::{DEADLINE, READER};
use syncline_tests::{Access, Registry, World, objects, programs, wait_for};

use crate::deploy::{ensure_says, message, push};
use crate::lifecycle_setup::turn;
use crate::ui_session::Session;

/// The values of a turn: the second one comes with the second commit.
struct Canaries {
    secret: &'static str,
    variable: &'static str,
    configured: &'static str,
    url: &'static str,
    values_from: &'static str,
    chart_value: &'static str,
    sealed: [&'static str; 2],
    open: &'static str,
}

const TURNS: [Canaries; 2] = [
    Canaries {
        secret: "canary-secret-data-1",
        variable: "canary-variable-1",
        configured: "canary-configured-path-1",
        url: "canary-url-password-1",
        values_from: "canary-values-from-1",
        chart_value: "canary-chart-value-1",
        sealed: ["canary-sealed-secret-1", "canary-sealed-map-1"],
        open: "open-word-one",
    },
    Canaries {
        secret: "canary-secret-data-2",
        variable: "canary-variable-2",
        configured: "canary-configured-path-2",
        url: "canary-url-password-2",
        values_from: "canary-values-from-2",
        chart_value: "canary-chart-value-2",
        sealed: ["canary-sealed-secret-2", "canary-sealed-map-2"],
        open: "open-word-two",
    },
];

const GIT_PASSWORD: &str = "canary-git-password";
const WRONG_GIT_PASSWORD: &str = "canary-wrong-git-password";
const WRONG_REGISTRY_PASSWORD: &str = "canary-wrong-registry-pass";
const WEBHOOK_SECRET: &str = "canary-webhook-secret";
const WRONG_WEBHOOK_SECRET: &str = "canary-wrong-webhook-secret";
/// A value that the API server repeats where it refuses it.
const REFUSED: &str = "canary, not a label";
const IN_LOG: &str = "canary-in-a-hook-log";
const BY_HAND: &str = "canary-set-by-hand";

const SEALED: [[&str; 2]; 2] = [
    [
        include_str!("rendering/sops/secret-1.yaml"),
        include_str!("rendering/sops/map-1.yaml"),
    ],
    [
        include_str!("rendering/sops/secret-2.yaml"),
        include_str!("rendering/sops/map-2.yaml"),
    ],
];

/// Everything that must come out nowhere.
fn canaries() -> Vec<&'static str> {
    let mut all = vec![
        GIT_PASSWORD,
        WRONG_GIT_PASSWORD,
        REGISTRY_PASSWORD,
        WRONG_REGISTRY_PASSWORD,
        WEBHOOK_SECRET,
        WRONG_WEBHOOK_SECRET,
        REFUSED,
        IN_LOG,
        BY_HAND,
    ];
    all.extend(TURNS.iter().flat_map(in_cluster));
    all
}

/// What of a turn has to be in the cluster.
fn in_cluster(turn: &Canaries) -> Vec<&'static str> {
    let mut all = vec![
        turn.secret,
        turn.variable,
        turn.configured,
        turn.url,
        turn.values_from,
        turn.chart_value,
    ];
    all.extend(turn.sealed);
    all
}

/// The files of a turn.
fn files(turn: &Canaries, sealed: &[&str; 2]) -> BTreeMap<&'static str, String> {
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: login\n  annotations:\n    note: \
         {0}\nstringData:\n  password: {0}\n",
        turn.secret
    );
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: plain\ndata:\n  configured: {}\n  url: \
         postgres://shop:{}@db:5432/shop\n  word: {}\n",
        turn.configured, turn.url, turn.open
    );
    let web = |name: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: 0\n  \
             selector:\n    matchLabels: {{app: {name}}}\n  template:\n    metadata:\n      labels: \
             {{app: {name}}}\n    spec:\n      containers:\n      - name: main\n        image: \
             registry.example/{name}:1\n        env:\n        - name: DB_PASSWORD\n          value: {}\n",
            turn.variable
        )
    };
    let charted = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: charted\ndata:\n  from: \
                   \"p:{{ .Values.password }}\"\n  API_TOKEN: \"{{ .Values.token }}\"\n  word: \
                   {{ .Values.word }}\n";
    let hook = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n    \
                helm.sh/hook: pre-upgrade\nspec:\n  backoffLimit: 0\n  template:\n    metadata:\n      \
                annotations:\n        syncline.test/play: \"fail\"\n    spec:\n      restartPolicy: \
                Never\n      containers:\n      - name: main\n        image: registry.example/m:1\n        \
                args: [\"--password={{ .Values.password }}\"]\n";
    let values = format!("token: {}\nword: {}\n", turn.chart_value, turn.open);
    BTreeMap::from([
        ("plain/secret.yaml", secret),
        ("plain/map.yaml", map),
        ("plain/web.yaml", web("web")),
        ("left/web.yaml", web("left")),
        ("sealed/secret.yaml", sealed[0].to_owned()),
        ("sealed/map.yaml", sealed[1].to_owned()),
        (
            "chart/Chart.yaml",
            "apiVersion: v2\nname: chart\nversion: 0.1.0\n".to_owned(),
        ),
        ("chart/values.yaml", values),
        ("chart/templates/map.yaml", charted.to_owned()),
        ("chart/templates/hook.yaml", hook.to_owned()),
    ])
}

fn listed<'a>(files: &'a BTreeMap<&'static str, String>) -> Vec<(&'static str, &'a str)> {
    let all = files.iter();
    all.map(|(path, text)| (*path, text.as_str())).collect()
}

/// Reads an event stream until the test ends.
fn overhear(mut stream: reqwest::Response) -> Arc<Mutex<Vec<u8>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok(Some(chunk)) = stream.chunk().await {
            let mut heard = into.lock().unwrap_or_else(PoisonError::into_inner);
            heard.extend_from_slice(&chunk);
        }
    });
    heard
}

/// What an output is called, and what came out of it.
type Channel = (String, Vec<u8>);
type Channels = Vec<Channel>;

/// The answer to every question of the API: the paths are those of its own document, with everything
/// that the world has in their places. A refusal is an answer as well.
async fn answers(session: &Session, world: &World) -> Result<Channels> {
    let namespace = world.namespace.as_str();
    let document = session.get("/api/v1/openapi.json").await?;
    let mut ids = Vec::new();
    for name in APPLICATIONS {
        for sync in session.syncs(namespace, name).await? {
            ids.push(sync["id"].as_str().context("no id")?.to_owned());
        }
    }
    let mut asked: Vec<String> = Vec::new();
    for (path, methods) in document["paths"].as_object().context("no paths")? {
        if methods["get"].is_null() || path.ends_with("/stream") {
            continue;
        }
        let path = path.replace("{namespace}", namespace);
        let names: &[&str] = match path.split('/').nth(3) {
            Some("applications") => &APPLICATIONS,
            Some("images") => &["web"],
            Some("repositories") => &["config"],
            _ => &[""],
        };
        for name in names {
            let path = path.replace("{name}", name).replace("{tag}", "1.0.0");
            if path.contains("{id}") {
                asked.extend(ids.iter().map(|id| path.replace("{id}", id)));
            } else if !path.contains('{') {
                asked.push(path);
            }
        }
    }
    // What one path answers in several ways.
    for name in APPLICATIONS {
        let syncs = session.syncs(namespace, name).await?;
        let diff = format!("/api/v1/applications/{namespace}/{name}/diff");
        asked.push(format!("{diff}?ref=main"));
        let objects = format!("/api/v1/applications/{namespace}/{name}/objects");
        asked.extend(HOLDERS.map(|(version, kind, name)| {
            let group = version.split_once('/').map_or("-", |(group, _)| group);
            format!("{objects}/{group}/{kind}/{namespace}/{name}")
        }));
        if let (Some(newest), Some(oldest)) = (syncs.first(), syncs.last()) {
            let id = |sync: &Value| sync["id"].as_str().unwrap_or_default().to_owned();
            asked.push(format!("{diff}?from={}&to={}", id(oldest), id(newest)));
        }
    }
    let mut channels = Vec::new();
    for path in asked {
        let answer = session.send(Method::GET, &path).await?;
        let body = tokio::time::timeout(DEADLINE, answer.bytes()).await;
        let body = body.with_context(|| format!("{path} goes on and on"))??;
        channels.push((path, body.to_vec()));
    }
    Ok(channels)
}

const APPLICATIONS: [&str; 5] = ["plain", "left", "sealed", "chart", "refused"];

/// Everything that comes out of the agent.
async fn channels(session: &Session, world: &World, heard: Vec<u8>) -> Result<Channels> {
    let agent = world.agent();
    let metrics = reqwest::get(agent.metrics_url("/metrics")).await?;
    let mut channels = answers(session, world).await?;
    channels.extend([
        ("the stream".to_owned(), heard),
        ("the log".to_owned(), agent.log().into_bytes()),
        ("the metrics".to_owned(), metrics.bytes().await?.to_vec()),
    ]);
    for path in ["/api/v1/events", "/apis/events.k8s.io/v1/events"] {
        let request = http::Request::get(path).body(Vec::new())?;
        let events = world.client.request_text(request).await?;
        channels.push((format!("the events of {path}"), events.into_bytes()));
    }
    let ours = APPLICATIONS.map(|name| ("Application", name));
    let others = [("Repository", "config"), ("ImagePolicy", "web")];
    for (kind, name) in ours.iter().chain(&others) {
        let live = world.ours(kind, name).await?.to_string();
        channels.push((format!("the {kind} {name}"), live.into_bytes()));
    }
    for file in std::fs::read_dir(agent.data_folder())? {
        let file = file?.path();
        if file.is_file() {
            let content = std::fs::read(&file).unwrap_or_default();
            channels.push((file.display().to_string(), content));
        }
    }
    Ok(channels)
}

/// Where a word stands: as it is, as in JSON, and in base64.
fn find(channels: &[Channel], word: &str) -> Option<String> {
    let encoded = STANDARD.encode(word);
    let forms = [word, encoded.trim_end_matches('=')];
    channels.iter().find_map(|(channel, bytes)| {
        let text = String::from_utf8_lossy(bytes);
        let at = forms.iter().find_map(|form| text.find(form))?;
        let begin = text.floor_char_boundary(at.saturating_sub(300));
        let end = text.ceil_char_boundary((at + 80).min(text.len()));
        Some(format!("{channel}: {}", &text[begin..end]))
    })
}

/// Version, kind and name of the live objects that hold the canaries of a turn.
const HOLDERS: [(&str, &str, &str); 6] = [
    ("v1", "Secret", "login"),
    ("v1", "Secret", "sealed"),
    ("v1", "ConfigMap", "plain"),
    ("v1", "ConfigMap", "sealed"),
    ("v1", "ConfigMap", "charted"),
    ("apps/v1", "Deployment", "web"),
];

/// The live objects that hold the canaries of a turn.
async fn live(world: &World) -> Result<Channels> {
    let mut channels = Vec::new();
    for (version, kind, name) in HOLDERS {
        let object = world.get(version, kind, name).await?.to_string();
        channels.push((format!("{kind} {name}"), object.into_bytes()));
    }
    Ok(channels)
}

/// Waits until the cluster has all canaries of a turn: what is looked for has been everywhere, and
/// the search finds it.
async fn arrived(world: &World, canaries: &[&str]) -> Result<()> {
    wait_for("the canaries in the cluster", DEADLINE, async || {
        world.agent().ensure_running()?;
        let live = live(world).await?;
        for canary in canaries {
            find(&live, canary).with_context(|| format!("{canary} is not in the cluster"))?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn inv_i30_a_secret_in_any_input_is_in_no_output() -> Result<()> {
    let turn = turn().await?;
    let mut world = World::with_agent_behind_proxy("canary", turn.control_plane, |settings| {
        settings
            .flag("--log=debug")
            .flag("--masked-paths=ConfigMap:/data/configured")
    })
    .await?;
    let logs = format!("^/api/v1/namespaces/{}/pods/[^/]+/log$", world.namespace);
    let said = format!(
        "connecting with {}\npassword={IN_LOG} is wrong\nopen-word-of-the-log\n",
        TURNS[1].values_from
    );
    let said: &'static str = said.leak();
    world
        .proxy()?
        .add(Rule::new(Action::Text(said)).pattern(Regex::new(&logs)?));
    let access = Access::Basic {
        user: "robin".into(),
        password: GIT_PASSWORD.into(),
    };
    let closed = format!("{}-closed", world.namespace);
    world.repo = world.git.create(&closed, access)?;
    let session = Session::open(world.agent()).await?;
    let stream = session.send(Method::GET, "/api/v1/stream").await?;
    let heard = overhear(stream);

    // Credentials, wrong ones first: what is refused is told.
    let git = |password| [("username", "robin"), ("password", password)];
    world.secret("git", &git(WRONG_GIT_PASSWORD)).await?;
    world.secret("hook", &[("secret", WEBHOOK_SECRET)]).await?;
    let values = [("password", TURNS[0].values_from)];
    world.secret("values", &values).await?;
    world.secret("labels", &[("LABEL", REFUSED)]).await?;
    let keys = programs::repository_root().join("agent/render/tests/it/fixtures/sops/keys");
    let key = std::fs::read_to_string(keys.join("age.agekey"))?;
    world.secret("keys", &[("age.agekey", &key)]).await?;
    let refused = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: refused\n  labels:\n    bad: \
                   \"${LABEL}\"\n";
    let mut first = files(&TURNS[0], &SEALED[0]);
    first.insert("refused/map.yaml", refused.to_owned());
    let commit = world.repo.commit(&listed(&first), "Start")?;
    let spec = json!({
        "serviceAccount": READER,
        "secretRef": { "name": "git" },
        "webhook": { "secretRef": { "name": "hook" } },
    });
    world.repository(spec).await?;
    world
        .wait_for_reason("Repository", "config", "AuthFailed")
        .await?;
    world.secret("git", &git(GIT_PASSWORD)).await?;
    world.request("Repository", "config").await?;
    let from = json!([{ "kind": "Secret", "name": "values", "key": "password", "targetPath": "password" }]);
    for (name, path, more) in [
        ("plain", "plain", json!({})),
        ("left", "left", json!({ "sync": { "selfHeal": false } })),
        (
            "sealed",
            "sealed",
            json!({ "decrypt": { "sops": { "secretRef": { "name": "keys" } } } }),
        ),
        (
            "chart",
            "chart",
            json!({ "helm": { "valuesFrom": from }, "sync": { "onFailure": "Hold" } }),
        ),
        (
            "refused",
            "refused",
            json!({ "substitute": { "from": [{ "kind": "Secret", "name": "labels" }] } }),
        ),
    ] {
        world.application(name, path, more).await?;
    }
    for name in ["plain", "left", "sealed", "chart"] {
        world.wait_until_synced(name, &commit).await?;
    }
    // The API server repeats the value that it refuses.
    let live = world
        .wait_for_reason("Application", "refused", "InvalidObject")
        .await?;
    ensure_says(&message(&live), &["***"])?;
    arrived(&world, &in_cluster(&TURNS[0])).await?;

    let registry = Registry::start(Registry::with_password()).await?;
    registry.push_image("web", "1.0.0").await?;
    let login = |password| [("username", REGISTRY_USER), ("password", password)];
    world
        .secret("registry", &login(WRONG_REGISTRY_PASSWORD))
        .await?;
    let named = json!({ "serviceAccount": READER, "secretRef": { "name": "registry" } });
    let image = registry.image("web");
    world.image_policy("web", &image, named).await?;
    world
        .wait_for_reason("ImagePolicy", "web", "RegistryAuthFailed")
        .await?;
    world.secret("registry", &login(REGISTRY_PASSWORD)).await?;
    world.request("ImagePolicy", "web").await?;
    world
        .wait_for_ours("ImagePolicy", "web", "read", |live| {
            objects::find_condition(live, "Ready").is_some()
                && !live.to_string().contains("RegistryAuthFailed")
        })
        .await?;

    // Every secret changes, and a hook fails that says some.
    let values = [("password", TURNS[1].values_from)];
    world.secret("values", &values).await?;
    let second = files(&TURNS[1], &SEALED[1]);
    let commit = push(&world, &listed(&second), "Change every secret").await?;
    for secret in [WRONG_WEBHOOK_SECRET, WEBHOOK_SECRET] {
        world.deliver(secret).await?;
    }
    let body = json!({ "repository": world.repo.url(), "branch": "main" }).to_string();
    reqwest::Client::new()
        .post(world.agent().webhook_url("/webhook/generic"))
        .header("x-signature", signature(WRONG_WEBHOOK_SECRET, &body)?)
        .body(body)
        .send()
        .await?;
    for name in ["plain", "left", "sealed"] {
        world.wait_until_synced(name, &commit).await?;
    }
    world
        .wait_for_reason("Application", "chart", "HookFailed")
        .await?;
    let hook = ["chart/templates/hook.yaml"];
    let readme = [("chart/README.md", "No hook\n")];
    let commit = world.repo.replace(&hook, &readme, "Without the hook")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("chart", &commit).await?;
    arrived(&world, &in_cluster(&TURNS[1])).await?;

    // Somebody changes by hand what holds a secret; once it is put back, once it stays.
    let by_hand = |name: &str| {
        json!({ "spec": { "template": { "spec": { "containers": [{
            "name": "main",
            "image": format!("registry.example/{name}:1"),
            "env": [{ "name": "DB_PASSWORD", "value": BY_HAND }],
        }] } } } })
    };
    for name in ["web", "left"] {
        world
            .edit("apps/v1", "Deployment", name, &by_hand(name))
            .await?;
    }
    arrived(&world, &in_cluster(&TURNS[1])).await?;
    let namespace = world.namespace.clone();
    let diff = format!("/api/v1/applications/{namespace}/left/diff");
    wait_for("the difference in the API", DEADLINE, async || {
        let answer = session.get(&diff).await?;
        let object = &answer["objects"][0];
        ensure!(
            object["before"] != object["after"] && object["before"].is_string(),
            "{answer:#}"
        );
        ensure_says(&answer.to_string(), &["(hidden, ", "kubectl-edit"])
    })
    .await?;
    for (name, word) in [("plain", TURNS[1].open), ("chart", "open-word-of-the-log")] {
        wait_for("the syncs in the history", DEADLINE, async || {
            for sync in session.syncs(&namespace, name).await? {
                let id = sync["id"].as_str().context("no id")?;
                let sync = session.get(&format!("/api/v1/syncs/{id}")).await?;
                if sync.to_string().contains(word) {
                    return Ok(());
                }
            }
            anyhow::bail!("no sync of {name} tells of {word}")
        })
        .await?;
    }

    let heard = {
        let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.clone()
    };
    let channels = channels(&session, &world, heard).await?;
    for canary in canaries() {
        if let Some(place) = find(&channels, canary) {
            anyhow::bail!("{canary} is in {place}");
        }
    }

    // The search finds what is there, in every kind of output.
    for (channel, word) in [
        ("/syncs/", TURNS[1].open),
        ("/diff", "(hidden, "),
        ("/objects/-/Secret/", "(hidden, "),
        ("/objects/-/ConfigMap/", "(hidden, "),
        ("history.db", TURNS[1].open),
        ("the stream", namespace.as_str()),
        ("the log", namespace.as_str()),
        ("the metrics", "syncline_"),
        ("the events", namespace.as_str()),
        ("the Application chart", namespace.as_str()),
    ] {
        let of_kind = channels.iter();
        let of_kind = of_kind.filter(|(name, _)| name.contains(channel)).cloned();
        let of_kind: Channels = of_kind.collect();
        let found = find(&of_kind, word);
        ensure!(found.is_some(), "`{word}` is nowhere in {channel}");
    }
    Ok(())
}
