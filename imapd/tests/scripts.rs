//! The IMAP transcripts over a real socket.

#[path = "../../tests/src/imap_script.rs"]
mod imap_script;
mod support;

use std::sync::Arc;

use support::memory::Memory;

fn scripts() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/scripts/imap");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "imap"))
        .map(|p| {
            (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&p).unwrap())
        })
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

#[tokio::test]
async fn transcripts_over_memory() {
    let mut failed = Vec::new();
    for (name, text) in scripts() {
        let running = support::start_plain(Arc::new(Memory::default())).await;
        if let Err(e) = imap_script::run(&name, &text, running.address).await {
            failed.push(e.to_string());
        }
        running.service.shutdown(support::SOON).await;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
