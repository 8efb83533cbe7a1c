//! Each word of each tool, alone and against the others.

use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn annotated(pairs: &[(&str, &str)]) -> Directives {
    read(&map(pairs), &BTreeMap::new())
}

fn argo(options: &str) -> Directives {
    annotated(&[(ARGO_SYNC_OPTIONS, options)])
}

const SILENT: Directives = Directives {
    prune: Prune::Default,
    apply: Apply::Always,
    replace: Replace::Forbidden,
    propagation: Propagation::Background,
    on_deletion: OnDeletion::Policy,
    wave: 0,
    warnings: Vec::new(),
};

#[test]
fn an_object_without_annotations_asks_for_nothing() {
    assert_eq!(annotated(&[]), SILENT);
    let others = annotated(&[("example.com/prune", "never"), ("syncline.dev/owner", "x")]);
    assert_eq!(others, SILENT);
}

#[test]
fn our_own_words_are_read() {
    let prune = |word| annotated(&[(ANNOTATION_PRUNE, word)]);
    assert_eq!(prune("never").prune, Prune::Never);
    assert_eq!(prune("never").on_deletion, OnDeletion::Keep);
    assert_eq!(prune("confirm").prune, Prune::Confirm);
    assert_eq!(prune("always").prune, Prune::Always);
    let apply = |word| annotated(&[(ANNOTATION_APPLY, word)]).apply;
    assert_eq!(apply("always"), Apply::Always);
    assert_eq!(apply("ifNotPresent"), Apply::IfNotPresent);
    assert_eq!(apply("ignore"), Apply::Ignore);
    let replace = |word| annotated(&[(ANNOTATION_REPLACE, word)]).replace;
    assert_eq!(replace("allowed"), Replace::Allowed);
    assert_eq!(replace("forbidden"), Replace::Forbidden);
    let propagation = |word| annotated(&[(ANNOTATION_PRUNE_PROPAGATION, word)]).propagation;
    assert_eq!(propagation("background"), Propagation::Background);
    assert_eq!(propagation("foreground"), Propagation::Foreground);
    assert_eq!(propagation("orphan"), Propagation::Orphan);
}

#[test]
fn a_typing_error_in_our_own_words_is_named_and_harms_nothing() {
    let read = annotated(&[
        (ANNOTATION_PRUNE, "alway"),
        (ANNOTATION_APPLY, "ifNotPresnt"),
        (ANNOTATION_REPLACE, "true"),
        (ANNOTATION_PRUNE_PROPAGATION, "Foreground"),
    ]);
    assert_eq!(read.prune, Prune::Never);
    assert_eq!(read.on_deletion, OnDeletion::Keep);
    assert_eq!(read.apply, Apply::IfNotPresent);
    assert_eq!(read.replace, Replace::Forbidden);
    assert_eq!(read.propagation, Propagation::Orphan);
    assert_eq!(read.warnings.len(), 4);
    for word in ["alway", "ifNotPresnt", "true", "Foreground"] {
        let named = |warning: &String| warning.contains(&format!(": {word}`"));
        assert!(
            read.warnings.iter().any(named),
            "{word}: {:?}",
            read.warnings
        );
    }
}

#[test]
fn a_warning_shows_the_beginning_of_a_long_value_only() {
    let read = annotated(&[(ANNOTATION_PRUNE, &"x".repeat(10_000))]);
    assert!(read.warnings[0].len() < 300, "{}", read.warnings[0].len());
}

#[test]
fn flux_is_understood_as_annotation_and_as_label() {
    let rows: [(&str, &str, Directives); 5] = [
        (
            FLUX_PRUNE,
            "disabled",
            Directives {
                prune: Prune::Never,
                on_deletion: OnDeletion::Keep,
                ..SILENT
            },
        ),
        (
            FLUX_SSA,
            "IfNotPresent",
            Directives {
                apply: Apply::IfNotPresent,
                ..SILENT
            },
        ),
        (
            FLUX_SSA,
            "Ignore",
            Directives {
                apply: Apply::Ignore,
                prune: Prune::Never,
                on_deletion: OnDeletion::Keep,
                ..SILENT
            },
        ),
        (
            FLUX_RECONCILE,
            "Disabled",
            Directives {
                apply: Apply::Ignore,
                prune: Prune::Never,
                on_deletion: OnDeletion::Keep,
                ..SILENT
            },
        ),
        (
            FLUX_FORCE,
            "enabled",
            Directives {
                replace: Replace::Allowed,
                ..SILENT
            },
        ),
    ];
    for (name, value, expected) in rows {
        let pair = map(&[(name, value)]);
        assert_eq!(read(&pair, &BTreeMap::new()), expected, "annotation {name}");
        assert_eq!(read(&BTreeMap::new(), &pair), expected, "label {name}");
    }
}

#[test]
fn what_flux_asks_and_is_done_anyway_needs_no_warning() {
    for (name, value) in FLUX_AS_EVER {
        assert_eq!(annotated(&[(name, value)]), SILENT, "{name}: {value}");
    }
    let labels = map(&[
        ("kustomize.toolkit.fluxcd.io/name", "apps"),
        ("kustomize.toolkit.fluxcd.io/namespace", "flux-system"),
    ]);
    assert_eq!(read(&BTreeMap::new(), &labels), SILENT);
}

#[test]
fn other_words_of_flux_are_named_once() {
    let both = map(&[(FLUX_SSA, "Merge"), (FLUX_PRUNE, "no")]);
    let read = read(&both, &both);
    assert_eq!(read.warnings.len(), 2, "{:?}", read.warnings);
    assert_eq!(
        read,
        Directives {
            warnings: read.warnings.clone(),
            ..SILENT
        }
    );
}

#[test]
fn options_of_argo_cd_are_understood() {
    assert_eq!(argo("Prune=false").prune, Prune::Never);
    assert_eq!(argo("Prune=false").on_deletion, OnDeletion::Policy);
    assert_eq!(argo("Prune=confirm").prune, Prune::Confirm);
    assert_eq!(argo("Delete=false").on_deletion, OnDeletion::Keep);
    assert_eq!(argo("Delete=false").prune, Prune::Default);
    let both = argo(" Replace=true , Prune=false,");
    assert_eq!((both.replace, both.prune), (Replace::Allowed, Prune::Never));
    assert!(both.warnings.is_empty(), "{:?}", both.warnings);
    for option in ARGO_AS_EVER {
        assert_eq!(argo(option), SILENT, "{option}");
    }
}

#[test]
fn the_most_careful_option_of_argo_cd_wins_whatever_the_order() {
    for options in [
        "Prune=false,Prune=confirm",
        "Prune=confirm,Prune=false,Prune=true",
    ] {
        assert_eq!(argo(options).prune, Prune::Never, "{options}");
    }
}

#[test]
fn other_options_and_annotations_of_argo_cd_are_named() {
    let read = argo("CreateNamespace=true,PruneLast=true,Prune=flase");
    assert_eq!(read.warnings.len(), 3);
    assert_eq!(read.prune, Prune::Default);
    let read = argo("Delete=confirm");
    assert_eq!(
        (read.on_deletion, read.warnings.len()),
        (OnDeletion::Keep, 1)
    );
    let read = annotated(&[
        ("argocd.argoproj.io/compare-options", "x"),
        ("argocd.argoproj.io/sync-wave", "x"),
        (
            "argocd.argoproj.io/tracking-id",
            "web:apps/Deployment:x/web",
        ),
    ]);
    assert_eq!(read.warnings.len(), 2, "{:?}", read.warnings);
    assert!(
        read.warnings[0].contains("compare-options: x")
            && read.warnings[1].contains("sync-wave: x")
    );
}

#[test]
fn what_argo_cd_skips_is_left_alone() {
    let read = annotated(&[("argocd.argoproj.io/hook", "Skip")]);
    assert_eq!(read.apply, Apply::Ignore);
    assert_eq!((read.prune, read.warnings), (Prune::Never, Vec::new()));
}

#[test]
fn what_helm_keeps_is_kept() {
    let keep = annotated(&[(HELM_RESOURCE_POLICY, "keep")]);
    assert_eq!(
        (keep.prune, keep.on_deletion),
        (Prune::Never, OnDeletion::Keep)
    );
    assert_eq!(
        annotated(&[(HELM_RESOURCE_POLICY, "kept")]).warnings.len(),
        1
    );
}

#[test]
fn our_own_words_win_over_theirs() {
    let read = annotated(&[
        (ANNOTATION_PRUNE, "always"),
        (ANNOTATION_APPLY, "always"),
        (ANNOTATION_REPLACE, "forbidden"),
        (FLUX_PRUNE, "disabled"),
        (FLUX_SSA, "Ignore"),
        (FLUX_FORCE, "enabled"),
        (ARGO_SYNC_OPTIONS, "Prune=false,Delete=false,Replace=true"),
        (HELM_RESOURCE_POLICY, "keep"),
    ]);
    let expected = Directives {
        prune: Prune::Always,
        ..SILENT
    };
    assert_eq!(read, expected);
}

#[test]
fn what_is_left_to_others_is_kept_unless_our_own_word_says_otherwise() {
    let ignored = annotated(&[(ANNOTATION_APPLY, "ignore")]);
    assert_eq!(
        (ignored.prune, ignored.on_deletion),
        (Prune::Never, OnDeletion::Keep)
    );
    let confirmed = annotated(&[(FLUX_RECONCILE, "disabled"), (ANNOTATION_PRUNE, "confirm")]);
    assert_eq!(
        (confirmed.apply, confirmed.prune),
        (Apply::Ignore, Prune::Confirm)
    );
    assert_eq!(confirmed.on_deletion, OnDeletion::Policy);
}

#[test]
fn a_wave_is_a_whole_number_and_ours_wins() {
    for (number, wave) in [("3", 3), ("-5", -5), ("+5", 5), (" 7 ", 7), ("0", 0)] {
        for name in [ANNOTATION_WAVE, ARGO_WAVE] {
            let read = annotated(&[(name, number)]);
            assert_eq!(
                (read.wave, read.warnings.len()),
                (wave, 0),
                "{name}: {number}"
            );
        }
    }
    assert_eq!(
        annotated(&[(ANNOTATION_WAVE, "1"), (ARGO_WAVE, "2")]).wave,
        1
    );
    for number in ["", "1.5", "first", "99999999999"] {
        let read = annotated(&[(ANNOTATION_WAVE, number), (ARGO_WAVE, "2")]);
        assert_eq!(read.wave, 0, "{number}");
        assert!(read.warnings[0].contains("wave 0"), "{:?}", read.warnings);
    }
}
