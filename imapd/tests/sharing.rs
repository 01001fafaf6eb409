//! What others may do and what they have seen, over a restart of the mail store on a file pool.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use imapd::mailstore::access::MAX_IDENTIFIERS;
use imapd::mailstore::publish::Sharing;
use imapd::mailstore::{
    AccessChange, Attributes, Backend, Identifier, MailStore, NewMessage, Published, RightsChange, SessionId,
    StoreError, Uid,
};
use imapd::syntax::date::InternalDate;
use imapd::syntax::flag::SystemFlags;
use imapd::syntax::mailbox_name::MailboxName;
use imapd::syntax::rights::Rights;
use support::memory::Memory;
use support::sfs_pool::MailPool;
use support::user;

const ME: SessionId = SessionId(1);

fn over(backend: &Arc<dyn Backend>) -> MailStore {
    MailStore::new(backend.clone(), Arc::new(|| 1_000_000_000))
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

fn given(who: &str, rights: &[u8]) -> AccessChange {
    let who = Identifier::parse(who.as_bytes()).unwrap();
    AccessChange::Rights(who, RightsChange::Replace, Rights::parse(rights).unwrap())
}

async fn all_is_kept(backend: Arc<dyn Backend>) {
    let (alice, bob) = (user("ALICE"), user("BOB"));
    {
        let store = over(&backend);
        store.enroll(alice, 1000).await.unwrap();
        store.enroll(bob, 1000).await.unwrap();
        let owner = store.user(alice).await.unwrap();
        owner.create(name("board/old")).await.unwrap();
        owner.set_seen_mode(name("board"), true).await.unwrap();
        let published = AccessChange::Publish(Some(Published { name: name("Board") }));
        owner.change_access_below(name("board"), vec![published, given("bob", b"lrs")]).await.unwrap();
        owner.change_access(name("board/old"), vec![given("-anyone", b"r")]).await.unwrap();
        let mailbox = owner.open(&name("board")).await.unwrap();
        let message = |flags| NewMessage {
            flags,
            keywords: Vec::new(),
            date: InternalDate { seconds: 1, zone_minutes: 0 },
            email: None,
            octets: Bytes::from_static(b"a\r\n\r\nb"),
        };
        let messages = vec![message(SystemFlags::SEEN), message(SystemFlags::default())];
        owner.append_for(&mailbox, messages, Some(bob), ME).await.unwrap();
        owner.append(&mailbox, vec![message(SystemFlags::SEEN)], ME).await.unwrap();
    }
    let store = over(&backend);
    let sharers = store.sharers().await.unwrap();
    assert_eq!((sharers.of(bob), sharers.of(alice)), (vec![alice], vec![]));
    assert_eq!(sharers.published().len(), 1);
    let owner = store.user(alice).await.unwrap();
    let mailbox = owner.open(&name("board")).await.unwrap();
    let seen: Vec<_> = (1..=3).map(|uid| mailbox.seen_by(bob, Uid(uid))).collect();
    assert_eq!(seen, [Some(true), Some(false), Some(false)]);
    let flags: Vec<_> = (0..3).map(|i| mailbox.state().columns.at(i).flags).collect();
    let none = SystemFlags::default();
    assert_eq!(flags, [none, none, SystemFlags::SEEN]);
    assert_eq!(owner.rights(mailbox.id, bob), Rights::parse(b"lrs").unwrap());
    let old = owner.catalog().get(&name("board/old")).unwrap().id;
    assert_eq!(owner.rights(old, bob), Rights::parse(b"ls").unwrap());
    // A folder that is made, and one that goes.
    owner.create(name("board/new")).await.unwrap();
    let new = owner.open(&name("board/new")).await.unwrap();
    assert!(new.has_own_seen() && owner.rights(new.id, bob).has(Rights::SEEN));
    owner.delete(name("board/new"), SessionId::NOBODY).await.unwrap();
    owner.set_seen_mode(name("board"), false).await.unwrap();
    assert_eq!(mailbox.seen_by(bob, Uid(1)), None);
    store.delete_user(alice).await.unwrap();
    assert_eq!(sharers.of(bob), vec![]);
    assert_eq!(sharers.published(), vec![]);
    assert!(matches!(store.user(alice).await, Err(StoreError::NotEnrolled)));
}

#[tokio::test]
async fn over_memory() {
    all_is_kept(Arc::new(Memory::default())).await;
}

#[tokio::test]
async fn over_a_file_pool() {
    let pool = MailPool::generate();
    all_is_kept(pool.backend()).await;
}

/// What is shared with a `\Seen` of everybody's own is so at once or not at all.
#[tokio::test]
async fn a_folder_is_shared_as_a_whole_or_not() {
    let store = MailStore::new(Arc::new(Memory::default()), Arc::new(|| 1_000_000_000));
    store.enroll(user("ALICE"), 1000).await.unwrap();
    let owner = store.user(user("ALICE")).await.unwrap();
    owner.create(name("board")).await.unwrap();
    let sharing = |who: &str, own| Sharing {
        name: None,
        given: (Identifier::parse(who.as_bytes()).unwrap(), Rights::parse(b"lr").unwrap()),
        own_seen: Some(own),
    };
    let row = || owner.catalog().get(&name("board")).unwrap().clone();
    let own_seen = || row().attributes.has(Attributes::OWN_SEEN);
    // As many identifiers as there may be.
    let full = (1..=MAX_IDENTIFIERS).map(|n| given(&format!("U{n}"), b"l")).collect();
    owner.change_access(name("board"), full).await.unwrap();
    let refused = store.publish(&owner, &row(), sharing("CAROL", true)).await;
    assert!(matches!(refused, Err(StoreError::Limit(_))), "{refused:?}");
    assert!(!own_seen(), "readers have none of their own, since there are none");
    assert_eq!(store.sharers().await.unwrap().published().len(), 0);
    owner
        .change_access(name("board"), vec![AccessChange::Remove(Identifier::parse(b"U1").unwrap())])
        .await
        .unwrap();
    // Who looks at it is told that he may do more, or less.
    let board = owner.open(&name("board")).await.unwrap();
    store.publish(&owner, &row(), sharing("BOB", true)).await.unwrap();
    assert!(own_seen() && board.has_own_seen() && owner.rights(board.id, user("BOB")).has(Rights::READ));
    assert_eq!(store.sharers().await.unwrap().published().len(), 1);
    assert!(store.unpublish(&owner, &row()).await.unwrap());
    assert!(!own_seen() && !board.has_own_seen() && owner.rights(board.id, user("BOB")).is_empty());
    assert_eq!(store.sharers().await.unwrap().published().len(), 0);
}

/// A commit that fails gives nobody anything.
#[tokio::test]
async fn what_could_not_be_kept_is_not_given() {
    let memory = Arc::new(Memory::default());
    let store = MailStore::new(memory.clone(), Arc::new(|| 1_000_000_000));
    let (alice, bob) = (user("ALICE"), user("BOB"));
    store.enroll(alice, 1000).await.unwrap();
    let owner = store.user(alice).await.unwrap();
    store.sharers().await.unwrap();
    *memory.failure.lock() = Some(StoreError::OverQuota);
    let refused = owner.change_access(MailboxName::inbox(), vec![given("bob", b"lr")]).await;
    assert_eq!(refused, Err(StoreError::OverQuota));
    assert!(store.sharers().await.unwrap().of(bob).is_empty());
    let inbox = owner.catalog().get(&MailboxName::inbox()).unwrap().id;
    assert!(owner.rights(inbox, bob).is_empty());
}
