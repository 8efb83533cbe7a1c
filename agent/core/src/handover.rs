//! An object that carries the owner record of another application of the same installation: who
//! has it from now on (inv_i06).
//!
//! An application keeps what it wants. What it no longer wants passes to the one that does, if that
//! one has the right; nothing is deleted on the way, whichever of the two syncs first.

use crate::record::Name;

/// What is known of the application that the owner record names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// It wants the object, with the very same content.
    WantsTheSame,
    /// It wants the object, with another content.
    WantsAnother,
    /// It was rendered at the newest commit and does not want it, or it is being deleted, or it
    /// does not exist.
    LeftIt,
    /// It is not rendered at the newest commit yet.
    Unrendered,
}

/// Whether an application may take over what another one left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Same namespace and account, or allowed by `adoptFrom` or by the other's annotation.
    Granted,
    /// Not so.
    Missing,
}

/// What one application knows of another that has, or wants, the same object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// The other application.
    pub application: Name,
    /// What it wants.
    pub holder: Holder,
    /// What may pass from one to the other.
    pub right: Right,
}

/// Who has the object from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// We take it over.
    Take,
    /// It stays with the other, and nothing is wrong: both declare it alike.
    Shared,
    /// It stays with the other.
    OwnedBy,
    /// It cannot be said before the other is rendered.
    Wait,
}

impl Other {
    /// Decides about an object that we want and the other has.
    pub fn verdict(&self) -> Verdict {
        match (self.holder, self.right) {
            (Holder::Unrendered, _) => Verdict::Wait,
            (Holder::WantsTheSame, _) => Verdict::Shared,
            (Holder::LeftIt, Right::Granted) => Verdict::Take,
            (Holder::WantsAnother, _) | (Holder::LeftIt, Right::Missing) => Verdict::OwnedBy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv_i06_an_object_passes_only_when_it_was_left_and_with_the_right() {
        for (holder, right, verdict) in [
            (Holder::LeftIt, Right::Granted, Verdict::Take),
            (Holder::LeftIt, Right::Missing, Verdict::OwnedBy),
            (Holder::WantsAnother, Right::Granted, Verdict::OwnedBy),
            (Holder::WantsTheSame, Right::Granted, Verdict::Shared),
            (Holder::WantsTheSame, Right::Missing, Verdict::Shared),
            (Holder::Unrendered, Right::Granted, Verdict::Wait),
        ] {
            let application = Name::new("team", "a");
            let other = Other {
                application,
                holder,
                right,
            };
            assert_eq!(other.verdict(), verdict, "{other:?}");
        }
    }
}
