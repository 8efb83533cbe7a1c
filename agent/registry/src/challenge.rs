//! Reads `WWW-Authenticate`, which says how a registry wants to be asked.

use std::collections::BTreeMap;

/// How a registry wants to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User name and password with every request.
    Basic,
    /// A token from a token service.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Challenge {
    /// Reads the values of the header; a token service is preferred.
    pub(crate) fn read<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut found = None;
        for header in headers {
            for (scheme, mut parameters) in challenges(header) {
                if scheme.eq_ignore_ascii_case("bearer") {
                    if let Some(realm) = parameters.remove("realm") {
                        let service = parameters.remove("service");
                        let scope = parameters.remove("scope");
                        return Some(Self::Bearer {
                            realm,
                            service,
                            scope,
                        });
                    }
                } else if scheme.eq_ignore_ascii_case("basic") {
                    found = Some(Self::Basic);
                }
            }
        }
        found
    }
}

/// The challenges of one header: a scheme each, with its parameters.
fn challenges(header: &str) -> Vec<(&str, BTreeMap<String, String>)> {
    let mut found: Vec<(&str, BTreeMap<String, String>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return found;
        }
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let Some(value) = after
            .trim_start()
            .strip_prefix('=')
            .filter(|_| !word.is_empty())
        else {
            // A word without `=` is a scheme; a lone `=` is skipped.
            found.push((word, BTreeMap::new()));
            rest = after.strip_prefix('=').unwrap_or(after);
            continue;
        };
        let (value, left) = quoted(value.trim_start());
        if let Some((_, parameters)) = found.last_mut() {
            parameters.insert(word.to_ascii_lowercase(), value);
        }
        rest = left;
    }
}

/// A value, quoted or not, and what follows it.
fn quoted(text: &str) -> (String, &str) {
    let Some(body) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &body[at + 1..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<Challenge> {
        Challenge::read(std::iter::once(header))
    }

    #[test]
    fn a_token_service_is_read_with_commas_inside_its_scope() {
        let header = r#"Bearer realm="https://auth.io/token",service="r.io",scope="repository:a/b:pull,push""#;
        assert_eq!(
            read(header),
            Some(Challenge::Bearer {
                realm: "https://auth.io/token".into(),
                service: Some("r.io".into()),
                scope: Some("repository:a/b:pull,push".into()),
            })
        );
        assert_eq!(
            read(r#"Basic realm="x", Bearer realm=https://a.io/t"#),
            Some(Challenge::Bearer {
                realm: "https://a.io/t".into(),
                service: None,
                scope: None
            })
        );
    }

    #[test]
    fn what_is_no_challenge_gives_none() {
        assert_eq!(read(r#"Basic realm="Registry""#), Some(Challenge::Basic));
        for header in [
            "",
            "Negotiate",
            "Bearer",
            "= = =",
            "Bearer realm",
            "\"\"\"",
            ",,,=,",
        ] {
            assert_eq!(read(header), None, "{header}");
        }
    }
}
