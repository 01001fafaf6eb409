//! QUERY USERS: who is enrolled, with limit and use in blocks of 4 KB.

use cms::vmipc::Answer;

use super::{Administration, RC_FAILED};

pub(super) async fn run(admin: &Administration) -> Answer {
    let pool = admin.config.load().file_pool;
    match admin.csl.enrolled_users(pool).await {
        Ok(users) => {
            let mut lines = vec!["Userid        Limit       Used".to_owned()];
            for (user, s) in users {
                // The server's own file space is no mail box, unless it was enrolled for that, too.
                let own = user == admin.csl.userid();
                if own && !admin.service.server.store.is_enrolled(user).await.unwrap_or(true) {
                    continue;
                }
                lines.push(format!("{user:<8} {:>10} {:>10}", s.limit, s.used));
            }
            Answer { rc: 0, lines }
        }
        Err(error) => Answer::line(RC_FAILED, format!("DTCIMP3003E The users cannot be listed: {error}")),
    }
}
