//! The spec of an Application as the agent understands it, with its defaults.

use serde::Serialize;
use utoipa::ToSchema;

/// The spec of an Application as the agent understands it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationView {
    /// Settings in groups, with the defaults of those that it does not name.
    pub groups: Vec<SettingGroup>,
    /// Fields that are left to others.
    pub ignore: Vec<IgnoreRuleView>,
    /// What the health of objects is judged by, beside the rules that are built in.
    pub health: Vec<HealthRuleView>,
    /// Health rules of the agent that hold for all Applications, after its own.
    pub agent_health: Vec<HealthRuleView>,
    /// The generation of the Application that was read.
    pub generation: Option<i64>,
}

/// Settings that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingGroup {
    /// What they are about.
    #[schema(example = "Sync")]
    pub title: String,
    /// The settings, in the order of the spec.
    pub settings: Vec<SettingView>,
}

/// A setting of an Application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingView {
    /// Its field in the Application.
    #[schema(example = "spec.sync.prune")]
    pub field: String,
    /// Its values in words; several where it is a list.
    pub values: Vec<String>,
}

/// A rule on fields that are left to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IgnoreRuleView {
    /// Group of the objects; absent for any.
    pub group: Option<String>,
    /// Kind of the objects; absent for any.
    pub kind: Option<String>,
    /// Name of the object; absent for any.
    pub name: Option<String>,
    /// Fields that are neither written nor repaired, as JSON pointers.
    pub fields: Vec<String>,
    /// A field manager whose fields are left alone.
    pub manager: Option<String>,
    /// How many objects of the application it speaks of.
    pub objects: u32,
}

/// A rule on the health of objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthRuleView {
    /// Group of the objects; absent for any.
    pub group: Option<String>,
    /// Kind of the objects.
    pub kind: String,
    /// Name of the object; absent for any.
    pub name: Option<String>,
    /// CEL: it does its work.
    pub healthy: Option<String>,
    /// CEL: it failed.
    pub degraded: Option<String>,
    /// CEL: it is on its way.
    pub progressing: Option<String>,
    /// How many objects of the application it speaks of.
    pub objects: u32,
}
