//! The path of a field, as people write it in `spec.ignore`: a JSON pointer (RFC 6901).

use std::fmt;

use crate::outcome::Failure;
use crate::reason::Reason;

/// The steps from the object to a field. A step into a list is the number of an item, or the name
/// of an item that has one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<String>);

impl FieldPath {
    /// Parses a pointer such as `/spec/replicas`; `~1` stands for `/` and `~0` for `~`.
    ///
    /// Fails with [`Reason::InvalidSpec`] for a text that is no pointer, and for one that points at
    /// the whole object, its identity or its managed fields.
    pub fn parse(pointer: &str) -> Result<Self, Failure> {
        let refuse = |why: &str| {
            Err(Failure {
                reason: Reason::InvalidSpec,
                detail: format!("`{pointer}` {why}"),
            })
        };
        let Some(rest) = pointer.strip_prefix('/') else {
            return refuse("is no JSON pointer: it begins with `/`, as in `/spec/replicas`");
        };
        let steps: Vec<String> = rest
            .split('/')
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .collect();
        if steps.iter().any(String::is_empty) {
            return refuse("has an empty step");
        }
        let identity = match steps[0].as_str() {
            "apiVersion" | "kind" => true,
            "metadata" => steps.get(1).is_none_or(|field| {
                matches!(field.as_str(), "name" | "namespace" | "managedFields")
            }),
            _ => false,
        };
        if identity {
            return refuse("is the identity of the object, which cannot be left to others");
        }
        Ok(Self(steps))
    }

    /// The steps, outermost first; never empty.
    pub fn steps(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_taken_apart_and_printed_back() {
        let path = FieldPath::parse("/metadata/annotations/example.com~1x").unwrap();
        assert_eq!(path.steps(), ["metadata", "annotations", "example.com/x"]);
        assert_eq!(path.to_string(), "/metadata/annotations/example.com~1x");
    }

    #[test]
    fn what_points_at_nothing_or_at_the_identity_is_refused() {
        for bad in [
            "",
            "spec",
            "/",
            "/spec//x",
            "/kind",
            "/metadata",
            "/metadata/name",
        ] {
            assert_eq!(
                FieldPath::parse(bad).unwrap_err().reason,
                Reason::InvalidSpec,
                "{bad}"
            );
        }
    }
}
