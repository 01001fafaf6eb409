//! One CMS: the machine's accessed disks, program stack, settings, and how a command line is carried out.

use std::sync::{Arc, Weak};

use cp::Guest;
use cp::codepage;
use cp::command::split_word;
use cp::name::{DirName, FileName, FilePoolId, FileType, ModeLetter, UserId};
use cp::vm::Vm;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sfs::csl::Csl;
use sfs::types::FileId;

use crate::command::{self, CmsCall};
use crate::exec::{self, Clause};
use crate::files::{FileModes, StoreError, read_all, to_lines};
use crate::message::{DmsMessage, dms};
use crate::program::ProgramTable;
use crate::stack::ProgramStack;

/// Greatest size of an EXEC or a configuration file that is read whole, in octets.
pub const MAX_TEXT_FILE: usize = 4 << 20;

/// EXECs that may call each other before the chain is cut: deeper nesting is a loop.
const MAX_EXEC_DEPTH: u32 = 50;

/// Return code of an unknown command.
const UNKNOWN_COMMAND: i32 = -3;

/// SET options of CMS.
#[derive(Clone, Debug)]
pub struct CmsSettings {
    /// SET RDYMSG SMSG: the ready message without times.
    pub short_ready: bool,
    /// SET IMPCP: unknown commands go to CP.
    pub imp_cp: bool,
    /// SET IMPEX: EXECs are found by name.
    pub imp_ex: bool,
    /// SET RORESPECT: nothing is written in a directory that is accessed read-only.
    pub ro_respect: bool,
    /// SET FILEPOOL: the default file pool.
    pub filepool: Option<FilePoolId>,
    /// SET FILESPACE: the default file space.
    pub filespace: UserId,
}

/// CMS in one virtual machine.
pub struct Cms {
    /// The machine.
    pub guest: Guest,
    /// The file pool interface.
    pub csl: Csl,
    /// Accessed file modes.
    pub modes: FileModes,
    /// The program stack.
    pub stack: ProgramStack,
    /// SET options.
    pub settings: Mutex<CmsSettings>,
    /// Native programs.
    pub programs: Arc<ProgramTable>,
}

/// Where others find the CMS of a machine.
struct Running(Weak<Cms>);

impl Cms {
    /// The CMS that runs in a machine.
    pub fn of(vm: &Vm) -> Option<Arc<Self>> {
        vm.ext.get::<Running>()?.0.upgrade()
    }

    /// A CMS with nothing accessed; the one of its machine from now on.
    pub fn new(guest: Guest) -> Arc<Self> {
        let filespace = guest.userid();
        let cms = Arc::new(Self {
            csl: Csl::for_guest(&guest),
            modes: FileModes::default(),
            stack: ProgramStack::default(),
            settings: Mutex::new(CmsSettings {
                short_ready: false,
                imp_cp: true,
                imp_ex: true,
                ro_respect: false,
                filepool: None,
                filespace,
            }),
            programs: ProgramTable::of(guest.cp()),
            guest,
        });
        cms.guest.vm().ext.set(Arc::new(Running(Arc::downgrade(&cms))));
        cms
    }

    /// The user id of the machine.
    pub fn userid(&self) -> UserId {
        self.guest.userid()
    }

    /// Writes a line to the console.
    pub async fn say(&self, text: &str) {
        self.guest.write(text).await;
    }

    /// Reads a line: from the program stack, else from the console.
    pub async fn read_line(&self) -> String {
        match self.stack.pull() {
            Some(line) => line,
            // Nobody is there to answer when a host program sent the command.
            None if self.guest.vm().console.is_captured() => String::new(),
            None => self.guest.read().await,
        }
    }

    /// A directory name with this CMS's defaults for pool and file space.
    ///
    /// # Errors
    /// The message that says what is wrong with the token.
    pub fn dir_name(&self, module: &'static str, token: &str) -> Result<DirName, DmsMessage> {
        if let Some(dir) = self.csl.namedef_directory(token) {
            return Ok(dir);
        }
        let (pool, owner) = {
            let settings = self.settings.lock();
            (settings.filepool, settings.filespace)
        };
        if pool.is_none() && !token.contains(':') {
            return Err(dms(module, 1223, 40, &[]));
        }
        DirName::parse(token, pool, owner).map_err(|e| dms(module, 1187, 24, &[&format!("{token}: {e}")]))
    }

    /// Carries out one command line, from the console or from an EXEC; the result is the return code.
    pub fn execute<'a>(self: &'a Arc<Self>, line: &'a str) -> BoxFuture<'a, i32> {
        self.execute_at(line, 0, true)
    }

    fn execute_at<'a>(self: &'a Arc<Self>, line: &'a str, depth: u32, console: bool) -> BoxFuture<'a, i32> {
        Box::pin(async move {
            let (word, args) = split_word(line);
            let name = word.to_ascii_uppercase();
            if name == "EXEC" {
                return self.exec_command(args, depth).await;
            }
            if name == "CP" {
                return self.cp_command(args).await;
            }
            let imp_ex = self.settings.lock().imp_ex;
            if imp_ex && let Some(rc) = self.run_exec(&name, args, depth).await {
                return rc;
            }
            if let Some(program) = self.programs.find(&name) {
                return program.run(self.clone(), args.to_owned()).await;
            }
            if let Some(row) = command::find(&name) {
                return self.run_command(row, args).await;
            }
            let imp_cp = self.settings.lock().imp_cp;
            if !(console && imp_cp) {
                return UNKNOWN_COMMAND;
            }
            match self.cp_command(line).await {
                1 => -1,
                rc => rc,
            }
        })
    }

    async fn run_command(self: &Arc<Self>, row: &'static command::CmsCommand, args: &str) -> i32 {
        let done = (row.run)(CmsCall { cms: self, name: row.name, args }).await;
        for pool in self.csl.take_warned() {
            self.say(&dms("CMT", 2618, 4, &[pool.as_str()]).to_string()).await;
        }
        match done {
            Ok(rc) => rc,
            Err(message) => {
                self.say(&message.to_string()).await;
                message.rc
            }
        }
    }

    /// Passes a command to CP and shows its answer.
    pub async fn cp_command(&self, line: &str) -> i32 {
        let response = self.guest.cp_command(line).await;
        for text in &response.lines {
            self.say(text).await;
        }
        response.rc
    }

    /// The command EXEC.
    async fn exec_command(self: &Arc<Self>, operands: &str, depth: u32) -> i32 {
        let (exec, args) = split_word(operands);
        let message = if exec.is_empty() {
            dms("EXC", 5, 24, &["filename"])
        } else if let Some(rc) = self.run_exec(exec, args, depth).await {
            return rc;
        } else {
            dms("EXC", 2, 28, &[&format!("{} EXEC *", exec.to_ascii_uppercase())])
        };
        self.say(&message.to_string()).await;
        message.rc
    }

    /// Runs `name EXEC` from the accessed modes; `None` when there is none.
    async fn run_exec(self: &Arc<Self>, name: &str, _args: &str, depth: u32) -> Option<i32> {
        let id = FileId::new(FileName::new(name).ok()?, FileType::new("EXEC").ok()?);
        let (accessed, _) = self.modes.find(id, None).await.ok().flatten()?;
        if depth >= MAX_EXEC_DEPTH {
            let text = format!("EXEC {name} is nested more than {MAX_EXEC_DEPTH} levels deep");
            self.say(&dms("EXC", 1020, 88, &[&text]).to_string()).await;
            return Some(88);
        }
        let lines = match read_all(&*accessed.store, id, MAX_TEXT_FILE).await {
            Ok((status, image)) => to_lines(&status, &image),
            Err(error) => {
                self.say(&store_message("EXC", &error, &id.to_string()).to_string()).await;
                return Some(100);
            }
        };
        let clauses = match exec::parse(&lines.join("\n")) {
            Ok(clauses) => clauses,
            Err(e) => {
                let message = dms("EXC", 449, 20_013, &[name, &e.record.to_string(), &e.clause]);
                self.say(&message.to_string()).await;
                return Some(message.rc);
            }
        };
        for clause in clauses {
            let stacked = match clause {
                Clause::Queue(line) => self.stack.queue(line),
                Clause::Push(line) => self.stack.push(line),
                Clause::Say(text) => {
                    self.say(&text).await;
                    Ok(())
                }
                Clause::Exit(rc) => return Some(rc),
                Clause::Command(line) => {
                    let rc = self.execute_at(&line, depth + 1, false).await;
                    if rc < 0 {
                        self.say(&format!("     *-* '{line}'")).await;
                        self.say(&format!("       +++ RC({rc}) +++")).await;
                    }
                    Ok(())
                }
            };
            if let Err(full) = stacked {
                self.say(&dms("EXC", 1020, 104, &[&full.to_string()]).to_string()).await;
                return Some(104);
            }
        }
        Some(0)
    }

    /// Reads a text file from the accessed modes.
    ///
    /// # Errors
    /// The message for a missing or unreadable file.
    pub async fn read_text(
        &self,
        module: &'static str,
        name: &str,
        kind: &str,
        mode: Option<ModeLetter>,
    ) -> Result<Vec<String>, DmsMessage> {
        let shown = format!("{name} {kind} *");
        let bad = || dms(module, 54, 24, &[]);
        let id =
            FileId::new(FileName::new(name).map_err(|_| bad())?, FileType::new(kind).map_err(|_| bad())?);
        let found = self.modes.find(id, mode).await.map_err(|e| store_message(module, &e, &shown))?;
        let (accessed, _) = found.ok_or_else(|| dms(module, 2, 28, &[&shown]))?;
        let read = read_all(&*accessed.store, id, MAX_TEXT_FILE).await;
        let (status, image) = read.map_err(|e| store_message(module, &e, &shown))?;
        Ok(to_lines(&status, &image))
    }

    /// Writes a RECFM V text file to a file mode, replacing what is there.
    ///
    /// # Errors
    /// The message for a mode that is missing, read-only or full.
    pub async fn write_text(
        &self,
        module: &'static str,
        id: FileId,
        mode: ModeLetter,
        lines: &[String],
    ) -> Result<(), DmsMessage> {
        let accessed = self.writable(module, mode)?;
        let mut image = Vec::new();
        for line in lines {
            crate::files::append_record(&mut image, &codepage::from_text(line))
                .map_err(|_| dms(module, 44, 32, &[]))?;
        }
        let attributes = sfs::types::Attributes::variable();
        crate::files::write_all(&*accessed.store, id, attributes, image)
            .await
            .map_err(|e| store_message(module, &e, &format!("{id} {mode}")))
    }

    /// The accessed mode `mode`, when it can be written to.
    ///
    /// # Errors
    /// 069E when not accessed, 037E when read-only.
    pub fn writable(
        &self,
        module: &'static str,
        mode: ModeLetter,
    ) -> Result<Arc<crate::files::Accessed>, DmsMessage> {
        let letter = mode.to_string();
        let accessed = self.modes.get(mode).ok_or_else(|| dms(module, 69, 36, &[&letter]))?;
        if accessed.read_only {
            return Err(dms(module, 37, 36, &[&letter]));
        }
        Ok(accessed)
    }
}

/// The message for a failed file operation.
pub fn store_message(module: &'static str, error: &StoreError, file: &str) -> DmsMessage {
    match error {
        StoreError::NotFound => dms(module, 2, 28, &[file]),
        StoreError::Exists => dms(module, 24, 28, &[file]),
        StoreError::ReadOnly => dms(module, 37, 36, &[file]),
        StoreError::Full => dms(module, 107, 13, &[file]),
        StoreError::Conflict => dms(module, 1138, 70, &[file]),
        StoreError::NotEnrolled(pool) => dms(module, 1240, 76, &[pool]),
        StoreError::Unavailable(why) => dms(module, 1153, 99, &[why]),
        StoreError::Other { rc, reason } => dms(module, 1285, 104, &[&rc.to_string(), reason]),
    }
}
