//! Facts of images: what is read, what it costs, and what is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use syncline_core::image::reference::{ImageName, Tag};
use syncline_core::reason::Reason;
use syncline_registry::{Age, Auth, Client, Settings};
use syncline_tests::played_registry::Part;
use syncline_tests::{Access, PlayedImage, Plays, Registry};

use super::{ALL, Asked, count, usual, versions};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn tag(text: &str) -> Result<Tag> {
    Ok(Tag::parse(text)?)
}

fn tags(texts: &[String]) -> Result<Vec<Tag>> {
    texts.iter().map(|text| tag(text)).collect()
}

#[tokio::test]
async fn an_image_says_when_it_was_built_for_what_and_from_which_commit() -> Result<()> {
    for plays in ALL {
        let asked = Asked::new(plays).await?;
        let mut pushed = PlayedImage::built("2026-05-06T07:08:09Z");
        let revision = "org.opencontainers.image.revision".to_owned();
        pushed.labels.insert(revision.clone(), "abc".into());
        let digest = asked.registry.push("team/app", "1.0.0", &pushed);
        let image = asked.registry.image("team/app")?;
        let auth = usual(plays);
        let facts = asked
            .client
            .facts(&image, &tag("1.0.0")?, &auth, Age::Now)
            .await?;
        ensure!(facts.digest.as_str() == digest, "{plays:?}: {facts:?}");
        let created = facts.created.map(|created| created.to_string());
        ensure!(
            created.as_deref() == Some("2026-05-06T07:08:09Z"),
            "{plays:?}: {facts:?}"
        );
        let platforms: Vec<String> = facts.platforms.iter().map(ToString::to_string).collect();
        ensure!(platforms == ["linux/amd64"], "{plays:?}: {facts:?}");
        ensure!(facts.labels.get(&revision).map(String::as_str) == Some("abc"));
        // Where blobs lie elsewhere, nobody there hears who asks: it answers 400 to who says so.
        let requests = asked.registry.take_requests();
        let elsewhere = usize::from(plays != Plays::Harbor);
        ensure!(
            count(&requests, Part::Storage) == elsewhere,
            "{plays:?}: {requests:#?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_index_is_as_new_as_its_newest_image_and_has_the_platforms_of_all() -> Result<()> {
    let asked = Asked::new(Plays::Ghcr).await?;
    let platforms = [
        ("linux/amd64", "2026-01-01T00:00:00Z"),
        ("linux/arm64/v8", "2026-01-01T00:05:00Z"),
    ];
    let mut pushed = PlayedImage {
        platforms: platforms
            .map(|(platform, created)| (platform.to_owned(), Some(created.to_owned())))
            .to_vec(),
        ..PlayedImage::default()
    };
    asked.registry.push("team/app", "1.0.0", &pushed);
    let image = asked.registry.image("team/app")?;
    let facts = |name: &'static str| {
        let (client, image) = (asked.client.clone(), image.clone());
        async move {
            client
                .facts(&image, &tag(name)?, &Auth::Anonymous, Age::Now)
                .await
                .context(name)
        }
    };
    let found = facts("1.0.0").await?;
    let created = found.created.map(|created| created.to_string());
    ensure!(
        created.as_deref() == Some("2026-01-01T00:05:00Z"),
        "{found:?}"
    );
    let names: Vec<String> = found.platforms.iter().map(ToString::to_string).collect();
    ensure!(names == ["linux/amd64", "linux/arm64/v8"], "{found:?}");

    // What the index says of itself counts more, and then one image is read for its labels only.
    let at = "org.opencontainers.image.created".to_owned();
    pushed.annotations = BTreeMap::from([(at, "2026-02-02T00:00:00Z".to_owned())]);
    pushed.platforms[0].1 = Some("2026-01-03T00:00:00Z".to_owned());
    pushed.platforms[1].1 = Some("2026-01-04T00:00:00Z".to_owned());
    asked.registry.push("team/app", "1.1.0", &pushed);
    asked.registry.take_requests();
    let found = facts("1.1.0").await?;
    let created = found.created.map(|created| created.to_string());
    ensure!(
        created.as_deref() == Some("2026-02-02T00:00:00Z"),
        "{found:?}"
    );
    ensure!(found.platforms.len() == 2, "{found:?}");
    let requests = asked.registry.take_requests();
    let manifests = requests
        .iter()
        .filter(|request| request.method == "GET" && request.target.contains("/manifests/"));
    ensure!(manifests.count() == 2, "{requests:#?}");
    Ok(())
}

#[tokio::test]
async fn fault_f15_a_moved_tag_is_noticed_by_who_asks_now_and_later_by_who_does_not() -> Result<()>
{
    let asked = Asked::new(Plays::Harbor).await?;
    let image = asked.registry.image("team/app")?;
    let name = tag("1.0.0")?;
    let facts = async |age| {
        asked
            .client
            .facts(&image, &name, &Auth::Anonymous, age)
            .await
    };
    let first = PlayedImage::built("2026-01-01T00:00:00Z");
    let first = asked.registry.push("team/app", "1.0.0", &first);
    ensure!(facts(Age::Now).await?.digest.as_str() == first);
    let second = PlayedImage::built("2026-01-02T00:00:00Z");
    let second = asked.registry.push("team/app", "1.0.0", &second);
    let hour = Age::AtMost(Duration::from_hours(1));
    ensure!(facts(hour).await?.digest.as_str() == first);
    ensure!(facts(Age::Now).await?.digest.as_str() == second);
    ensure!(facts(hour).await?.digest.as_str() == second);
    Ok(())
}

#[tokio::test]
async fn the_facts_of_an_image_of_a_real_registry_are_read() -> Result<()> {
    let registry = Registry::start(Access::Open).await?;
    let pushed = registry.push_image("team/app", "1.0.0").await?;
    let client = Client::new(Settings::default())?;
    let image = ImageName::parse(&registry.image("team/app"))?;
    let facts = client
        .facts(&image, &tag("1.0.0")?, &Auth::Anonymous, Age::Now)
        .await?;
    ensure!(
        facts.digest.as_str() == pushed && facts.created.is_none(),
        "{facts:?}"
    );
    let platforms: Vec<String> = facts.platforms.iter().map(ToString::to_string).collect();
    ensure!(platforms == ["linux/amd64"], "{facts:?}");
    let version = facts.labels.get("org.opencontainers.image.version");
    ensure!(version.map(String::as_str) == Some("1.0.0"), "{facts:?}");
    Ok(())
}

#[tokio::test]
async fn at_rest_the_facts_of_a_thousand_tags_cost_nothing_and_a_new_tag_is_all_that_is_read()
-> Result<()> {
    let settings = Settings {
        requests_per_second: 10_000,
        burst: 10_000,
        ..Settings::default()
    };
    let asked = Asked::with(Plays::Harbor, settings).await?;
    let names = versions(1000);
    asked.registry.push_tags("team/app", &names);
    let image = asked.registry.image("team/app")?;
    let age = Age::AtMost(Duration::from_hours(1));
    let read = async |names: &[String]| -> Result<usize> {
        let read = asked
            .client
            .facts_of(&image, &tags(names)?, &Auth::Anonymous, age)
            .await;
        ensure!(
            read.stopped.is_none() && read.refused.is_empty(),
            "{:?}",
            read.stopped
        );
        ensure!(read.known.len() == names.len());
        Ok(asked.registry.take_requests().len())
    };
    let cold = read(&names).await?;
    // A look at each tag, one manifest, one configuration, a challenge and a token.
    ensure!((1002..1020).contains(&cold), "{cold} requests");
    ensure!(read(&names).await? == 0);
    let newer = PlayedImage::built("2026-09-09T09:09:09Z");
    asked.registry.push("team/app", "2.0.0", &newer);
    let names: Vec<String> = names.into_iter().chain(["2.0.0".to_owned()]).collect();
    ensure!(read(&names).await? == 3);
    Ok(())
}

#[tokio::test]
async fn half_of_docker_hubs_pulls_are_left_and_the_rest_is_read_when_there_are_more() -> Result<()>
{
    let asked = Asked::new(Plays::DockerHub).await?;
    let names = versions(8);
    for (position, name) in names.iter().enumerate() {
        let built = PlayedImage::built(&format!("2026-01-0{}T00:00:00Z", position + 1));
        asked.registry.push("team/app", name, &built);
    }
    asked.registry.leave_pulls(54);
    let image = asked.registry.image("team/app")?;
    let settings = Settings {
        facts_concurrency: 1,
        ..Settings::default()
    };
    let client = Client::new(settings)?;
    let tags = tags(&names)?;
    let read = client
        .facts_of(&image, &tags, &Auth::Anonymous, Age::Now)
        .await;
    let stopped = read.stopped.context("nothing stopped it")?;
    ensure!(stopped.reason() == Reason::RegistryThrottled, "{stopped}");
    ensure!(
        stopped.to_string().contains("kept for the nodes"),
        "{stopped}"
    );
    // The one that shows how few are left is the last.
    ensure!(read.known.len() == 4, "{} are known", read.known.len());
    // Lists are no pulls.
    ensure!(
        client
            .tags(&image, &Auth::Anonymous, Age::Now)
            .await?
            .tags
            .len()
            == 8
    );

    asked.registry.leave_pulls(100);
    let read = client
        .facts_of(&image, &tags, &Auth::Anonymous, Age::Now)
        .await;
    ensure!(
        read.stopped.is_none() && read.known.len() == 8,
        "{:?}",
        read.stopped
    );
    Ok(())
}

#[tokio::test]
async fn bad_b58_a_manifest_that_cannot_be_used_is_refused_and_the_others_are_read() -> Result<()> {
    let asked = Asked::new(Plays::Quay).await?;
    let huge = format!(r#"{{"schemaVersion":2,"pad":"{}"}}"#, "x".repeat(20 << 20));
    let html = "text/html";
    let other = "application/vnd.example.thing.v1+json";
    let broken: [(&str, &str, Vec<u8>); 3] = [
        ("1.0.1", MANIFEST, huge.into_bytes()),
        ("1.0.2", html, b"<html>maintenance</html>".to_vec()),
        ("1.0.3", other, br#"{"schemaVersion":2}"#.to_vec()),
    ];
    for (position, name) in ["1.0.0", "1.0.1", "1.0.2", "1.0.3"].iter().enumerate() {
        let built = PlayedImage::built(&format!("2026-01-0{}T00:00:00Z", position + 1));
        asked.registry.push("team/app", name, &built);
    }
    for (name, kind, bytes) in &broken {
        asked
            .registry
            .falsify("team/app", name, kind, bytes.clone());
    }
    let image = asked.registry.image("team/app")?;
    let names = ["1.0.0", "1.0.1", "1.0.2", "1.0.3", "9.9.9"].map(str::to_owned);
    let auth = Auth::Anonymous;
    let read = asked
        .client
        .facts_of(&image, &tags(&names)?, &auth, Age::Now)
        .await;
    ensure!(read.stopped.is_none(), "{:?}", read.stopped);
    ensure!(read.known.len() == 1, "{read:?}");
    for (name, error) in &read.refused {
        let expected = match name.as_str() {
            "9.9.9" => "registry.not_found",
            _ => "registry.manifest",
        };
        ensure!(error.reason().row().code == expected, "{name}: {error}");
        ensure!(error.to_string().len() < 400, "{name}: {error}");
    }
    ensure!(read.refused.len() == 4, "{:?}", read.refused);
    Ok(())
}
