//! The subcommands of the command line.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Cli, CmdArgs, Command, ExportArgs, GenerateArgs, ImportArgs, IplArgs, SystemArgs};
use crate::config::HostConfig;
use crate::console::OperatorConsole;
use crate::control::{self, Request};
use crate::folder::Folder;
use crate::generate::{MadeUser, NewUser, SAMPLE_MAIL_USERS, generate};
use crate::ipl::System;
use crate::log;
use crate::pooltool;
use crate::transfer::Form;

/// Printed on a line of its own when the system is up; programs that start it wait for it.
pub const READY_LINE: &str = "ENDICOTT READY";

/// Exit code when no system runs in the folder.
const EXIT_NOT_RUNNING: u8 = 3;

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None => ipl(&cli.ipl),
        Some(Command::Ipl(args)) => ipl(&args),
        Some(Command::Generate(args)) => generate_only(&args),
        Some(Command::Cmd(args)) => cmd(&args),
        Some(Command::Import(args)) => import(&args),
        Some(Command::Export(args)) => export(&args),
        Some(Command::Shutdown(args)) => shutdown(&args),
        Some(other) => pools(&other),
    };
    result.unwrap_or_else(|error| {
        complain(&format!("endicott: {}", told(&error)));
        ExitCode::FAILURE
    })
}

/// An error with its causes, but for those that it says itself.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; the system runs all the same.
    let _unread = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn complain(text: &str) {
    let _unread = writeln!(std::io::stderr(), "{text}");
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    // One TLS provider is in the program; a second installation would only repeat the first.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime cannot be started")
}

fn new_users(users: &[String], mail_users: &[String]) -> anyhow::Result<Vec<NewUser>> {
    let plain = users.iter().map(|u| NewUser::parse(u, false));
    plain.chain(mail_users.iter().map(|u| NewUser::parse(u, true))).collect()
}

fn generate_only(args: &GenerateArgs) -> anyhow::Result<ExitCode> {
    log::start();
    let users = new_users(&args.user, &args.mail_user)?;
    let folder = Folder::new(&args.system);
    runtime()?.block_on(generate(&folder, &users))?;
    print(&format!("System generated in {}", folder.path().display()));
    print(&format!("Passwords are in {}", folder.path().join("passwords.txt").display()));
    print(&format!("Start it with: endicott ipl --system {}", folder.path().display()));
    Ok(ExitCode::SUCCESS)
}

fn ipl(args: &IplArgs) -> anyhow::Result<ExitCode> {
    log::start();
    let folder = Folder::new(&args.system);
    let runtime = runtime()?;
    let done = runtime.block_on(run_system(&folder, args));
    // What still blocks in a thread (the keyboard) must not hold the end up.
    runtime.shutdown_background();
    done.map(|()| ExitCode::SUCCESS)
}

async fn run_system(folder: &Folder, args: &IplArgs) -> anyhow::Result<()> {
    let mut made = Vec::new();
    if !folder.is_generated() {
        print(&format!("Generating a new system in {} ...", folder.path().display()));
        let samples: Vec<NewUser> = SAMPLE_MAIL_USERS
            .iter()
            .map(|name| Ok(NewUser { userid: name.parse()?, password: None, mail: true }))
            .collect::<Result<_, cp::name::NameError>>()?;
        made = generate(folder, &samples).await?;
    }
    let mut config = HostConfig::load(folder.path())?;
    if let Some(address) = args.listen {
        config.listen.address = address;
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let system = System::build(folder, &config, config.addresses()).await?;
    system.autolog().await?;
    system.open_control()?;
    let late = system.wait_until_up().await;
    for name in &late {
        complain(&format!("endicott: the listener {name} is not open; see the consoles of IMAP and SMTP"));
    }
    let cp = system.cp.clone();
    let console = if args.no_console { None } else { Some(OperatorConsole::open(&cp).await) };
    system.mark_ready()?;
    announce(&system, &made);
    let history = folder.path().join("console.history");
    let console = tokio::spawn(async move {
        if let Some(console) = console {
            console.run(history).await;
        }
    });
    tokio::select! {
        () = cp.shutdown_requested() => {}
        _ = terminate.recv() => cp.request_shutdown(),
        // The console takes Ctrl-C for ATTENTION when it has the terminal in its own mode.
        _ = interrupt.recv() => cp.request_shutdown(),
    }
    print("SYSTEM SHUTDOWN STARTED");
    console.abort();
    system.stop().await;
    print("SYSTEM SHUTDOWN COMPLETE");
    Ok(())
}

/// Tells where everything is and what to type first.
fn announce(system: &System, made: &[MadeUser]) {
    let bound = system.network.bound();
    let address = |name: &str| bound.get(name).map_or("off".to_owned(), ToString::to_string);
    print(&format!("IMAP        {}   (STARTTLS)    IMAP over TLS  {}", address("imap"), address("imaps")));
    print(&format!(
        "SMTP        {}                 Submission     {}",
        address("smtp"),
        address("submission")
    ));
    print(&format!("Mail domain {}", system.network.domain));
    if !made.is_empty() {
        print("Users with mail, and their passwords (kept in passwords.txt, shown this once):");
        for user in made.iter().filter(|u| u.mail) {
            let address = format!("{}@{}", user.userid.as_str().to_ascii_lowercase(), system.network.domain);
            print(&format!("  {:<8}  {:<10} {address}", user.userid, user.password));
        }
    }
    if let (Some(smtp), Some(imap)) = (bound.get("smtp"), bound.get("imap")) {
        let user = made.iter().find(|u| u.mail);
        let (name, password) = user.map_or(("userid".to_owned(), "password".to_owned()), |u| {
            (u.userid.to_string(), u.password.clone())
        });
        let to = format!("{}@{}", name.to_ascii_lowercase(), system.network.domain);
        print("Send a mail and read it:");
        print(&format!(
            "  printf 'Subject: hello\\n\\nfrom the outside\\n' | curl -sS smtp://{smtp} --mail-from me@example.org --mail-rcpt {to} -T -"
        ));
        print(&format!("  curl -sS -u {name}:{password} 'imap://{imap}/INBOX;MAILINDEX=1'"));
    }
    system.damage.iter().for_each(|line| print(line));
    print("First commands here: QUERY NAMES, QUERY TIME, HELP, SHUTDOWN");
    print(READY_LINE);
}

/// The tools for file pools.
fn pools(command: &Command) -> anyhow::Result<ExitCode> {
    log::start();
    let mut say = |line: &str| print(line);
    match command {
        Command::Check(a) => {
            let sound = pooltool::check(&Folder::new(&a.system), a.pool.as_deref(), a.bodies, &mut say)?;
            return Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Backup(a) => pooltool::backup(&Folder::new(&a.system), &a.pool, &a.file, &mut say)?,
        Command::Salvage(a) => pooltool::salvage(&Folder::new(&a.system), &a.pool, &a.file, &mut say)?,
        Command::Restore(a) => {
            let what = pooltool::selection(&a.what)?;
            pooltool::restore(&Folder::new(&a.system), &a.pool, &a.file, &what, &mut say)?;
        }
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn cmd(args: &CmdArgs) -> anyhow::Result<ExitCode> {
    let request = Request::Cmd {
        user: args.user.clone(),
        password: args.as_password.clone(),
        command: args.command.join(" "),
    };
    match control::ask(&args.system, &request) {
        Ok(response) => Ok(answered(&response)),
        Err(error) => not_running(&args.system, &error),
    }
}

/// Prints the answer; its return code.
fn answered(response: &control::Response) -> ExitCode {
    response.lines.iter().for_each(|line| print(line));
    ExitCode::from(u8::try_from(response.rc.unsigned_abs()).unwrap_or(u8::MAX))
}

const fn form(binary: bool) -> Form {
    if binary { Form::Binary } else { Form::Text }
}

fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let octets = std::fs::read(&args.host_file).with_context(|| args.host_file.display().to_string())?;
    let request = Request::Import {
        user: args.user.clone(),
        file: args.file.join(" "),
        form: form(args.binary),
        fixed: args.fixed,
        octets: octets.len() as u64,
    };
    match control::ask_with(&args.system, &request, &octets) {
        Ok((response, _)) => Ok(answered(&response)),
        Err(error) => not_running(&args.system, &error),
    }
}

fn export(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let request =
        Request::Export { user: args.user.clone(), file: args.file.join(" "), form: form(args.binary) };
    match control::ask_with(&args.system, &request, &[]) {
        Ok((response, octets)) => {
            if response.rc == 0 {
                pooltool::write_whole(&args.host_file, |out| Ok(out.write_all(&octets)?))?;
            }
            Ok(answered(&response))
        }
        Err(error) => not_running(&args.system, &error),
    }
}

fn shutdown(args: &SystemArgs) -> anyhow::Result<ExitCode> {
    match control::shutdown(&args.system) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => not_running(&args.system, &error),
    }
}

fn not_running(system: &std::path::Path, error: &std::io::Error) -> anyhow::Result<ExitCode> {
    use std::io::ErrorKind;
    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) {
        complain(&format!(
            "endicott: no system runs in {}; start it with: endicott ipl --system {}",
            system.display(),
            system.display()
        ));
        return Ok(ExitCode::from(EXIT_NOT_RUNNING));
    }
    anyhow::bail!("{}: {error}", control::socket_path(system).display())
}
