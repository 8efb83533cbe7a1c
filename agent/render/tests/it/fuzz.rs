//! Random and broken lines in both directions of the pipe, a fixed number of them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use std::process::Stdio;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use syncline_render::{Answer, Error, Pool, Settings};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{Fixture, kustomize, program};

/// What must be in no message.
const SECRET: &str = "hunter2";
const LONGEST: Duration = Duration::from_secs(15);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

/// Something that breaks a line.
#[derive(Clone, Debug)]
enum Breakage {
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, u16),
    Swap(Index, Value),
}

fn breakage() -> impl Strategy<Value = Breakage> {
    prop_oneof![
        (any::<Index>(), 1..=255_u8).prop_map(|(at, bits)| Breakage::Flip(at, bits)),
        any::<Index>().prop_map(Breakage::Cut),
        (any::<Index>(), proptest::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, bytes)| Breakage::Insert(at, bytes)),
        (any::<Index>(), 2..2_000_u16).prop_map(|(at, times)| Breakage::Repeat(at, times)),
        (any::<Index>(), odd_value()).prop_map(|(at, value)| Breakage::Swap(at, value)),
        (any::<Index>(), odd_value()).prop_map(|(at, value)| Breakage::Swap(at, value)),
    ]
}

fn odd_value() -> impl Strategy<Value = Value> {
    let deep = (0..500).fold(json!(SECRET), |inner, _| json!([inner]));
    prop::sample::select(vec![
        json!(null),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!(SECRET),
        json!("../.."),
        json!("/etc/passwd"),
        json!("\u{0}\u{2028}\u{feff}"),
        json!([]),
        json!([[SECRET]]),
        json!({}),
        json!({SECRET: {SECRET: 1}}),
        json!(true),
        deep,
    ])
}

/// Every node of a value, by its pointer.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{number}"), all);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(field, &format!("{at}/{name}"), all);
            }
        }
        _ => {}
    }
}

fn broken(line: &Value, breakages: &[Breakage]) -> Vec<u8> {
    let mut line = line.clone();
    for breakage in breakages {
        if let Breakage::Swap(at, value) = breakage {
            let mut all = Vec::new();
            pointers(&line, "", &mut all);
            let pointer = &all[at.index(all.len())];
            *line.pointer_mut(pointer).unwrap() = value.clone();
        }
    }
    let mut bytes = line.to_string().into_bytes();
    for breakage in breakages {
        let at = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
        match breakage {
            Breakage::Flip(index, bits) => {
                if !bytes.is_empty() {
                    let at = index.index(bytes.len());
                    bytes[at] ^= bits;
                }
            }
            Breakage::Cut(index) => bytes.truncate(at(index, &bytes)),
            Breakage::Insert(index, new) => {
                let at = at(index, &bytes);
                bytes.splice(at..at, new.iter().copied());
            }
            Breakage::Repeat(index, times) => {
                if !bytes.is_empty() {
                    let at = index.index(bytes.len());
                    let byte = bytes[at];
                    bytes.splice(at..at, std::iter::repeat_n(byte, usize::from(*times)));
                }
            }
            Breakage::Swap(..) => {}
        }
    }
    bytes.push(b'\n');
    bytes
}

fn lines(sound: Vec<Value>, most: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let breakages = prop_oneof![
        1 => Just(Vec::new()),
        3 => proptest::collection::vec(breakage(), 1..3),
    ];
    let line = (prop::sample::select(sound), breakages);
    let line = line.prop_map(|(line, breakages)| broken(&line, &breakages));
    let noise = proptest::collection::vec(any::<u8>(), 0..64).prop_map(|mut bytes| {
        bytes.push(b'\n');
        bytes
    });
    proptest::collection::vec(prop_oneof![9 => line, 1 => noise], 1..most)
}

fn words_of_a_renderer() -> Vec<Value> {
    vec![
        json!({"ask": {"kind": "read", "path": "a"}}),
        json!({"ask": {"kind": "list", "source": "$values", "path": ""}}),
        json!({"ask": {"kind": "chart", "repository": "oci://x", "name": "n", "version": "", "digest": ""}}),
        json!({"ask": {"kind": "lookup", "apiVersion": "v1", "objectKind": "Secret", "namespace": "a", "name": "b"}}),
        json!({"object": {"body": {"kind": "Secret", "data": {"a": SECRET}}, "origin": {"file": "a", "document": 1}}}),
        json!({"object": {"body": {}, "origin": {"file": "a", "document": 1, "line": 3}, "hook": "test", "plain": ["/a"], "unstable": []}}),
        json!({"done": {"objects": 1, "warnings": []}}),
        json!({"failed": {"code": "helm.fail", "message": "no"}}),
        json!({"hello": {"protocol": 2}}),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, max_shrink_iters: 64, ..ProptestConfig::default() })]
    #[test]
    fn whatever_a_renderer_says_the_agent_neither_panics_nor_hangs_nor_tells_it(
        lines in lines(words_of_a_renderer(), 12)
    ) {
        let fixture = Fixture::new("plays.sh");
        std::fs::write(fixture.beside("lines"), lines.concat()).unwrap();
        let outcome = block_on(async {
            let pool = Pool::new(Settings {
                deadline: Duration::from_secs(10),
                ..fixture.settings()
            });
            let job = kustomize("a");
            let render = pool.render(&job, &|_| Ok(Answer::Missing));
            timeout(LONGEST, render).await.expect("it ends")
        });
        if let Err(error) = outcome {
            prop_assert!(!matches!(error, Error::Deadline(_) | Error::Start { .. }), "{}", error);
            if !matches!(error, Error::Refused(_)) {
                prop_assert!(!error.to_string().contains(SECRET), "{}", error);
            }
        }
    }
}

fn words_of_an_agent() -> Vec<Value> {
    let helm = json!({"helm": {
        "path": "chart", "releaseName": "roar", "namespace": "zoo", "upgrade": false,
        "valuesFiles": ["*.yaml"], "ignoreMissingValuesFiles": false, "values": {"a": SECRET},
        "overlays": [{"name": "Secret a", "text": "b: 1", "targetPath": ""}], "cluster": {},
        "skipCrds": false, "skipSchema": false, "lookup": true,
    }});
    let kustomize = json!({"kustomize": {
        "path": "app", "cluster": {},
        "overrides": {"images": ["a=b:1"], "namePrefix": "x-", "replicas": {"web": 3},
            "patches": [{"patch": "- {op: remove, path: /a}", "target": {"kind": "Deployment"}}]},
    }});
    let transform = json!({"transform": {
        "objects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": SECRET}}],
        "patches": [{"patch": "- {op: add, path: /data/y, value: z}", "target": {"kind": "ConfigMap"}}],
    }});
    vec![helm, kustomize, transform]
}

fn answers_of_an_agent() -> Vec<Value> {
    use base64_text as file;
    vec![
        file("apiVersion: v2\nname: roar\nversion: 1.0.0\n"),
        file("resources: [a.yaml]\nsecretGenerator: [{name: s, literals: [a=hunter2]}]\n"),
        file("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: hunter2}\n"),
        file("{{ .Values.a }}: {{ fail .Values.a }}\n"),
        json!({"directory": [{"name": "Chart.yaml"}, {"name": "a.yaml"}, {"name": "templates", "directory": true}]}),
        json!({"object": {"kind": "Secret", "data": {"a": SECRET}}}),
        json!({"missing": true}),
        json!({"later": true}),
        json!({"refused": true}),
    ]
}

fn base64_text(text: &str) -> Value {
    use base64::Engine as _;
    json!({"file": base64::engine::general_purpose::STANDARD.encode(text)})
}

/// Speaks with a renderer until it ends, answers the request, or has asked often enough; gives what
/// it said last and its standard error.
async fn speak(request: &[u8], answers: &[Vec<u8>]) -> (Option<Value>, String) {
    let mut process = Command::new(program())
        .env_clear()
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let mut stdout = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut stderr = process.stderr.take().unwrap();
    let mut last = None;
    let talk = async {
        assert!(stdout.next_line().await.unwrap().unwrap().contains("hello"));
        let mut answers = answers.iter().cycle().take(300);
        // It may be gone already.
        let _ = stdin.write_all(request).await;
        while let Some(line) = stdout.next_line().await.unwrap() {
            let line: Value = match serde_json::from_str(&line) {
                Ok(line) => line,
                // Asked with objects nested deeper than an agent has any, it answers with the same. The
                // agent reads no such line, and tells nothing of it.
                Err(error) => {
                    assert!(error.to_string().contains("recursion limit"), "{error}");
                    break;
                }
            };
            let is_question = line.get("ask").is_some();
            let is_end = line.get("done").is_some() || line.get("failed").is_some();
            last = Some(line);
            if is_end {
                break;
            }
            if is_question {
                let Some(answer) = answers.next() else { break };
                let _ = stdin.write_all(answer).await;
            }
        }
        drop(stdin);
        let mut words = String::new();
        stderr.read_to_string(&mut words).await.unwrap();
        words
    };
    let words = timeout(LONGEST, talk).await.expect("it ends or answers");
    timeout(LONGEST, process.wait())
        .await
        .expect("it ends")
        .unwrap();
    (last, words)
}

#[test]
fn objects_nested_deeper_than_an_agent_has_any_are_not_told() {
    let (open, close) = ("[".repeat(1000), "]".repeat(1000));
    let request = format!(
        r#"{{"transform":{{"objects":[{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"}},"data":{{"x":{open}"{SECRET}"{close}}}}}],"patches":[{{"patch":"- {{op: add, path: /data/y, value: z}}","target":{{"kind":"ConfigMap"}}}}]}}}}"#
    );
    let (last, words) = block_on(speak(format!("{request}\n").as_bytes(), &[]));
    assert_eq!(last, None);
    assert!(!words.contains(SECRET), "{words}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, max_shrink_iters: 32, ..ProptestConfig::default() })]
    #[test]
    fn whatever_an_agent_says_the_renderer_answers_or_ends_without_telling_it(
        request in lines(words_of_an_agent(), 2),
        answers in lines(answers_of_an_agent(), 8),
    ) {
        let (last, words) = block_on(speak(&request[0], &answers));
        prop_assert!(!words.contains(SECRET), "{}", words);
        prop_assert!(!words.contains("goroutine"), "{}", words);
        let failed = last.as_ref().and_then(|line| line.get("failed"));
        if let Some(message) = failed.and_then(|failed| failed["message"].as_str()) {
            // A library that panics is a bug, but not one that tells a secret.
            let of_a_panic = message.contains("the rendering library failed");
            prop_assert!(!of_a_panic || !message.contains(SECRET), "{}", message);
        }
    }
}
