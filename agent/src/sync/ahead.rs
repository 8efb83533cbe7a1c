//! What an application will want that may not go to the newest commit yet: it is rendered and no
//! more, so that nobody waits for it who it waits for itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_core::digest::Digest;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use tokio::time::Instant;

use super::desired::make;
use super::{Stopped, Stopwatch, account_of, dry, given};
use crate::agent::Agent;
use crate::repositories;
use crate::state::{Ahead, Head, State};

/// Renders an application that is blocked at the newest commit that concerns it, once for each such
/// commit, and remembers what it will want. Nothing is claimed and nothing is written.
pub(super) async fn look(agent: &Arc<Agent>, name: &Name) {
    let wished = wished(&agent.state.lock(), name);
    let Some((target, heads)) = wished else {
        return;
    };
    let objects = Box::pin(objects(agent, name, target)).await;
    {
        let mut state = agent.state.lock();
        let repository = state.repository_of(name);
        let Some(entry) = state.applications.get_mut(name) else {
            return;
        };
        match objects {
            Ok(objects) => entry.ahead = Some(Ahead { heads, objects }),
            Err(failure) => {
                let (reason, detail) = (failure.reason, failure.detail);
                tracing::info!(%reason, detail, "the commit that waits cannot be rendered");
                entry.failed_head = heads;
                // Who waited to see whether it can be rendered knows now.
                if let Some(repository) = repository {
                    repositories::wake_waiting(agent, &mut state, &repository);
                }
                return;
            }
        }
    }
    repositories::rendered(agent, name, heads);
}

/// The commit to render, and the number of the repository's head.
fn wished(state: &State, name: &Name) -> Option<(Head, u64)> {
    let entry = state.applications.get(name)?;
    entry.blocked.as_ref()?;
    let repository = state.source_of(name)?;
    repository.unrendered.get(name)?;
    Some((repository.head.clone()?, repository.heads))
}

async fn objects(
    agent: &Arc<Agent>,
    name: &Name,
    target: Head,
) -> Result<BTreeMap<ObjectKey, Digest>, Failure> {
    let start = dry::start(agent, name, target)?;
    let limit = start.application.sync.timeout;
    let rendered = async {
        let account = account_of(agent, &start.application).await;
        let account = account.map_err(|error| Stopped::cluster("service account", &error))?;
        let given = given::gather(agent, &start).await?;
        let mut watch = Stopwatch {
            last: Instant::now(),
            steps: Vec::new(),
            began: false,
        };
        let made = make(agent, &start, &account, &given, &mut watch).await;
        let rendered = made.map_err(|(failures, _)| Stopped {
            failures,
            reads: None,
        })?;
        Ok(rendered.hashes.clone())
    };
    let rendered = tokio::time::timeout(limit, rendered).await;
    let rendered: Result<_, Stopped> = rendered.map_err(|_| Failure {
        reason: Reason::ApiUnavailable,
        detail: format!("not rendered within `spec.sync.timeout` ({limit:?})"),
    })?;
    rendered.map_err(|stopped| stopped.summary())
}
