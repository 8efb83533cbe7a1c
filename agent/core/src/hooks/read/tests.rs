//! The annotations of hooks, dialect by dialect.

use super::*;

fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn terms(pairs: &[(&str, &str)]) -> Terms {
    match read(&annotations(pairs)) {
        Ok(Reading::Hook(terms)) => terms,
        other => panic!("{pairs:?}: {other:?}"),
    }
}

fn moments(name: &str, words: &str) -> Vec<(Moment, Occasion)> {
    terms(&[(name, words)]).moments.into_iter().collect()
}

use Moment::{After, AfterDelete, Before, BeforeDelete, During, Failure};
use Occasion::{Any, Install, Upgrade};

#[test]
fn an_object_without_a_word_of_hooks_is_an_object() {
    assert_eq!(read(&annotations(&[])), Ok(Reading::Ordinary));
    let others = [(ANNOTATION_WAVE, "3"), (HELM_HOOK_WEIGHT, "x")];
    assert_eq!(read(&annotations(&others)), Ok(Reading::Ordinary));
}

#[test]
fn our_words_name_the_moments() {
    for (words, expected) in [
        ("before", vec![Before]),
        ("during", vec![During]),
        ("after", vec![After]),
        ("failure", vec![Failure]),
        ("before-delete", vec![BeforeDelete]),
        ("after-delete", vec![AfterDelete]),
        (" failure, before ,before", vec![Before, Failure]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|moment| (moment, Any)).collect();
        assert_eq!(moments(ANNOTATION_HOOK, words), expected, "{words}");
    }
}

#[test]
fn argo_cds_words_name_the_moments_and_skip_leaves_the_object_alone() {
    for (words, expected) in [
        ("PreSync", vec![Before]),
        ("Sync", vec![During]),
        ("PostSync", vec![After]),
        ("SyncFail", vec![Failure]),
        ("PreDelete", vec![BeforeDelete]),
        ("PostDelete", vec![AfterDelete]),
        ("PostSync, PreSync", vec![Before, After]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|moment| (moment, Any)).collect();
        assert_eq!(moments(ARGO_HOOK, words), expected, "{words}");
    }
    let skipped = annotations(&[(ARGO_HOOK, "Skip")]);
    assert_eq!(read(&skipped), Ok(Reading::Ordinary));
}

#[test]
fn helms_events_name_moments_and_the_rollouts_that_they_are_for() {
    for (words, expected) in [
        ("pre-install", vec![(Before, Install)]),
        ("pre-upgrade", vec![(Before, Upgrade)]),
        ("pre-install,pre-upgrade", vec![(Before, Any)]),
        ("Post-Install", vec![(After, Install)]),
        ("post-upgrade , post-install", vec![(After, Any)]),
        (
            "pre-install, post-upgrade",
            vec![(Before, Install), (After, Upgrade)],
        ),
        ("pre-delete", vec![(BeforeDelete, Any)]),
        ("post-delete", vec![(AfterDelete, Any)]),
        ("pre-rollback,pre-upgrade", vec![(Before, Upgrade)]),
        ("test,post-install", vec![(After, Install)]),
    ] {
        assert_eq!(moments(HELM_HOOK, words), expected, "{words}");
    }
}

#[test]
fn rollback_hooks_and_tests_never_run_and_say_why() {
    for (words, why) in [
        ("pre-rollback", "going back is a commit"),
        ("post-rollback,test", "going back is a commit"),
        ("test", "tests of a chart are not run"),
        ("test-success", "tests of a chart are not run"),
        ("test-failure", "tests of a chart are not run"),
    ] {
        match read(&annotations(&[(HELM_HOOK, words)])) {
            Ok(Reading::Never(said)) => assert!(said.contains(why), "{words}: {said}"),
            other => panic!("{words}: {other:?}"),
        }
    }
    let definition = annotations(&[(HELM_HOOK, "crd-install")]);
    assert_eq!(read(&definition), Ok(Reading::Ordinary));
}

#[test]
fn ours_win_over_argo_cds_and_those_over_helms() {
    let all = [
        (ANNOTATION_HOOK, "failure"),
        (ARGO_HOOK, "PostSync"),
        (HELM_HOOK, "pre-install"),
        (ANNOTATION_HOOK_DELETE, "failed"),
        (ARGO_HOOK_DELETE, "HookSucceeded"),
        (HELM_HOOK_DELETE, "before-hook-creation"),
        (ANNOTATION_WAVE, "1"),
        (ARGO_WAVE, "2"),
        (HELM_HOOK_WEIGHT, "3"),
        (ANNOTATION_HOOK_TIMEOUT, "90s"),
    ];
    let first = terms(&all);
    assert_eq!(first.moments, [(Failure, Any)].into());
    assert_eq!((first.weight, first.delete.failed), (1, true));
    assert_eq!(first.timeout, Some(Duration::from_secs(90)));
    let theirs: Vec<_> = all
        .into_iter()
        .filter(|(n, _)| !n.contains("syncline"))
        .collect();
    let second = terms(&theirs);
    assert_eq!(second.moments, [(After, Any)].into());
    assert_eq!((second.weight, second.delete.succeeded), (2, true));
    assert_eq!(second.timeout, None);
    let helms: Vec<_> = theirs
        .into_iter()
        .filter(|(n, _)| n.contains("helm"))
        .collect();
    let third = terms(&helms);
    assert_eq!(third.moments, [(Before, Install)].into());
    assert_eq!((third.weight, third.delete.before_creation), (3, true));
    // What is overridden may be wrong.
    let wrong = [(ANNOTATION_HOOK, "after"), (ARGO_HOOK, "Presync")];
    assert_eq!(terms(&wrong).moments, [(After, Any)].into());
}

#[test]
fn the_delete_policy_is_before_creation_where_nothing_is_said() {
    let policy = |name: &str, words: &str| {
        let delete = terms(&[(ANNOTATION_HOOK, "before"), (name, words)]).delete;
        (delete.before_creation, delete.succeeded, delete.failed)
    };
    assert_eq!(policy("x", ""), (true, false, false));
    for (name, words, expected) in [
        (ANNOTATION_HOOK_DELETE, "succeeded", (false, true, false)),
        (
            ANNOTATION_HOOK_DELETE,
            "before-creation, failed",
            (true, false, true),
        ),
        (
            ARGO_HOOK_DELETE,
            "HookSucceeded,HookFailed",
            (false, true, true),
        ),
        (ARGO_HOOK_DELETE, "BeforeHookCreation", (true, false, false)),
        (
            HELM_HOOK_DELETE,
            "Hook-Succeeded,before-hook-creation",
            (true, true, false),
        ),
        (HELM_HOOK_DELETE, "hook-failed", (false, false, true)),
    ] {
        assert_eq!(policy(name, words), expected, "{name}: {words}");
    }
}

#[test]
fn bad_b47_what_is_not_understood_is_refused_with_annotation_and_value() {
    for (name, value, part) in [
        (ANNOTATION_HOOK, "", "``"),
        (ANNOTATION_HOOK, "pre", "pre"),
        (ANNOTATION_HOOK, "before,", "``"),
        (ANNOTATION_HOOK, "Before", "Before"),
        (ARGO_HOOK, "presync", "presync"),
        (ARGO_HOOK, "PreSync,Skip", "Skip"),
        (HELM_HOOK, "pre-instal", "pre-instal"),
        (HELM_HOOK, "crd-install,pre-install", "crd-install"),
        (HELM_HOOK, "pre-install,", "``"),
        (ANNOTATION_HOOK_DELETE, "hook-succeeded", "hook-succeeded"),
        (ARGO_HOOK_DELETE, "hookSucceeded", "hookSucceeded"),
        (HELM_HOOK_DELETE, "never", "never"),
        (HELM_HOOK_OUTPUT, "before-hook-creation", "before-hook"),
        (ANNOTATION_WAVE, "first", "first"),
        (ARGO_WAVE, "1.5", "1.5"),
        (HELM_HOOK_WEIGHT, "99999999999", "99999999999"),
        (ANNOTATION_HOOK_TIMEOUT, "10", "10"),
        (ANNOTATION_HOOK_TIMEOUT, "", "``"),
        (ANNOTATION_HOOK_TIMEOUT, "-5s", "-5s"),
        (ANNOTATION_HOOK_TIMEOUT, "999ms", "999ms"),
        (ANNOTATION_HOOK_TIMEOUT, "745h", "745h"),
        (ANNOTATION_HOOK_TIMEOUT, "1h30", "1h30"),
        (ANNOTATION_HOOK_TIMEOUT, "1d", "1d"),
    ] {
        let mut pairs = vec![(name, value)];
        match name {
            ANNOTATION_HOOK | ARGO_HOOK | HELM_HOOK => {}
            HELM_HOOK_OUTPUT => pairs.push((HELM_HOOK, "pre-install")),
            _ => pairs.push((ANNOTATION_HOOK, "before")),
        }
        let error = read(&annotations(&pairs)).expect_err(value);
        assert_eq!(error.annotation, name, "{value}");
        let told = error.to_string();
        let part = if part == "``" { "" } else { part };
        assert!(told.starts_with(&format!("`{name}: {part}")), "{told}");
    }
    let long = format!("pre\n{}", "x".repeat(1000));
    let error = read(&annotations(&[(ANNOTATION_HOOK, &long)])).unwrap_err();
    assert_eq!(error.value.len(), SHOWN);
    assert!(!error.value.contains('\n'));
}

#[test]
fn a_timeout_is_written_as_other_durations_are() {
    for (written, seconds) in [("1s", 1), ("90s", 90), ("1h30m", 5400), ("744h", 2_678_400)] {
        let pairs = [
            (HELM_HOOK, "pre-install"),
            (ANNOTATION_HOOK_TIMEOUT, written),
        ];
        let expected = Duration::from_secs(seconds);
        assert_eq!(terms(&pairs).timeout, Some(expected), "{written}");
    }
}
