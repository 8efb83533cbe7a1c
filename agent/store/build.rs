//! Builds the crate anew when a migration is added: `sqlx::migrate!` embeds them.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/sqlite");
    println!("cargo::rerun-if-changed=../../migrations/postgres");
}
