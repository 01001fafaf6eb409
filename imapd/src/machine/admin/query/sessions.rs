//! QUERY SESSIONS: the clients that are connected.

use cms::cp::name::UserId;
use cms::vmipc::Answer;

use super::{Administration, date_and_time};
use crate::mailstore::MailboxId;
use crate::session::registry::SessionInfo;

/// The sessions of all, or of one user.
pub(super) async fn run(admin: &Administration, of: Option<UserId>) -> Answer {
    let head = "Session  Userid   Since             TLS Commands     Received         Sent  Address          Mailbox, client";
    let mut lines = vec![head.to_owned()];
    let sessions = admin.service.server.sessions.list();
    for session in sessions.iter().filter(|s| of.is_none() || s.user == of) {
        lines.push(line(admin, session).await);
    }
    Answer { rc: 0, lines }
}

async fn line(admin: &Administration, s: &SessionInfo) -> String {
    let (counts, place) = (s.meter.counts(), s.meter.place());
    let user = s.user.map_or("-".to_owned(), |u| u.to_string());
    let mailbox = match place.selected {
        Some((owner, id)) => name(admin, s.user, owner, id).await,
        None => "-".into(),
    };
    let client = place.client.map(|c| format!(", {c}")).unwrap_or_default();
    format!(
        "{:>7}  {user:<8} {} {:<3} {:>8} {:>12} {:>12}  {:<15}  {mailbox}{client}",
        s.id.0,
        date_and_time(admin, s.since),
        if place.tls { "yes" } else { "no" },
        counts.commands,
        counts.received,
        counts.sent,
        s.peer.to_string(),
    )
}

/// The mailbox as it is called now; the owner's name before one that is not the user's own.
async fn name(admin: &Administration, user: Option<UserId>, owner: UserId, id: MailboxId) -> String {
    let store = admin.service.server.store.user(owner).await.ok();
    let name = store.and_then(|s| s.catalog().row(id).map(|row| row.name.to_string()));
    let name = name.unwrap_or_else(|| "(deleted)".into());
    if user == Some(owner) { name } else { format!("{owner}: {name}") }
}
