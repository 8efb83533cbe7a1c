//! What the rules leave to others: ignored fields and managers, releases.

use super::*;

#[test]
fn ignored_fields_and_managers_are_left_alone() {
    let set = json!({"f:spec": {"f:paused": {}, "f:minReadySeconds": {}}});
    let fields = [applied(), entry("kubectl-edit", "Update", set)];
    let found = Case::ignoring(&["/spec/paused"]).examine(&deployment(), &fields);
    assert_eq!(found.foreign[0].fields, ["spec.minReadySeconds"]);
    assert_eq!(
        rewritten(&found, "kubectl-edit", "Update"),
        Some(json!({"f:spec": {"f:paused": {}}}))
    );
    let mut case = Case::ignoring_manager("kubectl-*");
    case.foreign = ForeignFields::RemoveAll;
    assert_eq!(case.examine(&deployment(), &fields), Examination::default());
}

#[test]
fn a_map_is_not_taken_over_while_an_ignored_field_of_nobodys_is_in_it() {
    let theirs = json!({"f:spec": {"f:strategy": {".": {}, "f:type": {}}}});
    let fields = [applied(), entry("kubectl-edit", "Update", theirs)];
    let found = Case::ignoring(&["/spec/strategy/rollingUpdate"]).examine(&deployment(), &fields);
    assert_eq!(found.foreign[0].fields, ["spec.strategy.type"]);
    let ours = rewritten(&found, OURS, "Apply").unwrap();
    assert_eq!(ours["f:spec"]["f:strategy"], json!({"f:type": {}}));
}

#[test]
fn a_field_that_becomes_ignored_is_released_with_the_rest_untouched() {
    let mut desired = deployment();
    desired["spec"]["replicas"] = json!(2);
    let mut ours = applied();
    ours["fieldsV1"]["f:spec"]["f:replicas"] = json!({});
    for (path, field) in [
        ("/spec/replicas", "spec.replicas"),
        (
            "/spec/template/spec/containers/web/image",
            "spec.template.spec.containers[web].image",
        ),
        (
            "/spec/template/spec/containers/0/image",
            "spec.template.spec.containers[web].image",
        ),
        (
            "/spec/template/spec/containers/*/ports",
            "spec.template.spec.containers[web].ports",
        ),
        ("/metadata/labels/app", "metadata.labels.app"),
    ] {
        let found = Case::ignoring(&[path]).examine(&desired, &[ours.clone(), status()]);
        assert_eq!(found.released, [field], "{path}");
        assert!(found.lost.is_empty() && found.surplus.is_empty(), "{path}");
        let before = FieldSet::parse(&ours["fieldsV1"]);
        let after = FieldSet::parse(&rewritten(&found, OURS, "Apply").unwrap());
        assert!(
            after.difference(&before).is_empty() && after != before,
            "{path}"
        );
        let again = Case::ignoring(&[path]).examine(&desired, &found.rewrite.unwrap());
        assert_eq!(again, Examination::default(), "{path}");
    }
}

#[test]
fn a_released_field_takes_the_parents_along_that_git_does_not_name() {
    let mut ours = applied();
    ours["fieldsV1"]["f:spec"]["f:strategy"] =
        json!({".": {}, "f:rollingUpdate": {"f:maxSurge": {}}, "f:type": {}});
    let found = Case::ignoring(&["/spec/strategy/rollingUpdate"]).examine(&deployment(), &[ours]);
    assert_eq!(found.surplus, ["spec.strategy.type"]);
    assert_eq!(found.released, ["spec.strategy.rollingUpdate"]);
    let set = rewritten(&found, OURS, "Apply").unwrap();
    assert_eq!(set["f:spec"]["f:strategy"], json!({"f:type": {}}));
}

#[test]
fn an_item_that_left_git_goes_whole_although_one_of_its_fields_is_ignored() {
    let mut ours = applied();
    ours["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"old\"}"] =
        json!({".": {}, "f:name": {}, "f:image": {}});
    let case = Case::ignoring(&["/spec/template/spec/containers/old/image"]);
    let found = case.examine(&deployment(), &[ours.clone()]);
    assert_eq!(found.surplus, ["spec.template.spec.containers[old]"]);
    assert_eq!(found.rewrite, None);
    let whole =
        Case::ignoring(&["/spec/template/spec/containers/old"]).examine(&deployment(), &[ours]);
    assert_eq!(whole.released, ["spec.template.spec.containers[old]"]);
}

#[test]
fn replicas_that_leave_git_are_released_to_an_autoscaler_and_removed_without_one() {
    let mut ours = applied();
    ours["fieldsV1"]["f:spec"]["f:replicas"] = json!({});
    let mut case = Case::default();
    let found = case.examine(&deployment(), &[ours.clone()]);
    assert_eq!(
        (found.surplus.as_slice(), found.rewrite),
        (["spec.replicas".to_owned()].as_slice(), None)
    );
    case.autoscaled = Autoscaled::Yes;
    let found = case.examine(&deployment(), &[ours]);
    assert_eq!(found.released, ["spec.replicas"]);
    assert_eq!(
        rewritten(&found, OURS, "Apply"),
        Some(applied()["fieldsV1"].clone())
    );
}

#[test]
fn what_an_ignored_manager_holds_is_neither_lost_nor_sent() {
    let mut desired = deployment();
    desired["spec"]["replicas"] = json!(2);
    let image =
        in_containers(json!({"k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}}}));
    let mut scale = entry(
        "vpa-updater",
        "Update",
        json!({"f:spec": {"f:replicas": {}}}),
    );
    scale["subresource"] = json!("scale");
    let mut ours = applied();
    ours["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"web\"}"]["f:image"] =
        json!({});
    let fields = [ours, entry("vpa-updater", "Update", image), scale];
    let case = Case::ignoring_manager("vpa-updater");
    let found = case.examine(&desired, &fields);
    assert!(found.lost.is_empty(), "{:?}", found.lost);
    assert_eq!(found.released, ["spec.template.spec.containers[web].image"]);

    let ignore: Vec<&Ignore> = case.ignore.iter().collect();
    without_held(&mut desired, &fields, &ignore);
    assert_eq!(
        desired["spec"]["template"]["spec"]["containers"],
        json!([{"name": "web", "ports": [{"containerPort": 80}]}])
    );
    assert!(desired["spec"].get("replicas").is_none() && desired["kind"] == "Deployment");
}

#[test]
fn an_ignored_manager_never_takes_our_marks() {
    let mut desired = deployment();
    desired["metadata"]["annotations"] = json!({"syncline.dev/owner": "o", "x": "1"});
    let set = json!({"f:metadata": {"f:annotations": {"f:syncline.dev/owner": {}, "f:x": {}}, "f:name": {}}});
    let case = Case::ignoring_manager("copier");
    let ignore: Vec<&Ignore> = case.ignore.iter().collect();
    without_held(&mut desired, &[entry("copier", "Update", set)], &ignore);
    assert_eq!(
        desired["metadata"],
        json!({"name": "web", "namespace": "shop", "labels": {"app": "web"}, "annotations": {"syncline.dev/owner": "o"}})
    );
}
