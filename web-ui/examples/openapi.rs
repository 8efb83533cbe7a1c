//! Prints the OpenAPI document: `cargo run -p syncline-web-ui --example openapi > web-ui/openapi.json`.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

fn main() -> Result<(), serde_json::Error> {
    println!(
        "{}",
        serde_json::to_string_pretty(&syncline_web_ui::openapi_document())?
    );
    Ok(())
}
