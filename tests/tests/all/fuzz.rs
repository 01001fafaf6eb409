//! The fuzz targets over their seeds and over mutations of them.

use proptest::prelude::*;
use tests::fuzz::{SEEDS, TARGETS};

/// One change to a seed.
#[derive(Debug, Clone)]
enum Mutation {
    Set(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Double(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, octet)| Mutation::Set(at, octet)),
        any::<usize>().prop_map(Mutation::Cut),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, o)| Mutation::Insert(at, o)),
        (any::<usize>(), 1usize..40).prop_map(|(at, n)| Mutation::Double(at, n)),
    ]
}

fn apply(octets: &mut Vec<u8>, mutation: &Mutation) {
    if octets.is_empty() {
        return;
    }
    let n = octets.len();
    match mutation {
        Mutation::Set(at, octet) => octets[at % n] = *octet,
        Mutation::Cut(at) => octets.truncate(at % n),
        Mutation::Insert(at, more) => {
            let at = at % n;
            octets.splice(at..at, more.iter().copied());
        }
        Mutation::Double(at, count) => {
            let at = at % n;
            let copy = octets[at..(at + count).min(n)].to_vec();
            octets.splice(at..at, copy);
        }
    }
}

#[test]
fn seeds_get_an_answer() {
    for (_, target) in TARGETS {
        for seed in SEEDS {
            target(seed);
        }
        target(b"");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn mutated_seeds_get_an_answer(
        seed in 0..SEEDS.len(),
        mutations in prop::collection::vec(mutation(), 1..8),
    ) {
        let mut octets = SEEDS[seed].to_vec();
        mutations.iter().for_each(|m| apply(&mut octets, m));
        for (_, target) in TARGETS {
            target(&octets);
        }
    }
}
