//! Console transcripts: `tests/scripts/console/*.console`, each against a system of its own.

use std::path::Path;

use tests::console_script;
use tests::system::System;

#[test]
fn transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/console");
    let mut scripts: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    for script in scripts {
        let system = System::generate(&[("VMUSER1", "SECRET1"), ("VMUSER2", "SECRET2")]);
        let running = system.start();
        let text = std::fs::read_to_string(&script).unwrap();
        console_script::run(&running, &script.file_name().unwrap().to_string_lossy(), &text);
    }
}
