//! What an application wanted last, for its end: from memory, or rendered once more.

use std::sync::Arc;

use syncline_cluster::Account;
use syncline_core::application::Application;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use tokio::time::Instant;

use super::beginning::running;
use super::{Start, Stopwatch, desired, dry, given};
use crate::agent::Agent;
use crate::state::Rendered;

/// The last render of an application that is being deleted; of the commit that was applied last, or
/// else of the newest one.
pub(crate) async fn last_render(
    agent: &Arc<Agent>,
    application: &Application,
    account: &Account,
) -> Result<Arc<Rendered>, Failure> {
    {
        let state = agent.state.lock();
        let entry = state.applications.get(&application.name);
        if let Some(rendered) = entry.and_then(|entry| entry.rendered.clone()) {
            return Ok(rendered);
        }
    }
    let start = start(agent, application)?;
    let given = given::gather(agent, &start).await;
    let given = given.map_err(|stopped| stopped.summary())?;
    let mut watch = Stopwatch {
        last: Instant::now(),
        steps: Vec::new(),
        began: false,
    };
    let made = desired::desired(agent, &start, account, &given, &mut watch).await;
    let rendered = made.map_err(|stopped| stopped.summary())?.rendered;
    let budget = agent.settings.render_cache_mib as usize * 1024 * 1024;
    let mut state = agent.state.lock();
    state.keep_in_memory(&application.name, Arc::clone(&rendered), budget);
    Ok(rendered)
}

fn start(agent: &Agent, application: &Application) -> Result<Start, Failure> {
    let name = &application.name;
    let missing = |detail: String| Failure {
        reason: Reason::RepositoryNotReady,
        detail,
    };
    let state = agent.state.lock();
    let entry = state
        .applications
        .get(name)
        .ok_or_else(|| missing(format!("application {name} is gone")))?;
    let repository = Name::new(&name.namespace, &application.repository);
    let source = state.repositories.get(&repository);
    let source = source.ok_or_else(|| Failure {
        reason: Reason::RepositoryMissing,
        detail: format!("`{}`", application.repository),
    })?;
    let (Ok(spec), Some(head)) = (&source.spec, &source.head) else {
        return Err(missing(format!(
            "`{}`: {}",
            application.repository,
            source.statement.message()
        )));
    };
    let mirror = agent.mirrors.get(&spec.url).map_err(|error| Failure {
        reason: error.reason(),
        detail: error.to_string(),
    })?;
    let target = running(&mirror, entry, head).unwrap_or_else(|| head.clone());
    drop(state);
    dry::start(agent, name, target)
}
