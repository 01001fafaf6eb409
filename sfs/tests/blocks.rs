//! Files as data blocks: DMSOPDBK, DMSRDDBK, DMSWRDBK and DMSCLDBK.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use bytes::Bytes;
use common::system::{System, WU, get, pool_id, put, reason, user};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sfs::csl::*;

const NO: CommitOption = CommitOption::NoCommit;
const BLOCK: usize = BLKSIZE as usize;

async fn open_new(csl: &Csl, name: &str, options: OpenOptions) -> Token {
    let file = csl.fileid(name).unwrap();
    csl.dmsopdbk(&file, &BlockOpen::new(options), WU).await.unwrap().token
}

/// A RECFM V image.
fn variable(lengths: &[usize]) -> Vec<u8> {
    let mut image = Vec::new();
    for (n, length) in lengths.iter().enumerate() {
        image.extend_from_slice(&u16::try_from(*length).unwrap().to_be_bytes());
        image.extend((0..*length).map(|i| (n * 31 + i) as u8));
    }
    image
}

/// Does a routine at once, or as an asynchronous request.
async fn perform<T, F>(csl: &Csl, later: bool, routine: impl FnOnce(Csl) -> F) -> Result<T, CslError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, CslError>> + Send + 'static,
{
    if !later {
        return routine(csl.clone()).await;
    }
    let mut request = csl.request(routine);
    match csl.dmscheck(&mut request, CheckWait::Wait).await? {
        Checked::Done(result) => result,
        Checked::InProgress => panic!("WAIT returned early"),
    }
}

async fn records(csl: &Csl, name: &str) -> (FileStatus, Vec<Bytes>) {
    let file = csl.fileid(name).unwrap();
    let open = csl.dmsopen(&file, Intent::Read, &OpenOptions::variable(), WU).await.unwrap();
    let mut all = Vec::new();
    loop {
        match csl.dmsread(open.token, 1, 1 << 20).await {
            Ok(out) => all.push(out.data),
            Err(error) => {
                assert_eq!(error.reason, ReasonCode::EndOfFile);
                break;
            }
        }
    }
    csl.dmsclose(open.token, NO).await.unwrap();
    (open.status, all)
}

/// Reads blocks of one file and writes them to another: so many at once, some again, a part of the calls as asynchronous requests.
async fn copy(csl: &Csl, from: &str, to: &str, steps: &[(usize, bool, bool)]) -> Result<(), CslError> {
    let source = csl.dmsopdbk(&csl.fileid(from)?, &BlockOpen::read(), WU).await?;
    let attributes =
        Attributes { recfm: source.status.recfm, lrecl: source.status.lrecl, ..Attributes::variable() };
    let options = OpenOptions { attributes, ..OpenOptions::default() };
    let open = BlockOpen::replace(options).numrecs(source.status.records);
    let file = csl.fileid(to)?;
    let target =
        perform(csl, steps[0].1, |csl| async move { csl.dmsopdbk(&file, &open, WU).await }).await?.token;
    let blocks = source.status.bytes.div_ceil(u64::from(source.blksize));
    let mut at = 0;
    for (count, later, again) in steps.iter().cycle() {
        if at == blocks {
            break;
        }
        let token = source.token;
        let (offset, length) = (at * u64::from(source.blksize), count * BLOCK);
        let read = move |csl: Csl| async move { csl.dmsrddbk(token, offset, length).await };
        let data = perform(csl, *later, read).await?;
        if *again {
            csl.dmswrdbk(target, at, Bytes::from(vec![0xff; data.len()])).await?;
        }
        let written = data.len().div_ceil(BLOCK) as u64;
        perform(csl, *later, move |csl| async move { csl.dmswrdbk(target, at, data).await }).await?;
        at += written;
    }
    csl.dmscldbk(source.token, NO).await?;
    perform(csl, steps[0].2, move |csl| async move { csl.dmscldbk(target, NO).await }).await?;
    Ok(())
}

fn file() -> impl Strategy<Value = (Option<u32>, Vec<usize>)> {
    prop_oneof![
        (1u32..3000, 1usize..40).prop_map(|(lrecl, n)| (Some(lrecl), vec![lrecl as usize; n])),
        prop::collection::vec(prop_oneof![0usize..200, 4000usize..4200, 0usize..65_536], 1..12)
            .prop_map(|lengths| (None, lengths)),
    ]
}

#[test]
fn what_is_read_and_written_by_blocks_is_the_same_file() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let system = runtime.block_on(System::with(common::roomy()));
    let joe = system.csl("JOE");
    let steps = prop::collection::vec((1usize..5, any::<bool>(), any::<bool>()), 1..6);
    let mut runner = TestRunner::new(Config { cases: 60, ..Config::default() });
    let one = |((lrecl, lengths), steps): ((Option<u32>, Vec<usize>), Vec<_>)| {
        runtime.block_on(async {
            let options = lrecl.map_or(OpenOptions::variable(), OpenOptions::fixed);
            let source = joe.fileid("A FILE .").unwrap();
            let open = joe.dmsopen(&source, Intent::Replace, &options, WU).await.unwrap();
            for (n, length) in lengths.iter().enumerate() {
                let record: Vec<u8> = (0..*length).map(|i| (n * 7 + i) as u8).collect();
                joe.dmswrite(open.token, 1, record.into(), NO).await.unwrap();
            }
            joe.dmsclose(open.token, NO).await.unwrap();
            copy(&joe, "A FILE .", "B FILE .", &steps).await.unwrap();
            joe.dmscomm(WU).await.unwrap();
            let (a, b) = (records(&joe, "A FILE .").await, records(&joe, "B FILE .").await);
            prop_assert_eq!(a.1, b.1);
            let told = |s: &FileStatus| (s.recfm, s.lrecl, s.records, s.blocks, s.bytes);
            prop_assert_eq!(told(&a.0), told(&b.0));
            // Records go on to be changed one by one.
            let file = joe.fileid("B FILE .").unwrap();
            let open = joe.dmsopen(&file, Intent::Write, &OpenOptions::variable(), WU).await.unwrap();
            let last = vec![0x5a; lengths[lengths.len() - 1]];
            joe.dmspoint(open.token, None, Some(b.0.records)).await.unwrap();
            joe.dmswrite(open.token, 1, last.clone().into(), NO).await.unwrap();
            joe.dmsclose(open.token, CommitOption::Commit).await.unwrap();
            let changed = records(&joe, "B FILE .").await.1;
            prop_assert_eq!(changed.last().map(|r| r.to_vec()), Some(last));
            Ok::<(), TestCaseError>(())
        })
    };
    runner.run(&(file(), steps), one).unwrap();
    let findings = system.servers[0].pool().check(true).unwrap();
    assert_eq!(findings.problems, Vec::<String>::new());
}

#[tokio::test]
async fn blocks_may_come_in_any_order_that_leaves_no_gap() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let token = open_new(&joe, "A FILE .", OpenOptions::fixed(1000)).await;
    let refused = |block, data: Vec<u8>| {
        let joe = joe.clone();
        async move { reason(joe.dmswrdbk(token, block, data.into()).await) }
    };
    assert_eq!(refused(0, vec![]).await, ReasonCode::BlockLength, "no octets");
    assert_eq!(refused(1, vec![1; BLOCK]).await, ReasonCode::BlockLength, "a gap");
    assert_eq!(refused(u64::MAX, vec![1; BLOCK]).await, ReasonCode::BlockLength, "a number that no file has");
    joe.dmswrdbk(token, 0, vec![1; 2 * BLOCK + 1].into()).await.unwrap();
    assert_eq!(refused(1, vec![1; 1]).await, ReasonCode::BlockLength, "a part of a block in the middle");
    assert_eq!(refused(3, vec![1; 1]).await, ReasonCode::BlockLength, "behind a shorter block");
    joe.dmswrdbk(token, 2, vec![2; 2 * BLOCK].into()).await.unwrap();
    joe.dmswrdbk(token, 3, vec![3; 4].into()).await.unwrap();
    joe.dmswrdbk(token, 1, vec![4; BLOCK].into()).await.unwrap();
    assert_eq!(reason(joe.dmscldbk(token, CommitOption::Commit).await), ReasonCode::BlockData);
    let short = 13_000 - 3 * BLOCK;
    joe.dmswrdbk(token, 3, vec![3; short].into()).await.unwrap();
    assert_eq!(joe.dmsrddbk(token, 3 * BLOCK as u64, BLOCK).await.unwrap(), vec![3; short]);
    let closed = joe.dmscldbk(token, CommitOption::Commit).await.unwrap();
    assert_eq!((closed.status.records, closed.status.bytes), (13, 13_000));
    assert_eq!(reason(joe.dmscldbk(token, NO).await), ReasonCode::NotOpen);
    assert_eq!(reason(joe.dmswrdbk(token, 0, vec![1; BLOCK].into()).await), ReasonCode::NotOpen);
    let image = [vec![1; BLOCK], vec![4; BLOCK], vec![2; BLOCK], vec![3; short]].concat();
    assert_eq!(get(&joe, "A FILE .", WU).await.unwrap(), image);
}

#[tokio::test]
async fn an_open_is_for_blocks_or_for_records() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    put(&joe, "A FILE .", &["one", "two"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    let file = joe.fileid("A FILE .").unwrap();
    let wrong = ReasonCode::WrongIntent;
    let reading = joe.dmsopdbk(&file, &BlockOpen::read(), WU).await.unwrap();
    assert_eq!((reading.blksize, reading.created, reading.status.records), (BLKSIZE, false, 2));
    assert_eq!(reason(joe.dmswrdbk(reading.token, 0, vec![0; BLOCK].into()).await), wrong);
    assert_eq!(reason(joe.dmsread(reading.token, 1, 80).await), wrong);
    let by_record = joe.dmsopen(&file, Intent::Read, &OpenOptions::variable(), WU).await.unwrap();
    assert_eq!(reason(joe.dmsrddbk(by_record.token, 0, BLOCK).await), wrong);
    let replace = BlockOpen::replace(OpenOptions::variable());
    let writing = joe.dmsopdbk(&file, &replace, WU).await.unwrap().token;
    assert_eq!(reason(joe.dmswrite(writing, 1, Bytes::from_static(b"x"), NO).await), wrong);
    assert_eq!(reason(joe.dmspoint(writing, None, Some(1)).await), wrong);
    assert_eq!(reason(joe.dmstrunc(writing, 0).await), wrong);
    // What is half written is no file yet, for its own work unit neither.
    assert_eq!(reason(joe.dmsopdbk(&file, &BlockOpen::read(), WU).await), ReasonCode::FileOpen);
    assert_eq!(reason(joe.dmsopdbk(&file, &replace, WU).await), ReasonCode::FileOpen);
    let copy = joe.fileid("COPY FILE .").unwrap();
    assert_eq!(reason(joe.dmsfilec(&file, &copy, false, NO, WU).await), ReasonCode::FileOpen);
    let other = joe.dmsgetwu().unwrap();
    assert_eq!(get(&joe, "A FILE .", other).await.unwrap(), &b"\0\x03one\0\x03two"[..]);
    assert_eq!(reason(joe.dmsopdbk(&file, &replace, other).await), ReasonCode::Locked);
    let new = BlockOpen::new(OpenOptions::variable());
    assert_eq!(reason(joe.dmsopdbk(&file, &new, other).await), ReasonCode::FileExists);
    let gone = joe.fileid("NO FILE .").unwrap();
    assert_eq!(reason(joe.dmsopdbk(&gone, &BlockOpen::read(), WU).await), ReasonCode::FileNotFound);
    let ann = system.csl("ANN");
    let secret = ann.fileid("NEW FILE JOE.").unwrap();
    assert_eq!(reason(ann.dmsopdbk(&secret, &new, WU).await), ReasonCode::FileNotFound);
}

#[tokio::test]
async fn descriptors_that_do_not_add_up_are_refused() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let good = variable(&[70, 5000, 0, 300]);
    let mut bad = good.clone();
    bad.push(0);
    for image in [&bad[..], &good[..good.len() - 1], &[9, 9]] {
        let token = open_new(&joe, "V FILE .", OpenOptions::variable()).await;
        joe.dmswrdbk(token, 0, Bytes::copy_from_slice(image)).await.unwrap();
        assert_eq!(reason(joe.dmscldbk(token, CommitOption::Commit).await), ReasonCode::BlockData);
        joe.dmsrollb(WU).await.unwrap();
    }
    // A number of records that was announced has to be kept.
    let file = joe.fileid("V FILE .").unwrap();
    let open = BlockOpen::new(OpenOptions::variable());
    for (records, expected) in [(5, Some(ReasonCode::BlockData)), (4, None)] {
        let token = joe.dmsopdbk(&file, &open.numrecs(records), WU).await.unwrap().token;
        joe.dmswrdbk(token, 0, good.clone().into()).await.unwrap();
        match joe.dmscldbk(token, CommitOption::Commit).await {
            Ok(closed) => {
                assert_eq!(expected, None);
                assert_eq!((closed.status.records, closed.status.lrecl), (4, 5000));
            }
            Err(error) => {
                assert_eq!(Some(error.reason), expected);
                joe.dmsrollb(WU).await.unwrap();
            }
        }
    }
    assert_eq!(get(&joe, "V FILE .", WU).await.unwrap(), good);
}

#[tokio::test]
async fn a_commit_of_half_a_record_rolls_back() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    put(&joe, "OTHER FILE .", &["x"], WU).await.unwrap();
    let token = open_new(&joe, "V FILE .", OpenOptions::variable()).await;
    joe.dmswrdbk(token, 0, Bytes::from_static(&[0, 5, 1])).await.unwrap();
    let error = joe.dmscomm(WU).await.unwrap_err();
    assert_eq!((error.rc, error.reason), (ReturnCode::Severe, ReasonCode::BlockData));
    assert_eq!(error.pool, Some(pool_id("MAIL")));
    assert_eq!(reason(joe.dmscldbk(token, NO).await), ReasonCode::NotOpen);
    for name in ["OTHER FILE .", "V FILE ."] {
        assert_eq!(reason(get(&joe, name, WU).await), ReasonCode::FileNotFound);
    }
    // Whole records need no close.
    let token = open_new(&joe, "V FILE .", OpenOptions::variable()).await;
    joe.dmswrdbk(token, 0, Bytes::from_static(&[0, 1, 7])).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    assert_eq!(get(&joe, "V FILE .", WU).await.unwrap(), &[0, 1, 7][..]);
}

#[tokio::test]
async fn a_refused_close_leaves_both_pools_pending() {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    put(&imap, "A FILE USERS:JOE.", &["users"], WU).await.unwrap();
    let token = open_new(&imap, "V FILE MAIL:JOE.", OpenOptions::variable()).await;
    imap.dmswrdbk(token, 0, Bytes::from_static(&[0, 5, 1])).await.unwrap();
    assert_eq!(reason(imap.dmscldbk(token, CommitOption::Commit).await), ReasonCode::BlockData);
    let joe = system.csl("JOE");
    assert_eq!(reason(get(&joe, "A FILE USERS:JOE.", WU).await), ReasonCode::FileNotFound);
    imap.dmswrdbk(token, 0, Bytes::from_static(&[0, 2, 1, 1])).await.unwrap();
    imap.dmscldbk(token, CommitOption::Commit).await.unwrap();
    for name in ["A FILE USERS:JOE.", "V FILE MAIL:JOE."] {
        get(&joe, name, WU).await.unwrap();
    }
}

#[tokio::test]
async fn an_empty_file_stays_only_with_allowempty() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    for (name, options, stays) in [
        ("GONE FILE .", OpenOptions::fixed(80), false),
        ("STAYS FILE .", OpenOptions::fixed(80).allow_empty(), true),
        ("EMPTY FILE .", OpenOptions::variable().allow_empty(), true),
    ] {
        let token = open_new(&joe, name, options).await;
        joe.dmscldbk(token, CommitOption::Commit).await.unwrap();
        let there = joe.dmsexist(&SfsObject::File(joe.fileid(name).unwrap()), WU).await;
        assert_eq!(there.is_ok(), stays, "{name}");
    }
    let bad = joe.fileid("BAD FILE .").unwrap();
    let open = BlockOpen::new(OpenOptions::fixed(0));
    assert_eq!(reason(joe.dmsopdbk(&bad, &open, WU).await), ReasonCode::RecordLength);
}

#[tokio::test]
async fn options_are_those_of_the_file() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let attributes = Attributes {
        mode: ModeNumber::new(6).unwrap(),
        recover: false,
        in_place: true,
        ..Attributes::fixed(512)
    };
    let options = OpenOptions { attributes, ..OpenOptions::default() };
    let token = open_new(&joe, "A FILE .", options).await;
    joe.dmswrdbk(token, 0, vec![7; BLOCK].into()).await.unwrap();
    let status = joe.dmscldbk(token, CommitOption::Commit).await.unwrap().status;
    assert_eq!((status.mode.get(), status.recover, status.in_place), (6, false, true));
    assert_eq!((status.records, status.lrecl, status.recfm), (8, 512, RecordFormat::Fixed));
    // A NORECOVER file keeps what was closed over a rollback, and not what is half written.
    let file = joe.fileid("A FILE .").unwrap();
    for (length, kept) in [(512, 1), (100, 1)] {
        let token = joe.dmsopdbk(&file, &BlockOpen::replace(options), WU).await.unwrap().token;
        joe.dmswrdbk(token, 0, vec![8; length].into()).await.unwrap();
        if length == 512 {
            joe.dmscldbk(token, NO).await.unwrap();
        }
        joe.dmsrollb(WU).await.unwrap();
        assert_eq!(records(&joe, "A FILE .").await.0.records, kept);
    }
}

#[tokio::test]
async fn space_is_charged_when_the_blocks_are_committed() {
    let system = System::with(common::roomy()).await;
    let (imap, joe) = (system.csl("IMAP"), system.csl("JOE"));
    imap.modify_user(user("JOE"), pool_id("MAIL"), 8).await.unwrap();
    for (blocks, fits) in [(9, false), (8, true)] {
        let file = joe.fileid("A FILE .").unwrap();
        let open = BlockOpen::replace(OpenOptions::fixed(BLKSIZE));
        let token = joe.dmsopdbk(&file, &open, WU).await.unwrap().token;
        joe.dmswrdbk(token, 0, vec![1; blocks * BLOCK].into()).await.unwrap();
        match joe.dmscldbk(token, CommitOption::Commit).await {
            Ok(closed) => assert_eq!((fits, closed.warnings), (true, vec![ReasonCode::SpaceThreshold])),
            Err(error) => assert_eq!(
                (fits, error.rc, error.reason),
                (false, ReturnCode::Severe, ReasonCode::SpaceLimit)
            ),
        }
    }
    assert_eq!(joe.dmsqlimu(user("JOE"), pool_id("MAIL")).await.unwrap().used, 8);
}

#[tokio::test]
async fn one_call_writes_at_most_16_megabytes_and_a_large_file_goes_to_the_disk() {
    const MOST: usize = 16 << 20;
    let system = System::with(common::roomy()).await;
    let (imap, joe) = (system.csl("IMAP"), system.csl("JOE"));
    imap.modify_user(user("JOE"), pool_id("MAIL"), 100_000).await.unwrap();
    let token = open_new(&joe, "A FILE .", OpenOptions::variable()).await;
    assert_eq!(reason(joe.dmswrdbk(token, 0, vec![0; MOST + 1].into()).await), ReasonCode::LimitExceeded);
    let lengths = vec![1022; MOST / 1024];
    joe.dmswrdbk(token, 0, variable(&lengths).into()).await.unwrap();
    // Looked at when it is on the volume, too: the first block once more.
    joe.dmswrdbk(token, 0, variable(&[1022; 4]).into()).await.unwrap();
    joe.dmswrdbk(token, (MOST / BLOCK) as u64, variable(&[500]).into()).await.unwrap();
    let status = joe.dmscldbk(token, CommitOption::Commit).await.unwrap().status;
    assert_eq!((status.records as usize, status.lrecl), (lengths.len() + 1, 1022));
    assert_eq!(records(&joe, "A FILE .").await.1.len(), lengths.len() + 1);
}
