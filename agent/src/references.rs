//! ConfigMaps and Secrets that our objects name, read as a service account of their namespace.
//!
//! What was read is believed for a while, and no longer once its watch says that it changed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use syncline_cluster::SecretData;
use syncline_cluster::named::{Answer, Content, Event, Target};
use syncline_core::application::Referent;
use syncline_core::digest::Digest;
use syncline_core::outcome::Failure;
use syncline_core::reason::{Class, Reason};
use tokio::time::Instant;

use crate::agent::Agent;

/// What was read a short while ago. At rest nothing is asked for.
#[derive(Debug, Default)]
pub(crate) struct References {
    entries: Mutex<HashMap<Key, Entry>>,
    /// The names of the pull secrets of service accounts, and when they were read.
    pull_secrets: Mutex<PullSecrets>,
}

/// By namespace and name of the account.
type PullSecrets = HashMap<(String, String), (Instant, Vec<String>)>;

/// What it is, the namespace, the account and the name.
type Key = (Referent, String, String, String);

#[derive(Debug, Default)]
struct Entry {
    /// What was read, and when.
    data: Option<(Instant, SecretData)>,
    /// How the last read ended; `None` before the first one.
    last: Option<Read>,
    /// How often it was forgotten: a read that began before that is not kept.
    forgotten: u64,
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Data(Digest),
    Absent,
    Failed,
}

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
        let forgotten = {
            let mut entries = self.lock();
            let entry = entries.entry(key.clone()).or_default();
            if let Some((at, data)) = &entry.data {
                if now.saturating_duration_since(*at) < agent.settings.secret_ttl {
                    return Ok(Some(data.clone()));
                }
                entry.data = None;
            }
            entry.forgotten
        };
        let found = read(agent, referent, namespace, account, name).await;
        let last = match &found {
            Ok(Some(data)) => Read::Data(data.fingerprint(agent.instance.key())),
            Ok(None) => Read::Absent,
            Err(_) => Read::Failed,
        };
        let mut entries = self.lock();
        let entry = entries.entry(key).or_default();
        entry.last = Some(last);
        // What is not there may be made at any moment.
        if let Ok(Some(data)) = &found
            && entry.forgotten == forgotten
        {
            entry.data = Some((now, data.clone()));
        }
        found
    }

    /// The names of the pull secrets of a service account. None where the account does not exist or
    /// the agent may not read it: a policy whose image is public needs neither.
    pub(crate) async fn pull_secrets(
        &self,
        agent: &Agent,
        namespace: &str,
        account: &str,
    ) -> Result<Vec<String>, Failure> {
        let key = (namespace.to_owned(), account.to_owned());
        let now = agent.clock.monotonic();
        if let Some((at, names)) = self.lock_pull_secrets().get(&key)
            && now.saturating_duration_since(*at) < agent.settings.secret_ttl
        {
            return Ok(names.clone());
        }
        let found = agent.cluster.agent().pull_secrets(namespace, account).await;
        let names = match found {
            Ok(names) => names,
            Err(error) if error.reason().class() == Class::Denied => Vec::new(),
            Err(error) => {
                return Err(Failure {
                    reason: error.reason(),
                    detail: format!("service account `{namespace}/{account}`: {error}"),
                });
            }
        };
        self.lock_pull_secrets().insert(key, (now, names.clone()));
        Ok(names)
    }

    fn lock_pull_secrets(&self) -> MutexGuard<'_, PullSecrets> {
        self.pull_secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was read in a namespace: credentials were refused, or an object changed.
    pub(crate) fn forget(&self, namespace: &str) {
        self.lock_pull_secrets()
            .retain(|(of, _), _| of != namespace);
        for ((_, of, _, _), entry) in &mut *self.lock() {
            if of == namespace {
                entry.forget();
            }
        }
    }

    /// Takes in what the watch of a ConfigMap or Secret says, and forgets what was read of it before.
    /// Answers whether who names it has to act: its data are others than they were, or, where nothing
    /// was known of it, than they were read.
    pub(crate) fn is_news(&self, event: &Event, before: Option<&Answer>) -> bool {
        let known = |answer: &Answer| match answer {
            Answer::Present(Content::Data(digest)) => Some(Read::Data(*digest)),
            Answer::Absent => Some(Read::Absent),
            Answer::Present(Content::Whole(_)) | Answer::Unreadable(_) => None,
        };
        let (Some(is), Some(key)) = (known(&event.answer), key_of(&event.target)) else {
            return false;
        };
        let mut entries = self.lock();
        let entry = entries.entry(key).or_default();
        let was_read = entry.last;
        if was_read != Some(is) {
            entry.forget();
        }
        match before.and_then(known) {
            Some(was) => was != is,
            None => was_read.is_some_and(|was| was != is),
        }
    }

    /// Nobody names the object any more.
    pub(crate) fn drop(&self, target: &Target) {
        if let Some(key) = key_of(target) {
            self.lock().remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn forget(&mut self) {
        self.data = None;
        self.forgotten += 1;
    }
}

fn key_of(target: &Target) -> Option<Key> {
    let referents = [Referent::ConfigMap, Referent::Secret];
    let referent = referents
        .into_iter()
        .find(|referent| referent.kind() == target.key.kind)?;
    let namespace = target.key.namespace.clone()?;
    let (account, name) = (target.account.clone(), target.key.name.clone());
    Some((referent, namespace, account, name))
}

async fn read(
    agent: &Agent,
    referent: Referent,
    namespace: &str,
    account: &str,
    name: &str,
) -> Result<Option<SecretData>, Failure> {
    let failure = |error: syncline_cluster::Error| Failure {
        reason: error.reason(),
        detail: error.to_string(),
    };
    let account = agent.cluster.account(namespace, account).await;
    let account = account.map_err(failure)?;
    let data = account.data(referent, namespace, name).await;
    data.map_err(failure)
}

/// What is said of a ConfigMap or Secret that has to be there and is not.
pub(crate) fn missing(referent: Referent, namespace: &str, name: &str) -> Failure {
    Failure {
        reason: Reason::SecretMissing,
        detail: format!("{} `{namespace}/{name}` does not exist", referent.kind()),
    }
}

#[cfg(test)]
mod tests {
    use syncline_cluster::named::Part;
    use syncline_core::object::ObjectKey;

    use super::*;

    fn event(answer: Answer) -> Event {
        let key = ObjectKey {
            group: String::new(),
            version: "v1".into(),
            kind: "Secret".into(),
            namespace: Some("team".into()),
            name: "keys".into(),
        };
        Event {
            target: Target::new("team", "reader", key, Part::Data),
            answer,
        }
    }

    fn present(content: &str) -> Answer {
        Answer::Present(Content::Data(Digest::from_hash(content.as_bytes())))
    }

    /// The references after a read that ended so.
    fn after(last: Read) -> References {
        let references = References::default();
        let key = key_of(&event(Answer::Absent).target).unwrap();
        let data = Some((Instant::now(), SecretData::default()));
        let entry = Entry {
            data,
            last: Some(last),
            forgotten: 0,
        };
        references.lock().insert(key, entry);
        references
    }

    fn is_believed(references: &References) -> bool {
        references
            .lock()
            .values()
            .all(|entry| entry.data.is_some() && entry.forgotten == 0)
    }

    #[tokio::test]
    async fn the_first_look_of_a_watch_is_news_only_where_something_else_was_read() {
        let same = after(Read::Data(Digest::from_hash(b"one")));
        assert!(!same.is_news(&event(present("one")), None));
        assert!(is_believed(&same));
        for (last, answer) in [
            (Read::Data(Digest::from_hash(b"one")), present("two")),
            (Read::Data(Digest::from_hash(b"one")), Answer::Absent),
            (Read::Absent, present("one")),
            (Read::Failed, present("one")),
        ] {
            let references = after(last);
            assert!(references.is_news(&event(answer), None), "{last:?}");
            assert!(!is_believed(&references), "{last:?}");
        }
        let unread = References::default();
        assert!(!unread.is_news(&event(present("one")), None));
    }

    #[tokio::test]
    async fn a_change_is_news_whatever_was_read_and_a_lost_right_is_none() {
        let references = after(Read::Data(Digest::from_hash(b"two")));
        assert!(references.is_news(&event(present("two")), Some(&present("one"))));
        assert!(is_believed(&references), "it was read already");
        assert!(references.is_news(&event(Answer::Absent), Some(&present("two"))));
        assert!(!is_believed(&references));
        let denied = Answer::Unreadable(Failure {
            reason: Reason::Denied,
            detail: String::new(),
        });
        assert!(!references.is_news(&event(denied), Some(&Answer::Absent)));
    }
}
