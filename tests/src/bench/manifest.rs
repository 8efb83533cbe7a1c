//! The objects of the applications, as YAML that a person could have written.

/// The kinds of the objects of an application, in turn.
pub(super) const KINDS: [&str; 6] = [
    "deployment",
    "service",
    "configmap",
    "serviceaccount",
    "role",
    "rolebinding",
];
/// The place of the ConfigMap among them.
pub(super) const CONFIG_MAP: usize = 2;

/// The YAML of one object of an application; `tag` is the tag of the image of a Deployment.
pub(super) fn manifest(application: usize, index: usize, tag: &str) -> String {
    let set = index / KINDS.len();
    let name = object_name(application, set);
    let head = |version: &str, kind: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  labels:\n    \
             app.kubernetes.io/name: {name}\n    app.kubernetes.io/part-of: bench\n"
        )
    };
    match KINDS[index % KINDS.len()] {
        "deployment" => format!(
            "{}spec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: {name}\n  template:\n    \
             metadata:\n      labels:\n        app: {name}\n    spec:\n      \
             serviceAccountName: {name}\n      containers:\n      - name: web\n        \
             image: registry.example/{name}:{tag}\n        ports:\n        - name: http\n          \
             containerPort: 8080\n        env:\n        - name: MODE\n          value: production\n        \
             - name: NAME\n          value: {name}\n        resources:\n          requests:\n            \
             cpu: 100m\n            memory: 64Mi\n        readinessProbe:\n          httpGet:\n            \
             path: /ready\n            port: http\n",
            head("apps/v1", "Deployment")
        ),
        "service" => format!(
            "{}spec:\n  selector:\n    app: {name}\n  ports:\n  - name: http\n    port: 80\n    \
             targetPort: http\n",
            head("v1", "Service")
        ),
        "configmap" => format!(
            "{}data:\n  name: {name}\n  config.yaml: |\n    listen: 0.0.0.0:8080\n    log: info\n",
            head("v1", "ConfigMap")
        ),
        "serviceaccount" => head("v1", "ServiceAccount"),
        "role" => format!(
            "{}rules:\n- apiGroups: [\"\"]\n  resources: [configmaps]\n  resourceNames: [{name}]\n  \
             verbs: [get, watch]\n",
            head("rbac.authorization.k8s.io/v1", "Role")
        ),
        _ => format!(
            "{}roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: {name}\nsubjects:\n\
             - apiGroup: rbac.authorization.k8s.io\n  kind: User\n  name: {name}\n",
            head("rbac.authorization.k8s.io/v1", "RoleBinding")
        ),
    }
}

/// The name of all objects of a set.
pub(super) fn object_name(application: usize, set: usize) -> String {
    format!("app-{application}-{set}")
}

/// The file of an object in the repository.
pub(super) fn file_name(application: usize, index: usize) -> String {
    let (kind, set) = (KINDS[index % KINDS.len()], index / KINDS.len());
    format!("apps/app-{application}/{kind}-{set}.yaml")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::objects::documents;

    #[test]
    fn each_object_has_a_file_of_its_own_and_one_identity() {
        let (mut files, mut identities) = (BTreeSet::new(), BTreeSet::new());
        for application in 0..2 {
            for index in 0..20 {
                let all = documents(&manifest(application, index, "1")).unwrap();
                assert_eq!(all.len(), 1);
                let kind = all[0]["kind"].as_str().unwrap().to_owned();
                let name = all[0]["metadata"]["name"].as_str().unwrap().to_owned();
                assert!(identities.insert((kind, name)));
                assert!(files.insert(file_name(application, index)));
            }
        }
        assert_eq!(files.len(), 40);
        assert_eq!(KINDS[CONFIG_MAP], "configmap");
    }

    #[test]
    fn another_tag_changes_the_deployment_and_nothing_else() {
        for (index, kind) in KINDS.iter().enumerate() {
            let changed = manifest(0, index, "1") != manifest(0, index, "2");
            assert_eq!(changed, *kind == "deployment", "{kind}");
        }
    }
}
