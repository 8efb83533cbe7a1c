//! What a person does from the command line, against a real API server and a real agent.

use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::world::{DEADLINE, DEPLOYER};
use syncline_tests::{World, wait_for};

use crate::deploy::{config_map, deploy, ensure_says, push, value_of, wait_for_value};
use crate::lifecycle_setup::turn;
use crate::render_cli::syncline;

const FILE: &str = "apps/web/web.yaml";

/// A person with a kubeconfig.
struct Person {
    kubeconfig: String,
}

impl Person {
    fn administrator(world: &World) -> Self {
        let file = world.control_plane().admin_kubeconfig();
        Self {
            kubeconfig: file.display().to_string(),
        }
    }

    async fn run(&self, arguments: &[&str]) -> Result<Output> {
        let with = ["--kubeconfig", &self.kubeconfig];
        let arguments = [arguments, &with].concat();
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        // The parts of the harness that live in this process go on meanwhile.
        let run = move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            syncline(Path::new("/"), &arguments)
        };
        tokio::task::spawn_blocking(run).await?
    }

    /// What it prints where it ends with a code, and what it says beside that.
    async fn ends(&self, code: i32, arguments: &[&str]) -> Result<(String, String)> {
        let out = self.run(arguments).await?;
        let printed = String::from_utf8(out.stdout)?;
        let said = String::from_utf8(out.stderr)?;
        ensure!(
            out.status.code() == Some(code),
            "{arguments:?}: {}: {printed}{said}",
            out.status
        );
        Ok((printed, said))
    }

    async fn prints(&self, arguments: &[&str]) -> Result<String> {
        Ok(self.ends(0, arguments).await?.0)
    }

    /// The one line with which it refuses.
    async fn refuses(&self, arguments: &[&str]) -> Result<String> {
        let (printed, said) = self.ends(2, arguments).await?;
        ensure!(printed.is_empty(), "{arguments:?} printed {printed}");
        ensure!(
            said.starts_with("error: ") && said.lines().count() == 1,
            "{arguments:?} said {said:?}"
        );
        Ok(said)
    }
}

/// A world in which the ConfigMap `web` has the value `1`, the name of its Application, its commit.
async fn deployed(name: &str) -> Result<(World, String, String)> {
    let world = World::new(name).await?;
    let file = config_map("web", "1");
    let commit = deploy(&world, &[(FILE, &file)], &[("web", "apps/web", json!({}))]).await?;
    let application = format!("{}/web", world.namespace);
    Ok((world, application, commit))
}

async fn reason(world: &World, reason: &str) -> Result<Value> {
    world
        .wait_for_ours("Application", "web", reason, |live| {
            live["status"]["sync"] == reason
        })
        .await
}

#[tokio::test]
async fn a_person_suspends_an_application_for_a_time_reads_why_and_lets_it_go_on() -> Result<()> {
    let (world, web, first) = deployed("cli-suspend").await?;
    let person = Person::administrator(&world);
    let table = person.prints(&["get", "-n", &world.namespace]).await?;
    let revision = format!("main@{}", &first[..7]);
    ensure_says(&table, &["NAME", &web, "Synced", "Healthy", &revision])?;
    let list = person.prints(&["get", &web, "-o", "json"]).await?;
    let list: Value = serde_json::from_str(&list)?;
    ensure!(list["items"][0]["metadata"]["name"] == "web", "{list:#}");

    let line = ["suspend", &web, "--reason", "the move", "--for", "1h"];
    let printed = person.prints(&line).await?;
    ensure_says(&printed, &[&format!("{web} is suspended until 2")])?;
    let live = reason(&world, "Suspended").await?;
    let until = &live["spec"]["suspend"]["until"];
    ensure!(until.is_string(), "{live:#}");
    let why = person.prints(&["why", &web]).await?;
    ensure_says(&why, &[&format!("{web}: Suspended"), "the move (until 2"])?;
    let refused = person.refuses(&["sync", &web]).await?;
    ensure_says(
        &refused,
        &["is suspended (the move)", &format!("syncline resume {web}")],
    )?;

    push(&world, &[(FILE, &config_map("web", "2"))], "Two").await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    ensure!(person.prints(&["resume", &web]).await? == format!("{web} goes on\n"));
    wait_for_value(&world, "web", Some("2")).await?;
    let again = person.prints(&["resume", &web]).await?;
    ensure!(again == format!("{web} was not suspended\n"), "{again}");
    Ok(())
}

#[tokio::test]
async fn a_person_pins_an_application_to_a_commit_and_lets_it_follow_its_branch_again() -> Result<()>
{
    let (world, web, first) = deployed("cli-pin").await?;
    let person = Person::administrator(&world);
    push(&world, &[(FILE, &config_map("web", "2"))], "Two").await?;
    wait_for_value(&world, "web", Some("2")).await?;
    let short = &first[..7];
    let printed = person
        .prints(&["pin", &web, short, "--reason", "two leaks"])
        .await?;
    ensure!(
        printed == format!("{web} is pinned to {short}\n"),
        "{printed}"
    );
    wait_for_value(&world, "web", Some("1")).await?;
    reason(&world, "Pinned").await?;
    let why = person.prints(&["why", &web]).await?;
    ensure_says(
        &why,
        &[
            &format!("{web}: Pinned"),
            &format!("to {short}"),
            "two leaks",
        ],
    )?;
    let printed = person.prints(&["unpin", &web]).await?;
    ensure!(
        printed == format!("{web} follows its branch\n"),
        "{printed}"
    );
    wait_for_value(&world, "web", Some("2")).await?;
    let again = person.prints(&["unpin", &web]).await?;
    ensure!(again == format!("{web} was not pinned\n"), "{again}");
    Ok(())
}

#[tokio::test]
async fn a_person_approves_the_plan_that_waits_and_no_other() -> Result<()> {
    let world = World::new("cli-approve").await?;
    let person = Person::administrator(&world);
    let web = format!("{}/web", world.namespace);
    world
        .repo
        .commit(&[(FILE, &config_map("web", "1"))], "Start")?;
    world.repository(json!({})).await?;
    let manual = json!({ "sync": { "automatic": false } });
    world.application("web", "apps/web", manual).await?;
    let live = world
        .wait_for_ours("Application", "web", "a plan that waits", |live| {
            live["status"]["planHash"].is_string()
        })
        .await?;
    let hash = live["status"]["planHash"].as_str().context("no plan")?;
    let why = person.prints(&["why", &web]).await?;
    ensure_says(&why, &[&format!("syncline approve {web} {hash}")])?;
    let unnamed = person.refuses(&["approve", &web]).await?;
    ensure_says(&unnamed, &[&format!("syncline approve {web} {hash}")])?;
    let other = person
        .refuses(&["approve", &web, "1111111111111111"])
        .await?;
    ensure_says(&other, &["does not wait", &format!("`{hash}` does")])?;
    ensure!(value_of(&world, "web").await?.is_none());
    let printed = person.prints(&["approve", &web, hash]).await?;
    ensure!(
        printed == format!("plan {hash} of {web} is approved\n"),
        "{printed}"
    );
    wait_for_value(&world, "web", Some("1")).await
}

#[tokio::test]
async fn a_sync_that_is_asked_for_is_followed_to_its_end_good_or_bad() -> Result<()> {
    let (world, web, _) = deployed("cli-sync").await?;
    let person = Person::administrator(&world);
    let before = world.ours("Application", "web").await?;
    let line = ["sync", &web, "--wait", "--timeout", "60s"];
    let (printed, _) = person.ends(0, &line).await?;
    ensure!(printed == format!("{web} is synced\n"), "{printed}");
    let after = world.ours("Application", "web").await?;
    ensure!(
        after["status"]["lastSyncId"] != before["status"]["lastSyncId"],
        "{after:#}"
    );
    let printed = person.prints(&["sync", &web]).await?;
    ensure!(
        printed == format!("a sync of {web} was asked for\n"),
        "{printed}"
    );
    push(&world, &[(FILE, "kind: [\n")], "Break it").await?;
    reason(&world, "YamlSyntax").await?;
    let (printed, said) = person.ends(1, &line).await?;
    ensure!(printed.is_empty(), "{printed}");
    ensure_says(&said, &[&format!("{web} is not synced: "), "web.yaml"])
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_in_one_line_and_nothing_is_changed() -> Result<()> {
    let (world, web, _) = deployed("cli-bad").await?;
    let person = Person::administrator(&world);
    let none = format!("{}/none", world.namespace);
    let before = world.ours("Application", "web").await?["spec"].clone();
    let long = "x".repeat(513);
    let past = "2020-01-01T00:00:00Z";
    let cases: [(&[&str], &str); 11] = [
        (&["get", &none], "there is no Application"),
        (&["why", &none], "there is no Application"),
        (&["sync", &none], "there is no Application"),
        (&["resume", &none], "there is no Application"),
        (&["approve", &web], "no plan of"),
        (&["suspend", &web, "--reason", " "], "the reason is empty"),
        (&["suspend", &web, "--reason", &long], "513 characters"),
        (
            &["suspend", &web, "--reason", "x", "--until", past],
            "in the past",
        ),
        (
            &["pin", &web, "main", "--reason", "x"],
            "`main` is no commit",
        ),
        (&["freeze", "--reason", " "], "the reason is empty"),
        (&["freeze", "--reason", "x", "--until", past], "in the past"),
    ];
    for (arguments, words) in cases {
        ensure_says(&person.refuses(arguments).await?, &[words])?;
    }
    // What the command line itself does not take is explained by its parser.
    for (arguments, words) in [
        (&["suspend", &web][..], "--reason"),
        (&["suspend", &web, "--reason", "x", "--for", "soon"], "soon"),
        (&["pin", &web, "--reason", "x"], "COMMIT"),
        (&["get", &web, "-A"], "--all-namespaces"),
    ] {
        let (printed, said) = person.ends(2, arguments).await?;
        ensure!(printed.is_empty(), "{printed}");
        ensure_says(&said, &[words])?;
    }
    let file = world.control_plane().kubeconfig("nobody")?;
    let nobody = Person {
        kubeconfig: file.display().to_string(),
    };
    let said = nobody.refuses(&["get", &web]).await?;
    ensure_says(&said, &["read the Application", &web])?;
    let line = ["suspend", &web, "--reason", "x"];
    ensure_says(&nobody.refuses(&line).await?, &[&web])?;
    let away = Person {
        kubeconfig: "/nowhere/kubeconfig".to_owned(),
    };
    ensure_says(&away.refuses(&["get"]).await?, &["/nowhere/kubeconfig"])?;
    ensure!(world.ours("Application", "web").await?["spec"] == before);
    Ok(())
}

#[tokio::test]
async fn what_git_has_is_changed_by_a_person_only_by_force() -> Result<()> {
    let world = World::new("cli-git").await?;
    let person = Person::administrator(&world);
    let namespace = &world.namespace;
    // An Application whose files hold another Application.
    world
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": { "name": "applications" },
            "rules": [{
                "apiGroups": ["syncline.dev"],
                "resources": ["applications"],
                "verbs": ["get", "list", "watch", "create", "patch", "update", "delete"],
            }],
        }))
        .await?;
    world
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": { "name": "applications" },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": "applications",
            },
            "subjects": [{
                "kind": "ServiceAccount",
                "name": DEPLOYER,
                "namespace": namespace,
            }],
        }))
        .await?;
    let web = format!(
        "apiVersion: syncline.dev/v1alpha1\nkind: Application\nmetadata:\n  name: web\nspec:\n  \
         repository: config\n  path: apps/web\n  serviceAccount: {DEPLOYER}\n"
    );
    let map = config_map("web", "1");
    let files = [("all/web.yaml", web.as_str()), (FILE, &map)];
    let commit = deploy(&world, &files, &[("all", "all", json!({}))]).await?;
    world.wait_until_synced("web", &commit).await?;

    let web = format!("{namespace}/web");
    let line = ["suspend", &web, "--reason", "the move"];
    let said = person.refuses(&line).await?;
    let owner = format!("Application `{namespace}/all` applies it");
    ensure_says(
        &said,
        &[
            "Git has `",
            &owner,
            "below `all` of Repository `config`",
            "--force",
        ],
    )?;
    let live = world.ours("Application", "web").await?;
    ensure!(
        live["spec"]["suspend"].is_null(),
        "it was changed: {live:#}"
    );
    let forced = [&line[..], &["--force"]].concat();
    let (printed, said) = person.ends(0, &forced).await?;
    ensure!(printed == format!("{web} is suspended\n"), "{printed}");
    ensure_says(&said, &["warning: Git has `", "may put it back"])
}

#[tokio::test]
async fn a_freeze_with_an_end_is_told_by_the_table_and_ended_by_a_person() -> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent("cli-freeze", turn.control_plane, |settings| settings).await?;
    let file = config_map("web", "1");
    deploy(&world, &[(FILE, &file)], &[("web", "apps/web", json!({}))]).await?;
    let person = Person::administrator(&world);
    let line = ["freeze", "--reason", "the database moves", "--for", "2h"];
    let frozen = person.prints(&line).await?;
    ensure_says(&frozen, &["frozen: the database moves", "until 2"])?;
    let ended = async {
        reason(&world, "Frozen").await?;
        let table = person.prints(&["get", "-A"]).await?;
        ensure_says(&table, &[&world.namespace, "Frozen"])?;
        let web = format!("{}/web", world.namespace);
        let why = person.prints(&["why", &web]).await?;
        ensure_says(&why, &["the database moves"])
    }
    .await;
    // Another test takes its turn in this control plane.
    let printed = person.prints(&["unfreeze"]).await?;
    ended?;
    ensure!(printed == "not frozen any more\n", "{printed}");
    ensure!(person.prints(&["unfreeze"]).await? == "it was not frozen\n");
    wait_for("the end of the freeze", DEADLINE, async || {
        let live = world.ours("Application", "web").await?;
        ensure!(live["status"]["sync"] == "Synced", "{}", live["status"]);
        Ok(())
    })
    .await
}
