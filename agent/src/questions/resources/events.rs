//! What Kubernetes says about the objects of an application.

use std::collections::BTreeSet;

use syncline_cluster::{Account, Resource, Scope, Selection};
use syncline_core::logs;
use syncline_core::object::ObjectKey;
use syncline_core::record::Name;
use syncline_core::resources::{Event, newest_first};
use syncline_core::secret_inputs::SecretInputs;
use syncline_core::url::without_credentials;
use syncline_web_ui::views::{EventView, EventsView, ObjectName};

use super::look::{Look, namespaces};
use super::rights::Lacks;
use crate::agent::Agent;

/// Most events that are told.
const MOST: usize = 500;
/// Most namespaces whose events are read.
const MOST_NAMESPACES: usize = 20;

/// Reads the events of what is in a tree, or of one object of it, as the application's account.
pub(super) async fn read(
    agent: &Agent,
    name: &Name,
    tree: &Look,
    object: Option<&ObjectName>,
    hidden: &SecretInputs,
) -> EventsView {
    let read_at = agent.clock.now();
    let mut lacks = Lacks::default();
    let mut found = Vec::new();
    match &tree.account {
        Ok(account) => {
            let limit = agent.settings.look_timeout;
            let asked = lists(tree, name, object);
            if asked.len() > MOST_NAMESPACES {
                lacks.note(format!(
                    "events of {MOST_NAMESPACES} namespaces are read, not of all"
                ));
            }
            let read = async {
                for (namespace, fields) in asked.into_iter().take(MOST_NAMESPACES) {
                    let events = list(agent, account, &namespace, &fields, &mut lacks).await;
                    found.extend(events);
                }
            };
            if tokio::time::timeout(limit, read).await.is_err() {
                lacks.note(format!("not everything was read within {limit:?}"));
            }
        }
        Err(why) => lacks.note(format!("the service account cannot be used: {why}")),
    }
    if object.is_none() {
        let known = Known::of(tree, name);
        found.retain(|event| known.has(event));
    }
    let items = newest_first(found, MOST);
    EventsView {
        read_at,
        items: items
            .into_iter()
            .map(|event| shown(event, hidden))
            .collect(),
        missing: lacks.missing.into_iter().collect(),
        notes: lacks.notes.into_iter().collect(),
    }
}

fn shown(mut event: Event, hidden: &SecretInputs) -> EventView {
    event.message = logs::masked(&without_credentials(&event.message), hidden);
    EventView::from(&event)
}

/// Which lists: namespace and field selector.
fn lists(tree: &Look, name: &Name, object: Option<&ObjectName>) -> Vec<(String, String)> {
    let Some(object) = object else {
        let mut all = namespaces(&tree.nodes);
        all.insert(name.namespace.clone());
        return all.into_iter().map(|one| (one, String::new())).collect();
    };
    // Events about objects of the cluster's own scope are in `default`.
    let namespace = object.namespace.clone();
    let fields = format!(
        "involvedObject.kind={},involvedObject.name={}",
        object.kind, object.name
    );
    vec![(namespace.unwrap_or_else(|| "default".to_owned()), fields)]
}

async fn list(
    agent: &Agent,
    account: &Account,
    namespace: &str,
    fields: &str,
    lacks: &mut Lacks,
) -> Vec<Event> {
    // All events can be read in this form.
    let resource = Resource {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Event".to_owned(),
        plural: "events".to_owned(),
        scope: Scope::Namespaced,
        verbs: vec!["list".to_owned()],
    };
    let most = agent.settings.look_objects;
    let selection = Selection {
        namespace: Some(namespace),
        labels: "",
        fields,
        most,
    };
    match account.list_some(&resource, selection).await {
        Ok(listed) => {
            if listed.more {
                lacks.note(format!(
                    "there are more than {most} events in the namespace `{namespace}`: the others \
                     are not looked at"
                ));
            }
            listed.items.iter().filter_map(Event::read).collect()
        }
        Err(error) => {
            lacks.add(account, "list", &resource, Some(namespace), &error);
            Vec::new()
        }
    }
}

/// What belongs to an application, as events name it.
struct Known<'a> {
    uids: BTreeSet<&'a str>,
    keys: BTreeSet<&'a ObjectKey>,
    application: &'a Name,
}

impl<'a> Known<'a> {
    fn of(tree: &'a Look, application: &'a Name) -> Self {
        let nodes = tree.nodes.iter();
        Self {
            uids: nodes
                .clone()
                .filter_map(|node| node.uid.as_deref())
                .collect(),
            keys: nodes.map(|node| &node.key).collect(),
            application,
        }
    }

    fn has(&self, event: &Event) -> bool {
        let about = &event.object;
        let ours = about.group == syncline_core::names::GROUP
            && about.kind == "Application"
            && about.namespace.as_deref() == Some(self.application.namespace.as_str())
            && about.name == self.application.name;
        ours || self.uids.contains(event.uid.as_str()) || self.keys.contains(about)
    }
}
