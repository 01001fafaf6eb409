//! What `NOTE TEXT` says is believed only of the messages it was made of: not of another format, not of another day.

use std::sync::Arc;

use imapd::mailstore::text_batch::{HEAD, LARGE, RECORD, VERSION};
use imapd::mailstore::text_keep::{ENOUGH, Pace};
use imapd::mailstore::{MailStore, NewMessage, OpenMailbox, UserStore};
use imapd::search::column::TextColumn;
use imapd::search::fold::Needle;
use imapd::syntax::mailbox_name::MailboxName;

use super::common::*;
use crate::support::sfs_pool::MailPool;
use crate::support::user;

/// Messages that the fixtures are of.
const MESSAGES: u32 = 100;

/// A message as long as the one of a fixture.
fn present(n: u32) -> NewMessage {
    message(
        format!("Subject: present {n:03}\r\nX-Other: \u{e4}\r\n\r\nnumber {n:03} is present\r\n").as_bytes(),
    )
}

/// A mailbox with messages, all of which a mail store that starts anew finds.
struct World {
    pool: MailPool,
    store: MailStore,
    alice: Arc<UserStore>,
    inbox: Arc<OpenMailbox>,
}

impl World {
    async fn new() -> Self {
        let world = Self::empty(MailPool::generate()).await;
        world.alice.append(&world.inbox, (1..=MESSAGES).map(present).collect(), ME).await.unwrap();
        world
    }

    async fn empty(pool: MailPool) -> Self {
        let store = store_over(pool.backend());
        store.enroll(user("ALICE"), 100_000).await.unwrap();
        let (alice, boxes) = open_all(&store).await;
        Self { pool, store, alice, inbox: boxes[0].clone() }
    }

    async fn restart(self) -> Self {
        self.restart_with(None).await
    }

    /// Power goes; before the mail store starts again, these octets are its `NOTE TEXT`.
    async fn restart_with(self, texts: Option<&[u8]>) -> Self {
        drop((self.alice, self.inbox, self.store));
        let pool = self.pool.power_cut();
        if let Some(texts) = texts {
            pool.put_fixed(text_file(), RECORD, texts).await;
        }
        let store = store_over(pool.backend());
        let (alice, boxes) = open_all(&store).await;
        Self { pool, store, alice, inbox: boxes[0].clone() }
    }

    async fn texts(&self) -> Vec<u8> {
        self.pool.read_fixed(text_file()).await
    }

    async fn check(&self) -> Vec<String> {
        self.pool.backend().examine(user("ALICE")).await.unwrap().findings
    }
}

const FORMAT_1: &[u8] = include_bytes!("../fixtures/note-text-v1");
const FORMAT_2: &[u8] = include_bytes!("../fixtures/note-text-v2");
const FORMAT_3: &[u8] = include_bytes!("../fixtures/note-text-v3");
const FORMAT_4: &[u8] = include_bytes!("../fixtures/note-text-v4");
const FORMAT_5: &[u8] = include_bytes!("../fixtures/note-text-v5");
const FORMAT_6: &[u8] = include_bytes!("../fixtures/note-text-v6");
const FORMAT_7: &[u8] = include_bytes!("../fixtures/note-text-v7");

/// The texts of format 7 are those that searches look into; those of former ones are not, and are written anew.
#[test]
fn fixtures_of_all_formats() {
    block_on(async {
        let former =
            [FORMAT_1, FORMAT_2, FORMAT_3, FORMAT_4, FORMAT_5, FORMAT_6].map(|fixture| (fixture, false));
        for (fixture, believed) in former.into_iter().chain([(FORMAT_7, true)]) {
            let world = World::new().await.restart_with(Some(fixture)).await;
            assert_eq!(world.check().await, Vec::<String>::new());
            let (planted, present) = if believed { (100, 0) } else { (0, 100) };
            assert_eq!(found(&world.inbox, "planted").await.len(), planted);
            assert_eq!(found(&world.inbox, "present").await.len(), present);
            world.inbox.keep_texts(Pace::Fast).await.unwrap();
            assert_eq!(world.texts().await == fixture, believed);
            let format = u16::from_le_bytes(world.texts().await[2..4].try_into().unwrap());
            assert_eq!(format, VERSION);
            let world = world.restart().await;
            assert_eq!(found(&world.inbox, "planted").await.len(), planted);
        }
    });
}

/// One octet of the fixture another one, whichever: what it says is right for the messages it is of, or is not believed.
#[test]
fn an_octet_is_another_one() {
    block_on(async {
        let mut world = World::new().await;
        for at in (0..FORMAT_7.len()).filter(|at| at % RECORD < HEAD || at % 97 == 0) {
            let mut texts = FORMAT_7.to_vec();
            texts[at] ^= 0x10;
            world = world.restart_with(Some(&texts)).await;
            // In one search: the next one knows what turned out to be damaged.
            let needles = Arc::new(["planted", "present"].map(Needle::new));
            let both = move |column: &TextColumn| needles.iter().flat_map(|n| column.find(n)).collect();
            let mut both = scan(&world.inbox, both).await;
            both.sort_unstable();
            assert_eq!(both, (1..=MESSAGES).collect::<Vec<u32>>(), "octet {at}");
        }
    });
}

/// A later format is left alone by searches, and written over.
#[test]
fn a_format_of_the_future() {
    block_on(async {
        let mut texts = FORMAT_7.to_vec();
        texts[2..4].copy_from_slice(&(VERSION + 1).to_le_bytes());
        let world = World::new().await.restart_with(Some(&texts)).await;
        assert_eq!(world.check().await, Vec::<String>::new());
        compare(&world.inbox).await;
        world.inbox.keep_texts(Pace::Fast).await.unwrap();
        assert_eq!(world.texts().await[2..4], VERSION.to_le_bytes());
        compare(&world.inbox).await;
    });
}

/// Texts of another day: UIDs that were given since, or are to come, are other messages.
#[test]
fn texts_of_another_state() {
    block_on(async {
        let new = |what: &str, n: u32| message(format!("Subject: {what} {n}\r\n\r\n{what}\r\n").as_bytes());
        let many = |what: &str, n: u32| (0..n).map(|i| new(what, i)).collect::<Vec<_>>();
        // The same UIDVALIDITY and UIDs in two pools.
        let mut texts = Vec::new();
        for what in ["first one", "other one", "and a longer one"] {
            let world = World::empty(MailPool::generate()).await;
            world.alice.append(&world.inbox, many(what, 2 * ENOUGH as u32), ME).await.unwrap();
            world.inbox.keep_texts(Pace::Fast).await.unwrap();
            texts.push(world.texts().await);
        }
        for count in [0, ENOUGH as u32 / 2, 2 * ENOUGH as u32, 3 * ENOUGH as u32] {
            let mut world = World::empty(MailPool::generate()).await;
            world.alice.append(&world.inbox, many("first one", count), ME).await.unwrap();
            world = world.restart_with(Some(&texts[2])).await;
            compare(&world.inbox).await;
            assert!(found(&world.inbox, "longer").await.is_empty());
            // Those that come take the UIDs that the texts speak of.
            world.alice.append(&world.inbox, many("later", 2 * ENOUGH as u32), ME).await.unwrap();
            compare(&world.inbox).await;
            world.inbox.keep_texts(Pace::Fast).await.unwrap();
            let world = world.restart().await;
            compare(&world.inbox).await;
            assert!(found(&world.inbox, "longer").await.is_empty());
            assert_eq!(world.check().await, Vec::<String>::new());
        }
    });
}

/// Texts of one mailbox in the directory of another, and those of a mailbox that was renamed, which are its own still.
#[test]
fn texts_of_another_mailbox() {
    block_on(async {
        let world = World::new().await;
        world.inbox.keep_texts(Pace::Fast).await.unwrap();
        let texts = world.texts().await;
        let name = MailboxName::new(NAMES[1]).unwrap();
        let other = world.alice.open(&name).await.unwrap();
        world
            .alice
            .append(&other, (1..=MESSAGES).map(|n| message(format!("x{n}\r\n\r\n").as_bytes())).collect(), ME)
            .await
            .unwrap();
        let file = MailPool::alices(Some(&other.dir), "NOTE", "TEXT");
        world.pool.put_fixed(file, RECORD, &texts).await;
        drop(other);
        let world = world.restart().await;
        let other = world.alice.open(&name).await.unwrap();
        assert_eq!(world.check().await, ["a: NOTE TEXT is damaged from record 1 on"]);
        assert!(found(&other, "present").await.is_empty());
        compare(&other).await;
        other.keep_texts(Pace::Fast).await.unwrap();
        let renamed = MailboxName::new("b/c").unwrap();
        world.alice.rename(name, renamed.clone(), ME).await.unwrap();
        drop(other);
        let world = world.restart().await;
        let other = world.alice.open(&renamed).await.unwrap();
        compare(&other).await;
        assert_eq!(world.check().await, Vec::<String>::new());
    });
}

/// What is too large to be kept is read, and found.
#[test]
fn large_messages_at_and_past_the_limit() {
    block_on(async {
        let world = World::empty(MailPool::generate()).await;
        let large = |more: u64| {
            let head = "Subject: large\r\n\r\n";
            let rest = (LARGE + more) as usize - head.len() - 8;
            let text: String = "needle and thread\r\n".chars().cycle().take(rest).collect();
            message(format!("{head}{text}needle\r\n").as_bytes())
        };
        let new = [large(0), present(1), large(1), present(2)];
        assert_eq!([new[0].octets.len(), new[2].octets.len()], [LARGE as usize, LARGE as usize + 1]);
        let all = (1..=MESSAGES).map(present).chain(new).collect();
        world.alice.append(&world.inbox, all, ME).await.unwrap();
        world.inbox.keep_texts(Pace::Fast).await.unwrap();
        let kept = world.texts().await;
        let heads: Vec<_> =
            kept.chunks(RECORD).filter_map(imapd::mailstore::text_batch::Head::read).collect();
        let out: Vec<u32> = heads.iter().filter(|h| h.is_left_out()).map(|h| h.upto.0).collect();
        assert_eq!(out, [MESSAGES + 3]);
        assert_eq!(heads.last().unwrap().upto.0, MESSAGES + 4);
        let world = world.restart().await;
        assert_eq!(found(&world.inbox, "needle").await, [MESSAGES + 1, MESSAGES + 3]);
        assert_eq!(world.check().await, Vec::<String>::new());
        compare(&world.inbox).await;
    });
}
