//! Any sequence of writes, cuts and commits of one file against a list of records, for each way in which files are kept.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use bytes::Bytes;
use common::{Bed, top};
use proptest::prelude::*;
use sfs::pool::{Token, WorkUnit};
use sfs::types::{Attributes, Intent, RecordFormat};

#[derive(Debug, Clone)]
enum Step {
    /// Records of these lengths (RECFM V) at this place.
    Write {
        at: u32,
        lengths: Vec<usize>,
        together: bool,
    },
    Truncate {
        keep: u32,
    },
    Commit,
    Rollback,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u32..14, prop::collection::vec(prop_oneof![0usize..4, 0usize..3000], 1..4), any::<bool>())
            .prop_map(|(at, lengths, together)| Step::Write { at, lengths, together }),
        1 => (0u32..14).prop_map(|keep| Step::Truncate { keep }),
        2 => Just(Step::Commit),
        1 => Just(Step::Rollback),
    ]
}

fn open(unit: &WorkUnit, attributes: Attributes) -> Token {
    common::open(unit, top("JOE"), "A FILE", Intent::Write, attributes).unwrap()
}

/// The image that these records have.
fn image(records: &[Vec<u8>], recfm: RecordFormat) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        if recfm == RecordFormat::Variable {
            out.extend_from_slice(&u16::try_from(record.len()).unwrap().to_be_bytes());
        }
        out.extend_from_slice(record);
    }
    out
}

/// What the documented rules make of a write.
fn write(model: &mut Vec<Vec<u8>>, at: usize, records: &[Vec<u8>], attributes: Attributes) {
    let blank = match attributes.recfm {
        RecordFormat::Fixed => vec![0; attributes.lrecl as usize],
        RecordFormat::Variable => Vec::new(),
    };
    while model.len() < at - 1 {
        model.push(blank.clone());
    }
    let end = at - 1 + records.len();
    let same = end <= model.len() && records.iter().zip(&model[at - 1..]).all(|(a, b)| a.len() == b.len());
    if attributes.recfm == RecordFormat::Variable && !same {
        model.truncate(at - 1);
    }
    model.resize(model.len().max(end), Vec::new());
    model[at - 1..end].clone_from_slice(records);
}

fn run(attributes: Attributes, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bed = Bed::new().await;
        let unit = bed.pool.begin();
        let mut committed: Vec<Vec<u8>> = vec![vec![b'0'; attributes.lrecl.max(1) as usize]];
        let token = open(&unit, attributes);
        unit.write(token, &Bytes::from(committed[0].clone()), 1).unwrap();
        unit.commit().await.unwrap();
        let mut model = committed.clone();
        let mut token = open(&unit, attributes);
        for (serial, step) in steps.iter().enumerate() {
            match step {
                Step::Write { at, lengths, together } => {
                    let len = |l: &usize| match attributes.recfm {
                        RecordFormat::Fixed => attributes.lrecl as usize,
                        RecordFormat::Variable => *l,
                    };
                    let records: Vec<Vec<u8>> =
                        lengths.iter().map(|l| vec![serial as u8 + 1; len(l)]).collect();
                    unit.point(token, None, Some(*at)).unwrap();
                    if *together && records.len() > 1 {
                        let all = image(&records, attributes.recfm);
                        unit.write(token, &Bytes::from(all), records.len() as u32).unwrap();
                        write(&mut model, *at as usize, &records, attributes);
                    } else {
                        for (i, record) in records.iter().enumerate() {
                            unit.write(token, &Bytes::from(record.clone()), 1).unwrap();
                            write(&mut model, *at as usize + i, std::slice::from_ref(record), attributes);
                        }
                    }
                }
                Step::Truncate { keep } => {
                    let fits = *keep as usize <= model.len();
                    assert_eq!(unit.truncate(token, *keep).is_ok(), fits);
                    if fits {
                        model.truncate(*keep as usize);
                    }
                }
                Step::Commit => {
                    unit.commit().await.unwrap();
                    committed.clone_from(&model);
                    token = open(&unit, attributes);
                }
                Step::Rollback => {
                    unit.rollback();
                    model.clone_from(&committed);
                    token = open(&unit, attributes);
                }
            }
            let expect = image(&model, attributes.recfm);
            assert_eq!(unit.open_status(token).unwrap().records as usize, model.len());
            assert_eq!(unit.read_image(token, 0, 1 << 20).unwrap(), expect);
            for (n, record) in model.iter().enumerate() {
                unit.point(token, Some(n as u32 + 1), None).unwrap();
                assert_eq!(unit.read(token, 1, 1 << 20).unwrap().data, record);
            }
        }
        bed.sound();
        let bed = bed.reopen().await;
        let unit = bed.pool.begin();
        let token = common::open(&unit, top("JOE"), "A FILE", Intent::Read, attributes).unwrap();
        assert_eq!(unit.read_image(token, 0, 1 << 20).unwrap(), image(&committed, attributes.recfm));
        bed.sound();
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn variable_records(steps in prop::collection::vec(step(), 1..25)) {
        run(Attributes::variable(), &steps);
    }

    #[test]
    fn short_fixed_records_kept_three_to_a_row(steps in prop::collection::vec(step(), 1..25)) {
        run(Attributes::fixed(1024), &steps);
    }

    #[test]
    fn short_fixed_records_kept_six_to_a_row(steps in prop::collection::vec(step(), 1..25)) {
        run(Attributes::fixed(600), &steps);
    }

    #[test]
    fn long_fixed_records_kept_as_an_image(steps in prop::collection::vec(step(), 1..25)) {
        run(Attributes::fixed(1025), &steps);
    }
}
