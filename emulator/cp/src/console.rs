//! The virtual console of a machine: lines in, lines out, and who sees them.
//!
//! Output goes to the capture of the command under way (if a host program sent that command), else to the attached
//! terminal, else, for a disconnected machine, to its secondary user; a monitor (console spooling, `*MSG`) sees all of
//! it. Input is a bounded queue of lines; a line may carry a capture that collects the answer and the return code.
//!
//! Invariants: output never waits inside CP; a terminal that does not keep up is detached, as CP disconnects a line
//! that does not respond. Guests call [`Console::room`] between bursts so that a slow terminal slows them instead.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};

/// Lines of input that may wait; one more is `NOT ACCEPTED`. A person never has so many, a script waits for answers.
pub const MAX_INPUT_LINES: usize = 256;

/// Lines of output that may wait for a terminal before the terminal counts as dead.
pub const MAX_TERMINAL_LINES: usize = 16_384;

/// Greatest length of an input line in characters: the input area of a large 3270 screen with room to spare.
pub const MAX_INPUT_CHARS: usize = 2_048;

/// Lines of output kept for a host program that sent a command; what comes after them is dropped and said to be. A
/// terminal takes any number, since it can be waited for.
pub const MAX_CAPTURED_LINES: usize = 200_000;

/// What the machine is doing, as the status area shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsoleState {
    /// The machine runs.
    Running,
    /// The machine waits for a line.
    VmRead,
    /// CP waits for a command; the machine is stopped.
    CpRead,
}

/// What a terminal is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TerminalEvent {
    /// A line of output.
    Line(String),
    /// The status changed.
    Status(ConsoleState),
    /// The machine was disconnected or logged off; the terminal is free again.
    Detached,
}

/// Sees every line a machine writes (console spooling, `*MSG`).
pub trait ConsoleMonitor: Send + Sync {
    /// One line of output, without line end.
    fn line(&self, text: &str);

    /// One line that CP wrote by itself: a message, the answer to a command typed to CP.
    fn cp_line(&self, text: &str) {
        self.line(text);
    }
}

/// Where the output of a disconnected machine goes: CP's route to the secondary user.
pub type SecondaryRoute = dyn Fn(&str) + Send + Sync;

/// The answer to a command that a host program sent to a console.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Captured {
    /// Output lines, oldest first.
    pub lines: Vec<String>,
    /// Return code of the command.
    pub rc: i32,
}

/// Collects the output of one command.
pub struct Capture {
    lines: Vec<String>,
    done: oneshot::Sender<Captured>,
}

/// One line of input.
pub struct ConsoleInput {
    /// The line as typed, without line end.
    pub text: String,
    capture: Option<Capture>,
}

#[derive(Default)]
struct Inner {
    input: VecDeque<ConsoleInput>,
    capture: Option<Capture>,
    terminal: Option<mpsc::Sender<TerminalEvent>>,
    monitors: Vec<Arc<dyn ConsoleMonitor>>,
    secondary: Option<Arc<SecondaryRoute>>,
    observer: Option<Arc<SecondaryRoute>>,
    state: Option<ConsoleState>,
    closed: bool,
    /// After LOGOFF nothing more is shown, except in the answer to the command that logged off.
    silent: bool,
}

/// The console of one virtual machine.
#[derive(Default)]
pub struct Console {
    inner: Mutex<Inner>,
    arrived: Notify,
    /// For who waits that there is a line and leaves it to the reader.
    typed: Notify,
}

/// The input queue is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("NOT ACCEPTED")]
pub struct NotAccepted;

impl Console {
    /// Writes one line; text with line ends becomes several lines.
    pub fn write(&self, text: &str) {
        for line in text.split('\n') {
            self.write_line(line);
        }
    }

    /// Writes a line that is not part of the answer to a command, such as a message from another user: a capture does
    /// not collect it.
    pub fn write_asynchronous(&self, text: &str) {
        for line in text.split('\n') {
            self.emit(line, Inner::show_terminal, |monitor, line| monitor.cp_line(line));
        }
    }

    /// Writes a line of another machine, whose secondary user or observer this one is. It goes no further: two machines
    /// that observe each other would never come to an end.
    pub fn write_forwarded(&self, line: &str) {
        let monitors = {
            let mut inner = self.inner.lock();
            let _goes_no_further = inner.show_terminal(line);
            inner.monitors.clone()
        };
        for monitor in monitors {
            monitor.line(line);
        }
    }

    fn write_line(&self, line: &str) {
        self.emit(line, Inner::show, |monitor, line| monitor.line(line));
    }

    fn emit(
        &self,
        line: &str,
        show: fn(&mut Inner, &str) -> Option<Arc<SecondaryRoute>>,
        tell: fn(&dyn ConsoleMonitor, &str),
    ) {
        let (monitors, secondary, observer) = {
            let mut inner = self.inner.lock();
            let secondary = show(&mut inner, line);
            (inner.monitors.clone(), secondary, inner.observer.clone())
        };
        for monitor in monitors {
            tell(&*monitor, line);
        }
        for route in secondary.into_iter().chain(observer) {
            route(line);
        }
    }

    /// Waits until the terminal has taken most of what was written; returns at once without a terminal.
    pub async fn room(&self) {
        let terminal = self.inner.lock().terminal.clone();
        if let Some(terminal) = terminal {
            // Half of the queue is room enough for what CP itself may want to say meanwhile.
            if terminal.capacity() < MAX_TERMINAL_LINES / 2 {
                let _space = terminal.reserve_many(MAX_TERMINAL_LINES / 2).await;
            }
        }
    }

    /// Attaches a terminal; an earlier one is told that it has been detached.
    pub fn attach(&self) -> mpsc::Receiver<TerminalEvent> {
        let (sender, receiver) = mpsc::channel(MAX_TERMINAL_LINES);
        let mut inner = self.inner.lock();
        inner.detach();
        if let Some(state) = inner.state {
            // A fresh queue has room.
            let _fits = sender.try_send(TerminalEvent::Status(state));
        }
        inner.terminal = Some(sender);
        receiver
    }

    /// Detaches the terminal: the machine runs disconnected.
    pub fn detach(&self) {
        self.inner.lock().detach();
    }

    /// True while a terminal is attached.
    pub fn is_connected(&self) -> bool {
        self.inner.lock().terminal.is_some()
    }

    /// Adds a monitor that sees every line.
    pub fn add_monitor(&self, monitor: Arc<dyn ConsoleMonitor>) {
        self.inner.lock().monitors.push(monitor);
    }

    /// Removes a monitor added before.
    pub fn remove_monitor(&self, monitor: &Arc<dyn ConsoleMonitor>) {
        self.inner.lock().monitors.retain(|m| !Arc::ptr_eq(m, monitor));
    }

    /// Sets the route for output of the machine while it is disconnected.
    pub fn set_secondary(&self, route: Option<Arc<SecondaryRoute>>) {
        self.inner.lock().secondary = route;
    }

    /// Sets the route for all output, whether the machine is disconnected or not.
    pub fn set_observer(&self, route: Option<Arc<SecondaryRoute>>) {
        self.inner.lock().observer = route;
    }

    /// Queues a line of input, as typed at the terminal or sent by a secondary user.
    ///
    /// # Errors
    /// [`NotAccepted`] when [`MAX_INPUT_LINES`] wait already or the machine has gone.
    pub fn input(&self, text: &str) -> Result<(), NotAccepted> {
        self.queue(ConsoleInput { text: clip(text), capture: None })
    }

    /// Queues a command whose answer is to be collected instead of shown.
    ///
    /// # Errors
    /// [`NotAccepted`] as for [`Console::input`].
    pub fn input_captured(&self, text: &str) -> Result<oneshot::Receiver<Captured>, NotAccepted> {
        let (done, answer) = oneshot::channel();
        let capture = Some(Capture { lines: Vec::new(), done });
        self.queue(ConsoleInput { text: clip(text), capture })?;
        Ok(answer)
    }

    fn queue(&self, input: ConsoleInput) -> Result<(), NotAccepted> {
        {
            let mut inner = self.inner.lock();
            if inner.closed || inner.input.len() >= MAX_INPUT_LINES {
                return Err(NotAccepted);
            }
            inner.input.push_back(input);
        }
        self.arrived.notify_one();
        self.typed.notify_waiters();
        Ok(())
    }

    /// Takes the next line of input for the machine, waiting in VM READ. A capture that comes with the line collects
    /// output until [`Console::complete`]. In CP READ the machine stands still: nothing is read before BEGIN.
    pub async fn read(&self) -> String {
        loop {
            let arrived = self.arrived.notified();
            {
                let mut inner = self.inner.lock();
                if inner.state != Some(ConsoleState::CpRead) {
                    if let Some(input) = inner.input.pop_front() {
                        inner.capture = input.capture;
                        inner.change_state(ConsoleState::Running);
                        return input.text;
                    }
                    inner.change_state(ConsoleState::VmRead);
                }
            }
            arrived.await;
        }
    }

    /// True when a line waits.
    pub fn has_input(&self) -> bool {
        !self.inner.lock().input.is_empty()
    }

    /// Returns when a line waits; it is left to [`Console::read`].
    pub async fn input_waits(&self) {
        loop {
            let mut typed = std::pin::pin!(self.typed.notified());
            // From here on no line is missed.
            typed.as_mut().enable();
            if self.has_input() {
                return;
            }
            typed.await;
        }
    }

    /// True while the command under way has its output captured: nobody is there to answer a question.
    pub fn is_captured(&self) -> bool {
        self.inner.lock().capture.is_some()
    }

    /// The command whose line was read last has ended with `rc`.
    pub fn complete(&self, rc: i32) {
        let capture = self.inner.lock().capture.take();
        if let Some(Capture { lines, done }) = capture {
            // The asker may have gone; then nobody wants the answer.
            let _gone = done.send(Captured { lines, rc });
        }
    }

    /// Sets the state shown in the status area.
    pub fn set_state(&self, state: ConsoleState) {
        self.inner.lock().change_state(state);
        // A read that stood still in CP READ goes on.
        self.arrived.notify_one();
    }

    /// SYSTEM RESET: what was typed ahead is for nobody now, and CP waits for a command.
    pub fn stop(&self) {
        let mut inner = self.inner.lock();
        inner.input.clear();
        inner.change_state(ConsoleState::CpRead);
    }

    /// The state shown in the status area.
    pub fn state(&self) -> ConsoleState {
        self.inner.lock().state.unwrap_or(ConsoleState::Running)
    }

    /// LOGOFF has been given: what programs still write while they are ended is not shown.
    pub fn fall_silent(&self) {
        self.inner.lock().silent = true;
    }

    /// The machine has gone: waiting input is dropped, askers are released, the terminal is freed.
    pub fn close(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        inner.input.clear();
        inner.capture = None;
        inner.detach();
    }
}

impl Inner {
    /// Shows a line to whoever has the output; returns the route to the secondary user when it is his.
    fn show(&mut self, line: &str) -> Option<Arc<SecondaryRoute>> {
        if let Some(capture) = &mut self.capture {
            match capture.lines.len() {
                0..MAX_CAPTURED_LINES => capture.lines.push(line.to_owned()),
                MAX_CAPTURED_LINES => capture.lines.push("... (further lines are not kept)".to_owned()),
                _ => {}
            }
            return None;
        }
        self.show_terminal(line)
    }

    /// The same, past a capture.
    fn show_terminal(&mut self, line: &str) -> Option<Arc<SecondaryRoute>> {
        if self.silent {
            return None;
        }
        let Some(terminal) = &self.terminal else { return self.secondary.clone() };
        if terminal.try_send(TerminalEvent::Line(line.to_owned())).is_err() {
            self.terminal = None;
        }
        None
    }

    fn change_state(&mut self, state: ConsoleState) {
        if self.state == Some(state) {
            return;
        }
        self.state = Some(state);
        if let Some(terminal) = &self.terminal {
            // A terminal with a full queue is detached at the next line; its status does not matter any more.
            let _full = terminal.try_send(TerminalEvent::Status(state));
        }
    }

    fn detach(&mut self) {
        if let Some(terminal) = self.terminal.take() {
            // Dropping the sender tells the terminal as well.
            let _full = terminal.try_send(TerminalEvent::Detached);
        }
    }
}

fn clip(text: &str) -> String {
    text.chars().take(MAX_INPUT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_captured_command_keeps_its_output_from_the_terminal() {
        let console = Console::default();
        let mut terminal = console.attach();
        let answer = console.input_captured("QUERY").unwrap();
        assert_eq!(console.read().await, "QUERY");
        console.write("one\ntwo");
        console.complete(4);
        console.write("three");
        assert_eq!(answer.await.unwrap(), Captured { lines: vec!["one".into(), "two".into()], rc: 4 });
        assert_eq!(terminal.recv().await, Some(TerminalEvent::Status(ConsoleState::Running)));
        assert_eq!(terminal.recv().await, Some(TerminalEvent::Line("three".into())));
    }

    #[tokio::test]
    async fn nothing_is_read_in_cp_read() {
        let console = Console::default();
        console.set_state(ConsoleState::CpRead);
        console.input("QUERY").unwrap();
        assert!(console.read().now_or_never().is_none());
        assert_eq!(console.state(), ConsoleState::CpRead);
        console.set_state(ConsoleState::Running);
        assert_eq!(console.read().await, "QUERY");
        console.input("typed ahead").unwrap();
        console.stop();
        assert!(!console.has_input() && console.state() == ConsoleState::CpRead);
    }

    #[test]
    fn input_is_bounded() {
        let console = Console::default();
        for _ in 0..MAX_INPUT_LINES {
            console.input("x").unwrap();
        }
        assert_eq!(console.input("x"), Err(NotAccepted));
    }

    #[tokio::test]
    async fn a_capture_is_bounded() {
        let console = Console::default();
        let answer = console.input_captured("TYPE").unwrap();
        console.read().await;
        for _ in 0..MAX_CAPTURED_LINES {
            console.write("x");
        }
        console.write("one too many");
        console.write("and another");
        console.complete(0);
        let lines = answer.await.unwrap().lines;
        assert_eq!(lines.len(), MAX_CAPTURED_LINES + 1);
        assert!(lines.last().unwrap().starts_with("..."));
    }

    #[test]
    fn a_dead_terminal_is_detached() {
        let console = Console::default();
        let _never_read = console.attach();
        for _ in 0..MAX_TERMINAL_LINES {
            console.write("x");
        }
        assert!(console.is_connected());
        console.write("x");
        assert!(!console.is_connected());
    }

    #[tokio::test]
    async fn who_waits_for_a_line_leaves_it() {
        let console = std::sync::Arc::new(Console::default());
        let waiting = tokio::spawn({
            let console = console.clone();
            async move { console.input_waits().await }
        });
        tokio::task::yield_now().await;
        console.input("a line").unwrap();
        waiting.await.unwrap();
        // A line that is there already is no wait.
        console.input_waits().await;
        assert_eq!(console.read().await, "a line");
    }
}
