//! What goes into a render beside Git: values and keys that the Application names, the version of a
//! chart, what the cluster serves. A change of any of it asks for a new render.

use futures::FutureExt as _;
use serde_json::Value;
use syncline_core::digest::Digest;
use syncline_core::owner::applied_hash;
use syncline_registry::chart::ResolvedChart;

use super::{Start, Stopped};
use crate::agent::Agent;
use crate::charts;
use crate::rendering::Material;

/// What goes into a render beside Git.
pub(super) struct Given {
    /// Values, variables and keys.
    pub(super) material: Material,
    /// The chart that the range stands for.
    pub(super) chart: Option<ResolvedChart>,
    /// Hashes of all of it.
    pub(super) inputs: Inputs,
}

impl Given {
    /// The name of a render with these inputs.
    pub(super) fn key(&self, sees_cluster: bool, upgrade: bool) -> Digest {
        let inputs = self.inputs.of(sees_cluster);
        let name = Value::from(format!("{inputs} {upgrade}"));
        // The inputs are a keyed hash already.
        applied_hash(&[], &name)
    }
}

/// Hashes of what goes into a render beside Git.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs {
    /// Of the spec, the agent, and what the Application names.
    alone: Digest,
    /// Of those and what the cluster serves, which a Helm chart may ask for.
    with_cluster: Digest,
}

impl Inputs {
    /// Whether a render with these inputs is as good as a new one.
    pub(super) fn fit(&self, inputs: Digest) -> bool {
        inputs == self.alone || inputs == self.with_cluster
    }

    /// All of them, whether or not a render asks for them.
    pub(super) fn all(&self) -> Digest {
        self.with_cluster
    }

    /// Those of a render that did, or did not, ask what the cluster serves.
    pub(super) fn of(&self, sees_cluster: bool) -> Digest {
        if sees_cluster {
            self.with_cluster
        } else {
            self.alone
        }
    }
}

/// Reads what the Application names, as its service account.
pub(super) async fn gather(agent: &Agent, start: &Start) -> Result<Given, Stopped> {
    let application = &start.application;
    let namespace = &application.name.namespace;
    let find = |referent, name: String| {
        let read = async move {
            let account = &application.account;
            let references = &agent.references;
            references
                .find(agent, referent, namespace, account, &name)
                .await
        };
        read.boxed()
    };
    let material = Material::gather(namespace, &application.rendering, &find).await?;
    let chart = match &application.rendering.helm.chart {
        Some(chart) => Some(charts::settle(agent, application, chart, start.purpose).await?),
        None => None,
    };
    let spec = (
        &application.path,
        &application.rendering,
        &application.namespace,
        &application.ignore,
        chart.as_ref().map(|chart| (&chart.version, &chart.digest)),
    );
    let text = format!("{} {spec:?}", env!("CARGO_PKG_VERSION"));
    let cluster = agent.cluster.discovery().fingerprint();
    // The key makes it a keyed hash: secrets went in.
    let hash = |cluster: &str| {
        let all = Value::from(vec![
            Value::from(text.as_str()),
            material.fingerprint(),
            Value::from(cluster),
        ]);
        applied_hash(agent.instance.key(), &all)
    };
    let inputs = Inputs {
        alone: hash(""),
        with_cluster: hash(&cluster),
    };
    Ok(Given {
        material,
        chart,
        inputs,
    })
}
