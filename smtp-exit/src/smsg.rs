//! Special messages: `SMSG SMTP command`, taken through `*MSG`.

use std::sync::Arc;

use cms::Cms;
use cms::cp::iucv::{ConnectParms, Interrupt, IucvPath, IucvTarget};
use cms::cp::msg_service::{MsgBlock, MsgClass};

/// Special messages that may wait; one more is refused by CP.
const MESSAGE_LIMIT: u16 = 64;

/// Connects to `*MSG` and asks for special messages; `None`, with a line at the console, when CP refuses.
pub async fn listen(cms: &Arc<Cms>) -> Option<IucvPath> {
    let parms = ConnectParms { msglimit: Some(MESSAGE_LIMIT), ..ConnectParms::default() };
    match cms.guest.iucv_connect(&IucvTarget::Service("*MSG".to_owned()), &parms).await {
        Ok(path) => {
            let answer = cms.guest.cp_command("SET SMSG IUCV").await;
            for line in answer.lines {
                cms.say(&line).await;
            }
            Some(path)
        }
        Err(rc) => {
            cms.say(&format!("DTCSMT1013W No connection to *MSG: {rc}; SMSG commands are not taken")).await;
            None
        }
    }
}

/// The next special message; never, when there is no path.
pub async fn next(path: &mut Option<IucvPath>) -> MsgBlock {
    loop {
        let Some(open) = path else { return std::future::pending().await };
        match open.next().await {
            Some(Interrupt::Message(m)) if m.message.class == MsgClass::Special as u32 => {
                if let Some(block) = MsgBlock::decode(&m.message.control) {
                    return block;
                }
            }
            Some(_) => {}
            None => *path = None,
        }
    }
}
