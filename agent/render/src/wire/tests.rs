//! Random messages, read and written again by the renderer's own types.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, json};

use super::*;
use crate::job::{
    ChartRef, ClusterFacts, Form, Helm, Kustomize, Location, Lookup, Overlay, Transform,
};
use syncline_core::application::{Overrides, Patch};

#[test]
fn a_path_that_leaves_the_repository_is_no_question() {
    for path in ["/etc/passwd", "../x", "a/../b", "a//b", "a/.", "a\0b", "a/"] {
        assert!(!is_sound(&Ask::Read(Location::own(path))), "{path:?}");
    }
    assert!(is_sound(&Ask::List(Location::default())));
}

#[test]
fn both_sides_read_what_the_other_writes() {
    let mut runner = TestRunner::deterministic();
    let mut random = |count| -> Vec<Case> {
        let strategy = case();
        (0..count)
            .map(|_| strategy.new_tree(&mut runner).expect("a case").current())
            .collect()
    };
    let cases = random(600);
    let lines: Vec<Value> = cases.iter().map(Case::line).collect();
    for ((case, sent), echoed) in cases.iter().zip(&lines).zip(echo(&lines)) {
        let echoed = echoed.unwrap_or_else(|error| panic!("{error}\nof {sent}"));
        case.compare(sent, &echoed);
    }
}

#[test]
fn the_renderer_would_notice_a_field_that_only_one_side_has() {
    let lines = [
        json!({"request": {"helm": {"path": "", "unknown": 1}}}),
        json!({"message": {"done": {"objects": 1, "unknown": 1}}}),
        json!({"reply": {"file": "bm90IGJhc2U2NA", "directory": [{"unknown": 1}]}}),
    ];
    for (line, echoed) in lines.iter().zip(echo(&lines)) {
        assert!(echoed.is_err(), "{line}");
    }
}

/// One message.
#[derive(Clone, Debug)]
enum Case {
    Request(Box<Job>),
    Reply(Option<Answer>),
    Ask(Ask),
    /// What only the renderer writes, in its words.
    Message(Value),
}

impl Case {
    fn line(&self) -> Value {
        let parsed = |line: Vec<u8>| -> Value { serde_json::from_slice(&line).expect("JSON") };
        match self {
            Self::Request(job) => json!({"request": parsed(request(job))}),
            Self::Reply(answer) => json!({"reply": parsed(reply(answer.as_ref()))}),
            Self::Ask(ask) => json!({"message": {"ask": ask}}),
            Self::Message(message) => json!({"message": message}),
        }
    }

    fn compare(&self, sent: &Value, echoed: &Value) {
        match self {
            Self::Request(_) | Self::Reply(_) => assert_eq!(plain(sent), plain(echoed)),
            Self::Ask(ask) => {
                let Message::Ask(read) = message(&echoed["message"]) else {
                    panic!("no ask: {echoed}")
                };
                assert_eq!(*ask, read);
            }
            Self::Message(sent) => {
                let echoed = &echoed["message"];
                assert_eq!(plain(sent), plain(echoed));
                // A newer renderer says more.
                let mut newer = echoed.clone();
                for inner in newer.as_object_mut().expect("an object").values_mut() {
                    inner["newer"] = json!({"a": [1]});
                }
                assert_eq!(shown(&message(sent)), shown(&message(&newer)));
            }
        }
    }
}

fn message(value: &Value) -> Message {
    serde_json::from_slice(value.to_string().as_bytes())
        .unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// All that this side makes of a message.
fn shown(message: &Message) -> String {
    match message {
        Message::Hello(Hello {
            protocol,
            helm,
            kustomize,
            isolation,
        }) => format!("hello {protocol} {helm} {kustomize} {isolation:?}"),
        Message::Ask(ask) => format!("ask {ask:?}"),
        Message::Object(Object {
            body,
            origin,
            hook,
            plain: written,
            unstable,
        }) => {
            let Place {
                file,
                document,
                line,
            } = origin;
            let body = plain(body);
            format!("object {body} {file} {document} {line} {hook} {written:?} {unstable:?}")
        }
        Message::Done(Done {
            objects,
            warnings,
            notes,
        }) => format!("done {objects} {warnings:?} {notes}"),
        Message::Failed(Failed {
            code,
            message,
            file,
            line,
            column,
        }) => format!("failed {code} {message} {file} {line} {column}"),
    }
}

/// The same value with all numbers in one form: Go writes `1` for `1.0`.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), plain(value)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// The renderer's tests, built once per run.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let home = std::env::var_os("HOME").expect("HOME is set");
        let program = Path::new(&home).join(".cache/syncline/renderer/dev/renderer-tests");
        let built = Command::new("go")
            .args(["test", "-c", "-o"])
            .arg(&program)
            .arg(".")
            .env("CGO_ENABLED", "0")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("renderer"))
            .status()
            .expect("go is installed");
        assert!(built.success(), "the tests of the renderer build");
        program
    })
}

/// What the renderer's types make of each line.
fn echo(lines: &[Value]) -> Vec<Result<Value, String>> {
    let mut input = tempfile::tempfile().expect("a file");
    for line in lines {
        writeln!(input, "{line}").expect("it is written");
    }
    std::io::Seek::rewind(&mut input).expect("a file has a begin");
    let output = Command::new(program())
        .arg("-test.run=^TestEcho$")
        .env("SYNCLINE_ECHO", "1")
        .stdin(input)
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let echoed: Vec<Result<Value, String>> = text
        .lines()
        .filter_map(|line| {
            if let Some(error) = line.strip_prefix("error ") {
                return Some(Err(error.to_owned()));
            }
            let json = line.strip_prefix("echo ")?;
            Some(serde_json::from_str(json).map_err(|error| error.to_string()))
        })
        .collect();
    assert_eq!(echoed.len(), lines.len(), "one answer for each line");
    echoed
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z/.$<&>]{0,8}",
        1 => proptest::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter),
    ]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(text(), 0..3)
}

fn strings() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map(text(), text(), 0..3)
}

/// Any value. Integers are those that a number of JavaScript, Go's `float64`, has exactly: Helm
/// itself keeps no others. Fractions have so few digits that each reader takes them for the same.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53)..(1 << 53)).prop_map(Value::from),
        any::<i32>().prop_map(|number| json!(f64::from(number) / 1_000.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            map(inner, 0).prop_map(Value::Object),
        ]
    })
}

fn map(
    values: impl Strategy<Value = Value>,
    least: usize,
) -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::vec((text(), values), least..4).prop_map(Map::from_iter)
}

fn patches() -> impl Strategy<Value = Vec<Patch>> {
    let patch = (text(), strings()).prop_map(|(patch, target)| Patch { patch, target });
    proptest::collection::vec(patch, 0..3)
}

fn cluster() -> impl Strategy<Value = ClusterFacts> {
    (text(), texts(), texts()).prop_map(|(kube_version, api_versions, more)| ClusterFacts {
        kube_version,
        api_versions,
        more_api_versions: more,
    })
}

fn chart() -> impl Strategy<Value = ChartRef> {
    (text(), text(), text(), text()).prop_map(|(repository, name, version, digest)| ChartRef {
        repository,
        name,
        version,
        digest,
    })
}

fn job() -> impl Strategy<Value = Job> {
    let replicas = proptest::collection::btree_map(text(), any::<i64>(), 0..3);
    let lists = (texts(), patches(), texts(), strings(), strings(), replicas);
    let overrides = (lists, text(), text(), text()).prop_map(
        |(
            (images, patches, components, labels, annotations, replicas),
            name_prefix,
            name_suffix,
            namespace,
        )| {
            Overrides {
                images,
                patches,
                components,
                name_prefix,
                name_suffix,
                labels,
                annotations,
                replicas,
                namespace,
            }
        },
    );
    let kustomize = (text(), overrides, cluster()).prop_map(|(path, overrides, cluster)| {
        Job::Kustomize(Kustomize {
            path,
            overrides,
            cluster,
        })
    });
    let form = prop_oneof![Just(Form::Values), Just(Form::Set), Just(Form::SetString)];
    let overlay = (text(), form, text(), text());
    let overlay = overlay.prop_map(|(name, form, text, target_path)| Overlay {
        name,
        form,
        text,
        target_path,
    });
    let overlays = proptest::collection::vec(overlay, 0..3);
    let values = prop_oneof![Just(Value::Null), map(value(), 1).prop_map(Value::Object)];
    let words = (text(), text(), text(), texts());
    let rest = (values, overlays, cluster());
    let flags = any::<[bool; 5]>();
    let helm = (words, proptest::option::of(chart()), rest, flags).prop_map(
        |(
            (path, release_name, namespace, values_files),
            chart,
            (values, overlays, cluster),
            [
                upgrade,
                ignore_missing_values_files,
                skip_crds,
                skip_schema,
                lookup,
            ],
        )| {
            Job::Helm(Helm {
                path,
                chart,
                release_name,
                namespace,
                upgrade,
                values_files,
                ignore_missing_values_files,
                values,
                overlays,
                cluster,
                skip_crds,
                skip_schema,
                lookup,
            })
        },
    );
    let objects = proptest::collection::vec(value(), 0..3);
    let transform = (objects, patches())
        .prop_map(|(objects, patches)| Job::Transform(Transform { objects, patches }));
    prop_oneof![kustomize, helm, transform]
}

fn answer() -> impl Strategy<Value = Option<Answer>> {
    let entry =
        (text(), any::<bool>()).prop_map(|(name, is_directory)| Entry { name, is_directory });
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64).prop_map(|file| Some(Answer::File(file))),
        proptest::collection::vec(entry, 0..4).prop_map(|all| Some(Answer::Directory(all))),
        value().prop_map(|object| Some(Answer::Object(object))),
        Just(Some(Answer::Missing)),
        Just(Some(Answer::Later)),
        Just(None),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let location = || (text(), text()).prop_map(|(source, path)| Location { source, path });
    let lookup =
        (text(), text(), text(), text()).prop_map(|(api_version, object_kind, namespace, name)| {
            Lookup {
                api_version,
                object_kind,
                namespace,
                name,
            }
        });
    prop_oneof![
        location().prop_map(Ask::Read),
        location().prop_map(Ask::List),
        chart().prop_map(Ask::Chart),
        lookup.prop_map(Ask::Lookup),
    ]
}

/// What the renderer leaves out when it is empty.
fn without_empty(mut message: Value, optional: &[&str]) -> Value {
    let fields = message.as_object_mut().expect("an object");
    for name in optional {
        let empty = match &fields[*name] {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Number(number) => number.as_u64() == Some(0),
            _ => false,
        };
        if empty {
            fields.remove(*name);
        }
    }
    message
}

fn said() -> impl Strategy<Value = Value> {
    let number = || 0..1_000_usize;
    let hello = (number(), text(), text(), texts()).prop_map(|(protocol, helm, kustomize, isolation)| {
        let hello = json!({"protocol": protocol, "helm": helm, "kustomize": kustomize, "isolation": isolation});
        json!({"hello": without_empty(hello, &["isolation"])})
    });
    let origin = (text(), number(), number()).prop_map(|(file, document, line)| {
        without_empty(
            json!({"file": file, "document": document, "line": line}),
            &["line"],
        )
    });
    let object = (value(), origin, text(), texts(), texts()).prop_map(
        |(body, origin, hook, plain, unstable)| {
            let object = json!({"body": body, "origin": origin, "hook": hook, "plain": plain, "unstable": unstable});
            json!({"object": without_empty(object, &["hook", "plain", "unstable"])})
        },
    );
    let done = (number(), texts(), text()).prop_map(|(objects, warnings, notes)| {
        let done = json!({"objects": objects, "warnings": warnings, "notes": notes});
        json!({"done": without_empty(done, &["warnings", "notes"])})
    });
    let failed = (text(), text(), text(), number(), number()).prop_map(
        |(code, message, file, line, column)| {
            let failed = json!({"code": code, "message": message, "file": file, "line": line, "column": column});
            json!({"failed": without_empty(failed, &["file", "line", "column"])})
        },
    );
    prop_oneof![hello, object, done, failed]
}

fn case() -> impl Strategy<Value = Case> {
    prop_oneof![
        3 => job().prop_map(|job| Case::Request(Box::new(job))),
        1 => answer().prop_map(Case::Reply),
        1 => ask().prop_map(Case::Ask),
        2 => said().prop_map(Case::Message),
    ]
}
