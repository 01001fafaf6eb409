//! What a client has switched on, by ENABLE or by using it (RFC 5161, RFC 7162 section 3.1).

use super::view::write_number;
use crate::mailstore::Uid;
use crate::syntax::mailbox_name::NameForm;

/// Extensions that change what a session is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enabled {
    /// Changes of flags come with MODSEQ.
    pub condstore: bool,
    /// VANISHED instead of EXPUNGE; implies CONDSTORE.
    pub qresync: bool,
    /// IMAP4rev2 (RFC 9051): names in UTF-8, no `\Recent`, ESEARCH for SEARCH.
    pub rev2: bool,
    /// UTF8=ACCEPT (RFC 9755): names in UTF-8, and SEARCH without CHARSET.
    pub utf8: bool,
    /// UIDONLY (RFC 9586): messages have UIDs and no numbers.
    pub uid_only: bool,
}

impl Enabled {
    /// Whether expunged messages are told by VANISHED.
    pub fn vanishes(self) -> bool {
        self.qresync || self.uid_only
    }

    /// Appends the beginning of a FETCH response, up to where its items stand.
    pub fn write_fetch(self, out: &mut Vec<u8>, number: u32, uid: Uid) {
        let (shown, word): (u32, &[u8]) =
            if self.uid_only { (uid.0, b" UIDFETCH (") } else { (number, b" FETCH (") };
        out.extend_from_slice(b"* ");
        write_number(out, shown.into());
        out.extend_from_slice(word);
    }

    /// Whether a response has the UID item without being asked for it, where others have it: one that begins with the UID has not
    /// (RFC 9586 section 3.3).
    pub fn adds_uid(self) -> bool {
        !self.uid_only
    }

    /// Appends the beginning of a FETCH response to no command, which has the UID item.
    pub fn write_told(self, out: &mut Vec<u8>, number: u32, uid: Uid) {
        self.write_fetch(out, number, uid);
        if self.adds_uid() {
            out.extend_from_slice(b"UID ");
            write_number(out, uid.0.into());
            out.push(b' ');
        }
    }

    /// How names of mailboxes are written.
    pub fn name_form(self) -> NameForm {
        if self.rev2 || self.utf8 { NameForm::Utf8 } else { NameForm::Utf7 }
    }
}
