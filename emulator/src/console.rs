//! The operator's console on the host: a terminal with line editing and history, or a plain pipe.
//!
//! Lines typed go to the terminal dialogue of CP; what comes back is printed as it arrives. On a pipe the input is read
//! to its end and the system goes on without a console then.

use std::borrow::Cow;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use cp::Cp;
use cp::terminal::{self, TerminalInput, TerminalOutput};
use cp::vm::TerminalName;
use reedline::{
    ExternalPrinter, FileBackedHistory, Highlighter, History, HistoryItem, HistoryItemId, HistorySessionId,
    Prompt, PromptEditMode, PromptHistorySearch, Reedline, SearchQuery, Signal, StyledText,
};
use tokio::sync::mpsc;

/// Commands kept in the history.
const HISTORY_LINES: usize = 1_000;

/// How often the editor looks for lines to print while nobody types.
const POLL: Duration = Duration::from_millis(20);

/// Lines of output that may wait while the keyboard thread is busy; more than a burst of QUERY answers.
const OUTPUT_LINES: usize = 4_096;

/// Lines typed ahead that may wait for the system.
const TYPED_AHEAD: usize = 256;

/// Hides what is typed while a password is awaited.
struct Mask {
    secret: Arc<AtomicBool>,
}

impl Highlighter for Mask {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let hidden = self.secret.load(Ordering::Relaxed);
        let shown = if hidden { " ".repeat(line.chars().count()) } else { line.to_owned() };
        let mut text = StyledText::new();
        text.push((Default::default(), shown));
        text
    }
}

/// The history of commands, which passwords stay out of.
struct CommandHistory {
    kept: FileBackedHistory,
    secret: Arc<AtomicBool>,
}

impl History for CommandHistory {
    fn save(&mut self, item: HistoryItem) -> reedline::Result<HistoryItem> {
        if self.secret.load(Ordering::Relaxed) { Ok(item) } else { self.kept.save(item) }
    }

    fn load(&self, id: HistoryItemId) -> reedline::Result<HistoryItem> {
        self.kept.load(id)
    }

    fn count(&self, query: SearchQuery) -> reedline::Result<i64> {
        self.kept.count(query)
    }

    fn search(&self, query: SearchQuery) -> reedline::Result<Vec<HistoryItem>> {
        self.kept.search(query)
    }

    fn update(
        &mut self,
        id: HistoryItemId,
        updater: &dyn Fn(HistoryItem) -> HistoryItem,
    ) -> reedline::Result<()> {
        self.kept.update(id, updater)
    }

    fn clear(&mut self) -> reedline::Result<()> {
        self.kept.clear()
    }

    fn delete(&mut self, id: HistoryItemId) -> reedline::Result<()> {
        self.kept.delete(id)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.kept.sync()
    }

    fn session(&self) -> Option<HistorySessionId> {
        self.kept.session()
    }
}

/// VM has no prompt: the line is typed at the left margin.
struct NoPrompt;

impl Prompt for NoPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(history: {}) ", search.term))
    }
}

/// What the keyboard gives.
enum Typed {
    Line(String),
    Attention,
    End,
}

/// The operator's console, with the operator logged on at it.
pub struct OperatorConsole {
    cp: Arc<Cp>,
    input: TerminalInput,
    output: mpsc::Receiver<TerminalOutput>,
}

impl OperatorConsole {
    /// Logs the operator on at the system console. What he is shown waits until [`OperatorConsole::run`].
    pub async fn open(cp: &Arc<Cp>) -> Self {
        let (mut input, output) = terminal::open(cp, TerminalName::SystemConsole);
        if let Err(error) = input.logon_operator(cp.config.operator).await {
            tracing::warn!("the operator could not be logged on: {error}");
        }
        Self { cp: cp.clone(), input, output }
    }

    /// Serves the console until the system ends or the input is over. Commands are kept in the file `history`.
    pub async fn run(self, history: std::path::PathBuf) {
        let Self { cp, input, output } = self;
        serve(&cp, input, output, &history).await;
    }
}

async fn serve(
    cp: &Arc<Cp>,
    mut input: TerminalInput,
    mut output: mpsc::Receiver<TerminalOutput>,
    history: &Path,
) {
    let (typed, mut lines) = mpsc::channel(TYPED_AHEAD);
    let secret = Arc::new(AtomicBool::new(false));
    let mut screen = start_keyboard(history, typed, secret.clone());
    loop {
        tokio::select! {
            shown = output.recv() => match shown {
                Some(TerminalOutput::Line(text)) => screen.line(&text),
                Some(TerminalOutput::Password) => secret.store(true, Ordering::Relaxed),
                Some(TerminalOutput::NotAccepted) => screen.line("NOT ACCEPTED"),
                Some(TerminalOutput::Status(_)) => {}
                Some(TerminalOutput::Closed) | None => return,
            },
            typed = lines.recv() => match typed {
                Some(Typed::Line(line)) => input.enter(&line).await,
                Some(Typed::Attention) => input.attention(),
                Some(Typed::End) | None => break,
            },
            () = cp.shutdown_requested() => break,
        }
    }
    // The input is over: the operator is disconnected, what is still said goes nowhere.
    if let Some(vm) = input.machine() {
        terminal::disconnect(cp, &vm);
    }
    while let Ok(shown) = output.try_recv() {
        if let TerminalOutput::Line(text) = shown {
            screen.line(&text);
        }
    }
}

/// Where lines are printed.
struct Screen {
    printer: Option<SyncSender<String>>,
}

impl Screen {
    fn line(&mut self, text: &str) {
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // Before the editor runs, and after it has ended, lines go out directly.
        if self.printer.as_ref().is_some_and(|p| p.send(clean.clone()).is_ok()) {
            return;
        }
        let mut out = std::io::stdout().lock();
        // Nobody may be reading any more.
        let _gone = writeln!(out, "{clean}").and_then(|()| out.flush());
    }
}

/// Starts the thread that reads the keyboard.
fn start_keyboard(history: &Path, typed: mpsc::Sender<Typed>, secret: Arc<AtomicBool>) -> Screen {
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        std::thread::spawn(move || pipe(&typed));
        return Screen { printer: None };
    }
    let printer = ExternalPrinter::new(OUTPUT_LINES);
    let sender = printer.sender();
    let mut editor = Reedline::create()
        .with_external_printer(printer)
        .with_poll_interval(POLL)
        .with_highlighter(Box::new(Mask { secret: secret.clone() }));
    // Without a history file the history lasts as long as the console.
    if let Ok(kept) = FileBackedHistory::with_file(HISTORY_LINES, history.to_owned()) {
        editor = editor.with_history(Box::new(CommandHistory { kept, secret: secret.clone() }));
    }
    std::thread::spawn(move || edit(editor, &typed, &secret));
    Screen { printer: Some(sender) }
}

fn edit(mut editor: Reedline, typed: &mpsc::Sender<Typed>, secret: &AtomicBool) {
    loop {
        let next = match editor.read_line(&NoPrompt) {
            Ok(Signal::Success(line)) => {
                secret.store(false, Ordering::Relaxed);
                Typed::Line(line)
            }
            Ok(Signal::CtrlC) => Typed::Attention,
            _ => Typed::End,
        };
        // The process may end while the next line is typed; a history that cannot be written is only forgotten.
        let _kept = editor.sync_history();
        let over = matches!(next, Typed::End);
        if typed.blocking_send(next).is_err() || over {
            return;
        }
    }
}

fn pipe(typed: &mpsc::Sender<Typed>) {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        if typed.blocking_send(Typed::Line(line)).is_err() {
            return;
        }
    }
    // When nobody listens any more the system is ending anyway.
    let _ending = typed.blocking_send(Typed::End);
}
