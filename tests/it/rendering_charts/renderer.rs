//! The renderer process dies in the middle of a render.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{AgentProcess, wait_for};

use super::{CHART, map, ready};
use crate::deploy::{Person, config_map, deploy, push, wait_for_value};

/// A template that takes the renderer a while, but ends.
const SLOW: &str = "{{- range until 400 }}{{- range until 1000 }}{{- $_ := sha256sum \"a\" }}{{- end }}\
                    {{- end }}\n";

/// How long a process has used a processor, in hundredths of a second.
fn busy(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let user: u64 = fields.nth(11)?.parse().ok()?;
    Some(user + fields.next()?.parse::<u64>().ok()?)
}

/// The renderers of an agent.
fn renderers(agent: &AgentProcess) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{}/task", agent.id()))? {
        let children: PathBuf = task?.path().join("children");
        // A thread may end meanwhile.
        let children = std::fs::read_to_string(children).unwrap_or_default();
        found.extend(
            children
                .split_whitespace()
                .filter_map(|id| id.parse::<u32>().ok()),
        );
    }
    Ok(found)
}

#[tokio::test]
async fn fault_f38_a_renderer_that_dies_fails_one_render_which_is_tried_again() -> Result<()> {
    let world = super::world("renderer").await?;
    let (quiet, fast) = (config_map("quiet", "1"), map("{{ .Values.word }}"));
    let files = [
        ("app/Chart.yaml", CHART),
        ("app/templates/map.yaml", &*fast),
        ("app/values.yaml", "word: one\n"),
        ("quiet/map.yaml", &*quiet),
    ];
    let apps = [("app", "app", json!({})), ("quiet", "quiet", json!({}))];
    deploy(&world, &files, &apps).await?;

    let before: Vec<(u32, u64)> = renderers(world.agent())?
        .into_iter()
        .filter_map(|id| Some((id, busy(id)?)))
        .collect();
    let (slow, quiet) = (format!("{SLOW}{fast}"), config_map("quiet", "2"));
    let files = [
        ("app/templates/map.yaml", &*slow),
        ("app/values.yaml", "word: two\n"),
        ("quiet/map.yaml", &*quiet),
    ];
    push(&world, &files, "Slow").await?;
    let victim = wait_for("a renderer that works", DEADLINE, async || {
        let mut all = renderers(world.agent())?.into_iter();
        let worked = |id: u32| {
            let known = before.iter().find(|(known, _)| *known == id);
            Some(busy(id)? - known.map_or(0, |(_, ticks)| *ticks))
        };
        all.find(|id| worked(*id).is_some_and(|ticks| ticks >= 30))
            .context("none has worked for a while")
    })
    .await?;
    let killed = std::process::Command::new("kill")
        .args(["-KILL", &victim.to_string()])
        .status()?;
    ensure!(killed.success());

    let person = Person::sign_in(world.agent()).await?;
    let failed = person
        .wait_for_sync(&world, "app", "that lost its renderer", |sync| {
            sync["summary"]["result"] == "failed"
        })
        .await?;
    ensure!(
        failed.to_string().contains("RendererUnavailable"),
        "{failed:#}"
    );
    wait_for_value(&world, "quiet", Some("2")).await?;
    wait_for_value(&world, "app", Some("two")).await?;
    ready(&world, "app").await?;
    let syncs = person.syncs(&world, "quiet").await?;
    ensure!(
        syncs
            .iter()
            .all(|sync| sync["summary"]["result"] == "succeeded"),
        "{syncs:#?}"
    );
    Ok(())
}
