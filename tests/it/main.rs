//! All integration tests: one program, a module for each behaviour.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod approval;
mod architecture;
mod canary;
mod chart_client;
mod cluster;
mod crashes;
mod dependencies;
mod deploy;
mod diff_cli;
mod drift;
mod faults;
mod git_signatures;
mod git_ssh;
mod gitea;
mod harness;
mod health;
mod history;
mod hooks;
mod image_flow;
mod image_policy;
mod image_push;
mod image_registry;
mod image_setup;
mod image_update;
mod images;
mod images_api;
mod install;
mod layout;
mod lifecycle;
mod lifecycle_cli;
mod lifecycle_setup;
mod operate_cli;
mod options;
mod ownership;
mod prune;
mod registries;
mod render_cli;
mod rendering;
mod rendering_charts;
mod rollout;
mod security;
mod time;
mod ui_actions;
mod ui_api;
mod ui_diff;
mod ui_live;
mod ui_order;
mod ui_pages;
mod ui_records;
mod ui_resources;
mod ui_session;
mod webhook;

/// A file that no `mod` line names would be left out in silence.
#[test]
fn no_file_with_tests_is_forgotten() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("it");
    let main = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        let named = module == "main" || main.contains(&format!("mod {module};\n"));
        assert!(named, "`{name}` is not a module of main.rs");
    }
}
