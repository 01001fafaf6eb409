//! HMAC-MD5 from a saved state, which is what a CRAM-MD5 verifier is.
//!
//! CRAM-MD5 (RFC 2195) lets a server keep, instead of the password, the MD5 state after the inner and the outer
//! key block of HMAC (RFC 2104). Hash libraries do not give their state away, so the compression function of
//! RFC 1321 is here. It serves this one purpose; nothing else may use MD5.

/// The four words of an MD5 state.
pub(super) type State = [u32; 4];

/// The state before any block (RFC 1321 section 3.3).
const INITIAL: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
/// Octets of one MD5 block.
const BLOCK: usize = 64;
/// Rotations of the four rounds (RFC 1321 section 3.4).
const ROTATE: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The sine table of RFC 1321 section 3.4: `floor(2^32 * abs(sin(i + 1)))`.
fn sine(i: usize) -> u32 {
    // The product is below 2^32, and the cast cuts the fraction off, which is the definition.
    let step = f64::from(u32::try_from(i + 1).unwrap_or(u32::MAX));
    (step.sin().abs() * 4_294_967_296.0) as u32
}

fn compress(state: &mut State, block: &[u8; BLOCK]) {
    let mut words = [0u32; 16];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let [mut a, mut b, mut c, mut d] = *state;
    for i in 0..64 {
        let (mix, word) = match i / 16 {
            0 => ((b & c) | (!b & d), i),
            1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
            2 => (b ^ c ^ d, (3 * i + 5) % 16),
            _ => (c ^ (b | !d), (7 * i) % 16),
        };
        let sum = a.wrapping_add(mix).wrapping_add(sine(i)).wrapping_add(words[word]);
        (a, d, c) = (d, c, b);
        b = b.wrapping_add(sum.rotate_left(ROTATE[i / 16][i % 4]));
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d]) {
        *old = old.wrapping_add(new);
    }
}

/// Goes on from `state`, reached after one block, over `message` to the digest.
fn finish(mut state: State, message: &[u8]) -> [u8; 16] {
    let mut blocks = message.chunks_exact(BLOCK);
    for block in &mut blocks {
        let block: &[u8; BLOCK] = block.try_into().expect("chunks_exact gives whole blocks");
        compress(&mut state, block);
    }
    let rest = blocks.remainder();
    let mut tail = [0u8; 2 * BLOCK];
    tail[..rest.len()].copy_from_slice(rest);
    tail[rest.len()] = 0x80;
    let used = if rest.len() < BLOCK - 8 { BLOCK } else { 2 * BLOCK };
    let bits = ((BLOCK + message.len()) as u64).wrapping_mul(8);
    tail[used - 8..used].copy_from_slice(&bits.to_le_bytes());
    for block in tail[..used].chunks_exact(BLOCK) {
        let block: &[u8; BLOCK] = block.try_into().expect("chunks_exact gives whole blocks");
        compress(&mut state, block);
    }
    let mut digest = [0u8; 16];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

fn plain_digest(message: &[u8]) -> [u8; 16] {
    // A digest is a finish that has not seen a block yet; the length must then not count one.
    let mut state = INITIAL;
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(BLOCK), 0);
    if message.len() % BLOCK >= BLOCK - 8 {
        padded.resize(padded.len() + BLOCK, 0);
    }
    let end = padded.len();
    padded[end - 8..].copy_from_slice(&((message.len() as u64) * 8).to_le_bytes());
    for block in padded.chunks_exact(BLOCK) {
        let block: &[u8; BLOCK] = block.try_into().expect("chunks_exact gives whole blocks");
        compress(&mut state, block);
    }
    let mut digest = [0u8; 16];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

/// The inner and outer states of HMAC-MD5 under `key` (RFC 2104 section 4).
pub(super) fn hmac_states(key: &[u8]) -> (State, State) {
    let mut block = [0u8; BLOCK];
    if key.len() > BLOCK {
        block[..16].copy_from_slice(&plain_digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let (mut inner, mut outer) = (INITIAL, INITIAL);
    compress(&mut inner, &block.map(|b| b ^ 0x36));
    compress(&mut outer, &block.map(|b| b ^ 0x5c));
    (inner, outer)
}

/// HMAC-MD5 of `message` from the saved states.
pub(super) fn hmac_from_states(inner: State, outer: State, message: &[u8]) -> [u8; 16] {
    finish(outer, &finish(inner, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, Mac};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_library(key in prop::collection::vec(any::<u8>(), 0..200),
                                 message in prop::collection::vec(any::<u8>(), 0..300)) {
            let (inner, outer) = hmac_states(&key);
            let mut library = Hmac::<md5::Md5>::new_from_slice(&key).unwrap();
            library.update(&message);
            prop_assert_eq!(&hmac_from_states(inner, outer, &message)[..], &library.finalize().into_bytes()[..]);
        }
    }
}
