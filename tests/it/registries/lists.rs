//! Lists of tags: to their last page, once however many ask, and what a poll costs.

use std::time::Duration;

use anyhow::{Result, ensure};
use syncline_core::image::reference::Tag;
use syncline_core::reason::Reason;
use syncline_registry::{Age, Auth, Client, Freshness, Hosts, Settings};
use syncline_tests::played_registry::Part;
use syncline_tests::{Access, Plays, Registry};

use super::{ALL, Asked, count, user, usual, versions};

#[tokio::test]
async fn every_registry_is_read_to_its_last_page() -> Result<()> {
    let tags = versions(2345);
    for plays in ALL {
        let asked = Asked::new(plays).await?;
        asked.registry.push_tags("team/app", &tags);
        let found = asked.tags("team/app", &usual(plays)).await?;
        ensure!(found == tags, "{plays:?} gave {} tags", found.len());
        let requests = asked.registry.take_requests();
        let expected = match plays {
            // 24 pages of 100, and the question that brings the challenge.
            Plays::Quay => 25,
            // Its link names no number, so that the pages after the first are of 100.
            Plays::Ecr => 16,
            _ => 4,
        };
        ensure!(
            count(&requests, Part::Api) == expected,
            "{plays:?} was asked {requests:#?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_number_that_is_refused_is_made_smaller_and_the_smaller_one_is_remembered() -> Result<()>
{
    for plays in [Plays::Ecr, Plays::GitLab] {
        let settings = Settings {
            page_size: 10_000,
            ..Settings::default()
        };
        let asked = Asked::with(plays, settings).await?;
        asked.registry.push_tags("team/app", versions(1200));
        asked.registry.push_tags("team/other", ["1.0.0"]);
        let auth = user(plays);
        ensure!(
            asked.tags("team/app", &auth).await?.len() == 1200,
            "{plays:?}"
        );
        asked.registry.take_requests();
        asked.tags("team/other", &auth).await?;
        let requests = asked.registry.take_requests();
        let refused: Vec<_> = requests
            .iter()
            .filter(|request| matches!(request.status, 400 | 405))
            .collect();
        ensure!(refused.is_empty(), "{plays:?}: {refused:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_poll_at_rest_costs_one_request() -> Result<()> {
    for plays in ALL {
        let asked = Asked::new(plays).await?;
        asked.registry.push_tags("team/app", ["1.0.0", "1.1.0"]);
        let auth = usual(plays);
        let image = asked.registry.image("team/app")?;
        let first = asked.client.tags(&image, &auth, Age::Now).await?;
        asked.registry.take_requests();
        let second = asked.client.tags(&image, &auth, Age::Now).await?;
        ensure!(asked.registry.take_requests().len() == 1, "{plays:?}");
        ensure!(second.freshness == Freshness::Unchanged);
        ensure!(second.fingerprint == first.fingerprint && second.tags == first.tags);

        asked.registry.push_tags("team/app", ["1.2.0"]);
        let third = asked.client.tags(&image, &auth, Age::Now).await?;
        ensure!(third.freshness == Freshness::Read && third.fingerprint != first.fingerprint);
    }
    Ok(())
}

#[tokio::test]
async fn a_token_that_ran_out_costs_one_request_more_and_not_two() -> Result<()> {
    let settings = Settings {
        // Every token is within its margin at once.
        token_margin: Duration::from_hours(1),
        ..Settings::default()
    };
    let asked = Asked::with(Plays::GitLab, settings).await?;
    asked.registry.push_tags("team/app", ["1.0.0"]);
    asked.tags("team/app", &Auth::Anonymous).await?;
    asked.registry.take_requests();
    asked.tags("team/app", &Auth::Anonymous).await?;
    let requests = asked.registry.take_requests();
    let parts: Vec<Part> = requests.iter().map(|request| request.part).collect();
    ensure!(parts == [Part::Token, Part::Api], "{requests:#?}");
    Ok(())
}

#[tokio::test]
async fn many_policies_of_one_image_ask_one_question() -> Result<()> {
    let registry = Registry::start(Access::Open).await?;
    registry.push_image("team/app", "1.0.0").await?;
    let client = Client::new(Settings::default())?;
    let image = syncline_core::image::reference::ImageName::parse(&registry.image("team/app"))?;
    let age = Age::AtMost(Duration::from_mins(2));
    let mut looks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (client, image) = (client.clone(), image.clone());
        looks.spawn(async move { client.tags(&image, &Auth::Anonymous, age).await });
    }
    let mut read = 0;
    while let Some(listing) = looks.join_next().await {
        let listing = listing??;
        ensure!(listing.tags.iter().map(Tag::as_str).eq(["1.0.0"]));
        read += usize::from(listing.freshness != Freshness::Remembered);
    }
    ensure!(read == 1, "{read} of 50 were read");

    // Who knows of a push sees it, whatever is remembered.
    registry.push_image("team/app", "1.1.0").await?;
    let listing = client.tags(&image, &Auth::Anonymous, age).await?;
    ensure!(listing.tags.len() == 1);
    let listing = client.tags(&image, &Auth::Anonymous, Age::Now).await?;
    ensure!(listing.tags.len() == 2);
    Ok(())
}

#[tokio::test]
async fn fault_f13_a_registry_that_asks_to_slow_down_is_left_alone_by_all_images_and_clients()
-> Result<()> {
    let settings = Settings::default();
    let hosts = Hosts::new(&settings);
    let asked = Asked::new(Plays::Quay).await?;
    let images = Client::sharing(settings.clone(), &hosts)?;
    let others = Client::sharing(settings, &hosts)?;
    asked.registry.push_tags("team/app", ["1.0.0"]);
    asked.registry.throttle(Some(300));
    let (app, web) = (
        asked.registry.image("team/app")?,
        asked.registry.image("team/web")?,
    );
    let Err(first) = images.tags(&app, &Auth::Anonymous, Age::Now).await else {
        anyhow::bail!("it was not throttled")
    };
    ensure!(
        first.retry_after() == Some(Duration::from_mins(5)),
        "{first}"
    );
    let Err(second) = others.tags(&web, &user(Plays::Quay), Age::Now).await else {
        anyhow::bail!("it was asked again")
    };
    ensure!(second.reason() == Reason::RegistryThrottled);
    ensure!(
        second.to_string() == first.to_string(),
        "{first} and then {second}"
    );
    ensure!(asked.registry.take_requests().len() == 1);
    let states = hosts.states();
    let state = states
        .iter()
        .find(|state| state.host == asked.registry.host());
    let left_alone = state
        .and_then(|state| state.left_alone)
        .map(|again| again.at);
    ensure!(
        left_alone.is_some_and(|at| first.to_string().contains(&at.to_string())),
        "{states:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn bad_b55_a_list_of_100_000_tags_is_refused_by_name_of_the_limit() -> Result<()> {
    let asked = Asked::new(Plays::DockerHub).await?;
    asked.registry.push_tags("team/app", versions(100_000));
    let image = asked.registry.image("team/app")?;
    let Err(error) = asked.client.tags(&image, &Auth::Anonymous, Age::Now).await else {
        anyhow::bail!("it was read")
    };
    ensure!(error.reason().row().code == "registry.limit", "{error}");
    ensure!(error.to_string().contains("50000 tags"), "{error}");
    Ok(())
}
