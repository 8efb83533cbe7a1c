//! The cluster crate on a real API server.

mod fields;
mod identity;
mod kinds;
mod lease;
mod objects;
mod openapi;
mod ownership;
mod watch;
mod watch_faults;

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use syncline_cluster::connect::Settings;
use syncline_cluster::{Account, ApplyOptions, Cluster, Error, Live, Resource};
use syncline_tests::agent::account_with_role;
use syncline_tests::control_plane::install_crypto;
use syncline_tests::world::suffix;
use syncline_tests::{ControlPlane, Options, objects as plain};
use tokio::sync::OnceCell;

/// The instance and the field manager of these tests.
const INSTANCE: &str = "a1b2c3";
const MANAGER: &str = "syncline-a1b2c3";

/// A namespace with a service account that may do everything in it, and a connection.
struct Corner {
    control_plane: &'static ControlPlane,
    admin: kube::Client,
    namespace: String,
    cluster: Cluster,
}

impl Corner {
    async fn new(name: &str) -> Result<Self> {
        Self::with(name, |settings| settings).await
    }

    async fn with(name: &str, settle: impl FnOnce(Settings) -> Settings) -> Result<Self> {
        install_crypto();
        // An agent would write on our kinds as well.
        static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
        let control_plane = PLANE
            .get_or_try_init(|| ControlPlane::start(Options::default()))
            .await?;
        let admin = control_plane.admin().await?;
        let namespace = format!("{name}-{}", suffix());
        let object = plain::reference("v1", "Namespace", &namespace);
        plain::apply(&admin, &object, None).await?;
        for object in account_with_role(&namespace, "deployer", "admin") {
            plain::apply(&admin, &object, Some(&namespace)).await?;
        }
        let settings = settle(Settings {
            kubeconfig: Some(control_plane.admin_kubeconfig()),
            discovery_interval: Duration::from_millis(100),
            ..Settings::default()
        });
        let cluster = Cluster::connect(settings).await?;
        Ok(Self {
            control_plane,
            admin,
            namespace,
            cluster,
        })
    }

    async fn deployer(&self) -> Result<Account> {
        Ok(self.cluster.account(&self.namespace, "deployer").await?)
    }

    async fn kind(&self, api_version: &str, kind: &str) -> Result<Resource> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Ok(self
            .cluster
            .discovery()
            .resolve(group, version, kind)
            .await?)
    }

    /// Applies an object into the namespace as the service account.
    async fn apply(&self, object: &Value) -> Result<Result<Live, Error>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = self
            .kind(&text(&object["apiVersion"]), &text(&object["kind"]))
            .await?;
        let key = kind.key(
            Some(self.namespace.clone()),
            text(&object["metadata"]["name"]),
        );
        let deployer = self.deployer().await?;
        Ok(deployer
            .apply(&kind, &key, object, MANAGER, ApplyOptions::default())
            .await)
    }

    /// A ConfigMap with our label.
    fn config_map(&self, name: &str, value: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": { "syncline.dev/managed": INSTANCE },
            },
            "data": { "value": value },
        })
    }
}
