//! Password verifiers.

/// What is kept of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    /// The hash in PHC notation.
    pub phc: String,
}

impl Verifier {
    /// Whether `password` matches the hash.
    pub fn verify(&self, password: &str) -> bool {
        use argon2::password_hash::{PasswordHash, PasswordVerifier};
        PasswordHash::new(&self.phc)
            .is_ok_and(|h| argon2::Argon2::default().verify_password(password.as_bytes(), &h).is_ok())
    }
}
