//! The operator's console on the host: a terminal with line editing and history, or a plain pipe.
//!
//! Lines typed go to the terminal dialogue of CP; what comes back is printed as it arrives. On a pipe the input is read
//! to its end and the system goes on without a console then.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use cp::Cp;
use cp::terminal::{self, TerminalOutput};
use cp::vm::TerminalName;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{DefaultEditor, Editor, ExternalPrinter};
use tokio::sync::mpsc;

/// Lines typed ahead that may wait for the system.
const TYPED_AHEAD: usize = 256;

/// What the keyboard gives.
enum Typed {
    Line(String),
    Attention,
    End,
}

/// Runs the operator's console until the system ends or the input is over.
pub async fn run(cp: Arc<Cp>, history: PathBuf) {
    let (mut input, mut output) = terminal::open(&cp, TerminalName::SystemConsole);
    let (typed, mut lines) = mpsc::channel(TYPED_AHEAD);
    let mut screen = start_keyboard(history, typed);
    if let Err(error) = input.logon_operator(cp.config.operator).await {
        screen.line(&error.to_string());
    }
    loop {
        tokio::select! {
            shown = output.recv() => match shown {
                Some(TerminalOutput::Line(text)) => screen.line(&text),
                Some(TerminalOutput::Password) => screen.line("(the next line is shown as you type it)"),
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
        terminal::disconnect(&cp, &vm);
    }
    while let Ok(shown) = output.try_recv() {
        if let TerminalOutput::Line(text) = shown {
            screen.line(&text);
        }
    }
}

/// Where lines are printed.
struct Screen {
    printer: Option<Box<dyn ExternalPrinter + Send>>,
}

impl Screen {
    fn line(&mut self, text: &str) {
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match &mut self.printer {
            Some(printer) => {
                // A terminal that has gone cannot show anything.
                let _gone = printer.print(format!("{clean}\n"));
            }
            None => {
                let mut out = std::io::stdout().lock();
                let _gone = writeln!(out, "{clean}").and_then(|()| out.flush());
            }
        }
    }
}

/// Starts the thread that reads the keyboard.
fn start_keyboard(history: PathBuf, typed: mpsc::Sender<Typed>) -> Screen {
    let editor = std::io::stdin().is_terminal().then(DefaultEditor::new).and_then(Result::ok);
    match editor {
        Some(mut editor) => {
            let printer =
                editor.create_external_printer().ok().map(|p| Box::new(p) as Box<dyn ExternalPrinter + Send>);
            std::thread::spawn(move || edit(editor, &history, &typed));
            Screen { printer }
        }
        None => {
            std::thread::spawn(move || pipe(&typed));
            Screen { printer: None }
        }
    }
}

fn edit(mut editor: Editor<(), FileHistory>, history: &PathBuf, typed: &mpsc::Sender<Typed>) {
    // There is no history before the first time.
    let _none_yet = editor.load_history(history);
    loop {
        let next = match editor.readline("") {
            Ok(line) => {
                let _kept = editor.add_history_entry(&line);
                Typed::Line(line)
            }
            Err(ReadlineError::Interrupted) => Typed::Attention,
            Err(_) => Typed::End,
        };
        let over = matches!(next, Typed::End);
        let _saved = editor.save_history(history);
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
