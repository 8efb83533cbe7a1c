//! A real Git server: smart HTTP through `git http-backend`, with faults that a test switches on.

mod backend;
mod repo;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::process::state_folder;

pub(crate) use repo::log_of;
pub use repo::{Commit, Delivery, Repo, git, signature};

/// Who may read and push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// Who proves this user with this password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
}

/// What goes wrong with the requests for a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request is taken and never answered.
    Hang,
    /// The request is answered with this status.
    Status(u16),
    /// A push is taken, and the connection is closed in place of the answer. All else works.
    CutAfterPush,
}

/// One request that arrived.
#[derive(Clone, Debug)]
pub struct GitRequest {
    /// HTTP method.
    pub method: String,
    /// Path, from the name of the repository on.
    pub path: String,
    /// Query, empty where there is none.
    pub query: String,
    /// The program that asked.
    pub user_agent: String,
    /// Whether it carried an `Authorization` header.
    pub authorization: bool,
}

/// A Git server with any number of repositories. Ends when it is dropped.
pub struct GitServer {
    state: Arc<State>,
    address: SocketAddr,
    /// Ends the listener; `None` while it is down.
    stop: Mutex<Option<oneshot::Sender<()>>>,
}

type AfterPush = Box<dyn Fn(&str) + Send + Sync>;

struct State {
    folder: TempDir,
    access: Mutex<HashMap<String, Access>>,
    faults: Mutex<HashMap<String, Fault>>,
    requests: Mutex<Vec<GitRequest>>,
    after_push: OnceLock<AfterPush>,
}

impl GitServer {
    /// The server that the tests of this process share: a repository each.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: tokio::sync::OnceCell<GitServer> = tokio::sync::OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// Starts a server on a free loopback port.
    pub async fn start() -> Result<Self> {
        let state = Arc::new(State {
            folder: state_folder("git")?,
            access: Mutex::default(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            after_push: OnceLock::new(),
        });
        let (address, stop) = listen(&state, SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        Ok(Self {
            state,
            address,
            stop: Mutex::new(Some(stop)),
        })
    }

    /// Makes an empty repository `<name>.git` with the branch `main`.
    pub fn create(&self, name: &str, access: Access) -> Result<Repo> {
        lock(&self.state.access).insert(name.to_owned(), access.clone());
        Repo::create(self.state.folder.path(), name, self.url(name), access)
    }

    /// The URL of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}.git", self.address)
    }

    /// Lets the requests for a repository go wrong, or right again.
    pub fn set_fault(&self, name: &str, fault: Option<Fault>) {
        let mut faults = lock(&self.state.faults);
        match fault {
            Some(fault) => faults.insert(name.to_owned(), fault),
            None => faults.remove(name),
        };
    }

    /// Stops listening: connections are refused until [`GitServer::come_back`].
    pub async fn go_down(&self) -> Result<()> {
        drop(lock(&self.stop).take());
        crate::wait_for(
            "the Git server to be down",
            std::time::Duration::from_secs(10),
            async || match tokio::net::TcpStream::connect(self.address).await {
                Ok(_) => anyhow::bail!("it still listens"),
                Err(_) => Ok(()),
            },
        )
        .await
    }

    /// Listens again, on the same port.
    pub async fn come_back(&self) -> Result<()> {
        let (_, stop) = listen(&self.state, self.address).await?;
        *lock(&self.stop) = Some(stop);
        Ok(())
    }

    /// The requests for a repository so far.
    pub fn requests(&self, name: &str) -> Vec<GitRequest> {
        let start = format!("{name}.git/");
        let all = lock(&self.state.requests);
        all.iter()
            .filter(|request| request.path.starts_with(&start))
            .cloned()
            .collect()
    }

    /// Calls back with the name of a repository after each push over HTTP. Only the first
    /// call-back is kept.
    pub fn after_push(&self, call: impl Fn(&str) + Send + Sync + 'static) {
        // A second one is not asked for anywhere.
        let _ = self.state.after_push.set(Box::new(call));
    }
}

impl fmt::Debug for GitServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Serves on the harness's own runtime: a test that blocks does not stop it, and it does not end
/// with the test that happened to start it.
async fn listen(
    state: &Arc<State>,
    address: SocketAddr,
) -> Result<(SocketAddr, oneshot::Sender<()>)> {
    let app = Router::new()
        .fallback(backend::answer)
        .with_state(Arc::clone(state));
    let (stop, stopped) = oneshot::channel::<()>();
    let (bound, address_of) = oneshot::channel();
    crate::background()?.spawn(async move {
        let listener = match tokio::net::TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => return drop(bound.send(Err(error))),
        };
        // The asker may have given up.
        let _ = bound.send(listener.local_addr());
        let _ = axum::serve(listener, app)
            .with_graceful_shutdown(async {
                // Dropping the sender is the signal.
                let _ = stopped.await;
            })
            .await;
    });
    let address = address_of.await.context("the Git server ended")??;
    Ok((address, stop))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
