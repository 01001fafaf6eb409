//! What all sessions share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::mailbox_referrals::MailboxReferrals;
use super::message_limit::MessageLimit;
use super::registry::Sessions;
use super::statistics::Statistics;
use super::token_settings::TokenSettings;
use super::traces::Traces;
use crate::auth::Authenticator;
use crate::mailstore::{MailStore, SessionId};
use crate::syntax::imap_url::ImapUrl;
use crate::transport::ConnectionLimits;
use crate::vm::UserId;

/// What the server tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// A comment.
    pub comment: Option<String>,
    /// How to reach the administrator, a URI.
    pub admin: Option<String>,
}

/// The server as sessions see it.
pub struct Server {
    /// Host name of the greeting.
    pub host: String,
    /// The mail store.
    pub store: Arc<MailStore>,
    /// Who may log in.
    pub auth: Authenticator,
    /// Whether STARTTLS is offered.
    pub starttls: bool,
    /// Whether passwords may come in the clear.
    clear_passwords: AtomicBool,
    /// Whether messages with 8-bit headers are added for clients that did not say that they know such.
    eight_bit_headers: AtomicBool,
    /// Which tokens are on and off.
    pub tokens: ArcSwap<TokenSettings>,
    /// How often a client is told how far a long command is: RFC 9585 section 3 wants no more than every ten seconds.
    pub progress_every: Duration,
    /// Who may administer: set quotas, look at those of others.
    pub administrators: Arc<dyn Fn(UserId) -> bool + Send + Sync>,
    /// What `/shared/comment` and `/shared/admin` of the server say (RFC 5464 section 6.2.1).
    pub about: ArcSwap<About>,
    /// Users whose mail is on another system, with its URL.
    pub referrals: ArcSwap<BTreeMap<UserId, ImapUrl>>,
    /// Mailboxes that are on other systems.
    pub mailbox_referrals: ArcSwap<MailboxReferrals>,
    /// How many messages one command may work on.
    pub message_limit: ArcSwap<Option<MessageLimit>>,
    /// Who is connected.
    pub sessions: Arc<Sessions>,
    /// Whom the traces show.
    pub traces: Traces,
    /// What was done since the start.
    pub statistics: Arc<Statistics>,
    /// How many connections there may be.
    pub limits: Arc<ConnectionLimits>,
    /// Lets that many searches compute at once.
    pub(crate) cpu: Arc<Semaphore>,
    /// Memory for large literals of all clients together, in units of 1024 octets.
    pub(crate) literal_room: Arc<Semaphore>,
    next_session: AtomicU64,
}

impl Server {
    /// Memory for large literals of all clients together, in units of 1024 octets: eight of the largest messages.
    pub const LITERAL_ROOM_KB: usize = 8 * crate::wire::MAX_MESSAGE / 1024;

    /// A server. `cpus` bounds what computes at once.
    pub fn new(host: String, store: Arc<MailStore>, auth: Authenticator, cpus: usize) -> Self {
        Self {
            host,
            store,
            auth,
            starttls: false,
            clear_passwords: AtomicBool::new(true),
            eight_bit_headers: AtomicBool::new(true),
            tokens: ArcSwap::default(),
            progress_every: Duration::from_secs(10),
            administrators: Arc::new(|_| false),
            about: ArcSwap::default(),
            referrals: ArcSwap::default(),
            mailbox_referrals: ArcSwap::default(),
            message_limit: ArcSwap::default(),
            sessions: Arc::default(),
            statistics: Arc::default(),
            traces: Traces::default(),
            limits: Arc::default(),
            cpu: Arc::new(Semaphore::new(cpus.max(1))),
            literal_room: Arc::new(Semaphore::new(Self::LITERAL_ROOM_KB)),
            next_session: AtomicU64::new(0),
        }
    }

    /// Whether passwords may come in the clear.
    pub fn clear_passwords(&self) -> bool {
        self.clear_passwords.load(Ordering::Relaxed)
    }

    /// Says whether passwords may come in the clear.
    pub fn set_clear_passwords(&self, on: bool) {
        self.clear_passwords.store(on, Ordering::Relaxed);
    }

    /// Whether messages with 8-bit headers are added for clients that did not say that they know such (RFC 9755 section 4).
    pub fn eight_bit_headers(&self) -> bool {
        self.eight_bit_headers.load(Ordering::Relaxed)
    }

    /// Says whether they are.
    pub fn set_eight_bit_headers(&self, on: bool) {
        self.eight_bit_headers.store(on, Ordering::Relaxed);
    }

    pub(crate) fn next_session(&self) -> SessionId {
        SessionId(self.next_session.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Runs a computation off the tasks' threads, a bounded number at once.
    ///
    /// # Errors
    /// When the computation panicked, which is a defect.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, crate::mailstore::StoreError> {
        compute(&self.cpu, work).await
    }
}

/// [`Server::compute`] for what has only its semaphore.
///
/// # Errors
/// When the computation panicked, which is a defect.
pub(crate) async fn compute<T: Send + 'static>(
    cpu: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, crate::mailstore::StoreError> {
    let _turn = cpu.clone().acquire_owned().await;
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| crate::mailstore::StoreError::Defect(format!("computation failed: {e}")))
}
