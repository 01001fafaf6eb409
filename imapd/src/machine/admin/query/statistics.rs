//! QUERY STATISTICS: what the server has done since it started.

use cms::vmipc::Answer;

use super::{Administration, date_and_time};

pub(super) fn run(admin: &Administration) -> Answer {
    let server = &admin.service.server;
    let (s, sums) = (&server.statistics, server.statistics.ended().plus(server.sessions.counts()));
    let mut lines = vec![format!("Since               {}", date_and_time(admin, admin.started.as_second()))];
    let rows = [
        ("Connections", s.connections.get()),
        ("Connections refused", s.refused.get()),
        ("Logins", s.logins.get()),
        ("Logins refused", s.failures.get()),
        ("Mails arrived", s.arrivals.get()),
        ("Octets received", sums.received),
        ("Octets sent", sums.sent),
        ("Messages appended", sums.appended),
        ("Messages fetched", sums.fetched),
        ("Messages expunged", sums.expunged),
        ("Commands", sums.commands),
    ];
    lines.extend(rows.iter().map(|(name, n)| format!("{name:<19} {n}")));
    lines.extend(s.commands().iter().map(|(name, n)| format!("  {name:<17} {n}")));
    Answer { rc: 0, lines }
}
