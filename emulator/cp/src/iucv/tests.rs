//! IUCV through its public edge: guests that connect, services that answer.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;

use super::*;
use crate::clock::ManualClock;
use crate::directory::{
    DirectoryEntry, DirectoryImage, IdentResource, IdentScope, IucvStatement, IucvTarget as Statement,
    Password,
};
use crate::guest::Guest;
use crate::system::{Cp, CpConfig, LogonKind};

fn id(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn entry(name: &str, iucv: &[Statement]) -> DirectoryEntry {
    let mut entry = DirectoryEntry::new(id(name), Password::NoPass);
    entry.iucv =
        iucv.iter().map(|t| IucvStatement { target: t.clone(), priority: false, msglimit: None }).collect();
    entry
}

fn system(entries: Vec<DirectoryEntry>) -> Arc<Cp> {
    let config = CpConfig { system_id: "TESTVM".into(), operator: id("OPERATOR") };
    let image = DirectoryImage::new(entries);
    Cp::new(config, Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)), image)
}

fn guest(cp: &Arc<Cp>, name: &str) -> Guest {
    Guest::new(cp.clone(), cp.logon(id(name), &LogonKind::Autolog).unwrap())
}

/// A service that answers with what it was sent, and refuses connections that carry user data.
struct Echo;

impl IucvService for Echo {
    fn connect(&self, request: ConnectRequest) -> Result<Arc<dyn PathHandler>, UserData> {
        if request.user[0] == 0 { Ok(Arc::new(Echo)) } else { Err([8; 16]) }
    }
}

impl PathHandler for Echo {
    fn message<'a>(&'a self, m: IucvMessage) -> BoxFuture<'a, Result<IucvReply, IpRcode>> {
        Box::pin(async move { Ok(IucvReply { control: m.control, data: m.data }) })
    }
    fn severed(&self, _user: UserData) {}
}

#[tokio::test]
async fn a_service_needs_its_statement_and_answers_in_place() {
    let cp = system(vec![entry("A", &[Statement::Service("*SPL".into())]), entry("B", &[Statement::Any])]);
    cp.exchange().add_service("*SPL", Arc::new(Echo));
    let (a, b) = (guest(&cp, "A"), guest(&cp, "B"));
    let target = IucvTarget::Service("*SPL".into());
    let refused = b.iucv_connect(&target, &ConnectParms::default()).await.err();
    assert_eq!(refused, Some(IpRcode::NotAuthorised), "ANY does not cover CP services");
    let path = a.iucv_connect(&target, &ConnectParms::default()).await.unwrap();
    let reply =
        path.send(IucvMessage { data: Bytes::from_static(b"hello"), ..Default::default() }).await.unwrap();
    assert_eq!(reply.data, "hello");
    let parms = ConnectParms { user: [1; 16], ..Default::default() };
    assert_eq!(a.iucv_connect(&target, &parms).await.err(), Some(IpRcode::Severed([8; 16])));
    let none = IucvTarget::Service("*NONE".into());
    assert_eq!(a.iucv_connect(&none, &parms).await.err(), Some(IpRcode::NoSuchService));
}

#[tokio::test]
async fn guests_talk_and_a_sever_reaches_the_other_side() {
    let cp = system(vec![entry("SERVER", &[Statement::Allow]), entry("CLIENT", &[])]);
    let (server, client) = (guest(&cp, "SERVER"), guest(&cp, "CLIENT"));
    let target = IucvTarget::User(id("SERVER"));
    let nobody = client.iucv_connect(&target, &ConnectParms::default()).await.err();
    assert_eq!(nobody, Some(IpRcode::NoBuffer));
    server.iucv_declare_buffer().unwrap();
    assert_eq!(server.iucv_declare_buffer(), Err(IpRcode::BufferDeclared));
    let answering = server.clone();
    let served = server.spawn(async move {
        let path = answering.next_connection().await.accept([7; 16]).unwrap();
        let mut seen = Vec::new();
        while let Some(interrupt) = path.next().await {
            match interrupt {
                Interrupt::Message(m) => {
                    let reply = IucvReply { data: m.message.data.clone(), ..Default::default() };
                    m.reply(reply);
                }
                other => seen.push(format!("{other:?}")),
            }
        }
        seen
    });
    let path = client.iucv_connect(&target, &ConnectParms::default()).await.unwrap();
    let reply =
        path.send(IucvMessage { data: Bytes::from_static(b"x"), ..Default::default() }).await.unwrap();
    assert_eq!(reply.data, "x");
    path.sever([9; 16]);
    assert_eq!(path.send(IucvMessage::default()).await.err(), Some(IpRcode::InvalidPath));
    assert_eq!(served.await.unwrap(), vec![format!("Severed({:?})", [9u8; 16])]);
}

#[tokio::test]
async fn connections_end_at_maxconn_and_with_logoff() {
    let mut small = entry("SMALL", &[]);
    small.maxconn = 2;
    let cp = system(vec![small]);
    cp.exchange().add_service("*MSG", Arc::new(Echo));
    let small = guest(&cp, "SMALL");
    let target = IucvTarget::Service("*MSG".into());
    let one = small.iucv_connect(&target, &ConnectParms::default()).await.unwrap();
    let _two = small.iucv_connect(&target, &ConnectParms::default()).await.unwrap();
    let third = small.iucv_connect(&target, &ConnectParms::default()).await.err();
    assert_eq!(third, Some(IpRcode::ConnectorMax));
    drop(one);
    let again = small.iucv_connect(&target, &ConnectParms::default()).await.unwrap();
    cp.logoff(small.vm(), None).await;
    assert!(again.is_severed());
    assert_eq!(small.vm().iucv.paths(), 0);
}

#[tokio::test]
async fn a_resource_has_one_owner_and_goes_with_it() {
    let ident =
        Statement::Ident { resource: IdentResource::AnyResource, scope: IdentScope::Global, revoke: false };
    let cp = system(vec![
        entry("IMAPSF", std::slice::from_ref(&ident)),
        entry("IMAP", &[Statement::User(id("IMAPSF"))]),
        entry("JOE", &[]),
    ]);
    let (server, imap, joe) = (guest(&cp, "IMAPSF"), guest(&cp, "IMAP"), guest(&cp, "JOE"));
    let pool = FilePoolId::new("IMAPPOOL").unwrap();
    let owner = server.identify_resource(pool, Arc::new(Echo)).unwrap();
    assert!(server.identify_resource(pool, Arc::new(Echo)).is_err());
    assert!(joe.identify_resource(FilePoolId::new("OTHER").unwrap(), Arc::new(Echo)).is_err());
    let target = IucvTarget::Resource(pool);
    assert!(imap.iucv_connect(&target, &ConnectParms::default()).await.is_ok());
    let refused = joe.iucv_connect(&target, &ConnectParms::default()).await.err();
    assert_eq!(refused, Some(IpRcode::NotAuthorised), "the pool server has no IUCV ALLOW");
    drop(owner);
    let gone = imap.iucv_connect(&target, &ConnectParms::default()).await.err();
    assert_eq!(gone, Some(IpRcode::NoSuchService));
}

/// A service that keeps the way back to its connector.
struct Caller(parking_lot::Mutex<Option<PathBack>>);

impl IucvService for Caller {
    fn connect(&self, request: ConnectRequest) -> Result<Arc<dyn PathHandler>, UserData> {
        *self.0.lock() = Some(request.back);
        Ok(Arc::new(Echo))
    }
}

#[tokio::test]
async fn a_service_may_have_the_message_limit_waiting_and_no_more() {
    let cp = system(vec![entry("A", &[])]);
    let service = Arc::new(Caller(parking_lot::Mutex::new(None)));
    cp.exchange().add_service("*MSG", service.clone());
    let a = guest(&cp, "A");
    let path = a.iucv_connect(&IucvTarget::Service("*MSG".into()), &ConnectParms::default()).await.unwrap();
    let back = service.0.lock().clone().unwrap();
    for _ in 0..DEFAULT_MSGLIMIT {
        back.notify(IucvMessage::default()).unwrap();
    }
    assert_eq!(back.notify(IucvMessage::default()), Err(IpRcode::MessageLimit));
    assert!(matches!(path.next().await, Some(Interrupt::Message(m)) if !m.wants_reply()));
    back.notify(IucvMessage::default()).unwrap();
    path.quiesce([0; 16]);
    assert_eq!(back.notify(IucvMessage::default()), Err(IpRcode::Quiesced));
    path.resume([0; 16]);
    back.sever([3; 16]);
    let mut last = None;
    while let Some(interrupt) = path.next().await {
        last = Some(interrupt);
    }
    assert!(matches!(last, Some(Interrupt::Severed(u)) if u == [3; 16]));
}
