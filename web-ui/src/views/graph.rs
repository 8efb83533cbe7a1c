//! The graph of dependencies between applications, drawn. Lengths are in CSS pixels.

use serde::Serialize;
use utoipa::ToSchema;

use super::{ApplicationName, Severity, Why};

/// A drawing of what needs what: what is needed stands left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DependencyGraph {
    /// By namespace and name.
    pub applications: Vec<DrawnApplication>,
    /// What stands between them.
    pub needs: Vec<DrawnNeed>,
    /// Applications that wait for each other: each circle begins and ends with the same one.
    pub circles: Vec<Vec<ApplicationName>>,
    /// How wide the drawing is.
    pub width: i32,
    /// How high it is.
    pub height: i32,
    /// How wide the box of an application is.
    pub box_width: i32,
    /// How high it is.
    pub box_height: i32,
    /// How many applications with dependencies are not drawn.
    pub left_out: u32,
    /// How many applications have no dependencies and are needed by none.
    pub without: u32,
}

/// An application in the drawing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrawnApplication {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Its left edge.
    pub x: i32,
    /// Its upper edge.
    pub y: i32,
    /// How bad its state is; absent where it is named and does not exist.
    pub severity: Option<Severity>,
    /// Its state in words; absent where it does not exist.
    pub why: Option<Why>,
    /// Whether it waits for what it needs.
    pub blocked: bool,
    /// Whether it waits for itself by way of others.
    pub in_circle: bool,
}

/// One application needs another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrawnNeed {
    /// Who needs: its place in the list of applications.
    pub from: u32,
    /// What is needed.
    pub to: u32,
    /// The line between them.
    pub points: Vec<GraphPoint>,
    /// Whether the one waits for the other now.
    pub blocks: bool,
    /// Whether it closes a circle.
    pub closes_circle: bool,
    /// Why what is needed is not ready; empty where it is.
    pub why: String,
}

/// A place in the drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraphPoint {
    /// From the left.
    pub x: i32,
    /// From the top.
    pub y: i32,
}
