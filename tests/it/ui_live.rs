//! The web UI while people look at it: live in every tab, and no load on the API server.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;
use syncline_tests::agent::{ACCOUNT, NAMESPACE};
use syncline_tests::control_plane::audit::Audit;
use syncline_tests::world::DEADLINE;
use syncline_tests::{Options, World, browser, wait_for};

use crate::deploy::{config_map, deploy};
use crate::ui_session::{Session, current_link};

/// How long it is counted what the agent asks for.
const A_WHILE: Duration = Duration::from_secs(5);
/// How many people look.
const VIEWERS: usize = 4;

/// A world of its own with three applications that are well.
async fn at_rest(name: &str) -> Result<World> {
    let world = World::alone(name, Options::default(), |settings| settings).await?;
    let maps = ["one", "two", "three"].map(|name| config_map(name, "1"));
    let [one, two, three] = &maps;
    let files = [
        ("apps/one/map.yaml", one.as_str()),
        ("apps/two/map.yaml", two),
        ("apps/three/map.yaml", three),
    ];
    let applications = [
        ("one", "apps/one", json!({})),
        ("two", "apps/two", json!({})),
        ("three", "apps/three", json!({})),
    ];
    deploy(&world, &files, &applications).await?;
    Ok(world)
}

/// What the agent asked the API server for since a mark, but for its Lease and for watches, which end
/// and begin anew by themselves.
fn asked(since: &Audit) -> Result<Vec<String>> {
    let agent = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    let events = since.events()?.into_iter();
    let asked = events.filter(|event| {
        event.user.username == agent && event.verb != "watch" && event.object().resource != "leases"
    });
    Ok(asked
        .map(|event| format!("{} {}", event.verb, event.uri))
        .collect())
}

#[tokio::test]
async fn who_looks_at_the_list_lets_the_agent_ask_the_api_server_for_nothing_more() -> Result<()> {
    let world = at_rest("ui-rest").await?;
    let mut viewers = Vec::new();
    for _ in 0..VIEWERS {
        viewers.push(Session::open(world.agent()).await?);
    }
    let mark = || world.control_plane().audit().from_now();
    let mut calm = mark()?;
    let mut since = Instant::now();
    wait_for("the agent to be at rest", DEADLINE, async || {
        let asked = asked(&calm)?;
        if !asked.is_empty() {
            (calm, since) = (mark()?, Instant::now());
        }
        ensure!(asked.is_empty() && since.elapsed() >= A_WHILE, "{asked:?}");
        Ok(())
    })
    .await?;

    let audit = mark()?;
    let mut streams = Vec::new();
    for viewer in &viewers {
        let stream = viewer.send(Method::GET, "/api/v1/stream").await?;
        ensure!(stream.status() == 200, "it answered {}", stream.status());
        streams.push(stream);
    }
    let begin = Instant::now();
    let mut looks = 0;
    // On a slow machine it takes longer until they have looked often.
    while begin.elapsed() < A_WHILE || looks <= 100 {
        for viewer in &viewers {
            for path in [
                "/api/v1/applications",
                "/api/v1/applications?q=state:failing&sort=age",
                "/api/v1/applications/names",
                "/api/v1/images",
                "/api/v1/repositories",
                "/api/v1/about",
            ] {
                viewer.get(path).await?;
                looks += 1;
            }
        }
    }
    let asked = asked(&audit)?;
    ensure!(asked.is_empty(), "{looks} looks led to {asked:#?}");
    Ok(())
}

#[tokio::test]
async fn nine_tabs_of_one_browser_are_live_by_one_stream() -> Result<()> {
    let world = at_rest("ui-tabs").await?;
    let application = format!("{}/one", world.namespace);
    let link = current_link(world.agent())?;
    let mut tabs = browser::script("tabs", &link);
    tabs.env("SYNCLINE_APPLICATION", application);
    browser::run(tabs).await?;
    Ok(())
}

#[tokio::test]
async fn the_list_finds_applications_by_what_the_agent_knows_of_them() -> Result<()> {
    let world = World::new("ui-filter").await?;
    let session = Session::open(world.agent()).await?;
    let (steady, loose) = (config_map("steady", "1"), config_map("loose", "1"));
    let files = [
        ("apps/steady/map.yaml", steady.as_str()),
        ("apps/loose/map.yaml", &loose),
    ];
    let sync = json!({ "sync": { "selfHeal": false } });
    let applications = [
        ("steady", "apps/steady", json!({})),
        ("loose", "apps/loose", sync),
    ];
    let commit = deploy(&world, &files, &applications).await?;
    let label = json!({ "metadata": { "labels": { "team": "blue" } } });
    let version = "syncline.dev/v1alpha1";
    world.edit(version, "Application", "steady", &label).await?;
    let other = json!({ "data": { "key": "2" } });
    world.edit("v1", "ConfigMap", "loose", &other).await?;
    world
        .wait_for_reason("Application", "loose", "DriftFound")
        .await?;

    for (filter, expected) in [
        ("label:team=blue", "steady"),
        ("-label:team", "loose"),
        ("drift:yes", "loose"),
        ("reason:driftfound", "loose"),
        ("drift:no", "steady"),
        ("path:*/steady", "steady"),
        (&format!("rev:{} name:st*", &commit[..8]), "steady"),
    ] {
        wait_for(filter, DEADLINE, async || {
            let text = format!("ns:{} {filter}", world.namespace);
            let query = text.replace(' ', "%20").replace('=', "%3D");
            let list = session
                .get(&format!("/api/v1/applications?q={query}"))
                .await?;
            let names = list["items"].as_array().into_iter().flatten();
            let names: Vec<_> = names.filter_map(|item| item["name"].as_str()).collect();
            ensure!(names == [expected], "{filter} finds {names:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
