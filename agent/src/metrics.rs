//! The metrics of the agent, in the OpenMetrics text format.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use syncline_registry::HostState;
use syncline_render::{Counters, cache};
use syncline_store::{Condition, Status};

/// Labels of a sync.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct SyncLabels {
    /// What asked for it.
    pub(crate) cause: String,
    /// How it ended.
    pub(crate) result: String,
}

/// Labels of a look at a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PollLabels {
    /// `repository`, `image` or `chart`.
    pub(crate) target: &'static str,
    /// The reason that it ended with.
    pub(crate) reason: String,
}

/// One label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ActionLabels {
    /// What was done with the object, or `failed`.
    pub(crate) action: &'static str,
}

/// Labels of the answers of a registry or chart repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    /// Host and port.
    host: String,
    /// The kind of status, or `none` for no answer.
    status: &'static str,
}

/// One label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HostLabels {
    /// Host and port.
    host: String,
}

/// One label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CountLabels {
    /// What is counted.
    what: &'static str,
}

/// All metrics; the registry prints them.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Ended syncs.
    pub(crate) syncs: Family<SyncLabels, Counter>,
    /// Seconds from the trigger to the end of a sync.
    pub(crate) sync_seconds: Histogram,
    /// Objects that were written, pruned or failed.
    pub(crate) objects: Family<ActionLabels, Counter>,
    /// Repairs of drift.
    pub(crate) drift: Counter,
    /// Looks at repositories and registries.
    pub(crate) polls: Family<PollLabels, Counter>,
    /// Renders, however they ended.
    pub(crate) renders: Counter,
    /// What the render cache did and holds.
    render_cache: Family<CountLabels, Gauge>,
    /// What the renderer processes did.
    renderer: Family<CountLabels, Gauge>,
    /// Answers of each registry and chart repository.
    registry_answers: Family<AnswerLabels, Gauge>,
    /// Requests that wait for their turn.
    registry_waiting: Family<HostLabels, Gauge>,
    /// How often a host is asked at most now.
    registry_rate: Family<HostLabels, Gauge<f64, AtomicU64>>,
    /// For how long a host is left alone.
    registry_left_alone: Family<HostLabels, Gauge<f64, AtomicU64>>,
    /// The hosts that are in these families.
    registry_hosts: Mutex<BTreeSet<String>>,
    /// Commits of the image flow.
    pub(crate) commits: Counter,
    /// Updates in these commits.
    pub(crate) image_updates: Counter,
    /// Commits of rollbacks.
    pub(crate) reverts: Counter,
    /// Pushes that somebody else was faster with, or that got no answer.
    pub(crate) lost_pushes: Counter,
    /// Policies of which a version is held.
    pub(crate) image_holds: Gauge<i64, AtomicI64>,
    /// Policies that wait for the writer of a branch.
    pub(crate) image_orders: Gauge<i64, AtomicI64>,
    /// Webhook deliveries that asked for a look.
    pub(crate) deliveries: Counter,
    /// Webhook deliveries without a valid signature.
    pub(crate) webhook_refused: Gauge<i64, AtomicI64>,
    /// Applications known.
    pub(crate) applications: Gauge<i64, AtomicI64>,
    /// Applications that wait for a sync.
    pub(crate) queued: Gauge<i64, AtomicI64>,
    /// Open watches.
    pub(crate) watches: Gauge<i64, AtomicI64>,
    /// 1 while the agent is frozen.
    pub(crate) frozen: Gauge<i64, AtomicI64>,
    /// History writes that wait.
    pub(crate) history_queued: Gauge<i64, AtomicI64>,
    /// History writes that were dropped.
    pub(crate) history_dropped: Gauge<i64, AtomicI64>,
    /// 1 while the history cannot be written.
    pub(crate) history_failing: Gauge<i64, AtomicI64>,
    /// 1 after a damaged history was set aside.
    pub(crate) history_damaged: Gauge<i64, AtomicI64>,
}

impl Metrics {
    /// Registers all metrics under the prefix `syncline`.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("syncline");
        let metrics = Self {
            syncs: Family::default(),
            sync_seconds: Histogram::new(exponential_buckets(0.01, 2.0, 16)),
            objects: Family::default(),
            drift: Counter::<u64, AtomicU64>::default(),
            polls: Family::default(),
            renders: Counter::default(),
            render_cache: Family::default(),
            renderer: Family::default(),
            registry_answers: Family::default(),
            registry_waiting: Family::default(),
            registry_rate: Family::default(),
            registry_left_alone: Family::default(),
            registry_hosts: Mutex::default(),
            commits: Counter::default(),
            image_updates: Counter::default(),
            reverts: Counter::default(),
            lost_pushes: Counter::default(),
            image_holds: Gauge::default(),
            image_orders: Gauge::default(),
            deliveries: Counter::default(),
            webhook_refused: Gauge::default(),
            applications: Gauge::default(),
            queued: Gauge::default(),
            watches: Gauge::default(),
            frozen: Gauge::default(),
            history_queued: Gauge::default(),
            history_dropped: Gauge::default(),
            history_failing: Gauge::default(),
            history_damaged: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("syncs", "Ended syncs", metrics.syncs.clone());
        registry.register(
            "sync_duration_seconds",
            "Seconds from the trigger to the end of a sync",
            metrics.sync_seconds.clone(),
        );
        registry.register(
            "objects",
            "Objects written, pruned or failed",
            metrics.objects.clone(),
        );
        registry.register("drift_repairs", "Repairs of drift", metrics.drift.clone());
        registry.register(
            "polls",
            "Looks at repositories and registries",
            metrics.polls.clone(),
        );
        registry.register(
            "renders",
            "Renders of an application",
            metrics.renders.clone(),
        );
        registry.register(
            "render_cache",
            "Hits, misses and evictions of the render cache since the start, and what it holds",
            metrics.render_cache.clone(),
        );
        registry.register(
            "renderer",
            "Renders by the renderer processes since the start, how they ended, and how many wait",
            metrics.renderer.clone(),
        );
        registry.register(
            "registry_answers",
            "Answers of registries and chart repositories since the start, by host and kind of status",
            metrics.registry_answers.clone(),
        );
        registry.register(
            "registry_waiting",
            "Requests to a registry or chart repository that wait for their turn",
            metrics.registry_waiting.clone(),
        );
        registry.register(
            "registry_requests_per_second_limit",
            "How many requests a second a registry or chart repository is asked at most now",
            metrics.registry_rate.clone(),
        );
        registry.register(
            "registry_left_alone_seconds",
            "For how long a registry or chart repository is not asked from now on",
            metrics.registry_left_alone.clone(),
        );
        registry.register(
            "image_commits",
            "Commits of the image flow",
            metrics.commits.clone(),
        );
        registry.register(
            "image_updates",
            "Image updates in these commits, one per policy",
            metrics.image_updates.clone(),
        );
        registry.register("reverts", "Commits of rollbacks", metrics.reverts.clone());
        registry.register(
            "image_pushes_lost",
            "Pushes that were made anew because somebody else was faster, or that got no answer",
            metrics.lost_pushes.clone(),
        );
        registry.register(
            "image_holds",
            "Image policies of which somebody took a version back",
            metrics.image_holds.clone(),
        );
        registry.register(
            "image_orders",
            "Image policies that wait for the writer of a branch",
            metrics.image_orders.clone(),
        );
        registry.register(
            "webhook_deliveries",
            "Webhook deliveries that asked for a look",
            metrics.deliveries.clone(),
        );
        registry.register(
            "webhook_refused",
            "Webhook deliveries without a valid signature since the start",
            metrics.webhook_refused.clone(),
        );
        registry.register(
            "applications",
            "Applications known",
            metrics.applications.clone(),
        );
        registry.register(
            "queued",
            "Applications that wait for a sync",
            metrics.queued.clone(),
        );
        registry.register("watches", "Open watches", metrics.watches.clone());
        registry.register(
            "frozen",
            "1 while the agent is frozen and nothing is synced",
            metrics.frozen.clone(),
        );
        registry.register(
            "history_queued",
            "History writes that wait for the database",
            metrics.history_queued.clone(),
        );
        registry.register(
            "history_dropped",
            "History writes that were dropped since the start",
            metrics.history_dropped.clone(),
        );
        registry.register(
            "history_failing",
            "1 while the history cannot be written",
            metrics.history_failing.clone(),
        );
        registry.register(
            "history_damaged",
            "1 after a damaged history was set aside, until the next start",
            metrics.history_damaged.clone(),
        );
        Self {
            registry,
            ..metrics
        }
    }

    /// What the history says of itself.
    pub(crate) fn history(&self, status: &Status) {
        let failing = !matches!(
            status.condition,
            Condition::Writing | Condition::ReadOnly { .. }
        );
        self.history_queued.set(status.queued as i64);
        self.history_dropped.set(status.dropped as i64);
        self.history_failing.set(i64::from(failing));
        self.history_damaged
            .set(i64::from(status.damaged.is_some()));
    }

    /// Takes over what the renderer and its cache counted.
    pub(crate) fn rendering(&self, cache: cache::Counters, renderer: Counters) {
        let say = |family: &Family<CountLabels, Gauge>, counts: &[(&'static str, u64)]| {
            for (what, count) in counts {
                family
                    .get_or_create(&CountLabels { what })
                    .set(*count as i64);
            }
        };
        say(
            &self.render_cache,
            &[
                ("hits", cache.hits),
                ("misses", cache.misses),
                ("evictions", cache.evictions),
                ("variants", cache.variants as u64),
                ("bytes", cache.bytes as u64),
            ],
        );
        say(
            &self.renderer,
            &[
                ("renders", renderer.renders),
                ("failed", renderer.failed),
                ("killed-deadline", renderer.killed_deadline),
                ("killed-memory", renderer.killed_memory),
                ("died", renderer.died),
                ("recycled", renderer.recycled),
                ("started", renderer.started),
                ("waiting", renderer.waiting),
            ],
        );
    }

    /// Takes over what is known of the registries and chart repositories.
    pub(crate) fn registries(&self, states: Vec<HostState>) {
        let mut known = self
            .registry_hosts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let hosts = states.iter().map(|state| state.host.clone()).collect();
        if known.difference(&hosts).next().is_some() {
            // Some host was forgotten; what is told of the others comes again below.
            self.registry_answers.clear();
            self.registry_waiting.clear();
            self.registry_rate.clear();
            self.registry_left_alone.clear();
        }
        *known = hosts;
        for state in states {
            for (status, count) in state.answers {
                let host = state.host.clone();
                self.registry_answers
                    .get_or_create(&AnswerLabels { host, status })
                    .set(count as i64);
            }
            let labels = HostLabels { host: state.host };
            self.registry_waiting
                .get_or_create(&labels)
                .set(state.waiting as i64);
            self.registry_rate.get_or_create(&labels).set(state.rate);
            let left_alone = state
                .left_alone
                .map_or(0.0, |again| again.after.as_secs_f64());
            self.registry_left_alone
                .get_or_create(&labels)
                .set(left_alone);
        }
    }

    /// The text of `/metrics`.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_is_forgotten_is_told_of_no_more() {
        let metrics = Metrics::new();
        let state = |host: &str| HostState {
            host: host.to_owned(),
            answers: [("2xx", 3), ("429", 1)].into(),
            waiting: 2,
            rate: 0.5,
            left_alone: None,
        };
        metrics.registries(vec![state("r.io"), state("s.io")]);
        let text = metrics.text();
        for line in [
            r#"syncline_registry_answers{host="r.io",status="429"} 1"#,
            r#"syncline_registry_waiting{host="s.io"} 2"#,
            r#"syncline_registry_requests_per_second_limit{host="r.io"} 0.5"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        metrics.registries(vec![state("s.io")]);
        let text = metrics.text();
        assert!(!text.contains("r.io") && text.contains("s.io"), "{text}");
    }

    #[test]
    fn the_text_has_every_metric_with_the_prefix() {
        let metrics = Metrics::new();
        metrics.drift.inc();
        metrics.watches.set(3);
        let text = metrics.text();
        assert!(text.contains("syncline_drift_repairs_total 1"), "{text}");
        assert!(text.contains("syncline_watches 3"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
