//! The line of a branch, and where commits stand in it.

use std::ops::ControlFlow;

use syncline_core::image::CommitPlace;
use syncline_core::revision::CommitId;
use syncline_source::{LineCommit, Mirror};

use crate::fixture::Fixture;

fn line(mirror: &Mirror, tip: &CommitId, until: Option<&CommitId>) -> Vec<LineCommit> {
    let mut seen = Vec::new();
    let mut see = |commit| {
        seen.push(commit);
        ControlFlow::Continue(())
    };
    mirror.line(tip, until, 100, &mut see).unwrap();
    seen
}

#[test]
fn a_merge_is_one_step_of_the_line_with_all_that_it_brought() {
    let fixture = Fixture::new();
    let first = fixture.head();
    fixture.git(&["checkout", "--quiet", "-b", "topic"]);
    let side = fixture.push_files(&[("side.yaml", "a: 1\n")]);
    fixture.git(&["checkout", "--quiet", "--detach", first.as_str()]);
    fixture.git(&[
        "merge",
        "--quiet",
        "--no-ff",
        "--message=Merge",
        side.as_str(),
    ]);
    fixture.git(&["push", "--quiet", "--force", "origin", "HEAD:main"]);
    let (mirror, merge) = fixture.fetched();
    let seen = line(&mirror, &merge, Some(&first));
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert_eq!(seen[0].info.id, merge);
    assert_eq!(seen[0].parent, Some(first.clone()));
    assert_eq!(seen[0].paths, ["side.yaml"]);
    assert!(seen[0].message.starts_with("Merge"));
    let all = line(&mirror, &merge, None);
    assert_eq!(all[1].info.id, first);
    assert!(all.iter().all(|commit| commit.info.id != side));
}

#[test]
fn the_line_ends_where_the_caller_has_seen_enough() {
    let fixture = Fixture::new();
    for n in 0..3 {
        fixture.push_files(&[("a.yaml", &format!("a: {n}\n"))]);
    }
    let (mirror, tip) = fixture.fetched();
    let mut count = 0;
    let mut see = |_| {
        count += 1;
        if count == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    mirror.line(&tip, None, 100, &mut see).unwrap();
    assert_eq!(count, 2);
}

#[test]
fn commits_stand_as_far_from_the_tip_as_others_came_after_them() {
    let fixture = Fixture::new();
    let first = fixture.head();
    let second = fixture.push_files(&[("a.yaml", "a: 1\n")]);
    let third = fixture.push_files(&[("a.yaml", "a: 2\n")]);
    let (mirror, tip) = fixture.fetched();
    assert_eq!(tip, third);
    let unknown = "1".repeat(40);
    let ids = [
        third.as_str().to_owned(),
        second.short().to_owned(),
        first.as_str().to_owned(),
        unknown.clone(),
    ];
    let places = mirror.places(&tip, &ids).unwrap();
    assert_eq!(places[third.as_str()], CommitPlace::At(0));
    assert_eq!(places[second.short()], CommitPlace::At(1));
    assert_eq!(places[first.as_str()], CommitPlace::At(2));
    assert_eq!(places[&unknown], CommitPlace::Elsewhere);
    let places = mirror.places(&second, &ids).unwrap();
    assert_eq!(places[third.as_str()], CommitPlace::Elsewhere);
    assert_eq!(places[second.short()], CommitPlace::At(0));
}
