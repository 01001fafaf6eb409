//! Who may connect to whom: the IUCV statements of the user directory.
//!
//! Source: "Authorizing virtual machines for IUCV" and the directory IUCV statement. ANY does not cover CP services,
//! which are named one by one; a target with ALLOW takes anybody.

use crate::directory::{DirectoryEntry, IucvTerms};

use super::{DEFAULT_MSGLIMIT, IucvTarget};

/// CP services that anybody may connect to without a statement.
const OPEN_SERVICES: &[&str] = &["*MSG", "*MSGALL", "*BLOCKIO", "*SIGNAL", "*CCS"];

/// What the directory grants for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathGrant {
    /// Greatest number of messages outstanding.
    pub msglimit: u16,
    /// Whether priority messages are allowed.
    pub priority: bool,
}

impl PathGrant {
    /// What a path gets under `terms` when the CONNECT wants `msglimit` and `priority`. CONNECT may ask for less than
    /// the directory says, never for more, unless the directory is silent.
    fn new(terms: IucvTerms, msglimit: Option<u16>, priority: bool) -> Self {
        let limit = match (terms.msglimit, msglimit) {
            (Some(stated), Some(wanted)) => wanted.min(stated),
            (Some(limit), None) | (None, Some(limit)) => limit,
            (None, None) => DEFAULT_MSGLIMIT,
        };
        Self { msglimit: limit.max(1), priority: terms.priority && priority }
    }
}

/// Decides whether `from` may connect to `target`; `owner` is the entry of the target machine (for a resource, of the
/// machine that identified it), `None` for a CP service. `None` means not authorised (IPRCODE 15).
pub fn authorise(
    from: &DirectoryEntry,
    target: &IucvTarget,
    owner: Option<&DirectoryEntry>,
    msglimit: Option<u16>,
    priority: bool,
) -> Option<PathGrant> {
    let terms = match (target, owner) {
        (IucvTarget::Service(name), _) => {
            let open = OPEN_SERVICES.contains(&name.as_str()).then(IucvTerms::default);
            from.iucv_towards(name).or(open)
        }
        (_, None) => None,
        (_, Some(owner)) => {
            let by_resource = match target {
                IucvTarget::Resource(name) => from.iucv_towards(name.as_str()),
                _ => None,
            };
            let own = (owner.userid == from.userid).then(IucvTerms::default);
            from.iucv_towards(owner.userid.as_str()).or(by_resource).or_else(|| owner.iucv_allow()).or(own)
        }
    };
    terms.map(|t| PathGrant::new(t, msglimit, priority))
}
