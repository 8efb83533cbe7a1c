//! Tokens and credentials: each goes where it belongs and nowhere else.

use anyhow::{Result, ensure};
use syncline_core::reason::Reason;
use syncline_core::redacted::Redacted;
use syncline_registry::{Age, Auth};
use syncline_tests::Plays;
use syncline_tests::played_registry::{IDENTITY, Part};

use super::{ALL, Asked, count, user, user_name};

#[tokio::test]
async fn a_private_repository_is_read_with_the_right_credentials_only() -> Result<()> {
    for plays in ALL {
        let asked = Asked::new(plays).await?;
        asked.registry.push_tags("team/app", ["1.0.0"]);
        asked.registry.make_private("team/app");
        let image = asked.registry.image("team/app")?;
        let wrong = Auth::Basic {
            username: user_name(plays).to_owned(),
            password: Redacted::new("hunter2"),
        };
        for auth in [Auth::Anonymous, wrong] {
            let Err(error) = asked.client.tags(&image, &auth, Age::Now).await else {
                anyhow::bail!("{plays:?} was read with {auth:?}")
            };
            ensure!(
                error.reason() == Reason::RegistryAuthFailed,
                "{plays:?}: {error}"
            );
            ensure!(!format!("{error} {error:?}").contains("hunter2"));
        }
        ensure!(
            asked.tags("team/app", &user(plays)).await? == ["1.0.0"],
            "{plays:?}"
        );
        // What one may read is never shown to another.
        ensure!(
            asked.tags("team/app", &Auth::Anonymous).await.is_err(),
            "{plays:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_password_goes_to_the_token_service_and_a_token_to_its_own_repository() -> Result<()> {
    for plays in ALL.into_iter().filter(|plays| *plays != Plays::Ecr) {
        let asked = Asked::new(plays).await?;
        for repository in ["team/app", "team/web"] {
            asked.registry.push_tags(repository, ["1.0.0"]);
            asked.registry.make_private(repository);
            for _ in 0..2 {
                asked.tags(repository, &user(plays)).await?;
            }
        }
        let requests = asked.registry.take_requests();
        ensure!(
            count(&requests, Part::Token) == 2,
            "{plays:?}: {requests:#?}"
        );
        for request in requests {
            let expected = match request.part {
                Part::Token => Some("Basic"),
                Part::Api if request.status == 401 => None,
                Part::Api => Some("Bearer"),
                Part::Storage => None,
            };
            ensure!(
                request.identified.as_deref() == expected,
                "{plays:?}: {request:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_fetched_anew() -> Result<()> {
    let asked = Asked::new(Plays::Harbor).await?;
    asked.registry.push_tags("team/app", ["1.0.0"]);
    asked.tags("team/app", &user(Plays::Harbor)).await?;
    asked.registry.end_tokens();
    asked.registry.take_requests();
    ensure!(asked.tags("team/app", &user(Plays::Harbor)).await? == ["1.0.0"]);
    let requests = asked.registry.take_requests();
    ensure!(count(&requests, Part::Token) == 1, "{requests:#?}");
    Ok(())
}

#[tokio::test]
async fn many_who_need_a_token_at_once_fetch_one() -> Result<()> {
    let asked = Asked::new(Plays::Ghcr).await?;
    let tags = super::versions(20);
    asked.registry.push_tags("team/app", &tags);
    asked.tags("team/app", &Auth::Anonymous).await?;
    asked.registry.end_tokens();
    asked.registry.take_requests();
    let image = asked.registry.image("team/app")?;
    let tags: Vec<_> = tags
        .iter()
        .map(|text| syncline_core::image::reference::Tag::parse(text))
        .collect::<Result<_, _>>()?;
    let read = asked
        .client
        .facts_of(&image, &tags, &Auth::Anonymous, Age::Now)
        .await;
    ensure!(
        read.known.len() == 20 && read.stopped.is_none(),
        "{read:#?}"
    );
    let requests = asked.registry.take_requests();
    ensure!(count(&requests, Part::Token) == 1, "{requests:#?}");
    Ok(())
}

#[tokio::test]
async fn each_project_of_a_registry_is_read_with_its_own_robot() -> Result<()> {
    let asked = Asked::new(Plays::Harbor).await?;
    let host = asked.registry.host();
    asked.registry.user("robot$shop+ci", "shop-secret", "shop/");
    let mut entries = Vec::new();
    for (project, name, password) in [
        ("team", "robot$team+syncline", "s3cr3t"),
        ("shop", "robot$shop+ci", "shop-secret"),
    ] {
        let repository = format!("{project}/app");
        asked.registry.push_tags(&repository, ["1.0.0"]);
        asked.registry.make_private(&repository);
        entries.push(format!(
            r#""{host}/{project}":{{"username":"{name}","password":"{password}"}}"#
        ));
    }
    let payload = Redacted::new(format!(r#"{{"auths":{{{}}}}}"#, entries.join(",")));
    for repository in ["team/app", "shop/app"] {
        let image = asked.registry.image(repository)?;
        let auth = Auth::from_docker_configs([("registry", &payload)], &image)?;
        let auth = auth.unwrap_or_default();
        ensure!(
            asked.tags(repository, &auth).await? == ["1.0.0"],
            "{repository}"
        );
        let other = if repository == "team/app" {
            "shop/app"
        } else {
            "team/app"
        };
        ensure!(asked.tags(other, &auth).await.is_err(), "{repository}");
    }
    Ok(())
}

#[tokio::test]
async fn an_identity_token_is_exchanged_and_never_sent_to_the_registry() -> Result<()> {
    let asked = Asked::new(Plays::Harbor).await?;
    asked.registry.push_tags("team/app", ["1.0.0"]);
    asked.registry.make_private("team/app");
    let host = asked.registry.host();
    let token = format!("{IDENTITY}{}", user_name(Plays::Harbor));
    let payload = Redacted::new(format!(
        r#"{{"auths":{{"{host}":{{"auth":"","identitytoken":"{token}"}}}}}}"#
    ));
    let image = asked.registry.image("team/app")?;
    let auth = Auth::from_docker_config(&payload, &image)?.unwrap_or_default();
    ensure!(asked.tags("team/app", &auth).await? == ["1.0.0"]);
    let requests = asked.registry.take_requests();
    let methods: Vec<&str> = requests
        .iter()
        .map(|request| request.method.as_str())
        .collect();
    ensure!(methods == ["GET", "POST", "GET"], "{requests:#?}");
    ensure!(
        requests
            .iter()
            .all(|request| !request.target.contains(IDENTITY))
    );

    let wrong = Auth::IdentityToken(Redacted::new("hunter2"));
    let Err(error) = asked.client.tags(&image, &wrong, Age::Now).await else {
        anyhow::bail!("a wrong identity token was taken")
    };
    ensure!(error.reason() == Reason::RegistryAuthFailed, "{error}");
    ensure!(!format!("{error} {error:?}").contains("hunter2"));
    Ok(())
}
