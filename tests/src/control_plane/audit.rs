//! The audit log of the API server: the proof of what was written, and by whom.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// What is logged: every request, but for the reading of the control plane's own parts.
pub(super) const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ['system:apiserver', 'system:kube-controller-manager', 'system:kube-scheduler', kwok]
  verbs: [get, list, watch]
- level: None
  userGroups: ['system:serviceaccounts:kube-system']
  verbs: [get, list, watch]
- level: Metadata
";

/// Reads the audit log from a mark on.
#[derive(Clone, Debug)]
pub struct Audit {
    file: PathBuf,
    from: u64,
}

/// One request that the API server has answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// How far the request was when this was written; `ResponseComplete` for an answered one.
    pub stage: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Path and query of the request.
    #[serde(rename = "requestURI")]
    pub uri: String,
    /// Who asked.
    pub user: User,
    /// As whom, where the request impersonated somebody.
    pub impersonated_user: Option<User>,
    /// The program that asked.
    #[serde(default)]
    pub user_agent: String,
    /// The object, where the request was about one.
    pub object_ref: Option<ObjectRef>,
    /// The answer.
    pub response_status: Option<ResponseStatus>,
    /// When this was written, RFC 3339.
    #[serde(default)]
    pub stage_timestamp: String,
}

/// A user as the API server knows it.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// Its name.
    #[serde(default)]
    pub username: String,
}

/// The object of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// Plural name of the kind.
    pub resource: String,
    /// Namespace, empty for an object of the cluster.
    pub namespace: String,
    /// Name, empty for a list.
    pub name: String,
    /// API group.
    pub api_group: String,
    /// `status`, `scale`, ...; empty for the object itself.
    pub subresource: String,
}

/// The answer to a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ResponseStatus {
    /// HTTP status.
    pub code: u16,
}

impl AuditEvent {
    /// Whether it could change anything: not a read, not a dry run.
    pub fn is_write(&self) -> bool {
        let reading = ["get", "list", "watch"].contains(&self.verb.as_str());
        !reading && !self.uri.contains("dryRun=All")
    }

    /// As whom the request was made: the impersonated user, or else the asking one.
    pub fn effective_user(&self) -> &str {
        &self
            .impersonated_user
            .as_ref()
            .unwrap_or(&self.user)
            .username
    }

    /// The object of the request; all empty where there is none.
    pub fn object(&self) -> ObjectRef {
        self.object_ref.clone().unwrap_or_default()
    }
}

impl Audit {
    pub(super) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            from: 0,
        }
    }

    /// A reader of what comes after now.
    pub fn from_now(&self) -> Result<Self> {
        let from = std::fs::metadata(&self.file)
            .context("read the audit log")?
            .len();
        Ok(Self {
            file: self.file.clone(),
            from,
        })
    }

    /// All answered requests since the mark, in the order of the answers.
    pub fn events(&self) -> Result<Vec<AuditEvent>> {
        self.clone().take()
    }

    /// The answered requests since the mark, which moves behind them.
    pub fn take(&mut self) -> Result<Vec<AuditEvent>> {
        let mut file = std::fs::File::open(&self.file).context("open the audit log")?;
        // The mark may be inside a line: its beginning was written before, so it does not count.
        let start = self.from.saturating_sub(1);
        file.seek(SeekFrom::Start(start))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).context("read the audit log")?;
        let skipped = match self.from {
            0 => 0,
            _ => match text.iter().position(|byte| *byte == b'\n') {
                Some(end) => end + 1,
                None => return Ok(Vec::new()),
            },
        };
        // The last line may be half written.
        let end = text.iter().rposition(|byte| *byte == b'\n');
        let end = end.map_or(skipped, |end| end + 1);
        self.from = start + end as u64;
        std::str::from_utf8(&text[skipped..end])?
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("audit line {line}")))
            .collect()
    }

    /// The events that could change something.
    pub fn writes(&self) -> Result<Vec<AuditEvent>> {
        Ok(self
            .events()?
            .into_iter()
            .filter(AuditEvent::is_write)
            .collect())
    }
}
