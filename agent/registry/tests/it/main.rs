//! The registry client against the distribution registry, and against a server that plays what a
//! healthy registry does not do.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails as the test itself does"
)]

mod charts;
mod distribution;
mod faults;
mod hosted;
mod player;

use syncline_core::image::reference::{ImageName, Tag};
use syncline_registry::Listing;

/// The name of an image on a host of this machine.
fn image(host: &str, repository: &str) -> ImageName {
    ImageName::parse(&format!("{host}/{repository}")).expect("a valid name")
}

/// The tags of a list as text.
fn texts(listing: &Listing) -> Vec<&str> {
    listing.tags.iter().map(Tag::as_str).collect()
}
