//! What is written, in which order, and when nothing is.

use super::*;

#[test]
fn an_object_is_created_left_alone_updated_and_pruned() {
    let keys = config_maps(4);
    let mut world = World::with(&keys[1..]);
    let applied = names::ANNOTATION_APPLIED;
    world.live(&keys[2]).annotations.remove(applied);
    let plan = world.plan(&keys[..3]);
    assert_eq!(
        kinds(&plan),
        [
            ActionKind::Create,
            ActionKind::Unchanged,
            ActionKind::Update,
            ActionKind::Prune
        ]
    );
    assert_eq!(plan.actions[3].proof, Some(("uid-c003".into(), "7".into())));
    assert_eq!(plan.hold, None);
}

#[test]
fn stages_order_creation_and_reverse_deletion() {
    let keys = [
        key("ConfigMap", "a"),
        key("Namespace", "n"),
        key("ServiceAccount", "s"),
    ];
    let order = |actions: &[Action]| {
        let kinds = actions.iter().map(|action| action.key.kind.clone());
        kinds.collect::<Vec<_>>()
    };
    let plan = World::with(&[]).plan(&keys);
    assert_eq!(
        order(&plan.actions),
        ["Namespace", "ServiceAccount", "ConfigMap"]
    );
    let mut world = World::with(&keys);
    world.approval.in_git = true;
    let plan = world.plan(&[key("ConfigMap", "other")]);
    assert_eq!(
        order(&plan.actions[1..]),
        ["ConfigMap", "ServiceAccount", "Namespace"]
    );
}

#[test]
fn repairs_of_the_same_object_slow_down() {
    let (first, most) = (Duration::from_secs(1), Duration::from_secs(60));
    let delays: Vec<_> = (0..9)
        .map(|n| repair_delay(n, first, most).as_secs())
        .collect();
    assert_eq!(delays, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(repair_delay(u32::MAX, first, most), most);
}

#[test]
fn inv_i14_what_has_not_changed_is_not_written() {
    let keys = config_maps(5);
    let mut world = World::with(&keys[..3]);
    world.standing.extend(keys[3..].iter().cloned());
    let plan = world.plan(&keys);
    assert!(!plan.has_writes());
    assert_eq!((plan.standing, plan.count(ActionKind::Unchanged)), (2, 5));
    assert_eq!((plan.drift, plan.hold), (Vec::new(), None));
}

#[test]
fn inv_i14_fields_outside_of_what_git_names_call_for_no_write() {
    let keys = config_maps(1);
    let mut world = World::with(&keys);
    let live = world.live(&keys[0]);
    live.managed_fields.extend([
        entry(
            "kubectl",
            "Update",
            &json!({"f:metadata": {"f:labels": {"f:mine": {}}}}),
        ),
        entry(
            "a-controller",
            "Update",
            &json!({"f:spec": {"f:extra": {}}}),
        ),
        json!({"manager": "a-controller", "operation": "Update", "subresource": "status",
               "fieldsV1": {"f:status": {"f:ready": {}}}}),
    ]);
    let action = world.action_on(&keys[0]);
    assert_eq!(action.kind, ActionKind::Unchanged);
    assert_eq!(action.because, None);
    assert_eq!(action.notes, ["left spec.extra (set by a-controller)"]);
}

#[test]
fn the_order_of_the_inputs_does_not_change_the_plan() {
    let keys = config_maps(9);
    let world = World::with(&keys[2..]);
    let backwards: Vec<_> = keys[..4].iter().rev().cloned().collect();
    assert_eq!(world.plan(&keys[..4]), world.plan(&backwards));
}

#[test]
fn inv_i05_an_object_that_is_declared_twice_is_refused_with_both_places() {
    let at = |file: &str, key: &ObjectKey| {
        let mut manifest = manifest(key, wire(key, "1"));
        manifest.origin.file = file.to_owned();
        manifest
    };
    let set = |manifests| ManifestSet::new(CommitId::parse(&"a".repeat(40)).unwrap(), manifests);
    let web = key("Deployment", "web");
    let older = ObjectKey {
        version: "v1beta1".into(),
        ..web.clone()
    };
    let failures = set(vec![
        at("b.yaml", &web),
        at("c.yaml", &key("Deployment", "api")),
        at("a.yaml", &older),
    ])
    .unwrap_err();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].reason, Reason::DuplicateObject);
    assert_eq!(
        failures[0].detail,
        "Deployment.apps shop/web is declared in a.yaml:1 and in b.yaml:1"
    );
    // The same name in another namespace or of another kind is another object.
    let mut elsewhere = web.clone();
    elsewhere.namespace = Some("other".into());
    let all = vec![
        at("a.yaml", &web),
        at("a.yaml", &elsewhere),
        at("a.yaml", &key("StatefulSet", "web")),
    ];
    assert_eq!(set(all).unwrap().len(), 3);
}

#[test]
fn an_object_without_owner_is_adopted_with_what_its_tool_had_set() {
    let keys = config_maps(1);
    let mut world = World::with(&[]);
    let theirs = json!({"f:spec": {"f:value": {}, "f:left": {}}});
    let object = stranger(
        &keys[0],
        &wire(&keys[0], "1"),
        &[entry("kubectl-client-side-apply", "Update", &theirs)],
    );
    world.live.insert(keys[0].clone(), object);
    let action = world.action_on(&keys[0]);
    assert_eq!(action.kind, ActionKind::Update);
    assert!(
        action.notes[0].contains("it had no owner"),
        "{:?}",
        action.notes
    );
    assert_eq!(action.proof, Some(("uid-c000".into(), "7".into())));
    // Our entry has all of it, so that the apply removes what Git does not name.
    let rewrite = action.rewrite.expect("the entries are rewritten");
    let ours = applied_entry(&rewrite, MANAGER).expect("an entry of ours");
    assert!(!ours["f:spec"]["f:left"].is_null(), "{ours}");
    assert!(rewrite.iter().all(|entry| entry["manager"] == MANAGER));
}

#[test]
fn an_object_on_which_another_tool_is_at_work_is_refused_with_its_name() {
    let keys = config_maps(1);
    let mut world = World::with(&[]);
    let object = stranger(&keys[0], &wire(&keys[0], "1"), &[]);
    world.live.insert(keys[0].clone(), object);
    let tool = "Kustomization.kustomize.toolkit.fluxcd.io flux-system/shop";
    world.facts.tools.insert(keys[0].clone(), tool.to_owned());
    let action = world.action_on(&keys[0]);
    assert_eq!(action.kind, ActionKind::Skip);
    let (reason, detail) = because(&action);
    assert_eq!(reason, Reason::OtherTool);
    assert!(detail.contains(tool), "{detail}");
    // What carries our record is ours, whatever mark it has besides.
    let mut world = World::with(&keys);
    world.facts.tools.insert(keys[0].clone(), tool.to_owned());
    assert_eq!(world.action_on(&keys[0]).kind, ActionKind::Unchanged);
}

#[test]
fn fault_f25_what_is_taken_by_force_is_said_with_its_manager() {
    let keys = config_maps(1);
    let mut world = World::with(&keys);
    world.take_value(&keys[0], "a-controller");
    let action = world.action(&(keys[0].clone(), wire(&keys[0], "2")));
    assert_eq!(action.kind, ActionKind::Update);
    assert_eq!(action.notes, ["took spec from a-controller"]);
    assert_eq!(action.lost, ["spec"]);
}

#[test]
fn how_conflicts_are_met_and_whether_all_is_tried_first_changes_no_plan() {
    let keys = config_maps(3);
    let mut world = World::with(&keys[1..]);
    world.take_value(&keys[1], "kubectl-edit");
    let plan = world.plan(&keys[..2]);
    world.policy.conflicts = Conflicts::Fail;
    world.policy.atomic = true;
    assert_eq!(world.plan(&keys[..2]), plan);
}

#[test]
fn an_object_that_is_being_deleted_is_waited_for() {
    let keys = config_maps(2);
    let mut world = World::with(&keys);
    world.live(&keys[0]).deleting = true;
    world.take_value(&keys[0], "kubectl-edit");
    let plan = world.plan(&keys);
    assert_eq!(kinds(&plan), [ActionKind::Skip, ActionKind::Unchanged]);
    assert_eq!(because(&plan.actions[0]).0, Reason::BeingDeleted);
    assert!(plan.drift.is_empty());
}
