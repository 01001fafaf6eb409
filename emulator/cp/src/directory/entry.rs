//! One user directory entry, as the system uses it.
//!
//! An entry is what the statements between one `USER` statement and the next say, with profiles already taken in.
//! It is plain data: it is built by [`super::source`], written and read by [`super::object`], and looked up through
//! [`super::DirectoryImage`]. A password is never here in the clear ([`Password`]).
//!
//! Not here: what a statement looks like (the grammars), and what CP does with it (the core).

use std::fmt;

use crate::name::{UserId, Vdev};

use super::password::{ArgonHash, Verifier};

/// Default of `OPTION MAXCONN`: the connections an entry without the word may have.
/// Source: directory OPTION statement.
pub const DEFAULT_MAXCONN: u32 = 64;
/// Greatest value of `OPTION MAXCONN`. Source: directory OPTION statement.
pub const GREATEST_MAXCONN: u32 = 65_535;
/// Default of `SPOOLFILE MAXSPOOL`: every spool id an owner can have.
pub const DEFAULT_MAXSPOOL: u16 = 9999;
/// Message limit of an IUCV path when neither the directory nor CONNECT says anything.
pub const DEFAULT_MSGLIMIT: u16 = 10;
/// The user and group number of somebody without `POSIXINFO`.
pub const DEFAULT_POSIX_ID: u32 = 4_294_967_295;

/// Everything the directory says about one user id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The user id.
    pub userid: UserId,
    /// How, if at all, one may log on.
    pub password: Password,
    /// Virtual storage at logon (`USER` operand or `STORAGE`).
    pub storage: StorageSize,
    /// Greatest virtual storage (`USER` operand or `MAXSTORAGE`).
    pub max_storage: StorageSize,
    /// Privilege classes (`USER` operand or `CLASS`).
    pub classes: PrivilegeClasses,
    /// The four editing symbols of the `USER` statement.
    pub editing: EditingSymbols,
    /// `ACCOUNT`: the accounting number.
    pub account: Option<String>,
    /// `ACCOUNT`: the distribution code of spool output; the user id when absent.
    pub dist: Option<String>,
    /// `MACHINE`.
    pub machine: Machine,
    /// `IPL`: what is loaded at logon.
    pub ipl: Option<IplStatement>,
    /// `CONSOLE`.
    pub console: Option<ConsoleStatement>,
    /// `IUCV`, in the order of the source.
    pub iucv: Vec<IucvStatement>,
    /// `OPTION` words without MAXCONN.
    pub options: Vec<OptionWord>,
    /// `OPTION MAXCONN`: greatest number of IUCV paths.
    pub maxconn: u32,
    /// `SPOOL` and the unit record devices they define.
    pub spool: Vec<SpoolStatement>,
    /// `LINK`: disks of others that are linked at logon.
    pub links: Vec<LinkStatement>,
    /// `MDISK`: the user's own minidisks.
    pub mdisks: Vec<MdiskStatement>,
    /// `AUTOLOG` and `XAUTOLOG`: who may autolog this machine without its password.
    pub autolog: Vec<UserId>,
    /// `LOGONBY`: who may log on to this machine with his own password.
    pub logonby: Vec<UserId>,
    /// `SPOOLFILE MAXSPOOL`: greatest number of spool files owned.
    pub maxspool: u16,
    /// `POSIXINFO`.
    pub posix: Option<PosixInfo>,
    /// Known statements that this system keeps but does not act upon, each as its tokens.
    pub others: Vec<OtherStatement>,
}

impl DirectoryEntry {
    /// An entry with the defaults of a `USER userid password` statement that says no more.
    pub fn new(userid: UserId, password: Password) -> Self {
        Self {
            userid,
            password,
            storage: StorageSize::DEFAULT,
            max_storage: StorageSize::DEFAULT,
            classes: PrivilegeClasses::GENERAL,
            editing: EditingSymbols::default(),
            account: None,
            dist: None,
            machine: Machine::default(),
            ipl: None,
            console: None,
            iucv: Vec::new(),
            options: Vec::new(),
            maxconn: DEFAULT_MAXCONN,
            spool: Vec::new(),
            links: Vec::new(),
            mdisks: Vec::new(),
            autolog: Vec::new(),
            logonby: Vec::new(),
            maxspool: DEFAULT_MAXSPOOL,
            posix: None,
            others: Vec::new(),
        }
    }

    /// Whether `OPTION word` is in the entry.
    pub fn has_option(&self, word: OptionWord) -> bool {
        self.options.contains(&word)
    }

    /// The distribution code of this user's output.
    pub fn dist_code(&self) -> &str {
        self.dist.as_deref().unwrap_or(self.userid.as_str())
    }

    /// What this entry's own `IUCV` statements grant towards `target`, a user id or a `*service`.
    ///
    /// A statement that names the target wins over `IUCV ANY`; ANY never covers a CP system service.
    /// `None` says nothing about services open to all, nor about a target that says `IUCV ALLOW`.
    pub fn iucv_towards(&self, target: &str) -> Option<IucvTerms> {
        let named = self.iucv.iter().find(|s| match &s.target {
            IucvTarget::User(u) => u.as_str() == target,
            IucvTarget::Service(name) => name == target,
            IucvTarget::Ident { .. } => target == "*IDENT",
            IucvTarget::Allow | IucvTarget::Any => false,
        });
        let any = || {
            let service = target.starts_with('*');
            self.iucv.iter().find(|s| !service && s.target == IucvTarget::Any)
        };
        named.or_else(any).map(IucvStatement::terms)
    }

    /// What `IUCV ALLOW` in this entry grants to anybody who connects to it.
    pub fn iucv_allow(&self) -> Option<IucvTerms> {
        self.iucv.iter().find(|s| s.target == IucvTarget::Allow).map(IucvStatement::terms)
    }
}

/// How, if at all, a user id may be logged on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// `NOLOG`: cannot be logged on at all.
    NoLog,
    /// `NOPASS`: no password is asked.
    NoPass,
    /// `AUTOONLY`: only by AUTOLOG and XAUTOLOG.
    AutoOnly,
    /// `LBYONLY`: only by LOGON BY.
    LbyOnly,
    /// A password, of which only verifiers are kept.
    Hashed(Box<Verifier>),
}

/// A size of virtual storage in bytes, always whole kilobytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StorageSize(u64);

impl StorageSize {
    /// What an entry gets that names no size.
    pub const DEFAULT: StorageSize = StorageSize(32 << 20);
    /// The least size a virtual machine can have: 32 KB.
    pub const LEAST: StorageSize = StorageSize(32 << 10);
    /// The greatest size, 16 EB less 1 KB, is cut to what a 63-bit number of bytes holds.
    pub const GREATEST: StorageSize = StorageSize((1 << 53) << 10);

    /// `number` followed by `K`, `M`, `G`, `T` or `P`, in any case.
    pub fn parse(token: &str) -> Option<Self> {
        let unit = token.chars().last()?;
        let shift = match unit.to_ascii_uppercase() {
            'K' => 10,
            'M' => 20,
            'G' => 30,
            'T' => 40,
            'P' => 50,
            _ => return None,
        };
        let digits = &token[..token.len() - unit.len_utf8()];
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let size = Self(digits.parse::<u64>().ok()?.checked_mul(1 << shift)?);
        (Self::LEAST..=Self::GREATEST).contains(&size).then_some(size)
    }

    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for StorageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(50, 'P'), (40, 'T'), (30, 'G'), (20, 'M')];
        let (shift, unit) =
            units.into_iter().find(|(shift, _)| self.0.is_multiple_of(1 << shift)).unwrap_or((10, 'K'));
        f.pad(&format!("{}{unit}", self.0 >> shift))
    }
}

/// A set of privilege classes, `A` to `Z` and `1` to `6`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PrivilegeClasses(u32);

impl PrivilegeClasses {
    /// No class: commands for any user are still allowed.
    pub const NONE: PrivilegeClasses = PrivilegeClasses(0);
    /// Class G, the general user.
    pub const GENERAL: PrivilegeClasses = PrivilegeClasses(1 << 6);
    /// Classes A to G: all that IBM defined.
    pub const IBM: PrivilegeClasses = PrivilegeClasses(0x7f);

    const fn bit(class: u8) -> Option<u32> {
        match class {
            b'A'..=b'Z' => Some(1 << (class - b'A')),
            b'1'..=b'6' => Some(1 << (26 + class - b'1')),
            _ => None,
        }
    }

    /// The classes named by the characters of `token`, in any case; `None` for any other character.
    pub const fn parse(token: &str) -> Option<Self> {
        let bytes = token.as_bytes();
        let mut bits = 0;
        let mut i = 0;
        while i < bytes.len() {
            match Self::bit(bytes[i].to_ascii_uppercase()) {
                Some(bit) => bits |= bit,
                None => return None,
            }
            i += 1;
        }
        Some(Self(bits))
    }

    /// Whether the two sets share a class.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether `class` is in the set.
    pub fn contains(self, class: char) -> bool {
        u8::try_from(class).ok().and_then(Self::bit).is_some_and(|bit| self.0 & bit != 0)
    }

    /// Whether no class is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The classes in order.
    pub fn iter(self) -> impl Iterator<Item = char> {
        ('A'..='Z').chain('1'..='6').filter(move |c| self.contains(*c))
    }
}

impl fmt::Display for PrivilegeClasses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.iter().collect::<String>())
    }
}

/// The editing symbols of the `USER` statement; `None` is OFF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EditingSymbols {
    /// Logical line end, `#` by default.
    pub line_end: Option<char>,
    /// Logical line delete, the cent sign by default.
    pub line_delete: Option<char>,
    /// Logical character delete, `@` by default.
    pub char_delete: Option<char>,
    /// Escape, `"` by default.
    pub escape: Option<char>,
}

impl Default for EditingSymbols {
    fn default() -> Self {
        Self { line_end: Some('#'), line_delete: Some('\u{a2}'), char_delete: Some('@'), escape: Some('"') }
    }
}

/// The architecture of a virtual machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MachineMode {
    /// System/370.
    S370,
    /// 370-XA.
    Xa,
    /// ESA/390.
    #[default]
    Esa,
    /// ESA/XC.
    Xc,
    /// z/Architecture.
    Z,
}

impl MachineMode {
    /// The operand of `MACHINE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S370 => "370",
            Self::Xa => "XA",
            Self::Esa => "ESA",
            Self::Xc => "XC",
            Self::Z => "Z",
        }
    }

    /// Reads the operand of `MACHINE`, in any case.
    pub fn parse(token: &str) -> Option<Self> {
        [Self::S370, Self::Xa, Self::Esa, Self::Xc, Self::Z]
            .into_iter()
            .find(|m| m.as_str().eq_ignore_ascii_case(token))
    }
}

/// `MACHINE mode [processors]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    /// Architecture.
    pub mode: MachineMode,
    /// Greatest number of virtual processors, 1 to 64, when given.
    pub processors: Option<u8>,
}

/// `IPL {vdev | system} [PARM text]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IplStatement {
    /// What is loaded.
    pub target: IplTarget,
    /// The parameter string, as written.
    pub parm: Option<String>,
}

/// What an IPL loads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IplTarget {
    /// A named saved system, `CMS` for instance.
    System(String),
    /// A virtual device.
    Device(Vdev),
}

impl IplTarget {
    /// One to four hexadecimal digits that begin with a decimal digit name a device, anything else up to eight
    /// characters a saved system; so `CMS` and `ACE` are systems and `190` and `0CE` are devices.
    pub fn parse(token: &str) -> Option<Self> {
        let device = token.starts_with(|c: char| c.is_ascii_digit());
        match token.parse::<Vdev>() {
            Ok(vdev) if device => Some(Self::Device(vdev)),
            _ if (1..=8).contains(&token.len()) && token.is_ascii() => {
                Some(Self::System(token.to_ascii_uppercase()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for IplTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(name) => f.pad(name),
            Self::Device(vdev) => fmt::Display::fmt(vdev, f),
        }
    }
}

/// `CONSOLE vdev type [class] [secuser [OBSERVER]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsoleStatement {
    /// Virtual device number.
    pub vdev: Vdev,
    /// `3215` or `3270`.
    pub kind: ConsoleKind,
    /// Class of the spooled console.
    pub class: char,
    /// The secondary user, who gets the console when the machine is disconnected.
    pub secuser: Option<UserId>,
    /// `OBSERVER`: the secondary user sees the console, but may not SEND to it.
    pub observer: bool,
}

/// The device a virtual console behaves as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ConsoleKind {
    /// A typewriter console.
    #[default]
    Line3215,
    /// A full screen console.
    Full3270,
}

/// `IUCV target [PRIORITY] [MSGLIMIT n]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IucvStatement {
    /// What the statement is about.
    pub target: IucvTarget,
    /// Priority messages are allowed.
    pub priority: bool,
    /// Message limit of a path.
    pub msglimit: Option<u16>,
}

impl IucvStatement {
    /// The terms of a path made under this statement.
    pub fn terms(&self) -> IucvTerms {
        IucvTerms { priority: self.priority, msglimit: self.msglimit }
    }
}

/// What an authorisation grants on a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IucvTerms {
    /// Priority messages are allowed.
    pub priority: bool,
    /// Greatest message limit, when the directory says one.
    pub msglimit: Option<u16>,
}

/// The first operand of an `IUCV` statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IucvTarget {
    /// `ALLOW`: anybody may connect to this machine.
    Allow,
    /// `ANY`: this machine may connect to any other machine, but not to CP system services.
    Any,
    /// This machine may connect to that one.
    User(UserId),
    /// This machine may connect to the CP system service of that name, `*` included, upper case.
    Service(String),
    /// `*IDENT`: this machine may own a resource or gateway.
    Ident {
        /// What it may own.
        resource: IdentResource,
        /// Where the name is known.
        scope: IdentScope,
        /// `REVOKE`: it may also take a resource from its owner.
        revoke: bool,
    },
}

/// What `IUCV *IDENT` allows to own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IdentResource {
    /// `RESANY`: any resource.
    AnyResource,
    /// `LCLANY`: any local resource.
    AnyLocal,
    /// `GATEANY`: any gateway.
    AnyGateway,
    /// The resource or gateway of that name, upper case.
    Named(String),
}

/// Where an identified resource is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IdentScope {
    /// `LOCAL`: on this system.
    #[default]
    Local,
    /// `GLOBAL`: in the collection of systems.
    Global,
    /// `GATEWAY`.
    Gateway,
    /// `SYSTEM`: the system's own.
    System,
}

macro_rules! option_words {
    ($($variant:ident = $word:literal),+ $(,)?) => {
        /// A word of the `OPTION` statement.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum OptionWord {
            $(#[doc = concat!("`", $word, "`.")] $variant,)+
        }

        impl OptionWord {
            /// Every word.
            pub const ALL: &'static [OptionWord] = &[$(Self::$variant),+];

            /// The word as written in the directory.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads a word, in any case.
            pub fn parse(token: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|w| w.as_str().eq_ignore_ascii_case(token))
            }
        }
    };
}

option_words! {
    Acct = "ACCT", Applmon = "APPLMON", Bmx = "BMX", Comsrv = "COMSRV", Conceal = "CONCEAL",
    D84nopas = "D84NOPAS", Devmaint = "DEVMAINT", Diag88 = "DIAG88", Diag98 = "DIAG98", Ecmode = "ECMODE",
    Ignmaxu = "IGNMAXU", Lnke = "LNKE", Lnknopas = "LNKNOPAS", Lnks = "LNKS", Lxapp = "LXAPP",
    Maintccw = "MAINTCCW", Nomdcfs = "NOMDCFS", Quickdsp = "QUICKDSP", Realtimer = "REALTIMER",
    Rmchinfo = "RMCHINFO", Setorig = "SETORIG", Svcaccl = "SVCACCL", Svmstat = "SVMSTAT", Todenable = "TODENABLE",
}

/// `SPOOL vdev devtype [READER | PUNCH | PRINTER] [class]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpoolStatement {
    /// Virtual device number.
    pub vdev: Vdev,
    /// Device type as written: `2540`, `3505`, `3525`, `1403`, `3203`, `3211`, `3800`, ...
    pub device: String,
    /// What it is.
    pub kind: UnitRecordKind,
    /// Spool class; a reader may have `*`, any.
    pub class: char,
}

/// The kinds of unit record devices.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum UnitRecordKind {
    /// A card reader.
    Reader,
    /// A card punch.
    Punch,
    /// A line printer.
    Printer,
}

impl UnitRecordKind {
    /// The operand of the `SPOOL` directory statement.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "READER",
            Self::Punch => "PUNCH",
            Self::Printer => "PRINTER",
        }
    }
}

/// `LINK userid vdev1 vdev2 mode`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkStatement {
    /// The owner of the disk.
    pub owner: UserId,
    /// The device number at the owner's.
    pub owner_vdev: Vdev,
    /// The device number at ours.
    pub vdev: Vdev,
    /// How it is linked.
    pub mode: LinkMode,
}

macro_rules! link_modes {
    ($($variant:ident = $word:literal, $doc:literal);+ $(;)?) => {
        /// How a minidisk is linked. Source: CP LINK command, MDISK and LINK directory statements.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum LinkMode {
            $(#[doc = $doc] $variant,)+
        }

        impl LinkMode {
            /// The mode as written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads a mode, in any case.
            pub fn parse(token: &str) -> Option<Self> {
                [$(Self::$variant),+].into_iter().find(|m| m.as_str().eq_ignore_ascii_case(token))
            }
        }
    };
}

link_modes! {
    R = "R", "Read, if nobody writes.";
    Rr = "RR", "Read, whoever writes.";
    W = "W", "Write, if nobody has the disk.";
    Wr = "WR", "Write, if nobody has the disk, else read.";
    M = "M", "Write, if nobody else writes.";
    Mr = "MR", "Write, if nobody else writes, else read.";
    Mw = "MW", "Write, whoever else writes.";
    Sr = "SR", "Stable read.";
    Srs = "SRS", "Stable read, shared.";
    Sw = "SW", "Stable write.";
    Sm = "SM", "Stable multiple write.";
    Er = "ER", "Exclusive read.";
    Ew = "EW", "Exclusive write.";
}

/// `MDISK vdev devtype start count volser mode [rpw [wpw [mpw]]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MdiskStatement {
    /// Virtual device number.
    pub vdev: Vdev,
    /// Device type as written: `3390`, `3380`, `FB-512`, ...
    pub device: String,
    /// Where it lies.
    pub extent: MdiskExtent,
    /// How the owner gets it at logon.
    pub mode: LinkMode,
    /// Passwords for read, write and multiple-write links by others.
    pub passwords: MdiskPasswords,
}

/// The place of a minidisk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MdiskExtent {
    /// `start count volser`: cylinders or blocks of a volume.
    Volume {
        /// First cylinder or block.
        start: u32,
        /// Number of cylinders or blocks; `None` is `END`, to the end of the volume.
        count: Option<u32>,
        /// Label of the volume.
        volser: String,
    },
    /// `T-DISK n`: temporary space that is cleared at logoff.
    Temporary {
        /// Number of cylinders or blocks.
        count: u32,
    },
    /// `V-DISK n`: a virtual disk in storage.
    InStorage {
        /// Number of blocks.
        count: u32,
    },
}

/// The link passwords of a minidisk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MdiskPasswords {
    /// For read links.
    pub read: LinkPassword,
    /// For write links.
    pub write: LinkPassword,
    /// For multiple-write links.
    pub multiple: LinkPassword,
}

/// One link password of a minidisk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum LinkPassword {
    /// None: nobody may link in this way.
    #[default]
    Nobody,
    /// `ALL`: anybody may, without a password.
    Everybody,
    /// Whoever knows it may.
    Hashed(Box<ArgonHash>),
}

/// `POSIXINFO UID n GID n GNAME name HOME dir SHELL path`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PosixInfo {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// Group name.
    pub gname: Option<String>,
    /// `IWDIR`: initial working directory, as written.
    pub iwdir: Option<String>,
    /// `IUPGM`: initial user program, as written.
    pub iupgm: Option<String>,
}

impl Default for PosixInfo {
    fn default() -> Self {
        Self { uid: DEFAULT_POSIX_ID, gid: DEFAULT_POSIX_ID, gname: None, iwdir: None, iupgm: None }
    }
}

/// A known statement that the system keeps without acting upon it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OtherStatement {
    /// The statement's full name, upper case.
    pub keyword: String,
    /// Its operands as written.
    pub operands: Vec<String>,
}
