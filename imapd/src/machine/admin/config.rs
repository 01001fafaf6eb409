//! CONFIG: reads IMAP CONFIG again and puts in force what can change while the server runs, certificates as well.
//!
//! A file with anything wrong in it changes nothing.

use std::sync::Arc;

use cms::vmipc::Answer;

use super::{Administration, RC_FAILED, RequestRow};
use crate::machine::{bind_auth_exit, inforce, read_config, read_table, read_token_exit, table_refused};

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "CONFIG",
    min: 4,
    syntax: "CONFIG",
    summary: "Reads IMAP CONFIG again",
    run: |a, _, _| Box::pin(run(a)),
};

async fn run(admin: &Administration) -> Answer {
    let _one_at_a_time = admin.configuring.lock().await;
    let old = admin.config.load_full();
    let read = async {
        let config = read_config(&admin.cms).await?;
        let exit = read_token_exit(&admin.cms, &config).await?;
        let auth_exit = bind_auth_exit(&admin.cms, &config, &admin.exits).await?;
        let table = read_table(&admin.cms, &config).await?;
        let same_table = table.is_same(admin.backend.table());
        // Of another file pool the next start finds out.
        if !same_table && config.file_pool == old.file_pool {
            admin.backend.compare_table(&table).await.map_err(|e| table_refused(&e))?;
        }
        Ok::<_, Vec<String>>((config, exit, auth_exit, same_table))
    };
    let (mut config, exit, auth_exit, same_table) = match read.await {
        Ok(read) => read,
        Err(mut lines) => {
            lines.push("DTCIMP3018E IMAP CONFIG is not taken; nothing has changed".into());
            return Answer { rc: RC_FAILED, lines };
        }
    };
    let mut changes = inforce::changes(&old, &config);
    // What counts is what a table holds, not what it is called.
    changes.at_start.retain(|statement| *statement != "TranslateTable");
    if !same_table {
        changes.at_start.push("TranslateTable");
    }
    let mut lines = Vec::new();
    if !changes.now.is_empty() {
        lines.push(format!("DTCIMP3019I In force now: {}", changes.now.join(", ")));
    }
    if !changes.at_start.is_empty() {
        lines.push(format!("DTCIMP3020W In force with the next start only: {}", changes.at_start.join(", ")));
        config.file_pool = old.file_pool;
        config.translate_table = old.translate_table;
        (config.port, config.secure_port) = (old.port, old.secure_port);
    }
    let network = admin.network.clone();
    let looked = tokio::task::spawn_blocking(move || network.reload_tls()).await;
    let mut rc = 0;
    match looked.unwrap_or_else(|e| Err(e.to_string())) {
        Ok(true) => {
            admin.service.set_tls(admin.network.tls());
            lines.push("DTCIMP3026I The certificate files have changed and are in force".into());
        }
        Ok(false) => {}
        Err(reason) => {
            lines.push(format!("DTCIMP3027E The former certificate stays in force: {reason}"));
            rc = RC_FAILED;
        }
    }
    if lines.is_empty() {
        lines.push("DTCIMP3021I IMAP CONFIG says what is in force".into());
    }
    inforce::apply(&admin.service, &config, exit);
    admin.service.server.auth.set_auth_exit(auth_exit);
    admin.config.store(Arc::new(config));
    Answer { rc, lines }
}
