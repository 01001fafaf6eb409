//! DIRECTXA: puts a user directory source on line.
//!
//! Reads `fn ft [fm]` (default USER DIRECT) from the accessed file modes, reports every error with its record, and, when
//! there is none, hashes the passwords, writes the object directory and puts it in force. With the EDIT option nothing is
//! written. Users who are logged on keep their old entry until they log on again.

use std::sync::Arc;

use cms::Cms;
use cms::program::Program;
use cp::directory::{object, source};
use futures::future::BoxFuture;

use crate::folder::Folder;
use crate::host;

/// Return code for a source with errors.
const RC_ERRORS: i32 = 2;

/// The program.
pub struct Directxa {
    /// Where the object directory is kept.
    pub folder: Folder,
}

impl Program for Directxa {
    fn summary(&self) -> &str {
        "Checks a user directory source and puts it on line: DIRECTXA [fn ft] [(EDIT]"
    }

    fn run(&self, cms: Arc<Cms>, args: String) -> BoxFuture<'static, i32> {
        let folder = self.folder.clone();
        Box::pin(async move { run(&cms, &folder, &args).await })
    }
}

async fn run(cms: &Arc<Cms>, folder: &Folder, args: &str) -> i32 {
    if !cms.guest.vm().entry.classes.contains('B') {
        cms.say("HCPDIR475E You are not authorized to put a directory on line (class B)").await;
        return 475;
    }
    let (operands, options) = args.split_once('(').unwrap_or((args, ""));
    let mut edit = false;
    for option in options.trim_end().trim_end_matches(')').split_ascii_whitespace() {
        if !option.eq_ignore_ascii_case("EDIT") {
            cms.say(&format!("HCPDIR003E Invalid option - {}", option.to_ascii_uppercase())).await;
            return 3;
        }
        edit = true;
    }
    let words: Vec<&str> = operands.split_ascii_whitespace().collect();
    let (name, kind) = (words.first().copied().unwrap_or("USER"), words.get(1).copied().unwrap_or("DIRECT"));
    let lines = match cms.read_text("DIR", name, kind, None).await {
        Ok(lines) => lines,
        Err(message) => {
            cms.say(&message.to_string()).await;
            return message.rc;
        }
    };
    let errors = match source::read(&lines.join("\n")) {
        Ok(_) if edit => Vec::new(),
        Err(errors) => errors,
        Ok(checked) => {
            let sealed = tokio::task::spawn_blocking(move || seal(checked)).await;
            match sealed {
                Ok(Ok(image)) => {
                    if let Err(e) = folder.replace(&folder.directory_object(), &object::store(&image)) {
                        cms.say(&format!("HCPDIR755E The object directory cannot be written: {e}")).await;
                        return 755;
                    }
                    cms.guest.cp().put_directory(image);
                }
                Ok(Err(reason)) => {
                    cms.say(&format!("HCPDIR756E {reason}")).await;
                    return 756;
                }
                Err(_) => return 756,
            }
            Vec::new()
        }
    };
    for line in source::directxa_answer(&errors, edit) {
        cms.say(&line).await;
    }
    if errors.is_empty() { 0 } else { RC_ERRORS }
}

/// Hashes the passwords of a checked source.
///
/// # Errors
/// A text that says what failed.
pub fn seal(checked: source::SourceDirectory) -> Result<cp::directory::DirectoryImage, String> {
    let mut failed = None;
    let mut random = |buffer: &mut [u8]| {
        if let Err(e) = host::random(buffer) {
            failed = Some(e);
        }
    };
    let image = checked.seal(&mut random).map_err(|e| e.to_string())?;
    match failed {
        Some(e) => Err(format!("the host has no randomness: {e}")),
        None => Ok(image),
    }
}
