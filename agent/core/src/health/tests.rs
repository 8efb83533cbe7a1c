//! The health of objects as they are found in clusters.

use std::path::Path;

use super::*;
use crate::manifest::yaml;

/// Each file is `<kind>-<word>[-<case>].yaml`; its first line is `# <message>`.
#[test]
fn every_fixture_has_the_health_that_its_name_says_and_the_message_of_its_first_line() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/health/fixtures");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder exists") {
        let path = entry.expect("it can be listed").path();
        let file = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a plain name");
        let word = file.split('-').nth(1).expect("`<kind>-<word>`");
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let message = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("#"))
            .expect("a message");
        let objects = yaml::parse(file, text.as_bytes(), &yaml::Limits::default())
            .unwrap_or_else(|failures| panic!("{file}: {failures:?}"));
        assert_eq!(objects.len(), 1, "{file}");
        let found = assess(&objects[0].value);
        assert_eq!(
            found.health.as_str().to_lowercase(),
            word,
            "{file}: {}",
            found.message
        );
        assert_eq!(found.message, message.trim(), "{file}");
        let kind = objects[0].value["kind"]
            .as_str()
            .unwrap_or_default()
            .to_lowercase();
        assert!(
            file.starts_with(&format!("{kind}-")),
            "{file} holds a {kind}"
        );
        seen += 1;
    }
    assert!(seen >= 150, "{seen} fixtures");
}

#[test]
fn the_worst_follows_the_documented_order() {
    use Health::*;
    let order = [Healthy, Suspended, Progressing, Missing, Degraded];
    for pair in order.windows(2) {
        assert_eq!(Health::worst(pair.iter().copied()), pair[1]);
        assert_eq!(Health::worst(pair.iter().rev().copied()), pair[1]);
    }
    assert_eq!(Health::worst([]), Healthy);
}

#[test]
fn what_cannot_be_read_hides_nothing_and_is_never_called_healthy() {
    use Health::*;
    assert_eq!(Health::worst([Unknown, Healthy]), Unknown);
    assert_eq!(Health::worst([Unknown, Suspended]), Unknown);
    for known in [Progressing, Missing, Degraded] {
        assert_eq!(Health::worst([Unknown, known]), known);
    }
}

#[test]
fn words_are_read_back() {
    for health in [
        "Healthy",
        "Suspended",
        "Progressing",
        "Missing",
        "Degraded",
        "Unknown",
    ]
    .map(Health::from_word)
    {
        let health = health.expect("a word");
        assert_eq!(Health::from_word(health.as_str()), Some(health));
    }
    assert_eq!(Health::from_word("healthy"), None);
}

proptest::proptest! {
    #[test]
    fn no_status_makes_the_assessment_panic(
        kind in proptest::sample::select(vec![
            ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"),
            ("apps/v1", "ReplicaSet"), ("v1", "Pod"), ("batch/v1", "Job"), ("v1", "Service"),
            ("policy/v1", "PodDisruptionBudget"), ("syncline.dev/v1alpha1", "Application"),
            ("example.com/v1", "Thing"), ("gateway.networking.k8s.io/v1", "Gateway"),
            ("gateway.networking.k8s.io/v1", "HTTPRoute"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"), ("batch/v1", "CronJob"),
            ("v1", "PersistentVolumeClaim"), ("serving.knative.dev/v1", "Service"), ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ]),
        numbers in proptest::array::uniform6(-5_i64..5),
        status in proptest::sample::select(vec!["True", "False", "Unknown", ""]),
        condition in proptest::sample::select(vec![
            "Ready", "Progressing", "Stalled", "Failed", "Accepted", "ScalingActive", "Succeeded",
        ]),
    ) {
        let object = serde_json::json!({
            "apiVersion": kind.0,
            "kind": kind.1,
            "metadata": {"generation": numbers[0]},
            "spec": {"replicas": numbers[1], "type": 7, "updateStrategy": []},
            "status": {
                "observedGeneration": numbers[2],
                "updatedReplicas": numbers[3],
                "availableReplicas": numbers[4],
                "replicas": numbers[5],
                "conditions": [{"type": condition, "status": status}, null, 3],
            },
        });
        let found = assess(&object);
        proptest::prop_assert!(!found.message.ends_with('.'));
    }
}

mod causes;
mod rules;
