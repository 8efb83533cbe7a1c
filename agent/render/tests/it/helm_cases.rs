//! The charts in `fixtures/charts`, with every option.

use serde_json::{Value, json};

use crate::helm_program::Case;

/// Cases below that Helm refuses.
pub(crate) const REFUSED: usize = 5;

pub(crate) fn fixture_cases() -> Vec<Case> {
    let plain = |chart: &str| Case {
        chart: chart.into(),
        ..Case::default()
    };
    let with = |chart: &str, values: Value| Case {
        values,
        ..plain(chart)
    };
    let files = |chart: &str, values_files: &[&'static str]| Case {
        values_files: values_files.to_vec(),
        ..plain(chart)
    };
    let mut cases: Vec<Case> = [
        "aliases",
        "capabilities",
        "conditions",
        "crds",
        "documents",
        "files",
        "functions",
        "global",
        "hooks",
        "imports",
        "notes",
        "order",
        "packed",
        "random",
        "release",
        "schema",
        "tpl",
        "uses-library",
        "values",
        "version-one",
    ]
    .map(plain)
    .into();
    cases.extend([
        with(
            "aliases",
            json!({"replica": {"enabled": false}, "archive": {"size": "9Gi"}}),
        ),
        with("conditions", json!({"cache": {"enabled": false}})),
        with(
            "conditions",
            json!({"cache": {"enabled": "maybe"}, "global": {"cache": false}}),
        ),
        with(
            "conditions",
            json!({"tags": {"extras": true}, "queue": {"enabled": null}}),
        ),
        with(
            "imports",
            json!({"level": "debug", "service": {"ports": {"https": 8443}}}),
        ),
        with(
            "imports",
            json!({"settings": {"exports": {"defaults": {"region": null}}}}),
        ),
        with("schema", json!({"port": 0})),
        with("schema", json!({"port": "80"})),
        with("schema", json!({"inner": {"mode": "slow"}})),
        with("schema", json!({"inner": 5})),
        with(
            "global",
            json!({"global": {"registry": null, "map": {"more": 1}, "new": [1]}}),
        ),
        with(
            "values",
            json!({"map": {"deep": null}, "nothing": {"a": null}, "text": {"a": 1}}),
        ),
        with(
            "values",
            json!({"inner": {"probe": {"httpGet": null, "exec": ["a"]}}}),
        ),
        with(
            "values",
            json!({"inner": {"map": null, "nothing": null}, "empty": "text"}),
        ),
        with("tpl", json!({"host": "{{ .Values.extra | len }}"})),
        with("tpl", json!({"host": "{{ fail \"no\" }}"})),
        with("version-one", json!({"old": {"enabled": false}})),
        files("values", &["extra/one.yaml"]),
        files("values", &["extra/one.yaml", "extra/two.yaml"]),
        files("values", &["../values/extra/two.yaml", "extra/one.yaml"]),
        Case {
            values: json!({"map": {"drop": 3}, "list": [{"a": 1}]}),
            targets: vec![
                ("text", "from a Secret, with {brackets} = and\nlines\n"),
                ("map.deep.keep", "8"),
                ("list[0].b", "true"),
                ("new\\.key", "dotted"),
            ],
            ..files("values", &["extra/two.yaml"])
        },
        Case {
            upgrade: true,
            ..plain("release")
        },
        Case {
            skip_crds: true,
            ..plain("crds")
        },
        Case {
            skip_schema: true,
            ..with("schema", json!({"port": "eighty"}))
        },
    ]);
    // Helm adds the given versions to its own list; the agent gives all that a cluster has.
    cases.push(Case {
        api_versions: vec!["v1", "example.com/v1/Bear"],
        ..plain("crds")
    });
    cases
}
