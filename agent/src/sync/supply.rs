//! What a render asks for and the sources do not have: charts, remote bases, objects of the cluster.

use serde_json::{Value, json};
use syncline_cluster::{Account, Discovery, Resource, Scope};
use syncline_core::application::Referent;
use syncline_core::object::{ObjectKey, group_version};
use syncline_core::outcome::Failure;
use syncline_registry::chart::ResolvedChart;
use syncline_render::{Answer, Ask, Lookup};

use super::Start;
use crate::agent::Agent;
use crate::rendering::Supplied;
use crate::{charts, remote_bases};

/// Gets what is asked for.
pub(super) async fn supply(
    agent: &Agent,
    start: &Start,
    account: &Account,
    chart: Option<&ResolvedChart>,
    ask: &Ask,
) -> Result<Supplied, Failure> {
    match ask {
        Ask::Chart(wanted) => {
            charts::fetch(agent, &start.application, chart, wanted, start.purpose)
                .await
                .map(Supplied::Answer)
        }
        Ask::Read(location) | Ask::List(location) => remote_bases::tree(agent, &location.source)
            .await
            .map(|tree| Supplied::Source(Box::new(tree))),
        Ask::Lookup(lookup) => look_up(agent.cluster.discovery(), account, lookup)
            .await
            .map(Supplied::Answer),
    }
}

/// Reads objects as the Application's account, as Helm's `lookup` shows them: a kind that is not
/// served and an object that is not there are nothing.
pub(crate) async fn look_up(
    discovery: &Discovery,
    account: &Account,
    lookup: &Lookup,
) -> Result<Answer, Failure> {
    let answer = looked_up(discovery, account, lookup).await;
    answer.map_err(|error| Failure {
        reason: error.reason(),
        detail: format!(
            "lookup of {} in {}: {error}",
            lookup.object_kind, lookup.api_version
        ),
    })
}

async fn looked_up(
    discovery: &Discovery,
    account: &Account,
    lookup: &Lookup,
) -> Result<Answer, syncline_cluster::Error> {
    let (group, version) = group_version(&lookup.api_version);
    let resource = match discovery.resolve(group, version, &lookup.object_kind).await {
        Ok(resource) => resource,
        Err(syncline_cluster::Error::UnknownKind { .. }) => return Ok(Answer::Missing),
        Err(error) => return Err(error),
    };
    let namespace = Some(lookup.namespace.clone())
        .filter(|namespace| resource.scope == Scope::Namespaced && !namespace.is_empty());
    if lookup.name.is_empty() {
        let mut items = Vec::new();
        for mut object in account.list_full(&resource, namespace.as_deref()).await? {
            reveal(account, &resource, &mut object).await?;
            items.push(object);
        }
        return Ok(Answer::Object(json!({
            "apiVersion": lookup.api_version,
            "kind": format!("{}List", lookup.object_kind),
            "metadata": {},
            "items": items,
        })));
    }
    let key = ObjectKey {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: lookup.object_kind.clone(),
        namespace,
        name: lookup.name.clone(),
    };
    let Some(mut object) = account.get_full(&resource, &key).await? else {
        return Ok(Answer::Missing);
    };
    reveal(account, &resource, &mut object).await?;
    Ok(Answer::Object(object))
}

/// Puts the values of a Secret in, which are left out wherever an object may be shown.
async fn reveal(
    account: &Account,
    resource: &Resource,
    object: &mut Value,
) -> Result<(), syncline_cluster::Error> {
    let names = (
        object["metadata"]["namespace"].as_str(),
        object["metadata"]["name"].as_str(),
    );
    let (true, (Some(namespace), Some(name))) = (resource.is_secret(), names) else {
        return Ok(());
    };
    let Some(data) = account.data(Referent::Secret, namespace, name).await? else {
        return Ok(());
    };
    object["data"] = data.to_wire();
    Ok(())
}
