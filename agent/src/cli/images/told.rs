//! Image policies in words.

use std::fmt::Write as _;

use jiff::Timestamp;
use syncline_cluster::kinds::{self, ImagePolicy, ImagePolicyStatus};
use syncline_core::record::Name;
use syncline_web_ui::views::{ImagePlace, TagAnswer, TagVerdict, Verdict};

use super::agent::Explained;
use crate::cli::connection::{apart, plain, shown};
use crate::cli::page::{Page, since};
use crate::cli::table::table;
use crate::conversion;

/// How many commits are told.
const UPDATES: usize = 10;

/// A line for each, from the status.
pub(super) fn list(policies: &[ImagePolicy], now: Timestamp) -> String {
    let head = ["NAME", "STATE", "CURRENT", "CHOSEN", "SINCE", "IMAGE"];
    let row = |policy: &ImagePolicy| {
        let status = policy.status.clone().unwrap_or_default();
        let ready = ready(&status);
        [
            kinds::name_of(policy).to_string(),
            ready.map_or_else(|| "-".to_owned(), |ready| ready.reason.clone()),
            status.current_tag.clone().unwrap_or_else(none),
            status.latest_tag.clone().unwrap_or_else(none),
            ready.map_or_else(String::new, |ready| apart(now, ready.last_transition_time)),
            policy.spec.image.clone(),
        ]
    };
    table(head, policies.iter().map(row).collect())
}

fn none() -> String {
    "-".to_owned()
}

fn ready(status: &ImagePolicyStatus) -> Option<&kinds::Condition> {
    status.conditions.iter().find(|one| one.type_ == "Ready")
}

/// One, from the status.
pub(super) fn told(name: &Name, policy: &ImagePolicy, now: Timestamp) -> String {
    let status = policy.status.clone().unwrap_or_default();
    let ready = ready(&status);
    let word = ready.map_or("not looked at yet", |ready| ready.reason.as_str());
    let message = ready.map_or("the agent has not said anything of it", |ready| {
        ready.message.as_str()
    });
    let mut page = Page(format!("{name}: {}\n  {}\n", plain(word), plain(message)));
    if let Some(ready) = ready {
        page.line("since", &since(ready.last_transition_time, now));
    }
    page.line("image", &policy.spec.image);
    if let Ok(policy) = conversion::image_policy(policy, "") {
        page.line("allowed", &policy.range);
    }
    page.line("in Git", status.current_tag.as_deref().unwrap_or("nowhere"));
    page.line("chosen", status.latest_tag.as_deref().unwrap_or("none"));
    page.option("updated in", status.last_update_commit.as_deref());
    page.list("held", &status.held);
    let verdicts = status.verdicts.iter();
    let verdicts = verdicts.map(|verdict| format!("{}: {}", verdict.tag, verdict.verdict));
    let verdicts: Vec<_> = verdicts.collect();
    page.list("tags", &verdicts);
    if !verdicts.is_empty() {
        let more = format!("the first {}; `--explain` has all", verdicts.len());
        page.line("", &more);
    }
    page.0
}

/// One, from the agent, with all its tags.
pub(super) fn whole(name: &Name, explained: &Explained, now: Timestamp) -> String {
    let detail = &explained.detail;
    let summary = &detail.summary;
    let why = &summary.why;
    let sentence = match why.detail.as_str() {
        "" => why.sentence.clone(),
        detail => format!("{}: {detail}", why.sentence),
    };
    let mut page = Page(format!("{name}: {}\n  {}\n", why.reason, plain(&sentence)));
    if !why.remedy.is_empty() {
        page.line("what to do", &why.remedy);
    }
    if let Some(at) = why.since {
        page.line("since", &since(at, now));
    }
    page.line("image", &summary.image);
    page.line("allowed", &summary.select);
    page.list("", &detail.filter);
    page.list("warning", &detail.warnings);
    let notes = detail.remarks.iter();
    let notes = notes.filter(|note| note.reason != why.reason);
    let notes = notes.map(|note| format!("{}: {}", note.sentence, note.detail));
    page.list("remark", &notes.collect::<Vec<_>>());
    page.line("in Git", summary.current.as_deref().unwrap_or("nowhere"));
    page.line("chosen", summary.chosen.as_deref().unwrap_or("none"));
    if let Some(at) = summary.scanned_at {
        page.line("scanned", &since(at, now));
    }
    match summary.next_scan {
        Some(at) if at > now => {
            page.line(
                "next scan",
                &format!("{} (in {})", shown(at), apart(at, now)),
            );
        }
        _ => page.line("next scan", "now"),
    }
    let places = detail.places.iter().map(place);
    page.list("places", &places.collect::<Vec<_>>());
    let mut held = Vec::new();
    for one in &detail.held {
        held.push(format!("{}: {}", one.tag, one.sentence));
        if let Some(at) = one.since {
            held.push(format!("  since {}", since(at, now)));
        }
        held.push(format!("  released by `{}`", one.command));
    }
    page.list("held", &held);
    let users = detail.applications.iter();
    let users = users.map(|user| format!("{}/{}", user.namespace, user.name));
    page.list("run by", &users.collect::<Vec<_>>());
    let updates = explained.updates.iter().take(UPDATES).map(|update| {
        let commit = update.commit.get(..7).unwrap_or(&update.commit);
        let at = since(update.time, now);
        format!("{} -> {} in {commit}, {at}", update.old, update.new)
    });
    page.list("updates", &updates.collect::<Vec<_>>());
    let counts = detail.counts.iter();
    let counts = counts.map(|count| format!("{} {}", count.tags, count.rule));
    page.list("tags", &[counts.collect::<Vec<_>>().join(", ")]);
    let mut text = page.0;
    if !explained.tags.is_empty() {
        let rows = explained.tags.iter().map(row);
        let _ = write!(
            text,
            "\n{}",
            table(["TAG", "VERDICT", "RULE", "WHY"], rows.collect())
        );
    }
    text
}

fn place(place: &ImagePlace) -> String {
    let line = place.line.map(|line| format!(":{line}"));
    let mut text = format!("{}{}", place.file, line.unwrap_or_default());
    if let Some(tag) = &place.tag {
        let _ = write!(text, " names {tag}");
    }
    if place.marked {
        text.push_str(", by its marker");
    }
    if let Some(why) = &place.refused {
        let _ = write!(text, " is not edited: {}", why.detail);
    }
    text
}

fn row(tag: &TagVerdict) -> [String; 4] {
    let mut why = tag.sentence.clone();
    if let Some(facts) = &tag.facts {
        if let Some(at) = facts.created {
            let _ = write!(why, "; built {}", shown(at));
        }
        let _ = write!(why, "; {}", facts.digest);
        if !facts.platforms.is_empty() {
            let _ = write!(why, "; {}", facts.platforms.join(" "));
        }
    }
    [
        tag.tag.clone(),
        word(tag.verdict).to_owned(),
        tag.rule.clone(),
        why,
    ]
}

/// What a policy says of one tag.
pub(super) fn judged(answer: &TagAnswer) -> String {
    let TagAnswer { listed, verdict } = answer;
    let listed = if *listed {
        ""
    } else {
        "; the registry does not list it"
    };
    let word = word(verdict.verdict);
    let line = format!("{}: {word}: {}{listed}", verdict.tag, verdict.sentence);
    format!("{}\n", plain(&line))
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Chosen => "chosen",
        Verdict::Allowed => "allowed",
        Verdict::Refused => "refused",
        Verdict::Pending => "pending",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(name: &str, status: &serde_json::Value) -> ImagePolicy {
        serde_json::from_value(json!({
            "apiVersion": "syncline.dev/v1alpha1",
            "kind": "ImagePolicy",
            "metadata": {"namespace": "shop", "name": name},
            "spec": {
                "image": "registry.example.com/shop/web",
                "select": {"semver": ">=1.0 <2"},
                "update": {"repository": "config"},
            },
            "status": status,
        }))
        .unwrap()
    }

    fn now() -> Timestamp {
        "2026-12-01T12:00:00Z".parse().unwrap()
    }

    fn up_to_date() -> serde_json::Value {
        json!({
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "UpToDate",
                "message": "Git already names the newest image that the policy allows: 1.4.0",
                "lastTransitionTime": "2026-12-01T11:56:00Z",
            }],
            "currentTag": "1.4.0",
            "latestTag": "1.4.0",
            "verdicts": [
                {"tag": "1.4.0", "verdict": "chosen: the newest"},
                {"tag": "x\u{1b}[31m", "verdict": "unordered: not a version"},
            ],
        })
    }

    #[test]
    fn a_table_has_a_line_for_each_policy_also_for_a_new_one() {
        let policies = [policy("web", &up_to_date()), policy("new", &json!({}))];
        assert_eq!(
            list(&policies, now()),
            "NAME      STATE     CURRENT  CHOSEN  SINCE  IMAGE\n\
             shop/web  UpToDate  1.4.0    1.4.0   4m     registry.example.com/shop/web\n\
             shop/new  -         -        -              registry.example.com/shop/web\n"
        );
    }

    #[test]
    fn the_status_of_a_policy_is_told_with_its_first_verdicts() {
        let name = Name::new("shop", "web");
        assert_eq!(
            told(&name, &policy("web", &up_to_date()), now()),
            "shop/web: UpToDate\n\
             \x20 Git already names the newest image that the policy allows: 1.4.0\n\
             \x20 since       2026-12-01T11:56:00Z (4m ago)\n\
             \x20 image       registry.example.com/shop/web\n\
             \x20 allowed     >=1.0 <2\n\
             \x20 in Git      1.4.0\n\
             \x20 chosen      1.4.0\n\
             \x20 tags        1.4.0: chosen: the newest\n\
             \x20             x [31m: unordered: not a version\n\
             \x20             the first 2; `--explain` has all\n"
        );
        let new = told(&name, &policy("web", &json!({})), now());
        assert!(new.starts_with("shop/web: not looked at yet\n"), "{new}");
    }

    #[test]
    fn all_that_the_agent_knows_is_told_with_every_tag() {
        let tag = json!({
            "tag": "1.4.0", "verdict": "chosen", "rule": "chosen", "sentence": "the newest",
            "facts": {
                "digest": "sha256:ab", "created": "2026-12-01T08:00:00Z",
                "platforms": ["linux/amd64"],
            },
        });
        let held = json!({
            "tag": "1.5.0", "sentence": "taken back by Ada", "since": "2026-12-01T09:00:00Z",
            "command": "kubectl ...", "trailer": "Syncline-Release: shop/web 1.5.0",
        });
        let detail = json!({
            "allowedActions": [],
            "summary": {
                "namespace": "shop", "name": "web", "image": "registry.example.com/shop/web",
                "select": ">=1.0 <2", "repository": "config", "current": "1.4.0",
                "chosen": "1.4.0", "severity": "healthy",
                "why": {
                    "reason": "UpToDate", "class": "good", "sentence": "Git names the newest",
                    "detail": "", "remedy": "", "since": null,
                },
                "scannedAt": "2026-12-01T11:58:00Z", "nextScan": "2026-12-01T12:03:00Z",
            },
            "filter": ["ends with `-alpine`"],
            "warnings": [],
            "remarks": [{
                "reason": "NoDowngrade", "class": "hold", "sentence": "Not newer", "remedy": "",
                "detail": "`1.5.0` is held", "since": null,
            }],
            "counts": [
                {"rule": "chosen", "verdict": "chosen", "tags": 1},
                {"rule": "older", "verdict": "allowed", "tags": 12},
            ],
            "places": [
                {"file": "a.yaml", "line": 19, "tag": "1.4.0", "marked": true, "refused": null},
                {"file": "b.yaml", "line": null, "tag": null, "marked": false, "refused": {
                    "reason": "EditRefused", "class": "input", "sentence": "", "remedy": "",
                    "detail": "a template stands there", "since": null,
                }},
            ],
            "held": [held],
            "applications": [{"namespace": "shop", "name": "web", "images": []}],
        });
        let explained = Explained {
            detail: serde_json::from_value(detail).unwrap(),
            tags: vec![serde_json::from_value(tag).unwrap()],
            updates: vec![
                serde_json::from_value(json!({
                    "id": "1", "old": "1.3.0", "new": "1.4.0", "commit": "4c1d9ab0f3",
                    "files": ["a.yaml:19"], "time": "2026-12-01T10:00:00Z",
                }))
                .unwrap(),
            ],
        };
        assert_eq!(
            whole(&Name::new("shop", "web"), &explained, now()),
            "shop/web: UpToDate\n\
             \x20 Git names the newest\n\
             \x20 image       registry.example.com/shop/web\n\
             \x20 allowed     >=1.0 <2\n\
             \x20             ends with `-alpine`\n\
             \x20 remark      Not newer: `1.5.0` is held\n\
             \x20 in Git      1.4.0\n\
             \x20 chosen      1.4.0\n\
             \x20 scanned     2026-12-01T11:58:00Z (2m ago)\n\
             \x20 next scan   2026-12-01T12:03:00Z (in 3m)\n\
             \x20 places      a.yaml:19 names 1.4.0, by its marker\n\
             \x20             b.yaml is not edited: a template stands there\n\
             \x20 held        1.5.0: taken back by Ada\n\
             \x20               since 2026-12-01T09:00:00Z (3h ago)\n\
             \x20               released by `kubectl ...`\n\
             \x20 run by      shop/web\n\
             \x20 updates     1.3.0 -> 1.4.0 in 4c1d9ab, 2026-12-01T10:00:00Z (2h ago)\n\
             \x20 tags        1 chosen, 12 older\n\
             \n\
             TAG    VERDICT  RULE    WHY\n\
             1.4.0  chosen   chosen  the newest; built 2026-12-01T08:00:00Z; sha256:ab; linux/amd64\n"
        );
    }

    #[test]
    fn a_tag_that_the_registry_does_not_list_is_judged_all_the_same() {
        let answer = json!({
            "listed": false,
            "verdict": {
                "tag": "9.0.0", "verdict": "refused", "rule": "outside-range",
                "sentence": "not in `>=1.0 <2`", "facts": null,
            },
        });
        let told = judged(&serde_json::from_value(answer).unwrap());
        assert_eq!(
            told,
            "9.0.0: refused: not in `>=1.0 <2`; the registry does not list it\n"
        );
    }
}
