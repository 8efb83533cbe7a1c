//! ConfigMaps and Secrets that our objects name, read as a service account of their namespace.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use syncline_cluster::SecretData;
use syncline_core::application::Referent;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use tokio::time::Instant;

use crate::agent::Agent;

/// What was read a short while ago. At rest nothing is asked for.
#[derive(Debug, Default)]
pub(crate) struct References {
    read: Mutex<HashMap<Key, (Instant, Option<SecretData>)>>,
}

/// What it is, the namespace, the account and the name.
type Key = (Referent, String, String, String);

impl References {
    /// The content of a Secret, which has to be there.
    pub(crate) async fn secret(
        &self,
        agent: &Agent,
        namespace: &str,
        account: &str,
        name: &str,
    ) -> Result<SecretData, Failure> {
        let found = self
            .find(agent, Referent::Secret, namespace, account, name)
            .await?;
        found.ok_or_else(|| missing(Referent::Secret, namespace, name))
    }

    /// The content of a ConfigMap or Secret; none where it does not exist.
    pub(crate) async fn find(
        &self,
        agent: &Agent,
        referent: Referent,
        namespace: &str,
        account: &str,
        name: &str,
    ) -> Result<Option<SecretData>, Failure> {
        let key = (
            referent,
            namespace.to_owned(),
            account.to_owned(),
            name.to_owned(),
        );
        let now = agent.clock.monotonic();
        {
            let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, data)) = read.get(&key)
                && now.saturating_duration_since(*at) < agent.settings.secret_ttl
            {
                return Ok(data.clone());
            }
        }
        let failure = |error: syncline_cluster::Error| Failure {
            reason: error.reason(),
            detail: error.to_string(),
        };
        let account = agent
            .cluster
            .account(namespace, account)
            .await
            .map_err(failure)?;
        let data = account
            .data(referent, namespace, name)
            .await
            .map_err(failure)?;
        // What is not there may be made at any moment.
        if data.is_some() {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.insert(key, (now, data.clone()));
        }
        Ok(data)
    }

    /// Forgets what was read in a namespace: credentials were refused, or an object changed.
    pub(crate) fn forget(&self, namespace: &str) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.retain(|(_, of, _, _), _| of != namespace);
    }
}

/// What is said of a ConfigMap or Secret that has to be there and is not.
pub(crate) fn missing(referent: Referent, namespace: &str, name: &str) -> Failure {
    Failure {
        reason: Reason::SecretMissing,
        detail: format!("{} `{namespace}/{name}` does not exist", referent.kind()),
    }
}
