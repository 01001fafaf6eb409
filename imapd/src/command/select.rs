//! SELECT and EXAMINE

use super::{Done, name, user};
use crate::session::view::{flag_names, write_flags_line};
use crate::session::{Out, Reply, Session, View};
use crate::syntax::ast::MailboxArg;

/// Opens a mailbox. Whatever happens, the one open before is left (RFC 3501 section 6.3.1).
///
/// # Errors
/// When the mailbox cannot be opened.
pub async fn run(session: &mut Session, mailbox: MailboxArg, read_only: bool, out: &mut Out<'_>) -> Done {
    session.view = None;
    let mailbox = match name(mailbox) {
        Ok(name) => user(session)?.open(&name).await?,
        Err(reply) => return Ok(reply),
    };
    let view = View::new(mailbox.clone(), read_only);
    {
        let state = mailbox.state();
        write_flags_line(out.buf, &state);
        let permanent = match read_only {
            true => String::new(),
            // The star says that new keywords can be made.
            false => format!("{} \\*", flag_names(&state)),
        };
        let mut lines = format!(
            "* {} EXISTS\r\n* {} RECENT\r\n* OK [PERMANENTFLAGS ({permanent})] Flags that are kept\r\n",
            view.len(),
            view.recent_count(),
        );
        if let Some(first) = state.columns.first_unseen().filter(|i| *i < view.len() as usize) {
            lines += &format!("* OK [UNSEEN {}] First unseen message\r\n", first + 1);
        }
        lines += &format!(
            "* OK [UIDVALIDITY {}] UIDs are valid\r\n* OK [UIDNEXT {}] Next UID\r\n",
            mailbox.uid_validity, state.uid_next
        );
        out.buf.extend_from_slice(lines.as_bytes());
    }
    session.view = Some(view);
    Ok(if read_only {
        Reply::ok_code("READ-ONLY", "EXAMINE completed")
    } else {
        Reply::ok_code("READ-WRITE", "SELECT completed")
    })
}
