//! Plays registries that cannot run here, each written from its public documentation.
//!
//! It is a server of a few hundred lines and not the registry itself: it shows what the client does
//! with answers as they are documented, and proves nothing about what a registry does on a given day.
//! What is documented of each stands at [`Plays`]. The real thing is [`crate::Registry`].
//!
//! Everything listens on loopback: the API, the token service where it has a host of its own, and the
//! storage that blobs are redirected to. Tokens are only good for the repository that they name.

mod answer;
mod image;
mod token;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State as Extracted};
use axum::response::Response;
use http::header::AUTHORIZATION;
use syncline_core::image::reference::ImageName;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use image::PlayedImage;
pub use token::IDENTITY;

/// Which registry is played, and by which documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plays {
    /// Tokens from a host of its own, for everybody; reads of manifests are pulls and counted, looks
    /// (`HEAD`) are not; `ratelimit-limit: 100;w=21600`; 429 when they are used up.
    /// <https://docs.docker.com/docker-hub/usage/pulls/>,
    /// <https://distribution.github.io/distribution/spec/auth/token/>
    DockerHub,
    /// Tokens also for nobody, without a lifetime; pages of 100 where no number is asked for; blobs
    /// lie elsewhere.
    /// <https://docs.github.com/en/packages/working-with-a-github-packages-registry/working-with-the-container-registry>,
    /// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>
    Ghcr,
    /// Pages of at most 100, whatever number is asked for, and a cursor in the link that means nothing
    /// to others.
    /// <https://docs.projectquay.io/api_quay.html>,
    /// <https://github.com/quay/quay/blob/master/endpoints/v2/__init__.py>
    Quay,
    /// Repositories inside projects; tokens from `/service/token` for half an hour; a robot account is
    /// good for its project.
    /// <https://goharbor.io/docs/main/working-with-projects/project-configuration/create-robot-accounts/>
    Harbor,
    /// Tokens from `/jwt/auth` of the GitLab host for five minutes, which the answer does not say; a
    /// page of more than 1000 is refused.
    /// <https://docs.gitlab.com/administration/packages/container_registry/>,
    /// <https://gitlab.com/gitlab-org/container-registry/-/blob/master/docs/spec/docker/v2/api.md>
    GitLab,
    /// User name `AWS` and a password with every request, no tokens; a page of more than 1000 is
    /// refused with 405; the cursor is long and opaque.
    /// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html>,
    /// <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListImages.html>
    Ecr,
}

/// A part of a played registry, which is a host of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The API.
    Api,
    /// The token service, where it has a host of its own or not.
    Token,
    /// Where blobs lie.
    Storage,
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct PlayedRequest {
    /// What was asked.
    pub part: Part,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// `Basic` or `Bearer`, where it identified itself; never the secret.
    pub identified: Option<String>,
    /// The status of the answer.
    pub status: u16,
}

/// A played registry. Ends when it is dropped.
#[derive(Debug)]
pub struct PlayedRegistry {
    address: SocketAddr,
    state: Arc<State>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for PlayedRegistry {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[derive(Debug)]
pub(crate) struct State {
    plays: Plays,
    api: SocketAddr,
    token: SocketAddr,
    storage: SocketAddr,
    changing: Mutex<Changing>,
}

#[derive(Debug, Default)]
pub(crate) struct Changing {
    /// The manifest of each tag of a repository, by digest.
    tags: BTreeMap<String, BTreeMap<String, String>>,
    /// Manifests and blobs by digest, with their kind.
    content: HashMap<String, (String, Vec<u8>)>,
    /// Password of a user and the repositories that it may read, by the beginning of their names.
    users: BTreeMap<String, (String, String)>,
    /// Repositories that nobody reads without credentials.
    private: BTreeSet<String>,
    /// The repository that a token is good for, and until when.
    tokens: HashMap<String, (String, Instant)>,
    /// How many tokens were given.
    given: u64,
    /// Pulls that are left.
    pulls: u64,
    /// Seconds of `Retry-After` for every request to the API.
    throttled: Option<u64>,
    requests: Vec<PlayedRequest>,
}

impl PlayedRegistry {
    /// Starts an empty one.
    pub async fn start(plays: Plays) -> Result<Self> {
        let mut listeners = Vec::new();
        for _ in 0..3 {
            listeners.push(TcpListener::bind("127.0.0.1:0").await?);
        }
        let addresses: Vec<SocketAddr> = listeners
            .iter()
            .map(TcpListener::local_addr)
            .collect::<std::io::Result<_>>()?;
        // Docker Hub and GitLab have their token service on a host of its own.
        let apart = matches!(plays, Plays::DockerHub | Plays::GitLab);
        let state = Arc::new(State {
            plays,
            api: addresses[0],
            token: if apart { addresses[1] } else { addresses[0] },
            storage: addresses[2],
            changing: Mutex::new(Changing {
                pulls: 100,
                ..Changing::default()
            }),
        });
        let parts = [Part::Api, Part::Token, Part::Storage];
        let tasks = listeners
            .into_iter()
            .zip(parts)
            .map(|(listener, part)| {
                let router = Router::new()
                    .fallback(answer_to)
                    .with_state((Arc::clone(&state), part));
                tokio::spawn(async move {
                    // Ends with the task.
                    let _ = axum::serve(listener, router).await;
                })
            })
            .collect();
        Ok(Self {
            address: addresses[0],
            state,
            tasks,
        })
    }

    /// Host and port of the API.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The name of an image of it.
    pub fn image(&self, repository: &str) -> Result<ImageName> {
        Ok(ImageName::parse(&format!("{}/{repository}", self.address))?)
    }

    /// Gives a repository these tags of one small image.
    pub fn push_tags<T: AsRef<str>>(&self, repository: &str, tags: impl IntoIterator<Item = T>) {
        let (digest, content) = PlayedImage::default().content();
        let mut changing = self.state.changing();
        changing.content.extend(content);
        let there = changing.tags.entry(repository.to_owned()).or_default();
        there.extend(
            tags.into_iter()
                .map(|tag| (tag.as_ref().to_owned(), digest.clone())),
        );
    }

    /// Pushes an image. Answers with the digest that the tag names then.
    pub fn push(&self, repository: &str, tag: &str, image: &PlayedImage) -> String {
        let (digest, content) = image.content();
        let mut changing = self.state.changing();
        changing.content.extend(content);
        let tags = changing.tags.entry(repository.to_owned()).or_default();
        tags.insert(tag.to_owned(), digest.clone());
        digest
    }

    /// Puts these bytes where the tag's manifest is, under the digest that it has.
    pub fn falsify(&self, repository: &str, tag: &str, kind: &str, bytes: Vec<u8>) {
        let mut changing = self.state.changing();
        if let Some(digest) = changing.tags.get(repository).and_then(|tags| tags.get(tag)) {
            let digest = digest.clone();
            changing.content.insert(digest, (kind.to_owned(), bytes));
        }
    }

    /// Knows a user who may read repositories whose name begins like that.
    pub fn user(&self, name: &str, password: &str, beginning: &str) {
        let user = (password.to_owned(), beginning.to_owned());
        self.state.changing().users.insert(name.to_owned(), user);
    }

    /// Lets nobody read a repository without credentials.
    pub fn make_private(&self, repository: &str) {
        self.state.changing().private.insert(repository.to_owned());
    }

    /// Sets how many pulls are left of 100 in six hours.
    pub fn leave_pulls(&self, pulls: u64) {
        self.state.changing().pulls = pulls;
    }

    /// Answers every request to the API with 429 and these seconds; `None` ends it.
    pub fn throttle(&self, seconds: Option<u64>) {
        self.state.changing().throttled = seconds;
    }

    /// Lets every token run out.
    pub fn end_tokens(&self) {
        self.state.changing().tokens.clear();
    }

    /// What came in since the last call.
    pub fn take_requests(&self) -> Vec<PlayedRequest> {
        std::mem::take(&mut self.state.changing().requests)
    }
}

impl State {
    fn changing(&self) -> MutexGuard<'_, Changing> {
        // Every change is one insert or removal, so it is whole after a panic too.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a token is good.
    fn lifetime(&self) -> Duration {
        Duration::from_secs(match self.plays {
            Plays::Harbor => 1800,
            _ => 300,
        })
    }
}

async fn answer_to(
    Extracted((state, part)): Extracted<(Arc<State>, Part)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts
        .uri
        .path_and_query()
        .map_or_else(String::new, ToString::to_string);
    let part = if part == Part::Api && token::is_its_path(&state, parts.uri.path()) {
        Part::Token
    } else {
        part
    };
    let body = axum::body::to_bytes(body, 64 * 1024).await;
    let response = match part {
        Part::Api => answer::api(&state, &parts),
        Part::Token => token::answer(&state, &parts, &body.unwrap_or_default()),
        Part::Storage => answer::storage(&state, &parts),
    };
    let identified = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split_whitespace().next())
        .map(str::to_owned);
    state.changing().requests.push(PlayedRequest {
        part,
        method: parts.method.to_string(),
        target,
        identified,
        status: response.status().as_u16(),
    });
    response
}
