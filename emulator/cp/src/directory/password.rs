//! Passwords and what is kept of them.
//!
//! A password is prepared by SASLprep (RFC 4013), so that it is the same whatever it was typed on; one that holds what that
//! prohibits stays as it is. Prepared, one of up to eight characters folds to upper case, as on VM; a longer one is a phrase. Of
//! either only verifiers are kept: a salted argon2id hash for whoever shows the password itself, and for the
//! challenge mechanisms, where the client never shows it, the HMAC-MD5 states of CRAM-MD5 (RFC 2195) and the keys of
//! SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677).
//!
//! Verifiers that were made before passwords were prepared count as they are: a password that is shown is tried prepared and then
//! as it came. Their challenge keys become others when the directory is made anew from its source.
//!
//! A client that answers a challenge uses the password as its user typed it and cannot know of the folding. So there
//! are two sets of challenge keys for a short password, upper case and lower case; mixed case works only where the
//! password is shown.
//!
//! Nothing here draws random numbers: salts are arguments ([`Salts`]).

use std::borrow::Cow;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use smallvec::SmallVec;
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::md5;

/// Longest password that folds to upper case, in characters: what a VM directory could hold.
pub const SHORT_PASSWORD: usize = 8;
/// Longest password phrase, in octets; a limit only so that a peer cannot make us hash megabytes.
pub const LONGEST_PASSWORD: usize = 512;
/// Iterations of SCRAM. Source: RFC 7677 section 4, "at least 4096".
pub const SCRAM_ITERATIONS: u32 = 4096;
/// Octets of a salt.
pub const SALT_LEN: usize = 16;
/// argon2id memory in KiB; with the next two the least setting that OWASP recommends.
const ARGON2_MEMORY: u32 = 19 * 1024;
/// argon2id passes.
const ARGON2_PASSES: u32 = 2;
/// argon2id lanes.
const ARGON2_LANES: u32 = 1;
/// The greatest argon2id memory accepted from a directory source, in KiB, lest one entry takes the machine's storage.
const ARGON2_GREATEST_MEMORY: u32 = 1 << 20;
/// The greatest number of passes accepted from a directory source.
const ARGON2_GREATEST_PASSES: u32 = 64;

/// Why a password or a verifier cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// An empty password.
    #[error("a password is missing")]
    Empty,
    /// Longer than [`LONGEST_PASSWORD`].
    #[error("a password is longer than 512 octets")]
    TooLong,
    /// argon2id parameters outside of what can be computed.
    #[error("argon2id parameters are out of range")]
    BadParameters,
}

/// Prepared by SASLprep, as a stored string (RFC 5802 section 2.2), or as it is where that cannot be done or leaves nothing.
fn prepared(password: &str) -> Cow<'_, str> {
    match stringprep::saslprep(password) {
        Ok(prepared) if !prepared.is_empty() => prepared,
        _ => Cow::Borrowed(password),
    }
}

/// What a password that is shown may have been hashed as: prepared, and as it came, when that is another one.
fn readings(password: &str) -> SmallVec<[String; 2]> {
    let mut readings = SmallVec::from_iter([fold_password(&prepared(password)).into_owned()]);
    let raw = fold_password(password);
    if raw != readings[0] {
        readings.push(raw.into_owned());
    }
    readings
}

/// A prepared password as it is compared: up to eight characters upper case, longer ones as they are.
pub fn fold_password(password: &str) -> Cow<'_, str> {
    let short = password.chars().count() <= SHORT_PASSWORD;
    if short && password.chars().any(|c| c.is_ascii_lowercase()) {
        Cow::Owned(password.to_ascii_uppercase())
    } else {
        Cow::Borrowed(password)
    }
}

/// The salts of one verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salts {
    /// For argon2id.
    pub argon2: [u8; SALT_LEN],
    /// For SCRAM-SHA-1.
    pub scram_sha1: [u8; SALT_LEN],
    /// For SCRAM-SHA-256.
    pub scram_sha256: [u8; SALT_LEN],
}

impl Salts {
    /// Draws salts from `random`, which fills what it is given with random octets.
    pub fn draw(random: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut salts = Self { argon2: [0; 16], scram_sha1: [0; 16], scram_sha256: [0; 16] };
        random(&mut salts.argon2);
        random(&mut salts.scram_sha1);
        random(&mut salts.scram_sha256);
        salts
    }
}

/// A salted argon2id hash with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgonHash {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
    /// Salt.
    pub salt: Vec<u8>,
    /// Hash.
    pub hash: Vec<u8>,
}

/// The memory of the last computation, for the next one. Given back each time it would stay with the process many times over:
/// an allocator keeps what is given back, for each thread apart.
static ROOM: Mutex<Option<Vec<Block>>> = Mutex::new(None);

impl ArgonHash {
    /// Hashes `password`, prepared and folded, with the present parameters.
    ///
    /// # Errors
    /// [`PasswordError`] for a password that is empty or too long.
    pub fn derive(password: &str, salt: [u8; SALT_LEN]) -> Result<Self, PasswordError> {
        check(password)?;
        let mut made = Self::unmade(salt);
        made.hash = made.compute(&fold_password(&prepared(password)))?;
        Ok(made)
    }

    fn unmade(salt: [u8; SALT_LEN]) -> Self {
        Self {
            memory: ARGON2_MEMORY,
            passes: ARGON2_PASSES,
            lanes: ARGON2_LANES,
            salt: salt.to_vec(),
            hash: vec![0; 32],
        }
    }

    /// Spends the time that checking a wrong password takes.
    pub(super) fn spend(password: &str) {
        // A password that is refused for its length costs nothing either way.
        if check(password).is_ok() {
            let nobodys = Self::unmade([0; SALT_LEN]);
            readings(password).iter().for_each(|reading| drop(nobodys.compute(reading)));
        }
    }

    /// A hash that was computed elsewhere.
    ///
    /// # Errors
    /// [`PasswordError::BadParameters`] when this system could or would not compute it.
    pub fn from_parts(
        memory: u32,
        passes: u32,
        lanes: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    ) -> Result<Self, PasswordError> {
        let made = Self { memory, passes, lanes, salt, hash };
        let sizes = (8..=64).contains(&made.salt.len()) && (16..=64).contains(&made.hash.len());
        let cost = memory <= ARGON2_GREATEST_MEMORY && passes <= ARGON2_GREATEST_PASSES;
        if !sizes || !cost || made.params().is_none() {
            return Err(PasswordError::BadParameters);
        }
        Ok(made)
    }

    fn params(&self) -> Option<Params> {
        Params::new(self.memory, self.passes, self.lanes, Some(self.hash.len())).ok()
    }

    /// The hash of a password as it is compared.
    fn compute(&self, reading: &str) -> Result<Vec<u8>, PasswordError> {
        let params = self.params().ok_or(PasswordError::BadParameters)?;
        let mut hash = vec![0; self.hash.len()];
        let mut room = ROOM.lock().take().unwrap_or_default();
        let blocks = params.block_count();
        if room.len() < blocks {
            room = vec![Block::default(); blocks];
        }
        let done = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
            reading.as_bytes(),
            &self.salt,
            &mut hash,
            &mut room[..blocks],
        );
        if room.len() <= ARGON2_MEMORY as usize {
            *ROOM.lock() = Some(room);
        }
        done.map_err(|_| PasswordError::BadParameters)?;
        Ok(hash)
    }

    /// Whether `password` is the one that was hashed. Costs tens of milliseconds and 19 MiB, twice that for one that SASLprep changes:
    /// call it where that holds nobody up. The comparison takes the same time whatever differs.
    pub fn verify(&self, password: &str) -> bool {
        let is_it = |reading: &String| self.compute(reading).is_ok_and(|hash| hash.ct_eq(&self.hash).into());
        check(password).is_ok() && readings(password).iter().any(is_it)
    }

    /// The hash in the PHC string form, `$argon2id$v=19$m=...,t=...,p=...$salt$hash`.
    pub fn to_phc(&self) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as B64};
        let Self { memory, passes, lanes, .. } = self;
        let (salt, hash) = (B64.encode(&self.salt), B64.encode(&self.hash));
        format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}")
    }
}

/// The saved states of HMAC-MD5 under a password (RFC 2195).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CramMd5 {
    /// State after the inner key block.
    pub inner: [u32; 4],
    /// State after the outer key block.
    pub outer: [u32; 4],
}

impl CramMd5 {
    fn derive(password: &str) -> Self {
        let (inner, outer) = md5::hmac_states(password.as_bytes());
        Self { inner, outer }
    }

    /// The digest a client that knows the password answers to `challenge`.
    pub fn digest(&self, challenge: &[u8]) -> [u8; 16] {
        md5::hmac_from_states(self.inner, self.outer, challenge)
    }
}

/// What a SCRAM server keeps (RFC 5802 section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// `H(ClientKey)`.
    pub stored_key: Vec<u8>,
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server_key: Vec<u8>,
}

/// The salt and cost of SCRAM, which the server names before it knows which spelling the client uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramSalt {
    /// Iteration count.
    pub iterations: u32,
    /// Salt.
    pub salt: Vec<u8>,
}

/// The keys for challenge mechanisms under one spelling of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeKeys {
    /// CRAM-MD5.
    pub cram_md5: CramMd5,
    /// SCRAM-SHA-1.
    pub scram_sha1: ScramKeys,
    /// SCRAM-SHA-256.
    pub scram_sha256: ScramKeys,
}

/// Everything that is kept of one logon password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    /// For whoever shows the password.
    pub argon2: ArgonHash,
    /// Salt and cost of SCRAM-SHA-1.
    pub scram_sha1: ScramSalt,
    /// Salt and cost of SCRAM-SHA-256.
    pub scram_sha256: ScramSalt,
    /// One set of keys a spelling: upper and lower case of a short password, or the phrase.
    pub challenge: SmallVec<[ChallengeKeys; 2]>,
}

impl Verifier {
    /// Derives all verifiers of `password`. Costs some tens of milliseconds.
    ///
    /// # Errors
    /// [`PasswordError`] for a password that is empty or too long.
    pub fn derive(password: &str, salts: &Salts) -> Result<Self, PasswordError> {
        let argon2 = ArgonHash::derive(password, salts.argon2)?;
        let challenge = spellings(&prepared(password))
            .iter()
            .map(|spelling| ChallengeKeys {
                cram_md5: CramMd5::derive(spelling),
                scram_sha1: scram_sha1(spelling, &salts.scram_sha1),
                scram_sha256: scram_sha256(spelling, &salts.scram_sha256),
            })
            .collect();
        let salt = |salt: [u8; SALT_LEN]| ScramSalt { iterations: SCRAM_ITERATIONS, salt: salt.to_vec() };
        Ok(Self {
            argon2,
            scram_sha1: salt(salts.scram_sha1),
            scram_sha256: salt(salts.scram_sha256),
            challenge,
        })
    }

    /// Whether `password` is right; see [`ArgonHash::verify`] for the cost.
    pub fn verify(&self, password: &str) -> bool {
        self.argon2.verify(password)
    }

    /// Whether `digest` is a right CRAM-MD5 answer to `challenge`, in any spelling that is kept.
    pub fn verify_cram_md5(&self, challenge: &[u8], digest: &[u8; 16]) -> bool {
        let mut right = subtle::Choice::from(0);
        for keys in &self.challenge {
            right |= keys.cram_md5.digest(challenge)[..].ct_eq(&digest[..]);
        }
        right.into()
    }
}

fn check(password: &str) -> Result<(), PasswordError> {
    match password.len() {
        0 => Err(PasswordError::Empty),
        1..=LONGEST_PASSWORD => Ok(()),
        _ => Err(PasswordError::TooLong),
    }
}

/// The spellings of a prepared password under which a client may answer a challenge.
fn spellings(password: &str) -> SmallVec<[String; 2]> {
    let folded = fold_password(password).into_owned();
    let mut spellings = SmallVec::new();
    let lower = folded.to_ascii_lowercase();
    let short = folded.chars().count() <= SHORT_PASSWORD;
    if short && lower != folded {
        spellings.push(folded);
        spellings.push(lower);
    } else {
        spellings.push(folded);
    }
    spellings
}

/// RFC 5802 section 3 over SHA-1.
fn scram_sha1(password: &str, salt: &[u8]) -> ScramKeys {
    let mut salted = [0u8; 20];
    pbkdf2::pbkdf2_hmac::<Sha1>(password.as_bytes(), salt, SCRAM_ITERATIONS, &mut salted);
    let key = |label: &[u8]| {
        let mut mac = Hmac::<Sha1>::new_from_slice(&salted).expect("HMAC takes a key of any length");
        mac.update(label);
        mac.finalize().into_bytes().to_vec()
    };
    ScramKeys { stored_key: Sha1::digest(key(b"Client Key")).to_vec(), server_key: key(b"Server Key") }
}

/// RFC 7677 over SHA-256.
fn scram_sha256(password: &str, salt: &[u8]) -> ScramKeys {
    let mut salted = [0u8; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, SCRAM_ITERATIONS, &mut salted);
    let key = |label: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&salted).expect("HMAC takes a key of any length");
        mac.update(label);
        mac.finalize().into_bytes().to_vec()
    };
    ScramKeys { stored_key: Sha256::digest(key(b"Client Key")).to_vec(), server_key: key(b"Server Key") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::STANDARD as B64};

    fn salts() -> Salts {
        let mut next = 0u8;
        Salts::draw(&mut |bytes| {
            for b in bytes {
                next = next.wrapping_add(37);
                *b = next;
            }
        })
    }

    #[test]
    fn eight_characters_fold_and_nine_do_not() {
        assert_eq!(fold_password("abcdefgh"), "ABCDEFGH");
        assert_eq!(fold_password("abcdefghi"), "abcdefghi");
        let short = Verifier::derive("Secret", &salts()).unwrap();
        assert!(short.verify("secret") && short.verify("SECRET") && !short.verify("secre"));
        let phrase = Verifier::derive("Secret phrase", &salts()).unwrap();
        assert!(phrase.verify("Secret phrase") && !phrase.verify("secret phrase"));
        assert_eq!((short.challenge.len(), phrase.challenge.len()), (2, 1));
        assert!(phrase.argon2.to_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[test]
    fn lengths_at_and_past_the_limit() {
        let salt = [7; SALT_LEN];
        assert!(ArgonHash::derive(&"x".repeat(512), salt).is_ok());
        assert_eq!(ArgonHash::derive(&"x".repeat(513), salt), Err(PasswordError::TooLong));
        assert_eq!(ArgonHash::derive("", salt), Err(PasswordError::Empty));
        assert!(ArgonHash::from_parts(u32::MAX, 2, 1, vec![0; 16], vec![0; 32]).is_err());
    }

    #[test]
    fn passwords_are_prepared() {
        // What is mapped to a blank or to nothing, what is a letter in another dress, what was composed otherwise.
        let phrase = Verifier::derive("a\u{a0}pass\u{ad}phr\u{aa}se of \u{fb01}ve", &salts()).unwrap();
        for shown in [
            "a passphrase of five",
            "a\u{a0}pass\u{ad}phr\u{aa}se of \u{fb01}ve",
            "a pass\u{ad}phrase of five",
        ] {
            assert!(phrase.verify(shown), "{shown}");
        }
        assert!(!phrase.verify("a passphrase of four"));
        assert_eq!(phrase, Verifier::derive("a passphrase of five", &salts()).unwrap());
        // Eight characters are counted when it is prepared.
        let short = Verifier::derive("se\u{ad}cret1\u{b2}", &salts()).unwrap();
        assert!(short.verify("SECRET12") && short.verify("secret12"));
        assert_eq!(short.challenge.len(), 2);
        // What is prohibited, had no meaning when the profile was made, or is nothing when prepared: as it is.
        for odd in ["bell\u{7} and more", "\u{221} and more", "\u{ad}"] {
            let kept = ArgonHash::derive(odd, [7; SALT_LEN]).unwrap();
            assert_eq!(kept.hash, kept.compute(odd).unwrap());
            assert!(kept.verify(odd));
        }
    }

    #[test]
    fn what_was_hashed_as_it_came_counts() {
        for raw in ["m\u{aa}rzipan phrase", "\u{b5}sECRET"] {
            let mut former = ArgonHash::unmade([7; SALT_LEN]);
            former.hash = former.compute(&fold_password(raw)).unwrap();
            assert!(former.verify(raw) && !former.verify("secret"));
            assert!(!former.verify(&prepared(raw)), "it was another password");
        }
    }

    #[test]
    fn cram_md5_as_in_rfc_2195() {
        // The example of RFC 2195 section 2, whose password is a phrase.
        let verifier = Verifier::derive("tanstaaftanstaaf", &salts()).unwrap();
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let digest =
            [0xb9, 0x13, 0xa6, 0x02, 0xc7, 0xed, 0xa7, 0xa4, 0x95, 0xb4, 0xe6, 0xe7, 0x33, 0x4d, 0x38, 0x90];
        assert!(verifier.verify_cram_md5(challenge, &digest));
        assert!(!verifier.verify_cram_md5(b"<other>", &digest));
    }

    #[test]
    fn scram_keys_as_in_the_rfcs() {
        // RFC 5802 section 5 and RFC 7677 section 3: the server signature of the published exchange follows from the
        // server key, so checking it checks salt, iterations and derivation.
        let salt = B64.decode("QSXCR+Q6sek8bf92").unwrap();
        let keys = scram_sha1("pencil", &salt);
        let auth = "n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,\
                    s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
        let mut mac = Hmac::<Sha1>::new_from_slice(&keys.server_key).unwrap();
        mac.update(auth.as_bytes());
        assert_eq!(B64.encode(mac.finalize().into_bytes()), "rmF9pqV8S7suAoZWja4dJRkFsKQ=");
        let salt = B64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = scram_sha256("pencil", &salt);
        let auth = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let mut mac = Hmac::<Sha256>::new_from_slice(&keys.server_key).unwrap();
        mac.update(auth.as_bytes());
        assert_eq!(B64.encode(mac.finalize().into_bytes()), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
