//! The authentication exit: what it is told, and what each of its answers comes to.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as B64;
use cms::Cms;
use cms::exit::{ExitReturn, ExitTable};
use futures::FutureExt;
use futures::future::BoxFuture;
use imapd::auth::exit::{AuthExit, AuthExits, AuthParms};
use imapd::session::Server;
use parking_lot::Mutex;
use support::memory::Memory;
use support::{LineClient, SOON, start_plain, user};

/// Answers what it is told to, and keeps what it was asked.
struct Scripted {
    answer: Mutex<ExitReturn>,
    asked: Mutex<Vec<AuthParms>>,
}

impl AuthExit for Scripted {
    fn bind<'a>(&'a self, _cms: &'a Arc<Cms>) -> BoxFuture<'a, Result<(), Vec<String>>> {
        async { Ok(()) }.boxed()
    }

    fn call<'a>(&'a self, parms: &'a AuthParms) -> BoxFuture<'a, ExitReturn> {
        self.asked.lock().push(*parms);
        let answer = self.answer.lock().clone();
        async move { answer }.boxed()
    }
}

/// Is replaced while it is asked, and then wants to be asked no more.
struct Replaced {
    server: Arc<Server>,
    by: Arc<dyn AuthExit>,
}

impl AuthExit for Replaced {
    fn bind<'a>(&'a self, _cms: &'a Arc<Cms>) -> BoxFuture<'a, Result<(), Vec<String>>> {
        async { Ok(()) }.boxed()
    }

    fn call<'a>(&'a self, _parms: &'a AuthParms) -> BoxFuture<'a, ExitReturn> {
        self.server.auth.set_auth_exit(Some(self.by.clone()));
        async { ExitReturn::Disable }.boxed()
    }
}

/// CONFIG names another exit while the former one thinks: that one cannot speak for it.
#[tokio::test]
async fn an_exit_ends_itself_alone() {
    let running = start_plain(Arc::new(Memory::default())).await;
    let server = running.service.server.clone();
    let by = Arc::new(Scripted { answer: Mutex::new(ExitReturn::Reject), asked: Mutex::default() });
    let replaced = Replaced { server: server.clone(), by: by.clone() };
    server.auth.set_auth_exit(Some(Arc::new(replaced)));
    let mut client = LineClient::new(running.address).await;
    assert!(client.ask("a LOGIN alice secret").await.starts_with("a OK"));
    let mut client = LineClient::new(running.address).await;
    assert!(client.ask("a LOGIN alice secret").await.starts_with("a NO [AUTHENTICATIONFAILED]"));
    assert_eq!(by.asked.lock().len(), 1);
    server.auth.set_auth_exit(None);
    drop(server);
    running.service.shutdown(SOON).await;
}

#[tokio::test]
async fn each_answer() {
    let running = start_plain(Arc::new(Memory::default())).await;
    let auth = &running.service.server.auth;
    let exit = Arc::new(Scripted { answer: Mutex::new(ExitReturn::Continue), asked: Mutex::default() });
    let exits: AuthExits = ExitTable::default();
    exits.register("Scripted", exit.clone());
    auth.set_auth_exit(exits.find("SCRIPTED"));
    let say = |answer| *exit.answer.lock() = answer;

    // Left to the directory; asked again when the password is remembered.
    for _ in 0..2 {
        let mut client = LineClient::new(running.address).await;
        assert!(client.ask("a LOGIN alice@vm.localhost secret").await.starts_with("a OK"));
    }
    let asked =
        AuthParms { user: user("ALICE"), client: "127.0.0.1".parse().unwrap(), command: "LOGIN", tls: false };
    assert_eq!(exit.asked.lock().split_off(0), [asked, asked]);

    // Taken upon itself, by mechanism.
    say(ExitReturn::Handled);
    let mut client = LineClient::new(running.address).await;
    let plain = B64.encode("\0bob\0whatever");
    assert!(client.ask(&format!("a AUTHENTICATE PLAIN {plain}")).await.starts_with("a OK"));
    let told = exit.asked.lock().split_off(0);
    assert_eq!((told[0].user, told[0].command), (user("BOB"), "AUTHENTICATE PLAIN"));
    // What was accepted so is no password to remember.
    say(ExitReturn::Continue);
    let mut client = LineClient::new(running.address).await;
    assert!(
        client.ask(&format!("a AUTHENTICATE PLAIN {plain}")).await.starts_with("a NO [AUTHENTICATIONFAILED]")
    );
    // A challenge must be answered well whatever the exit says.
    say(ExitReturn::Handled);
    let mut client = LineClient::new(running.address).await;
    let first = client.ask(&format!("a AUTHENTICATE SCRAM-SHA-256 {}", B64.encode("n,,n=alice,r=abc"))).await;
    let first = B64.decode(first.trim_start_matches("+ ").trim_end()).unwrap();
    let nonce = String::from_utf8(first).unwrap().split(',').next().unwrap().to_owned();
    let proof = B64.encode([7; 32]);
    let last = client.ask(&B64.encode(format!("c=biws,{nonce},p={proof}"))).await;
    assert!(last.starts_with("a NO [AUTHENTICATIONFAILED]"), "{last}");
    assert_eq!(exit.asked.lock().last().unwrap().command, "AUTHENTICATE SCRAM-SHA-256");

    // Refusals, a good password notwithstanding.
    auth.forgive("127.0.0.1".parse().unwrap(), user("ALICE"));
    say(ExitReturn::Reject);
    let mut client = LineClient::new(running.address).await;
    let answer = client.ask("a LOGIN alice secret").await;
    assert_eq!(answer, "a NO [AUTHENTICATIONFAILED] Invalid userid or password\r\n");
    say(ExitReturn::RejectWith("Not at\r\nnight".into()));
    assert_eq!(client.ask("a LOGIN alice secret").await, "a NO [NOPERM] Not at??night\r\n");
    auth.forgive("127.0.0.1".parse().unwrap(), user("ALICE"));
    say(ExitReturn::RejectAndClose("Never".into()));
    assert_eq!(client.ask("a LOGIN alice secret").await, "a NO [NOPERM] Never\r\n");
    assert_eq!(client.line().await, "* BYE Login was refused\r\n");
    assert_eq!(client.line().await, "");
    say(ExitReturn::Retry("no list".into()));
    let mut client = LineClient::new(running.address).await;
    let answer = client.ask("a LOGIN alice secret").await;
    assert!(answer.starts_with("a NO [UNAVAILABLE]") && !answer.contains("list"), "{answer}");

    // It wants to be asked no more.
    say(ExitReturn::Disable);
    assert!(client.ask("a LOGIN alice secret").await.starts_with("a OK"));
    say(ExitReturn::Reject);
    let mut client = LineClient::new(running.address).await;
    assert!(client.ask("a LOGIN alice secret").await.starts_with("a OK"));
    running.service.shutdown(SOON).await;
}
