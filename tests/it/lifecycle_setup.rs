//! What the tests of the process begin with: a control plane for one agent at a time, an
//! application that takes a while, and a road to the API server that can be closed.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use syncline_tests::agent::NAMESPACE;
use syncline_tests::{ControlPlane, Options, World, objects};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, MutexGuard, OnceCell, watch};

/// How many objects the application that takes a while has.
pub(crate) const MANY: usize = 250;

/// The right to start agents in the control plane of these tests, until it is dropped.
pub(crate) struct Turn {
    /// The control plane. It has no agent.
    pub(crate) control_plane: &'static ControlPlane,
    _turn: MutexGuard<'static, ()>,
}

/// Waits for the turn.
pub(crate) async fn turn() -> Result<Turn> {
    static TURN: Mutex<()> = Mutex::const_new(());
    static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
    let turn = TURN.lock().await;
    let control_plane = PLANE
        .get_or_try_init(|| ControlPlane::start(Options::default()))
        .await?;
    // An agent that was killed by its test holds the lease until it ends: nobody waits for that.
    let client = control_plane.admin().await?;
    match objects::delete(&client, &lease_reference(), Some(NAMESPACE)).await {
        Err(error) if !syncline_tests::world::is_not_found(&error) => return Err(error),
        _ => {}
    }
    forget_all(&client).await?;
    Ok(Turn {
        control_plane,
        _turn: turn,
    })
}

/// Takes away what the worlds before asked an agent for: the next one would go on with it.
async fn forget_all(client: &Client) -> Result<()> {
    for kind in ["Application", "ImagePolicy", "Repository"] {
        let kind = GroupVersionKind::gvk("syncline.dev", "v1alpha1", kind);
        let kind = ApiResource::from_gvk(&kind);
        let everywhere: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
        let left = match everywhere.list_metadata(&ListParams::default()).await {
            // There was no world yet.
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            listed => listed?,
        };
        for object in left {
            let (name, namespace) = (object.name_any(), object.namespace());
            let api: Api<DynamicObject> = Api::namespaced_with(
                client.clone(),
                namespace.as_deref().context("it has a namespace")?,
                &kind,
            );
            let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
            match api.patch(&name, &PatchParams::default(), &free).await {
                // It went meanwhile, with its namespace.
                Err(kube::Error::Api(status)) if status.is_not_found() => continue,
                freed => drop(freed?),
            }
            match api.delete(&name, &DeleteParams::default()).await {
                // It was waiting for its finalizers.
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                deleted => drop(deleted?),
            }
        }
    }
    Ok(())
}

/// The reference to the agent's Lease.
pub(crate) fn lease_reference() -> Value {
    objects::reference("coordination.k8s.io/v1", "Lease", "syncline")
}

/// The agent's Lease.
pub(crate) async fn lease(world: &World) -> Result<Value> {
    objects::get(&world.client, &lease_reference(), Some(NAMESPACE)).await
}

/// An application of [`MANY`] objects, written one at a time where the agent's flags say so.
pub(crate) async fn deploy_many(world: &World) -> Result<String> {
    let maps: Vec<String> = (0..MANY)
        .map(|number| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: map-{number:03}, labels: {{many: \"1\"}}}}\n"
            )
        })
        .collect();
    let commit = world
        .repo
        .commit(&[("app/maps.yaml", &maps.join("---\n"))], "Many maps")?;
    world.repository(json!({})).await?;
    world.application("many", "app", json!({})).await?;
    Ok(commit)
}

/// How many of the objects exist.
pub(crate) async fn count(world: &World) -> Result<usize> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"));
    let maps: Api<DynamicObject> =
        Api::namespaced_with(world.client.clone(), &world.namespace, &kind);
    let list = maps
        .list_metadata(&ListParams::default().labels("many=1"))
        .await?;
    Ok(list.items.len())
}

/// A road to the API server: TCP connections that are passed on while it is open.
pub(crate) struct Road {
    address: SocketAddr,
    open: watch::Sender<bool>,
}

impl Road {
    /// An open road to a server such as `https://127.0.0.1:6443`.
    pub(crate) async fn to(server: &str) -> Result<Self> {
        let target: SocketAddr = server
            .trim_start_matches("https://")
            .parse()
            .with_context(|| format!("{server} is not an address"))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (open, state) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                tokio::spawn(pass(from, target, state.clone()));
            }
        });
        Ok(Self { address, open })
    }

    /// The URL at its beginning.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Cuts all connections; new ones are closed at once.
    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    /// Lets connections pass again.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }
}

async fn pass(mut from: TcpStream, target: SocketAddr, mut open: watch::Receiver<bool>) {
    if !*open.borrow_and_update() {
        return;
    }
    let Ok(mut to) = TcpStream::connect(target).await else {
        return;
    };
    tokio::select! {
        // Either end may close it.
        _ = tokio::io::copy_bidirectional(&mut from, &mut to) => {}
        _ = open.wait_for(|open| !open) => {}
    }
}

/// A copy of a kubeconfig that takes a road to the server.
pub(crate) fn kubeconfig_over(
    road: &Road,
    control_plane: &ControlPlane,
    file: &std::path::Path,
) -> Result<tempfile::NamedTempFile> {
    let text = std::fs::read_to_string(file)?.replace(control_plane.server(), &road.url());
    let copy = tempfile::NamedTempFile::new()?;
    std::fs::write(copy.path(), text)?;
    Ok(copy)
}
