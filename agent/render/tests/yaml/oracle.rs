//! Asks both readers about the same documents.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use syncline_core::manifest::yaml::{self, Limits};

/// What the two readers make of one document; `None` where it is refused.
pub(crate) struct Both {
    pub(crate) document: String,
    pub(crate) kubectl: Result<Value, String>,
    pub(crate) ours: Result<Value, String>,
}

impl Both {
    /// Whether both give the same value, or both refuse the document.
    pub(crate) fn agree(&self) -> bool {
        match (&self.kubectl, &self.ours) {
            (Ok(kubectl), Ok(ours)) => same(kubectl, ours),
            (Err(_), Err(_)) => true,
            _ => false,
        }
    }

    pub(crate) fn explain(&self) -> String {
        format!(
            "{}\n  kubectl: {:?}\n  ours:    {:?}\n",
            self.document, self.kubectl, self.ours
        )
    }
}

/// Whether the values are equal. The last bit of a float is not looked at: the reader of JSON that
/// the answer came through does not keep it.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = one.keys().eq(other.keys());
            keys && one
                .values()
                .zip(other.values())
                .all(|(one, other)| same(one, other))
        }
        (Value::Array(one), Value::Array(other)) => {
            let pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.into_iter().all(|(one, other)| same(one, other))
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs() * 1e-14 + 1e-300
        }
        _ => one == other,
    }
}

/// Asks both. The documents hold no document marks.
pub(crate) fn ask(documents: Vec<String>) -> Vec<Both> {
    let mut child = Command::new(build())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<String> = documents
        .iter()
        .map(|document| serde_json::to_string(document).unwrap())
        .collect();
    let writer = std::thread::spawn(move || {
        for line in lines {
            writeln!(stdin, "{line}").unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), documents.len());
    let pairs = documents.into_iter().zip(answers);
    pairs
        .map(|(document, answer)| Both {
            kubectl: kubectl(answer),
            ours: ours(&document),
            document,
        })
        .collect()
}

fn kubectl(answer: &str) -> Result<Value, String> {
    let mut answer: Value = serde_json::from_str(answer).unwrap();
    if let Some(error) = answer["error"].as_str() {
        return Err(error.to_owned());
    }
    Ok(as_served(answer["json"].take()))
}

fn ours(document: &str) -> Result<Value, String> {
    match yaml::parse("a.yaml", document.as_bytes(), &Limits::default()) {
        Ok(mut objects) => {
            assert!(objects.len() < 2, "{document}");
            let object = objects.pop().map(|object| object.value);
            Ok(as_served(object.unwrap_or_default()))
        }
        Err(failures) => Err(failures[0].detail.clone()),
    }
}

/// The value as the API server reads it: whole numbers are integers of 64 bits, others floats.
fn as_served(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(k, v)| (k, as_served(v))).collect(),
        Value::Array(items) => items.into_iter().map(as_served).collect(),
        Value::Number(number) if !number.is_i64() => {
            let float = number.as_f64().unwrap();
            if float.fract() == 0.0 && float.abs() < 9.2e18 {
                Value::from(float as i64)
            } else {
                Value::from(float)
            }
        }
        other => other,
    }
}

fn build() -> PathBuf {
    let home = std::env::var_os("HOME").unwrap();
    let program = Path::new(&home).join(".cache/syncline/renderer/dev/yamloracle");
    let status = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg("./internal/yamloracle")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("renderer"))
        .status()
        .unwrap();
    assert!(status.success(), "the oracle builds");
    program
}
