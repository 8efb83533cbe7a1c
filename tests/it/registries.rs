//! The registry client against registries that are played from their documentation, and beside a real
//! one: pages, tokens, limits, facts of images, and credentials that stay where they belong.

mod facts;
mod lists;
mod tokens;

use anyhow::Result;
use syncline_core::redacted::Redacted;
use syncline_registry::{Age, Auth, Client, Settings};
use syncline_tests::played_registry::{Part, PlayedRequest};
use syncline_tests::{PlayedRegistry, Plays};

/// All registries that are played.
const ALL: [Plays; 6] = [
    Plays::DockerHub,
    Plays::Ghcr,
    Plays::Quay,
    Plays::Harbor,
    Plays::GitLab,
    Plays::Ecr,
];

/// A registry that is played with the client that asks it.
struct Asked {
    registry: PlayedRegistry,
    client: Client,
}

impl Asked {
    async fn new(plays: Plays) -> Result<Self> {
        Self::with(plays, Settings::default()).await
    }

    async fn with(plays: Plays, settings: Settings) -> Result<Self> {
        let registry = PlayedRegistry::start(plays).await?;
        registry.user(user_name(plays), "s3cr3t", "team/");
        Ok(Self {
            registry,
            client: Client::new(settings)?,
        })
    }

    /// The tags of a repository as text.
    async fn tags(&self, repository: &str, auth: &Auth) -> Result<Vec<String>> {
        let image = self.registry.image(repository)?;
        let listing = self.client.tags(&image, auth, Age::Now).await?;
        Ok(listing.tags.iter().map(ToString::to_string).collect())
    }
}

/// The name that a registry of that kind knows its users by.
fn user_name(plays: Plays) -> &'static str {
    match plays {
        Plays::Harbor => "robot$team+syncline",
        Plays::Quay => "team+syncline",
        Plays::GitLab => "deploy-token-1",
        Plays::Ecr => "AWS",
        Plays::DockerHub | Plays::Ghcr => "syncline",
    }
}

/// The credentials of that user.
fn user(plays: Plays) -> Auth {
    Auth::Basic {
        username: user_name(plays).to_owned(),
        password: Redacted::new("s3cr3t"),
    }
}

/// Who is asked in general: nobody in particular where the registry allows it.
fn usual(plays: Plays) -> Auth {
    match plays {
        Plays::Ecr => user(plays),
        _ => Auth::Anonymous,
    }
}

fn count(requests: &[PlayedRequest], part: Part) -> usize {
    requests
        .iter()
        .filter(|request| request.part == part)
        .count()
}

/// `1.0.0` to `1.0.N`, in the order of their bytes.
fn versions(count: usize) -> Vec<String> {
    let mut tags: Vec<String> = (0..count).map(|n| format!("1.0.{n}")).collect();
    tags.sort_unstable();
    tags
}
