//! `QUERY SET` and `QUERY TERMINAL`.

use futures::future::BoxFuture;

use crate::command::common::{done, no_more};
use crate::command::terminal::value;
use crate::command::{CpCall, CpCommand, CpResult};
use crate::vm::{EmsgSetting, Routing};

/// `QUERY SET`.
pub(in crate::command) const SET: CpCommand = CpCommand {
    name: "SET",
    min: 3,
    classes: "G",
    syntax: "Query SET",
    summary: "Shows what SET has set.",
    run: set,
};
/// `QUERY TERMINAL`.
pub(in crate::command) const TERMINAL: CpCommand = CpCommand {
    name: "TERMINAL",
    min: 4,
    classes: "*",
    syntax: "Query TERMinal",
    summary: "Shows what TERMINAL has set.",
    run: terminal,
};

fn routing(routing: Routing) -> &'static str {
    match routing {
        Routing::On => "ON  ",
        Routing::Off => "OFF ",
        Routing::Iucv => "IUCV",
    }
}

fn set(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if let Err(extra) = no_more("CQU", call.operands) {
        return done(Err(extra));
    }
    let settings = call.vm.settings.lock().clone();
    let emsg = match settings.emsg {
        EmsgSetting::On => "ON  ",
        EmsgSetting::Code => "CODE",
        EmsgSetting::Text => "TEXT",
        EmsgSetting::Off => "OFF ",
    };
    let switch = |on: bool| if on { "ON" } else { "OFF" };
    let kept = |name: &str, default: &str| settings.kept.get(name).cloned().unwrap_or_else(|| default.into());
    call.out.push(format!(
        "MSG {}, WNG {}, EMSG {emsg}, ACNT {:<3}, RUN {}",
        routing(settings.msg),
        routing(settings.wng),
        switch(settings.acnt),
        switch(settings.run)
    ));
    call.out.push(format!("LINEDIT {:<3}, TIMER {}", kept("LINEDIT", "ON"), kept("TIMER", "OFF")));
    call.out.push(format!(
        "IMSG {}, SMSG {}, VMCONIO {}, CPCONIO {}",
        routing(settings.imsg),
        routing(settings.smsg),
        routing(settings.vmconio),
        routing(settings.cpconio).trim_end()
    ));
    let user = |user: Option<crate::name::UserId>| user.map_or("OFF".to_owned(), |u| u.to_string());
    call.out.push(format!("SECUSER {}, OBSERVER {}", user(settings.secuser), user(settings.observer)));
    done(Ok(()))
}

fn terminal(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if let Err(extra) = no_more("CQU", call.operands) {
        return done(Err(extra));
    }
    let v = |name| value(call.vm, name);
    call.out.push(format!(
        "LINEND  {} , LINEDEL  {} , CHARDEL  {} , ESCAPE  {} , TABCHAR {}",
        v("LINEND"),
        v("LINEDEL"),
        v("CHARDEL"),
        v("ESCAPE"),
        v("TABCHAR")
    ));
    call.out.push(format!(
        "LINESIZE {}, ATTN {}, APL {}, TEXT {}, MODE {}, HILIGHT {}",
        v("LINESIZE"),
        v("ATTN"),
        v("APL"),
        v("TEXT"),
        v("MODE"),
        v("HILIGHT")
    ));
    call.out.push(format!("CONMODE {}, BREAKIN {}, BRKKEY {}", v("CONMODE"), v("BREAKIN"), v("BRKKEY")));
    call.out.push(format!(
        "AUTOCR {}, MORE {}, HOLD {:<3}, TIMESTAMP {}",
        v("AUTOCR"),
        v("MORE"),
        v("HOLD"),
        v("TIMESTAMP")
    ));
    done(Ok(()))
}
