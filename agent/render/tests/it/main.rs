//! The crate against the real renderer.

mod helm;
mod kustomize;
mod limits;
mod support;
