//! What an Application asks of a sync, from the wire to the domain.

use serde_json::{Value, json};

use super::*;

fn convert(spec: &Value) -> Result<Application, Failure> {
    let mut whole = json!({"repository": "config", "path": "apps/web"});
    for (name, value) in spec.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let wire = serde_json::from_value(json!({
        "apiVersion": "syncline.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": whole,
    }))
    .unwrap();
    application(&wire, "applier")
}

fn refusal(spec: &Value) -> String {
    let failure = convert(spec).unwrap_err();
    assert_eq!(failure.reason, Reason::InvalidSpec);
    failure.detail
}

#[test]
fn an_application_that_says_nothing_gets_the_safe_defaults() {
    let application = convert(&json!({})).unwrap();
    assert_eq!(application.sync.foreign, ForeignFields::RemoveManual);
    assert_eq!(application.sync.conflicts, Conflicts::Take);
    assert_eq!(application.sync.prune_approval, PruneApproval::WhenRisky);
    assert!(!application.sync.atomic);
    assert!(application.ignore.is_empty() && application.adopt_from.is_none());
}

#[test]
fn each_option_of_a_sync_reaches_the_domain() {
    let sync = |sync: Value| convert(&json!({ "sync": sync })).unwrap().sync;
    assert_eq!(
        sync(json!({"foreign": "Keep"})).foreign,
        ForeignFields::Keep
    );
    assert_eq!(
        sync(json!({"foreign": "RemoveAll"})).foreign,
        ForeignFields::RemoveAll
    );
    assert_eq!(
        sync(json!({"conflicts": "Fail"})).conflicts,
        Conflicts::Fail
    );
    assert!(sync(json!({"atomic": true})).atomic);
    assert_eq!(
        sync(json!({"pruneApproval": "Always"})).prune_approval,
        PruneApproval::Always
    );
    assert_eq!(
        sync(json!({"pruneApproval": "Never"})).prune_approval,
        PruneApproval::Never
    );
    assert_eq!(
        convert(&json!({"adoptFrom": "old"})).unwrap().adopt_from,
        Some("old".to_owned())
    );
}

#[test]
fn rules_on_ignored_fields_are_parsed() {
    let application = convert(&json!({"ignore": [
        {"group": "apps", "kind": "Deployment", "name": "web", "fields": ["/spec/replicas"]},
        {"group": "", "fields": ["/data/a~1b"]},
        {"manager": "vpa-*"},
    ]}))
    .unwrap();
    let [first, second, third] = application.ignore.as_slice() else {
        panic!("{:?}", application.ignore);
    };
    assert_eq!(first.group.as_deref(), Some("apps"));
    assert_eq!(first.kind.as_deref(), Some("Deployment"));
    assert_eq!(first.name.as_deref(), Some("web"));
    assert_eq!(first.fields[0].steps(), ["spec", "replicas"]);
    assert_eq!(second.group.as_deref(), Some(""));
    assert_eq!(second.fields[0].steps(), ["data", "a/b"]);
    assert_eq!(third.manager.as_deref(), Some("vpa-*"));
    assert!(third.fields.is_empty());
}

#[test]
fn a_wrong_rule_on_ignored_fields_is_refused_with_its_place() {
    for (rule, named) in [
        (json!({"kind": "Deployment"}), "spec.ignore[1]`"),
        (
            json!({"fields": ["/spec/x", "spec/replicas"]}),
            "spec.ignore[1].fields[1]`",
        ),
        (
            json!({"fields": ["/metadata/name"]}),
            "spec.ignore[1].fields[0]`",
        ),
        (json!({"manager": "*"}), "spec.ignore[1].manager`"),
        (json!({"manager": "a*b"}), "spec.ignore[1].manager`"),
        (json!({"manager": ""}), "spec.ignore[1].manager`"),
    ] {
        let detail = refusal(&json!({"ignore": [{"manager": "hpa"}, rule]}));
        assert!(detail.contains(named), "{rule}: {detail}");
    }
}

#[test]
fn an_application_cannot_adopt_from_itself() {
    let detail = refusal(&json!({"adoptFrom": "web"}));
    assert!(detail.contains("spec.adoptFrom"), "{detail}");
}

/// What a Repository with this `write` becomes.
fn write_of(write: &Value) -> Result<syncline_core::application::Write, Failure> {
    let wire = serde_json::from_value(json!({
        "apiVersion": "syncline.dev/v1alpha1",
        "kind": "Repository",
        "metadata": {"name": "config", "namespace": "shop"},
        "spec": {"url": "https://git.example.com/config.git", "write": write},
    }));
    let repository = repository(&wire.unwrap(), "reader")?;
    Ok(repository.write.unwrap())
}

#[test]
fn a_repository_says_how_its_commits_are_worded_and_signed() {
    let secret = json!({"name": "push"});
    let plain = write_of(&json!({"secretRef": secret})).unwrap();
    assert_eq!(plain.message, MessageTemplate::default());
    assert_eq!((plain.skip_ci, plain.signing), (None, None));
    assert_eq!(plain.window, SECOND);
    let full = write_of(&json!({
        "secretRef": secret,
        "message": "Update {{ updates[0].image }}",
        "skipCi": "[skip ci]",
        "signing": {"secretRef": {"name": "key"}},
        "window": "30s",
    }));
    let full = full.unwrap();
    assert_ne!(full.message, MessageTemplate::default());
    assert_eq!(full.skip_ci.as_deref(), Some("[skip ci]"));
    assert_eq!(full.signing.as_deref(), Some("key"));
    assert_eq!(full.window, SECOND * 30);
}

#[test]
fn a_message_that_cannot_work_is_refused_with_its_line() {
    let secret = json!({"name": "push"});
    let message = "Update\n\n{{ update.image }}";
    let failure = write_of(&json!({"secretRef": secret, "message": message})).unwrap_err();
    assert_eq!(failure.reason, Reason::InvalidSpec);
    assert!(
        failure.detail.starts_with("`spec.write.message`: line 3: "),
        "{}",
        failure.detail
    );
    let failure = write_of(&json!({"secretRef": secret, "skipCi": "a\nb"})).unwrap_err();
    assert!(
        failure.detail.contains("spec.write.skipCi"),
        "{}",
        failure.detail
    );
}

#[test]
fn a_repository_over_ssh_with_signed_commits_reaches_the_domain() {
    let convert = |url: &str| {
        let wire = serde_json::from_value(json!({
            "apiVersion": "syncline.dev/v1alpha1",
            "kind": "Repository",
            "metadata": {"name": "config", "namespace": "shop"},
            "spec": {"url": url, "verify": {"secretRef": {"name": "signers"}}},
        }));
        repository(&wire.unwrap(), "applier")
    };
    let found = convert("git@git.example.com:shop/config.git").unwrap();
    assert!(found.url.ssh().is_some());
    let secret = "signers".to_owned();
    let mode = VerifyMode::Commit;
    assert_eq!(found.verify, Some(Verify { mode, secret }));
    let failure = convert("git:hunter2@git.example.com:shop/config.git").unwrap_err();
    assert_eq!(failure.reason, Reason::InvalidUrl);
    assert!(!failure.detail.contains("hunter2"), "{}", failure.detail);
}

#[test]
fn a_repository_that_asks_for_tags_is_not_written_to() {
    let convert = |mode: &str, write: Value| {
        let mut spec = json!({
            "url": "https://git.example.com/shop/config.git",
            "verify": {"mode": mode, "secretRef": {"name": "signers"}},
        });
        if !write.is_null() {
            spec["write"] = write;
        }
        let wire = serde_json::from_value(json!({
            "apiVersion": "syncline.dev/v1alpha1",
            "kind": "Repository",
            "metadata": {"name": "config", "namespace": "shop"},
            "spec": spec,
        }));
        repository(&wire.unwrap(), "applier")
    };
    let write = json!({"secretRef": {"name": "push"}});
    assert!(!convert("Commit", write.clone()).unwrap().wants_tags());
    for mode in ["Tag", "CommitAndTag"] {
        assert!(convert(mode, Value::Null).unwrap().wants_tags());
        let failure = convert(mode, write.clone()).unwrap_err();
        assert_eq!(failure.reason, Reason::InvalidSpec);
        let said = &failure.detail;
        assert!(
            said.contains("spec.verify.mode") && said.contains("write.signing"),
            "{said}"
        );
    }
}
