//! What the kernel refuses to a renderer, as it is seen from outside.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{helm, program};

#[test]
#[cfg(target_os = "linux")]
fn a_renderer_gives_up_privileges_system_calls_and_resources_before_it_greets() {
    let mut child = Command::new(program())
        .arg("-memory-limit-mib=100")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let proc =
        |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap();
    let status = proc("status");
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    assert_eq!(of("NoNewPrivs:"), "1");
    // 2 is a filter of system calls.
    assert_eq!(of("Seccomp:"), "2");
    let limits = proc("limits");
    let both = |name: &str| -> Vec<String> {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        let words = line.unwrap_or_default().split_whitespace();
        words.take(2).map(str::to_owned).collect()
    };
    for (name, most) in [
        ("Max core file size", "0"),
        ("Max file size", "0"),
        ("Max open files", "32"),
        ("Max data size", "478150656"),
    ] {
        assert_eq!(both(name), [most, most], "{name}");
    }
    // Every thread is filtered, not only the first.
    for thread in std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap() {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        assert!(status.contains("Seccomp:\t2"), "{status}");
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    }
    let hello: Value = serde_json::from_str(&line).unwrap();
    let isolation = json!(["limits", "no-new-privileges", "landlock", "syscalls"]);
    assert_eq!(hello["hello"]["isolation"], isolation);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success(), "it ends with its input");
}

#[tokio::test]
async fn templates_know_time_zones_without_a_disk() {
    let tree = crate::helm::chart().with(
        "charts/roar/templates/zone.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: zone}\ndata:\n  \
         vienna: {{ dateInZone \"15:04 MST\" (toDate \"2006-01-02\" \"2026-07-01\") \"Europe/Vienna\" | quote }}\n",
    );
    let rendered = tree
        .render(&helm("charts/roar", &[], json!({})))
        .await
        .unwrap();
    let zone = rendered
        .objects
        .iter()
        .find(|object| object.value["metadata"]["name"] == "zone");
    assert_eq!(zone.unwrap().value["data"]["vienna"], "02:00 CEST");
}
