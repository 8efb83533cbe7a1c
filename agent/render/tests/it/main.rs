//! The crate against the real renderer.

mod fuzz;
mod helm;
mod helm_cases;
mod helm_dependencies;
mod helm_equality;
mod helm_options;
mod helm_program;
mod isolation;
mod kustomize;
mod kustomize_charts;
mod kustomize_equality;
mod kustomize_overrides;
mod kustomize_refusals;
mod kustomize_remote;
mod limits;
mod pool;
mod sops;
mod support;
