//! Who the client is: name, password check, cache of verified credentials, throttling of guesses.
//!
//! The check itself belongs to CP and is reached through [`PasswordCheck`]; it is slow on purpose, so credentials it
//! accepted are remembered as keyed digests for a while. Passwords are held no longer than a call lasts. Answers to
//! challenges are checked by the directory, which keeps the keys. Whatever the mechanism, guesses are throttled, and a user
//! who is not there is refused like one whose password is wrong.

pub mod bearer;
pub mod cache;
pub mod certificate;
pub mod exchange;
pub mod exit;
pub mod imapautx;
pub mod jwt;
pub mod sasl;
pub mod scram;
pub mod throttle;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use futures::future::BoxFuture;
use hmac::{Hmac, Mac};
use parking_lot::RwLock;
use sha2::Sha256;
use thiserror::Error;

use cms::exit::ExitReturn;

use crate::syntax::saslprep::saslprep;
use crate::vm::{DirectoryImage, Password, ScramHash, ScramSalt, UserId};
use bearer::TokenExit;
use cache::CredentialCache;
use exit::{AuthExit, AuthParms, Refusal};
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

    /// The directory that checks answers to challenges; `None` when we may not ask it.
    fn directory(&self) -> Option<Arc<DirectoryImage>>;
}

/// Who asks, before he is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Where he is.
    pub peer: IpAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The command, with the mechanism.
    pub command: &'static str,
}

/// What became of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is this user.
    Accepted(UserId),
    /// Name or password is wrong; which of them is not told.
    Refused,
}

/// Why a login was not judged, or not as one of name and password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoginError {
    /// The password check does not answer.
    #[error("password check is not available")]
    Unavailable,
    /// Too many logins from there wait for their turn.
    #[error("too many logins wait")]
    TooMany,
    /// It is somebody, who may not act as the one that he wants to be.
    #[error("may not act for another user")]
    OtherIdentity,
    /// The authentication exit has refused.
    #[error("refused by the exit")]
    ByExit(Refusal),
}

/// Monotonic time since some start; passed in so that tests own it.
pub type Monotonic = Arc<dyn Fn() -> Duration + Send + Sync>;

fn keyed(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length, this one of 32 octets");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Judges logins.
pub struct Authenticator {
    check: Arc<dyn PasswordCheck>,
    domain: String,
    cache: CredentialCache,
    throttle: Throttle,
    now: Monotonic,
    /// Keys the nonces; as secret as the key of the cache, from which it is derived.
    nonce_key: [u8; 32],
    nonces: AtomicU64,
    token_exit: RwLock<Option<Arc<dyn TokenExit>>>,
    auth_exit: RwLock<Option<Arc<dyn AuthExit>>>,
}

impl Authenticator {
    /// Over a password check. `domain` may follow a user id after `@`; `key` is random and keys the cache.
    pub fn new(check: Arc<dyn PasswordCheck>, domain: String, key: [u8; 32], now: Monotonic) -> Self {
        let nonce_key = keyed(&key, b"nonces");
        Self {
            check,
            domain,
            cache: CredentialCache::new(key),
            throttle: Throttle::default(),
            now,
            nonce_key,
            nonces: AtomicU64::new(0),
            token_exit: RwLock::default(),
            auth_exit: RwLock::default(),
        }
    }

    /// The user a login name stands for: a user id in any case, with or without our domain, prepared by SASLprep (RFC 4616 section 2,
    /// RFC 5802 section 5.1).
    pub fn user_id(&self, name: &[u8]) -> Option<UserId> {
        let name = saslprep(std::str::from_utf8(name).ok()?)?;
        let local = match name.split_once('@') {
            Some((local, domain)) if domain.eq_ignore_ascii_case(&self.domain) => local,
            Some(_) => return None,
            None => &name,
        };
        UserId::new(local).ok()
    }

    /// Whether a client that names this host means us: our domain, or a host of it.
    pub fn is_our_host(&self, host: &[u8]) -> bool {
        let ours = self.domain.as_bytes();
        let Some(at) = host.len().checked_sub(ours.len()) else { return false };
        let (below, end) = host.split_at(at);
        end.eq_ignore_ascii_case(ours) && (below.is_empty() || (below.len() > 1 && below.ends_with(b".")))
    }

    /// Judges a name and a password. After failures from that address or for that user it takes its time.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login(&self, client: Client, name: &[u8], password: &[u8]) -> Result<Verdict, LoginError> {
        let (peer, user) = (client.peer, self.user_id(name));
        let known = user.filter(|user| self.cache.knows(*user, password, (self.now)()));
        if known.is_none() && !self.be_patient(peer, user).await {
            return Err(LoginError::TooMany);
        }
        let accepted = match (self.ask_exit(client, user).await, user) {
            // What is told as a wrong password takes as long as one.
            (Err(LoginError::ByExit(refusal)), Some(user)) if refusal.text.is_none() => {
                self.check.check(user, password).await?;
                return Err(LoginError::ByExit(refusal));
            }
            (answer, _) => answer?,
        };
        if let Some(user) = known.or(user.filter(|_| accepted)) {
            return Ok(Verdict::Accepted(user));
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
                self.count_refusal(peer, user, name);
                Ok(Verdict::Refused)
            }
        }
    }

    /// Takes its time after failures from that address or for that user. False, at once, when so many from that address wait
    /// already that waiting would not slow them down.
    async fn be_patient(&self, peer: IpAddr, user: Option<UserId>) -> bool {
        let wait = self.throttle.delay(peer, user, (self.now)());
        if wait.is_zero() {
            return true;
        }
        let Some(_turn) = self.throttle.wait(peer) else { return false };
        tokio::time::sleep(wait).await;
        true
    }

    /// Counts a failure; `name` is for the log.
    fn count_refusal(&self, peer: IpAddr, user: Option<UserId>, name: &[u8]) {
        self.throttle.failed(peer, user, (self.now)());
        tracing::info!(%peer, user = %String::from_utf8_lossy(&name[..name.len().min(80)]), "login refused");
    }

    /// Asks the authentication exit, when there is one; whether it takes the login upon itself.
    async fn ask_exit(&self, client: Client, user: Option<UserId>) -> Result<bool, LoginError> {
        let Some(exit) = self.auth_exit.read().clone() else { return Ok(false) };
        let Some(user) = user else { return Ok(false) };
        let Client { peer, tls, command } = client;
        let parms = AuthParms { user, client: peer, command, tls };
        let refusal = match tokio::time::timeout(exit::PATIENCE, exit.call(&parms)).await {
            Ok(ExitReturn::Continue) => return Ok(false),
            Ok(ExitReturn::Handled) => {
                tracing::info!(%peer, %user, command, "login accepted by the exit");
                return Ok(true);
            }
            Ok(ExitReturn::Disable) => {
                tracing::warn!("the authentication exit wants to be called no more");
                // Another one may be named by now, which did not say so.
                self.auth_exit.write().take_if(|named| Arc::ptr_eq(named, &exit));
                return Ok(false);
            }
            Ok(ExitReturn::Retry(reason)) => {
                tracing::warn!(%peer, %user, reason, "the authentication exit cannot judge now");
                return Err(LoginError::Unavailable);
            }
            Err(_) => {
                tracing::error!(%peer, %user, "the authentication exit does not answer");
                return Err(LoginError::Unavailable);
            }
            Ok(ExitReturn::Reject) => Refusal::new(None, false),
            Ok(ExitReturn::RejectWith(text)) => Refusal::new(Some(&text), false),
            Ok(ExitReturn::RejectAndClose(text)) => Refusal::new(Some(&text), true),
        };
        self.count_refusal(peer, Some(user), user.as_str().as_bytes());
        Err(LoginError::ByExit(refusal))
    }

    /// Lets another exit be asked about logins, or none.
    pub fn set_auth_exit(&self, exit: Option<Arc<dyn AuthExit>>) {
        *self.auth_exit.write() = exit;
    }

    /// What judges bearer tokens, when there is something.
    pub fn token_exit(&self) -> Option<Arc<dyn TokenExit>> {
        self.token_exit.read().clone()
    }

    /// Lets another exit judge bearer tokens, or none.
    pub fn set_token_exit(&self, exit: Option<Arc<dyn TokenExit>>) {
        *self.token_exit.write() = exit;
    }

    /// Monotonic time, as throttling measures it.
    pub fn now(&self) -> Duration {
        (self.now)()
    }

    /// Whether answers to challenges can be checked.
    pub fn checks_challenges(&self) -> bool {
        self.check.directory().is_some()
    }

    /// A text that nobody can guess and that never comes again.
    pub fn nonce(&self) -> String {
        let number = self.nonces.fetch_add(1, Ordering::Relaxed);
        STANDARD_NO_PAD.encode(&keyed(&self.nonce_key, &number.to_be_bytes())[..18])
    }

    /// The salt of SCRAM for a login name, of somebody or not.
    ///
    /// # Errors
    /// [`LoginError`].
    pub fn scram_salt(&self, name: &[u8], hash: ScramHash) -> Result<ScramSalt, LoginError> {
        let directory = self.check.directory().ok_or(LoginError::Unavailable)?;
        let user = self.user_id(name);
        let shown = user.map_or_else(|| String::from_utf8_lossy(name), |u| u.as_str().to_owned().into());
        Ok(directory.scram_salt(&shown, user, hash))
    }

    /// Judges an answer to a challenge, with patience like [`Self::login`].
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn proof<T>(
        &self,
        client: Client,
        name: &[u8],
        check: impl FnOnce(&DirectoryImage, Option<UserId>) -> Option<T>,
    ) -> Result<Option<(UserId, T)>, LoginError> {
        let (peer, user) = (client.peer, self.user_id(name));
        if !self.be_patient(peer, user).await {
            return Err(LoginError::TooMany);
        }
        // What the mechanism proves has to be good whatever the exit says.
        self.ask_exit(client, user).await?;
        let directory = self.check.directory().ok_or(LoginError::Unavailable)?;
        match (user, check(&directory, user)) {
            (Some(user), Some(found)) => {
                self.throttle.succeeded(peer, user);
                Ok(Some((user, found)))
            }
            _ => {
                self.count_refusal(peer, user, name);
                Ok(None)
            }
        }
    }

    /// Judges a bearer token: it must stand for a user who can log on, and for `wanted` when that is not empty.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn bearer(
        &self,
        client: Client,
        token: &[u8],
        wanted: &[u8],
    ) -> Result<Option<(UserId, ())>, LoginError> {
        let exit = self.token_exit().ok_or(LoginError::Unavailable)?;
        let names: Vec<String> = exit.judge(token).into_iter().collect();
        self.certificate(client, &names, wanted).await
    }

    /// Judges a certificate that TLS has verified: one of its names must be a user who can log on, and be `wanted` when
    /// that is not empty.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn certificate(
        &self,
        client: Client,
        names: &[String],
        wanted: &[u8],
    ) -> Result<Option<(UserId, ())>, LoginError> {
        let users: Vec<UserId> = names.iter().filter_map(|n| self.user_id(n.as_bytes())).collect();
        if !wanted.is_empty()
            && !users.is_empty()
            && !self.user_id(wanted).is_some_and(|u| users.contains(&u))
        {
            self.count_refusal(client.peer, users.first().copied(), wanted);
            return Err(LoginError::OtherIdentity);
        }
        let user = match wanted {
            [] => users.first().copied(),
            wanted => self.user_id(wanted).filter(|u| users.contains(u)),
        };
        let name = user.map_or_else(|| String::from_utf8_lossy(wanted), |u| u.as_str().to_owned().into());
        self.proof(client, name.as_bytes(), |directory, _| {
            let entry = directory.get(user?)?;
            matches!(entry.password, Password::Hashed(_)).then_some(())
        })
        .await
    }

    /// Forgets failures of an address and a user.
    pub fn forgive(&self, peer: IpAddr, user: UserId) {
        self.throttle.succeeded(peer, user);
    }

    /// Forgets remembered credentials: of one user whose password changed, or of all.
    pub fn forget(&self, user: Option<UserId>) {
        self.cache.forget(user);
    }
}
