//! The published schemas, and whether what they find is what the API server itself refuses.

mod mutants;
mod objects;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_cluster::Error;
use syncline_core::reason::Reason;
use syncline_core::validate::Finding;
use syncline_tests::objects as plain;
use syncline_tests::wait_for;
use syncline_tests::world::{DEADLINE, suffix};

use super::Corner;

fn group_and_version(object: &Value) -> (String, String) {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    (group.to_owned(), version.to_owned())
}

impl Corner {
    /// What the published schema finds in an object.
    async fn findings(&self, object: &Value) -> Result<Vec<Finding>> {
        let (group, version) = group_and_version(object);
        let schema = self.cluster.schemas().schema(&group, &version).await?;
        let schema = schema.with_context(|| format!("no schema for {group}/{version}"))?;
        let kind = object["kind"].as_str().unwrap_or_default();
        ensure!(schema.knows(&group, &version, kind), "{kind} is not known");
        Ok(schema.check(&group, &version, kind, object))
    }

    /// What the API server says to a strict dry run; `None` where it takes the object.
    async fn refusal(&self, object: &Value) -> Result<Option<String>> {
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let kind = object["kind"].as_str().unwrap_or_default();
        let resource = self.kind(api_version, kind).await?;
        let mut url = if resource.group.is_empty() {
            format!("/api/{}", resource.version)
        } else {
            format!("/apis/{}/{}", resource.group, resource.version)
        };
        if resource.scope == syncline_cluster::Scope::Namespaced {
            url = format!("{url}/namespaces/{}", self.namespace);
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        url = format!(
            "{url}/{}/{name}?dryRun=All&force=true&fieldManager=strict&fieldValidation=Strict",
            resource.plural
        );
        let request = http::Request::patch(url)
            .header("content-type", "application/apply-patch+yaml")
            .body(serde_json::to_vec(object)?)?;
        match self.admin.request::<Value>(request).await {
            Ok(_) => Ok(None),
            Err(kube::Error::Api(status)) => Ok(Some(status.message)),
            Err(error) => Err(error.into()),
        }
    }
}

#[tokio::test]
async fn every_kind_that_can_be_applied_has_a_schema_that_is_read() -> Result<()> {
    let corner = Corner::new("schemas").await?;
    let discovery = corner.cluster.discovery();
    let mut kinds = 0;
    for name in discovery.api_versions().await? {
        let Some((api_version, kind)) = name.rsplit_once('/') else {
            continue;
        };
        // `apps/v1` is a group and a version, `apps/v1/Deployment` a kind.
        if !kind.starts_with(|first: char| first.is_ascii_uppercase()) {
            continue;
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        // Other tests come and go with their own definitions.
        let resource = discovery.resolve(group, version, kind).await?;
        if !resource.supports("patch") || group.contains("example.com") {
            continue;
        }
        let schema = corner.cluster.schemas().schema(group, version).await?;
        let schema = schema.with_context(|| format!("{api_version} has no schema"))?;
        ensure!(schema.knows(group, version, kind), "{name} is not known");
        kinds += 1;
    }
    ensure!(kinds > 40, "only {kinds} kinds were looked at");
    let (count, bytes) = corner.cluster.schemas().kept().await;
    ensure!(
        count > 15 && bytes < 2 * 1024 * 1024,
        "{count} schemas take {bytes} bytes"
    );
    let none = corner
        .cluster
        .schemas()
        .schema("nothing.example.com", "v1")
        .await?;
    ensure!(none.is_none());
    Ok(())
}

#[tokio::test]
async fn good_objects_pass_and_each_mistake_is_found_where_the_api_server_finds_it() -> Result<()> {
    let corner = Corner::new("mistakes").await?;
    for object in objects::good() {
        let findings = corner.findings(&object).await?;
        ensure!(findings.is_empty(), "{}: {findings:?}", object["kind"]);
        let refusal = corner.refusal(&object).await?;
        ensure!(refusal.is_none(), "{}: {refusal:?}", object["kind"]);
    }
    for (object, pointer, reason, words, servers_words) in objects::bad() {
        let findings = corner.findings(&object).await?;
        let [finding] = findings.as_slice() else {
            anyhow::bail!("{pointer}: {findings:?}")
        };
        ensure!(
            finding.pointer == pointer && finding.reason == reason,
            "{finding:?}"
        );
        ensure!(finding.what.contains(words), "{finding:?}");
        let refusal = corner.refusal(&object).await?;
        let refusal = refusal.with_context(|| format!("{pointer}: the server takes it"))?;
        ensure!(refusal.contains(servers_words), "{pointer}: {refusal}");
    }
    Ok(())
}

#[tokio::test]
async fn whatever_is_found_in_a_changed_object_is_refused_by_the_api_server_too() -> Result<()> {
    use futures::StreamExt as _;
    let corner = Corner::new("mutants").await?;
    let definition = objects::definition(&suffix());
    plain::apply(&corner.admin, &definition, None).await?;
    let thing = objects::thing(&definition);
    wait_until_known(&corner, &thing).await?;
    // As a new one, so that no rule about changes hides what is wrong with it.
    let definition = objects::definition(&suffix());
    let mut mutants = Vec::new();
    for object in objects::good().into_iter().chain([thing, definition]) {
        mutants.extend(mutants::of(&object));
    }
    ensure!(mutants.len() > 1000, "only {} changes", mutants.len());
    let corner = &corner;
    let looked = futures::stream::iter(mutants.into_iter().map(async |mutant| {
        let findings = corner.findings(&mutant.object).await?;
        let refusal = corner.refusal(&mutant.object).await?;
        anyhow::Ok((mutant, findings, refusal))
    }));
    let mut looked = looked.buffer_unordered(16);
    let (mut found, mut false_alarms, mut unseen) = (0, Vec::new(), Vec::new());
    while let Some(outcome) = looked.next().await {
        let (mutant, findings, refusal) = outcome?;
        let what = format!("{} {}", mutant.object["kind"], mutant.change);
        match (findings.is_empty(), refusal) {
            (false, Some(_)) => found += 1,
            (false, None) => false_alarms.push(format!("{what}: {findings:?}")),
            (true, Some(refusal)) if is_about_the_schema(&refusal) => {
                unseen.push(format!("{what}: {refusal}"));
            }
            (true, _) => {}
        }
    }
    ensure!(false_alarms.is_empty(), "{}", false_alarms.join("\n"));
    ensure!(unseen.is_empty(), "not found:\n{}", unseen.join("\n"));
    ensure!(found > 1500, "only {found} mistakes were found");
    Ok(())
}

/// Words of the API server for what a schema alone can tell.
fn is_about_the_schema(refusal: &str) -> bool {
    [
        "field not declared in schema",
        "unknown field \"",
        "expected string, got",
        "expected list, got",
        "expected map, got",
        "expected boolean, got",
        "expected numeric",
    ]
    .iter()
    .any(|words| refusal.contains(words))
}

async fn wait_until_known(corner: &Corner, object: &Value) -> Result<()> {
    let (group, version) = group_and_version(object);
    let kind = object["kind"].as_str().unwrap_or_default();
    let discovery = corner.cluster.discovery();
    discovery.wait_for(&group, &version, kind, DEADLINE).await?;
    wait_for("the schema of the kind", DEADLINE, async || {
        let schema = corner
            .cluster
            .schemas()
            .schema_now(&group, &version)
            .await?;
        let known = schema.is_some_and(|schema| schema.knows(&group, &version, kind));
        ensure!(known, "it is not published yet");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_changed_definition_is_seen_and_equals_the_one_of_the_same_commit() -> Result<()> {
    let corner = Corner::new("definition").await?;
    let mut definition = objects::definition(&suffix());
    plain::apply(&corner.admin, &definition, None).await?;
    let mut thing = objects::thing(&definition);
    wait_until_known(&corner, &thing).await?;
    ensure!(corner.findings(&thing).await?.is_empty());
    thing["spec"]["added"] = json!("text");
    let findings = corner.findings(&thing).await?;
    ensure!(findings.len() == 1 && findings[0].reason == Reason::UnknownField);

    let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"]["properties"]["added"] = json!({"type": "string"});
    let (group, version) = group_and_version(&thing);
    let same_commit = syncline_core::validate::Schema::from_definition(&definition, &version);
    let same_commit = same_commit.context("the definition has a schema")?;
    ensure!(
        same_commit
            .check(&group, &version, "Thing", &thing)
            .is_empty()
    );
    plain::apply(&corner.admin, &definition, None).await?;
    wait_for("the new schema", DEADLINE, async || {
        let schema = corner
            .cluster
            .schemas()
            .schema_now(&group, &version)
            .await?;
        let schema = schema.context("it is gone")?;
        let findings = schema.check(&group, &version, "Thing", &thing);
        ensure!(findings.is_empty(), "{findings:?}");
        Ok(())
    })
    .await?;
    for mutant in mutants::of(&thing) {
        let published = corner.findings(&mutant.object).await?;
        let own = same_commit.check(&group, &version, "Thing", &mutant.object);
        // The metadata of a definition says nothing of an object's metadata.
        let outside = |finding: &&Finding| !finding.pointer.contains("/metadata");
        let published: Vec<_> = published.iter().filter(outside).collect();
        let own: Vec<_> = own.iter().filter(outside).collect();
        ensure!(published == own, "{}: {published:?} {own:?}", mutant.change);
    }
    Ok(())
}

#[tokio::test]
async fn a_schema_over_the_limit_is_an_error_that_names_it() -> Result<()> {
    let corner = Corner::with("limit", |settings| syncline_cluster::connect::Settings {
        max_schema_bytes: 1000,
        request_timeout: Duration::from_secs(20),
        ..settings
    })
    .await?;
    let error = corner.cluster.schemas().schema("apps", "v1").await;
    let Err(error) = error else {
        anyhow::bail!("it was read")
    };
    ensure!(matches!(error, Error::Answer(_)), "{error:?}");
    ensure!(
        error.to_string().contains("more than 1000 bytes"),
        "{error}"
    );
    Ok(())
}
