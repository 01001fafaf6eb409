//! Who the client is: name, password check, cache of verified credentials, throttling of guesses.
//!
//! The check itself belongs to CP and is reached through [`PasswordCheck`]; it is slow on purpose, so credentials it
//! accepted are remembered as keyed digests for a while. Passwords are held no longer than a call lasts.

pub mod cache;
pub mod sasl;
pub mod throttle;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use thiserror::Error;

use crate::vm::UserId;
use cache::CredentialCache;
use throttle::Throttle;

/// Refused logins after which a connection is closed.
pub const MAX_FAILURES_PER_CONNECTION: u32 = 5;

/// The password check of the system.
pub trait PasswordCheck: Send + Sync + 'static {
    /// Whether the password is valid for VM access as that user. Unknown users take as long as known ones.
    ///
    /// # Errors
    /// [`LoginError::Unavailable`] when it cannot be said.
    fn check<'a>(&'a self, user: UserId, password: &'a [u8]) -> BoxFuture<'a, Result<bool, LoginError>>;
}

/// What became of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is this user.
    Accepted(UserId),
    /// Name or password is wrong; which of them is not told.
    Refused,
}

/// Why a login could not be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LoginError {
    /// The password check does not answer.
    #[error("password check is not available")]
    Unavailable,
}

/// Monotonic time since some start; passed in so that tests own it.
pub type Monotonic = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Judges logins.
pub struct Authenticator {
    check: Arc<dyn PasswordCheck>,
    domain: String,
    cache: CredentialCache,
    throttle: Throttle,
    now: Monotonic,
}

impl Authenticator {
    /// Over a password check. `domain` may follow a user id after `@`; `key` is random and keys the cache.
    pub fn new(check: Arc<dyn PasswordCheck>, domain: String, key: [u8; 32], now: Monotonic) -> Self {
        Self { check, domain, cache: CredentialCache::new(key), throttle: Throttle::default(), now }
    }

    /// The user a login name stands for: a user id in any case, with or without our domain.
    pub fn user_id(&self, name: &[u8]) -> Option<UserId> {
        let name = std::str::from_utf8(name).ok()?;
        let local = match name.split_once('@') {
            Some((local, domain)) if domain.eq_ignore_ascii_case(&self.domain) => local,
            Some(_) => return None,
            None => name,
        };
        UserId::new(local).ok()
    }

    /// Judges a name and a password. After failures from that address or for that user it takes its time.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login(&self, peer: IpAddr, name: &[u8], password: &[u8]) -> Result<Verdict, LoginError> {
        let user = self.user_id(name);
        if let Some(user) = user
            && self.cache.knows(user, password, (self.now)())
        {
            return Ok(Verdict::Accepted(user));
        }
        let wait = self.throttle.delay(peer, user, (self.now)());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let good = match user {
            Some(user) => self.check.check(user, password).await?,
            None => false,
        };
        match user {
            Some(user) if good => {
                self.cache.remember(user, password, (self.now)());
                self.throttle.succeeded(peer, user);
                Ok(Verdict::Accepted(user))
            }
            _ => {
                self.throttle.failed(peer, user, (self.now)());
                tracing::info!(%peer, user = %String::from_utf8_lossy(&name[..name.len().min(80)]), "login refused");
                Ok(Verdict::Refused)
            }
        }
    }

    /// Forgets remembered credentials: of one user whose password changed, or of all.
    pub fn forget(&self, user: Option<UserId>) {
        self.cache.forget(user);
    }
}
