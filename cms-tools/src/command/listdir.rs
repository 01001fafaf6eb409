//! LISTDIR: a directory and all directories below it.

use cp::name::DirName;
use futures::future::BoxFuture;
use sfs::csl::{DirIntent, DirRecord, WorkUnitId};

use super::create::csl_message;
use super::object::directory;
use super::options::{Output, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::Cms;
use crate::files::Place;
use crate::message::{DmsMessage, dms};

const MODULE: &str = "LDR";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "LISTDIR",
    min: 5,
    syntax: "LISTDir [dirid|fm] [( STACK [FIFO|LIFO]]",
    summary: "Lists a directory and the directories below it",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let mut words = split(call.args);
    let output = Output::take(MODULE, &mut words.options, Output::Terminal)?;
    if let [_, extra, ..] = words.operands[..] {
        return Err(dms(MODULE, 70, 24, &[extra]));
    }
    if let Some(option) = words.options.first() {
        return Err(dms(MODULE, 3, 24, &[option]));
    }
    let top = directory(call.cms, MODULE, words.operands.first().unwrap_or(&"."))?;
    let found = call.cms.csl.dmsexidi(&top, WorkUnitId::DEFAULT).await;
    found.map_err(|e| csl_message(MODULE, &e, &top.to_string()))?;
    output.heading(call.cms, "Fm Directory Name").await;
    walk(call.cms, top, output).await?;
    Ok(0)
}

fn walk(cms: &Cms, dir: DirName, output: Output) -> BoxFuture<'_, Result<(), DmsMessage>> {
    Box::pin(async move {
        let behind = cms.modes.all().into_iter().find(|a| a.place == Place::Directory(dir.clone()));
        let mode = behind.map_or("-".to_owned(), |a| a.mode.to_string());
        output.line(cms, MODULE, &format!("{mode}  {dir}")).await?;
        let fail = |e: sfs::csl::CslError| csl_message(MODULE, &e, &dir.to_string());
        let token = cms.csl.dmsopdir(&dir, DirIntent::Dir, WorkUnitId::DEFAULT).await.map_err(fail)?;
        let records = cms.csl.dmsgetdi_all(token).await;
        let closed = cms.csl.dmscldir(token).await;
        let records = records.map_err(fail)?;
        closed.map_err(fail)?;
        for record in records {
            if let DirRecord::Directory(status) = record
                && let Ok(child) = dir.child(&status.level)
            {
                walk(cms, child, output).await?;
            }
        }
        Ok(())
    })
}
