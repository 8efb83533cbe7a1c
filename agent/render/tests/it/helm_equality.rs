//! What comes out of a chart, beside what Helm's own program prints for it.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use syncline_core::manifest::{Raw, yaml};
use syncline_render::{Answer, Ask, AskError, Entry, Error, Pool, Settings};

use crate::helm_cases::{REFUSED, fixture_cases};
use crate::helm_program::{Case, manifest_dir, module, program, tempdir};
use crate::support::{Tree, helm, settings};

/// Answers from a folder of the disk.
fn answer(root: &Path, case: &Case, ask: &Ask) -> Result<Answer, AskError> {
    let location = match ask {
        Ask::Read(location) | Ask::List(location) => location,
        Ask::Chart(_) if case.is_archive() => {
            return Ok(Answer::File(
                std::fs::read(root.join(&case.chart)).expect("the disk and the threads work"),
            ));
        }
        Ask::Chart(_) | Ask::Lookup(_) => return Ok(Answer::Missing),
    };
    let path = root.join(&location.path);
    Ok(if path.is_dir() {
        let mut entries: Vec<Entry> = std::fs::read_dir(&path)
            .expect("the disk and the threads work")
            .map(|entry| {
                let entry = entry.expect("the disk and the threads work");
                Entry {
                    name: entry.file_name().into_string().expect("names are text"),
                    is_directory: entry.path().is_dir(),
                }
            })
            .collect();
        entries.sort();
        Answer::Directory(entries)
    } else if path.is_file() {
        Answer::File(std::fs::read(&path).expect("the disk and the threads work"))
    } else {
        Answer::Missing
    })
}

/// Runs Helm for all cases, several at a time.
fn print_all(root: &Path, cases: &[Case]) -> Vec<Result<Vec<u8>, String>> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (next, sender) = (&next, sender.clone());
            scope.spawn(move || {
                let home = tempdir();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number) else { break };
                    sender
                        .send((number, case.print(root, &home)))
                        .expect("the disk and the threads work");
                }
                std::fs::remove_dir_all(home).expect("the disk and the threads work");
            });
        }
    });
    drop(sender);
    let mut printed: Vec<_> = receiver.into_iter().collect();
    printed.sort_by_key(|(number, _)| *number);
    printed.into_iter().map(|(_, printed)| printed).collect()
}

/// The objects in what Helm printed, without its tests.
fn parse(printed: &[u8]) -> Result<Vec<Value>, String> {
    let limits = yaml::Limits {
        max_file_bytes: 64 << 20,
        max_nodes: 10_000_000,
        max_object_bytes: 64 << 20,
        ..yaml::Limits::default()
    };
    let objects = yaml::parse("printed", printed, &limits)
        .map_err(|failures| failures.into_iter().map(|it| it.detail).collect::<String>())?;
    Ok(objects
        .into_iter()
        .map(|object| object.value)
        .filter(|object| !is_test(object))
        .collect())
}

fn is_test(object: &Value) -> bool {
    object["metadata"]["annotations"]["helm.sh/hook"]
        .as_str()
        .is_some_and(|events| {
            events
                .split(',')
                .all(|event| event.trim().starts_with("test"))
        })
}

/// What is different; nothing where both make the same or both refuse.
async fn difference(
    pool: &Pool,
    root: &Path,
    case: &Case,
    printed: &Result<Vec<u8>, String>,
) -> Option<String> {
    let ours = pool
        .render(&case.job(), &|ask| answer(root, case, ask))
        .await;
    match (ours, printed) {
        (Err(Error::Refused(_)), Err(_)) => None,
        (Err(Error::Refused(refusal)), Ok(_)) => Some(format!("refused: {refusal}")),
        (Err(error), _) => Some(format!("failed: {error}")),
        (Ok(_), Err(words)) => Some(format!("rendered, but Helm says: {words}")),
        (Ok(ours), Ok(printed)) => {
            let mut theirs = match parse(printed) {
                Ok(theirs) => theirs,
                Err(words) => return Some(format!("what Helm prints cannot be read: {words}")),
            };
            let hooks = ours.hooks.into_iter().map(|hook| hook.object);
            let mut objects: Vec<Raw> = ours.objects.into_iter().chain(hooks).collect();
            // What is said to be another one each time is not compared, but must be there.
            for (object, theirs) in objects.iter_mut().zip(&mut theirs) {
                for pointer in &object.unstable {
                    let both = (
                        object.value.pointer_mut(pointer),
                        theirs.pointer_mut(pointer),
                    );
                    if let (Some(ours), Some(theirs)) = both {
                        *ours = Value::Null;
                        *theirs = Value::Null;
                    }
                }
            }
            let ours: Vec<Value> = objects.into_iter().map(|object| object.value).collect();
            let differs = ours
                .iter()
                .zip(&theirs)
                .position(|(ours, theirs)| ours != theirs);
            if let Some(place) = differs {
                return Some(format!(
                    "object {place} is\n  {}\n  not\n  {}",
                    ours[place], theirs[place]
                ));
            }
            let (ours, theirs) = (ours.len(), theirs.len());
            (ours != theirs).then(|| format!("{ours} objects, not {theirs}"))
        }
    }
}

async fn compare(root: &Path, cases: &[Case]) -> (Vec<(String, String)>, usize) {
    let printed = print_all(root, cases);
    let pool = Pool::new(Settings {
        deadline: Duration::from_secs(20),
        ..settings()
    });
    let mut differences = Vec::new();
    for (case, printed) in cases.iter().zip(&printed) {
        if let Some(difference) = difference(&pool, root, case, printed).await {
            differences.push((case.chart.clone(), difference));
        }
    }
    (differences, printed.iter().filter(|it| it.is_ok()).count())
}

fn charts_below(root: &Path) -> Vec<Case> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the disk and the threads work") {
            let path = entry.expect("the disk and the threads work").path();
            let chart = if path.is_dir() {
                folders.push(path);
                continue;
            } else if path.file_name().is_some_and(|name| name == "Chart.yaml") {
                folder.as_path()
            } else if path.extension().is_some_and(|it| it == "tgz") {
                path.as_path()
            } else {
                continue;
            };
            let chart = chart
                .strip_prefix(root)
                .expect("it is below")
                .to_str()
                .expect("names are text");
            found.push(Case {
                chart: chart.to_owned(),
                ..Case::default()
            });
        }
    }
    found.sort_by(|a, b| a.chart.cmp(&b.chart));
    found
}

/// Charts of Helm's own tests with another result, each with the reason. They are explained in
/// `docs/rendering.md`.
const EXCEPTIONS: [(&str, &str); 2] = [
    (
        "pkg/chart/v2/lint/rules/testdata/v3-fail",
        "Helm passes over a hook of an unknown event, here `crd-install`; it is refused",
    ),
    (
        "pkg/cmd/testdata/testcharts/issue-7233",
        "a dependency in another directory is read from there",
    ),
];

#[tokio::test]
async fn the_charts_of_helms_own_tests_render_as_helm_prints_them() {
    let root = module();
    let cases = charts_below(&root);
    assert!(cases.len() > 200, "{} charts", cases.len());
    let (differences, printed) = compare(&root, &cases).await;
    assert!(printed > 100, "Helm prints {printed}");
    let mut unexpected = Vec::new();
    let mut expected: Vec<&str> = EXCEPTIONS.iter().map(|(chart, _)| *chart).collect();
    for (chart, difference) in differences {
        if let Some(place) = expected.iter().position(|known| *known == chart) {
            expected.swap_remove(place);
        } else {
            unexpected.push(format!("{chart}: {difference}"));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    assert!(expected.is_empty(), "they are equal now: {expected:?}");
}

/// The charts that were written for this, with every option.
#[tokio::test]
async fn charts_render_with_every_option_as_helm_prints_them() {
    let root = manifest_dir().join("tests/it/fixtures/charts");
    let cases = fixture_cases();
    let (differences, printed) = compare(&root, &cases).await;
    let refused = cases.len() - printed;
    let words: Vec<String> = differences
        .into_iter()
        .map(|(chart, difference)| format!("{chart}: {difference}"))
        .collect();
    assert!(words.is_empty(), "{}", words.join("\n"));
    assert_eq!(
        refused, REFUSED,
        "Helm refuses what breaks a schema or fails"
    );
}

#[tokio::test]
async fn a_lock_that_helm_wrote_fits_until_the_dependencies_change() {
    let fixtures = manifest_dir().join("tests/it/fixtures/charts/local");
    let home = tempdir();
    let files = [
        "web/Chart.yaml",
        "web/templates/c.yaml",
        "shared/Chart.yaml",
        "shared/templates/_l.tpl",
    ];
    let mut tree = Tree::default();
    for file in files {
        let content = std::fs::read_to_string(fixtures.join(file)).unwrap();
        // Letters that JSON may escape are part of what is hashed.
        let content = content.replace("^1.0.0", "'>=1.0.0 <2'");
        let to = home.join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, &content).unwrap();
        tree = tree.with(file, &content);
    }
    let updated = Command::new(program())
        .args(["dependency", "update", "--skip-refresh", "web"])
        .env_clear()
        .env("HOME", &home)
        .current_dir(&home)
        .output()
        .unwrap();
    assert!(updated.status.success(), "{updated:?}");
    let lock = std::fs::read_to_string(home.join("web/Chart.lock")).unwrap();
    std::fs::remove_dir_all(&home).unwrap();

    let tree = tree.with("web/Chart.lock", &lock);
    let job = helm("web", &[], Value::Null);
    let rendered = tree.render(&job).await.unwrap();
    assert_eq!(rendered.objects[0].value["data"]["label"], "shared-roar");

    let changed = "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- {name: shared, \
                   version: '>=1.0.0 <3', repository: 'file://../shared'}\n";
    let refusal = tree.with("web/Chart.yaml", changed).refusal(&job).await;
    assert_eq!(refusal.code, "helm.dep");
    assert!(refusal.message.contains("lock out of date"), "{refusal}");
}
