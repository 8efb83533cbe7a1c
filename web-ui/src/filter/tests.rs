//! Filters as people write them: what they find, and what is wrong with one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::*;
use crate::questions::Listed;
use crate::views::{
    ApplicationSummary, Cause, Commit, Health, Hold, LastSync, Revision, Severity, SyncResult, Why,
};

/// An application that is well.
fn application() -> Listed {
    let id = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567".to_owned();
    let commit = Commit {
        id: id.clone(),
        subject: "Raise the limit".to_owned(),
        author: "Ada Osei".to_owned(),
        time: Timestamp::UNIX_EPOCH,
    };
    Listed {
        summary: ApplicationSummary {
            namespace: "payments".to_owned(),
            name: "api".to_owned(),
            repository: "config".to_owned(),
            path: "apps/api".to_owned(),
            destination: "payments".to_owned(),
            severity: Severity::Healthy,
            health: Health::Healthy,
            health_since: None,
            why: Why::new(syncline_core::reason::Reason::Synced, "", None),
            holds: vec![Hold::Pinned],
            waiting_for: vec!["Application shop/search".to_owned()],
            next_try: None,
            revision: Some(Revision {
                branch: "main".to_owned(),
                commit: id,
            }),
            commit: Some(commit),
            last_sync: Some(LastSync {
                id: "S".to_owned(),
                result: SyncResult::Succeeded,
                finished_at: None,
            }),
            objects: 1,
            images: vec!["registry.example.com/acme/api:1.9.0".to_owned()],
        },
        labels: BTreeMap::from([("team".to_owned(), "Blue Sky".to_owned())]),
        automatic: true,
        drifted: false,
        cause: Some(Cause::Webhook),
        update: Some("2.0.0".to_owned()),
    }
}

fn finds(text: &str) -> bool {
    Filter::parse(text).unwrap().finds(&application())
}

/// Where a text is wrong, and why.
fn mistake(text: &str) -> (String, String) {
    let error = Filter::parse(text).unwrap_err();
    let (from, to) = (error.span.from, error.span.to);
    let wrong = text.chars().skip(from).take(to - from).collect();
    (wrong, error.to_string())
}

#[test]
fn an_empty_filter_finds_everything() {
    assert!(finds("") && finds("   \t"));
}

#[test]
fn every_word_must_be_somewhere_in_what_is_said_of_the_application() {
    for text in [
        "api",
        "API",
        "ada limit",
        "payments/api",
        "1.9.0",
        "\"raise the limit\"",
        "0a1b2c3",
        "pay*api",
        ":1.9",
        "acme/api",
        "shop/search",
        "-nothing",
    ] {
        assert!(finds(text), "{text}");
    }
    for text in ["ada nothing", "\"limit raise\"", "-api", "ada -limit"] {
        assert!(!finds(text), "{text}");
    }
}

#[test]
fn every_key_compares_what_its_name_says() {
    for (fits, other) in [
        ("auto:on", "auto:off"),
        ("author:ada", "author:tom"),
        ("cause:webhook", "cause:poll"),
        ("drift:no", "drift:yes"),
        ("health:healthy", "health:degraded"),
        ("hold:pinned", "hold:frozen"),
        ("image:api", "image:web"),
        ("label:team", "label:other"),
        ("label:team=\"blue sky\"", "label:team=red"),
        ("label:team=blue*", "label:t=blue*"),
        ("name:api", "name:ap"),
        ("ns:pay*", "ns:pay"),
        ("path:apps/*", "path:apps"),
        ("reason:synced", "reason:suspended"),
        ("repo:config", "repo:other"),
        ("result:succeeded", "result:failed"),
        ("rev:0a1b", "rev:a1b"),
        ("state:healthy", "state:failing"),
        ("update:yes", "update:no"),
        ("waits:search", "waits:ledger"),
    ] {
        assert!(finds(fits) && !finds(other), "{fits} {other}");
        assert!(!finds(&format!("-{fits}")) && finds(&format!("-{other}")));
        assert!(!finds(&format!("{fits} {other}")), "all terms must hold");
        let (key, value) = other.split_once(':').unwrap();
        let (_, fitting) = fits.split_once(':').unwrap();
        assert!(finds(&format!("{key}:{value},{fitting}")), "one value must");
    }
}

#[test]
fn a_term_that_is_still_being_typed_hides_nothing() {
    assert!(finds("health:") && finds("-health:") && finds("health:,") && finds("-"));
    assert!(!finds("health:,degraded"));
}

#[test]
fn a_mistake_is_pointed_at() {
    let (wrong, why) = mistake("web colour:red");
    assert_eq!(wrong, "colour");
    assert!(
        why.contains("`colour` is no key") && why.contains("health"),
        "{why}"
    );
    let (wrong, why) = mistake("ünder -health:degraded,degarded x");
    assert_eq!(wrong, "degarded");
    assert!(
        why.contains("one of healthy, progressing, degraded"),
        "{why}"
    );
    let (wrong, why) = mistake("a \"b c");
    assert_eq!(
        (wrong.as_str(), why.as_str()),
        ("\"b c", "the quote does not end")
    );
    let (wrong, _) = mistake("auto:o");
    assert_eq!(wrong, "o");
    assert!(Filter::parse("auto:o*").is_ok(), "a star fits both");
}

#[test]
fn a_text_with_a_colon_is_looked_for_in_quotes() {
    assert_eq!(mistake("api:1.9.0").0, "api");
    assert!(finds("\"api:1.9.0\""));
}

#[test]
fn a_filter_has_bounds() {
    assert!(Filter::parse(&"a ".repeat(40)).is_ok());
    assert_eq!(mistake(&"a ".repeat(41)).0, "a");
    assert!(Filter::parse(&"a".repeat(1000)).is_ok());
    assert_eq!(mistake(&"ä".repeat(1001)).0, "ä");
}

#[test]
fn terms_say_where_they_are() {
    let filter = Filter::parse(" é  -ns:\"a b\"  x").unwrap();
    let spans: Vec<_> = filter
        .terms
        .iter()
        .map(|t| (t.span.from, t.span.to))
        .collect();
    assert_eq!(spans, [(1, 2), (4, 13), (15, 16)]);
    assert_eq!(filter.terms[1].key, Some(Key::Namespace));
    assert!(filter.terms[1].negated);
}

/// The words of the filter are the words of the API.
#[test]
fn what_the_api_says_can_be_looked_for() {
    fn check<T: Serialize + Copy>(
        key: &str,
        schema: &str,
        all: &[T],
        set: impl Fn(&mut Listed, T),
    ) {
        let words = Key::parse(key).unwrap().words();
        assert_eq!(words.len(), all.len(), "{key}");
        let api = serde_json::to_value(crate::openapi_document()).unwrap();
        let told = api["components"]["schemas"][schema]["enum"].as_array();
        assert_eq!(told.unwrap().len(), all.len(), "{key}");
        for value in all {
            let word = serde_json::to_value(value).unwrap();
            let word = word.as_str().unwrap().to_lowercase();
            assert!(words.contains(&word.as_str()), "{key}:{word}");
            let mut application = application();
            set(&mut application, *value);
            for other in words {
                let filter = Filter::parse(&format!("{key}:{other}")).unwrap();
                assert_eq!(filter.finds(&application), *other == word, "{key}:{other}");
            }
        }
    }
    use Cause as C;
    check(
        "cause",
        "Cause",
        &[
            C::StartUp,
            C::Time,
            C::Rollout,
            C::Poll,
            C::Webhook,
            C::Drift,
            C::Reference,
            C::Image,
            C::Chart,
            C::Schedule,
            C::Dependency,
            C::Retry,
            C::User,
        ],
        |application, value| application.cause = Some(value),
    );
    use Health as H;
    check(
        "health",
        "Health",
        &[
            H::Healthy,
            H::Progressing,
            H::Degraded,
            H::Suspended,
            H::Missing,
            H::Unknown,
        ],
        |application, value| application.summary.health = value,
    );
    use Hold as O;
    check(
        "hold",
        "Hold",
        &[
            O::Frozen,
            O::Suspended,
            O::Aborted,
            O::Pinned,
            O::Blocked,
            O::Window,
            O::Approval,
            O::Paused,
            O::Hook,
        ],
        |application, value| application.summary.holds = vec![value],
    );
    use Severity as S;
    check(
        "state",
        "Severity",
        &[
            S::Failing,
            S::Waiting,
            S::Progressing,
            S::Suspended,
            S::Healthy,
        ],
        |application, value| application.summary.severity = value,
    );
    use SyncResult as R;
    check(
        "result",
        "SyncResult",
        &[
            R::Running,
            R::Succeeded,
            R::Failed,
            R::Held,
            R::Interrupted,
            R::Superseded,
        ],
        |application, value| {
            if let Some(last) = &mut application.summary.last_sync {
                last.result = value;
            }
        },
    );
}
