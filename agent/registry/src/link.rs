//! The next page of a list, from the `Link` header.

use reqwest::Url;

/// Why a link is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the link to the next page is not a URL")]
    Url,
    #[error("the link to the next page leads to another host, `{0}`, and is not followed")]
    Foreign(String),
}

/// The next page, if there is one. It may have any path and query, and must be on the same host.
pub(crate) fn next<'a>(
    page: &Url,
    headers: impl Iterator<Item = &'a str>,
) -> Result<Option<Url>, LinkError> {
    for header in headers {
        let mut rest = header;
        while let Some(start) = rest.find('<') {
            let Some(length) = rest[start..].find('>') else {
                return Err(LinkError::Url);
            };
            let target = &rest[start + 1..start + length];
            let after = &rest[start + length + 1..];
            let end = after
                .find(',')
                .filter(|_| after.contains('<'))
                .unwrap_or(after.len());
            if is_next(&after[..end]) {
                return same_host(page, target).map(Some);
            }
            rest = &after[end..];
        }
    }
    Ok(None)
}

fn is_next(parameters: &str) -> bool {
    parameters.split(';').any(|parameter| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("rel")
                && value
                    .trim()
                    .trim_matches('"')
                    .split_ascii_whitespace()
                    .any(|relation| relation.eq_ignore_ascii_case("next"))
        })
    })
}

fn same_host(page: &Url, target: &str) -> Result<Url, LinkError> {
    let url = page.join(target).map_err(|_| LinkError::Url)?;
    let bare = url.username().is_empty() && url.password().is_none();
    if url.origin() == page.origin() && bare {
        Ok(url)
    } else {
        Err(LinkError::Foreign(url.host_str().unwrap_or("").to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(header: &str) -> Result<Option<String>, LinkError> {
        let page = Url::parse("https://r.io/v2/a/tags/list?n=2").unwrap();
        next(&page, std::iter::once(header)).map(|url| url.map(String::from))
    }

    #[test]
    fn an_opaque_cursor_is_followed_as_it_is() {
        for header in [
            r#"</v2/a/tags/list?next_page=gAAAA%3D&n=50>; rel="next""#,
            "<https://r.io/v2/a/tags/list?next_page=gAAAA%3D&n=50>; rel=next",
            r#"<first>; rel="first", </v2/a/tags/list?next_page=gAAAA%3D&n=50>; title="x"; REL="last next""#,
        ] {
            assert_eq!(
                follow(header),
                Ok(Some(
                    "https://r.io/v2/a/tags/list?next_page=gAAAA%3D&n=50".into()
                )),
                "{header}"
            );
        }
        assert_eq!(follow(r#"</v2/>; rel="first""#), Ok(None));
        assert_eq!(follow(""), Ok(None));
    }

    #[test]
    fn a_link_to_another_host_port_or_scheme_is_refused() {
        for target in [
            "https://evil.io/v2/a",
            "//evil.io/v2/a",
            "https://r.io:8443/v2/a",
            "http://r.io/v2/a",
            "https://r.io@evil.io/",
            "https://user:pass@r.io/v2/a",
        ] {
            let refused = follow(&format!("<{target}>; rel=\"next\""));
            assert!(
                matches!(refused, Err(LinkError::Foreign(_))),
                "{target}: {refused:?}"
            );
        }
        assert_eq!(follow("<https://r.io"), Err(LinkError::Url));
    }
}
