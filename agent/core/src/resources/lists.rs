//! Which lists show what is below the objects of an application: as few as possible.

use std::collections::{BTreeMap, BTreeSet};

use crate::object::ObjectKey;

/// From this many workloads of a namespace on, one list of the whole namespace takes the place of one
/// for each.
const MOST_SELECTORS: usize = 8;
/// The label of the pods of a Job.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// An object that others may be below.
#[derive(Clone, Debug)]
pub struct Root<'a> {
    /// Which.
    pub key: &'a ObjectKey,
    /// The label selector of its pods, where it is a workload.
    pub selector: Option<&'a str>,
}

/// A list of objects of one kind in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Version in the group.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Namespace.
    pub namespace: String,
    /// Label selector; empty for all.
    pub selector: String,
}

/// A kind of what controllers make.
type Kind = (&'static str, &'static str);

const REPLICA_SET: Kind = ("apps", "ReplicaSet");
const POD: Kind = ("", "Pod");
const CLAIM: Kind = ("", "PersistentVolumeClaim");
const JOB: Kind = ("batch", "Job");
/// What an operator may make for a custom resource.
const BY_OPERATORS: [Kind; 7] = [
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    REPLICA_SET,
    JOB,
    POD,
    CLAIM,
];

/// The lists that show what is below these objects; none where nothing can be.
pub fn lists<'a>(roots: impl IntoIterator<Item = Root<'a>>) -> Vec<Wanted> {
    let mut wanted: BTreeMap<(String, Kind), BTreeSet<String>> = BTreeMap::new();
    for Root { key, selector } in roots {
        let Some(namespace) = &key.namespace else {
            continue;
        };
        let mut want = |kind: Kind, selector: &str| {
            let selectors = wanted.entry((namespace.clone(), kind)).or_default();
            selectors.insert(selector.to_owned());
        };
        let own = selector.unwrap_or_default();
        match (key.group.as_str(), key.kind.as_str()) {
            ("apps", "Deployment") => {
                want(REPLICA_SET, own);
                want(POD, own);
            }
            ("apps", "StatefulSet") => {
                want(POD, own);
                want(CLAIM, own);
            }
            ("apps", "DaemonSet" | "ReplicaSet") | ("batch", "Job") => want(POD, own),
            ("", "ReplicationController") => want(POD, ""),
            ("batch", "CronJob") => {
                want(JOB, "");
                want(POD, JOB_NAME);
            }
            (group, _) if is_custom(group) => {
                for kind in BY_OPERATORS {
                    want(kind, "");
                }
            }
            _ => {}
        }
    }
    let lists = wanted
        .into_iter()
        .flat_map(|((namespace, (group, kind)), selectors)| {
            let whole = selectors.contains("") || selectors.len() > MOST_SELECTORS;
            let selectors = if whole {
                BTreeSet::from([String::new()])
            } else {
                selectors
            };
            selectors.into_iter().map(move |selector| Wanted {
                group,
                version: "v1",
                kind,
                namespace: namespace.clone(),
                selector,
            })
        });
    lists.collect()
}

/// Whether the kinds of a group are custom resources that an operator may make workloads for.
fn is_custom(group: &str) -> bool {
    group.contains('.') && !group.ends_with(".k8s.io") && group != "syncline.dev"
}
