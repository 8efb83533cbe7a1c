//! The figures of image policies: as a table for people and as JSON for the next comparison.

use std::fmt::Write as _;

use serde::Serialize;

use crate::bench::report::{Requests, Spread};

/// What the policies may add to the memory of the agent, for 1,000 images of 1,000 tags.
const GOAL_MIB: f64 = 60.0;
/// How many requests of the registry a look at an image may cost.
const GOAL_REQUESTS: f64 = 1.0;
/// Milliseconds until a new tag is a commit that the server has.
const GOAL_LANDED_MS: f64 = 500.0;

/// The figures.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it began, RFC 3339.
    pub began: String,
    /// How many processors the machine has for it.
    pub processors: usize,
    /// How many images, policies and applications there are.
    pub images: usize,
    /// How many tags each image has.
    pub tags: usize,
    /// The choice alone, of all policies together.
    pub evaluations: Vec<Evaluation>,
    /// Memory of the agent with all applications and no policy.
    pub idle_mib: f64,
    /// Seconds from the first policy until each image was looked at.
    pub first_look_seconds: f64,
    /// Memory of the agent after the first look at each image.
    pub looked_mib: f64,
    /// Nothing is new.
    pub rest: Rest,
    /// Milliseconds from the word that there is a new tag until the server has the commit.
    pub landed: Spread,
    /// Many new tags at once.
    pub burst: Burst,
}

/// The choice of all policies, each among its own tags.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// The order of the policies.
    pub order: String,
    /// All policies together, on one thread.
    pub milliseconds: Spread,
    /// What they may take.
    pub goal_ms: f64,
}

/// Nothing is new.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rest {
    /// How long that was measured.
    pub seconds: f64,
    /// Looks at images.
    pub polls: f64,
    /// Requests of the registry.
    pub registry_requests: usize,
    /// Tag lists that were asked for.
    pub lists: usize,
    /// Those that were answered without the list, because it was the same.
    pub not_modified: usize,
    /// Requests of the Git server.
    pub git_requests: usize,
    /// Requests of the API server.
    pub api_requests: Requests,
    /// CPU of the agent and its renderers for each look.
    pub cpu_ms_per_poll: f64,
    /// Memory of the agent at the end.
    pub mib: f64,
}

/// Many new tags at once.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Burst {
    /// How many images had one.
    pub tags: usize,
    /// Until the server had all of them.
    pub milliseconds: f64,
    /// In how many commits.
    pub commits: usize,
}

impl Report {
    /// One that begins now.
    pub(super) fn new(images: usize, tags: usize) -> Self {
        Self {
            began: jiff::Timestamp::now().to_string(),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            images,
            tags,
            ..Self::default()
        }
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut rows: Vec<(&str, String)> = Vec::new();
        for Evaluation {
            order,
            milliseconds,
            goal_ms,
        } in &self.evaluations
        {
            let Spread {
                count, p50, p99, ..
            } = milliseconds;
            let goal = told(*p50, *goal_ms, "ms");
            let text = format!("{order}: p50 {p50:.1} ms, p99 {p99:.1} ms of {count} ({goal})");
            rows.push(("the choice alone", text));
        }
        let rest = &self.rest;
        let above = rest.mib - self.idle_mib;
        rows.push((
            "memory",
            format!(
                "idle {:.1} MiB, after the first look {:.1} MiB, at rest {:.1} MiB: {above:+.1} MiB ({})",
                self.idle_mib,
                self.looked_mib,
                rest.mib,
                told(above, GOAL_MIB, "MiB")
            ),
        ));
        rows.push((
            "first look",
            format!("each image within {:.1} s", self.first_look_seconds),
        ));
        let each = rest.registry_requests as f64 / rest.polls;
        rows.push((
            "at rest",
            format!(
                "{:.0} looks in {:.0} s: {each:.2} requests each ({}), {} of {} lists not sent again; \
                 {:.2} Git requests each; CPU {:.2} ms each",
                rest.polls,
                rest.seconds,
                told(each, GOAL_REQUESTS, ""),
                rest.not_modified,
                rest.lists,
                rest.git_requests as f64 / rest.polls,
                rest.cpu_ms_per_poll
            ),
        ));
        rows.push(("  API requests", rest.api_requests.line()));
        let Spread {
            count, p50, p99, ..
        } = self.landed;
        rows.push((
            "tag -> commit",
            format!(
                "p50 {p50:.0} ms, p99 {p99:.0} ms of {count} ({})",
                told(p50, GOAL_LANDED_MS, "ms")
            ),
        ));
        let Burst {
            tags,
            milliseconds,
            commits,
        } = self.burst;
        rows.push((
            "many at once",
            format!("{tags} tags within {milliseconds:.0} ms, in {commits} commits"),
        ));
        let mut text = format!("{} images of {} tags\n", self.images, self.tags);
        for (name, value) in rows {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {name:18} {value}");
        }
        text
    }
}

fn told(value: f64, goal: f64, unit: &str) -> String {
    let met = if value <= goal { "met" } else { "MISSED" };
    let unit = if unit.is_empty() {
        String::new()
    } else {
        format!(" {unit}")
    };
    format!("goal {goal}{unit}: {met}")
}
