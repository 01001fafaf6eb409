//! Console transcripts: `tests/scripts/console/*.console`, each against a system of its own.

use std::collections::BTreeSet;
use std::path::Path;

use tests::console_script;
use tests::system::System;

/// Name and text of each transcript.
fn scripts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/console");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let named = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), text)
    };
    paths.into_iter().map(named).collect()
}

fn run(name: &str) {
    let (name, text) = scripts().into_iter().find(|(n, _)| n == name).unwrap();
    let system = System::generate(&[("VMUSER1", "SECRET1"), ("VMUSER2", "SECRET2")]);
    console_script::run(&system, &name, &text);
}

macro_rules! transcripts {
    ($($test:ident)*) => {
        $(#[test] fn $test() { run(concat!(stringify!($test), ".console")); })*

        #[test]
        fn every_transcript_is_run() {
            let run: BTreeSet<&str> = [$(concat!(stringify!($test), ".console")),*].into();
            let there = scripts();
            assert_eq!(run, there.iter().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>());
        }
    };
}

transcripts!(
    cms_files cms_users config copyfile cp_query cp_set fileserv fileserv_stop first_steps imap_requests link messages operator sessions sfs_dircontrol
    sfs_admin sfs_files sfs_groups sfs_namedefs sfs_public sfs_reports sfs_sharing sfs_warnings spool
);

/// The words that a command line may begin with to mean `family`.
fn is_used(line: &str, family: &str, name: &str, min: usize) -> bool {
    let upper = line.to_ascii_uppercase();
    let line = upper.strip_prefix("#CP ").unwrap_or(&upper);
    let mut words = line.split_ascii_whitespace();
    let abbreviates = |word: &str, name: &str, min: usize| word.len() >= min && name.starts_with(word);
    match family {
        "QUERY" if !words.next().is_some_and(|w| abbreviates(w, "QUERY", 1)) => false,
        "SET" if words.next() != Some("SET") => false,
        _ => words.next().is_some_and(|word| abbreviates(word, name, min)),
    }
}

/// The first words of the lines that HELP and QUERY answer.
fn names(answer: &str, indent: &str) -> Vec<String> {
    let rows = answer.lines().filter_map(|line| line.strip_prefix(indent));
    let words = rows.filter_map(|row| row.split_whitespace().next());
    words.filter(|w| w.chars().all(|c| c.is_ascii_uppercase())).map(str::to_owned).collect()
}

#[test]
fn every_command_is_in_a_transcript() {
    let commands: Vec<String> = scripts()
        .iter()
        .flat_map(|(_, text)| console_script::parse(text))
        .map(|exchange| exchange.command().to_owned())
        .collect();
    let system = System::generate(&[]);
    let running = system.start();
    // What HELP lists is what the tables have.
    let mut rows: Vec<(&str, String)> = Vec::new();
    rows.extend(names(&running.cmd_ok("MAINT", "#CP HELP"), "").into_iter().map(|n| ("", n)));
    rows.extend(names(&running.cmd_ok("MAINT", "HELP CMS"), "").into_iter().map(|n| ("", n)));
    rows.extend(names(&running.cmd_ok("MAINT", "HELP CP QUERY"), "  ").into_iter().map(|n| ("QUERY", n)));
    rows.extend(names(&running.cmd_ok("MAINT", "HELP CP SET"), "  ").into_iter().map(|n| ("SET", n)));
    assert!(rows.len() > 80, "{rows:?}");
    // Programs of service machines run there and are shown by everything else.
    rows.retain(|(_, name)| !["FILESERV", "IMAPMAIN", "SMTP"].contains(&name.as_str()));
    let missing: Vec<_> = rows
        .iter()
        .filter(|(family, name)| !commands.iter().any(|line| is_used(line, family, name, name.len())))
        .collect();
    assert!(missing.is_empty(), "in no transcript: {missing:?}");
}
