//! The command line. Other programs start the system with it, so what is here stays.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Default system folder.
pub const DEFAULT_SYSTEM: &str = "./endicott";

/// A z/VM-style system with an IMAP mail server.
#[derive(Debug, Parser)]
#[command(
    name = "endicott",
    version,
    // `endicott --system DIR cmd ...` would reach for the system in the default folder.
    args_conflicts_with_subcommands = true,
    about = "A z/VM-style system on a workstation, with an IMAP and SMTP server on top",
    after_help = "Examples:\n  endicott                                   generate ./endicott if need be, IPL it, be its operator\n  endicott ipl --system /srv/vm --no-console   the same as a service\n  endicott cmd -u MAINT 'QUERY NAMES'          one command in the running system\n  endicott shutdown                            stop it"
)]
pub struct Cli {
    /// What to do; IPL when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// For IPL without the word.
    #[command(flatten)]
    pub ipl: IplArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the system (generating it when the folder is not there) and be its operator's console
    Ipl(IplArgs),
    /// Generate a new system without starting it
    #[command(
        after_help = "Example:\n  endicott generate --system /srv/vm --mail-user JOE=SECRET1 --user ANN=SECRET2"
    )]
    Generate(GenerateArgs),
    /// Run one CP or CMS command on a user's machine in the running system and print its answer
    #[command(
        after_help = "Example:\n  endicott cmd -u MAINT 'IMAP QUERY USERS'\nThe exit code is the command's return code, 255 at most."
    )]
    Cmd(CmdArgs),
    /// Make a file of the host a file of a machine in the running system
    #[command(
        after_help = "Examples:\n  endicott import -u IMAP imap.config IMAP CONFIG          text, to file mode A (IMAP's 191)\n  endicott import -u MAINT deck.txt DECK JCL A --fixed 80  records of 80\n  endicott import -u MAINT picture.png PICTURE PNG --binary\nText is UTF-8; what is not in code page 1047 is refused."
    )]
    Import(ImportArgs),
    /// Write a file of a machine in the running system to a file of the host
    #[command(after_help = "Example:\n  endicott export -u IMAP imap.config IMAP CONFIG")]
    Export(ExportArgs),
    /// Stop the running system
    Shutdown(SystemArgs),
    /// Verify the file pools and minidisks of a stopped system
    #[command(
        after_help = "Example:\n  endicott check --system /srv/vm --bodies\nThe exit code is 0 when nothing is wrong."
    )]
    Check(CheckArgs),
    /// Write a backup of a file pool, of a running or a stopped system
    #[command(after_help = "Example:\n  endicott backup IMAPPOOL mail.backup")]
    Backup(PoolFileArgs),
    /// Write what is readable of a damaged file pool of a stopped system, in the form of a backup
    Salvage(PoolFileArgs),
    /// Bring back a pool, a file space or a file from a backup, in a stopped system
    #[command(
        after_help = "Examples:\n  endicott restore IMAPPOOL mail.backup              everything, into an empty pool\n  endicott restore IMAPPOOL mail.backup JOE          one user's file space\n  endicott restore VMSYSU users.backup JOE.SUB PROFILE EXEC   one file"
    )]
    Restore(RestoreArgs),
}

/// `--system`.
#[derive(Debug, Clone, Args)]
pub struct SystemArgs {
    /// Folder of the system
    #[arg(long, value_name = "DIR", default_value = DEFAULT_SYSTEM)]
    pub system: PathBuf,
}

/// Arguments of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Folder of the system
    #[arg(long, value_name = "DIR", default_value = DEFAULT_SYSTEM)]
    pub system: PathBuf,
    /// Read and verify every stored octet, not only the catalogs
    #[arg(long)]
    pub bodies: bool,
    /// Only this pool: VMSYSU, IMAPPOOL or MINIDISK
    pub pool: Option<String>,
}

/// A pool and a host file.
#[derive(Debug, Clone, Args)]
pub struct PoolFileArgs {
    /// Folder of the system
    #[arg(long, value_name = "DIR", default_value = DEFAULT_SYSTEM)]
    pub system: PathBuf,
    /// The pool: VMSYSU, IMAPPOOL or MINIDISK
    pub pool: String,
    /// The file to write; must not exist
    pub file: PathBuf,
}

/// Arguments of `restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// Folder of the system
    #[arg(long, value_name = "DIR", default_value = DEFAULT_SYSTEM)]
    pub system: PathBuf,
    /// The pool: VMSYSU, IMAPPOOL or MINIDISK
    pub pool: String,
    /// The backup
    pub file: PathBuf,
    /// Nothing: all of it; USER: a file space; USER[.DIR...] FN FT: a file
    pub what: Vec<String>,
}

/// Arguments of IPL.
#[derive(Debug, Clone, Args)]
pub struct IplArgs {
    /// Folder of the system
    #[arg(long, value_name = "DIR", default_value = DEFAULT_SYSTEM)]
    pub system: PathBuf,
    /// Do not be the operator's console; for use as a service
    #[arg(long)]
    pub no_console: bool,
    /// Listen on this address instead of the one in endicott.toml
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<std::net::IpAddr>,
}

/// Arguments of `generate`.
#[derive(Debug, Clone, Args)]
pub struct GenerateArgs {
    /// Folder of the system; must not hold one already
    #[arg(long, value_name = "DIR", default_value = DEFAULT_SYSTEM)]
    pub system: PathBuf,
    /// A CMS user, or the password of one of the system's own users
    #[arg(long, value_name = "NAME=PASSWORD")]
    pub user: Vec<String>,
    /// A CMS user who is enrolled for mail with 1,000,000 blocks
    #[arg(long, value_name = "NAME=PASSWORD")]
    pub mail_user: Vec<String>,
}

/// Arguments of `cmd`.
#[derive(Debug, Clone, Args)]
pub struct CmdArgs {
    /// Folder of the system
    #[arg(long, value_name = "DIR", default_value = DEFAULT_SYSTEM)]
    pub system: PathBuf,
    /// On whose machine
    #[arg(short, long, value_name = "USER")]
    pub user: String,
    /// Check this password first
    #[arg(long, value_name = "PASSWORD")]
    pub as_password: Option<String>,
    /// The command
    #[arg(required = true, num_args = 1..)]
    pub command: Vec<String>,
}

/// Arguments of `import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// Folder of the system
    #[arg(long, value_name = "DIR", default_value = DEFAULT_SYSTEM)]
    pub system: PathBuf,
    /// Of whose machine
    #[arg(short, long, value_name = "USER")]
    pub user: String,
    /// Octet by octet, not as text
    #[arg(long)]
    pub binary: bool,
    /// RECFM F with records of this length, instead of RECFM V
    #[arg(long, value_name = "LRECL")]
    pub fixed: Option<u32>,
    /// The host's file
    pub host_file: PathBuf,
    /// Name, type and file mode (A when left out); a file of that name is replaced
    #[arg(required = true, num_args = 2..=3, value_name = "FN FT FM")]
    pub file: Vec<String>,
}

/// Arguments of `export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Folder of the system
    #[arg(long, value_name = "DIR", default_value = DEFAULT_SYSTEM)]
    pub system: PathBuf,
    /// Of whose machine
    #[arg(short, long, value_name = "USER")]
    pub user: String,
    /// Octet by octet, not as text
    #[arg(long)]
    pub binary: bool,
    /// The host's file; must not exist
    pub host_file: PathBuf,
    /// Name, type and file mode (A when left out)
    #[arg(required = true, num_args = 2..=3, value_name = "FN FT FM")]
    pub file: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound_and_the_contract_holds() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["endicott", "--system", "/x", "--no-console"]);
        assert!(cli.command.is_none() && cli.ipl.no_console && cli.ipl.system.as_os_str() == "/x");
        let cli = Cli::parse_from(["endicott", "cmd", "--system", "/x", "-u", "MAINT", "QUERY NAMES"]);
        assert!(matches!(cli.command, Some(Command::Cmd(c)) if c.command == ["QUERY NAMES"]));
        let cli =
            Cli::parse_from(["endicott", "generate", "--system", "d", "--mail-user", "A=B", "--user", "C=D"]);
        assert!(matches!(cli.command, Some(Command::Generate(g)) if g.mail_user.len() == 1));
        // What stands before the word is for IPL alone, and would be passed over.
        assert!(
            Cli::try_parse_from(["endicott", "--system", "/x", "cmd", "-u", "MAINT", "QUERY NAMES"]).is_err()
        );
        assert!(matches!(
            Cli::parse_from(["endicott", "ipl", "--listen", "0.0.0.0"]).command,
            Some(Command::Ipl(i)) if i.listen.is_some()
        ));
    }
}
