//! CONNECT: finding the target, checking the directory, making the path.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::RwLock;
use tokio::sync::oneshot;

use super::communicator::Communicator;
use super::path::{IucvPath, PathBack, PathCore, PendingConnection};
use super::{ConnectParms, ConnectRequest, IpRcode, IucvService, IucvTarget, PathGrant, UserData, authorise};
use crate::directory::{DirectoryEntry, IdentResource, IucvTarget as Statement};
use crate::name::{FilePoolId, UserId};

/// A virtual machine as IUCV sees it.
pub(crate) struct Party {
    pub(crate) entry: Arc<DirectoryEntry>,
    pub(crate) communicator: Arc<Communicator>,
}

struct Resource {
    owner: Arc<DirectoryEntry>,
    communicator: Arc<Communicator>,
    service: Arc<dyn IucvService>,
}

/// The switchboard of the system: CP services by name, identified resources by name.
#[derive(Default)]
pub struct Exchange {
    services: RwLock<HashMap<String, Arc<dyn IucvService>>>,
    resources: RwLock<HashMap<FilePoolId, Arc<Resource>>>,
}

/// Ownership of a resource name; the name is free again when this is dropped.
pub struct ResourceOwner {
    exchange: Weak<Exchange>,
    name: FilePoolId,
    resource: Arc<Resource>,
}

impl Drop for ResourceOwner {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.upgrade() {
            let mut resources = exchange.resources.write();
            if resources.get(&self.name).is_some_and(|r| Arc::ptr_eq(r, &self.resource)) {
                resources.remove(&self.name);
            }
        }
    }
}

impl Exchange {
    /// Adds a CP system service such as `*SPL`.
    pub fn add_service(&self, name: &str, service: Arc<dyn IucvService>) {
        self.services.write().insert(name.to_ascii_uppercase(), service);
    }

    /// `*IDENT`: `party` declares itself the owner of resource `name`, to which `service` answers.
    pub(crate) fn identify(
        self: &Arc<Self>,
        party: &Party,
        name: FilePoolId,
        service: Arc<dyn IucvService>,
    ) -> Result<ResourceOwner, IpRcode> {
        let may = party.entry.iucv.iter().any(|s| match &s.target {
            Statement::Ident { resource: IdentResource::AnyResource | IdentResource::AnyLocal, .. } => true,
            Statement::Ident { resource: IdentResource::Named(r), .. } => r == name.as_str(),
            _ => false,
        });
        if !may {
            return Err(IpRcode::NotAuthorised);
        }
        let mut resources = self.resources.write();
        if resources.contains_key(&name) {
            return Err(IpRcode::NotAuthorised);
        }
        let resource = Arc::new(Resource {
            owner: party.entry.clone(),
            communicator: party.communicator.clone(),
            service,
        });
        resources.insert(name, resource.clone());
        Ok(ResourceOwner { exchange: Arc::downgrade(self), name, resource })
    }

    /// The machine that has identified resource `name`.
    pub fn resource_owner(&self, name: FilePoolId) -> Option<UserId> {
        self.resources.read().get(&name).map(|r| r.owner.userid)
    }

    /// Names of all identified resources with their owners, sorted by name.
    pub fn resources(&self) -> Vec<(FilePoolId, UserId)> {
        let mut all: Vec<_> = self.resources.read().iter().map(|(n, r)| (*n, r.owner.userid)).collect();
        all.sort();
        all
    }

    /// CONNECT from `party`. `find` looks up a logged-on virtual machine.
    pub(crate) async fn connect(
        &self,
        party: &Party,
        target: &IucvTarget,
        parms: &ConnectParms,
        find: impl Fn(UserId) -> Option<Party>,
    ) -> Result<IucvPath, IpRcode> {
        match target {
            IucvTarget::Service(name) => {
                let found = self.services.read().get(&name.to_ascii_uppercase()).cloned();
                let service = found.ok_or(IpRcode::NoSuchService)?;
                let grant = granted(&party.entry, target, None, parms)?;
                connect_service(party, UserId::SYSTEM, None, &*service, grant, parms)
            }
            IucvTarget::Resource(name) => {
                let found = self.resources.read().get(name).cloned();
                let r = found.ok_or(IpRcode::NoSuchService)?;
                let grant = granted(&party.entry, target, Some(&r.owner), parms)?;
                connect_service(party, r.owner.userid, Some(&r.communicator), &*r.service, grant, parms)
            }
            IucvTarget::User(user) => {
                let other = find(*user).ok_or(IpRcode::NotLoggedOn)?;
                let grant = granted(&party.entry, target, Some(&other.entry), parms)?;
                connect_guest(party, &other, grant, parms).await
            }
        }
    }
}

fn granted(
    from: &DirectoryEntry,
    target: &IucvTarget,
    owner: Option<&DirectoryEntry>,
    parms: &ConnectParms,
) -> Result<PathGrant, IpRcode> {
    authorise(from, target, owner, parms.msglimit, parms.priority).ok_or(IpRcode::NotAuthorised)
}

/// Takes a path id at the connector's end.
fn open_end(party: &Party, core: &Arc<PathCore>) -> Result<IucvPath, IpRcode> {
    let (slot, id) = party.communicator.take_slot(core, 0).ok_or(IpRcode::ConnectorMax)?;
    core.occupy(0, slot);
    Ok(IucvPath::new(core.clone(), 0, id))
}

fn connect_service(
    party: &Party,
    owner: UserId,
    home: Option<&Arc<Communicator>>,
    service: &dyn IucvService,
    grant: PathGrant,
    parms: &ConnectParms,
) -> Result<IucvPath, IpRcode> {
    let core = PathCore::new(party.entry.userid, owner, grant);
    let path = open_end(party, &core)?;
    if let Some(home) = home {
        let (slot, _) = home.take_slot(&core, 1).ok_or(IpRcode::TargetMax)?;
        core.occupy(1, slot);
    }
    let request = ConnectRequest {
        from: party.entry.userid,
        user: parms.user,
        msglimit: grant.msglimit,
        back: PathBack::new(&core),
    };
    let handler = service.connect(request).map_err(IpRcode::Severed)?;
    core.serve(1, handler);
    Ok(path)
}

async fn connect_guest(
    party: &Party,
    other: &Party,
    grant: PathGrant,
    parms: &ConnectParms,
) -> Result<IucvPath, IpRcode> {
    let core = PathCore::new(party.entry.userid, other.entry.userid, grant);
    let path = open_end(party, &core)?;
    let (slot, id) = other.communicator.take_slot(&core, 1).ok_or(IpRcode::TargetMax)?;
    core.occupy(1, slot);
    let (decide, decided) = oneshot::channel();
    let theirs = IucvPath::new(core, 1, id);
    other.communicator.offer(PendingConnection {
        from: party.entry.userid,
        user: parms.user,
        path: theirs,
        decide,
    })?;
    match decided.await {
        Ok(_user) => Ok(path),
        Err(_) => match path.next().await {
            Some(super::Interrupt::Severed(user)) => Err(IpRcode::Severed(user)),
            _ => Err(IpRcode::Severed(UserData::default())),
        },
    }
}
