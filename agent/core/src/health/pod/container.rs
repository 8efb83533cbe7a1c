//! The containers of a pod: which one keeps it from being ready, and why.

use serde_json::Value;

use super::super::{Health, plural, quoted};
use super::Finding;

/// What keeps a container from its work.
pub(super) enum Trouble {
    /// It does not start by itself: somebody has to change something.
    Stuck(Finding),
    /// It may still come.
    Passing(Finding),
}

/// The kubelet asks for the image again and again; both words alternate.
const IMAGE: [&str; 2] = ["ImagePullBackOff", "ErrImagePull"];
/// A container that waits for one of these does not start as it is written.
const WRONG: [&str; 7] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImageInspectError",
    "InvalidImageName",
    "PostStartHookError",
    "RunContainerError",
];
/// A container that waits for one of these is on its way.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// The most telling trouble of all containers; those that run before the others first.
pub(super) fn worst(status: &Value) -> Option<Trouble> {
    let mut worst: Option<Trouble> = None;
    for container in containers(status) {
        let Some(found) = trouble(container) else {
            continue;
        };
        if worst
            .as_ref()
            .is_none_or(|so_far| found.weight() > so_far.weight())
        {
            worst = Some(found);
        }
    }
    worst
}

impl Trouble {
    fn weight(&self) -> u8 {
        match self {
            Self::Stuck(found) | Self::Passing(found) => found.weight,
        }
    }
}

/// The container that ended with an error.
pub(super) fn failed(status: &Value) -> Option<String> {
    containers(status).find_map(|container| {
        let end = end(&container["state"]["terminated"])?;
        Some(format!("the container `{}` {end}", name(container)))
    })
}

fn containers(status: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|list| status[list].as_array().into_iter().flatten())
}

fn name(container: &Value) -> &str {
    container["name"].as_str().unwrap_or_default()
}

fn trouble(container: &Value) -> Option<Trouble> {
    let name = name(container);
    let waiting = &container["state"]["waiting"];
    let reason = waiting["reason"].as_str().unwrap_or_default();
    let message = quoted(waiting["message"].as_str().unwrap_or_default());
    let last = end(&container["lastState"]["terminated"]);
    if IMAGE.contains(&reason) {
        let image = container["image"].as_str().unwrap_or_default();
        let why = about_image(image, &message).map_or(message, |why| why);
        return Some(stuck(9, name, "ImagePullBackOff", &why));
    }
    if WRONG.contains(&reason) {
        return Some(stuck(10, name, reason, &message));
    }
    if reason == "CrashLoopBackOff" {
        // Its own message names the pod and a time that grows; the last end says more.
        let why = last.map(|last| format!("it {last}")).unwrap_or_default();
        let Trouble::Stuck(mut found) = stuck(8, name, reason, &why) else {
            return None;
        };
        found.detail = restarts(container);
        return Some(Trouble::Stuck(found));
    }
    if let Some(end) = end(&container["state"]["terminated"]) {
        return Some(passing(container, format!("the container `{name}` {end}")));
    }
    if container["ready"] == false && waiting.is_null() {
        let last = last?;
        let sentence = format!("the container `{name}` is not ready; before, it {last}");
        return Some(passing(container, sentence));
    }
    if !reason.is_empty() && !STARTING.contains(&reason) {
        let sentence = format!("the container `{name}` waits: {}", quoted(reason));
        return Some(passing(container, sentence));
    }
    None
}

fn stuck(weight: u8, name: &str, reason: &str, why: &str) -> Trouble {
    let mut sentence = format!("the container `{name}` does not start: {reason}");
    if !why.is_empty() {
        sentence.push_str(": ");
        sentence.push_str(why);
    }
    Trouble::Stuck(Finding::new(weight, Health::Degraded, sentence))
}

fn passing(container: &Value, sentence: String) -> Trouble {
    let mut found = Finding::new(5, Health::Progressing, sentence);
    found.detail = restarts(container);
    Trouble::Passing(found)
}

fn restarts(container: &Value) -> String {
    match container["restartCount"].as_i64() {
        Some(number) if number > 0 => format!(", {}", plural(number, "restart")),
        _ => String::new(),
    }
}

/// `ended with exit code 2`, `was killed: OOMKilled (out of memory)`; `None` for a good end.
fn end(terminated: &Value) -> Option<String> {
    let code = terminated["exitCode"].as_i64()?;
    let reason = terminated["reason"].as_str().unwrap_or_default();
    let message = terminated["message"].as_str().unwrap_or_default();
    let message = message
        .trim()
        .lines()
        .last()
        .map(quoted)
        .unwrap_or_default();
    match (code, reason) {
        (_, "OOMKilled") => {
            Some("was killed: OOMKilled, it needs more memory than its limit".into())
        }
        (0, _) => None,
        (code, _) if message.is_empty() => Some(format!("ended with exit code {code}")),
        (code, _) => Some(format!("ended with exit code {code}: {message}")),
    }
}

/// What a registry says, in one short sentence; `None` where it is not understood.
fn about_image(image: &str, message: &str) -> Option<String> {
    let said = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let image = quoted(image);
    if says(&["429", "toomanyrequests", "too many requests", "rate limit"]) {
        return Some(format!(
            "the registry of {image} allows no more requests for now"
        ));
    }
    if says(&[
        "401",
        "403",
        "unauthorized",
        "forbidden",
        "denied",
        "authentication required",
    ]) {
        return Some(format!(
            "the registry refuses {image} to the node, or it does not exist"
        ));
    }
    if says(&[
        "no such host",
        "timeout",
        "deadline exceeded",
        "connection refused",
        "unreachable",
    ]) {
        return Some(format!("the registry of {image} cannot be reached"));
    }
    if says(&["x509", "certificate"]) {
        return Some(format!(
            "the certificate of the registry of {image} is not trusted"
        ));
    }
    if says(&["no match for platform", "no matching manifest"]) {
        return Some(format!("{image} is not made for the platform of the node"));
    }
    if says(&["not found", "manifest unknown", "notfound"]) {
        return Some(match tag(&image) {
            Some(tag) => format!("tag {tag} not found ({image})"),
            None => format!("{image} not found"),
        });
    }
    None
}

/// The tag of a reference; `None` for a digest.
fn tag(image: &str) -> Option<&str> {
    let last = image.rsplit('/').next()?;
    (!last.contains('@')).then(|| last.split_once(':').map(|(_, tag)| tag))?
}
