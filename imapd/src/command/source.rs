//! A message that is looked at: its octets, view and summary, read at most once.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::mail::NoteView;
use crate::mail::section::{Resolved, invented_part, part, partial, pick_fields, resolve};
use crate::mail::summary::{Summary, keeps};
use crate::mail::{body_structure, decode, header};
use crate::mailstore::summaries::LARGE_MESSAGE;
use crate::mailstore::{MessageRecord, OpenMailbox, StoreError};
use crate::session::Server;
use crate::syntax::section::{Section, SectionText};

/// One message.
pub(super) struct Source<'a> {
    server: &'a Server,
    mailbox: &'a OpenMailbox,
    pub(super) record: MessageRecord,
    pub(super) whole: Option<Bytes>,
    pub(super) view: Option<Arc<NoteView>>,
    pub(super) summary: Option<Summary>,
    /// BODY and BODYSTRUCTURE for those who know IMAP4rev1 alone, where they are others.
    pub(super) rev1: Option<(Vec<u8>, Vec<u8>)>,
}

/// Where a section is.
pub(super) enum Located {
    /// At these octets of the message, after the beginning of a line.
    At {
        /// The octets.
        range: Range<usize>,
        /// Where the line begins.
        line: usize,
    },
    /// Picked from it.
    Picked(Bytes),
}

impl<'a> Source<'a> {
    /// A message of which nothing was read.
    pub(super) fn new(server: &'a Server, mailbox: &'a OpenMailbox, record: MessageRecord) -> Self {
        Self { server, mailbox, record, whole: None, view: None, summary: None, rev1: None }
    }

    /// Its view.
    pub(super) async fn view(&mut self) -> Result<Arc<NoteView>, StoreError> {
        if let Some(view) = &self.view {
            return Ok(view.clone());
        }
        let view = match self.mailbox.cached_view(self.record.uid) {
            Some(view) => view,
            None => {
                let octets = self.whole().await?;
                let view = if octets.len() < LARGE_MESSAGE {
                    NoteView::new(&octets)
                } else {
                    let octets = octets.clone();
                    self.server.compute(move || NoteView::new(&octets)).await?
                };
                let view = Arc::new(view);
                self.mailbox.keep_view(self.record.uid, &view);
                view
            }
        };
        self.view = Some(view.clone());
        Ok(view)
    }

    /// Makes BODY and BODYSTRUCTURE ready for those who know IMAP4rev1 alone.
    pub(super) async fn for_rev1(&mut self) -> Result<(), StoreError> {
        let shown = self.summary.as_ref().map(Summary::body_structure);
        let shown = shown.or(self.view.as_deref().map(|view| &*view.body_structure));
        if self.rev1.is_some() || !shown.is_some_and(body_structure::names_global) {
            return Ok(());
        }
        let (view, whole) = (self.view().await?, self.whole().await?);
        let made = |extended| {
            let mut out = Vec::new();
            body_structure::write_rev1(&mut out, &whole, &view.structure, extended);
            out
        };
        self.rev1 = Some((made(false), made(true)));
        Ok(())
    }

    /// The octets of a range that begins with a line.
    async fn octets(&mut self, range: Range<usize>) -> Result<Bytes, StoreError> {
        let line = range.start;
        self.read(Located::At { range, line }).await
    }

    /// What was located.
    async fn read(&mut self, located: Located) -> Result<Bytes, StoreError> {
        match located {
            Located::Picked(octets) => Ok(octets),
            Located::At { range, line } => match &self.whole {
                Some(whole) => Ok(whole.slice(range)),
                None => {
                    let range = range.start as u64..range.end as u64;
                    self.mailbox.read_range(&self.record, range, line as u64).await
                }
            },
        }
    }

    /// The whole message.
    async fn whole(&mut self) -> Result<Bytes, StoreError> {
        if self.whole.is_none() {
            self.whole = Some(self.mailbox.read(&self.record).await?);
        }
        Ok(self.whole.clone().unwrap_or_default())
    }

    /// A part without its transfer encoding; inside, `None` for a part that is not there. Outside, `None` when it cannot
    /// be decoded.
    pub(super) async fn binary(&mut self, path: &[u32]) -> Result<Option<Option<Bytes>>, StoreError> {
        if path.is_empty() {
            // The message itself is in no encoding: its parts are.
            return Ok(Some(Some(self.whole().await?)));
        }
        let view = self.view().await?;
        let Some(found) = part(&view.structure, path) else {
            return Ok(Some(invented_part(&view.structure, path).map(|_| Bytes::new())));
        };
        let head = self.octets(found.header.clone()).await?;
        let body = self.octets(found.body.clone()).await?;
        let in_digest = found.in_digest;
        let decode = move || decode::binary(&head, in_digest, &body).map(Bytes::from);
        let decoded =
            if found.body.len() < LARGE_MESSAGE { decode() } else { self.server.compute(decode).await? };
        Ok(decoded.map(Some))
    }

    /// Its PREVIEW; a lazy one only if it is in memory.
    pub(super) async fn preview(&mut self, lazy: bool) -> Result<Option<String>, StoreError> {
        if lazy {
            // What is not in memory takes a moment, which the client asked not to wait for.
            let view = self.view.clone().or_else(|| self.mailbox.cached_view(self.record.uid));
            return Ok(view.and_then(|v| v.known_preview().map(str::to_owned)));
        }
        let view = self.view().await?;
        if let Some(known) = view.known_preview() {
            return Ok(Some(known.to_owned()));
        }
        let whole = self.whole().await?;
        Ok(Some(view.preview(&whole).to_owned()))
    }

    /// The octets of a section, `None` for a part that is not there.
    pub(super) async fn section(
        &mut self,
        section: &Section,
        cut: Option<(u64, u64)>,
    ) -> Result<Option<Bytes>, StoreError> {
        match self.locate(section, cut).await? {
            Some(located) => self.read(located).await.map(Some),
            None => Ok(None),
        }
    }

    /// Where a section is, `None` for a part that is not there.
    pub(super) async fn locate(
        &mut self,
        section: &Section,
        cut: Option<(u64, u64)>,
    ) -> Result<Option<Located>, StoreError> {
        // Every section begins with a line; what is cut out of it need not.
        let at = |range: Range<usize>| Located::At { line: range.start, range: partial(range, cut) };
        let picked = |octets: Vec<u8>| {
            let octets = Bytes::from(octets);
            Located::Picked(octets.slice(partial(0..octets.len(), cut)))
        };
        if section.path.is_empty() && section.text == SectionText::All {
            let size = usize::try_from(self.record.size).unwrap_or(usize::MAX);
            return Ok(Some(at(0..size)));
        }
        if let (true, Some(summary)) = (section.path.is_empty(), self.summary.clone()) {
            match &section.text {
                SectionText::Header => return Ok(Some(at(0..summary.header_len()))),
                // One that goes on up to the end of the message may be without a blank line.
                SectionText::HeaderFields { not: false, names }
                    if names.iter().all(|n| keeps(n)) && (summary.header_len() as u64) < self.record.size =>
                {
                    return Ok(Some(picked(pick_fields(summary.fields(), false, names, true))));
                }
                _ => {}
            }
        }
        let view = self.view().await?;
        Ok(match resolve(&view.structure, section) {
            Resolved::Missing => None,
            Resolved::Octets(range) => Some(at(range)),
            Resolved::Fields { header: range, not, names } => {
                let octets = self.octets(range).await?;
                Some(picked(pick_fields(&octets, not, names, header::has_end(&octets))))
            }
        })
    }
}
