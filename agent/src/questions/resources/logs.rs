//! The logs of pods of an application, as a stream: masked, bounded, and ended with its reader.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, SelectAll};
use futures::{Stream, StreamExt as _};
use syncline_cluster::{Account, Error, LogLines, LogQuery, RawLine};
use syncline_core::logs::{self, LogMask, Read};
use syncline_core::resources::{Container, ContainerState};
use syncline_core::secret_inputs::SecretInputs;
use syncline_web_ui::views::{LogEntry, LogLine, LogNote, MissingRight};
use syncline_web_ui::{LogStream, LogsWanted, Unanswered};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::look::Look;
use super::object::pod;
use super::rights::{is_forbidden, named};
use crate::settings::AgentSettings;

/// How many logs are opened at the same time.
const OPENINGS: usize = 8;
/// Lines of each container where the reader does not say.
const LINES: u32 = 500;

/// The log of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    namespace: String,
    pod: String,
    container: String,
}

impl Source {
    fn note(&self, text: impl Into<String>) -> LogEntry {
        LogEntry::Note(LogNote {
            pod: Some(self.pod.clone()),
            container: Some(self.container.clone()),
            text: text.into(),
        })
    }
}

/// The containers whose logs are wanted, the newest pods first; `None` where a pod or container is
/// named that the application does not have.
pub(super) fn sources(tree: &Look, wanted: &LogsWanted) -> Option<Vec<Source>> {
    let mut pods: Vec<_> = tree
        .nodes
        .iter()
        .filter(|node| pod(node).is_some())
        .collect();
    pods.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.key.cmp(&b.key)));
    let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|one| one == is);
    let mut sources = Vec::new();
    for node in pods {
        let namespace = node.key.namespace.clone()?;
        if !fits(&wanted.pod, &node.key.name) || !fits(&wanted.namespace, &namespace) {
            continue;
        }
        let containers = node.containers.iter();
        let containers = containers.filter(|one| fits(&wanted.container, &one.name));
        // Of all that is there, what has no log would only be a note.
        let named = wanted.pod.is_some() && wanted.container.is_some();
        let containers = containers.filter(|one| named || has_log(one, wanted.previous));
        sources.extend(containers.map(|one| Source {
            namespace: namespace.clone(),
            pod: node.key.name.clone(),
            container: one.name.clone(),
        }));
    }
    let is_named = wanted.pod.is_some() || wanted.container.is_some();
    let is_there = || {
        tree.nodes.iter().filter_map(pod).any(|pod| {
            let mut containers = pod.containers.iter();
            fits(&wanted.pod, &pod.name) && containers.any(|one| fits(&wanted.container, one))
        })
    };
    (!is_named || is_there()).then_some(sources)
}

fn has_log(container: &Container, previous: bool) -> bool {
    if previous {
        return container.ran_before;
    }
    container.ran_before || !matches!(container.state, ContainerState::Waiting)
}

/// Opens the logs, and streams them until their ends or a bound. A right that is missing is an answer
/// of its own; a container that has no log is a note.
pub(super) async fn open(
    settings: &AgentSettings,
    account: &Account,
    mut sources: Vec<Source>,
    wanted: &LogsWanted,
    hidden: Arc<SecretInputs>,
    place: OwnedSemaphorePermit,
) -> Result<LogStream, Unanswered> {
    let mut notes = Vec::new();
    let most = settings.pod_log_containers;
    if sources.len() > most {
        let text = format!(
            "the logs of the {most} newest of {} containers are read: choose a pod for another",
            sources.len()
        );
        notes.push(all(text));
        sources.truncate(most);
    }
    if sources.is_empty() {
        notes.push(all(
            "no container of the application has such a log".to_owned()
        ));
    }
    let limit = settings.look_timeout;
    let opened = stream::iter(sources.into_iter().map(|source| async move {
        let query = LogQuery {
            container: &source.container,
            previous: wanted.previous,
            since: wanted.since,
            tail: Some(wanted.tail.unwrap_or(LINES)),
            follow: wanted.follow,
        };
        let lines = account.log_lines(&source.namespace, &source.pod, query);
        let lines = tokio::time::timeout(limit, lines).await;
        let lines = lines.unwrap_or(Err(Error::Timeout(limit)));
        (source.clone(), lines)
    }))
    .buffered(OPENINGS)
    .collect::<Vec<_>>()
    .await;
    let mut logs = SelectAll::new();
    for (source, lines) in opened {
        match lines {
            Ok(lines) => {
                let mask = LogMask::new(Arc::clone(&hidden));
                logs.push(lines_of(source, lines, mask));
            }
            Err(error) if is_forbidden(&error) => {
                let namespace = Some(source.namespace.as_str());
                let account = named(account);
                let right = MissingRight::new("get", "", "pods/log", namespace, &account);
                return Err(Unanswered::Forbidden(right.sentence));
            }
            Err(error) => {
                let why = logs::masked(&error.to_string(), &hidden);
                notes.push(source.note(format!("its log cannot be read: {why}")));
            }
        }
    }
    let bounds = Bounds {
        bytes: settings.pod_log_bytes,
        ends: Instant::now() + settings.pod_log_time,
        time: settings.pod_log_time,
    };
    let logs = stream::iter(notes).chain(logs);
    Ok(bounded(logs, bounds, place).boxed())
}

fn all(text: String) -> LogEntry {
    LogEntry::Note(LogNote {
        pod: None,
        container: None,
        text,
    })
}

/// The lines of one container without secrets.
fn lines_of(source: Source, lines: LogLines, mask: LogMask) -> BoxStream<'static, LogEntry> {
    let state = (source, lines, mask);
    stream::unfold(state, |(source, mut lines, mut mask)| async move {
        loop {
            let raw = lines.next().await?;
            let line = match &raw {
                RawLine::Whole(text) => mask.line(Read::Whole(text)),
                RawLine::Cut(text) => mask.line(Read::Cut(text)),
            };
            if let Some(line) = line {
                let entry = LogEntry::Line(LogLine {
                    pod: source.pod.clone(),
                    container: source.container.clone(),
                    time: line.time,
                    text: line.text,
                });
                return Some((entry, (source, lines, mask)));
            }
        }
    })
    .boxed()
}

struct Bounds {
    bytes: usize,
    ends: Instant,
    time: Duration,
}

/// Ends a stream at its bounds, and says which one that was. Its place is free when it is dropped.
fn bounded(
    logs: impl Stream<Item = LogEntry> + Send + 'static,
    bounds: Bounds,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = LogEntry> + Send {
    struct Open<S> {
        logs: S,
        bounds: Bounds,
        written: usize,
        _place: OwnedSemaphorePermit,
    }
    let open = Open {
        logs: Box::pin(logs),
        bounds,
        written: 0,
        _place: place,
    };
    stream::unfold(Some(open), |open| async move {
        let mut open = open?;
        let bounds = &open.bounds;
        let end = |text: String| {
            let (pod, container) = (None, None);
            let note = LogNote {
                pod,
                container,
                text,
            };
            Some((LogEntry::End(note), None))
        };
        if open.written >= bounds.bytes {
            let text = format!("the end of what one look reads: {} bytes", bounds.bytes);
            return end(text);
        }
        match tokio::time::timeout_at(bounds.ends, open.logs.next()).await {
            Ok(Some(entry)) => {
                if let LogEntry::Line(line) = &entry {
                    open.written += line.text.len() + line.pod.len() + line.container.len();
                }
                Some((entry, Some(open)))
            }
            Ok(None) => end("the end of the log".to_owned()),
            Err(_) => end(format!(
                "the end of the time of one look: {:?}",
                bounds.time
            )),
        }
    })
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    fn line(text: &str) -> LogEntry {
        LogEntry::Line(LogLine {
            pod: "web-1".into(),
            container: "web".into(),
            time: None,
            text: text.into(),
        })
    }

    async fn said(
        logs: impl Stream<Item = LogEntry> + Send + 'static,
        bytes: usize,
        time: Duration,
    ) -> (Vec<String>, usize) {
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().unwrap();
        let bounds = Bounds {
            bytes,
            ends: Instant::now() + time,
            time,
        };
        let entries: Vec<LogEntry> = bounded(logs, bounds, place).collect().await;
        let said = entries.into_iter().map(|entry| match entry {
            LogEntry::Line(line) => line.text,
            LogEntry::Note(note) => format!("note: {}", note.text),
            LogEntry::End(note) => format!("end: {}", note.text),
        });
        (said.collect(), places.available_permits())
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_at_each_of_its_bounds_says_so_and_gives_its_place_back() {
        let hour = Duration::from_hours(1);
        let (all, free) = said(stream::iter([line("a"), line("b")]), 1000, hour).await;
        assert_eq!(
            (all.join("|").as_str(), free),
            ("a|b|end: the end of the log", 1)
        );

        let endless = stream::repeat_with(|| line(&"x".repeat(92)));
        let (all, _) = said(endless, 250, hour).await;
        assert_eq!(all.len(), 4);
        assert_eq!(all[3], "end: the end of what one look reads: 250 bytes");

        let quiet = stream::iter([line("a")]).chain(stream::pending());
        let (all, _) = said(quiet, 1000, hour).await;
        assert_eq!(
            all.join("|"),
            "a|end: the end of the time of one look: 3600s"
        );
    }
}
