//! The challenge mechanisms: what CP answers to a machine that may check passwords and whose client never shows one.
//!
//! The keys stay here; a caller hands in what its client computed and learns whether it is right. A user who is not there, or
//! cannot log on, has a salt like everybody else and costs the same: his salt is derived from the directory's own secrets, so
//! that it is always the same, and his keys are some that no password has.

use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::entry::Password;
use super::password::{SALT_LEN, SCRAM_ITERATIONS, ScramKeys, ScramSalt, Verifier};
use super::{DirectoryImage, UserId};

/// The hash function of a SCRAM mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScramHash {
    /// SCRAM-SHA-1 (RFC 5802).
    Sha1,
    /// SCRAM-SHA-256 (RFC 7677).
    Sha256,
}

impl ScramHash {
    /// Octets of a digest.
    pub fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// A digest is never empty.
    pub fn is_empty(self) -> bool {
        false
    }

    fn hmac(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => hmac_sha1(key, text),
            Self::Sha256 => hmac_sha256(key, text),
        }
    }

    fn digest(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(text).to_vec(),
            Self::Sha256 => Sha256::digest(text).to_vec(),
        }
    }
}

fn hmac_sha1(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// The server's signature, when the client's proof is right (RFC 5802 section 3).
fn proof_is_right(keys: &ScramKeys, hash: ScramHash, message: &[u8], proof: &[u8]) -> Option<Vec<u8>> {
    let signature = hash.hmac(&keys.stored_key, message);
    let client_key: Vec<u8> = signature.iter().zip(proof).map(|(s, p)| s ^ p).collect();
    let right: bool = hash.digest(&client_key)[..].ct_eq(&keys.stored_key[..]).into();
    let answer = hash.hmac(&keys.server_key, message);
    (right && proof.len() == hash.len()).then_some(answer)
}

impl DirectoryImage {
    fn verifier(&self, user: Option<UserId>) -> Option<Box<Verifier>> {
        match &self.get(user?)?.password {
            Password::Hashed(verifier) => Some(verifier.clone()),
            _ => None,
        }
    }

    /// A secret of this directory: what a user who is not there gets his salt from.
    fn own_secret(&self) -> Vec<u8> {
        let first = self.iter().find_map(|entry| match &entry.password {
            Password::Hashed(verifier) => Some(verifier.argon2.hash.clone()),
            _ => None,
        });
        first.unwrap_or_default()
    }

    /// The salt and cost of SCRAM for a login name, which stands for `user` if for anybody.
    pub fn scram_salt(&self, name: &str, user: Option<UserId>, hash: ScramHash) -> ScramSalt {
        let mut decoy =
            hmac_sha256(&self.own_secret(), format!("{hash:?} {}", name.to_ascii_uppercase()).as_bytes());
        decoy.truncate(SALT_LEN);
        match self.verifier(user) {
            Some(verifier) => match hash {
                ScramHash::Sha1 => verifier.scram_sha1,
                ScramHash::Sha256 => verifier.scram_sha256,
            },
            None => ScramSalt { iterations: SCRAM_ITERATIONS, salt: decoy },
        }
    }

    /// The server's signature when `proof` shows that the client knows the user's password, in any spelling that is kept.
    pub fn check_scram(
        &self,
        user: Option<UserId>,
        hash: ScramHash,
        message: &[u8],
        proof: &[u8],
    ) -> Option<Vec<u8>> {
        let Some(verifier) = self.verifier(user) else {
            let nobody = ScramKeys { stored_key: vec![0; hash.len()], server_key: vec![0; hash.len()] };
            // A stored key of zeros has no client key that anybody could find; the time is spent all the same.
            let _spent = proof_is_right(&nobody, hash, message, proof);
            return None;
        };
        let mut found = None;
        for keys in &verifier.challenge {
            let keys = match hash {
                ScramHash::Sha1 => &keys.scram_sha1,
                ScramHash::Sha256 => &keys.scram_sha256,
            };
            found = proof_is_right(keys, hash, message, proof).or(found);
        }
        found
    }

    /// Whether `digest` is a right CRAM-MD5 answer to `challenge` (RFC 2195).
    pub fn check_cram_md5(&self, user: Option<UserId>, challenge: &[u8], digest: &[u8; 16]) -> bool {
        match self.verifier(user) {
            Some(verifier) => verifier.verify_cram_md5(challenge, digest),
            None => {
                let nobody = super::password::CramMd5 { inner: [0; 4], outer: [0; 4] };
                let _spent = nobody.digest(challenge);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::DirectoryEntry;
    use super::super::password::Salts;
    use super::*;
    use base64::{Engine, engine::general_purpose::STANDARD as B64};

    fn image(password: &str, sha1: &str, sha256: &str) -> (DirectoryImage, UserId) {
        let mut salts = Salts { argon2: [1; 16], scram_sha1: [2; 16], scram_sha256: [3; 16] };
        let copy = |to: &mut [u8; 16], from: &str| {
            let from = B64.decode(from).unwrap();
            to[..from.len()].copy_from_slice(&from);
        };
        copy(&mut salts.scram_sha1, sha1);
        copy(&mut salts.scram_sha256, sha256);
        let user = UserId::new("USER").unwrap();
        let verifier = Verifier::derive(password, &salts).unwrap();
        (DirectoryImage::new([DirectoryEntry::new(user, Password::Hashed(Box::new(verifier)))]), user)
    }

    #[test]
    fn rfc_7677_section_3() {
        let (image, user) = image("pencil", "", "W22ZaJ0SNY7soEsUEjb6gQ==");
        let salt = image.scram_salt("user", Some(user), ScramHash::Sha256);
        assert_eq!((B64.encode(&salt.salt).as_str(), salt.iterations), ("W22ZaJ0SNY7soEsUEjb6gQ==", 4096));
        let message = b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = B64.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let answer = image.check_scram(Some(user), ScramHash::Sha256, message, &proof).unwrap();
        assert_eq!(B64.encode(answer), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(image.check_scram(Some(user), ScramHash::Sha256, b"n=other", &proof), None);
        assert_eq!(image.check_scram(Some(user), ScramHash::Sha256, message, &proof[1..]), None);
        assert_eq!(image.check_scram(Some(user), ScramHash::Sha256, message, &[]), None);
        assert_eq!(image.check_scram(None, ScramHash::Sha256, message, &proof), None);
    }

    #[test]
    fn nobody_looks_like_somebody() {
        let (image, user) = image("secret", "", "");
        for hash in [ScramHash::Sha1, ScramHash::Sha256] {
            let real = image.scram_salt("USER", Some(user), hash);
            let decoy = image.scram_salt("nobody", None, hash);
            assert_eq!((decoy.salt.len(), decoy.iterations), (real.salt.len(), real.iterations));
            assert_eq!(decoy, image.scram_salt("NOBODY", None, hash));
            assert_ne!(decoy, image.scram_salt("NOBODY2", None, hash));
        }
        assert!(!image.check_cram_md5(None, b"<x>", &[0; 16]));
    }
}
