//! What goes wrong on the way from a tag to a commit, and what comes of it.

mod faults;
mod lists;
mod race;
