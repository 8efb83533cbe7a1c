//! The harness: a real control plane, Git server and registry for tests and the demo.
//!
//! Everything listens on free loopback ports, keeps its files in a folder of its own and ends with
//! the process that started it, also when a test panics or the process is killed. The programs are
//! the real ones, built by `cargo xtask tools`; only registries that cannot run here are played, see
//! [`played_registry`].

pub mod agent;
pub mod bench;
pub mod browser;
pub mod control_plane;
pub mod demo;
pub mod fault_proxy;
pub mod git_server;
pub mod gitea;
pub mod objects;
pub mod played_registry;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod registry;
pub mod registry_proxy;
pub mod ssh_server;
pub mod wait;
pub mod watch;
pub mod world;

pub use agent::{AgentProcess, AgentSettings};
pub use control_plane::{ControlPlane, Options, Parts};
pub use fault_proxy::{Action, FaultProxy, Interruption, Rule};
pub use git_server::{Access, Fault, GitServer, Repo};
pub use gitea::Gitea;
pub use played_registry::{PlayedImage, PlayedRegistry, Plays};
pub use postgres::Postgres;
pub use registry::Registry;
pub use registry_proxy::{BrokenPage, RegistryFault, RegistryProxy};
pub use wait::wait_for;
pub use world::World;

use anyhow::Context as _;

/// The runtime of the harness's own servers. It lives as long as the process, whichever test asked
/// for it first.
pub(crate) fn background() -> anyhow::Result<tokio::runtime::Handle> {
    static RUNTIME: std::sync::OnceLock<std::io::Result<tokio::runtime::Runtime>> =
        std::sync::OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
    });
    Ok(runtime
        .as_ref()
        .ok()
        .context("start the harness's runtime")?
        .handle()
        .clone())
}
