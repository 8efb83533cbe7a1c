//! What the containers of a hook said before they failed.

use syncline_cluster::{Account, LogOptions, Pods};
use syncline_core::hooks::shorten;
use syncline_core::object::ObjectKey;
use syncline_core::secret_inputs::SecretInputs;

use crate::agent::Agent;

/// How many times as many bytes are read as are kept: what is masked becomes shorter, and half a
/// secret at the beginning of what was read is cut off with the rest.
const READ: usize = 2;

/// The log of the newest pod of an object; see [`super::logs`].
pub(super) async fn of_run(
    agent: &Agent,
    account: &Account,
    key: &ObjectKey,
    secrets: &SecretInputs,
) -> Option<String> {
    let namespace = key.namespace.as_deref()?;
    let pods = match (key.group.as_str(), key.kind.as_str()) {
        ("", "Pod") => Pods::Named(&key.name),
        _ => Pods::OfJob(&key.name),
    };
    let pod = match account.last_pod(namespace, pods).await {
        Ok(pod) => pod?,
        Err(error) => return Some(unread(secrets, "the pods", &error)),
    };
    let name = &pod.name;
    let settings = &agent.settings;
    let options = LogOptions {
        lines: settings.hook_log_lines,
        bytes: settings.hook_log_bytes.saturating_mul(READ),
        timeout: settings.request_timeout,
    };
    // Each container has its share, below a line that names it.
    let share = pod.containers.len().max(1);
    let (lines, bytes) = (
        settings.hook_log_lines / share,
        settings.hook_log_bytes / share,
    );
    let mut parts = Vec::new();
    for container in &pod.containers {
        let title = format!("pod {name}, container {container}:");
        let log = account.pod_logs(namespace, name, container, options);
        parts.push(match log.await {
            Ok(log) => {
                let room = bytes.saturating_sub(title.len() + 2);
                let said = shorten(&log, secrets, lines.saturating_sub(1), room);
                format!("{title}\n{said}")
            }
            Err(error) => unread(secrets, &format!("the log of pod {name}"), &error),
        });
    }
    (!parts.is_empty()).then(|| parts.join("\n"))
}

fn unread(secrets: &SecretInputs, what: &str, error: &syncline_cluster::Error) -> String {
    let text = format!("{what} cannot be read: {error}");
    secrets.mask_text(&text).into_owned()
}
