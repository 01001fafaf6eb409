//! The rows of CP's own commands. What other layers bring is registered by them.

use super::{CommandTables, CpCommand, Family};
use super::{
    autolog, begin, cp as cp_command, disconnect, echo, force, help, indicate, ipl, link, logoff, logon, msg,
    query, send, set, shutdown, sleep, system, terminal,
};

/// The commands.
static COMMANDS: &[CpCommand] = &[
    autolog::AUTOLOG,
    autolog::XAUTOLOG,
    begin::ROW,
    cp_command::ROW,
    link::DETACH,
    disconnect::ROW,
    echo::ROW,
    force::ROW,
    help::ROW,
    indicate::ROW,
    ipl::ROW,
    link::LINK,
    logoff::ROW,
    logon::ROW,
    logon::LOGIN,
    msg::MESSAGE,
    msg::MSG,
    msg::MSGNOH,
    query::ROW,
    send::ROW,
    set::ROW,
    shutdown::ROW,
    sleep::ROW,
    msg::SMSG,
    system::ROW,
    terminal::ROW,
    msg::WARNING,
    msg::WNG,
];

/// The operands of QUERY.
static QUERIES: &[CpCommand] = &[
    query::names::NAMES,
    query::links::ROW,
    query::names::USERS,
    query::userid::ROW,
    query::time::ROW,
    query::cplevel::ROW,
    query::settings::SET,
    query::settings::TERMINAL,
    query::secuser::SECUSER,
    query::secuser::OBSERVER,
    query::commands::COMMANDS,
    query::commands::PRIVCLASS,
    query::virt::VIRTUAL,
    query::virt::CONSOLE,
    query::virt::STORAGE,
    query::logmsg::ROW,
    query::resource::ROW,
];

/// The operands of SET.
static SETS: &[CpCommand] = &[
    set::routing::MSG,
    set::routing::WNG,
    set::routing::SMSG,
    set::routing::IMSG,
    set::routing::VMCONIO,
    set::routing::CPCONIO,
    set::emsg::ROW,
    set::switches::RUN,
    set::switches::ACNT,
    set::switches::LINEDIT,
    set::switches::TIMER,
    set::secuser::SECUSER,
    set::secuser::OBSERVER,
    set::logmsg::ROW,
];

/// Adds CP's own rows.
pub fn register(tables: &CommandTables) {
    tables.register(Family::Command, COMMANDS);
    tables.register(Family::Query, QUERIES);
    tables.register(Family::Set, SETS);
}
