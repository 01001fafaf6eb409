//! CHECK: compares a user's indexes with his notes.

use cms::cp::name::UserId;
use cms::vmipc::Answer;

use super::{Administration, RC_FAILED, RequestRow, failed, syntax};
use crate::mailstore::StoreError;

/// Return code when there are differences.
const RC_DIFFERENCES: i32 = 4;

/// Differences that are shown: enough to see what is wrong, few enough for one answer.
pub(super) const MAX_SHOWN: usize = 500;

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "CHECK",
    min: 5,
    syntax: "CHECK userid",
    summary: "Compares a user's indexes with the notes",
    run: |a, words, _| Box::pin(run(a, words)),
};

async fn run(admin: &Administration, words: &[&str]) -> Answer {
    let [user] = words else { return syntax("CHECK") };
    let Ok(user) = UserId::new(user) else { return syntax("CHECK") };
    let store = &admin.service.server.store;
    let examined = store.at_rest(user, admin.backend.examine(user)).await.and_then(|examined| examined);
    match examined {
        Ok(examined) if examined.findings.is_empty() => Answer::line(
            0,
            format!(
                "DTCIMP3022I The indexes of {user} agree with {} notes in {} folders",
                examined.messages(),
                examined.folders.len()
            ),
        ),
        Ok(examined) => {
            let mut lines = shown(&examined.findings);
            lines.push(format!(
                "DTCIMP3023W {} differences; REBUILD {user} makes the indexes anew",
                examined.findings.len()
            ));
            Answer { rc: RC_DIFFERENCES, lines }
        }
        Err(StoreError::NotEnrolled) => {
            Answer::line(RC_FAILED, format!("DTCIMP3007E {user} is not enrolled"))
        }
        Err(error) => failed(&format!("{user} cannot be checked"), &error),
    }
}

/// The first lines, and how many more there are.
pub(super) fn shown(all: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = all.iter().take(MAX_SHOWN).cloned().collect();
    if all.len() > MAX_SHOWN {
        lines.push(format!("... and {} more", all.len() - MAX_SHOWN));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_and_past_what_is_shown() {
        let all = vec!["x".to_owned(); MAX_SHOWN + 1];
        assert_eq!(shown(&all[1..]).len(), MAX_SHOWN);
        assert_eq!(shown(&all).last().map(String::as_str), Some("... and 1 more"));
    }
}
