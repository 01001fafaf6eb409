//! `GETQUOTA`, `GETQUOTAROOT`, `SETQUOTA` (RFC 9208 section 7).

use bytes::Bytes;
use nom::Parser;
use nom::sequence::{delimited, preceded, separated_pair};

use super::{Input, Parsed, prim};
use crate::syntax::ast::{Command, QuotaResource};

/// `GETQUOTA`
///
/// # Errors
/// Where the grammar is broken.
pub fn getquota<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, root) = preceded(prim::sp, prim::astring).parse(input)?;
    Ok((rest, Command::GetQuota { root }))
}

/// `GETQUOTAROOT`
///
/// # Errors
/// Where the grammar is broken.
pub fn getquotaroot<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, mailbox) = preceded(prim::sp, prim::mailbox).parse(input)?;
    Ok((rest, Command::GetQuotaRoot { mailbox }))
}

/// `SETQUOTA`
///
/// # Errors
/// Where the grammar is broken.
pub fn setquota<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, root) = delimited(prim::sp, prim::astring, prim::sp).parse(input)?;
    let limit = separated_pair(resource, prim::sp, prim::number64);
    let (rest, limits) = prim::list0(limit).parse(rest)?;
    Ok((rest, Command::SetQuota { root, limits }))
}

fn resource(input: Input<'_>) -> Parsed<'_, QuotaResource> {
    let (rest, name) = prim::atom(input)?;
    let resource = match name.to_ascii_uppercase().as_slice() {
        b"STORAGE" => QuotaResource::Storage,
        b"MESSAGE" => QuotaResource::Message,
        b"MAILBOX" => QuotaResource::Mailbox,
        _ => QuotaResource::Unknown,
    };
    Ok((rest, resource))
}
