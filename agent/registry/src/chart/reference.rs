//! What an Application names: a repository, a chart in it, and which of its versions.

use reqwest::Url;
use syncline_core::image::reference::ImageName;
use syncline_core::version_range::Range;

use super::error::ChartError;
use super::shown;

/// The longest name of a chart.
const MAX_NAME: usize = 250;

/// What an Application names: a repository, a chart in it, and which of its versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChartRef {
    /// `https://host/path`, `http://host/path` where that is allowed, or `oci://host/path`.
    pub repository: String,
    /// The name of the chart.
    pub name: String,
    /// A version, or a range of versions as Helm reads it; empty is the newest stable one. From a
    /// registry also `sha256:…` or `1.2.3@sha256:…`, the digest of the manifest.
    pub version: String,
}

/// Where charts come from.
pub(super) enum Repository {
    /// A chart repository, without a slash at the end of its path.
    Http(Url),
    /// The chart in a registry.
    Oci(ImageName),
}

impl ChartRef {
    /// The chart in a registry; `None` where it comes from a chart repository.
    pub fn image(&self) -> Result<Option<ImageName>, ChartError> {
        match self.repository()? {
            Repository::Oci(image) => Ok(Some(image)),
            Repository::Http(_) => Ok(None),
        }
    }

    /// Checks the name (B34) and the repository, before anything is made of them.
    pub(super) fn repository(&self) -> Result<Repository, ChartError> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = !self.name.is_empty() && self.name.len() <= MAX_NAME;
        if !fits || !self.name.chars().all(known) || matches!(self.name.as_str(), "." | "..") {
            let clipped = self.name.chars().take(80).collect();
            return Err(ChartError::Name(clipped));
        }
        let refused = |detail: &str| ChartError::Repository {
            repository: self.shown_repository(),
            detail: detail.to_owned(),
        };
        let url =
            Url::parse(self.repository.trim()).map_err(|error| refused(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(
                "the URL carries credentials; they belong in a Secret",
            ));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refused("the URL has no host"));
        }
        match url.scheme() {
            "https" | "http" => Ok(Repository::Http(url)),
            "oci" if url.query().is_some() || url.fragment().is_some() => {
                Err(refused("a registry has neither `?` nor `#` in its URL"))
            }
            "oci" => {
                let place = self.repository.trim().trim_end_matches('/');
                let place = place.split_once("://").map_or(place, |(_, rest)| rest);
                ImageName::parse(&format!("{place}/{}", self.name))
                    .map(Repository::Oci)
                    .map_err(|error| refused(&error.to_string()))
            }
            _ => Err(refused(
                "the scheme is `https`, `oci`, or `http` where the agent allows it",
            )),
        }
    }

    /// The range of versions.
    pub(super) fn range(&self) -> Result<Range, ChartError> {
        Range::parse_as_helm(&self.version).map_err(|error| ChartError::Version {
            chart: self.name.clone(),
            version: self.version.chars().take(80).collect(),
            detail: error.to_string(),
        })
    }

    /// The chart and its place, for a message.
    pub(super) fn what(&self) -> String {
        let name: String = self.name.chars().take(80).collect();
        format!("chart `{name}` from {}", self.shown_repository())
    }

    pub(super) fn shown_repository(&self) -> String {
        // What is no URL may be anything, also a password.
        Url::parse(self.repository.trim())
            .map_or_else(|_| "(not a URL)".to_owned(), |url| shown(&url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::reason::Reason;

    fn chart(repository: &str, name: &str) -> ChartRef {
        ChartRef {
            repository: repository.into(),
            name: name.into(),
            version: String::new(),
        }
    }

    #[test]
    fn bad_b34_a_chart_name_that_is_a_path_is_refused_before_anything_is_made_of_it() {
        let long = "a".repeat(251);
        for name in [
            "..", ".", "", "../x", "a/b", "a\\b", "a\0", "a b", "ä", "%2e%2e", "a:1", "a@b", &long,
        ] {
            for repository in ["https://a.io/charts", "oci://a.io/charts"] {
                let error = chart(repository, name).image().unwrap_err();
                assert_eq!(error.reason(), Reason::ChartName, "{name}");
            }
        }
        for name in ["nginx", "a.b_c-D", "...", "0"] {
            assert_eq!(
                chart("https://a.io/charts", name).image(),
                Ok(None),
                "{name}"
            );
        }
    }

    #[test]
    fn a_repository_is_read_by_its_scheme() {
        let image = |repository| chart(repository, "app").image();
        for (repository, expected) in [
            ("oci://r.io/team/charts/", "r.io/team/charts/app"),
            ("oci://127.0.0.1:5000", "127.0.0.1:5000/app"),
            ("oci://registry-1.docker.io/org", "docker.io/org/app"),
        ] {
            assert_eq!(image(repository).unwrap().unwrap().to_string(), expected);
        }
        assert_eq!(image("https://a.io/charts/?token=1"), Ok(None));
        for bad in [
            "",
            "a.io/charts",
            "file:///etc",
            "git://a.io/x",
            "https://",
            "oci://",
            "oci://a.io/x?y",
            "https://u:hunter2@a.io/",
            "oci://u:hunter2@a.io/x",
            "oci://a.io/A",
            "oci://a.io/x:1",
            "https://hunter2 @a.io/%",
            "s3://bucket/charts",
        ] {
            let error = image(bad).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidSpec, "{bad}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
