//! Each operator, each rule and each limit, and texts at random.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn variables(entries: &[(&str, &str)]) -> BTreeMap<String, Redacted> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), Redacted::new(*value));
    entries.iter().map(owned).collect()
}

fn origin() -> Origin {
    Origin {
        file: "apps/web.yaml".into(),
        document: 1,
        line: Some(7),
    }
}

fn known() -> BTreeMap<String, Redacted> {
    variables(&[
        ("NAME", "web"),
        ("EMPTY", ""),
        ("PATH_NAME", "/srv/app/main.tar.gz"),
        ("TEXT", "abcABC123ABCabc"),
        ("WIDE", "ünïcödé"),
        ("LOOKS", "${NAME}"),
        ("_x1", "low"),
    ])
}

/// One string, worked out as the field of an object.
fn string(text: &str, undeclared: Undeclared) -> Result<Value, Vec<Failure>> {
    let mut object = json!({ "kind": "Thing", "spec": text });
    substitute(&mut object, &[], &origin(), &known(), Some(undeclared))?;
    Ok(object["spec"].take())
}

#[test]
fn every_operator_does_what_envsubst_does() {
    for (text, expected) in [
        ("${NAME}", "web"),
        ("a-${NAME}-${_x1}.", "a-web-low."),
        ("${EMPTY}", ""),
        // Defaults.
        ("${NAME:-x}${NAME-x}${NAME:=x}${NAME=x}", "webwebwebweb"),
        ("${NONE:-x}${NONE-x}${NONE:=x}${NONE=x}", "xxxx"),
        ("<${EMPTY:-x}|${EMPTY-x}|${EMPTY:=x}|${EMPTY=x}>", "<x||x|>"),
        ("${NONE:-}", ""),
        ("${NONE:-a b: {c/d\\e}", "a b: {c/d\\e"),
        ("${NONE:-${NAME}}", "web"),
        ("${NONE:-${NOT:-${EMPTY:-deep}}}", "deep"),
        ("${NONE:-pre-${NAME^^}-post}", "pre-WEB-post"),
        ("${NONE:-${NAME}-a}-${NONE:=b}", "web-a-b"),
        ("${NONE:-${foo.bar}}", "${foo.bar}"),
        ("${NONE:-$${NAME}}", "${NAME}"),
        // Instead.
        (
            "<${NAME:+x}|${EMPTY:+x}|${EMPTY+x}|${NONE+x}|${NONE:+x}>",
            "<x||x||>",
        ),
        ("${NAME:?must be set}${EMPTY?may be empty}", "web"),
        // Length and parts.
        ("${#NAME} ${#EMPTY} ${#WIDE}", "3 0 7"),
        ("${TEXT:3}", "ABC123ABCabc"),
        ("${TEXT:3:3}", "ABC"),
        (
            "${TEXT:3:100}|${TEXT:100}|${TEXT:100:1}|",
            "ABC123ABCabc|||",
        ),
        (
            "${TEXT: -3}|${TEXT: -3:2}|${TEXT:-100:3}",
            "abc|ab|abcABC123ABCabc",
        ),
        ("${TEXT: -100:3}|${TEXT:0:-12}|${TEXT:9:-9}", "abc|abc|"),
        ("${WIDE:1:2}", "nï"),
        (
            "${WIDE/ü/ä}|${WIDE#ün}|${NONE:-é$ö\\ß}",
            "änïcödé|ïcödé|é$ö\\ß",
        ),
        // Patterns from the front and from the back.
        (
            "${PATH_NAME#*/}|${PATH_NAME##*/}",
            "srv/app/main.tar.gz|main.tar.gz",
        ),
        (
            "${PATH_NAME%.*}|${PATH_NAME%%.*}",
            "/srv/app/main.tar|/srv/app/main",
        ),
        (
            "${PATH_NAME#/srv}|${PATH_NAME#srv}",
            "/app/main.tar.gz|/srv/app/main.tar.gz",
        ),
        (
            "${TEXT##[a-z]*[A-Z]}|${TEXT#[!a-z]}|${TEXT%[[:x]}",
            "abc|abcABC123ABCabc|abcABC123ABCabc",
        ),
        (
            "${TEXT#???}|${TEXT%%[0-9]*}|${TEXT#\\*}",
            "ABC123ABCabc|abcABC|abcABC123ABCabc",
        ),
        ("${TEXT%${NONE:-abc}}", "abcABC123ABC"),
        ("${NAME#*}|${NAME##*}|${NAME%}", "web||web"),
        // Replacements: text, not patterns.
        ("${TEXT/abc/X}|${TEXT//abc/X}", "XABC123ABCabc|XABC123ABCX"),
        (
            "${TEXT/#abc/X}|${TEXT/%abc/X}",
            "XABC123ABCabc|abcABC123ABCX",
        ),
        (
            "${TEXT/#ABC/X}|${TEXT/%ABC/X}",
            "abcABC123ABCabc|abcABC123ABCabc",
        ),
        (
            "${TEXT/abc/}|${TEXT//abc}|${TEXT/x/y}",
            "ABC123ABCabc|ABC123ABC|abcABC123ABCabc",
        ),
        ("${PATH_NAME/\\/srv\\//\\/}", "/app/main.tar.gz"),
        (
            "${PATH_NAME//\\//-}|${PATH_NAME//./}",
            "-srv-app-main.tar.gz|/srv/app/maintargz",
        ),
        (
            "${TEXT/*/X}|${NAME/#/pre-}|${NAME/%/-post}|${NAME//X}",
            "abcABC123ABCabc|pre-web|web-post|web",
        ),
        ("${NAME/web/${_x1}}${NAME//e/${NAME}}", "lowwwebb"),
        // Case.
        (
            "${NAME^} ${NAME^^} ${TEXT,} ${TEXT,,}",
            "Web WEB abcABC123ABCabc abcabc123abcabc",
        ),
        ("${WIDE^}|${WIDE^^}|${EMPTY^}", "Ünïcödé|ÜNÏCÖDÉ|"),
        // What is put in is not looked at again.
        (
            "${LOOKS}|${NONE:-${LOOKS}}|${LOOKS/NAME/X}",
            "${NAME}|${NAME}|${X}",
        ),
        // Escapes.
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$${NAME}"),
        (
            "${NAME}$${NAME}$${x$${NAME}$NAME${NAME}",
            "web${NAME}${x${NAME}$NAMEweb",
        ),
        ("$${NONE=${NAME}}", "${NONE=web}"),
        ("cost: 5$${", "cost: 5${"),
    ] {
        let made = string(text, Undeclared::Error);
        assert_eq!(made, Ok(json!(expected)), "{text}");
    }
}

#[test]
fn what_is_no_variable_stays_as_it_is() {
    for text in [
        "",
        "$",
        "$$",
        "$NAME",
        "$$NAME",
        "${}",
        "${",
        "${NAME",
        "${ NAME }",
        "${1}",
        "${1:-x}",
        "${foo.bar}",
        "${foo.bar:-x}",
        "${foo-bar.baz",
        "$(NAME)",
        "$((1+1))",
        "${NAME@Q}",
        "${NAME[0]}",
        "${!NAME}",
        "${#}",
        "${#NAME:1}",
        "${NAME:x}",
        "${NAME:}",
        "${NAME:1:x}",
        "${NAME^a}",
        "${NAME:-x",
        "${NÄME}",
        "#{NAME}",
        "{{ .NAME }}",
        "%{NAME}",
        "}${NAME",
    ] {
        for undeclared in [Undeclared::Error, Undeclared::Keep] {
            let made = string(text, undeclared);
            assert_eq!(made, Ok(json!(text)), "{text}");
        }
    }
}

#[test]
fn a_variable_without_a_value_is_named_with_file_line_and_field() {
    let mut object = json!({"kind": "Thing", "spec": {
        "a/b": ["x", "${NONE} ${OTHER^^}"], "c": "${#THIRD}", "d": "${EMPTY:?not empty}",
        "e": "${FOURTH?set it to ${NAME}}", "f": "${NAME}", "g": "${NONE:-${FIFTH}}"}});
    let failures = substitute(&mut object, &[], &origin(), &known(), None).unwrap_err();
    let details: Vec<_> = failures.iter().map(|f| f.detail.as_str()).collect();
    assert_eq!(
        details,
        [
            "apps/web.yaml:7: /spec/a~1b/1: the variable `NONE` has no value",
            "apps/web.yaml:7: /spec/a~1b/1: the variable `OTHER` has no value",
            "apps/web.yaml:7: /spec/c: the variable `THIRD` has no value",
            "apps/web.yaml:7: /spec/d: the variable `EMPTY` has no value: not empty",
            "apps/web.yaml:7: /spec/e: the variable `FOURTH` has no value: set it to ${NAME}",
            "apps/web.yaml:7: /spec/g: the variable `FIFTH` has no value",
        ]
    );
    assert!(
        failures
            .iter()
            .all(|f| f.reason == Reason::UndeclaredVariable)
    );
}

#[test]
fn every_operator_on_a_name_without_a_value_is_a_failure_or_kept_whole() {
    for text in [
        "${NONE}",
        "${#NONE}",
        "${NONE^}",
        "${NONE^^}",
        "${NONE,}",
        "${NONE,,}",
        "${NONE:0}",
        "${NONE:0:10}",
        "${NONE/a/b}",
        "${NONE//a/b}",
        "${NONE/#a/b}",
        "${NONE/%a/b}",
        "${NONE#a}",
        "${NONE##a}",
        "${NONE%a}",
        "${NONE%%a}",
        "${NONE:?x}",
        "${NONE?}",
        "${NONE#${NAME}}",
    ] {
        let failures = string(text, Undeclared::Error).unwrap_err();
        assert_eq!(failures.len(), 1, "{text}");
        let whole = format!("a {text} b");
        assert_eq!(string(&whole, Undeclared::Keep), Ok(json!(whole)));
    }
    assert_eq!(
        string("${NONE:-${OTHER}}", Undeclared::Keep),
        Ok(json!("${OTHER}"))
    );
}

#[test]
fn inside_the_data_of_config_maps_and_secrets_unknown_names_are_kept() {
    for (kind, field) in [
        ("ConfigMap", "data"),
        ("ConfigMap", "binaryData"),
        ("Secret", "data"),
        ("Secret", "stringData"),
    ] {
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "${NAME}"},
            field: {"run.sh": "echo ${HOME} ${NAME} ${A:-b} ${C:?need it}"}});
        let before = object.clone();
        substitute(&mut object, &[], &origin(), &known(), None).unwrap();
        assert_eq!(object["metadata"]["name"], "web");
        let made = "echo ${HOME} web b ${C:?need it}";
        assert_eq!(object[field]["run.sh"], made, "{kind}");

        let mut strict = before.clone();
        let error = Some(Undeclared::Error);
        let failures = substitute(&mut strict, &[], &origin(), &known(), error).unwrap_err();
        assert_eq!(failures.len(), 2);
        let mut other = before;
        other["metadata"]["name"] = json!("${NONE}");
        let failures = substitute(&mut other, &[], &origin(), &known(), None).unwrap_err();
        assert!(
            failures[0].detail.contains("/metadata/name"),
            "only the data is special"
        );
    }
    let mut custom =
        json!({"apiVersion": "example.com/v1", "kind": "ConfigMap", "data": {"a": "${NONE}"}});
    assert!(substitute(&mut custom, &[], &origin(), &known(), None).is_err());
}

#[test]
fn inv_i30_a_message_about_a_secret_holds_neither_a_value_nor_the_words_of_its_author() {
    let mut object = json!({"apiVersion": "v1", "kind": "Secret",
        "stringData": {"a": "canary-text ${EMPTY:?canary-words}${NAME}"}});
    let failures = substitute(&mut object, &[], &origin(), &known(), None).unwrap_err();
    let text = format!("{failures:?}");
    assert!(
        text.contains("EMPTY") && text.contains("/stringData/a"),
        "{text}"
    );
    assert!(!text.contains("canary") && !text.contains("web "), "{text}");
    let other = variables(&[("A", "canary-value")]);
    let mut object = json!({"spec": "${A} ${A#${NONE}} ${B:?${A}}"});
    let failures = substitute(&mut object, &[], &origin(), &other, None).unwrap_err();
    assert!(!format!("{failures:?}").contains("canary"), "{failures:?}");
}

#[test]
fn a_plain_scalar_is_typed_again_and_a_quoted_one_is_not() {
    for (value, expected) in [
        ("3", json!(3)),
        ("3\n", json!(3)),
        ("-17", json!(-17)),
        ("+5", json!(5)),
        ("1_000", json!(1000)),
        ("0x1F", json!(31)),
        ("0b101", json!(5)),
        ("-0b11", json!(-3)),
        ("0o17", json!(15)),
        ("0755", json!(493)),
        ("08", json!(8.0)),
        ("0", json!(0)),
        ("00", json!(0)),
        ("18446744073709551615", json!(u64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("1.5", json!(1.5)),
        (".5", json!(0.5)),
        ("1e3", json!(1000.0)),
        ("685_230.15", json!(685_230.15)),
        ("true", json!(true)),
        ("Yes", json!(true)),
        ("on", json!(true)),
        ("y", json!(true)),
        ("NO", json!(false)),
        ("off", json!(false)),
        ("", json!(null)),
        ("~", json!(null)),
        ("null", json!(null)),
        ("nUll", json!("nUll")),
        ("yES", json!("yES")),
        ("6e12345", json!("6e12345")),
        (".inf", json!(".inf")),
        (".nan", json!(".nan")),
        ("0x", json!("0x")),
        ("1.2.3", json!("1.2.3")),
        ("1:30", json!("1:30")),
        ("12e", json!("12e")),
        (".", json!(".")),
        ("-", json!("-")),
        ("+-1", json!("+-1")),
        ("2024-01-01", json!("2024-01-01")),
        ("10Mi", json!("10Mi")),
        ("{a: 1}", json!("{a: 1}")),
        ("[1, 2]", json!("[1, 2]")),
        ("a: b", json!("a: b")),
        ("- a", json!("- a")),
        ("!!int 3", json!("!!int 3")),
        ("*alias", json!("*alias")),
        ("\"3\"", json!("\"3\"")),
        ("5 # five", json!("5 # five")),
        ("<<", json!("<<")),
        ("٣", json!("٣")),
    ] {
        let variables = variables(&[("V", value)]);
        let mut object = json!({"spec": {"plain": "${V}", "quoted": "${V}", "part": "${V}${V:+}",
            "other": "${NONE:-7}", "items": ["${V}"]}});
        let plain = [
            "/spec/plain",
            "/spec/part",
            "/spec/other",
            "/spec/items/0",
            "/nothing",
        ];
        let plain = plain.map(str::to_owned);
        substitute(&mut object, &plain, &origin(), &variables, None).unwrap();
        assert_eq!(object["spec"]["plain"], expected, "{value:?}");
        assert_eq!(object["spec"]["items"][0], expected, "{value:?}");
        assert_eq!(object["spec"]["quoted"], value);
        assert_eq!(object["spec"]["part"], value, "two expressions are text");
        assert_eq!(object["spec"]["other"], 7, "a default is typed as well");
    }
}

#[test]
fn a_plain_scalar_that_is_kept_stays_text() {
    let mut object = json!({"spec": "${NONE}"});
    let plain = ["/spec".to_owned()];
    let keep = Some(Undeclared::Keep);
    substitute(&mut object, &plain, &origin(), &known(), keep).unwrap();
    assert_eq!(object["spec"], "${NONE}");
}

#[test]
fn keys_of_maps_and_what_is_no_string_are_left_alone() {
    let mut object = json!({"${NAME}": {"${NONE}": 1}, "list": [1, true, null, 1.5]});
    let before = object.clone();
    substitute(&mut object, &[], &origin(), &known(), None).unwrap();
    assert_eq!(object, before);
    for mut odd in [json!(null), json!("${NONE}"), json!(["${NONE}"]), json!(1)] {
        let before = odd.clone();
        substitute(&mut odd, &[], &origin(), &known(), None).unwrap();
        assert_eq!(odd, before, "what is no object is refused elsewhere");
    }
}

#[test]
fn an_object_may_opt_out_and_a_definition_is_never_touched() {
    for field in ["annotations", "labels"] {
        for name in [
            "syncline.dev/substitute",
            "kustomize.toolkit.fluxcd.io/substitute",
        ] {
            let mut object = json!({"kind": "Thing", "metadata": {field: {name: "disabled"}},
                "spec": "${NONE} ${NAME}"});
            let before = object.clone();
            substitute(&mut object, &[], &origin(), &known(), None).unwrap();
            assert_eq!(object, before);
            object["metadata"][field][name] = json!("enabled");
            assert!(substitute(&mut object, &[], &origin(), &known(), None).is_err());
        }
    }
    let mut definition = json!({"apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition", "spec": {"description": "like ${VAR:=x} or ${NAME}"}});
    let before = definition.clone();
    substitute(&mut definition, &[], &origin(), &known(), None).unwrap();
    assert_eq!(definition, before);
}

#[test]
fn the_items_of_a_list_are_objects_of_their_own() {
    let mut list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "${NONE}"}},
        {"kind": "Thing", "metadata": {"annotations": {"syncline.dev/substitute": "disabled"}},
            "spec": "${NAME}"},
        {"kind": "Thing", "spec": "${NAME:-1}"}, {"kind": "Thing", "spec": "${OTHER:-1}"}]});
    let plain = ["/items/3/spec".to_owned()];
    substitute(&mut list, &plain, &origin(), &known(), None).unwrap();
    assert_eq!(list["items"][0]["data"]["a"], "${NONE}");
    assert_eq!(list["items"][1]["spec"], "${NAME}");
    assert_eq!(list["items"][2]["spec"], "web");
    assert_eq!(list["items"][3]["spec"], 1);
    list["items"][3]["spec"] = json!("${NONE}");
    let failures = substitute(&mut list, &[], &origin(), &known(), None).unwrap_err();
    assert!(failures[0].detail.contains("/items/3/spec"), "{failures:?}");
}

#[test]
fn what_is_too_long_too_deep_or_too_slow_is_refused() {
    let big = "x".repeat(MOST_SCALAR_BYTES / 2);
    let variables = variables(&[("BIG", &big), ("A", "aaaaaaaaaa")]);
    let many = |text: &str, count: usize| json!({"spec": vec![text; count]});
    let deep = |levels: usize| json!({"spec": format!("{}x{}", "${NONE:-".repeat(levels), "}".repeat(levels))});
    let stars = format!("${{BIG##{}}}", "*a".repeat(500));
    for (name, mut object, refused) in [
        ("two halves", json!({"spec": "${BIG}${BIG}"}), false),
        (
            "more than the limit",
            json!({"spec": "${BIG}${BIG}x"}),
            true,
        ),
        (
            "inside a default",
            json!({"spec": "${NONE:-${BIG}${BIG}x}"}),
            true,
        ),
        ("by a replacement", json!({"spec": "${BIG//x/xxx}"}), true),
        ("all together", many("${BIG}", 9), true),
        ("nothing comes out", many("${BIG:+}", 100_000), false),
        ("too much is counted", many("${#BIG}", 1000), true),
        ("a slow pattern", many(&stars, 3), true),
        ("as deep as allowed", deep(DEEPEST), false),
        ("too deep", deep(DEEPEST + 1), true),
        (
            "never closed",
            json!({"spec": "${NONE:-".repeat(100_000)}),
            false,
        ),
        (
            "closed once",
            json!({"spec": format!("{}}}", "${NONE:-".repeat(100_000))}),
            true,
        ),
        (
            "open braces",
            json!({"spec": format!("{}}}", "${".repeat(100_000))}),
            false,
        ),
    ] {
        let begin = std::time::Instant::now();
        let made = substitute(&mut object, &[], &origin(), &variables, None);
        assert_eq!(made.is_err(), refused, "{name}");
        if let Err(failures) = made {
            assert_eq!(failures[0].reason, Reason::SubstituteFailed, "{name}");
            assert!(failures[0].detail.len() < 300, "{name}");
        }
        assert!(
            begin.elapsed().as_secs() < 20,
            "{name}: {:?}",
            begin.elapsed()
        );
    }
}

/// Texts that look like expressions more often than random ones do.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("${"),
        Just("$${"),
        Just("}"),
        Just("$"),
        Just("NAME"),
        Just("NONE"),
        Just("WIDE"),
        Just(":-"),
        Just(":"),
        Just("/"),
        Just("//"),
        Just("#"),
        Just("##"),
        Just("%"),
        Just("^^"),
        Just(","),
        Just("*"),
        Just("["),
        Just("]"),
        Just("\\"),
        Just("1"),
        Just("-2"),
        Just("ü"),
        Just(":?"),
        Just(":+"),
        Just("."),
        Just(" "),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_text_without_an_opening_stays_the_same(text in any::<String>()) {
        prop_assume!(!text.contains("${"));
        prop_assert_eq!(string(&text, Undeclared::Error), Ok(json!(text)));
    }

    #[test]
    fn an_escaped_text_comes_out_as_it_was(text in prop_oneof![tricky(), any::<String>()]) {
        let made = string(&escape(&text), Undeclared::Error);
        prop_assert_eq!(made, Ok(json!(text)));
    }

    #[test]
    fn no_text_makes_it_panic_and_no_failure_holds_a_value(text in tricky()) {
        let canary = "Canary-Value";
        let variables = variables(&[("NAME", canary), ("WIDE", "ünï-Canary-Value")]);
        for undeclared in [None, Some(Undeclared::Keep), Some(Undeclared::Error)] {
            let mut object = json!({"spec": text, "other": ["${NAME}", text]});
            let plain = ["/spec".to_owned()];
            let made = substitute(&mut object, &plain, &origin(), &variables, undeclared);
            if let Err(failures) = made {
                let shown = format!("{failures:?}");
                prop_assert!(!shown.contains(canary));
            }
        }
    }

    #[test]
    fn what_is_kept_is_the_text_itself_where_nothing_is_known(text in tricky()) {
        // Without defaults and escapes nothing but the text can come out.
        let text = text.replace("$${", "x{").replace(['-', '+'], ".");
        let mut object = json!({ "spec": text });
        let none = BTreeMap::new();
        substitute(&mut object, &[], &origin(), &none, Some(Undeclared::Keep)).unwrap();
        prop_assert_eq!(&object["spec"], &json!(text));
    }
}
