//! `IUCV`.

use nom::Parser;

use super::{Fault, Parsed, Statement, number, operand, token};
use crate::directory::entry::{IdentResource, IdentScope, IucvStatement, IucvTarget};
use crate::name::UserId;

/// `IUCV {ALLOW | ANY | userid | *service | *IDENT resource [scope] [REVOKE]} [PRIORITY] [MSGLIMIT n]`.
pub(super) fn iucv(input: &str) -> Parsed<'_, Statement> {
    let (rest, word) = operand("target", |word| Ok(word.to_ascii_uppercase())).parse(input)?;
    let (mut rest, target) = match word.as_str() {
        "ALLOW" => (rest, IucvTarget::Allow),
        "ANY" => (rest, IucvTarget::Any),
        "*IDENT" => ident(rest)?,
        service if service.starts_with('*') && (2..=8).contains(&service.len()) => {
            (rest, IucvTarget::Service(word))
        }
        _ => match UserId::new(&word) {
            Ok(userid) => (rest, IucvTarget::User(userid)),
            Err(e) => return fail(input, e.to_string()),
        },
    };
    let mut statement = IucvStatement { target, priority: false, msglimit: None };
    while !rest.trim_start().is_empty() {
        let (after, word) = token(rest)?;
        rest = match word.to_ascii_uppercase().as_str() {
            "PRIORITY" => {
                statement.priority = true;
                after
            }
            "MSGLIMIT" => {
                let (after, limit) = number("message limit", 1, u32::from(u16::MAX)).parse(after)?;
                statement.msglimit = u16::try_from(limit).ok();
                after
            }
            _ => return fail(rest, "is not PRIORITY or MSGLIMIT".into()),
        };
    }
    Ok((rest, Statement::Iucv(statement)))
}

fn ident(input: &str) -> Parsed<'_, IucvTarget> {
    let (mut rest, word) = super::name("resource name", 8).parse(input)?;
    let (resource, mut scope) = match word.as_str() {
        "RESANY" => (IdentResource::AnyResource, None),
        "LCLANY" => (IdentResource::AnyLocal, Some(IdentScope::Local)),
        "GATEANY" => (IdentResource::AnyGateway, None),
        _ => (IdentResource::Named(word), None),
    };
    let mut revoke = false;
    while let Ok((after, word)) = token(rest) {
        match word.to_ascii_uppercase().as_str() {
            "LOCAL" => scope = Some(IdentScope::Local),
            "GLOBAL" => scope = Some(IdentScope::Global),
            "GATEWAY" => scope = Some(IdentScope::Gateway),
            "SYSTEM" => scope = Some(IdentScope::System),
            "REVOKE" => revoke = true,
            _ => break,
        }
        rest = after;
    }
    let Some(scope) = scope else {
        return fail(rest, "LOCAL, GLOBAL, GATEWAY or SYSTEM must be said".into());
    };
    Ok((rest, IucvTarget::Ident { resource, scope, revoke }))
}

fn fail<T>(at: &str, reason: String) -> Parsed<'_, T> {
    Err(nom::Err::Failure(Fault { rest: at.trim_start(), reason }))
}
