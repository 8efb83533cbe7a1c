//! How much a value is: counted before it is copied.

use serde_json::Value;

/// What a value costs to be copied.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) nodes: usize,
    pub(super) bytes: usize,
    pub(super) depth: usize,
}

/// What a value costs to be copied.
pub(super) fn size(value: &Value) -> Size {
    let (own, below): (usize, Size) = match value {
        Value::String(text) => (text.len(), Size::default()),
        Value::Array(items) => (
            0,
            items.iter().map(size).fold(Size::default(), Size::beside),
        ),
        Value::Object(map) => (
            map.keys().map(String::len).sum(),
            map.values().map(size).fold(Size::default(), Size::beside),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => (0, Size::default()),
    };
    let container = value.is_array() || value.is_object();
    Size {
        nodes: below.nodes + 1,
        bytes: below.bytes + own,
        depth: below.depth + usize::from(container),
    }
}

impl Size {
    fn beside(self, other: Self) -> Self {
        Self {
            nodes: self.nodes + other.nodes,
            bytes: self.bytes + other.bytes,
            depth: self.depth.max(other.depth),
        }
    }
}
