//! The pool: who is served when, and what becomes of its processes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use syncline_render::{Answer, Error, Pool, Settings};

use crate::support::{Fixture, helm, kustomize, settings, wait_for};

const ROAR: &str = "charts/roar";

/// Whether a process is there and has not ended.
fn lives(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The state stands behind the name, which is in parentheses; Z has ended.
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

fn id_of(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[tokio::test]
async fn a_render_that_is_dropped_ends_its_process_which_has_no_environment() {
    let fixture = Fixture::new("hangs.sh");
    let pool = Pool::new(fixture.settings());
    let waiting = pool.clone();
    let render = tokio::spawn(async move {
        waiting
            .render(&kustomize("a"), &|_| Ok(Answer::Missing))
            .await
            .map(|_| ())
    });
    let file = fixture.beside("pid");
    wait_for("its id", || id_of(&file).is_some()).await;
    let id = id_of(&file).unwrap();
    assert!(lives(id));
    render.abort();
    assert!(render.await.unwrap_err().is_cancelled());
    wait_for("its end", || !lives(id)).await;
    assert_eq!(pool.idle(), 0);
    let environment = std::fs::read_to_string(fixture.beside("environ")).unwrap();
    assert_eq!(environment.trim(), "");
}

#[tokio::test]
async fn a_process_that_died_while_it_was_idle_is_replaced() {
    let fixture = Fixture::new("empty.sh");
    let pool = Pool::new(fixture.settings());
    let render = || async {
        let job = kustomize("a");
        let rendered = pool.render(&job, &|_| Ok(Answer::Missing)).await;
        assert!(rendered.unwrap().objects.is_empty());
        id_of(&fixture.beside("pid")).unwrap()
    };
    let first = render().await;
    assert_eq!(render().await, first, "the same process renders again");
    let killed = Command::new("kill")
        .args(["-9", &first.to_string()])
        .status();
    assert!(killed.unwrap().success());
    wait_for("its end", || !lives(first)).await;
    assert_ne!(render().await, first);
    let counters = pool.counters();
    assert_eq!(
        (counters.started, counters.renders, counters.failed),
        (2, 3, 0)
    );
}

#[tokio::test]
async fn those_that_wait_are_served_in_their_order() {
    let fixture = Fixture::new("waits.sh");
    let pool = Pool::new(Settings {
        workers: 1,
        ..fixture.settings()
    });
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut renders = Vec::new();
    for number in 0..6_u64 {
        let (mine, order) = (pool.clone(), Arc::clone(&order));
        renders.push(tokio::spawn(async move {
            let job = kustomize("a");
            mine.render(&job, &|_| Ok(Answer::Missing)).await.unwrap();
            order.lock().unwrap().push(number);
        }));
        if number == 0 {
            wait_for("the first one to begin", || pool.counters().started == 1).await;
        } else {
            wait_for("it to wait", || pool.counters().waiting == number).await;
        }
    }
    std::fs::write(fixture.beside("go"), "").unwrap();
    for render in renders {
        render.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    let counters = pool.counters();
    assert_eq!((counters.waiting, counters.renders), (0, 6));
    assert!(counters.seconds_total > 0.0);
}

#[tokio::test]
async fn a_render_that_is_dropped_while_it_waits_gives_up_its_place() {
    let fixture = Fixture::new("hangs.sh");
    let pool = Pool::new(Settings {
        workers: 1,
        ..fixture.settings()
    });
    let render = || {
        let pool = pool.clone();
        tokio::spawn(async move {
            let job = kustomize("a");
            let outcome = pool.render(&job, &|_| Ok(Answer::Missing)).await;
            outcome.map(|_| ())
        })
    };
    let first = render();
    wait_for("the first one", || pool.counters().started == 1).await;
    let second = render();
    wait_for("the second one", || pool.counters().waiting == 1).await;
    let third = render();
    wait_for("the third one", || pool.counters().waiting == 2).await;
    second.abort();
    wait_for("one to leave", || pool.counters().waiting == 1).await;
    first.abort();
    wait_for("the third one's turn", || pool.counters().started == 2).await;
    assert_eq!(pool.counters().waiting, 0);
    third.abort();
}

#[tokio::test]
async fn a_process_that_holds_much_memory_is_replaced_after_its_render() {
    let pool = Pool::new(Settings {
        recycle_above_mib: 1,
        ..settings()
    });
    for round in 1..=2 {
        crate::kustomize::overlay()
            .render_in(&pool, &kustomize("overlays/prod"))
            .await
            .unwrap();
        assert_eq!(pool.idle(), 0);
        assert_eq!(pool.counters().recycled, round);
        assert_eq!(pool.counters().started, round);
    }
}

#[tokio::test]
async fn bad_b42_a_process_limits_its_memory_faster_than_anybody_looks() {
    let pool = Pool::new(Settings {
        memory_limit_mib: 128,
        memory_interval: Duration::from_mins(1),
        ..settings()
    });
    let huge = crate::helm::chart().with(
        "charts/roar/templates/huge.yaml",
        "a: {{ range until 100 }}{{ repeat 16000000 \"x\" }}{{ end }}",
    );
    let began = Instant::now();
    let outcome = huge.render_in(&pool, &helm(ROAR, &[], json!({}))).await;
    let error = outcome.err().expect("it fails");
    assert!(matches!(error, Error::Memory(128)), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let counters = pool.counters();
    assert_eq!((counters.failed, counters.killed_memory), (1, 1));
}

#[tokio::test]
async fn what_ends_a_process_is_counted() {
    let job = kustomize("a");
    for (name, expected) in [("dies.sh", [0, 1]), ("hangs.sh", [1, 0])] {
        let fixture = Fixture::new(name);
        let pool = Pool::new(Settings {
            deadline: Duration::from_millis(500),
            ..fixture.settings()
        });
        let outcome = pool.render(&job, &|_| Ok(Answer::Missing)).await;
        assert!(outcome.is_err());
        let counters = pool.counters();
        assert_eq!(
            [counters.killed_deadline, counters.died],
            expected,
            "{name}"
        );
        assert_eq!((counters.renders, counters.failed), (1, 1), "{name}");
    }
    let missing = Settings {
        program: PathBuf::from("/nowhere/syncline-renderer"),
        ..Settings::default()
    };
    let pool = Pool::new(missing);
    assert!(pool.render(&job, &|_| Ok(Answer::Missing)).await.is_err());
    assert_eq!((pool.counters().started, pool.counters().failed), (0, 1));
}
