//! The repository checks itself: direction of dependencies, file sizes, left-overs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What each crate of ours may use, by package name.
const MAY_USE: &[(&str, &[&str])] = &[
    ("dasd", &[]),
    ("cp", &[]),
    ("spool", &["dasd", "cp"]),
    ("sfs", &["dasd", "cp"]),
    ("cms", &["cp", "spool", "sfs"]),
    ("imapd", &["cms"]),
    ("smtp_exit", &["cms"]),
    ("emulator", &["dasd", "cp", "spool", "sfs", "cms", "imapd", "smtp_exit"]),
    ("tests", &["dasd", "cp", "spool", "sfs", "cms", "imapd", "smtp_exit", "emulator"]),
];

/// Longest Rust file in lines.
const MAX_LINES: usize = 900;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> serde_json::Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn dependencies_point_one_way() {
    let data = metadata();
    let packages = data["packages"].as_array().unwrap();
    let ours: Vec<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    assert_eq!(packages.len(), ours.len(), "every member has its row in MAY_USE");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let (_, allowed) =
            MAY_USE.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no row for {name}"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            // Tests may build what the crate itself must not know.
            if dependency["kind"] == "dev" {
                continue;
            }
            assert!(!ours.contains(&used) || allowed.contains(&used), "{name} must not use {used}");
        }
    }
}

/// All Rust files that git tracks or would track.
fn rust_files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, found);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found
}

#[test]
fn guests_reach_the_stores_only_through_their_interfaces() {
    // imapd and smtp_exit see SFS through CSL and the spool through *SPL, CP commands and unit record devices.
    let forbidden = ["sfs::pool", "spool::engine", "dasd::"];
    for file in rust_files() {
        let inside = file.strip_prefix(root()).unwrap();
        if !(inside.starts_with("imapd") || inside.starts_with("smtp-exit"))
            || inside.to_string_lossy().contains("test")
        {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for word in forbidden {
            assert!(!text.contains(word), "{} uses {word}", inside.display());
        }
    }
}

#[test]
fn files_are_short_and_have_no_left_overs() {
    // Put together here, so that this file does not find itself.
    let left_overs = [
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["FIX", "ME"].concat(),
        ["#[ign", "ore"].concat(),
    ];
    for file in rust_files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", file.display());
        for word in &left_overs {
            assert!(!text.contains(word.as_str()), "{} contains {word}", file.display());
        }
        assert!(text.starts_with("//!"), "{} does not say what it is", file.display());
    }
}
