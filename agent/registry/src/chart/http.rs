//! Chart repositories over HTTP: `index.yaml` and the archives that it names.

use std::sync::Arc;

use reqwest::header::{
    ACCEPT_ENCODING, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use reqwest::{StatusCode, Url};
use syncline_core::image::reference::Reference;

use super::access::{Access, PassCredentials};
use super::error::ChartError;
use super::index::{Entry, Index, IndexError, choose, near};
use super::reference::ChartRef;
use super::transfer::{Request, get};
use super::{Charts, Place, ResolvedChart, blocking, oci, shown};

/// An index, and what to send to be told that it did not change.
pub(super) struct Listing {
    index: Index,
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

pub(super) async fn resolve(
    charts: &Charts,
    chart: &ChartRef,
    repository: Url,
    access: &Access,
) -> Result<ResolvedChart, ChartError> {
    let range = chart.range()?;
    let listing = charts
        .shared
        .indexes
        .get((repository.clone(), access.clone()), |last| {
            listing(charts, &repository, access, last)
        })
        .await?;
    let Some(versions) = listing.index.versions(&chart.name) else {
        let like = listing.index.names_like(&chart.name).join("`, `");
        let like = if like.is_empty() {
            String::new()
        } else {
            format!(" (it has `{like}`)")
        };
        return Err(ChartError::NotFound {
            what: format!("{}{like}", chart.what()),
        });
    };
    let pairs = versions.iter().map(|entry| (entry.version(), &*entry.text));
    let entry = choose(pairs, &chart.version, &range).and_then(|position| versions.get(position));
    let Some(entry) = entry else {
        return Err(ChartError::NoVersion {
            what: chart.what(),
            range: range.to_string(),
            near: near(versions.iter().map(Entry::version).collect(), &range),
        });
    };
    found(charts, chart, &repository, entry, access).await
}

/// The chart that an entry of the index describes.
async fn found(
    charts: &Charts,
    chart: &ChartRef,
    repository: &Url,
    entry: &Entry,
    access: &Access,
) -> Result<ResolvedChart, ChartError> {
    let what = format!("chart `{}` {}", chart.name, entry.text);
    let broken = |detail: String| ChartError::Index {
        repository: shown(repository),
        detail: format!("{what}: {detail}"),
    };
    let digest = match &entry.digest {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| ChartError::Digest {
            what: format!("{what} from {}", shown(repository)),
            expected: "64 hexadecimal digits".to_owned(),
            found: format!("`{}` in the index", clip(text)),
        })?),
    };
    let url = entry
        .url
        .as_deref()
        .ok_or_else(|| broken("it has no URL".to_owned()))?;
    let resolved = ResolvedChart {
        name: chart.name.clone(),
        version: entry.text.to_string(),
        digest,
        source: String::new(),
        place: Place::Http {
            url: repository.clone(),
            repository: repository.clone(),
        },
    };
    if let Some(reference) = url.strip_prefix("oci://") {
        let reference = Reference::parse(reference)
            .map_err(|error| broken(format!("its URL cannot be used: {error}")))?;
        let access = for_host_of_index(access);
        return oci::named_by_index(charts, resolved, reference, repository, &access).await;
    }
    let url = absolute(repository, url)
        .map_err(|error| broken(format!("`{}` is no URL: {error}", clip(url))))?;
    Ok(ResolvedChart {
        source: shown(&url),
        place: Place::Http {
            url,
            repository: repository.clone(),
        },
        ..resolved
    })
}

/// The archive below a URL that the index of a repository names.
pub(super) async fn archive(
    charts: &Charts,
    what: &str,
    url: &Url,
    repository: &Url,
    access: &Access,
) -> Result<Vec<u8>, ChartError> {
    let access = if url.origin() == repository.origin() {
        access.clone()
    } else {
        for_host_of_index(access)
    };
    let request = Request {
        what,
        url: url.clone(),
        access: &access,
        headers: HeaderMap::new(),
        limit: charts.settings().max_archive_bytes,
    };
    let downloaded = get(charts, request).await;
    let kept_back =
        url.origin() != repository.origin() && access.pass_credentials == PassCredentials::SameHost;
    match downloaded {
        Ok(download) => Ok(download.body),
        Err(ChartError::Denied { what, detail }) if kept_back => Err(ChartError::Denied {
            what,
            detail: format!(
                "{detail}; those of {} are not given to it",
                shown(repository)
            ),
        }),
        Err(error) => Err(error),
    }
}

/// What another host gets that an index names.
pub(super) fn for_host_of_index(access: &Access) -> Access {
    match access.pass_credentials {
        PassCredentials::SameHost => access.stranger(),
        PassCredentials::HostsOfIndex => access.clone(),
    }
}

/// Asks for the index, conditionally where one is known.
async fn listing(
    charts: &Charts,
    repository: &Url,
    access: &Access,
    last: Option<Arc<Listing>>,
) -> Result<Arc<Listing>, ChartError> {
    let what = format!("the index of `{}`", shown(repository));
    let broken = |error: IndexError| ChartError::Index {
        repository: shown(repository),
        detail: error.to_string(),
    };
    let url = absolute(repository, "index.yaml").map_err(|error| ChartError::Repository {
        repository: shown(repository),
        detail: error.to_string(),
    })?;
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    if let Some(last) = &last {
        if let Some(etag) = &last.etag {
            headers.insert(IF_NONE_MATCH, etag.clone());
        }
        if let Some(modified) = &last.modified {
            headers.insert(IF_MODIFIED_SINCE, modified.clone());
        }
    }
    let limit = charts.settings().max_index_bytes;
    let request = Request {
        what: &what,
        url,
        access,
        headers,
        limit,
    };
    let download = get(charts, request).await.map_err(|error| match error {
        ChartError::TooLarge { .. } => broken(IndexError::Limit {
            what: "bytes",
            limit,
            setting: "max_index_bytes",
        }),
        error => error,
    })?;
    if download.status == StatusCode::NOT_MODIFIED {
        return last.ok_or_else(|| ChartError::Unavailable {
            what,
            detail: "the server answered 304 unasked".to_owned(),
            retry_after: None,
        });
    }
    let settings = charts.settings().clone();
    let (body, framing) = (download.body, download.framing);
    let index = blocking(move || Index::read(body, framing, &settings))
        .await?
        .map_err(|error| match error {
            // What may be cut off may come in full the next time.
            IndexError::Cut => ChartError::Unavailable {
                what,
                detail: error.to_string(),
                retry_after: None,
            },
            error => broken(error),
        })?;
    if index.left_out > 0 {
        tracing::warn!(
            repository = shown(repository),
            left_out = index.left_out,
            "versions in the index of a chart repository are broken and left out"
        );
    }
    Ok(Arc::new(Listing {
        index,
        etag: download.headers.get(ETAG).cloned(),
        modified: download.headers.get(LAST_MODIFIED).cloned(),
    }))
}

/// A URL of the index: as it is, or below the repository. As with Helm the repository's query is
/// kept, which may be what gives access.
fn absolute(repository: &Url, text: &str) -> Result<Url, impl std::error::Error + use<>> {
    if let Ok(url) = Url::parse(text) {
        return Ok(url);
    }
    let mut folder = repository.clone();
    if !folder.path().ends_with('/') {
        let path = format!("{}/", folder.path());
        folder.set_path(&path);
    }
    folder.join(text).map(|mut url| {
        if url.origin() == repository.origin() {
            url.set_query(repository.query());
        }
        url
    })
}

fn clip(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_an_index_are_read_as_helm_reads_them() {
        for (repository, text, expected) in [
            ("https://a.io", "app-1.tgz", "https://a.io/app-1.tgz"),
            ("https://a.io/x", "app-1.tgz", "https://a.io/x/app-1.tgz"),
            (
                "https://a.io/x/",
                "charts/app-1.tgz",
                "https://a.io/x/charts/app-1.tgz",
            ),
            ("https://a.io/x", "/app-1.tgz", "https://a.io/app-1.tgz"),
            ("https://a.io/x", "../app-1.tgz", "https://a.io/app-1.tgz"),
            (
                "https://a.io/x?t=1",
                "app.tgz",
                "https://a.io/x/app.tgz?t=1",
            ),
            (
                "https://a.io/x?t=1",
                "//b.io/app.tgz",
                "https://b.io/app.tgz",
            ),
            (
                "https://a.io/x?t=1",
                "https://b.io/app.tgz?s=2",
                "https://b.io/app.tgz?s=2",
            ),
        ] {
            let repository = Url::parse(repository).unwrap();
            let url = absolute(&repository, text).unwrap();
            assert_eq!(url.as_str(), expected, "{repository} {text}");
        }
    }
}
