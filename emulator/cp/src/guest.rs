//! What a program in a virtual machine has in its hands: console, CP commands, IUCV, time, tasks.
//!
//! A [`Guest`] is cheap to clone. Everything it starts ends with the machine.

use std::future::Future;
use std::sync::Arc;

use jiff::{Timestamp, Zoned};
use tokio::sync::oneshot;

use crate::command::{CpResponse, execute};
use crate::directory::{DirectoryImage, OptionWord};
use crate::iucv::{
    ConnectParms, IpRcode, IucvPath, IucvService, IucvTarget, PendingConnection, ResourceOwner,
};
use crate::name::{FilePoolId, UserId};
use crate::system::{Cp, PasswordVerdict};
use crate::vm::Vm;

/// A program's handle to its virtual machine and to CP.
#[derive(Clone)]
pub struct Guest {
    cp: Arc<Cp>,
    vm: Arc<Vm>,
}

impl Guest {
    /// A handle for programs in `vm`.
    pub fn new(cp: Arc<Cp>, vm: Arc<Vm>) -> Self {
        Self { cp, vm }
    }

    /// The user id of the machine.
    pub fn userid(&self) -> UserId {
        self.vm.userid
    }

    /// The system.
    pub fn cp(&self) -> &Arc<Cp> {
        &self.cp
    }

    /// The machine.
    pub fn vm(&self) -> &Arc<Vm> {
        &self.vm
    }

    /// Writes to the console, waiting while a slow terminal has much unread.
    pub async fn write(&self, text: &str) {
        self.vm.console.room().await;
        self.vm.console.write(text);
    }

    /// Reads the next console line (VM READ).
    pub async fn read(&self) -> String {
        self.vm.console.read().await
    }

    /// The command read last from the console has ended.
    pub fn complete(&self, rc: i32) {
        self.vm.console.complete(rc);
    }

    /// Issues a CP command and takes its answer (DIAGNOSE X'08').
    pub async fn cp_command(&self, line: &str) -> CpResponse {
        execute(&self.cp, &self.vm, line).await
    }

    /// IUCV CONNECT; returns when the connection is complete.
    ///
    /// # Errors
    /// [`IpRcode`], the documented return codes of CONNECT.
    pub async fn iucv_connect(&self, target: &IucvTarget, parms: &ConnectParms) -> Result<IucvPath, IpRcode> {
        self.cp.iucv_connect(&self.vm, target, parms).await
    }

    /// Lets other machines connect to this one.
    ///
    /// # Errors
    /// `BufferDeclared` when that was done before.
    pub fn iucv_declare_buffer(&self) -> Result<(), IpRcode> {
        self.vm.iucv.declare_buffer()
    }

    /// The next connection that waits to be accepted.
    pub async fn next_connection(&self) -> PendingConnection {
        self.vm.iucv.next_connection().await
    }

    /// `*IDENT`: declares this machine the owner of a resource, such as a file pool, as long as the answer is kept.
    ///
    /// # Errors
    /// `NotAuthorised` without the IUCV *IDENT directory statement, or when the name is taken.
    pub fn identify_resource(
        &self,
        name: FilePoolId,
        service: Arc<dyn IucvService>,
    ) -> Result<ResourceOwner, IpRcode> {
        self.cp.identify_resource(&self.vm, name, service)
    }

    /// DIAGNOSE X'88' subcode 8: checks a user id and password. Needs OPTION DIAG88.
    pub async fn check_password(&self, user: &str, password: &str) -> PasswordVerdict {
        if !self.vm.entry.has_option(OptionWord::Diag88) {
            return PasswordVerdict::NotAuthorised;
        }
        self.cp.verify_password(user, password).await
    }

    /// The directory, to check by it what a client computed from a password that it does not show
    /// ([`crate::directory::challenge`]). Needs OPTION DIAG88, as showing a password does; `None` without it.
    pub fn password_directory(&self) -> Option<Arc<DirectoryImage>> {
        self.vm.entry.has_option(OptionWord::Diag88).then(|| self.cp.directory())
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.cp.clock.now()
    }

    /// The time of day in the system's zone.
    pub fn local_time(&self) -> Zoned {
        self.cp.clock.local()
    }

    /// Starts a task in the machine; it ends at system reset at the latest.
    pub fn spawn<F>(&self, work: F) -> oneshot::Receiver<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.vm.spawn(work)
    }

    /// Resolves when the machine has been asked to come to an end (SIGNAL SHUTDOWN).
    pub async fn shutdown_signalled(&self) {
        self.vm.shutdown_signalled().await;
    }
}
