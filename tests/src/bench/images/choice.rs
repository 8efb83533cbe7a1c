//! What the choice among all tags of all policies costs, without any input or output.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use syncline_core::image::choose::{Context, choose};
use syncline_core::image::policy::{Order, Policy, Take};
use syncline_core::image::{Tag, Version};

use super::Evaluation;
use super::registry::tag;
use crate::bench::report::Spread;

/// What all policies may take together, in milliseconds.
const GOAL_MS: f64 = 300.0;

/// Lets as many policies as there are images choose, each among its own tags, on one thread.
pub(super) fn measure(images: usize, tags: usize, rounds: usize) -> Result<Vec<Evaluation>> {
    let range = Policy::parse(">=1.0 <2").context("the range is right")?;
    let numerical = Policy {
        order: Order::Numerical(Take::Greatest),
        ..range.clone()
    };
    let alphabetical = Policy {
        order: Order::Alphabetical(Take::Greatest),
        ..range.clone()
    };
    // Time stamps of 14 digits, one for each minute of a day, day by day.
    let stamp = |number: usize| {
        let (day, minute) = (number / 1_440, number % 1_440);
        format!("202601{:02}{:02}{:02}00", day + 1, minute / 60, minute % 60)
    };
    Ok(vec![
        evaluate("semver", &range, images, rounds, (0..tags).map(tag))?,
        evaluate(
            "numerical",
            &numerical,
            images,
            rounds,
            (0..tags).map(stamp),
        )?,
        evaluate(
            "alphabetical",
            &alphabetical,
            images,
            rounds,
            (0..tags).map(stamp),
        )?,
    ])
}

fn evaluate(
    order: &str,
    policy: &Policy,
    images: usize,
    rounds: usize,
    tags: impl Iterator<Item = String>,
) -> Result<Evaluation> {
    let mut one: Vec<Tag> = tags
        .map(|text| Tag::parse(&text).with_context(|| format!("`{text}` is a tag")))
        .collect::<Result<_>>()?;
    let newest = Version::from(one.last().context("no tags")?.clone());
    // As a listing gives them: sorted.
    one.sort();
    let all: Vec<Vec<Tag>> = (0..images).map(|_| one.clone()).collect();
    let mut context = Context::at(jiff::Timestamp::now());
    context.current = Some(&newest);
    let mut milliseconds = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let began = Instant::now();
        let mut settled = 0;
        for tags in &all {
            let choice = choose(tags, policy, &context);
            settled += usize::from(choice.chosen.as_ref() == Some(&newest));
        }
        milliseconds.push(began.elapsed().as_secs_f64() * 1_000.0);
        ensure!(
            settled == images,
            "{order}: {settled} of {images} chose the newest"
        );
    }
    Ok(Evaluation {
        order: order.to_owned(),
        milliseconds: Spread::of(milliseconds),
        goal_ms: GOAL_MS,
    })
}
