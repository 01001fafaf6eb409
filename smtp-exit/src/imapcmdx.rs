//! IMAPCMDX: the PUNCH exit that sends local mail to the IMAP machine.
//!
//! It reads the note on disk and punches it, record for record, to the reader of the IMAP machine, with the recipient
//! and the name of the delivery in the TAG. The IMAP server puts it into the recipient's INBOX, or transfers it to his
//! reader when he is not enrolled.
//!
//! This is the native program behind the name that the exit has in SMTP CONFIG; the filter of the real exit selects the
//! note's records, which here need no selection.

use cms::cp::Guest;
use cms::cp::name::UserId;
use futures::future::BoxFuture;
use parking_lot::RwLock;

use crate::exit::{ExitParms, ExitReturn, SmtpCommandExit};
use crate::note::NoteDisk;
use crate::punch::{PunchError, spool_note};

/// The exit. It is registered once; the SMTP machine binds it to itself at each start.
pub struct ImapPunchExit {
    imap: UserId,
    bound: RwLock<Option<(Guest, NoteDisk)>>,
}

impl ImapPunchExit {
    /// An exit that punches to the machine `imap`.
    pub fn new(imap: UserId) -> Self {
        Self { imap, bound: RwLock::new(None) }
    }
}

impl SmtpCommandExit for ImapPunchExit {
    fn bind(&self, guest: &Guest, disk: &NoteDisk) {
        *self.bound.write() = Some((guest.clone(), disk.clone()));
    }

    fn call<'a>(&'a self, parms: &'a ExitParms) -> BoxFuture<'a, ExitReturn> {
        Box::pin(async move {
            let Some(recipient) = parms.recipient else { return ExitReturn::Continue };
            let Some((guest, disk)) = self.bound.read().clone() else { return ExitReturn::Continue };
            let text = match disk.text(parms.note).await {
                Ok(text) => text,
                Err(error) => return ExitReturn::Retry(format!("note {}: {error}", parms.note)),
            };
            let key = format!("{recipient} {} {}", parms.note, parms.received);
            match spool_note(&guest, self.imap, &key, parms.note, &text).await {
                Ok(()) => ExitReturn::Handled,
                // No IMAP machine in the directory: the mail goes where it would without the exit.
                Err(PunchError::NoSuchUser) => ExitReturn::Continue,
                Err(PunchError::Later(reason)) => ExitReturn::Retry(reason),
            }
        })
    }
}
