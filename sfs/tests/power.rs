//! The power fails at each write of what is committed in more than one step: spilled octets, records rewritten in place, minidisks,
//! what is disabled. After the recovery everything that was acknowledged is there, and of the rest all or nothing.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use bytes::Bytes;
use common::{Bed, image, open, roomy, top};
use dasd::Faults;
use sfs::pool::{PoolError, SPILL_AT};
use sfs::types::{Attributes, DisableMode, Intent, PoolPart, StorageGroup};

/// Runs `work` with the power failing at each of its writes in turn, until it survives; `check` looks at the pool that has recovered,
/// with what `work` has acknowledged.
async fn at_every_write<A, W>(setup: impl AsyncFn(&Bed), work: W, check: impl Fn(&Bed, Option<A>))
where
    W: AsyncFn(&Bed) -> Result<A, PoolError>,
{
    for survive in [0, u32::MAX, 0x5555_5555] {
        for at in 0.. {
            let bed = Bed::with(roomy()).await;
            setup(&bed).await;
            bed.dasd.set_faults(Faults { crash_at_write: Some(at), ..Faults::default() });
            let done = work(&bed).await.ok();
            let finished = done.is_some();
            let dasd = bed.dasd.restart(|| survive);
            drop(bed.pool);
            let pool = common::open_pool(&dasd, &bed.config);
            let bed = Bed { dasd, pool, config: bed.config };
            bed.sound();
            check(&bed, done);
            if finished {
                assert!(at > 0, "nothing was written");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spilled_octets_are_there_whole_or_not_at_all() {
    const RECORD: usize = 65_000;
    let count = SPILL_AT as usize / RECORD + 2;
    let work = async |bed: &Bed| {
        let unit = bed.pool.begin();
        let token = open(&unit, top("JOE"), "BIG FILE", Intent::New, Attributes::fixed(RECORD as u32))?;
        for n in 0..count {
            unit.write(token, &Bytes::from(vec![b'a' + (n % 20) as u8; RECORD]), 1)?;
            if unit.wants_spill() {
                unit.spill()?;
            }
        }
        unit.close(token)?;
        unit.commit().await.map(|_| ())
    };
    at_every_write(
        async |_| {},
        work,
        |bed, done| match image(&bed.pool.begin(), top("JOE"), "BIG FILE") {
            Ok(text) => {
                assert_eq!(text.len(), count * RECORD);
                assert!(
                    text.as_bytes()
                        .chunks(RECORD)
                        .zip(0..)
                        .all(|(r, n)| r.iter().all(|b| *b == b'a' + n % 20))
                );
            }
            Err(PoolError::NoFile) => assert!(done.is_none()),
            Err(error) => panic!("{error}"),
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_rewritten_in_place_is_the_old_or_the_new_one() {
    let attributes = |lrecl| Attributes { recover: false, in_place: true, ..Attributes::fixed(lrecl) };
    for lrecl in [8u32, 2000] {
        let whole =
            |letters: &str| letters.bytes().flat_map(|b| vec![b; lrecl as usize]).collect::<Vec<u8>>();
        let setup = async |bed: &Bed| {
            let unit = bed.pool.begin();
            let token = open(&unit, top("JOE"), "A LOG", Intent::New, attributes(lrecl)).unwrap();
            unit.write(token, &Bytes::from(whole("abc")), 3).unwrap();
            unit.commit().await.unwrap();
        };
        // Two rewrites and no commit: each is kept as soon as it is acknowledged.
        let work = async |bed: &Bed| {
            let unit = bed.pool.begin();
            let token = open(&unit, top("JOE"), "A LOG", Intent::Write, attributes(lrecl))?;
            for (record, letter) in [(1, "x"), (3, "z")] {
                unit.point(token, None, Some(record))?;
                unit.write(token, &Bytes::from(whole(letter)), 1)?;
                assert!(unit.wants_publishing(token));
                unit.publish(token).await?;
            }
            Ok(())
        };
        at_every_write(setup, work, |bed, done| {
            let text = image(&bed.pool.begin(), top("JOE"), "A LOG").unwrap().into_bytes();
            let possible = ["abc", "xbc", "xbz"];
            let seen = possible.iter().position(|letters| text == whole(letters));
            assert!(seen.is_some_and(|n| done.is_none() || n == 2), "{seen:?} {done:?}");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn minidisks_and_what_is_disabled_are_kept_when_acknowledged() {
    let group = StorageGroup::new(3).unwrap();
    let part = PoolPart::Space("JOE".into());
    let work = async |bed: &Bed| {
        bed.pool.add_minidisk(group, 0x312, Some(7)).await?;
        bed.pool.disable(&bed.pool.begin(), &part, DisableMode::Share, "MAINT".parse().unwrap()).await
    };
    at_every_write(
        async |_| {},
        work,
        |bed, done| {
            let unit = bed.pool.begin();
            let enrolled = unit.enroll_in(group, "BOB", 10, "");
            let disabled = bed.pool.disabled();
            if done.is_some() {
                enrolled.unwrap();
                assert_eq!(disabled[0].0, part);
            } else {
                assert!(matches!(enrolled, Ok(()) | Err(PoolError::NoGroup)));
            }
            let stopped = bed
                .pool
                .begin_for("JOE".parse().unwrap())
                .create_dir(sfs::pool::DirPath { space: "JOE", levels: &["NEW".to_owned()] });
            assert_eq!(matches!(stopped, Err(PoolError::Disabled)), !disabled.is_empty());
        },
    )
    .await;
}
