//! The spool engine through its public edge: durability, limits, recovery on a faulty disk.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::*;
use dasd::{Dasd, Faults, FaultyDasd};
use proptest::prelude::*;
use spool::{Disposition, Queue, Spool, SpoolError, SpoolFile, StartKind, UnitRecord};

/// How long something that must happen is waited for before the test calls it missing. No answer depends on it.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

#[tokio::test]
async fn a_closed_file_is_there_after_a_crash_octet_for_octet() {
    let disk = fresh();
    let cp = cp_with(&warm(&disk));
    let smtp = guest(&cp, "SMTP");
    let wide = vec![0xC1; 65_535];
    let records: Vec<&[u8]> = vec![b"", b"with blanks  \x40\x40", &wide, b"last"];
    let sent = send(&smtp, "IMAP", &records).await.unwrap();
    assert_eq!((sent.records, sent.record_size, sent.origin), (4, 65_535, user("SMTP")));
    // Nothing was written behind the back of the close: the disks as they are durable have it.
    let cp = cp_with(&warm(&disk.restart(|| 0)));
    let imap = UnitRecord::of(&guest(&cp, "IMAP")).unwrap();
    let found = imap.reader_files();
    assert_eq!(*found[0], *sent);
    let read = read_all(&imap, sent.id).await;
    assert_eq!(read.iter().map(|r| &r.data[..]).collect::<Vec<_>>(), records);
    assert!(read.iter().all(|r| r.op == 0x01));
}

#[tokio::test]
async fn long_files_go_to_the_volume_and_come_back() {
    let disk = fresh();
    let cp = cp_with(&warm(&disk));
    let smtp = guest(&cp, "SMTP");
    let line = [0x81u8; 1000];
    let many: Vec<&[u8]> = (0..700).map(|_| &line[..]).collect();
    let sent = send(&smtp, "IMAP", &many).await.unwrap();
    let disk = disk.restart(|| 0);
    let cp = cp_with(&warm(&disk));
    let imap = UnitRecord::of(&guest(&cp, "IMAP")).unwrap();
    assert_eq!(read_all(&imap, sent.id).await.len(), 700);
    let reader = imap.open_file(sent.id).await.unwrap();
    reader.close(Disposition::Purge).await.unwrap();
    assert!(imap.reader_files().is_empty());
    assert!(warm(&disk.restart(|| 0)).files(user("IMAP"), Queue::Reader).is_empty());
}

#[tokio::test]
async fn one_octet_too_long_and_one_file_too_many() {
    let cp = cp_with(&warm(&fresh()));
    let smtp = guest(&cp, "SMTP");
    let ur = UnitRecord::of(&smtp).unwrap();
    let mut out = ur.output(spool::DeviceType::Punch, spool::OutputAttributes::default()).unwrap();
    assert_eq!(out.write(&vec![0; 65_536]).await, Err(SpoolError::TooLong { len: 65_536, max: 65_535 }));
    out.write(&vec![0; 65_535]).await.unwrap();
    assert_eq!(ur.punch(&[0x40; 81]).await, Err(SpoolError::TooLong { len: 81, max: 80 }));
    ur.punch(&[0x40; 80]).await.unwrap();
    assert_eq!(ur.print(0x09, &[0x40; 133]).await, Err(SpoolError::TooLong { len: 133, max: 132 }));
    assert!(ur.tag(spool::unit_record::PUNCH, &"x".repeat(137)).is_err());
    ur.tag(spool::unit_record::PUNCH, &"x".repeat(136)).unwrap();
    send(&smtp, "FEW", &[b"1"]).await.unwrap();
    send(&smtp, "FEW", &[b"2"]).await.unwrap();
    assert_eq!(send(&smtp, "FEW", &[b"3"]).await.unwrap_err(), SpoolError::TooMany(user("FEW")));
    assert_eq!(send(&smtp, "NOBODY", &[b"3"]).await.unwrap_err(), SpoolError::NoUser(user("NOBODY")));
}

#[tokio::test]
async fn a_full_spool_says_so_and_loses_nothing() {
    let disk = fresh();
    let spool = warm(&disk);
    let cp = cp_with(&spool);
    let smtp = guest(&cp, "SMTP");
    let line = [0x81u8; 60_000];
    let mut sent = Vec::new();
    let error = loop {
        match send(&smtp, "IMAP", &[&line, &line]).await {
            Ok(file) => sent.push(file),
            Err(error) => break error,
        }
    };
    assert_eq!(error, SpoolError::Full);
    assert_eq!(sent.len(), (4 << 20) / 120_006);
    let imap = UnitRecord::of(&guest(&cp, "IMAP")).unwrap();
    assert_eq!(imap.reader_files().len(), sent.len());
    assert_eq!(spool.purge(&sent[..1]).await, Ok(1));
    send(&smtp, "IMAP", &[&line, &line]).await.unwrap();
    // The same from the disk itself.
    disk.set_faults(Faults { capacity: Some(0), ..Faults::default() });
    spool.purge(&sent[1..3]).await.ok();
    let mut refused = None;
    for _ in 0..40 {
        if let Err(error) = send(&smtp, "IMAP", &[b"small"]).await {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused, Some(SpoolError::Full));
    disk.set_faults(Faults::default());
    send(&smtp, "IMAP", &[b"small"]).await.unwrap();
}

#[tokio::test]
async fn ids_go_round_and_unique_ids_never_repeat() {
    let disk = fresh();
    let mut seen = Vec::new();
    for round in 0..3 {
        let spool = warm(&disk);
        let cp = cp_with(&spool);
        let smtp = guest(&cp, "SMTP");
        for _ in 0..40 {
            let file = send(&smtp, "IMAP", &[&[0x81; 3000]]).await.unwrap();
            assert!(!seen.contains(&file.unique), "round {round}");
            seen.push(file.unique);
            spool.purge(&[file]).await.unwrap();
        }
        let cleaner = spool.clone();
        tokio::task::spawn_blocking(move || cleaner.clean()).await.unwrap().unwrap();
        drop((cp, smtp));
        spool.stop();
    }
    assert!(disk.list().unwrap().len() < 12, "{:?}", disk.list().unwrap());
}

#[tokio::test]
async fn cleaning_keeps_what_is_alive() {
    let disk = fresh();
    let spool = warm(&disk);
    let cp = cp_with(&spool);
    let smtp = guest(&cp, "SMTP");
    let mut kept = Vec::new();
    for n in 0..120u8 {
        let file = send(&smtp, "IMAP", &[&[n; 3000], b"end"]).await.unwrap();
        if n % 10 == 0 { kept.push((n, file)) } else { assert_eq!(spool.purge(&[file]).await, Ok(1)) }
    }
    let before = disk.list().unwrap().iter().filter(|n| n.starts_with("SPLOG")).count();
    let imap = UnitRecord::of(&guest(&cp, "IMAP")).unwrap();
    let mut open = imap.open_file(kept[0].1.id).await.unwrap();
    let cleaner = spool.clone();
    tokio::task::spawn_blocking(move || cleaner.clean()).await.unwrap().unwrap();
    assert_eq!(open.next().await.unwrap().unwrap().data[..], [0; 3000], "an open file outlives its segment");
    drop(open);
    let after = disk.list().unwrap().iter().filter(|n| n.starts_with("SPLOG")).count();
    assert!(after < before, "{after} of {before} segments");
    spool.stop();
    for how in ["stop", "crash"] {
        let disk = if how == "crash" { disk.restart(|| 0) } else { disk.clone() };
        let again = warm(&disk);
        let cp = cp_with(&again);
        let imap = UnitRecord::of(&guest(&cp, "IMAP")).unwrap();
        assert_eq!(imap.reader_files().len(), kept.len(), "after a {how}");
        for (n, file) in &kept {
            let records = read_all(&imap, file.id).await;
            assert_eq!(records[0].data[..], [*n; 3000]);
        }
        again.stop();
    }
}

#[tokio::test]
async fn cold_deletes_and_force_leaves_out_what_is_damaged() {
    let disk = fresh();
    let cp = cp_with(&warm(&disk));
    let smtp = guest(&cp, "SMTP");
    let long = [0x81u8; 60_000];
    let bad = send(&smtp, "IMAP", &[&long, &long]).await.unwrap();
    let good = send(&smtp, "IMAP", &[b"good"]).await.unwrap();
    assert!(
        disk.flip_bit("SPVOL0000000000", 9000, 1) || {
            let name = disk.list().unwrap().into_iter().find(|n| n.starts_with("SPVOL")).unwrap();
            disk.flip_bit(&name, 9000, 1)
        }
    );
    let imap = UnitRecord::of(&guest(&cp, "IMAP")).unwrap();
    let mut open = imap.open_file(bad.id).await.unwrap();
    assert_eq!(open.next().await.unwrap_err(), SpoolError::Damaged(bad.id));
    drop(open);
    let disk = disk.restart(|| 0);
    let start = |kind| Spool::start(Arc::new(disk.clone()), &config(), kind, clock()).unwrap();
    let report = std::thread::scope(|s| s.spawn(|| start(StartKind::Force).1).join().unwrap());
    assert_eq!((report.files, report.lost.len()), (1, 1));
    let (spool, report) = start(StartKind::Warm);
    assert_eq!(report.files, 1);
    assert_eq!(spool.files(user("IMAP"), Queue::Reader)[0].key(), good.key());
    spool.stop();
    let report = std::thread::scope(|s| s.spawn(|| start(StartKind::Cold).1).join().unwrap());
    assert_eq!((report.files, report.deleted), (0, 1));
    assert_eq!(report.messages()[0], "HCPWRS2513I Total files to be deleted 1");
    assert_eq!(start(StartKind::Warm).1.files, 0);
}

#[tokio::test]
async fn concurrent_closes_share_syncs() {
    let disk = fresh();
    let cp = cp_with(&warm(&disk));
    let smtp = guest(&cp, "SMTP");
    let before = disk.syncs();
    let sends: Vec<_> = (0..100)
        .map(|_| {
            let smtp = smtp.clone();
            tokio::spawn(async move { send(&smtp, "IMAP", &[b"a short mail"]).await.unwrap().id })
        })
        .collect();
    let mut ids = Vec::new();
    for send in sends {
        ids.push(send.await.unwrap());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 100, "every file has a number of its own");
    // Each segment that is begun costs a sync besides those of the batches.
    assert!(disk.syncs() - before < 60, "{} syncs for 100 files", disk.syncs() - before);
}

#[tokio::test]
async fn a_failed_sync_announces_nothing_and_a_restart_has_the_rest() {
    let disk = fresh();
    let cp = cp_with(&warm(&disk));
    let smtp = guest(&cp, "SMTP");
    let first = send(&smtp, "IMAP", &[b"first"]).await.unwrap();
    disk.set_faults(Faults { fail_sync: Some(0), ..Faults::default() });
    for _ in 0..2 {
        assert!(matches!(send(&smtp, "IMAP", &[b"second"]).await, Err(SpoolError::Offline(_))));
    }
    let imap = guest(&cp, "IMAP");
    let ur = UnitRecord::of(&imap).unwrap();
    assert_eq!(ur.reader_files().len(), 1);
    assert_eq!(read_all(&ur, first.id).await.len(), 1, "what is there can be read");
    let (rc, lines) = answer(&imap, "PURGE RDR ALL").await;
    assert!(rc == 431 && lines[0].starts_with("HCPCSP431E Spool is offline; "), "{lines:?}");
    let found = warm(&disk.restart(|| 0)).files(user("IMAP"), Queue::Reader);
    assert_eq!(found[0].key(), first.key());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_away_leaves_nothing_behind() {
    let disk = fresh();
    let spool = warm(&disk);
    let cp = cp_with(&spool);
    let (few, imap) = (guest(&cp, "FEW"), guest(&cp, "IMAP"));
    for n in 0..60 {
        let few = few.clone();
        let work = tokio::spawn(async move {
            let line = [0x81u8; 60_000];
            let records: Vec<&[u8]> = (0..6).map(|_| &line[..]).collect();
            send(&few, "IMAP", &records).await.map(|_| ())
        });
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
        work.abort();
        // Whether it came in time or not, what came is whole.
        let _aborted = work.await;
    }
    // The number of files FEW may have open is two: all those that were broken off have given theirs back.
    let ur = UnitRecord::of(&few).unwrap();
    let open = || ur.output(spool::DeviceType::Punch, spool::OutputAttributes::default());
    let (one, two) = (open().unwrap(), open().unwrap());
    assert!(open().is_err());
    drop((one, two));
    let files = spool.files(user("IMAP"), Queue::Reader);
    let reader = UnitRecord::of(&imap).unwrap();
    for file in &files {
        assert_eq!(read_all(&reader, file.id).await.len(), 6);
    }
    spool.purge(&files).await.unwrap();
    // All of the room is there again. What was broken off may still be on its way to the disk, as a chunk or as a whole
    // file: it takes its part of the room until it has come.
    let all_back = async {
        let big = vec![0x81u8; 65_000];
        let records: Vec<&[u8]> = (0..64).map(|_| &big[..]).collect();
        while let Err(error) = send(&few, "IMAP", &records).await {
            assert_eq!(error, SpoolError::Full);
            spool.purge(&spool.files(user("IMAP"), Queue::Reader)).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, all_back).await.expect("the room of what was broken off is given back");
}

#[tokio::test]
async fn racing_changes_of_one_file_have_one_winner() {
    let spool = warm(&fresh());
    let cp = cp_with(&spool);
    let smtp = guest(&cp, "SMTP");
    for _ in 0..50 {
        let file = send(&smtp, "IMAP", &[b"x"]).await.unwrap();
        let purge = tokio::spawn({
            let (spool, file) = (spool.clone(), file.clone());
            async move { spool.purge(&[file]).await.unwrap() }
        });
        let moved = spool.transfer(&file, user("IMAP"), user("FRED"), Queue::Reader).await.is_ok();
        let purged = purge.await.unwrap() == 1;
        assert!(moved != purged, "one of them");
        let left =
            spool.files(user("FRED"), Queue::Reader).len() + spool.files(user("IMAP"), Queue::Reader).len();
        assert_eq!(
            left,
            usize::from(!purged),
            "a file that was purged is nowhere, any other is in one place"
        );
        spool.purge(&spool.files(user("FRED"), Queue::Reader)).await.unwrap();
    }
}

/// One step of a user who keeps a book of what was acknowledged.
#[derive(Debug, Clone)]
enum Step {
    Send(usize),
    Purge(usize),
    Transfer(usize),
    Hold(usize),
    Clean,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0usize..200_000).prop_map(Step::Send),
        2 => (0usize..40).prop_map(Step::Purge),
        2 => (0usize..40).prop_map(Step::Transfer),
        1 => (0usize..40).prop_map(Step::Hold),
        1 => Just(Step::Clean),
    ];
    prop::collection::vec(step, 1..40)
}

type Book = HashMap<u64, SpoolFile>;

/// Does the steps until one fails; what was acknowledged, and what the failed step may or may not have done.
async fn work(disk: &FaultyDasd, steps: &[Step]) -> (Book, Option<u64>) {
    let spool = warm(disk);
    let cp = cp_with(&spool);
    let smtp = guest(&cp, "SMTP");
    let mut book = Book::new();
    let pick = |book: &Book, n: usize| {
        let mut all: Vec<_> = book.values().cloned().collect();
        all.sort_by_key(|f| f.unique);
        (!all.is_empty()).then(|| all[n % all.len()].clone())
    };
    for step in steps {
        let (done, touched) = match step {
            Step::Send(len) => {
                let data = vec![(len % 251) as u8; *len];
                let records: Vec<&[u8]> = data.chunks(50_000).collect();
                let next = book.keys().max().copied().unwrap_or(0);
                match send(&smtp, if len % 2 == 0 { "IMAP" } else { "FRED" }, &records).await {
                    Ok(file) => {
                        book.insert(file.unique.0, (*file).clone());
                        (Ok(()), 0)
                    }
                    Err(error) => (Err(error), next + 1_000_000),
                }
            }
            Step::Purge(n) => {
                let Some(file) = pick(&book, *n) else { continue };
                let done = spool.purge(&[Arc::new(file.clone())]).await;
                if done == Ok(1) {
                    book.remove(&file.unique.0);
                }
                (done.map(|_| ()), file.unique.0)
            }
            Step::Transfer(n) => {
                let Some(file) = pick(&book, *n) else { continue };
                match spool.transfer(&Arc::new(file.clone()), file.owner, user("SMITH"), Queue::Reader).await
                {
                    Ok(file) => {
                        book.insert(file.unique.0, (*file).clone());
                        (Ok(()), 0)
                    }
                    Err(error) => (Err(error), file.unique.0),
                }
            }
            Step::Hold(n) => {
                let Some(file) = pick(&book, *n) else { continue };
                let done = spool.change(&[Arc::new(file.clone())], |f| f.hold.user = !f.hold.user).await;
                if done == Ok(1) {
                    let now = spool.file(file.owner, file.id).unwrap();
                    book.insert(file.unique.0, (*now).clone());
                }
                (done.map(|_| ()), file.unique.0)
            }
            Step::Clean => {
                let cleaner = spool.clone();
                (tokio::task::spawn_blocking(move || cleaner.clean()).await.unwrap(), 0)
            }
        };
        match done {
            Ok(()) | Err(SpoolError::Full) => {}
            Err(_) => return (book, Some(touched)),
        }
    }
    (book, None)
}

fn attributes(file: &SpoolFile) -> impl PartialEq + std::fmt::Debug {
    (
        file.key(),
        file.queue,
        file.origin,
        file.hold,
        file.records,
        file.octets,
        file.tag.clone(),
        file.name.clone(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_crash_loses_nothing_that_was_acknowledged(steps in steps(), crash in 0u64..120, seed in any::<u32>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let disk = fresh();
        disk.set_faults(Faults { crash_at_write: Some(crash), ..Faults::default() });
        let (book, doubtful) = runtime.block_on(work(&disk, &steps));
        let mut random = seed;
        let disk = disk.restart(|| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            random
        });
        let spool = warm(&disk);
        let mut found = Book::new();
        for file in spool.all_files(Queue::Reader) {
            found.insert(file.unique.0, (*file).clone());
        }
        for (unique, file) in &book {
            if doubtful != Some(*unique) {
                let now = found.get(unique).ok_or_else(|| TestCaseError::fail(format!("{unique} was lost")))?;
                prop_assert_eq!(attributes(now), attributes(file));
            }
        }
        // At most what the step that failed would have made is there besides.
        let surplus = found.keys().filter(|unique| !book.contains_key(unique)).count();
        prop_assert!(surplus <= usize::from(doubtful.is_some()), "{} files too many", surplus);
        let cp = cp_with(&spool);
        runtime.block_on(async {
            for file in found.values().filter(|f| !f.hold.is_held()) {
                let ur = UnitRecord::of(&guest(&cp, file.owner.as_str())).unwrap();
                let octets: usize = read_all(&ur, file.id).await.iter().map(|r| r.data.len() + 3).sum();
                assert_eq!(octets as u64, file.octets);
            }
        });
    }
}
