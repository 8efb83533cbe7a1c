//! Our own kinds, as the agent itself: watching them, their status, annotations and events.
//!
//! A bad object is reported as [`Change::Invalid`] and holds up no other one (inv_i15).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{GetParams, Patch, PatchParams};
use kube::core::{DeserializeGuard, DynamicObject, Request, Resource};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::watcher;
use kube::{Api, Client};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use syncline_core::names;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::Name;
use tokio::sync::mpsc;

use crate::backoff::Backoff;
use crate::connect::{Agent, Requests};
use crate::error::Error;
use crate::kinds::{Application, ImagePolicy, Kind, Repository};
use crate::objects::built;

/// Field manager of what the agent writes on its own kinds.
const MANAGER: &str = "syncline";
/// Field manager of what a person asked for in the web UI.
const MANAGER_UI: &str = "syncline-ui";
/// Longest note of an event that the API server takes.
const MAX_NOTE: usize = 1024;

/// How our own kinds are watched.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Only this namespace; all of them where it is absent.
    pub namespace: Option<String>,
    /// How many events may wait for the reader.
    pub capacity: usize,
    /// First pause after a failure.
    pub backoff_least: Duration,
    /// Longest pause after failures.
    pub backoff_most: Duration,
    /// How long the API server keeps one watch request open; a connection that is silent for
    /// longer counts as dead.
    pub server_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            namespace: None,
            capacity: 256,
            backoff_least: Duration::from_millis(500),
            backoff_most: Duration::from_secs(30),
            server_timeout: Duration::from_secs(290),
        }
    }
}

/// Something happened to one of our kinds.
#[derive(Clone, Debug)]
pub enum OwnEvent {
    /// A Repository.
    Repository(Change<Repository>),
    /// An Application.
    Application(Change<Application>),
    /// An ImagePolicy.
    ImagePolicy(Change<ImagePolicy>),
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Change<K> {
    /// It exists and looks like this, without `managedFields`. May repeat what is known.
    Applied(Box<K>),
    /// It is gone; the API server was asked.
    Deleted(Name),
    /// It exists, but it is not what its schema promises.
    Invalid {
        /// Namespace and name.
        name: Name,
        /// Its generation.
        generation: Option<i64>,
        /// What is wrong with it.
        message: String,
    },
    /// Everything that exists was reported, at the start or after an interruption.
    InitDone,
}

impl Agent {
    /// Watches our three kinds until the receiver is dropped. Interruptions are survived: what was
    /// missed is reported afterwards.
    pub fn watch_own(&self, settings: &Settings) -> mpsc::Receiver<OwnEvent> {
        let (sender, receiver) = mpsc::channel(settings.capacity.max(1));
        tokio::spawn(follow(
            self.clone(),
            settings.clone(),
            sender.clone(),
            OwnEvent::Repository,
        ));
        tokio::spawn(follow(
            self.clone(),
            settings.clone(),
            sender.clone(),
            OwnEvent::Application,
        ));
        tokio::spawn(follow(
            self.clone(),
            settings.clone(),
            sender,
            OwnEvent::ImagePolicy,
        ));
        receiver
    }

    /// Writes the status of one of our objects: it becomes exactly this, fields that are left out
    /// go away. Costs nothing in the API server where it is so already.
    pub async fn patch_status(&self, kind: Kind, name: &Name, status: &Value) -> Result<(), Error> {
        let resource = kind.resource();
        let body = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name.name, "namespace": name.namespace},
            "status": status,
        });
        let request = path(kind, name).patch_subresource(
            "status",
            &name.name,
            &PatchParams::apply(MANAGER).force(),
            &Patch::Apply(&body),
        );
        self.requests
            .run(self.client.request::<Value>(built(request)?))
            .await?;
        Ok(())
    }

    /// Changes annotations, labels or finalizers of one of our objects by a merge patch (`null`
    /// removes) that only fits the version that was read; answers with the new version.
    pub async fn patch_metadata(
        &self,
        kind: Kind,
        name: &Name,
        resource_version: &str,
        metadata: Value,
    ) -> Result<String, Error> {
        let patch = json!({ "metadata": metadata });
        let object = self
            .merge_own(kind, name, resource_version, patch, MANAGER)
            .await?;
        Ok(object["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Reads one of our objects as it is now; `None` where there is none.
    pub async fn read_own(&self, kind: Kind, name: &Name) -> Result<Option<Value>, Error> {
        let request = built(path(kind, name).get(&name.name, &GetParams::default()))?;
        match self.requests.run(self.client.request(request)).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.code() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes one of our objects by a merge patch (`null` removes), because a person asked for it in
    /// the web UI; only fits the version that was read.
    pub async fn change_own(
        &self,
        kind: Kind,
        name: &Name,
        resource_version: &str,
        patch: Value,
    ) -> Result<(), Error> {
        self.merge_own(kind, name, resource_version, patch, MANAGER_UI)
            .await?;
        Ok(())
    }

    /// A merge patch that only fits the version that was read; answers with the object.
    async fn merge_own(
        &self,
        kind: Kind,
        name: &Name,
        resource_version: &str,
        mut patch: Value,
        manager: &str,
    ) -> Result<Value, Error> {
        patch["metadata"]["resourceVersion"] = resource_version.into();
        let params = PatchParams {
            field_manager: Some(manager.into()),
            ..PatchParams::default()
        };
        let request = path(kind, name).patch(&name.name, &params, &Patch::Merge(patch));
        self.requests
            .run(self.client.request(built(request)?))
            .await
    }

    /// A publisher of events; `replica` names the process, for example its pod.
    pub fn events(&self, replica: &str) -> Events {
        let reporter = Reporter {
            controller: MANAGER.into(),
            instance: Some(replica.into()),
        };
        Events {
            client: self.client.clone(),
            reporter,
            recorders: Arc::default(),
            requests: self.requests.clone(),
        }
    }
}

fn path(kind: Kind, name: &Name) -> Request {
    Request::new(DynamicObject::url_path(
        &kind.resource(),
        Some(&name.namespace),
    ))
}

/// A note, and who counts its repetitions.
type Counted = (String, Recorder);

/// Publishes Kubernetes events on our objects; repetitions become a count.
#[derive(Clone)]
pub struct Events {
    client: Client,
    reporter: Reporter,
    /// The last note of each object and reason, and who counts it.
    recorders: Arc<Mutex<HashMap<(String, Reason), Counted>>>,
    requests: Requests,
}

impl Events {
    /// Publishes what the table says on a reason, with a note for people.
    pub async fn publish(
        &self,
        kind: Kind,
        name: &Name,
        uid: &str,
        reason: Reason,
        note: &str,
    ) -> Result<(), Error> {
        let resource = kind.resource();
        let object = ObjectReference {
            api_version: Some(resource.api_version),
            kind: Some(resource.kind),
            name: Some(name.name.clone()),
            namespace: Some(name.namespace.clone()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        self.publish_on(&object, reason, note).await
    }

    /// The same on any object.
    pub async fn publish_on(
        &self,
        object: &ObjectReference,
        reason: Reason,
        note: &str,
    ) -> Result<(), Error> {
        let type_ = match reason.class() {
            Class::Good | Class::Progress => EventType::Normal,
            Class::Hold | Class::Transient | Class::Input | Class::Denied => EventType::Warning,
        };
        let end = (0..=note.len().min(MAX_NOTE))
            .rev()
            .find(|end| note.is_char_boundary(*end));
        let note = &note[..end.unwrap_or_default()];
        let recorder = self.recorder(object, reason, note);
        let event = Event {
            type_,
            reason: reason.name().to_owned(),
            note: Some(note.to_owned()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        self.requests.run(recorder.publish(&event, object)).await
    }

    /// A recorder counts all events of one reason on one object as the first of them, whatever their
    /// notes are: another note gets another recorder.
    fn recorder(&self, object: &ObjectReference, reason: Reason, note: &str) -> Recorder {
        let of = |field: &Option<String>| field.clone().unwrap_or_default();
        let name = format!(
            "{}/{}/{}",
            of(&object.kind),
            of(&object.namespace),
            of(&object.name)
        );
        let mut recorders = self
            .recorders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let anew = || Recorder::new(self.client.clone(), self.reporter.clone());
        let known = recorders
            .entry((name, reason))
            .or_insert_with(|| (note.to_owned(), anew()));
        if known.0 != note {
            *known = (note.to_owned(), anew());
        }
        known.1.clone()
    }
}

/// Watches one kind until the receiver is gone.
async fn follow<K>(
    agent: Agent,
    settings: Settings,
    sender: mpsc::Sender<OwnEvent>,
    wrap: fn(Change<K>) -> OwnEvent,
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let api = api_in::<DeserializeGuard<Named<K>>>(&agent.watches, settings.namespace.as_deref());
    let seconds = u32::try_from(settings.server_timeout.as_secs())
        .unwrap_or(290)
        .clamp(1, 290);
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default().timeout(seconds)));
    let mut backoff = Backoff::new(settings.backoff_least, settings.backoff_most);
    let mut known: HashSet<Name> = HashSet::new();
    let mut seen: HashSet<Name> = HashSet::new();
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = sender.closed() => return,
        };
        let mut changes = Vec::new();
        match event {
            None => return,
            Some(Err(error)) => {
                let error = Error::from(error);
                let kind = K::kind(&());
                tracing::warn!(%error, %kind, "the watch failed and is started again");
                backoff.wait().await;
                continue;
            }
            Some(Ok(watcher::Event::Init)) => seen.clear(),
            Some(Ok(watcher::Event::InitApply(object))) => {
                seen.insert(name_of(&object));
                changes.push(change(object));
            }
            Some(Ok(watcher::Event::InitDone)) => {
                for name in known.difference(&seen) {
                    changes.push(verified(&agent, name, &mut backoff).await);
                }
                known = std::mem::take(&mut seen);
                changes.push(Change::InitDone);
            }
            Some(Ok(watcher::Event::Apply(object))) => {
                known.insert(name_of(&object));
                changes.push(change(object));
            }
            Some(Ok(watcher::Event::Delete(object))) => {
                let name = name_of(&object);
                known.remove(&name);
                changes.push(verified(&agent, &name, &mut backoff).await);
            }
        }
        backoff.reset();
        for change in changes {
            if let Change::Applied(object) = &change {
                known.insert(crate::kinds::name_of(object.as_ref()));
            }
            if sender.send(wrap(change)).await.is_err() {
                return;
            }
        }
    }
}

/// Asks the API server whether the object is really gone, as often as it takes to get an answer.
async fn verified<K>(agent: &Agent, name: &Name, backoff: &mut Backoff) -> Change<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let api: Api<DeserializeGuard<Named<K>>> =
        Api::namespaced(agent.client.clone(), &name.namespace);
    loop {
        match agent.requests.run(api.get_opt(&name.name)).await {
            Ok(None) => return Change::Deleted(name.clone()),
            Ok(Some(object)) => return change(object),
            Err(_) => backoff.wait().await,
        }
    }
}

fn api_in<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// An object that is read as `K` is, but that names the field where it cannot be read.
#[derive(Clone, Debug)]
struct Named<K>(K);

impl<'de, K: Deserialize<'de>> Deserialize<'de> for Named<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_path_to_error::deserialize(deserializer)
            .map(Self)
            .map_err(|error| D::Error::custom(format!("`{}`: {}", error.path(), error.inner())))
    }
}

impl<K: Resource> Resource for Named<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

fn name_of<K: Resource>(object: &DeserializeGuard<Named<K>>) -> Name {
    crate::kinds::name_of(object)
}

fn change<K: Resource>(object: DeserializeGuard<Named<K>>) -> Change<K> {
    match object.0 {
        Ok(Named(mut object)) => {
            object.meta_mut().managed_fields = None;
            Change::Applied(Box::new(object))
        }
        Err(invalid) => Change::Invalid {
            name: Name::new(
                invalid.metadata.namespace.unwrap_or_default(),
                invalid.metadata.name.unwrap_or_default(),
            ),
            generation: invalid.metadata.generation,
            message: invalid.error,
        },
    }
}

/// Whether an annotation on one of our objects asks for a sync: its value where it is set.
pub fn requested_at<K: Resource>(object: &K) -> Option<&str> {
    let annotations = object.meta().annotations.as_ref()?;
    annotations
        .get(names::ANNOTATION_REQUESTED_AT)
        .map(String::as_str)
}
