//! Which required fields of built-in kinds the API server insists on.
//!
//! Their schemas come from Go types, where "required" says little more than that the field has no
//! `omitempty`; the server takes many objects without such a field. Each row here is proved against
//! a real API server by leaving the field out.

/// The last three parts of a component's name, and its fields.
const TABLE: &[(&str, &[&str])] = &[
    ("apps.v1.DaemonSetSpec", &["selector", "template"]),
    ("apps.v1.DeploymentSpec", &["selector", "template"]),
    ("apps.v1.ReplicaSetSpec", &["selector"]),
    ("apps.v1.StatefulSetSpec", &["selector", "template"]),
    (
        "autoscaling.v2.CrossVersionObjectReference",
        &["kind", "name"],
    ),
    (
        "autoscaling.v2.HorizontalPodAutoscalerSpec",
        &["maxReplicas", "scaleTargetRef"],
    ),
    ("batch.v1.CronJobSpec", &["jobTemplate", "schedule"]),
    ("batch.v1.JobSpec", &["template"]),
    ("core.v1.ConfigMapKeySelector", &["key"]),
    ("core.v1.Container", &["name"]),
    ("core.v1.ContainerPort", &["containerPort"]),
    ("core.v1.EnvVar", &["name"]),
    ("core.v1.HTTPGetAction", &["port"]),
    ("core.v1.HostPathVolumeSource", &["path"]),
    ("core.v1.KeyToPath", &["key", "path"]),
    ("core.v1.LimitRangeItem", &["type"]),
    ("core.v1.PersistentVolumeClaimVolumeSource", &["claimName"]),
    ("core.v1.PodAffinityTerm", &["topologyKey"]),
    ("core.v1.PodSpec", &["containers"]),
    ("core.v1.SecretKeySelector", &["key"]),
    ("core.v1.ServicePort", &["port"]),
    ("core.v1.TCPSocketAction", &["port"]),
    (
        "core.v1.TopologySpreadConstraint",
        &["maxSkew", "topologyKey", "whenUnsatisfiable"],
    ),
    ("core.v1.Volume", &["name"]),
    ("core.v1.VolumeMount", &["mountPath", "name"]),
    (
        "core.v1.WeightedPodAffinityTerm",
        &["podAffinityTerm", "weight"],
    ),
    ("meta.v1.LabelSelectorRequirement", &["key", "operator"]),
    ("networking.v1.HTTPIngressPath", &["backend", "pathType"]),
    ("networking.v1.HTTPIngressRuleValue", &["paths"]),
    ("networking.v1.IngressServiceBackend", &["name"]),
    ("rbac.v1.ClusterRoleBinding", &["roleRef"]),
    ("rbac.v1.PolicyRule", &["verbs"]),
    ("rbac.v1.RoleBinding", &["roleRef"]),
    ("rbac.v1.RoleRef", &["kind", "name"]),
    ("rbac.v1.Subject", &["kind", "name"]),
    ("storage.v1.StorageClass", &["provisioner"]),
];

/// Whether the API server refuses the part of an object without the field.
pub(super) fn insists(component: &str, field: &str) -> bool {
    let start = component
        .rmatch_indices('.')
        .nth(2)
        .map_or(0, |(at, _)| at + 1);
    let found = TABLE.binary_search_by(|(name, _)| (*name).cmp(&component[start..]));
    found.is_ok_and(|at| TABLE[at].1.contains(&field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_found_by_the_end_of_a_name() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
        assert!(insists("io.k8s.api.core.v1.Container", "name"));
        assert!(!insists("io.k8s.api.core.v1.Container", "image"));
        assert!(!insists(
            "io.k8s.api.apps.v1.StatefulSetSpec",
            "serviceName"
        ));
        assert!(!insists("Container", "name"));
    }
}
