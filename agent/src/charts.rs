//! Charts that an Application names in a chart repository: which version, and its archive.

use std::sync::Arc;
use std::time::Duration;

use syncline_core::application::{Application, ChartSource};
use syncline_core::outcome::Failure;
use syncline_core::reason::Class;
use syncline_core::record::Name;
use syncline_core::trigger::Cause;
use syncline_registry::chart::{
    Access, ArchiveDigest, ChartError, ChartRef, Charts, ResolvedChart,
};
use syncline_render::Answer;

use crate::agent::Agent;
use crate::jitter::later;
use crate::metrics::PollLabels;
use crate::sync::Purpose;

/// The version that the range of the Application stands for at the moment. A look at the chart finds
/// news where it finds another one than a sync did, or where that failed.
pub(crate) async fn settle(
    agent: &Agent,
    application: &Application,
    chart: &ChartSource,
    purpose: Purpose,
) -> Result<ResolvedChart, Failure> {
    let resolved = resolve(agent, application, chart).await;
    if purpose == Purpose::Sync {
        remember(agent, &application.name, resolved.as_ref().ok().cloned());
    }
    resolved
}

fn remember(agent: &Agent, name: &Name, chart: Option<ResolvedChart>) {
    if let Some(entry) = agent.state.lock().applications.get_mut(name) {
        entry.chart = chart;
    }
}

async fn resolve(
    agent: &Agent,
    application: &Application,
    chart: &ChartSource,
) -> Result<ResolvedChart, Failure> {
    let wanted = reference(chart);
    let access = access(agent, application, &wanted).await?;
    let resolved = agent.charts.resolve(&wanted, &access).await;
    resolved.map_err(|error| error.failure())
}

/// The archive of a chart that a render asks for: the one of the Application, or one that it
/// depends on.
pub(crate) async fn fetch(
    agent: &Agent,
    application: &Application,
    resolved: Option<&ResolvedChart>,
    wanted: &syncline_render::ChartRef,
    purpose: Purpose,
) -> Result<Answer, Failure> {
    let access = access(agent, application, &asked(wanted)).await?;
    let own = application.rendering.helm.chart.as_ref();
    let is_own =
        own.is_some_and(|own| (&own.repository, &own.name) == (&wanted.repository, &wanted.name));
    let answer = match resolved.filter(|chart| is_own && chart.version == wanted.version) {
        Some(chart) => fetched(&agent.charts, chart.clone(), wanted, &access).await,
        None => archive(&agent.charts, wanted, &access).await,
    };
    if answer.is_err() && is_own && purpose == Purpose::Sync {
        remember(agent, &application.name, None);
    }
    answer
}

/// The archive of the Application's own chart, of the version that its range stands for at the
/// moment, with that version. Shortly after a sync nobody has to be asked anything for it.
pub(crate) async fn own(
    agent: &Agent,
    application: &Application,
    chart: &ChartSource,
) -> Result<(String, Arc<[u8]>), Failure> {
    let resolved = resolve(agent, application, chart).await?;
    let access = access(agent, application, &reference(chart)).await?;
    let archive = agent.charts.fetch(&resolved, &access).await;
    let archive = archive.map_err(|error| error.failure())?;
    Ok((resolved.version, archive.bytes))
}

/// The archive of a chart, of the newest version that is wanted.
pub(crate) async fn archive(
    charts: &Charts,
    wanted: &syncline_render::ChartRef,
    access: &Access,
) -> Result<Answer, Failure> {
    let chart = charts.resolve(&asked(wanted), access).await;
    let chart = chart.map_err(|error| error.failure())?;
    fetched(charts, chart, wanted, access).await
}

async fn fetched(
    charts: &Charts,
    mut chart: ResolvedChart,
    wanted: &syncline_render::ChartRef,
    access: &Access,
) -> Result<Answer, Failure> {
    let failed = |error: ChartError| error.failure();
    if let Ok(digest) = wanted.digest.parse::<ArchiveDigest>() {
        chart = chart.locked(digest).map_err(failed)?;
    }
    let archive = charts.fetch(&chart, access).await.map_err(failed)?;
    Ok(Answer::File(archive.bytes.to_vec()))
}

fn asked(wanted: &syncline_render::ChartRef) -> ChartRef {
    ChartRef {
        repository: wanted.repository.clone(),
        name: wanted.name.clone(),
        version: wanted.version.clone(),
    }
}

fn reference(chart: &ChartSource) -> ChartRef {
    ChartRef {
        repository: chart.repository.clone(),
        name: chart.name.clone(),
        version: chart.version.clone(),
    }
}

/// The credentials of the Application's own chart repository; nobody else gets them.
async fn access(
    agent: &Agent,
    application: &Application,
    wanted: &ChartRef,
) -> Result<Access, Failure> {
    let own = application.rendering.helm.chart.as_ref();
    let secret = own
        .filter(|own| own.repository == wanted.repository)
        .and_then(|own| own.secret.as_ref());
    let Some(secret) = secret else {
        return Ok(Access::default());
    };
    let (namespace, account) = (&application.name.namespace, &application.account);
    let data = agent
        .references
        .secret(agent, namespace, account, secret)
        .await?;
    Access::from_secret(wanted, |key| data.text(key)).map_err(|error| error.failure())
}

/// Looks for a newer version of an Application's chart, or for another archive of the same version.
/// Answers after how long to look again where that is not the interval.
#[tracing::instrument(name = "look", skip_all, fields(app.name = %name))]
pub(crate) async fn look(agent: &Arc<Agent>, name: &Name) -> Option<Duration> {
    let (application, known) = {
        let state = agent.state.lock();
        let entry = state.applications.get(name)?;
        (entry.spec.as_ref().ok()?.clone(), entry.chart.clone())
    };
    let chart = application.rendering.helm.chart.as_ref()?;
    let found = resolve(agent, &application, chart).await;
    let reason = found
        .as_ref()
        .err()
        .map_or("Resolved", |failure| failure.reason.name());
    let labels = PollLabels {
        target: "chart",
        reason: reason.to_owned(),
    };
    agent.metrics.polls.get_or_create(&labels).inc();
    match found {
        Ok(resolved) if known.as_ref() == Some(&resolved) => None,
        Ok(_) => {
            let (now, due) = (agent.clock.now(), agent.clock.monotonic());
            agent.queue.push(name, Cause::Chart, now, due);
            None
        }
        Err(failure) => {
            // The sync says it; a chart that was found once stays as it is.
            let soon = failure.reason.class() == Class::Transient;
            let delay = agent.settings.retry_first.max(chart.interval / 4);
            soon.then(|| later(delay, agent.settings.retry_jitter, name))
        }
    }
}
