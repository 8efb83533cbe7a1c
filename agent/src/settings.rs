//! The settings of the process: flags, environment and file, in that order of strength.
//!
//! This is the only place that reads the environment. Every flag has an environment variable
//! (`SYNCLINE_` and the name in capitals) and a key in the file (the name with underscores).

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use syncline_core::redacted::Redacted;
use syncline_source::Proxies;
use syncline_web_ui::PublicUrl;

/// Service account that is used where an object names none, by default.
pub(crate) const DEFAULT_ACCOUNT: &str = "applier";
/// Namespace of the agent, by default.
pub(crate) const DEFAULT_NAMESPACE: &str = "syncline";

/// Settings of `syncline agent`.
#[derive(Args, Clone, Debug)]
pub struct AgentSettings {
    /// File with settings: YAML, a map from the name of a flag (with underscores) to its value.
    #[arg(long, env = "SYNCLINE_CONFIG")]
    pub config: Option<PathBuf>,

    /// Kubeconfig file; without one the agent runs as the service account of its pod.
    #[arg(long, env = "SYNCLINE_KUBECONFIG", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig file; its current one by default.
    #[arg(long, env = "SYNCLINE_CONTEXT", help_heading = "Cluster")]
    pub context: Option<String>,
    /// Namespace of the agent: its Lease and its identity live there.
    #[arg(
        long,
        env = "SYNCLINE_NAMESPACE",
        default_value = DEFAULT_NAMESPACE,
        help_heading = "Cluster"
    )]
    pub namespace: String,
    /// Only look at Repositories, Applications and ImagePolicies of this namespace.
    #[arg(long, env = "SYNCLINE_WATCH_NAMESPACE", help_heading = "Cluster")]
    pub watch_namespace: Option<String>,
    /// Service account of a namespace that is used where an object names none.
    #[arg(
        long,
        env = "SYNCLINE_DEFAULT_ACCOUNT",
        default_value = DEFAULT_ACCOUNT,
        help_heading = "Cluster"
    )]
    pub default_account: String,
    /// Name of this process in the Lease; the host name by default.
    #[arg(long, env = "SYNCLINE_IDENTITY", help_heading = "Cluster")]
    pub identity: Option<String>,
    /// Deadline of one request to the API server.
    #[arg(long, env = "SYNCLINE_REQUEST_TIMEOUT", default_value = "30s", value_parser = duration, help_heading = "Cluster")]
    pub request_timeout: Duration,
    /// How long the check that a service account exists is believed.
    #[arg(long, env = "SYNCLINE_ACCOUNT_CHECK_INTERVAL", default_value = "30s", value_parser = duration, help_heading = "Cluster")]
    pub account_check_interval: Duration,
    /// How long the Lease is held without renewal.
    #[arg(long, env = "SYNCLINE_LEASE_DURATION", default_value = "15s", value_parser = duration, help_heading = "Cluster")]
    pub lease_duration: Duration,
    /// After how long without a renewal the agent stops writing.
    #[arg(long, env = "SYNCLINE_LEASE_RENEW_DEADLINE", default_value = "10s", value_parser = duration, help_heading = "Cluster")]
    pub lease_renew_deadline: Duration,
    /// How often the Lease is renewed, or tried for.
    #[arg(long, env = "SYNCLINE_LEASE_RETRY", default_value = "2s", value_parser = duration, help_heading = "Cluster")]
    pub lease_retry: Duration,
    /// How many watches may be open; the kinds beyond them are checked slowly, and the status of the
    /// Application names them.
    #[arg(
        long,
        env = "SYNCLINE_WATCH_BUDGET",
        default_value_t = 500,
        help_heading = "Cluster"
    )]
    pub watch_budget: usize,
    /// How many objects that are named by our own objects may be watched: ConfigMaps and Secrets,
    /// dependencies, what a pause waits for. Those beyond are read every `--named-poll-interval`, and
    /// the status of the Application names them.
    #[arg(
        long,
        env = "SYNCLINE_NAMED_WATCH_BUDGET",
        default_value_t = 500,
        help_heading = "Cluster"
    )]
    pub named_watch_budget: usize,
    /// How often a named object is read that cannot be watched.
    #[arg(long, env = "SYNCLINE_NAMED_POLL_INTERVAL", default_value = "1m", value_parser = duration, help_heading = "Cluster")]
    pub named_poll_interval: Duration,
    /// How long one watch request stays open.
    #[arg(long, env = "SYNCLINE_WATCH_TIMEOUT", default_value = "290s", value_parser = duration, help_heading = "Cluster")]
    pub watch_timeout: Duration,
    /// After how long without any byte a watch counts as dead and is started again. The API server
    /// sends a bookmark about once a minute.
    #[arg(long, env = "SYNCLINE_WATCH_SILENCE", default_value = "70s", value_parser = duration, help_heading = "Cluster")]
    pub watch_silence: Duration,
    /// Most MiB of the schemas that the API server publishes for one group and version. The objects of
    /// one with more are not compared with their schema before they are sent.
    #[arg(
        long,
        env = "SYNCLINE_MAX_SCHEMA_MIB",
        default_value_t = 32,
        help_heading = "Cluster"
    )]
    pub max_schema_mib: u32,
    /// Service account of the agent's namespace that watches the whole cluster: the metadata of
    /// all kinds but Secrets. Without it each namespace is watched as the Application's account.
    #[arg(long, env = "SYNCLINE_READER_ACCOUNT", help_heading = "Cluster")]
    pub reader_account: Option<String>,
    /// Deadline of a connection to the API server.
    #[arg(long, env = "SYNCLINE_CONNECT_TIMEOUT", default_value = "10s", value_parser = duration, help_heading = "Cluster")]
    pub connect_timeout: Duration,
    /// How many requests to the API server run at the same time.
    #[arg(
        long,
        env = "SYNCLINE_MAX_REQUESTS",
        default_value_t = 32,
        help_heading = "Cluster"
    )]
    pub max_requests: usize,

    /// Folder for Git mirrors and the database.
    #[arg(
        long,
        env = "SYNCLINE_DATA_DIR",
        default_value = "/var/lib/syncline",
        help_heading = "Storage"
    )]
    pub data_dir: PathBuf,
    /// File with the URL of a PostgreSQL database for the history:
    /// `postgres://user:password@host:5432/syncline`. Without it the history is the file `history.db`
    /// of the data folder.
    #[arg(long, env = "SYNCLINE_DATABASE_URL_FILE", help_heading = "Storage")]
    pub database_url_file: Option<PathBuf>,
    /// How many syncs of an application history keeps.
    #[arg(
        long,
        env = "SYNCLINE_HISTORY_SYNCS",
        default_value_t = 1000,
        help_heading = "Storage"
    )]
    pub history_syncs: u32,
    /// How many calls through the API history keeps.
    #[arg(
        long,
        env = "SYNCLINE_HISTORY_CALLS",
        default_value_t = 100_000,
        help_heading = "Storage"
    )]
    pub history_calls: u32,
    /// How many deliveries of webhooks history keeps.
    #[arg(
        long,
        env = "SYNCLINE_HISTORY_DELIVERIES",
        default_value_t = 10_000,
        help_heading = "Storage"
    )]
    pub history_deliveries: u32,
    /// How many history writes may wait for the database before further ones are dropped.
    #[arg(
        long,
        env = "SYNCLINE_HISTORY_QUEUE",
        default_value_t = 1024,
        help_heading = "Storage"
    )]
    pub history_queue: usize,
    /// How long history keeps a record.
    #[arg(long, env = "SYNCLINE_HISTORY_AGE", default_value = "365d", value_parser = duration, help_heading = "Storage")]
    pub history_age: Duration,

    /// How many applications sync at the same time. A quarter of them is kept for applications whose
    /// last sync was not slow.
    #[arg(
        long,
        env = "SYNCLINE_SYNC_WORKERS",
        default_value_t = 8,
        help_heading = "Sync"
    )]
    pub sync_workers: usize,
    /// How many objects of one application are written at the same time.
    #[arg(
        long,
        env = "SYNCLINE_APPLY_CONCURRENCY",
        default_value_t = 8,
        help_heading = "Sync"
    )]
    pub apply_concurrency: usize,
    /// How many previews of other commits are made at the same time; one more waits for its turn.
    #[arg(
        long,
        env = "SYNCLINE_PREVIEW_CONCURRENCY",
        default_value_t = 2,
        help_heading = "Sync"
    )]
    pub preview_concurrency: usize,
    /// How long a preview may take, and how long one waits for its turn.
    #[arg(long, env = "SYNCLINE_PREVIEW_TIMEOUT", default_value = "1m", value_parser = duration, help_heading = "Sync")]
    pub preview_timeout: Duration,
    /// How often in a row a running sync gives way to a newer commit before one is let to its end.
    #[arg(
        long,
        env = "SYNCLINE_MOST_TAKE_OVERS",
        default_value_t = 3,
        help_heading = "Sync"
    )]
    pub most_take_overs: u32,
    /// How long a sync waits for a CRD to be established.
    #[arg(long, env = "SYNCLINE_CRD_TIMEOUT", default_value = "30s", value_parser = duration, help_heading = "Sync")]
    pub crd_timeout: Duration,
    /// Most lines that are kept of the log of a hook that failed.
    #[arg(
        long,
        env = "SYNCLINE_HOOK_LOG_LINES",
        default_value_t = 100,
        help_heading = "Sync"
    )]
    pub hook_log_lines: usize,
    /// Most bytes that are kept of the log of a hook that failed.
    #[arg(long, env = "SYNCLINE_HOOK_LOG_BYTES", default_value_t = 16 * 1024, help_heading = "Sync")]
    pub hook_log_bytes: usize,
    /// Delay before the first retry of a sync that failed and may pass by itself; doubled each time.
    #[arg(long, env = "SYNCLINE_RETRY_FIRST", default_value = "1s", value_parser = duration, help_heading = "Sync")]
    pub retry_first: Duration,
    /// Longest delay between two retries.
    #[arg(long, env = "SYNCLINE_RETRY_MOST", default_value = "5m", value_parser = duration, help_heading = "Sync")]
    pub retry_most: Duration,
    /// Delay before a sync is tried again that failed for a wrong input or a missing right.
    #[arg(long, env = "SYNCLINE_RETRY_SLOW", default_value = "10m", value_parser = duration, help_heading = "Sync")]
    pub retry_slow: Duration,
    /// By how many percent at most a retry comes later than its delay says, so that not everybody who
    /// failed for the same cause tries again at once.
    #[arg(long, env = "SYNCLINE_RETRY_JITTER", default_value_t = 25, value_parser = clap::value_parser!(u8).range(0..=100), help_heading = "Sync")]
    pub retry_jitter: u8,
    /// For how long an object without new drift counts as calm: repairs begin at once again.
    #[arg(long, env = "SYNCLINE_DRIFT_CALM", default_value = "1m", value_parser = duration, help_heading = "Sync")]
    pub drift_calm: Duration,
    /// How often every object of an application is compared with Git, whatever the watches say;
    /// spread, so that not all applications do it at once.
    #[arg(long, env = "SYNCLINE_FULL_CHECK_INTERVAL", default_value = "6h", value_parser = duration, help_heading = "Sync")]
    pub full_check_interval: Duration,
    /// Field managers that are tools of people, with commas between; `*` at the end stands for any
    /// end. `foreign: RemoveManual` removes what they set and Git does not name.
    #[arg(
        long,
        env = "SYNCLINE_MANUAL_TOOLS",
        value_delimiter = ',',
        default_values = syncline_core::ownership::MANUAL_TOOLS.iter().copied(),
        help_heading = "Sync"
    )]
    pub manual_tools: Vec<String>,
    /// Names of environment variables whose values are masked wherever an object is kept or shown, with
    /// commas between; `*` stands for any text. They are added to the built-in list.
    #[arg(
        long,
        env = "SYNCLINE_MASKED_NAMES",
        value_delimiter = ',',
        help_heading = "Sync"
    )]
    pub masked_names: Vec<String>,
    /// Fields that are masked wherever an object is kept or shown, with commas between: `KIND:/path`,
    /// `KIND.GROUP:/path` or, for every kind, `/path`. They are added to the built-in list.
    #[arg(
        long,
        env = "SYNCLINE_MASKED_PATHS",
        value_delimiter = ',',
        help_heading = "Sync"
    )]
    pub masked_paths: Vec<String>,
    /// For how long after its last write another GitOps tool counts as still at work on an object,
    /// which is then not taken over.
    #[arg(long, env = "SYNCLINE_TOOL_QUIET_PERIOD", default_value = "1h", value_parser = duration, help_heading = "Sync")]
    pub tool_quiet_period: Duration,
    /// How long the deletion of an Application waits for a missing service account or API server
    /// before its objects are left behind and listed.
    #[arg(long, env = "SYNCLINE_DELETION_TIMEOUT", default_value = "5m", value_parser = duration, help_heading = "Sync")]
    pub deletion_timeout: Duration,
    /// How long a stopping agent waits for the syncs that run.
    #[arg(long, env = "SYNCLINE_SHUTDOWN_GRACE", default_value = "25s", value_parser = duration, help_heading = "Sync")]
    pub shutdown_grace: Duration,
    /// How often it is looked whether a workload has been on its way for too long.
    #[arg(long, env = "SYNCLINE_LATE_INTERVAL", default_value = "5s", value_parser = duration, help_heading = "Sync")]
    pub late_interval: Duration,

    /// File with rules on the health of objects of all Applications: a YAML list as in
    /// `spec.health`. The rules of an Application come first.
    #[arg(long, env = "SYNCLINE_HEALTH_RULES", help_heading = "Health")]
    pub health_rules: Option<PathBuf>,
    /// How long a workload is not healthy before its pods are looked at for the cause; half of it
    /// lies between two looks at first, then more and more.
    #[arg(long, env = "SYNCLINE_HEALTH_LOOK_DELAY", default_value = "2s", value_parser = duration, help_heading = "Health")]
    pub health_look_delay: Duration,
    /// Longest pause between two looks at the pods of a workload that is not healthy.
    #[arg(long, env = "SYNCLINE_HEALTH_LOOK_MOST", default_value = "30s", value_parser = duration, help_heading = "Health")]
    pub health_look_most: Duration,
    /// How many workloads have their pods looked at at the same time.
    #[arg(
        long,
        env = "SYNCLINE_HEALTH_LOOK_WORKERS",
        default_value_t = 4,
        help_heading = "Health"
    )]
    pub health_look_workers: usize,
    /// Most pods of a workload that one look reads.
    #[arg(
        long,
        env = "SYNCLINE_HEALTH_LOOK_PODS",
        default_value_t = 100,
        help_heading = "Health"
    )]
    pub health_look_pods: u32,
    /// Changes of the health of an Application that follow each other within this time are told as
    /// one.
    #[arg(long, env = "SYNCLINE_HEALTH_FLAP_WINDOW", default_value = "30s", value_parser = duration, help_heading = "Health")]
    pub health_flap_window: Duration,
    /// How many Applications have their status written at the same time.
    #[arg(
        long,
        env = "SYNCLINE_STATUS_WRITERS",
        default_value_t = 8,
        help_heading = "Health"
    )]
    pub status_writers: usize,

    /// For how long the live objects of an application, and their events, that somebody looked at are
    /// shown to others who look.
    #[arg(long, env = "SYNCLINE_LOOK_AGE", default_value = "2s", value_parser = duration, help_heading = "Looking")]
    pub look_age: Duration,
    /// How long a look at the live objects of an application may take; what was read until then is
    /// shown.
    #[arg(long, env = "SYNCLINE_LOOK_TIMEOUT", default_value = "8s", value_parser = duration, help_heading = "Looking")]
    pub look_timeout: Duration,
    /// How many applications are looked at at the same time; one more waits for its turn.
    #[arg(
        long,
        env = "SYNCLINE_LOOK_WORKERS",
        default_value_t = 4,
        help_heading = "Looking"
    )]
    pub look_workers: usize,
    /// Most objects of one kind in one namespace that a look reads.
    #[arg(
        long,
        env = "SYNCLINE_LOOK_OBJECTS",
        default_value_t = 2000,
        help_heading = "Looking"
    )]
    pub look_objects: usize,
    /// How many logs of pods are read for people at the same time.
    #[arg(
        long,
        env = "SYNCLINE_POD_LOG_STREAMS",
        default_value_t = 16,
        help_heading = "Looking"
    )]
    pub pod_log_streams: usize,
    /// Most containers whose logs are read together.
    #[arg(
        long,
        env = "SYNCLINE_POD_LOG_CONTAINERS",
        default_value_t = 30,
        help_heading = "Looking"
    )]
    pub pod_log_containers: usize,
    /// Most bytes that one reading of logs tells.
    #[arg(long, env = "SYNCLINE_POD_LOG_BYTES", default_value_t = 16 * 1024 * 1024, help_heading = "Looking")]
    pub pod_log_bytes: usize,
    /// How long logs are followed at most.
    #[arg(long, env = "SYNCLINE_POD_LOG_TIME", default_value = "1h", value_parser = duration, help_heading = "Looking")]
    pub pod_log_time: Duration,

    /// How many Repositories and registries are looked at at the same time. A quarter of them is kept
    /// for what answered quickly last time.
    #[arg(
        long,
        env = "SYNCLINE_POLL_WORKERS",
        default_value_t = 8,
        help_heading = "Sources"
    )]
    pub poll_workers: usize,
    /// By how many percent at most a Repository, an image or a chart is looked at more or less often
    /// than its interval says, always the same for the same one, so that the looks spread.
    #[arg(long, env = "SYNCLINE_POLL_JITTER", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=50), help_heading = "Sources")]
    pub poll_jitter: u8,
    /// Deadline of a connection to a Git server.
    #[arg(long, env = "SYNCLINE_GIT_CONNECT_TIMEOUT", default_value = "10s", value_parser = duration, help_heading = "Sources")]
    pub git_connect_timeout: Duration,
    /// How long a Secret that was read is believed.
    #[arg(long, env = "SYNCLINE_SECRET_TTL", default_value = "10m", value_parser = duration, help_heading = "Sources")]
    pub secret_ttl: Duration,
    /// Most bytes of one file of a source.
    #[arg(long, env = "SYNCLINE_MAX_FILE_BYTES", default_value_t = 4 * 1024 * 1024, help_heading = "Sources")]
    pub max_file_bytes: u64,
    /// Most bytes that one application or image search reads.
    #[arg(long, env = "SYNCLINE_MAX_SOURCE_BYTES", default_value_t = 64 * 1024 * 1024, help_heading = "Sources")]
    pub max_source_bytes: u64,
    /// Most files that one application or image search reads.
    #[arg(
        long,
        env = "SYNCLINE_MAX_SOURCE_FILES",
        default_value_t = 20_000,
        help_heading = "Sources"
    )]
    pub max_source_files: usize,
    /// Deadline of one request to an image registry.
    #[arg(long, env = "SYNCLINE_REGISTRY_TIMEOUT", default_value = "30s", value_parser = duration, help_heading = "Sources")]
    pub registry_timeout: Duration,
    /// Most tags that are read of one image.
    #[arg(
        long,
        env = "SYNCLINE_REGISTRY_MAX_TAGS",
        default_value_t = 50_000,
        help_heading = "Sources"
    )]
    pub registry_max_tags: usize,
    /// How many requests a second one registry or chart repository is asked at most, whatever asks it,
    /// and how many may go at once after a time without any.
    #[arg(long, env = "SYNCLINE_REGISTRY_REQUESTS_PER_SECOND", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Sources")]
    pub registry_requests_per_second: u32,
    /// How long a request to a registry waits for its turn; one that would wait longer is refused, with
    /// the time at which it may go.
    #[arg(long, env = "SYNCLINE_REGISTRY_MAX_WAIT", default_value = "10s", value_parser = duration, help_heading = "Sources")]
    pub registry_max_wait: Duration,
    /// The longest that a registry is left alone when it asks to slow down.
    #[arg(long, env = "SYNCLINE_REGISTRY_MAX_RETRY_AFTER", default_value = "1h", value_parser = duration, help_heading = "Sources")]
    pub registry_max_retry_after: Duration,
    /// The longest that a registry is left alone after failures in a row, before one request tries.
    #[arg(long, env = "SYNCLINE_REGISTRY_MAX_REST", default_value = "10s", value_parser = duration, help_heading = "Sources")]
    pub registry_max_rest: Duration,
    /// How many percent of a registry's limit of pulls are left for the nodes of the cluster, which
    /// often pull from the same address. Docker Hub has such a limit.
    #[arg(long, env = "SYNCLINE_REGISTRY_PULL_RESERVE", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100), help_heading = "Sources")]
    pub registry_pull_reserve: u8,
    /// Of how many images it is remembered when they were built, for which platforms and with which
    /// labels; of how many tags, which image they name.
    #[arg(
        long,
        env = "SYNCLINE_REGISTRY_FACTS",
        default_value_t = 10_000,
        help_heading = "Sources"
    )]
    pub registry_facts: usize,
    /// Most bytes of the manifest or the configuration of an image.
    #[arg(long, env = "SYNCLINE_REGISTRY_MANIFEST_BYTES", default_value_t = 4 * 1024 * 1024, help_heading = "Sources")]
    pub registry_manifest_bytes: usize,
    /// Token services on other hosts than their registry that get its credentials, each as
    /// `registry.example.com=login.example.net`.
    #[arg(
        long,
        env = "SYNCLINE_REGISTRY_TOKEN_HOSTS",
        value_delimiter = ',',
        value_parser = token_host,
        help_heading = "Sources"
    )]
    pub registry_token_hosts: Vec<(String, String)>,
    /// How often a commit is made anew when somebody else pushed first.
    #[arg(
        long,
        env = "SYNCLINE_PUSH_ATTEMPTS",
        default_value_t = 20,
        help_heading = "Sources"
    )]
    pub push_attempts: u32,
    /// Pause before a commit is made anew for the first time; doubled each time, and between half of
    /// it and all of it.
    #[arg(long, env = "SYNCLINE_PUSH_PAUSE", default_value = "50ms", value_parser = duration, help_heading = "Sources")]
    pub push_pause: Duration,
    /// Longest pause before a commit is made anew.
    #[arg(long, env = "SYNCLINE_PUSH_PAUSE_MOST", default_value = "1s", value_parser = duration, help_heading = "Sources")]
    pub push_pause_most: Duration,
    /// To how many branches image updates are written at the same time; to one branch only one
    /// writer writes.
    #[arg(
        long,
        env = "SYNCLINE_IMAGE_WRITERS",
        default_value_t = 8,
        help_heading = "Sources"
    )]
    pub image_writers: usize,
    /// How many lists in a row have to say so before a list of tags is believed that lost a tag which
    /// Git names, or more than half of all.
    #[arg(
        long,
        env = "SYNCLINE_REGISTRY_DOUBT_LISTINGS",
        default_value_t = 3,
        help_heading = "Sources"
    )]
    pub registry_doubt_listings: u32,
    /// How long they have to say so at least.
    #[arg(long, env = "SYNCLINE_REGISTRY_DOUBT_TIME", default_value = "10m", value_parser = duration, help_heading = "Sources")]
    pub registry_doubt_time: Duration,
    /// How long the image that a tag stands for is believed before the registry is asked again.
    #[arg(long, env = "SYNCLINE_REGISTRY_TAG_AGE", default_value = "1h", value_parser = duration, help_heading = "Sources")]
    pub registry_tag_age: Duration,
    /// At how many images of one policy the agent looks at most, where the order or the filter needs
    /// their time, platforms or digest.
    #[arg(
        long,
        env = "SYNCLINE_IMAGE_FACTS_MOST",
        default_value_t = 1000,
        help_heading = "Sources"
    )]
    pub image_facts_most: usize,
    /// At how many of them it looks before it decides again whether more are needed.
    #[arg(
        long,
        env = "SYNCLINE_IMAGE_FACTS_ROUND",
        default_value_t = 50,
        help_heading = "Sources"
    )]
    pub image_facts_round: usize,
    /// How many updates a policy may make within an hour; one more waits.
    #[arg(
        long,
        env = "SYNCLINE_IMAGE_UPDATES_PER_HOUR",
        default_value_t = 6,
        help_heading = "Sources"
    )]
    pub image_updates_per_hour: usize,
    /// How many commits of a branch are read for what earlier updates and reverts say.
    #[arg(
        long,
        env = "SYNCLINE_IMAGE_HISTORY_COMMITS",
        default_value_t = 10_000,
        help_heading = "Sources"
    )]
    pub image_history_commits: usize,
    /// How old the commits are at most that are read for what earlier updates and reverts say.
    #[arg(long, env = "SYNCLINE_IMAGE_HISTORY_AGE", default_value = "365d", value_parser = duration, help_heading = "Sources")]
    pub image_history_age: Duration,
    /// Of how many tags of a policy the verdict is kept in memory; all are counted.
    #[arg(
        long,
        env = "SYNCLINE_IMAGE_VERDICTS",
        default_value_t = 50,
        help_heading = "Sources"
    )]
    pub image_verdicts: usize,
    /// Most bytes that one fetch of a repository may bring.
    #[arg(long, env = "SYNCLINE_MAX_PACK_BYTES", default_value_t = 2 * 1024 * 1024 * 1024, help_heading = "Sources")]
    pub max_pack_bytes: u64,
    /// Most bytes that one push to a repository may send.
    #[arg(long, env = "SYNCLINE_MAX_PUSH_BYTES", default_value_t = 64 * 1024 * 1024, help_heading = "Sources")]
    pub max_push_bytes: u64,
    /// Most bytes of the list of references of a Git server.
    #[arg(long, env = "SYNCLINE_MAX_LISTING_BYTES", default_value_t = 64 * 1024 * 1024, help_heading = "Sources")]
    pub max_listing_bytes: u64,
    /// How many packs the mirror of a repository may have before it is cloned anew; every fetch that
    /// brings something adds one.
    #[arg(
        long,
        env = "SYNCLINE_MAX_PACK_FILES",
        default_value_t = 200,
        help_heading = "Sources"
    )]
    pub max_pack_files: usize,
    /// By how many bytes the mirror of a repository may grow, where that is more than it had at first,
    /// before it is cloned anew.
    #[arg(long, env = "SYNCLINE_MAX_MIRROR_GROWTH_BYTES", default_value_t = 256 * 1024 * 1024, help_heading = "Sources")]
    pub max_mirror_growth_bytes: u64,
    /// Registries, as `host:port`, that are spoken to without TLS beside those on loopback.
    #[arg(
        long,
        env = "SYNCLINE_PLAIN_HTTP_REGISTRIES",
        value_delimiter = ',',
        help_heading = "Sources"
    )]
    pub plain_http_registries: Vec<String>,
    /// URLs below which Kustomize may take remote bases from, each pinned to a commit; none by
    /// default.
    #[arg(
        long,
        env = "SYNCLINE_REMOTE_BASES",
        value_delimiter = ',',
        help_heading = "Sources"
    )]
    pub remote_bases: Vec<String>,
    /// Deadline of one request to a chart repository.
    #[arg(long, env = "SYNCLINE_CHART_TIMEOUT", default_value = "1m", value_parser = duration, help_heading = "Sources")]
    pub chart_timeout: Duration,
    /// How long what a chart repository or registry says of its charts is believed before it is
    /// asked again, by whatever application.
    #[arg(long, env = "SYNCLINE_CHART_ANSWER_AGE", default_value = "10s", value_parser = duration, help_heading = "Sources")]
    pub chart_answer_age: Duration,
    /// Most bytes of the index of a chart repository.
    #[arg(
        long,
        env = "SYNCLINE_CHART_INDEX_BYTES",
        default_value_t = 52_428_800,
        help_heading = "Sources"
    )]
    pub chart_index_bytes: u64,
    /// Most bytes of the archive of a chart.
    #[arg(
        long,
        env = "SYNCLINE_CHART_ARCHIVE_BYTES",
        default_value_t = 20_971_520,
        help_heading = "Sources"
    )]
    pub chart_archive_bytes: u64,
    /// Most bytes of all chart archives that are kept in the data folder.
    #[arg(
        long,
        env = "SYNCLINE_CHART_CACHE_BYTES",
        default_value_t = 1_073_741_824,
        help_heading = "Sources"
    )]
    pub chart_cache_bytes: u64,

    /// The renderer program; beside the agent's own program by default.
    #[arg(long, env = "SYNCLINE_RENDERER", help_heading = "Renderer")]
    pub renderer: Option<PathBuf>,
    /// How much memory rendered manifests may take, in MiB, so that a repair needs no render, and
    /// how much those of earlier commits, so that a revert needs none. The oldest ones go first.
    #[arg(
        long,
        env = "SYNCLINE_RENDER_CACHE_MIB",
        default_value_t = 32,
        help_heading = "Renderer"
    )]
    pub render_cache_mib: u32,
    /// How many renderer processes run at most.
    #[arg(
        long,
        env = "SYNCLINE_RENDER_WORKERS",
        default_value_t = 2,
        help_heading = "Renderer"
    )]
    pub render_workers: usize,
    /// Deadline of one render.
    #[arg(long, env = "SYNCLINE_RENDER_DEADLINE", default_value = "30s", value_parser = duration, help_heading = "Renderer")]
    pub render_deadline: Duration,
    /// Memory of one renderer process, in MiB.
    #[arg(
        long,
        env = "SYNCLINE_RENDER_MEMORY_MIB",
        default_value_t = 512,
        help_heading = "Renderer"
    )]
    pub render_memory_mib: u64,
    /// After how many renders a renderer process is replaced.
    #[arg(
        long,
        env = "SYNCLINE_RENDER_RECYCLE_AFTER",
        default_value_t = 1000,
        help_heading = "Renderer"
    )]
    pub render_recycle_after: u32,
    /// After how long without work a renderer process is stopped.
    #[arg(long, env = "SYNCLINE_RENDER_IDLE_STOP", default_value = "1m", value_parser = duration, help_heading = "Renderer")]
    pub render_idle_stop: Duration,

    /// Address of the web UI: a loopback address, until sign-in exists.
    #[arg(
        long,
        env = "SYNCLINE_UI_LISTEN",
        default_value = "127.0.0.1:8080",
        help_heading = "Listeners"
    )]
    pub ui_listen: SocketAddr,
    /// Address of the webhook listener.
    #[arg(
        long,
        env = "SYNCLINE_WEBHOOK_LISTEN",
        default_value = "0.0.0.0:9292",
        help_heading = "Listeners"
    )]
    pub webhook_listen: SocketAddr,
    /// Address of `/healthz`, `/readyz` and `/metrics`.
    #[arg(
        long,
        env = "SYNCLINE_METRICS_LISTEN",
        default_value = "0.0.0.0:9090",
        help_heading = "Listeners"
    )]
    pub metrics_listen: SocketAddr,
    /// How long a browser stays signed in.
    #[arg(long, env = "SYNCLINE_UI_SESSION_LIFETIME", default_value = "12h", value_parser = duration, help_heading = "Listeners")]
    pub ui_session_lifetime: Duration,
    /// Address under which a proxy serves the web UI over TLS, such as `https://ops.example.com/gitops`:
    /// that host is let in, the path is taken off, the cookie is for TLS only, and links name it.
    #[arg(long, env = "SYNCLINE_UI_URL", help_heading = "Listeners")]
    pub ui_url: Option<PublicUrl>,
    /// How long a browser may take nothing of what is sent to it before its connection is closed.
    #[arg(long, env = "SYNCLINE_UI_PATIENCE", default_value = "30s", value_parser = duration, help_heading = "Listeners")]
    pub ui_patience: Duration,
    /// Most bytes of a webhook delivery.
    #[arg(long, env = "SYNCLINE_WEBHOOK_MAX_BODY_BYTES", default_value_t = 1024 * 1024, help_heading = "Listeners")]
    pub webhook_max_body_bytes: usize,
    /// Deadline for the body of a webhook delivery.
    #[arg(long, env = "SYNCLINE_WEBHOOK_BODY_TIMEOUT", default_value = "5s", value_parser = duration, help_heading = "Listeners")]
    pub webhook_body_timeout: Duration,

    /// Which log lines are written, for example `info` or `syncline=debug`. Lines of libraries are
    /// written from `info` on only: below it they may hold secrets.
    #[arg(
        long,
        env = "SYNCLINE_LOG",
        default_value = "info",
        help_heading = "Logging"
    )]
    pub log: String,
    /// Form of the log lines.
    #[arg(long, env = "SYNCLINE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json, help_heading = "Logging")]
    pub log_format: LogFormat,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl AgentSettings {
    /// Refuses values that cannot work together.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.ui_listen.ip().is_loopback(),
            "`--ui-listen {}`: the web UI listens on a loopback address only, until it has sign-in; \
             reach it with `kubectl port-forward`",
            self.ui_listen
        );
        anyhow::ensure!(
            self.lease_retry < self.lease_renew_deadline
                && self.lease_renew_deadline < self.lease_duration,
            "`--lease-retry` must be shorter than `--lease-renew-deadline`, and that shorter than \
             `--lease-duration`"
        );
        anyhow::ensure!(
            self.watch_silence >= LEAST_SILENCE && self.watch_silence < self.watch_timeout,
            "`--watch-silence` must be at least {LEAST_SILENCE:?} and shorter than `--watch-timeout`"
        );
        anyhow::ensure!(
            self.reader_account.as_deref() != Some(""),
            "`--reader-account` is empty; leave it out to watch as the Applications' accounts"
        );
        anyhow::ensure!(
            self.full_check_interval >= LEAST_FULL_CHECK,
            "`--full-check-interval` must be at least {LEAST_FULL_CHECK:?}"
        );
        for tool in self.manual_tools.iter().filter(|tool| !tool.is_empty()) {
            let stem = tool.strip_suffix('*').unwrap_or(tool);
            anyhow::ensure!(
                !stem.is_empty() && !stem.contains('*') && stem.trim() == stem,
                "`--manual-tools`: `{tool}` is not a name, nor the beginning of one with a `*`"
            );
            anyhow::ensure!(
                !stem.starts_with("syncline-") && (stem == tool || !"syncline-".starts_with(stem)),
                "`--manual-tools`: `{tool}` also means Syncline itself"
            );
        }
        self.masking()?;
        for (flag, value) in [
            ("--sync-workers", self.sync_workers),
            ("--apply-concurrency", self.apply_concurrency),
            ("--preview-concurrency", self.preview_concurrency),
            ("--poll-workers", self.poll_workers),
            ("--render-workers", self.render_workers),
            ("--history-queue", self.history_queue),
            ("--health-look-workers", self.health_look_workers),
            ("--status-writers", self.status_writers),
            ("--look-workers", self.look_workers),
            ("--look-objects", self.look_objects),
            ("--pod-log-streams", self.pod_log_streams),
            ("--pod-log-containers", self.pod_log_containers),
            ("--image-writers", self.image_writers),
            ("--max-pack-files", self.max_pack_files),
        ] {
            anyhow::ensure!(value > 0, "`{flag}` must be at least 1");
        }
        Ok(())
    }
}

impl AgentSettings {
    /// What is masked in objects beside the values of Secrets.
    pub(crate) fn masking(&self) -> anyhow::Result<syncline_core::masking::Rules> {
        let given = |list: &[String]| -> Vec<String> {
            let list = list.iter().filter(|text| !text.is_empty());
            list.cloned().collect()
        };
        syncline_core::masking::Rules::with(&given(&self.masked_names), &given(&self.masked_paths))
            .context("`--masked-names` or `--masked-paths`")
    }
}

/// Shorter ones would end watches that are only quiet.
const LEAST_SILENCE: Duration = Duration::from_secs(1);
/// A check reads every object of the application.
const LEAST_FULL_CHECK: Duration = Duration::from_secs(1);

pub(crate) fn duration(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

/// A registry and a token service, as in `registry.example.com=login.example.net`.
fn token_host(text: &str) -> Result<(String, String), &'static str> {
    let plain = |host: &str| !host.is_empty() && !host.contains(['/', '=', '@', '*', ' ']);
    match text.split_once('=') {
        Some((registry, host)) if plain(registry) && plain(host) => {
            Ok((registry.to_ascii_lowercase(), host.to_ascii_lowercase()))
        }
        _ => Err("it is a host, `=` and a host, such as `registry.example.com=login.example.net`"),
    }
}

/// The proxies of Git over HTTP, as the environment names them for many programs: `HTTPS_PROXY`,
/// `HTTP_PROXY` and `NO_PROXY`, in capitals or not.
pub(crate) fn git_proxies() -> Proxies {
    let read = |name: &str| {
        let lower = name.to_lowercase();
        let mut found = [name, lower.as_str()].into_iter().filter_map(|name| {
            let value = std::env::var(name).ok()?;
            (!value.trim().is_empty()).then(|| value.trim().to_owned())
        });
        found.next()
    };
    let except = read("NO_PROXY").unwrap_or_default();
    Proxies {
        https: read("HTTPS_PROXY").map(Redacted::new),
        http: read("HTTP_PROXY").map(Redacted::new),
        except: except
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect(),
    }
}

/// The arguments of the process, completed by the file that `--config` names: what neither a flag
/// nor the environment gives is taken from the file.
pub fn arguments_with_file(
    arguments: impl IntoIterator<Item = OsString>,
) -> anyhow::Result<Vec<OsString>> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_none_or(|command| command != "agent") {
        return Ok(arguments);
    }
    let Some(path) = config_path(&arguments) else {
        return Ok(arguments);
    };
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("read the settings file `{}`", path.display()))?;
    for (key, value) in read_file(&path, &text)? {
        let flag = format!("--{}", key.replace('_', "-"));
        let variable = format!("SYNCLINE_{}", key.to_uppercase());
        let given = arguments
            .iter()
            .filter_map(|a| a.to_str())
            .any(|argument| argument == flag || argument.starts_with(&format!("{flag}=")));
        if !given && std::env::var_os(variable).is_none() {
            arguments.push(format!("{flag}={value}").into());
        }
    }
    Ok(arguments)
}

fn config_path(arguments: &[OsString]) -> Option<PathBuf> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next().map(PathBuf::from);
        }
        if let Some(path) = argument
            .to_str()
            .and_then(|text| text.strip_prefix("--config="))
        {
            return Some(PathBuf::from(path));
        }
    }
    std::env::var_os("SYNCLINE_CONFIG").map(PathBuf::from)
}

/// Reads the file: a flat map whose keys are settings. An unknown key is an error that names it.
fn read_file(path: &Path, text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let map: std::collections::BTreeMap<String, serde_json::Value> =
        serde_saphyr::from_str(text)
            .with_context(|| format!("the settings file `{}` is not a YAML map", path.display()))?;
    let known = known_settings();
    map.into_iter()
        .map(|(key, value)| {
            anyhow::ensure!(
                known.contains(&key),
                "the settings file `{}` has an unknown key `{key}`; the keys are: {}",
                path.display(),
                known.join(", ")
            );
            let value = match value {
                serde_json::Value::String(text) => text,
                serde_json::Value::Number(_) | serde_json::Value::Bool(_) => value.to_string(),
                _ => anyhow::bail!("`{key}` in `{}` is not a plain value", path.display()),
            };
            Ok((key, value))
        })
        .collect()
}

/// The names of all settings, as keys of the file.
pub fn known_settings() -> Vec<String> {
    crate::cli::Cli::command()
        .find_subcommand("agent")
        .into_iter()
        .flat_map(|agent| agent.get_arguments())
        .filter_map(|argument| argument.get_long())
        .filter(|long| !["help", "config", "version"].contains(long))
        .map(|long| long.replace('-', "_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn settings(arguments: &[&str]) -> AgentSettings {
        let all = ["syncline", "agent"].iter().chain(arguments);
        let arguments = arguments_with_file(all.map(OsString::from)).unwrap();
        match Cli::parse_from(arguments).command {
            Command::Agent(settings) => *settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_flag_is_stronger_than_the_file_and_the_file_than_the_default() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "sync_workers: 3\nretry_first: 250ms\nnamespace: x\n",
        )
        .unwrap();
        let path = file.path().to_str().unwrap();
        let settings = settings(&["--config", path, "--sync-workers", "5"]);
        assert_eq!(settings.sync_workers, 5);
        assert_eq!(settings.retry_first, Duration::from_millis(250));
        assert_eq!(settings.namespace, "x");
        assert_eq!(settings.render_workers, 2);
    }

    #[test]
    fn an_unknown_key_and_a_missing_file_are_named() {
        let path = Path::new("agent.yaml");
        let error = read_file(path, "sync_wrokers: 3\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("sync_wrokers") && error.contains("sync_workers"),
            "{error}"
        );
        let arguments = ["syncline", "agent", "--config=/does/not/exist"].map(OsString::from);
        let error = arguments_with_file(arguments).unwrap_err().to_string();
        assert!(error.contains("/does/not/exist"), "{error}");
    }

    #[test]
    fn the_ui_is_refused_on_an_open_address() {
        let settings = settings(&["--ui-listen", "0.0.0.0:8080"]);
        assert!(
            settings
                .check()
                .unwrap_err()
                .to_string()
                .contains("loopback")
        );
    }

    #[test]
    fn the_address_of_a_proxy_is_one_over_tls() {
        let url = "https://ops.example.com/gitops";
        let given = settings(&["--ui-url", url]);
        assert_eq!(given.ui_url.unwrap().to_string(), url);
        let arguments = ["syncline", "agent", "--ui-url=http://ops.example.com"];
        let error = Cli::try_parse_from(arguments).err().unwrap().to_string();
        assert!(error.contains("must begin with `https://`"), "{error}");
    }

    #[test]
    fn the_defaults_work_together() {
        let settings = settings(&[]);
        settings.check().unwrap();
        assert_eq!(settings.watch_silence, Duration::from_secs(70));
        assert_eq!(settings.reader_account, None);
        assert!(settings.manual_tools.contains(&"kubectl*".to_owned()));
        assert!(settings.manual_tools.iter().all(|tool| tool.trim() == tool));
    }

    #[test]
    fn the_list_of_manual_tools_is_divided_and_checked() {
        let given = settings(&["--manual-tools", "kubectl*,k9s"]);
        assert_eq!(given.manual_tools, ["kubectl*", "k9s"]);
        settings(&["--manual-tools", ""]).check().unwrap();
        for bad in ["*", "a*b", "k9s, curl", "syncline-abc", "sync*"] {
            let error = settings(&["--manual-tools", bad]).check().unwrap_err();
            assert!(error.to_string().contains("--manual-tools"), "{bad}");
        }
    }

    #[test]
    fn values_that_cannot_work_are_refused() {
        for (flag, value) in [
            ("--watch-silence", "290s"),
            ("--watch-silence", "0s"),
            ("--full-check-interval", "0s"),
            ("--reader-account", ""),
            ("--masked-names", "*"),
            ("--masked-paths", "spec/login"),
        ] {
            let error = settings(&[flag, value]).check().unwrap_err();
            assert!(error.to_string().contains(flag), "{flag} {value}");
        }
    }

    #[test]
    fn a_token_host_is_two_plain_hosts() {
        let pair = ("r.io:5000".to_owned(), "login.io".to_owned());
        assert_eq!(token_host("R.io:5000=login.io"), Ok(pair));
        for text in [
            "r.io",
            "=login.io",
            "r.io=",
            "r.io=https://login.io",
            "*=login.io",
        ] {
            assert!(token_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_documented_settings_file_is_accepted() {
        let text = include_str!("../../config/agent.yaml");
        let read = read_file(Path::new("config/agent.yaml"), text).unwrap();
        assert!(!read.is_empty());
    }
}
