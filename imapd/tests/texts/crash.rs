//! The system ends at any write, while `NOTE TEXT` is made, grows, is cut and is erased: mail is all there, searches find what the
//! messages say, and CHECK has nothing to say.

use std::collections::BTreeSet;
use std::sync::Arc;

use dasd::Faults;
use imapd::mailstore::text_keep::{ENOUGH, Pace};
use imapd::mailstore::{MailStore, NewMessage, OpenMailbox, StoreError, UserStore};

use super::common::*;
use crate::support::sfs_pool::MailPool;
use crate::support::user;

/// What is in INBOX, as far as it was answered.
struct Ledger {
    alice: Arc<UserStore>,
    inbox: Arc<OpenMailbox>,
    there: BTreeSet<u32>,
    /// What would be there after the change that is under way.
    under_way: Option<BTreeSet<u32>>,
    next: u32,
}

impl Ledger {
    async fn append(&mut self, messages: Vec<NewMessage>) -> Result<(), StoreError> {
        let new = self.next..self.next + messages.len() as u32;
        self.next = new.end;
        self.under_way = Some(self.there.iter().copied().chain(new).collect());
        self.alice.append(&self.inbox, messages, ME).await?;
        self.done();
        Ok(())
    }

    async fn remove(&mut self, low: u32, high: u32) -> Result<(), StoreError> {
        self.under_way = Some(self.there.iter().copied().filter(|uid| !(low..=high).contains(uid)).collect());
        self.alice.remove_messages(&self.inbox, uids(low, high), ME).await?;
        self.done();
        Ok(())
    }

    fn done(&mut self) {
        self.there = self.under_way.take().unwrap();
    }

    async fn keep(&self) -> Result<(), StoreError> {
        self.inbox.keep_texts(Pace::Fast).await
    }

    /// Texts are made, grow, are cut, give way to mail, and go with the last message.
    async fn play(&mut self) -> Result<(), StoreError> {
        let some = |n: usize| (0..n).map(numbered).collect::<Vec<_>>();
        self.append(some(2 * ENOUGH)).await?;
        self.keep().await?;
        self.append(some(ENOUGH)).await?;
        self.keep().await?;
        self.append(some(ENOUGH)).await?;
        self.keep().await?;
        self.remove(1, 2 * ENOUGH as u32 - 20).await?;
        self.keep().await?;
        let used = self.alice.space().await?.used;
        self.alice.set_space(used).await?;
        self.append(some(2)).await?;
        self.alice.set_space(100_000).await?;
        self.keep().await?;
        self.remove(1, self.next).await?;
        self.append(some(ENOUGH)).await?;
        self.keep().await
    }
}

async fn begin(store: &MailStore) -> (Arc<UserStore>, Arc<OpenMailbox>) {
    let (alice, boxes) = open_all(store).await;
    (alice, boxes[0].clone())
}

/// False when all was done before that write.
async fn ends_at(write: u64) -> bool {
    let pool = MailPool::generate();
    let store = store_over(pool.backend());
    store.enroll(user("ALICE"), 100_000).await.unwrap();
    let (alice, inbox) = begin(&store).await;
    pool.dasd.set_faults(Faults { crash_at_write: Some(write), ..Faults::default() });
    let mut ledger = Ledger { alice, inbox, there: BTreeSet::new(), under_way: None, next: 1 };
    let ended = ledger.play().await.is_err();
    let Ledger { there, under_way, .. } = ledger;
    drop(store);
    // Another part of what was not synced survives each time.
    let mut survivor = write as u32;
    let dasd = pool.dasd.restart(|| {
        survivor = survivor.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        survivor >> 8
    });
    pool.server.stop().await;
    drop(pool);
    let pool = MailPool::ipl(dasd);
    assert_eq!(pool.backend().examine(user("ALICE")).await.unwrap().findings, Vec::<String>::new());
    let store = store_over(pool.backend());
    let (_, inbox) = begin(&store).await;
    let found: BTreeSet<u32> = inbox.state().columns.uids().iter().copied().collect();
    assert!(found == there || Some(&found) == under_way.as_ref(), "write {write}: {found:?}");
    compare(&inbox).await;
    inbox.keep_texts(Pace::Fast).await.unwrap();
    compare(&inbox).await;
    assert_eq!(pool.backend().examine(user("ALICE")).await.unwrap().findings, Vec::<String>::new());
    ended
}

#[test]
fn the_system_ends_at_each_write() {
    let mut write = 0;
    while block_on(ends_at(write)) {
        write += 1;
    }
    assert!(write > 20, "{write} writes");
}
