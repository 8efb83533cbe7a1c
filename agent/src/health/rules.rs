//! The rules of people on how an object is: those of its application, then those of the agent.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use futures::StreamExt as _;
use serde_json::Value;
use syncline_cluster::{Live, kinds};
use syncline_core::application::HealthRule;
use syncline_core::health::assess_with;
use syncline_core::object::ObjectKey;
use syncline_core::record::Name;

use super::take_live;
use crate::agent::Agent;
use crate::conversion;
use crate::live::{Seen, masked, until_its_end};
use crate::state::State;

/// Most bytes of the file with the rules of the agent.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// The fields of a rule.
const FIELDS: [&str; 6] = [
    "group",
    "kind",
    "name",
    "healthy",
    "degraded",
    "progressing",
];

/// Reads the rules of the agent: a YAML list as in `spec.health`. The error names the file and the
/// field.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<HealthRule>> {
    let file = || format!("the health rules in `{}`", path.display());
    let size = std::fs::metadata(path).with_context(file)?.len();
    anyhow::ensure!(
        size <= MAX_FILE_BYTES,
        "{}: longer than {MAX_FILE_BYTES} bytes",
        file()
    );
    let text = std::fs::read_to_string(path).with_context(file)?;
    parse(&text).with_context(file)
}

fn parse(text: &str) -> anyhow::Result<Vec<HealthRule>> {
    let items: Vec<Value> =
        serde_saphyr::from_str(text).context("it is not a YAML list of rules")?;
    let mut wire = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let fields = item.as_object().into_iter().flatten();
        let unknown = fields.map(|(field, _)| field.as_str());
        if let Some(field) = unknown.into_iter().find(|field| !FIELDS.contains(field)) {
            anyhow::bail!("[{index}].{field}: there is no such field");
        }
        let rule: kinds::HealthRule =
            serde_json::from_value(item).with_context(|| format!("[{index}]"))?;
        wire.push(rule);
    }
    conversion::health_rules("", &wire).map_err(|failure| anyhow::anyhow!(failure.detail))
}

/// Reduces a live object, and judges it by the rules that speak of it. The lock of the state must
/// not be held: a rule may take a moment.
pub(crate) fn seen(agent: &Agent, live: &Live) -> Seen {
    let mut seen = Seen::of(live, agent.instance.id());
    let Some(object) = &live.object else {
        return seen;
    };
    let rules = {
        let state = agent.state.lock();
        let own = own(&state, seen.owner.as_ref(), &live.key);
        let rules = own.iter().chain(&agent.health_rules);
        let rules = rules.filter(|rule| rule.selects(&live.key));
        rules.take(1).cloned().collect::<Vec<_>>()
    };
    if !rules.is_empty() {
        let health = masked(assess_with(object, &live.key, &rules));
        seen.health = match seen.run {
            Some(_) => until_its_end(object, health),
            None => health,
        };
    }
    seen
}

/// The rules of the application that has an object, or that wants it where none has.
fn own<'a>(state: &'a State, owner: Option<&Name>, key: &ObjectKey) -> &'a [HealthRule] {
    let name = owner.or_else(|| state.live.claims(key).first());
    let entry = name.and_then(|name| state.applications.get(name));
    let spec = entry.and_then(|entry| entry.spec.as_ref().ok());
    spec.map(|spec| spec.health.as_slice()).unwrap_or_default()
}

/// The rules of an application changed: the objects that one of them speaks of, or spoke of, are
/// read again, since a watch shows changes only.
pub(crate) async fn judge_anew(agent: Arc<Agent>, name: Name, rules: Vec<HealthRule>) {
    let (account, keys) = {
        let state = agent.state.lock();
        let Some(entry) = state.applications.get(&name) else {
            return;
        };
        let Ok(spec) = &entry.spec else { return };
        let spoken_of = |key: &&ObjectKey| rules.iter().any(|rule| rule.selects(key));
        let keys: BTreeSet<ObjectKey> = entry.objects.keys().filter(spoken_of).cloned().collect();
        (spec.account.clone(), keys)
    };
    if keys.is_empty() {
        return;
    }
    let account = match agent.cluster.account(&name.namespace, &account).await {
        Ok(account) => account,
        // The sync that follows says so.
        Err(error) => return tracing::warn!(%error, "health is judged anew by the next events"),
    };
    let (agent, account) = (&agent, &account);
    let reads = futures::stream::iter(keys).map(|key| async move {
        let discovery = agent.cluster.discovery();
        let resource = discovery.resolve(&key.group, &key.version, &key.kind).await;
        match resource {
            Ok(resource) => account.get(&resource, &key).await,
            Err(error) => Err(error),
        }
    });
    let mut reads = reads.buffer_unordered(agent.settings.apply_concurrency);
    while let Some(found) = reads.next().await {
        match found {
            Ok(Some(live)) => take_live(agent, &live),
            // That it is gone is said by the watch.
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "an object could not be read to judge it anew"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_the_agent_are_a_list_as_in_an_application() {
        let rules = parse("- {group: db.example.com, kind: Base, degraded: self.status.down}\n");
        let rules = rules.unwrap();
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].kind, "Base");
        assert!(parse("[]\n").unwrap().is_empty());
    }

    #[test]
    fn a_mistake_in_the_rules_of_the_agent_names_its_field() {
        for (text, named) in [
            ("- {kind: Base, healthy: 'self.'}\n", "[0].healthy"),
            ("- {kind: Base}\n", "[0]"),
            ("- {kind: Base, healty: 'true'}\n", "[0].healty"),
            ("kind: Base\n", "list"),
            ("- {kind: [], healthy: 'true'}\n", "[0]"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(named), "{text} {error}");
        }
    }
}
