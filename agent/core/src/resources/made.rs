//! An object that a controller made, reduced to what is shown of it.

use jiff::Timestamp;
use serde_json::Value;

use crate::health::{ObjectHealth, assess};
use crate::object::{ObjectKey, group_version};

/// An object below others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Which.
    pub key: ObjectKey,
    /// Its UID.
    pub uid: String,
    /// UIDs of its owners, the controller first.
    pub owners: Vec<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// How it is.
    pub health: ObjectHealth,
    /// How much of it is ready, where that can be counted.
    pub ready: Option<Ready>,
    /// Its containers in the order in which they run, where it is a pod.
    pub containers: Vec<Container>,
    /// The volume claims that it names, where it is a pod.
    pub claims: Vec<String>,
    /// Whether it is the ReplicaSet of an earlier version that has no pods left.
    pub is_past: bool,
}

/// How much of an object is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// How many are.
    pub ready: u32,
    /// How many should be.
    pub wanted: u32,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image as the pod names it.
    pub image: String,
    /// Whether it runs before the others.
    pub init: bool,
    /// Whether it is ready; one that runs before the others is when it ended well.
    pub ready: bool,
    /// How often it was started anew.
    pub restarts: u32,
    /// What it does.
    pub state: ContainerState,
    /// Why, in one word: `CrashLoopBackOff`, `OOMKilled`; may be empty.
    pub reason: String,
    /// Since when, where the kubelet says so.
    pub since: Option<Timestamp>,
    /// Whether there is a log of an earlier run of it.
    pub ran_before: bool,
}

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerState {
    /// It waits to be started.
    Waiting,
    /// It runs.
    Running,
    /// It has ended.
    Ended,
    /// The kubelet has not said anything yet.
    Unknown,
}

impl Made {
    /// Reads a whole object, which names its kind; `None` where it is none.
    pub fn read(object: &Value) -> Option<Self> {
        let metadata = &object["metadata"];
        let (group, version) = group_version(object["apiVersion"].as_str()?);
        let kind = object["kind"].as_str()?;
        let references = metadata["ownerReferences"].as_array();
        let mut owners: Vec<(bool, String)> = references
            .into_iter()
            .flatten()
            .filter_map(|owner| {
                let is_other = owner["controller"] != true;
                Some((is_other, owner["uid"].as_str()?.to_owned()))
            })
            .collect();
        owners.sort_by_key(|(is_other, _)| *is_other);
        let is_pod = (group, kind) == ("", "Pod");
        let ready = ready(object);
        Some(Self {
            key: ObjectKey {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: kind.to_owned(),
                namespace: metadata["namespace"].as_str().map(str::to_owned),
                name: metadata["name"].as_str()?.to_owned(),
            },
            uid: metadata["uid"].as_str()?.to_owned(),
            owners: owners.into_iter().map(|(_, uid)| uid).collect(),
            created: time(&metadata["creationTimestamp"]),
            deleting: metadata["deletionTimestamp"].is_string(),
            health: assess(object),
            is_past: kind == "ReplicaSet"
                && object["spec"]["replicas"] == 0
                && number(&object["status"]["replicas"]) == 0,
            ready,
            containers: if is_pod { containers(object) } else { vec![] },
            claims: if is_pod { claims(object) } else { vec![] },
        })
    }
}

/// How much of an object is ready: replicas of a workload, containers of a pod, completions of a
/// Job; `None` for any other kind.
pub fn ready(object: &Value) -> Option<Ready> {
    let group = group_version(object["apiVersion"].as_str()?).0;
    let (spec, status) = (&object["spec"], &object["status"]);
    let one = |value: &Value| value.as_u64().map_or(1, |count| count as u32);
    let (ready, wanted) = match (group, object["kind"].as_str()?) {
        ("apps", "Deployment" | "StatefulSet" | "ReplicaSet") => {
            (number(&status["readyReplicas"]), one(&spec["replicas"]))
        }
        ("apps", "DaemonSet") => (
            number(&status["numberReady"]),
            number(&status["desiredNumberScheduled"]),
        ),
        ("batch", "Job") => (number(&status["succeeded"]), one(&spec["completions"])),
        ("", "Pod") => {
            let all = spec["containers"].as_array().map_or(0, Vec::len);
            let statuses = status["containerStatuses"].as_array();
            let ready = statuses.into_iter().flatten();
            let ready = ready.filter(|container| container["ready"] == true).count();
            (ready as u32, all as u32)
        }
        _ => return None,
    };
    Some(Ready { ready, wanted })
}

fn containers(pod: &Value) -> Vec<Container> {
    let lists = [
        ("initContainers", "initContainerStatuses"),
        ("containers", "containerStatuses"),
        ("ephemeralContainers", "ephemeralContainerStatuses"),
    ];
    let mut all = Vec::new();
    for (list, statuses) in lists {
        let statuses = pod["status"][statuses].as_array();
        for container in pod["spec"][list].as_array().into_iter().flatten() {
            let Some(name) = container["name"].as_str() else {
                continue;
            };
            let status = statuses
                .into_iter()
                .flatten()
                .find(|status| status["name"] == name);
            // One that stays beside the others is none that runs before them.
            let init = list == "initContainers" && container["restartPolicy"] != "Always";
            all.push(self::container(
                name,
                init,
                container,
                status.unwrap_or(&Value::Null),
            ));
        }
    }
    all
}

fn container(name: &str, init: bool, spec: &Value, status: &Value) -> Container {
    let now = &status["state"];
    let (state, told, since) = if now["running"].is_object() {
        let running = &now["running"];
        (ContainerState::Running, running, &running["startedAt"])
    } else if now["terminated"].is_object() {
        let ended = &now["terminated"];
        (ContainerState::Ended, ended, &ended["finishedAt"])
    } else if now["waiting"].is_object() {
        (ContainerState::Waiting, &now["waiting"], &Value::Null)
    } else {
        (ContainerState::Unknown, &Value::Null, &Value::Null)
    };
    Container {
        name: name.to_owned(),
        image: spec["image"].as_str().unwrap_or_default().to_owned(),
        init,
        ready: status["ready"] == true,
        restarts: number(&status["restartCount"]),
        state,
        reason: told["reason"].as_str().unwrap_or_default().to_owned(),
        since: time(since),
        ran_before: status["lastState"]["terminated"].is_object(),
    }
}

fn claims(pod: &Value) -> Vec<String> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let claims = volumes.filter_map(|v| v["persistentVolumeClaim"]["claimName"].as_str());
    claims.map(str::to_owned).collect()
}

fn number(value: &Value) -> u32 {
    let count = value.as_u64().unwrap_or_default();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
