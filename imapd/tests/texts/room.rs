//! Room: `NOTE TEXT` is written where enough stays free, and gives way to whatever else finds no room.

use std::sync::Arc;

use cms::csl::StorageGroup;
use imapd::mailstore::text_keep::{ENOUGH, Pace};
use imapd::mailstore::text_room::{SPARE, SPARE_AGAIN};
use imapd::mailstore::{Exchange, MailStore, OpenMailbox, Origin, StoreError, Uid, UserStore};
use imapd::syntax::ast::FlagChange;
use imapd::syntax::flag::{FlagList, Keyword, SystemFlags};
use imapd::syntax::mailbox_name::MailboxName;

use super::common::*;
use crate::support::sfs_pool::MailPool;
use crate::support::{LineClient, SOON, start_plain, user};

/// Octets of a block.
const BLOCK: u64 = 4096;

struct World {
    pool: MailPool,
    store: MailStore,
    alice: Arc<UserStore>,
    boxes: Vec<Arc<OpenMailbox>>,
}

impl World {
    /// ALICE has enough messages, and texts of them when they are `kept`.
    async fn new(kept: bool) -> Self {
        Self::over(MailPool::generate(), kept).await
    }

    async fn over(pool: MailPool, kept: bool) -> Self {
        let store = store_over(pool.backend());
        store.enroll(user("ALICE"), 100_000).await.unwrap();
        let (alice, boxes) = open_all(&store).await;
        alice.append(&boxes[0], (0..ENOUGH).map(numbered).collect(), ME).await.unwrap();
        if kept {
            boxes[0].keep_texts(Pace::Fast).await.unwrap();
            assert!(pool.exists(text_file()).await);
        }
        Self { pool, store, alice, boxes }
    }

    async fn used(&self) -> u64 {
        self.alice.space().await.unwrap().used
    }

    /// Blocks that are free from now on.
    async fn leave(&self, free: u64) {
        let used = self.used().await;
        self.alice.set_space(used + free).await.unwrap();
    }

    async fn has_texts(&self) -> bool {
        self.pool.exists(text_file()).await
    }

    async fn text_blocks(&self) -> u64 {
        self.pool.octets(text_file()).await.div_ceil(BLOCK)
    }

    /// The least limit that leaves one part in `spare` free beside so many blocks.
    fn least_limit(blocks: u64, spare: u64) -> u64 {
        (blocks..).find(|limit| blocks + limit / spare <= *limit).unwrap()
    }

    /// Texts are written where one part in `spare` of the limit stays free, and not with one block less.
    async fn texts_come_at(&self, spare: u64) {
        let needed = self.used().await + self.octets().div_ceil(BLOCK);
        let limit = Self::least_limit(needed, spare);
        for (limit, come) in [(limit - 1, false), (limit, true)] {
            self.alice.set_space(limit).await.unwrap();
            self.boxes[0].keep_texts(Pace::Fast).await.unwrap();
            assert_eq!(self.has_texts().await, come);
        }
        compare(&self.boxes[0]).await;
    }

    fn octets(&self) -> u64 {
        let state = self.boxes[0].state();
        (0..state.columns.len()).map(|i| state.columns.at(i).size).sum()
    }
}

/// A message of about so many blocks.
fn blocks(n: u64) -> imapd::mailstore::NewMessage {
    message(
        format!("Subject: large\r\n\r\n{}", "0123456789abcde\r\n".repeat((n * BLOCK / 17) as usize))
            .as_bytes(),
    )
}

#[test]
fn spare_room_at_and_past_the_bound() {
    block_on(async {
        let world = World::new(false).await;
        world.texts_come_at(SPARE).await;
    });
}

/// The APPEND fits only since the texts went. They come back when there is room again, and not before.
#[test]
fn mail_comes_where_texts_were() {
    block_on(async {
        let world = World::new(true).await;
        let texts = world.text_blocks().await;
        assert!(texts >= 4, "{texts}");
        world.leave(2).await;
        world.alice.append(&world.boxes[0], vec![blocks(texts)], ME).await.unwrap();
        assert!(!world.has_texts().await);
        compare(&world.boxes[0]).await;
        // What is still to be had is used up without an error of theirs.
        world.boxes[0].keep_texts(Pace::Fast).await.unwrap();
        assert!(!world.has_texts().await);
        world.texts_come_at(SPARE_AGAIN).await;
    });
}

/// Nothing is added by a change that has no room without the texts either; room is scarce then, and they go all the same.
#[test]
fn mail_past_the_limit_stays_out() {
    block_on(async {
        let world = World::new(true).await;
        let texts = world.text_blocks().await;
        world.leave(2).await;
        let refused = world.alice.append(&world.boxes[0], vec![blocks(texts + 6)], ME).await;
        assert_eq!(refused, Err(StoreError::OverQuota));
        assert_eq!(world.boxes[0].state().columns.len(), ENOUGH);
        assert!(!world.has_texts().await);
        compare(&world.boxes[0]).await;
    });
}

/// With much room a message that is too large for it costs no texts.
#[test]
fn texts_stay_where_they_are_not_in_the_way() {
    block_on(async {
        let world = World::new(true).await;
        let free = 4 * world.used().await;
        world.leave(free).await;
        let refused = world.alice.append(&world.boxes[0], vec![blocks(free + 200)], ME).await;
        assert_eq!(refused, Err(StoreError::OverQuota));
        assert!(world.has_texts().await);
    });
}

/// Whatever a user asks for, when nothing is free.
#[derive(Debug, Clone, Copy)]
enum Change {
    Append,
    Deliver,
    Copy,
    Keyword,
    Replace,
    Create,
    Annotate,
    FromBob,
    ToBob,
}

impl Change {
    async fn make(self, world: &World) -> Result<(), StoreError> {
        let (alice, boxes) = (&world.alice, &world.boxes);
        match self {
            Self::Append => alice.append(&boxes[1], vec![numbered(1)], ME).await.map(drop),
            Self::Deliver => {
                let origin = Origin { owner: user("SMTP"), spool_id: 1, created: 1 };
                alice.deliver(numbered(1), origin).await.map(drop)
            }
            Self::Copy => alice.copy(&boxes[0], uids(1, 4), &boxes[1], false, ME).await.map(drop),
            Self::Keyword => {
                let keywords = (0..40).map(|n| Keyword::new(format!("k{n}").as_bytes()).unwrap()).collect();
                let flags = FlagList { system: SystemFlags::FLAGGED, keywords };
                alice.store(&boxes[0], uids(1, 60), FlagChange::Add, flags, ME).await.map(drop)
            }
            Self::Replace => alice.replace(&boxes[0], Uid(1), &boxes[1], blocks(6), ME).await.map(drop),
            Self::Create => alice.create(MailboxName::new("new/mailbox").unwrap()).await,
            Self::Annotate => {
                let value = Some("x".repeat(9_000).into());
                alice.annotate(None, vec![("/private/comment".into(), value)], ME).await
            }
            Self::FromBob | Self::ToBob => {
                let bob = world.store.user(user("BOB")).await.unwrap();
                let his = bob.open(&MailboxName::inbox()).await.unwrap();
                bob.append(&his, vec![numbered(1)], ME).await.unwrap();
                let (from, to) = match self {
                    Self::FromBob => (his, boxes[0].clone()),
                    _ => (boxes[0].clone(), his),
                };
                let messages = vec![(Uid(1), numbered(7))];
                Exchange { from, messages, to, reader: None, moved: None, by: ME }.run().await.map(drop)
            }
        }
    }
}

#[test]
fn every_change_finds_the_room_that_texts_had() {
    use Change::*;
    block_on(async {
        for change in [Append, Deliver, Copy, Keyword, Replace, Create, Annotate, FromBob, ToBob] {
            for kept in [true, false] {
                let world = World::new(kept).await;
                world.store.enroll(user("BOB"), 1_000).await.unwrap();
                world.leave(0).await;
                let done = change.make(&world).await;
                // What finds room by itself, such as one more record of an index, says nothing here.
                let is_refused = done == Err(StoreError::OverQuota);
                assert!(done.is_ok() || (is_refused && !kept), "{change:?} {kept} {done:?}");
                assert!(!is_refused || !world.has_texts().await);
                compare(&world.boxes[0]).await;
                compare(&world.boxes[1]).await;
            }
        }
    });
}

/// A commit that is told of the threshold.
#[test]
fn texts_go_at_the_threshold() {
    block_on(async {
        for (more, stay) in [(1, true), (20, false)] {
            let world = World::new(true).await;
            let used = world.used().await;
            // The texts are just allowed.
            world.alice.set_space(World::least_limit(used + 8, SPARE)).await.unwrap();
            world.alice.append(&world.boxes[0], vec![blocks(more)], ME).await.unwrap();
            assert_eq!(world.has_texts().await, stay, "{more}");
            compare(&world.boxes[0]).await;
        }
    });
}

/// Others find the storage group full.
#[test]
fn mail_comes_where_texts_were_in_a_full_group() {
    block_on(async {
        let pool = MailPool::generate();
        let group = StorageGroup::new(3).unwrap();
        let admin = pool.administrator();
        let id = cms::cp::name::FilePoolId::new("MAIL").unwrap();
        let size = 3_000;
        admin.filepool_minidisk(id, group, 0x312, Some(size)).await.unwrap();
        admin.dmsenusr_in(&[user("ALICE")], id, 100_000, group).await.unwrap();
        let world = World::over(pool, true).await;
        let texts = world.text_blocks().await;
        // All but two blocks of the group.
        let filler = |n: u64| vec![blocks(n)];
        let free = || async { world.alice_group_free(size).await };
        while free().await > texts + 40 {
            let n = (free().await - texts - 20).min(400);
            world.alice.append(&world.boxes[1], filler(n), ME).await.unwrap();
        }
        assert!(world.has_texts().await);
        while world.has_texts().await && free().await > 2 {
            world.alice.append(&world.boxes[1], filler(1), ME).await.unwrap();
        }
        world.alice.append(&world.boxes[1], filler(4), ME).await.unwrap();
        assert!(!world.has_texts().await);
        // Texts do not take it back.
        world.boxes[0].keep_texts(Pace::Fast).await.unwrap();
        assert!(!world.has_texts().await);
        let refused = world.alice.append(&world.boxes[1], filler(texts + 40), ME).await;
        assert_eq!(refused, Err(StoreError::PoolFull));
        compare(&world.boxes[0]).await;
    });
}

impl World {
    /// Blocks that are free in a group of so many that has ALICE alone.
    async fn alice_group_free(&self, size: u64) -> u64 {
        size - self.used().await
    }
}

/// What QUOTA shows of the last eighth is mail.
#[tokio::test]
async fn quota_near_the_limit() {
    let pool = MailPool::generate();
    let running = start_plain(pool.backend()).await;
    let alice = running.store.user(user("ALICE")).await.unwrap();
    let inbox = alice.open(&MailboxName::inbox()).await.unwrap();
    alice.append(&inbox, (0..ENOUGH).map(numbered).collect(), ME).await.unwrap();
    inbox.keep_texts(Pace::Fast).await.unwrap();
    assert!(pool.exists(text_file()).await);
    let texts = pool.octets(text_file()).await / BLOCK;
    let used = alice.space().await.unwrap().used;
    let mut client = LineClient::new(running.address).await;
    assert!(client.command("LOGIN alice secret").await.starts_with("a OK"));
    // At the bound they count, one past it they are gone.
    let limit = World::least_limit(used, SPARE);
    for (limit, shown) in [(limit, used), (limit - 1, used - texts)] {
        alice.set_space(limit).await.unwrap();
        let quota = client.ask("b GETQUOTA ALICE").await;
        assert_eq!(quota, format!("* QUOTA ALICE (STORAGE {} {})\r\n", 4 * shown, 4 * limit));
        assert!(client.line().await.starts_with("b OK"));
    }
    assert!(!pool.exists(text_file()).await);
    running.service.shutdown(SOON).await;
}
