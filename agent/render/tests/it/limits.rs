//! Processes that take too much, die or talk nonsense.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use syncline_core::reason::Reason;
use syncline_render::{Error, Pool, Settings};

use crate::support::{helm, kustomize, settings};

const ROAR: &str = "charts/roar";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/fixtures")
        .join(name)
}

async fn error_of(settings: Settings) -> Error {
    let pool = Pool::new(settings);
    let outcome = crate::kustomize::overlay()
        .render_in(&pool, &kustomize("overlays/prod"))
        .await;
    assert_eq!(pool.idle(), 0, "the process is not used again");
    outcome.err().expect("it fails")
}

#[tokio::test]
async fn bad_b42_an_endless_template_ends_at_the_deadline_and_the_next_render_works() {
    let pool = Pool::new(Settings {
        deadline: Duration::from_secs(2),
        ..settings()
    });
    let endless = crate::helm::chart().with(
        "charts/roar/templates/endless.yaml",
        "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}",
    );
    let began = Instant::now();
    let error = endless
        .render_in(&pool, &helm(ROAR, &[], json!({})))
        .await
        .err()
        .unwrap();
    assert_eq!(error.reason(), Reason::RenderTimeout, "{error}");
    assert!(
        began.elapsed() < Duration::from_secs(6),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(pool.idle(), 0);
    crate::helm::chart()
        .render_in(&pool, &helm(ROAR, &[], json!({})))
        .await
        .unwrap();
}

#[tokio::test]
async fn bad_b42_a_template_that_includes_itself_for_ever_is_refused() {
    let tree = crate::helm::chart().with(
        "charts/roar/templates/_loop.tpl",
        "{{- define \"loop\" }}{{ include \"loop\" . }}{{ end }}",
    );
    let tree = tree.with(
        "charts/roar/templates/loop.yaml",
        "{{ include \"loop\" . }}",
    );
    let refusal = tree.refusal(&helm(ROAR, &[], json!({}))).await;
    assert_eq!(refusal.code, "helm.limit", "{refusal}");
    assert!(refusal.message.len() <= 2_100, "{}", refusal.message.len());
}

#[tokio::test]
async fn bad_b42_a_template_that_takes_too_much_memory_is_ended() {
    let pool = Pool::new(Settings {
        memory_limit_mib: 128,
        ..settings()
    });
    let huge = crate::helm::chart().with(
        "charts/roar/templates/huge.yaml",
        "a: {{ range until 30 }}{{ repeat 10000000 \"x\" }}{{ end }}",
    );
    let error = huge
        .render_in(&pool, &helm(ROAR, &[], json!({})))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, Error::Memory(128)), "{error}");
    crate::helm::chart()
        .render_in(&pool, &helm(ROAR, &[], json!({})))
        .await
        .unwrap();
}

#[tokio::test]
async fn files_and_objects_over_their_limits_fail_the_render() {
    let error = error_of_limit(Settings {
        input_limit_bytes: 100,
        ..settings()
    })
    .await;
    assert!(matches!(error, Error::InputTooLarge(100)), "{error}");
    let error = error_of_limit(Settings {
        output_limit_bytes: 100,
        ..settings()
    })
    .await;
    assert!(matches!(error, Error::OutputTooLarge(100)), "{error}");
    assert_eq!(error.reason(), Reason::TooLarge);
}

async fn error_of_limit(settings: Settings) -> Error {
    let tree = crate::kustomize::overlay();
    let pool = Pool::new(settings);
    tree.render_in(&pool, &kustomize("overlays/prod"))
        .await
        .err()
        .expect("it fails")
}

#[tokio::test]
async fn a_program_that_is_not_a_renderer_is_an_error() {
    for program in ["garbage.sh", "newer.sh", "silent.sh", "missing.sh"] {
        let error = error_of(Settings {
            program: fixture(program),
            start_deadline: Duration::from_secs(2),
            ..Settings::default()
        })
        .await;
        assert!(matches!(error, Error::Start { .. }), "{program}: {error}");
        assert_eq!(error.reason(), Reason::RendererUnavailable);
    }
}

#[tokio::test]
async fn a_renderer_that_dies_or_talks_nonsense_in_the_middle_fails_that_render() {
    let program = |name| Settings {
        program: fixture(name),
        ..Settings::default()
    };
    let error = error_of(program("dies.sh")).await;
    assert!(matches!(error, Error::Died(_)), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let error = error_of(program("nonsense.sh")).await;
    assert!(matches!(error, Error::Protocol(_)), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let error = error_of(Settings {
        output_limit_bytes: 1 << 20,
        ..program("endless.sh")
    })
    .await;
    assert!(matches!(error, Error::OutputTooLarge(_)), "{error}");
    let error = error_of(program("short.sh")).await;
    assert!(matches!(error, Error::Protocol(_)), "{error}");
}

#[tokio::test]
async fn a_process_is_replaced_after_its_renders_and_stopped_when_idle() {
    let pool = Pool::new(Settings {
        recycle_after: 2,
        idle_stop: Duration::from_millis(300),
        ..settings()
    });
    let tree = crate::kustomize::overlay();
    tree.render_in(&pool, &kustomize("overlays/prod"))
        .await
        .unwrap();
    assert_eq!(pool.idle(), 1);
    tree.render_in(&pool, &kustomize("overlays/prod"))
        .await
        .unwrap();
    assert_eq!(pool.idle(), 0, "its second render was its last");
    tree.render_in(&pool, &kustomize("overlays/prod"))
        .await
        .unwrap();
    let began = Instant::now();
    while pool.idle() > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "it is never stopped"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renders_at_the_same_time_do_not_mix() {
    let pool = Pool::new(Settings {
        workers: 2,
        ..settings()
    });
    let renders = (0..12).map(|number| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let job = helm(ROAR, &[], json!({"replicas": number}));
            let rendered = crate::helm::chart().render_in(&pool, &job).await.unwrap();
            assert_eq!(
                crate::support::of_kind(&rendered, "Deployment").0["spec"]["replicas"],
                number
            );
        })
    });
    for render in renders.collect::<Vec<_>>() {
        render.await.unwrap();
    }
    assert!(pool.idle() <= 2);
}

#[tokio::test]
async fn a_thousand_renders_hold_no_more_memory_than_a_hundred() {
    let pool = Pool::new(Settings {
        recycle_after: u32::MAX,
        ..settings()
    });
    let (overlay, chart) = (crate::kustomize::overlay(), crate::helm::chart());
    let mut after_hundred = 0;
    for number in 1..=500 {
        overlay
            .render_in(&pool, &kustomize("overlays/prod"))
            .await
            .unwrap();
        chart
            .render_in(&pool, &helm(ROAR, &[], json!({})))
            .await
            .unwrap();
        if number == 50 {
            after_hundred = pool.resident_kib();
        }
    }
    let after_thousand = pool.resident_kib();
    assert!(after_hundred > 0);
    assert!(
        after_thousand < after_hundred + 32 * 1024,
        "{after_hundred} -> {after_thousand} KiB"
    );
}
