//! The secrets of an application, to be hidden in what its objects and pods say.

use std::collections::BTreeSet;
use std::sync::Arc;

use syncline_core::application::{Application, Referent};
use syncline_core::manifest::Body;
use syncline_core::outcome::Failure;
use syncline_core::record::Name;
use syncline_core::resources::hide_values;
use syncline_core::secret_inputs::SecretInputs;

use crate::agent::Agent;
use crate::state::{ApplicationState, Head, State};
use crate::sync::Dry;

/// What is known without a render: that of the render in memory, or that there is nothing secret;
/// `None` where only a render can say.
pub(super) fn known(agent: &Agent, name: &Name) -> Option<Arc<SecretInputs>> {
    let state = agent.state.lock();
    let entry = state.applications.get(name)?;
    let Some(rendered) = entry.rendered.clone() else {
        let spec = entry.spec.as_ref().ok()?;
        return (!has_secrets(entry, spec)).then(Arc::default);
    };
    drop(state);
    let mut secrets = rendered.secrets.clone();
    let hooks = rendered.hooks.iter().map(|hook| &hook.manifest);
    for manifest in rendered.set.iter().chain(hooks) {
        hide_values(&manifest.body, &mut secrets);
    }
    Some(Arc::new(secrets))
}

/// Renders the application for its secrets, within the bounds of previews. Nothing is written, and the
/// render is not kept. The error is a sentence.
pub(super) async fn rendered(agent: &Arc<Agent>, name: &Name) -> Result<Arc<SecretInputs>, String> {
    let head = head(&agent.state.lock(), name).ok_or_else(|| {
        let why = "what is secret in it is not known until its repository was read";
        why.to_owned()
    })?;
    let said = |failures: Vec<Failure>| {
        let first = failures.first().map(|failure| failure.detail.clone());
        format!(
            "what is secret in it is not known, because it cannot be rendered: {}",
            first.unwrap_or_default()
        )
    };
    // The semaphore is never closed.
    let _place = agent.previews.acquire().await.ok();
    let limit = agent.settings.preview_timeout;
    let draw = async {
        let dry = Box::pin(Dry::begin(agent, name, head)).await;
        let dry = dry.map_err(said)?;
        Ok::<_, String>(Box::pin(dry.draw(&BTreeSet::new())).await)
    };
    let drawn = tokio::time::timeout(limit, draw).await;
    let drawn = drawn.map_err(|_| {
        format!("what is secret in it is not known, because it was not rendered within {limit:?}")
    })??;
    let mut secrets = drawn.secrets;
    for object in drawn.objects.map_err(said)? {
        if let Ok(body) = Body::take(object.value) {
            hide_values(&body, &mut secrets);
        }
    }
    Ok(Arc::new(secrets))
}

/// The commit that was applied, or the newest one.
fn head(state: &State, name: &Name) -> Option<Head> {
    let entry = state.applications.get(name)?;
    let repository = state.source_of(name)?;
    entry.applied.clone().or_else(|| repository.head.clone())
}

/// Whether anything secret can be in what an application is made of.
fn has_secrets(entry: &ApplicationState, spec: &Application) -> bool {
    let rendering = &spec.rendering;
    let mut values = rendering.helm.values_from.iter();
    let mut variables = rendering.substitute.iter().flat_map(|all| &all.from);
    rendering.decrypt.is_some()
        || rendering.helm.lookup
        || values.any(|from| from.referent == Referent::Secret)
        || variables.any(|from| from.referent == Referent::Secret)
        || entry.objects.keys().any(|key| key.is_secret())
}
