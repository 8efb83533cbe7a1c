//! Rules of the user.

use serde_json::{Value, json};

use super::super::*;
use crate::application::HealthRule;
use crate::expression::Expression;
use crate::object::ObjectKey;

fn key() -> ObjectKey {
    ObjectKey {
        group: "example.com".to_owned(),
        version: "v1".to_owned(),
        kind: "Database".to_owned(),
        namespace: Some("shop".to_owned()),
        name: "main".to_owned(),
    }
}

fn rule(degraded: &str, progressing: &str, healthy: &str) -> HealthRule {
    let read =
        |text: &str| (!text.is_empty()).then(|| Expression::parse(text).expect("an expression"));
    HealthRule {
        group: Some("example.com".to_owned()),
        kind: "Database".to_owned(),
        name: None,
        healthy: read(healthy),
        degraded: read(degraded),
        progressing: read(progressing),
    }
}

fn database(phase: &str) -> Value {
    json!({
        "apiVersion": "example.com/v1",
        "kind": "Database",
        "metadata": {"name": "main"},
        "status": {"phase": phase},
    })
}

fn health(object: &Value, rules: &[HealthRule]) -> Health {
    assess_with(object, &key(), rules).health
}

#[test]
fn degraded_is_asked_before_progressing_and_progressing_before_healthy() {
    let rule = [rule(
        "self.status.phase in ['Both', 'Broken']",
        "self.status.phase in ['Both', 'Moving', 'Two']",
        "self.status.phase in ['Both', 'Two', 'Ready']",
    )];
    assert_eq!(health(&database("Both"), &rule), Health::Degraded);
    assert_eq!(health(&database("Two"), &rule), Health::Progressing);
    assert_eq!(health(&database("Ready"), &rule), Health::Healthy);
    assert_eq!(health(&database("Other"), &rule), Health::Progressing);
}

#[test]
fn without_healthy_what_is_neither_degraded_nor_progressing_is_healthy() {
    let rule = [rule("self.status.phase == 'Broken'", "", "")];
    assert_eq!(health(&database("Broken"), &rule), Health::Degraded);
    assert_eq!(health(&database("Ready"), &rule), Health::Healthy);
}

#[test]
fn the_first_rule_that_selects_the_object_holds_alone() {
    let own = [rule("", "", "self.status.phase == 'Ready'")];
    let agent_wide = [rule("true", "", "")];
    let both = own.iter().chain(&agent_wide);
    let found = assess_with(&database("Ready"), &key(), both);
    assert_eq!(found.health, Health::Healthy);
    let mut other_name = own[0].clone();
    other_name.name = Some("other".to_owned());
    let found = assess_with(&database("Ready"), &key(), [&other_name, &agent_wide[0]]);
    assert_eq!(found.health, Health::Degraded);
    assert_eq!(
        assess_with(&database("x"), &key(), [&other_name]).health,
        Health::Healthy
    );
}

#[test]
fn a_field_that_is_not_there_is_progressing_and_named() {
    let rule = [rule("", "", "self.status.phase == 'Ready'")];
    let found = assess_with(&json!({"metadata": {}}), &key(), &rule);
    assert_eq!(found.health, Health::Progressing);
    assert_eq!(
        found.message,
        "`healthy` of its health rule: there is no field `status`"
    );
    // A rule for a fault that cannot be seen yet hides nothing that can.
    let rule = [self::rule(
        "self.status.error != ''",
        "",
        "self.status.phase == 'Ready'",
    )];
    assert_eq!(health(&database("Ready"), &rule), Health::Healthy);
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_unknown_and_named() {
    for wrong in ["self.status.phase", "self.status.phase > 1"] {
        let rule = [rule(wrong, "", "true")];
        let found = assess_with(&database("Ready"), &key(), &rule);
        assert_eq!(found.health, Health::Unknown, "{wrong}");
        assert!(
            found.message.starts_with("`degraded` of its health rule: "),
            "{}",
            found.message
        );
    }
}

#[test]
fn what_is_being_deleted_is_progressing_by_any_rule() {
    let rule = [rule("", "", "true")];
    let mut object = database("Ready");
    object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    assert_eq!(health(&object, &rule), Health::Progressing);
}

/// Each block of the document that is marked `cel` is one expression.
#[test]
fn every_example_of_the_document_is_an_expression() {
    let document = include_str!("../../../../../docs/health.md");
    let mut seen = 0;
    for block in document.split("```cel\n").skip(1) {
        let text = block.split("```").next().unwrap_or_default();
        if let Err(error) = Expression::parse(text) {
            panic!("{text}: {error}");
        }
        seen += 1;
    }
    assert!(seen >= 5, "{seen} examples");
}
