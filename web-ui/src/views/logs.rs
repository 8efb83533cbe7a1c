//! The logs of pods: a stream of entries.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// One line of a stream of logs: each is a JSON object on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum LogEntry {
    /// A container wrote something.
    Line(LogLine),
    /// Something about a container or the stream, for people.
    Note(LogNote),
    /// The stream ends, and why.
    End(LogNote),
}

/// What a container wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// When, where the kubelet says so.
    pub time: Option<Timestamp>,
    /// The line, without secrets.
    pub text: String,
}

/// A sentence in a stream of logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogNote {
    /// Name of the pod that it is about; absent where it is about all.
    pub pod: Option<String>,
    /// Name of the container that it is about.
    pub container: Option<String>,
    /// The sentence.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_of_a_log_says_what_it_is() {
        let line = LogEntry::Line(LogLine {
            pod: "web-1".into(),
            container: "web".into(),
            time: None,
            text: "hello".into(),
        });
        let text = serde_json::to_string(&line).unwrap_or_default();
        assert_eq!(
            text,
            r#"{"type":"line","pod":"web-1","container":"web","time":null,"text":"hello"}"#
        );
    }
}
