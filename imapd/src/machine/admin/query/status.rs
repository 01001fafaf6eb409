//! QUERY STATUS: configuration in force, clients, uptime.

use cms::vmipc::Answer;

use super::Administration;

pub(super) fn run(admin: &Administration) -> Answer {
    let uptime = admin.guest.now().as_second() - admin.started.as_second();
    let config = admin.config.load();
    let lines = vec![
        format!("File pool        {}", config.file_pool),
        format!("Translate table  {}", admin.backend.table().id()),
        format!("Mail origin      {}", config.mail_origin),
        format!("Bad files go to  {}", config.bad_file_id),
        format!("Idle timeout     {} minutes", config.idle_timeout.as_secs() / 60),
        format!("Clients          {}", admin.service.connections()),
        format!("Up for           {}:{:02}:{:02}", uptime / 3600, uptime / 60 % 60, uptime % 60),
    ];
    Answer { rc: 0, lines }
}
