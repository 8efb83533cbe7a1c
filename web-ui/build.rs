//! Embeds the built front end, `app/dist`, where it exists.
//!
//! Without it the crate still builds: the list is empty and the pages say how to build it.
#![allow(
    clippy::print_stdout,
    reason = "this is how a build script talks to cargo"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let app = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("app");
    let dist = app.join("dist");
    let mut list = String::from("pub(crate) static ASSETS: &[Asset] = &[\n");
    if dist.join("index.html").is_file() {
        println!("cargo::rerun-if-changed={}", dist.display());
        let mut files = Vec::new();
        collect(&dist, &mut files)?;
        files.sort();
        for file in files
            .iter()
            .filter(|file| file.extension().is_none_or(|e| e != "gz"))
        {
            let path = file
                .strip_prefix(&dist)?
                .to_string_lossy()
                .replace('\\', "/");
            let packed = PathBuf::from(format!("{}.gz", file.display()));
            let packed = if packed.is_file() {
                format!("Some(include_bytes!({:?}))", packed.display().to_string())
            } else {
                "None".to_owned()
            };
            writeln!(
                list,
                "    Asset {{ path: {path:?}, plain: include_bytes!({:?}), packed: {packed} }},",
                file.display().to_string()
            )?;
        }
    } else {
        // A path that does not exist would rerun this at every build, so the folder above it.
        println!("cargo::rerun-if-changed={}", app.display());
    }
    list.push_str("];\n");
    fs::write(
        PathBuf::from(std::env::var("OUT_DIR")?).join("assets.rs"),
        list,
    )?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
