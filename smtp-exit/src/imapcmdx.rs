//! IMAPCMDX: the exit that sends local mail to the IMAP machine, called for PUNCH and for RCPT.
//!
//! RCPT: asks the IMAP machine whether it has room for the recipient's mail; without room the recipient is refused for the
//! time being. When the IMAP machine does not answer, mail is accepted: it will wait in the IMAP machine's reader.
//!
//! PUNCH: reads the note on disk and punches it, record for record ([`Punch`]), to the reader of the IMAP machine, with the recipient
//! and the name of the delivery in the TAG, behind them the subaddress, when there is one. The IMAP server puts it into the
//! recipient's INBOX, or the folder that the subaddress names, or transfers it to his reader when he is not enrolled.
//!
//! This is the native program behind the name that the exit has in SMTP CONFIG; the filter of the real exit selects the
//! note's records, which here need no selection.

use std::time::Duration;

use cms::cp::Guest;
use cms::cp::name::UserId;
use cms::vmipc;
use futures::future::BoxFuture;
use parking_lot::RwLock;

use crate::exit::{ExitParms, ExitReturn, SmtpCommandExit};
use crate::note::NoteDisk;
use crate::punch::{Punch, PunchError};

/// Answer of the IMAP machine's ROOM request: there is no room.
const RC_NO_ROOM: i32 = 8;

/// Time the IMAP machine gets to answer while an SMTP client waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// The exit. It is registered once; the SMTP machine binds it to itself at each start.
pub struct ImapPunchExit {
    imap: UserId,
    bound: RwLock<Option<(Punch, NoteDisk)>>,
}

impl ImapPunchExit {
    /// An exit that punches to the machine `imap`.
    pub fn new(imap: UserId) -> Self {
        Self { imap, bound: RwLock::new(None) }
    }
}

impl ImapPunchExit {
    async fn room(&self, guest: &Guest, recipient: UserId) -> ExitReturn {
        let question = format!("ROOM {recipient}");
        match tokio::time::timeout(PATIENCE, vmipc::request(guest, self.imap, &question)).await {
            Ok(Ok(answer)) if answer.rc == RC_NO_ROOM => {
                ExitReturn::Retry(answer.lines.into_iter().next().unwrap_or_default())
            }
            _ => ExitReturn::Continue,
        }
    }
}

impl SmtpCommandExit for ImapPunchExit {
    fn bind(&self, punch: &Punch, disk: &NoteDisk) {
        *self.bound.write() = Some((punch.clone(), disk.clone()));
    }

    fn call<'a>(&'a self, parms: &'a ExitParms) -> BoxFuture<'a, ExitReturn> {
        Box::pin(async move {
            let Some(recipient) = parms.recipient else { return ExitReturn::Continue };
            let Some((punch, disk)) = self.bound.read().clone() else { return ExitReturn::Continue };
            if !parms.command.starts_with("PUNCH") {
                return self.room(punch.guest(), recipient).await;
            }
            let Some(note) = parms.note else { return ExitReturn::Continue };
            let text = match disk.text(note).await {
                Ok(text) => text,
                Err(error) => return ExitReturn::Retry(format!("note {note}: {error}")),
            };
            let mut tag = punch.key(recipient, note, parms.received);
            // The last, since it may hold blanks. A local part has 64 octets at most, so that all is shorter than the 136 of a TAG.
            if let Some(subaddress) = &parms.subaddress {
                tag.push(' ');
                tag.push_str(subaddress);
            }
            match punch.spool_note(self.imap, &tag, note, &text).await {
                Ok(()) => ExitReturn::Handled,
                // No IMAP machine in the directory: the mail goes where it would without the exit.
                Err(PunchError::NoSuchUser) => ExitReturn::Continue,
                Err(PunchError::Later(reason)) => ExitReturn::Retry(reason),
            }
        })
    }
}
