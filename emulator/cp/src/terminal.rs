//! The line mode dialogue at a terminal: before LOGON, the password, the session, DISCONNECT and RECONNECT.
//!
//! A terminal is a [`TerminalInput`], which takes lines as they are typed, and a stream of [`TerminalOutput`], which
//! the edge (system console, line mode network terminal) shows. What the terminal looks like is the edge's business.
//!
//! Invariants: a password is never echoed or logged; who gives a wrong password learns nothing but that; when the
//! input is dropped the machine runs on disconnected.
//!
//! Source: facts of CP, "Logging on" and "Before logon".

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::command::common::{full_time, is_word, terminal_name};
use crate::command::messages::hcp;
use crate::command::{execute, msg, split_word};
use crate::console::{ConsoleState, MAX_INPUT_CHARS, TerminalEvent};
use crate::directory::Password;
use crate::editing::{Symbols, edit};
use crate::message::HcpMessage;
use crate::name::UserId;
use crate::system::{Cp, LogonError, LogonKind, PasswordVerdict};
use crate::vm::{TerminalName, Vm};

/// Wrong passwords at one terminal before it is closed. VM's default is similar, and it makes guessing slow.
pub const MAX_LOGON_ATTEMPTS: u32 = 4;
/// Output that may wait for the edge; the console behind it has its own, larger bound.
const OUTPUT_QUEUE: usize = 256;

/// What the edge is to show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TerminalOutput {
    /// A line.
    Line(String),
    /// The state in the status area.
    Status(ConsoleState),
    /// The next line typed is a password: do not show it.
    Password,
    /// The previous line was not taken.
    NotAccepted,
    /// The terminal is to be closed.
    Closed,
}

/// Where the dialogue stands.
enum Phase {
    /// Nobody is logged on here.
    Before,
    /// A password is awaited.
    Password(Wishes),
    /// A machine has this terminal.
    Session(Arc<Vm>),
    /// Too many attempts.
    Closed,
}

struct Shared {
    phase: Mutex<Phase>,
    output: mpsc::Sender<TerminalOutput>,
}

/// The operands of LOGON.
#[derive(Clone)]
struct Wishes {
    user: UserId,
    by: Option<UserId>,
    here: bool,
    noipl: bool,
    ipl: Option<String>,
}

/// The typing side of a terminal.
pub struct TerminalInput {
    cp: Arc<Cp>,
    name: TerminalName,
    shared: Arc<Shared>,
    attempts: u32,
}

/// The message that everybody sees at LOGON.
#[derive(Default)]
struct LogMessage(ArcSwap<(Vec<String>, Option<jiff::Timestamp>)>);

/// Changes the log message.
pub(crate) fn change_log_message(cp: &Cp, change: impl FnOnce(&mut Vec<String>)) {
    let message = cp.ext.get_or_insert_with(LogMessage::default);
    let mut lines = message.0.load().0.clone();
    change(&mut lines);
    message.0.store(Arc::new((lines, Some(cp.clock.now()))));
}

/// The log message as LOGON and QUERY LOGMSG show it.
pub(crate) fn log_message_lines(cp: &Cp) -> Vec<String> {
    let message = cp.ext.get_or_insert_with(LogMessage::default).0.load_full();
    let (lines, changed) = &*message;
    if lines.is_empty() {
        return vec!["There is no logmsg data".into()];
    }
    let changed = changed.unwrap_or(cp.ipl_at).to_zoned(cp.clock.zone());
    std::iter::once(format!("LOGMSG - {}", full_time(&changed))).chain(lines.iter().cloned()).collect()
}

/// Frees the terminal of a machine; the machine goes on.
pub fn disconnect(cp: &Arc<Cp>, vm: &Arc<Vm>) {
    if !vm.console.is_connected() {
        return;
    }
    let from = terminal_name(vm);
    vm.console.detach();
    *vm.terminal.lock() = TerminalName::Disconnected;
    let users = cp.machines().len();
    cp.tell_operator(&format!("{from:<10} DISCONNECT {:<8} USERS = {users}", vm.userid));
}

/// Opens a terminal: the way in and what comes out.
pub fn open(cp: &Arc<Cp>, name: TerminalName) -> (TerminalInput, mpsc::Receiver<TerminalOutput>) {
    let (output, receiver) = mpsc::channel(OUTPUT_QUEUE);
    let shared = Arc::new(Shared { phase: Mutex::new(Phase::Before), output });
    (TerminalInput { cp: cp.clone(), name, shared, attempts: 0 }, receiver)
}

impl Drop for TerminalInput {
    fn drop(&mut self) {
        let phase = std::mem::replace(&mut *self.shared.phase.lock(), Phase::Closed);
        if let Phase::Session(vm) = phase {
            disconnect(&self.cp, &vm);
        }
    }
}

impl Shared {
    async fn show(&self, output: TerminalOutput) {
        // When the edge has gone nobody has to see it.
        let _gone = self.output.send(output).await;
    }

    async fn line(&self, text: impl Into<String>) {
        self.show(TerminalOutput::Line(text.into())).await;
    }
}

impl TerminalInput {
    /// Shows what a terminal shows on which nobody is logged on.
    pub async fn welcome(&self) {
        welcome(&self.cp, &self.shared).await;
    }

    /// The machine that has this terminal.
    pub fn machine(&self) -> Option<Arc<Vm>> {
        match &*self.shared.phase.lock() {
            Phase::Session(vm) => Some(vm.clone()),
            _ => None,
        }
    }

    /// Takes a line as it was typed.
    pub async fn enter(&mut self, line: &str) {
        let phase = std::mem::replace(&mut *self.shared.phase.lock(), Phase::Before);
        match phase {
            Phase::Before => self.before(line.trim()).await,
            Phase::Password(wishes) => self.password(wishes, line).await,
            Phase::Session(vm) => {
                *self.shared.phase.lock() = Phase::Session(vm.clone());
                self.session(&vm, line).await;
            }
            Phase::Closed => {
                *self.shared.phase.lock() = Phase::Closed;
                self.shared.show(TerminalOutput::Closed).await;
            }
        }
    }

    /// ATTN, PA1 or BREAK: CP reads the next line.
    pub fn attention(&self) {
        if let Some(vm) = self.machine() {
            vm.console.set_state(ConsoleState::CpRead);
        }
    }

    /// Logs on without asking for a password: for the system console, whose owner owns the system.
    ///
    /// # Errors
    /// [`LogonError`].
    pub async fn logon_operator(&mut self, user: UserId) -> Result<(), LogonError> {
        let wishes = Wishes { user, by: None, here: false, noipl: false, ipl: None };
        self.begin(&wishes).await
    }

    async fn before(&mut self, line: &str) {
        let (word, rest) = split_word(line);
        let result = match word {
            "" => {
                self.welcome().await;
                Ok(())
            }
            _ if is_word(word, "LOGON", 1) || is_word(word, "LOGIN", 4) => self.logon(rest).await,
            _ if is_word(word, "DIAL", 1) => Err(hcp("DIA", 55, &[])),
            _ if is_word(word, "MESSAGE", 1) || is_word(word, "MSG", 3) => self.message(rest),
            _ if is_word(word, "LOGOFF", 3) || is_word(word, "DISCONNECT", 4) => {
                self.welcome().await;
                Ok(())
            }
            _ => Err(hcp("CFC", 15, &[&word.to_ascii_uppercase()])),
        };
        if let Err(message) = result {
            self.shared.line(message.to_string()).await;
        }
    }

    fn message(&self, rest: &str) -> Result<(), HcpMessage> {
        let (to, text) = split_word(rest);
        if to.is_empty() || text.is_empty() {
            return Err(hcp("MSG", 26, &[]));
        }
        // There is no user id yet; the message says that it comes from the system's terminals.
        msg::message_from(&self.cp, UserId::SYSTEM, to, text)
    }

    async fn logon(&mut self, operands: &str) -> Result<(), HcpMessage> {
        let (wishes, password) = logon_operands(operands)?;
        let entry = self.cp.entry(wishes.by.unwrap_or(wishes.user));
        if wishes.by.is_none() && entry.is_some_and(|e| e.password == Password::NoPass) {
            return self.begin(&wishes).await.map_err(|e| already(&self.cp, &e));
        }
        if let Some(password) = password {
            self.password(wishes, password).await;
            return Ok(());
        }
        *self.shared.phase.lock() = Phase::Password(wishes);
        self.shared.line("ENTER PASSWORD  (IT WILL NOT APPEAR WHEN TYPED):").await;
        self.shared.show(TerminalOutput::Password).await;
        Ok(())
    }

    async fn password(&mut self, wishes: Wishes, password: &str) {
        let who = wishes.by.unwrap_or(wishes.user);
        let verdict = self.cp.verify_password(who.as_str(), password).await;
        let entry = self.cp.entry(wishes.user);
        let may = entry.is_some_and(|e| match wishes.by {
            Some(by) => e.logonby.contains(&by) && e.password != Password::NoLog,
            None => true,
        });
        if verdict != PasswordVerdict::Valid(who) || !may {
            self.attempts += 1;
            self.shared.line(hcp("LGA", 50, &[]).to_string()).await;
            if self.attempts >= MAX_LOGON_ATTEMPTS {
                self.shared.line(hcp("LGA", 51, &[]).to_string()).await;
                *self.shared.phase.lock() = Phase::Closed;
                self.shared.show(TerminalOutput::Closed).await;
            }
            return;
        }
        self.attempts = 0;
        if let Err(error) = self.begin(&wishes).await {
            self.shared.line(already(&self.cp, &error).to_string()).await;
        }
    }

    /// Logs on or reconnects; the password has been checked.
    async fn begin(&mut self, wishes: &Wishes) -> Result<(), LogonError> {
        match self.cp.logon(wishes.user, &LogonKind::Terminal(self.name.clone())) {
            Ok(vm) => {
                self.attach(&vm);
                for line in log_message_lines(&self.cp).into_iter().chain(self.cp.banner(&vm)) {
                    vm.console.write(&line);
                }
                vm.console.write(&format!("LOGON AT {}", full_time(&self.cp.clock.local())));
                self.ipl(&vm, wishes);
                Ok(())
            }
            Err(LogonError::AlreadyLoggedOn { connected, userid }) if !connected || wishes.here => {
                let Some(vm) = self.cp.machine(userid).filter(|vm| !vm.is_logging_off()) else {
                    return Err(LogonError::AlreadyLoggedOn { connected, userid });
                };
                *vm.terminal.lock() = self.name.clone();
                self.attach(&vm);
                for line in log_message_lines(&self.cp).into_iter().chain(self.cp.banner(&vm)) {
                    vm.console.write(&line);
                }
                vm.console.write(&format!("RECONNECTED AT {}", full_time(&self.cp.clock.local())));
                if !vm.settings.lock().run {
                    vm.console.set_state(ConsoleState::CpRead);
                }
                let users = self.cp.machines().len();
                let name = terminal_name(&vm);
                self.cp.tell_operator(&format!("{name:<10} RECONNECT {userid:<8} USERS = {users}"));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn ipl(&self, vm: &Arc<Vm>, wishes: &Wishes) {
        match &wishes.ipl {
            Some(name) => {
                if self.cp.ipl(vm, name, "").is_err() {
                    vm.console.write(&hcp("CFG", 44, &[name]).to_string());
                    vm.console.set_state(ConsoleState::CpRead);
                }
            }
            None if wishes.noipl => vm.console.set_state(ConsoleState::CpRead),
            None => self.cp.ipl_directory(vm),
        }
    }

    /// Gives the terminal to a machine: its output is passed on until it lets the terminal go.
    fn attach(&self, vm: &Arc<Vm>) {
        let mut events = vm.console.attach();
        *self.shared.phase.lock() = Phase::Session(vm.clone());
        let (cp, shared, vm) = (self.cp.clone(), self.shared.clone(), vm.clone());
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                match event {
                    TerminalEvent::Line(text) => shared.line(text).await,
                    TerminalEvent::Status(state) => shared.show(TerminalOutput::Status(state)).await,
                    TerminalEvent::Detached => break,
                }
            }
            let ended = {
                let mut phase = shared.phase.lock();
                let ours = matches!(&*phase, Phase::Session(held) if Arc::ptr_eq(held, &vm));
                if ours {
                    *phase = Phase::Before;
                }
                ours
            };
            if ended {
                welcome(&cp, &shared).await;
            }
        });
    }

    async fn session(&mut self, vm: &Arc<Vm>, line: &str) {
        let line: String = line.chars().take(MAX_INPUT_CHARS).collect();
        let symbols = Symbols::of(vm);
        let mut pieces = edit(&line, symbols).into_iter();
        let direct = symbols.line_end.is_some_and(|c| line.trim_start().starts_with(c));
        if direct {
            // A line end first and then CP: the rest is for CP, whatever the machine waits for.
            let _empty = pieces.next();
            if let Some(first) = pieces.next() {
                let (word, rest) = split_word(&first);
                if is_word(word, "CP", 2) {
                    if rest.is_empty() {
                        vm.console.set_state(ConsoleState::CpRead);
                    } else {
                        self.command(vm, rest).await;
                    }
                } else {
                    self.one(vm, "").await;
                    self.one(vm, &first).await;
                }
            }
        }
        for piece in pieces {
            self.one(vm, &piece).await;
        }
    }

    async fn one(&self, vm: &Arc<Vm>, line: &str) {
        if vm.console.state() == ConsoleState::CpRead {
            self.command(vm, line).await;
        } else if vm.console.input(line).is_err() {
            self.shared.show(TerminalOutput::NotAccepted).await;
        }
    }

    async fn command(&self, vm: &Arc<Vm>, line: &str) {
        let answer = execute(&self.cp, vm, line).await;
        for text in answer.lines {
            vm.console.write_asynchronous(&text);
        }
    }
}

async fn welcome(cp: &Arc<Cp>, shared: &Shared) {
    shared.line(crate::command::query::CP_LEVEL).await;
    shared.line(format!("{}  {}", cp.config.system_id, full_time(&cp.clock.local()))).await;
    shared.line("Enter one of the following commands:").await;
    for (command, example) in [
        ("LOGON userid", "LOGON VMUSER1"),
        ("DIAL userid", "DIAL VMUSER2"),
        ("MSG userid message", "MSG VMUSER2 GOOD MORNING"),
        ("LOGOFF", ""),
    ] {
        let example = if example.is_empty() { String::new() } else { format!("(Example:  {example})") };
        shared.line(format!("   {command:<22}{example}").trim_end()).await;
    }
    shared.show(TerminalOutput::Status(ConsoleState::CpRead)).await;
}

fn already(cp: &Cp, error: &LogonError) -> HcpMessage {
    match error {
        LogonError::AlreadyLoggedOn { userid, .. } => {
            let place = cp.machine(*userid).map(|vm| terminal_name(&vm)).unwrap_or_default();
            if cp.machine(*userid).is_some_and(|vm| vm.is_logging_off()) {
                return hcp("USO", 361, &[userid.as_str()]);
            }
            hcp("LGA", 54, &[&place])
        }
        // Who cannot log on this way is not told more than who gives a wrong password.
        LogonError::NotInDirectory(_) | LogonError::NotAllowed(_) => hcp("LGA", 50, &[]),
        LogonError::ShuttingDown => hcp("LGA", 59, &["LOGON", "all users", "system shutdown has started"]),
    }
}

/// Reads `userid [password] [options]`; the password is what stands second and is no option.
fn logon_operands(operands: &str) -> Result<(Wishes, Option<&str>), HcpMessage> {
    let (word, mut rest) = split_word(operands);
    if word.is_empty() {
        return Err(hcp("LGA", 20, &[]));
    }
    let user = UserId::new(word).map_err(|_| hcp("LGA", 50, &[]))?;
    let mut wishes = Wishes { user, by: None, here: false, noipl: false, ipl: None };
    let mut password = None;
    let mut first = true;
    loop {
        let (word, after) = split_word(rest);
        let (value, past) = split_word(after);
        rest = after;
        match word {
            "" => return Ok((wishes, password)),
            _ if is_word(word, "HERE", 4) => wishes.here = true,
            _ if is_word(word, "NOIPL", 3) => wishes.noipl = true,
            _ if is_word(word, "QUIET", 5) || is_word(word, "NORUN", 5) => {}
            _ if is_word(word, "BY", 2) => {
                wishes.by = Some(UserId::new(value).map_err(|_| hcp("LGA", 20, &[]))?);
                rest = past;
            }
            _ if is_word(word, "IPL", 1) => {
                wishes.ipl = Some(value.to_ascii_uppercase()).filter(|n| !n.is_empty());
                rest = past;
            }
            _ if is_word(word, "ACCOUNT", 2) || is_word(word, "STORAGE", 1) => rest = past,
            _ if first => password = Some(word),
            other => return Err(hcp("LGA", 3, &[&other.to_ascii_uppercase()])),
        }
        first = false;
    }
}
