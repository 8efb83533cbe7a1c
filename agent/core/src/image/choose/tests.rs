//! Choices: by version, by every other order, behind gates, and for random tags.

mod gates;
mod orders;
mod persons;
mod properties;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::image::facts::{Facts, LABEL_REVISION, Platform};
use crate::image::policy::{Filter, Matching, Order, Pattern, Template};
use crate::image::reference::Digest;
use crate::reason::Reason;

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

fn tags(list: &[&str]) -> Vec<Tag> {
    list.iter().map(|text| tag(text)).collect()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    time("2026-06-01T12:00:00Z")
}

fn digest(digit: char) -> Digest {
    Digest::parse(&format!("sha256:{}", digit.to_string().repeat(64))).unwrap()
}

fn filter(pattern: &str, extract: &str) -> Filter {
    let pattern = Pattern::parse(pattern).unwrap();
    let extract = Template::parse(extract, &pattern).unwrap();
    Filter {
        matching: Some(Matching {
            pattern,
            extract: Some(extract),
        }),
        ..Filter::default()
    }
}

/// What is known beside the tags, owned.
#[derive(Default)]
struct World {
    current: Option<Version>,
    facts: BTreeMap<Tag, Examined>,
    commits: BTreeMap<String, CommitPlace>,
    held: Vec<Held>,
    ours: BTreeSet<CommitId>,
}

impl World {
    fn naming(current: &str) -> Self {
        Self {
            current: Some(tag(current).into()),
            ..Self::default()
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            current: self.current.as_ref(),
            facts: &self.facts,
            commits: &self.commits,
            held: &self.held,
            ours: &self.ours,
            ..Context::at(now())
        }
    }

    /// An image of linux/amd64 that says when it was built.
    fn built(mut self, name: &str, created: &str) -> Self {
        let facts = Facts {
            digest: digest('a'),
            created: Some(time(created)),
            platforms: BTreeSet::from([Platform::parse("linux/amd64").unwrap()]),
            labels: BTreeMap::new(),
        };
        self.facts
            .insert(tag(name), Examined::Facts(Arc::new(facts)));
        self
    }

    /// Changes what is known of an image.
    fn with(mut self, name: &str, change: impl FnOnce(&mut Facts)) -> Self {
        if let Some(Examined::Facts(facts)) = self.facts.get_mut(&tag(name)) {
            change(Arc::make_mut(facts));
        }
        self
    }

    fn unreadable(mut self, name: &str, why: &str) -> Self {
        self.facts
            .insert(tag(name), Examined::Unreadable(why.into()));
        self
    }

    fn commit(mut self, id: &str, place: CommitPlace) -> Self {
        self.commits.insert(id.into(), place);
        self
    }

    fn holding(mut self, version: impl Into<Version>, because: &str) -> Self {
        self.held.push(Held {
            version: version.into(),
            because: because.into(),
            since: Some(time("2026-05-30T08:00:00Z")),
            reach: Reach::Older,
        });
        self
    }

    fn ask(&self, list: &[&str], policy: &Policy) -> Choice {
        choose(&tags(list), policy, &self.context())
    }
}

fn chosen(choice: &Choice) -> Option<&str> {
    choice.chosen.as_ref().map(|version| version.tag.as_str())
}

fn reason(choice: &Choice) -> Option<Reason> {
    choice.refusal.as_ref().map(|failure| failure.reason)
}

fn verdict_of<'a>(choice: &'a Choice, text: &str) -> &'a Verdict {
    let mut verdicts = choice.verdicts.iter();
    verdicts
        .find(|verdict| verdict.tag.as_str() == text)
        .unwrap()
}

/// Checks the rules of the named tags, and that each has a sentence.
fn assert_rules(choice: &Choice, expected: &[(&str, Rule)]) {
    for (text, rule) in expected {
        let verdict = verdict_of(choice, text);
        assert_eq!(verdict.rule, *rule, "{text}: {}", verdict.sentence);
        assert!(
            !verdict.sentence.is_empty() && !verdict.sentence.ends_with('.'),
            "{text}: {}",
            verdict.sentence
        );
    }
}
