//! Pods of a workload that runs to an end, and what their containers said.

use std::collections::VecDeque;
use std::time::Duration;

use futures::AsyncReadExt as _;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::api::{ListParams, LogParams};
use kube::core::Request as Logs;

use super::built;
use crate::connect::Account;
use crate::error::Error;

/// Which part of a log is read.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// Most lines, counted from the end.
    pub lines: usize,
    /// Most bytes, counted from the end; a line that does not fit whole is left out.
    pub bytes: usize,
    /// How long the reading may take.
    pub timeout: Duration,
}

/// Which pods are meant.
#[derive(Clone, Copy, Debug)]
pub enum Pods<'a> {
    /// The one of this name.
    Named(&'a str),
    /// Those of the Job of this name, by the label that it gives them.
    OfJob(&'a str),
}

/// A pod, and which of its containers are worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastPod {
    /// Its name.
    pub name: String,
    /// The containers that did not end well, in the order in which they run, those of the
    /// initialisation first; all that ran where each ended well or none has ended.
    pub containers: Vec<String>,
}

/// Most pods of one workload that are looked at.
const MOST_PODS: u32 = 100;
/// How many bytes are read at once.
const CHUNK: usize = 16 * 1024;

impl Account {
    /// The pod that was created last; none where there is none.
    pub async fn last_pod(
        &self,
        namespace: &str,
        pods: Pods<'_>,
    ) -> Result<Option<LastPod>, Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let found = match pods {
            Pods::Named(name) => self.run(api.get_opt(name)).await?.into_iter().collect(),
            Pods::OfJob(job) => {
                let params = ListParams::default()
                    .labels(&format!("job-name={job}"))
                    .limit(MOST_PODS);
                self.run(api.list(&params)).await?.items
            }
        };
        Ok(newest(found).map(|pod| LastPod {
            containers: failed(&pod),
            name: pod.metadata.name.unwrap_or_default(),
        }))
    }

    /// The end of the log of a container, also of one that has ended; bytes that are not UTF-8 are
    /// replaced. What came in time is the answer where the rest does not come.
    ///
    /// It may hold values of Secrets: what the container printed. Fails where the account may not
    /// read logs, and where there is none.
    pub async fn pod_logs(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        options: LogOptions,
    ) -> Result<String, Error> {
        let params = LogParams {
            container: Some(container.to_owned()),
            tail_lines: i64::try_from(options.lines).ok(),
            ..LogParams::default()
        };
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let request = built(Logs::new(path).logs(pod, &params))?;
        let mut end: VecDeque<u8> = VecDeque::new();
        let mut is_cut = false;
        let read = async {
            let stream = self.run(self.client.request_stream(request)).await?;
            let mut stream = std::pin::pin!(stream);
            let mut chunk = vec![0; CHUNK];
            loop {
                // A connection that breaks in the middle ends it as well.
                let count = stream.read(&mut chunk).await.unwrap_or_default();
                if count == 0 {
                    return Ok::<(), Error>(());
                }
                end.extend(&chunk[..count]);
                let more = end.len().saturating_sub(options.bytes);
                end.drain(..more);
                is_cut |= more > 0;
            }
        };
        if let Ok(read) = tokio::time::timeout(options.timeout, read).await {
            read?;
        }
        let mut bytes: Vec<u8> = end.into();
        if is_cut {
            // Half a line may hold half a secret, which nobody would recognise.
            let line = bytes.iter().position(|byte| *byte == b'\n');
            bytes.drain(..line.map_or(bytes.len(), |at| at + 1));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The pod that was created last.
fn newest(pods: Vec<Pod>) -> Option<Pod> {
    let created = |pod: &Pod| {
        let at = pod.metadata.creation_timestamp.as_ref();
        (at.map(|at| at.0), pod.metadata.name.clone())
    };
    pods.into_iter().max_by_key(created)
}

/// See [`LastPod::containers`].
fn failed(pod: &Pod) -> Vec<String> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let init = status.init_container_statuses.iter().flatten();
    let all: Vec<&ContainerStatus> = init
        .chain(status.container_statuses.iter().flatten())
        .collect();
    let ended = |container: &ContainerStatus| {
        let states = [&container.state, &container.last_state];
        let mut ends = states.into_iter().flatten();
        ends.find_map(|state| Some(state.terminated.as_ref()?.exit_code))
    };
    let ran = |container: &ContainerStatus| {
        let running = container
            .state
            .as_ref()
            .is_some_and(|s| s.running.is_some());
        running || ended(container).is_some()
    };
    let bad = all
        .iter()
        .filter(|c| ended(c).is_some_and(|code| code != 0));
    let bad: Vec<String> = bad.map(|container| container.name.clone()).collect();
    if !bad.is_empty() {
        return bad;
    }
    let ran = all.iter().filter(|container| ran(container));
    ran.map(|container| container.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, created: &str, status: &Value) -> Pod {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "creationTimestamp": created },
            "status": status,
        }))
        .unwrap()
    }

    fn container(name: &str, state: &Value) -> Value {
        json!({ "name": name, "state": state, "image": "x", "imageID": "x",
                "ready": false, "restartCount": 0 })
    }

    #[test]
    fn the_containers_that_failed_are_asked_init_containers_first() {
        let ended = |code: i32| json!({ "terminated": { "exitCode": code } });
        let running = json!({ "running": {} });
        let waiting = json!({ "waiting": { "reason": "PodInitializing" } });
        for (init, main, expected) in [
            (ended(1), waiting.clone(), vec!["init"]),
            (ended(0), ended(2), vec!["main"]),
            (ended(3), ended(2), vec!["init", "main"]),
            (ended(0), running, vec!["init", "main"]),
            (ended(0), waiting.clone(), vec!["init"]),
            (waiting.clone(), waiting, vec![]),
        ] {
            let status = json!({
                "initContainerStatuses": [container("init", &init)],
                "containerStatuses": [container("main", &main)],
            });
            let pod = pod("a", "2026-11-21T10:00:00Z", &status);
            assert_eq!(failed(&pod), expected, "{status}");
        }
    }

    #[test]
    fn a_container_that_waits_to_be_started_again_failed_before() {
        let mut again = container(
            "main",
            &json!({ "waiting": { "reason": "CrashLoopBackOff" } }),
        );
        again["lastState"] = json!({ "terminated": { "exitCode": 1 } });
        let status = json!({ "containerStatuses": [again] });
        assert_eq!(failed(&pod("a", "2026-11-21T10:00:00Z", &status)), ["main"]);
    }

    #[test]
    fn the_newest_pod_is_the_one_that_was_created_last() {
        let status = json!({});
        let pods = vec![
            pod("b", "2026-11-21T10:00:00Z", &status),
            pod("c", "2026-11-21T11:00:00Z", &status),
            pod("a", "2026-11-21T09:00:00Z", &status),
        ];
        let newest = newest(pods).unwrap();
        assert_eq!(newest.metadata.name.as_deref(), Some("c"));
    }
}
