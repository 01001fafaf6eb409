//! What a command needs of the capability table: a command or an argument that belongs to a token that is switched off
//! is answered as if it were unknown.

use super::capability::{Token, TokenSet};
use super::table::{CommandRow, NO_EXPUNGE, USES_SEQUENCE_NUMBERS};
use crate::syntax::ast::{
    AppendData, Carrier, CatPart, Command, FetchItem, ListArgs, NotifyEvent, NotifySet, StatusItem,
};
use crate::syntax::search_key::{SearchKey, SearchReturn};
use crate::syntax::seqset::SequenceSet;
use crate::syntax::sort_key::{SortField, ThreadAlgorithm};

/// The tokens that a command and its arguments belong to. What belongs to one of two tokens is counted to the one that is not `off`.
pub fn needs(command: &Command, off: TokenSet) -> TokenSet {
    let mut needs = Needs(TokenSet::default(), off);
    needs.command(command);
    needs.0
}

/// Whether a command names messages by number (RFC 9586 section 3.1); `$` names none.
pub fn uses_numbers(row: &CommandRow, command: &Command) -> bool {
    match command {
        _ if row.flags & USES_SEQUENCE_NUMBERS != 0 => true,
        Command::Select { args, .. } => args.resync.as_ref().is_some_and(|r| r.matched.is_some()),
        command => searches_numbers(command),
    }
}

/// Whether EXPUNGE may be told with the answer to a command: with none to which message numbers matter, also not to a UID SEARCH
/// that names some (RFC 9051 section 7.5.1, RFC 7162 section 3.2.10.2).
pub fn lets_expunge(row: &CommandRow, command: &Command) -> bool {
    row.flags & NO_EXPUNGE == 0 && !searches_numbers(command)
}

/// Whether a search key names messages by number.
fn searches_numbers(command: &Command) -> bool {
    match command {
        Command::Search { key, .. }
        | Command::Esearch { key, .. }
        | Command::Sort { key, .. }
        | Command::Thread { key, .. } => names_numbers(key),
        _ => false,
    }
}

/// As deep as the parser lets a key be.
fn names_numbers(key: &SearchKey) -> bool {
    match key {
        SearchKey::Sequence(set) => !set.is_saved(),
        SearchKey::And(keys) => keys.iter().any(names_numbers),
        SearchKey::Or(a, b) => names_numbers(a) || names_numbers(b),
        SearchKey::Not(a) | SearchKey::Fuzzy(a) => names_numbers(a),
        _ => false,
    }
}

struct Needs(TokenSet, TokenSet);

impl Needs {
    fn add(&mut self, token: Token) {
        self.0 = self.0.with(token);
    }

    fn add_if(&mut self, condition: bool, token: Token) {
        if condition {
            self.add(token);
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Id(_) => self.add(Token::Id),
            Command::Enable(_) => self.add(Token::Enable),
            Command::StartTls => self.add(Token::StartTls),
            Command::Authenticate { initial, .. } => self.add_if(initial.is_some(), Token::SaslIr),
            Command::Unauthenticate => self.add(Token::Unauthenticate),
            Command::Language(_) => self.add(Token::Language),
            Command::CancelUpdate(_) => self.add(Token::ContextSearch),
            Command::UidBatches { .. } => self.add(Token::UidBatches),
            Command::GetMetadata { .. } | Command::SetMetadata { .. } => self.add(Token::Metadata),
            Command::GetAcl(_)
            | Command::SetAcl { .. }
            | Command::DeleteAcl { .. }
            | Command::ListRights { .. }
            | Command::MyRights(_) => self.add(Token::Acl),
            Command::GetQuota { .. } | Command::GetQuotaRoot { .. } => self.add(Token::Quota),
            Command::SetQuota { .. } => self.add(Token::QuotaSet),
            Command::Compress(_) => self.add(Token::CompressDeflate),
            Command::Idle => self.add(Token::Idle),
            Command::Notify(asked) => self.notify(asked.as_ref()),
            Command::Namespace => self.add(Token::Namespace),
            Command::Unselect => self.add(Token::Unselect),
            Command::Select { args, .. } => {
                self.add_if(args.condstore, Token::Condstore);
                self.add_if(args.resync.is_some(), Token::Qresync);
            }
            Command::Create { uses, .. } => self.add_if(!uses.is_empty(), Token::CreateSpecialUse),
            Command::List(args) => self.list(args),
            Command::Lsub { remote, .. } => self.add_if(*remote, Token::MailboxReferrals),
            Command::Status { items, .. } => self.status(items),
            Command::Append { messages, .. } => {
                self.add_if(messages.len() > 1, Token::MultiAppend);
                messages.iter().for_each(|m| self.data(&m.data));
            }
            Command::Replace { message, by, .. } => {
                self.add(Token::Replace);
                self.data(&by.data);
                self.set(message);
            }
            Command::UidExpunge(set) => {
                self.add(Token::UidPlus);
                self.set(set);
            }
            Command::Copy { set, .. } => self.set(set),
            Command::Move { set, .. } => {
                self.add(Token::Move);
                self.set(set);
            }
            Command::Store { set, args, .. } => {
                self.set(set);
                self.add_if(args.unchanged_since.is_some(), Token::Condstore);
            }
            Command::Fetch { set, items, since, partial, .. } => {
                self.add_if(partial.is_some(), Token::Partial);
                self.set(set);
                self.add_if(since.is_some(), Token::Condstore);
                self.add_if(since.is_some_and(|s| s.vanished), Token::Qresync);
                items.iter().for_each(|item| self.fetch(item));
            }
            Command::Esearch { .. }
            | Command::Search { .. }
            | Command::Sort { .. }
            | Command::Thread { .. } => self.searching(command),
            _ => {}
        }
    }

    fn notify(&mut self, asked: Option<&NotifySet>) {
        self.add(Token::Notify);
        for event in asked.into_iter().flat_map(|set| &set.groups).flat_map(|group| &group.events) {
            if let NotifyEvent::MessageNew(items) = event {
                items.iter().for_each(|item| self.fetch(item));
            }
        }
    }

    fn data(&mut self, data: &AppendData) {
        match data {
            AppendData::Octets(_, carrier) => self.carrier(*carrier),
            AppendData::Catenate(parts) => {
                self.add(Token::Catenate);
                for part in parts {
                    if let CatPart::Text(_, carrier) = part {
                        self.carrier(*carrier);
                    }
                }
            }
        }
    }

    fn carrier(&mut self, carrier: Carrier) {
        match carrier {
            Carrier::Literal => {}
            Carrier::Literal8 => self.add(Token::Binary),
            Carrier::Utf8 => self.add(Token::Utf8Accept),
        }
    }

    fn searching(&mut self, command: &Command) {
        match command {
            Command::Search { returns, attributes, key, .. } => {
                self.returns(*returns, Token::Esearch);
                self.updates(*returns, attributes, Token::ContextSearch);
                self.key(key);
            }
            Command::Esearch { returns, attributes, key, .. } => {
                self.add(Token::MultiSearch);
                self.returns(Some(*returns), Token::MultiSearch);
                self.updates(Some(*returns), attributes, Token::ContextSearch);
                self.key(key);
            }
            Command::Sort { returns, attributes, keys, key, .. } => {
                self.add(Token::Sort);
                self.updates(*returns, attributes, Token::ContextSort);
                let display = |f: SortField| matches!(f, SortField::DisplayFrom | SortField::DisplayTo);
                self.add_if(keys.iter().any(|k| display(k.field)), Token::SortDisplay);
                self.add_if(keys.iter().any(|k| k.field == SortField::Relevancy), Token::SearchFuzzy);
                self.returns(*returns, Token::Esort);
                self.key(key);
            }
            Command::Thread { algorithm, key, .. } => {
                self.add(match algorithm {
                    ThreadAlgorithm::OrderedSubject => Token::ThreadOrderedSubject,
                    ThreadAlgorithm::References => Token::ThreadReferences,
                    ThreadAlgorithm::Refs => Token::ThreadRefs,
                });
                self.key(key);
            }
            _ => {}
        }
    }

    fn list(&mut self, args: &ListArgs) {
        self.add_if(args.extended, Token::ListExtended);
        // RLIST is LIST with REMOTE and nothing else of RFC 5258.
        self.add_if(args.select.remote && !args.extended, Token::MailboxReferrals);
        self.add_if(args.select.special_use, Token::SpecialUse);
        self.add_if(args.returns.my_rights, Token::ListMyRights);
        self.add_if(!args.returns.metadata.is_empty(), Token::ListMetadata);
        if let Some(items) = &args.returns.status {
            self.add(Token::ListStatus);
            self.status(items);
        }
    }

    fn status(&mut self, items: &[StatusItem]) {
        for item in items {
            match item {
                StatusItem::DeletedStorage => self.add(Token::QuotaStorage),
                StatusItem::Size => self.add(Token::StatusSize),
                // Also of RFC 9208 section 4.1.4.
                StatusItem::Deleted => self.add_if(self.1.has(Token::QuotaMessage), Token::Imap4rev2),
                StatusItem::AppendLimit => self.add(Token::AppendLimit),
                StatusItem::HighestModSeq => self.add(Token::Condstore),
                StatusItem::MailboxId => self.add(Token::ObjectId),
                _ => {}
            }
        }
    }

    fn fetch(&mut self, item: &FetchItem) {
        match item {
            FetchItem::ModSeq => self.add(Token::Condstore),
            FetchItem::Binary { .. } | FetchItem::BinarySize { .. } => self.add(Token::Binary),
            FetchItem::EmailId | FetchItem::ThreadId => self.add(Token::ObjectId),
            FetchItem::SaveDate => self.add(Token::SaveDate),
            FetchItem::Preview { .. } => self.add(Token::Preview),
            _ => {}
        }
    }

    fn set(&mut self, set: &SequenceSet) {
        self.add_if(set.is_saved(), Token::SearchRes);
    }

    fn returns(&mut self, returns: Option<SearchReturn>, token: Token) {
        self.add_if(returns.is_some(), token);
        self.add_if(returns.is_some_and(|r| r.save), Token::SearchRes);
        self.add_if(returns.is_some_and(|r| r.relevancy), Token::SearchFuzzy);
        self.add_if(returns.is_some_and(|r| r.partial.is_some()), Token::Partial);
    }

    fn updates(&mut self, returns: Option<SearchReturn>, attributes: &[FetchItem], token: Token) {
        self.add_if(returns.is_some_and(|r| r.context || r.update), token);
        self.add_if(!attributes.is_empty(), Token::Notify);
        attributes.iter().for_each(|item| self.fetch(item));
    }

    /// As deep as the parser lets a key be.
    fn key(&mut self, key: &SearchKey) {
        match key {
            SearchKey::And(keys) => keys.iter().for_each(|k| self.key(k)),
            SearchKey::Or(a, b) => {
                self.key(a);
                self.key(b);
            }
            SearchKey::Not(a) => self.key(a),
            SearchKey::Fuzzy(a) => {
                self.add(Token::SearchFuzzy);
                self.key(a);
            }
            SearchKey::Sequence(set) | SearchKey::Uid(set) => self.set(set),
            SearchKey::UidAfter(_) | SearchKey::UidBefore(_) => self.add(Token::MessageLimit),
            SearchKey::Older(_) | SearchKey::Younger(_) => self.add(Token::Within),
            SearchKey::ModSeq(_) => self.add(Token::Condstore),
            SearchKey::Saved(..) => self.add(Token::SaveDate),
            SearchKey::EmailId(_) | SearchKey::ThreadId(_) => self.add(Token::ObjectId),
            _ => {}
        }
    }
}
