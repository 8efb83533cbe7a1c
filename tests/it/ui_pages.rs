//! Every page of the web UI in a real browser, against the real agent and the real cluster.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{Options, World, browser, wait_for};

use crate::deploy::{config_map, deploy, push};
use crate::ui_session::current_link;

/// Lets a browser walk all pages, in light and dark and on a narrow screen: no complaint of the
/// browser, no report of the content policy, no serious finding of axe, nothing wider than the screen.
/// The link that signs the browser in is taken, and answered with, so that the next one is another.
async fn walk(world: &World, used: Option<String>, expected: &Value) -> Result<String> {
    let link = wait_for("a link that was not used", DEADLINE, async || {
        let link = current_link(world.agent())?;
        ensure!(used.as_ref() != Some(&link), "it was used");
        Ok(link)
    })
    .await?;
    let mut pages = browser::script("run", &link);
    pages.env("SYNCLINE_EXPECT", expected.to_string());
    browser::run(pages).await?;
    Ok(link)
}

#[tokio::test]
async fn every_page_is_drawn_without_a_complaint_before_the_first_application_and_after()
-> Result<()> {
    let world = World::alone("ui-pages", Options::default(), |settings| settings).await?;
    let used = walk(&world, None, &json!({})).await?;

    let (web, broken) = ("apps/web/web.yaml", "apps/broken/broken.yaml");
    let maps = [("web", "1"), ("web", "2"), ("broken", "1")];
    let [one, two, good] = maps.map(|(name, value)| config_map(name, value));
    let first = [(web, &*one), (broken, &*good)];
    let applications = [
        ("web", "apps/web", json!({})),
        ("broken", "apps/broken", json!({})),
    ];
    deploy(&world, &first, &applications).await?;
    let files = [(web, &*two), (broken, "]")];
    let commit = push(&world, &files, "Two is better").await?;
    world.wait_until_synced("web", &commit).await?;
    world
        .wait_for_reason("Application", "broken", "YamlSyntax")
        .await?;
    let name = |application: &str| format!("{}/{application}", world.namespace);
    let expected = json!({
        "applications": [name("web"), name("broken")],
        "failing": [name("broken")],
        "application": name("web"),
        "objects": ["ConfigMap web"],
        "syncNow": true,
        "change": "data.key",
    });
    walk(&world, Some(used), &expected).await?;
    Ok(())
}
