//! What expressions say of objects, and that none of them runs long, deep or away.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn of(text: &str, object: &Value) -> Result<bool, ExpressionError> {
    Expression::parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .holds(object)
}

fn refused(text: &str) -> String {
    match Expression::parse(text) {
        Err(ExpressionError::Invalid(why)) => why,
        other => panic!("{text}: {other:?}"),
    }
}

fn database() -> Value {
    json!({
        "metadata": {"name": "main", "generation": 4, "labels": {"app.kubernetes.io/name": "db"}},
        "spec": {"replicas": 3, "size": "10Gi"},
        "status": {
            "phase": "Ready",
            "observedGeneration": 4,
            "readyReplicas": 3,
            "load": 0.5,
            "started": "2026-01-02T03:04:05Z",
            "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"},
                {"type": "Backup", "status": "False", "reason": "NoBucket"},
            ],
        },
    })
}

#[test]
fn an_expression_is_true_or_false_of_an_object() {
    let object = database();
    for text in [
        "self.status.phase == 'Ready'",
        "self.status.readyReplicas == self.spec.replicas",
        "self.status.readyReplicas + 1 > self.spec.replicas && self.status.load < 1.0",
        "self.status.observedGeneration >= self.metadata.generation",
        "self.metadata.labels['app.kubernetes.io/name'] == 'db'",
        "has(self.status.phase) && !has(self.status.error)",
        "self.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')",
        "self.status.conditions.all(c, c.type != 'Stalled')",
        "self.status.conditions.exists_one(c, c.status == 'False')",
        "self.status.conditions.filter(c, c.status == 'True').size() == 1",
        "self.status.conditions.map(c, c.type) == ['Ready', 'Backup']",
        "self.status.conditions.filter(c, c.type == 'Ready')[0].status == 'True'",
        "'Backup' in self.status.conditions.map(c, c.type)",
        "self.?status.?error.orValue('none') == 'none'",
        "self.?status.?phase.hasValue() && self.status[?'phase'].value() == 'Ready'",
        "optional.none().orValue(true)",
        "self.spec.size.matches('^[0-9]+Gi$') && matches(self.status.phase, 'R.*y')",
        "self.status.phase.startsWith('Re') && self.status.phase.endsWith('dy')",
        "self.status.phase.contains('ead') && size(self.status.phase) == 5",
        "timestamp(self.status.started) < timestamp('2026-01-02T03:04:06Z')",
        "timestamp(self.status.started).getFullYear() == 2026",
        "timestamp(self.status.started) + duration('1h') > timestamp(self.status.started)",
        "duration('90s').getMinutes() == 1",
        "self.spec.replicas > 1 ? self.status.phase == 'Ready' : true",
        "int('3') == self.spec.replicas && string(self.spec.replicas) == '3'",
        "type(self.status.phase) == string",
        "{'a': 1}['a'] == 1 && [1, 2].size() == 2",
        "self.status.conditions.exists(c, has(c.reason) && c.reason == 'NoBucket') // a remark",
    ] {
        assert_eq!(of(text, &object), Ok(true), "{text}");
    }
    assert_eq!(of("self.status.phase == 'Gone'", &object), Ok(false));
    assert_eq!(of("self.spec.replicas > 3", &object), Ok(false));
}

#[test]
fn a_field_that_is_not_there_is_told_from_an_expression_that_is_wrong() {
    let missing = |text: &str, object: &Value| match of(text, object) {
        Err(ExpressionError::Missing(why)) => why,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(
        missing("self.status.phase == 'Ready'", &json!({})),
        "there is no field `status`"
    );
    missing("has(self.status.phase)", &json!({}));
    missing("self.list[0] == 1", &json!({"list": []}));
    missing("self.status.phase == 'x'", &json!({"status": null}));
    let failed = |text: &str| match of(text, &database()) {
        Err(ExpressionError::Failed(why)) => why,
        other => panic!("{text}: {other:?}"),
    };
    failed("1 / (self.spec.replicas - 3) == 1");
    failed("self.spec.replicas + 'a' == 'a'");
    failed("9223372036854775807 + self.spec.replicas > 0");
    failed("timestamp(self.status.phase) > timestamp(self.status.started)");
    assert_eq!(
        of("self.status.phase", &database()),
        Err(ExpressionError::NoBoolean("a text"))
    );
    assert_eq!(
        of("self.spec", &database()),
        Err(ExpressionError::NoBoolean("a map"))
    );
}

#[test]
fn no_error_quotes_a_value_of_the_object() {
    let object = json!({
        "secret": "hunter2", "other": {"hunter2": 1}, "list": ["hunter2"], "n": 4_711_471,
        "map": {},
    });
    for text in [
        "self.secret",
        "self.secret + 1 == 2",
        "self.secret > 1",
        "self.map[self.secret]",
        "self.other[self.list]",
        "self.list[self.n] == 'x'",
        "timestamp(self.secret) == timestamp(self.secret)",
        "duration(self.secret) == duration('1s')",
        "int(self.secret) == 1",
        "self.n / 0 == 1",
        "self.n * 9223372036854775807 == 1",
        "self.secret.size(self.secret) == 1",
        "self.list.startsWith('a')",
        "{self.secret: 1, self.secret: 2} == {}",
        "-self.secret == 'a'",
        "self.secret ? true : false",
        "self.secret && true",
        "self.list.all(x, x)",
        "self.n.exists(x, true)",
        "self.secret.b == 1",
        "self.secret in self.n",
    ] {
        let error = of(text, &object).expect_err(text).to_string();
        assert!(!error.contains("hunter2"), "{text}: {error}");
        assert!(!error.contains("4711471"), "{text}: {error}");
        assert!(!error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn an_expression_that_cannot_be_read_says_where() {
    for (text, place, why) in [
        ("self.", "line 1, column ", ""),
        (
            "self.a ==\n  object.b",
            "line 2, column 3: ",
            "`object` is not known",
        ),
        (
            "self.a == 1 && now() > self.b",
            "line 1, column ",
            "`now` is not known",
        ),
        (
            "self.a.lowerAscii() == 'a'",
            "line 1, column ",
            "`lowerAscii` is not known",
        ),
        (
            "self.a.exists(c, d.x == 1)",
            "line 1, column 18: ",
            "`d` is not known",
        ),
        (
            "self.a.exists(self, self.x == 1)",
            "line 1, column ",
            "must not call its variable",
        ),
        (
            "self.a.matches(self.b)",
            "line 1, column ",
            "must be a literal text",
        ),
        (
            "self.a.matches('(')",
            "line 1, column ",
            "no regular expression",
        ),
        (
            "self.a.matches('a{1000}{1000}')",
            "line 1, column ",
            "no regular expression",
        ),
        (
            "self.a == 'b",
            "line 1, column 11: ",
            "a quote is not closed",
        ),
        ("self.a == '\\q'", "line 1, column 12: ", "unknown escape"),
        ("self.a == 1)", "line 1, column 12: ", "does not close"),
        ("self.ä == 1", "line 1, column 6: ", "ASCII"),
        ("self.`a` == 1", "line 1, column 6: ", "backticks"),
        ("Thing{a: 1} == 1", "line 1, column ", "no types"),
        ("@pay(1) == 1", "line 1, column ", ""),
    ] {
        let found = refused(text);
        assert!(found.starts_with(place), "{text}: {found}");
        assert!(found.contains(why), "{text}: {found}");
        assert!(!found.contains('\n'), "{text}: {found}");
    }
    refused("");
    refused(" \n ");
    refused(&format!("self.a == '{}'", "x".repeat(MAX_BYTES)));
}

#[test]
fn a_text_that_goes_deep_is_refused_before_it_takes_the_stack() {
    for text in [
        format!("{}1 == 1", "1+".repeat(1000)),
        format!("{}true{}", "(".repeat(1000), ")".repeat(1000)),
        format!("{}1{} == 1", "[".repeat(1000), "]".repeat(1000)),
        format!("{}true", "!".repeat(2000)),
        format!("{}1 == 1", "-".repeat(2000)),
        format!("self{}", ".a".repeat(1000)),
        format!("self{}", "[0]".repeat(1000)),
        format!("self{}", ".?a".repeat(1000)),
        format!("self{}", ".map(a,a)".repeat(400)),
        format!("{}true{}", "true?".repeat(400), ":true".repeat(400)),
        // What only looks like a text to one of the two readers.
        format!("'\\q' + {}1 == 1 + '", "1+".repeat(1000)),
        format!("ar'\\' + {}1 == 1 + '", "1+".repeat(1000)),
        format!("{}1 == 1", "1+1+1+1,".repeat(400)),
        format!("{}1 == 1", "(1+1]+".repeat(400)),
        format!("{}1 == 1", "1+1+1 && && ".repeat(300)),
        format!("'\n' + {}1 == 1", "1+".repeat(1000)),
    ] {
        refused(&text);
    }
    let why = refused("[1].all(a, [1].all(b, [1].all(c, [1].all(d, [1].all(e, true)))))");
    assert!(why.contains("more than 4 loops"), "{why}");
    // What people write is far below that.
    let many = "self.a == 'x' && ".repeat(100) + "true";
    assert_eq!(of(&many, &json!({"a": "x"})), Ok(true));
    let deep = "[".repeat(16) + &"]".repeat(16) + " == []";
    assert_eq!(of(&deep, &json!({})), Ok(false));
    assert_eq!(of(&("1 + ".repeat(45) + "1 == 46"), &json!({})), Ok(true));
}

#[test]
fn what_costs_too_much_ends_soon() {
    let list: Vec<u32> = (0..2000).collect();
    let object = json!({"list": list, "text": "a".repeat(10_000)});
    let start = std::time::Instant::now();
    for text in [
        "self.list.all(a, self.list.all(b, a != b || a == b))",
        "self.list.exists(a, self.list.exists(b, self.list.exists(c, false)))",
        "self.list.map(a, self.list).size() == 0",
        "self.list.map(a, self.text + self.text).size() == 0",
        "self.list.all(a, self.list == self.list)",
        "self.list.all(a, self.text.matches('a*a*a*a*a*b') || true)",
        "self.list.all(a, self.?list.hasValue())",
        "true || self.list.all(a, self.list.all(b, a != b || a == b))",
        // An error is overruled by `true`, a spent budget is not.
        "self.list.all(a, self.list.all(b, true)) || true",
    ] {
        let expected = if text.starts_with("true ||") {
            Ok(true)
        } else {
            Err(ExpressionError::TooCostly)
        };
        assert_eq!(of(text, &object), expected, "{text}");
    }
    // Doubling again and again, without one loop in another.
    for text in [
        format!(
            "['aaaaaaaaaaaaaaaa']{}.size() == 1",
            ".map(a, a + a)".repeat(20)
        ),
        format!("[[1, 2, 3, 4]]{}.size() == 1", ".map(a, a + a)".repeat(20)),
        format!("[[1, 2, 3, 4]]{}.size() == 1", ".map(a, [a, a])".repeat(20)),
        format!(
            "[{{'a': 1, 'b': 2}}]{}.size() == 1",
            ".map(a, {1: a, 2: a})".repeat(19)
        ),
    ] {
        assert_eq!(
            of(&text, &object),
            Err(ExpressionError::TooCostly),
            "{text}"
        );
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    assert_eq!(of("self.list.exists(a, a == 1999)", &object), Ok(true));
    assert_eq!(
        of("self.list.filter(a, a % 2 == 0).size() == 1000", &object),
        Ok(true)
    );
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c0-9]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-c]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("self".to_owned()),
        Just("x".to_owned()),
        prop::sample::select(vec![
            "1", "-1", "0", "2u", "0.5", "'a'", "b'a'", "true", "null", "[]"
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 32, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in",
        ]);
        let field = prop::sample::select(vec![".a", ".b", ".?a", "[0]", "['a']", "[?'b']"]);
        let call = prop::sample::select(vec![
            "size",
            "int",
            "uint",
            "double",
            "string",
            "bytes",
            "bool",
            "timestamp",
            "duration",
            "type",
            "dyn",
            "-",
            "!",
        ]);
        let method = prop::sample::select(vec![
            ".size()",
            ".getHours()",
            ".hasValue()",
            ".value()",
            ".orValue(1)",
            ".matches('a+')",
            ".startsWith('a')",
            ".contains('b')",
        ]);
        let of_loop = prop::sample::select(vec!["all", "exists", "exists_one", "filter", "map"]);
        prop_oneof![
            (two.clone(), operator).prop_map(|((a, b), o)| format!("({a} {o} {b})")),
            (inner.clone(), field).prop_map(|(a, f)| format!("{a}{f}")),
            (inner.clone(), call).prop_map(|(a, c)| format!("{c}({a})")),
            (inner.clone(), method).prop_map(|(a, m)| format!("{a}{m}")),
            (two.clone(), of_loop).prop_map(|((a, b), l)| format!("{a}.{l}(x, {b})")),
            (two.clone(), inner).prop_map(|((a, b), c)| format!("({a} ? {b} : {c})")),
            two.prop_map(|(a, b)| format!("[{a}, {{'a': {b}}}]")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_expression_of_any_object_panics_or_quotes(text in expression(), object in json_value()) {
        // `x` is known inside of loops only; a loop around all makes it known.
        let text = format!("[1].map(x, {text}) == [true]");
        if let Ok(expression) = Expression::parse(&text) {
            let direct = run::holds(&expression.program, &expression.text, &object);
            prop_assert_eq!(&direct, &expression.holds(&object), "the same again");
            if let Err(error) = direct {
                let error = error.to_string();
                prop_assert!(!error.contains('\n'), "{}", error);
            }
        }
    }

    #[test]
    fn no_text_makes_the_reading_panic(text in "[a-z0-9 .'\"\\\\()\\[\\]{}?:,!<>=&|+*/%_@`#\\n-]{0,60}") {
        if let Err(error) = Expression::parse(&text) {
            prop_assert!(matches!(error, ExpressionError::Invalid(_)), "{:?}", error);
        }
    }
}
