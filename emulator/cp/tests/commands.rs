//! CP commands and the terminal dialogue, as transcripts against the documented texts.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use cp::clock::ManualClock;
use cp::command::{self, execute};
use cp::console::ConsoleState;
use cp::directory::source;
use cp::iucv::{ConnectParms, Interrupt, IucvTarget};
use cp::msg_service::{self, MsgBlock, MsgClass};
use cp::name::UserId;
use cp::system::{CpConfig, NamedSystem};
use cp::terminal::{self, TerminalInput, TerminalOutput};
use cp::vm::{TerminalName, Vm};
use cp::{Cp, Guest};
use futures::future::BoxFuture;
use tokio::sync::mpsc::Receiver;

const DIRECTORY: &str = "\
DIRECTORY 123 3390 ESARES
PROFILE P
 CONSOLE 009 3215 T
 IPL CMS
USER OPERATOR oper 4M 8M ABCDEFG
 INCLUDE P
USER FRED secret 4M 8M G
 INCLUDE P
 AUTOLOG OP1
USER SERVER AUTOONLY 4M 8M G
 INCLUDE P
 CONSOLE 009 3215 T OPERATOR
 AUTOLOG FRED
USER NOBODY NOLOG 4M 8M G
USER SHARED LBYONLY 4M 8M G
 LOGONBY FRED
 MDISK 191 3390 1 5 VOL001 MR
USER DUMB NOPASS 4M 8M G
 MDISK 191 3390 11 5 VOL001 MR READPW WRITEPW MULTPW
 MDISK 192 3390 21 5 VOL001 MR ALL
";

/// A system that echoes: enough of CMS for CP.
struct Echo;

impl NamedSystem for Echo {
    fn boot(&self, guest: Guest, _parm: String) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                let line = guest.read().await;
                if let Some(command) = line.strip_prefix("CP ") {
                    let answer = guest.cp_command(command).await;
                    for line in &answer.lines {
                        guest.write(line).await;
                    }
                    guest.complete(answer.rc);
                } else {
                    guest.write(&format!("echo {line}")).await;
                    guest.complete(0);
                }
            }
        })
    }
}

fn system() -> Arc<Cp> {
    let image = source::read(DIRECTORY).unwrap().seal(&mut |b| b.fill(7)).unwrap();
    let clock = ManualClock::new("2026-08-17T21:48:25Z".parse().unwrap());
    let config = CpConfig { system_id: "ENDICOTT".into(), operator: user("OPERATOR") };
    let cp = Cp::new(config, Arc::new(clock), image);
    command::register(&cp.commands);
    msg_service::register(&cp);
    cp.add_named_system("CMS", Arc::new(Echo));
    cp
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

async fn answer(cp: &Arc<Cp>, vm: &Arc<Vm>, line: &str) -> (i32, Vec<String>) {
    let answer = execute(cp, vm, line).await;
    (answer.rc, answer.lines)
}

struct Typist {
    input: TerminalInput,
    output: Receiver<TerminalOutput>,
}

impl Typist {
    fn new(cp: &Arc<Cp>, name: &str) -> Self {
        let (input, output) = terminal::open(cp, TerminalName::Line(name.into()));
        Self { input, output }
    }

    /// Everything up to a line that contains `text`.
    async fn until(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let next = tokio::time::timeout(Duration::from_secs(120), self.output.recv()).await;
            match next
                .unwrap_or_else(|_| panic!("no '{text}' after {lines:?}"))
                .expect("the terminal is open")
            {
                TerminalOutput::Line(line) => {
                    let found = line.contains(text);
                    lines.push(line);
                    if found {
                        return lines;
                    }
                }
                TerminalOutput::Password if text == "password prompt" => return lines,
                TerminalOutput::Closed if text == "closed" => return lines,
                _ => {}
            }
        }
    }

    async fn status(&mut self, state: ConsoleState) {
        while self.output.recv().await != Some(TerminalOutput::Status(state)) {}
    }
}

#[tokio::test]
async fn unknown_commands_and_other_classes_look_alike() {
    let cp = system();
    let fred = cp.autolog(user("FRED"), None).unwrap();
    assert_eq!(answer(&cp, &fred, "frob x").await, (1, vec!["HCPCMD001E Unknown CP command: FROB".into()]));
    assert_eq!(answer(&cp, &fred, "FORCE OPERATOR").await.1, ["HCPCMD001E Unknown CP command: FORCE"]);
    assert_eq!(answer(&cp, &fred, "CP shutdown").await.1, ["HCPCMD001E Unknown CP command: SHUTDOWN"]);
    assert_eq!(answer(&cp, &fred, "cp q userid").await, (0, vec!["FRED AT ENDICOTT".into()]));
    assert_eq!(answer(&cp, &fred, "").await, (0, vec![]));
    assert_eq!(
        answer(&cp, &fred, "Q OPERATOR").await,
        (45, vec!["HCPCQU045E OPERATOR not logged on".into()])
    );
    assert_eq!(answer(&cp, &fred, "Q A:B").await, (3, vec!["HCPCQV003E Invalid option - A:B".into()]));
    assert_eq!(answer(&cp, &fred, "QUERY").await.0, 26);
    for (setting, shown) in
        [("CODE", vec!["HCPCQU045E"]), ("TEXT", vec!["OPERATOR not logged on"]), ("OFF", vec![])]
    {
        assert_eq!(answer(&cp, &fred, &format!("SET EMSG {setting}")).await.0, 0);
        let (rc, lines) = answer(&cp, &fred, "Q OPERATOR").await;
        assert_eq!((rc, lines.iter().map(String::as_str).collect::<Vec<_>>()), (45, shown));
    }
}

#[tokio::test]
async fn queries_answer_as_documented() {
    let cp = system();
    for name in ["DUMB", "FRED", "OPERATOR", "SERVER"] {
        cp.autolog(user(name), None).unwrap();
    }
    let fred = cp.machine(user("FRED")).unwrap();
    assert_eq!(
        answer(&cp, &fred, "QUERY NAMES").await.1,
        ["DUMB     - DSC , FRED     - DSC , OPERATOR - DSC , SERVER   - DSC"]
    );
    assert_eq!(answer(&cp, &fred, "q n extra").await.0, 3);
    assert_eq!(answer(&cp, &fred, "Q U").await.1, ["    4 USERS,     0 DIALED,     0 NET"]);
    assert_eq!(answer(&cp, &fred, "Q server").await.1, ["SERVER   - DSC"]);
    assert_eq!(answer(&cp, &fred, "Q T").await.1[0], "TIME IS 21:48:25 UTC  MONDAY 08/17/26");
    assert!(answer(&cp, &fred, "Q T").await.1[1].starts_with("CONNECT= 00:00:00 VIRTCPU= 000:00."));
    let level = answer(&cp, &fred, "Q CPLEVEL").await.1;
    assert!(level[0].starts_with("VM/ESA Version 2 Release 4.0, service level "));
    assert_eq!(level[1], "IPL AT 21:48:25 UTC MONDAY 08/17/26".replace("IPL AT", "IPL at"));
    assert_eq!(answer(&cp, &fred, "Q SET").await.1[0], "MSG ON  , WNG ON  , EMSG ON  , ACNT OFF, RUN ON");
    let terminal = answer(&cp, &fred, "Q TERM").await.1;
    assert_eq!(terminal[0], "LINEND  # , LINEDEL  \u{a2} , CHARDEL  @ , ESCAPE  \" , TABCHAR ON");
    assert_eq!(terminal[1], "LINESIZE 080, ATTN OFF, APL OFF, TEXT OFF, MODE VM, HILIGHT OFF");
    assert_eq!(answer(&cp, &fred, "TERM CHARDEL OFF MORE 5 1").await, (0, vec![]));
    assert!(answer(&cp, &fred, "Q TERM").await.1[0].contains("CHARDEL  OFF"));
    assert_eq!(answer(&cp, &fred, "TERM FROB ON").await.0, 3);
    assert_eq!(answer(&cp, &fred, "Q SECUSER").await.1, ["SECUSER IS UNDEFINED"]);
    assert_eq!(answer(&cp, &fred, "SET SECUSER OPERATOR").await.0, 0);
    assert_eq!(answer(&cp, &fred, "Q SECUSER").await.1, ["SECUSER OPERATOR IS DISCONNECTED"]);
    assert_eq!(answer(&cp, &fred, "SET SECUSER NOSUCH").await.0, 53);
    assert_eq!(answer(&cp, &fred, "Q V CONS").await.1, ["CONS 0009 DISCONNECTED TERM"]);
    assert_eq!(
        answer(&cp, &fred, "Q V 123").await,
        (40, vec!["HCPQVD040E Device 0123 does not exist".into()])
    );
    assert!(answer(&cp, &fred, "IND").await.1[0].starts_with("AVGPROC-"));
    assert!(answer(&cp, &fred, "IND USER").await.1[0].starts_with("USERID=FRED     MACH=ESA STOR=4M VIRT=V"));
    let commands = answer(&cp, &fred, "Q COMMANDS").await.1;
    assert!(commands[0].starts_with("AUTOLOG     BEGIN       CP          DETACH"));
    assert!(!commands.concat().contains("FORCE"));
    assert!(answer(&cp, &fred, "HELP IPL").await.1[0].starts_with("Ipl system"));
    assert_eq!(answer(&cp, &fred, "HELP FORCE").await.0, 1);
    assert!(answer(&cp, &fred, "HELP SET MSG").await.1[0].starts_with("SET MSG {ON | OFF | IUCV}"));
}

#[tokio::test]
async fn a_session_from_logon_to_logoff() {
    let cp = system();
    let mut t = Typist::new(&cp, "L0003");
    t.input.enter("query names").await;
    assert_eq!(t.until("HCP").await, ["HCPCFC015E Command not valid before LOGON: QUERY"]);
    t.input.enter("dial vtam").await;
    assert_eq!(t.until("HCP").await, ["HCPDIA055E Line(s) not available"]);
    t.input.enter("logon fred").await;
    t.until("password prompt").await;
    t.input.enter("wrong").await;
    let refusal = t.until("HCP").await;
    assert_eq!(refusal, ["HCPLGA050E LOGON unsuccessful--incorrect userid and/or password"]);
    for hidden in ["logon nosuch x", "logon server x", "logon nobody x"] {
        t.input.enter(hidden).await;
        assert_eq!(t.until("HCP").await.last(), refusal.last(), "{hidden}");
        // A right password in between, so that the attempts do not run out.
        t.input.enter("logon fred secret").await;
        t.until("LOGON AT").await;
        t.input.enter("#cp logoff").await;
        t.until("Enter one").await;
    }
    t.input.enter("logon fred SECRET").await;
    assert_eq!(
        t.until("LOGON AT").await.iter().skip_while(|l| !l.contains("logmsg")).collect::<Vec<_>>(),
        ["There is no logmsg data", "LOGON AT 21:48:25 UTC MONDAY 08/17/26"]
    );
    t.status(ConsoleState::VmRead).await;
    t.input.enter("one#two").await;
    assert_eq!(t.until("echo two").await, ["echo one", "echo two"]);
    t.input.enter("#cp query userid#three").await;
    assert_eq!(t.until("echo three").await, ["FRED AT ENDICOTT", "echo three"]);
    t.input.enter("#cp").await;
    t.input.enter("q fred").await;
    assert_eq!(t.until("FRED").await, ["FRED     - L0003"]);
    t.input.enter("begin").await;
    t.input.enter("four").await;
    t.until("echo four").await;
    let mut other = Typist::new(&cp, "L0004");
    other.input.enter("logon fred secret").await;
    assert_eq!(other.until("HCP").await, ["HCPLGA054E Already logged on L0003"]);
    t.input.enter("#cp disconnect").await;
    assert_eq!(t.until("DISCONNECT AT").await, ["DISCONNECT AT 21:48:25 UTC MONDAY 08/17/26"]);
    t.until("Enter one").await;
    other.input.enter("logon fred secret").await;
    other.until("RECONNECTED AT 21:48:25 UTC MONDAY 08/17/26").await;
    t.input.enter("logon fred secret here").await;
    t.until("RECONNECTED AT").await;
    t.input.enter("#cp logoff").await;
    let goodbye = t.until("LOGOFF AT").await;
    assert!(goodbye[0].starts_with("CONNECT= 00:00:00 VIRTCPU= "));
    assert_eq!(goodbye[1], "LOGOFF AT 21:48:25 UTC MONDAY 08/17/26");
    t.until("Enter one").await;
    assert!(cp.machine(user("FRED")).is_none());
}

#[tokio::test]
async fn guessing_closes_the_terminal_and_logon_by_works() {
    let cp = system();
    let mut t = Typist::new(&cp, "L0001");
    t.input.enter("logon shared secret by fred").await;
    t.until("LOGON AT").await;
    drop(t);
    let mut t = Typist::new(&cp, "L0002");
    t.input.enter("logon dumb noipl").await;
    t.until("LOGON AT").await;
    t.status(ConsoleState::CpRead).await;
    t.input.enter("logoff").await;
    t.until("Enter one").await;
    for _ in 0..3 {
        t.input.enter("logon operator guess").await;
        t.until("HCPLGA050E").await;
    }
    t.input.enter("logon operator guess").await;
    assert!(
        t.until("closed")
            .await
            .contains(&"HCPLGA051E Maximum password attempts exceeded, try again later".into())
    );
}

#[tokio::test]
async fn messages_and_what_stops_them() {
    let cp = system();
    let op = cp.autolog(user("OPERATOR"), None).unwrap();
    let fred = cp.autolog(user("FRED"), None).unwrap();
    assert_eq!(
        answer(&cp, &op, "MSG FRED hi").await,
        (57, vec!["HCPMFS057I FRED not receiving; disconnected".into()])
    );
    let mut screen = fred.console.attach();
    assert_eq!(answer(&cp, &op, "m fred hello there").await, (0, vec![]));
    let mut shown = Vec::new();
    while let Ok(event) = screen.try_recv() {
        shown.push(format!("{event:?}"));
    }
    assert!(shown.iter().any(|l| l.contains("21:48:25  * MSG FROM OPERATOR: hello there")), "{shown:?}");
    execute(&cp, &fred, "SET MSG OFF").await;
    assert_eq!(answer(&cp, &op, "MSG FRED hi").await.1, ["HCPMFS057I FRED not receiving; MSG off"]);
    assert_eq!(answer(&cp, &op, "WNG FRED hi").await.0, 0);
    assert_eq!(answer(&cp, &op, "WARN FRED hi").await.0, 0);
    assert_eq!(answer(&cp, &op, "MSG NOSUCH hi").await, (45, vec!["HCPMSG045E NOSUCH not logged on".into()]));
    assert_eq!(answer(&cp, &op, "SMSG FRED hi").await.1, ["HCPMFS057I FRED not receiving; SMSG off"]);
    let guest = Guest::new(cp.clone(), fred.clone());
    let path =
        guest.iucv_connect(&IucvTarget::Service("*MSG".into()), &ConnectParms::default()).await.unwrap();
    let again = guest.iucv_connect(&IucvTarget::Service("*MSG".into()), &ConnectParms::default()).await;
    assert!(again.is_err());
    execute(&cp, &fred, "SET SMSG IUCV").await;
    assert_eq!(answer(&cp, &op, "SMSG FRED do it").await.0, 0);
    let Some(Interrupt::Message(message)) = path.next().await else { panic!("no message") };
    assert_eq!(message.message.class, MsgClass::Special as u32);
    let block = MsgBlock::decode(&message.message.control).unwrap();
    assert_eq!((block.from, block.text.as_str()), (user("OPERATOR"), "do it"));
    execute(&cp, &fred, "SET VMCONIO IUCV").await;
    guest.write("to both").await;
    let Some(Interrupt::Message(message)) = path.next().await else { panic!("no message") };
    assert_eq!(message.message.class, MsgClass::Console as u32);
    // The console of a disconnected machine goes to its secondary user's program.
    let server = cp.autolog(user("SERVER"), None).unwrap();
    assert_eq!(answer(&cp, &op, "SET SECUSER SERVER FRED").await.0, 0);
    server.console.write("from the server");
    let Some(Interrupt::Message(message)) = path.next().await else { panic!("no message") };
    assert_eq!(message.message.class, MsgClass::Secondary as u32);
    let block = MsgBlock::decode(&message.message.control).unwrap();
    assert_eq!((block.from, block.text.as_str()), (user("SERVER"), "from the server"));
    path.sever([0; 16]);
    assert_eq!(answer(&cp, &op, "SMSG FRED do it").await.0, 57);
}

#[tokio::test]
async fn links_need_passwords_and_give_way_to_writers() {
    let cp = system();
    let fred = cp.autolog(user("FRED"), None).unwrap();
    let refused = "HCPLNM114E DUMB 0191 not linked; mode or password incorrect";
    for line in ["LINK DUMB 191 291 RR", "LINK DUMB 191 291 RR WRONG", "LINK DUMB 191 291 MW READPW"] {
        assert_eq!(answer(&cp, &fred, line).await, (114, vec![refused.into()]), "{line}");
    }
    let linked = |line: &str| (0, vec![line.to_owned()]);
    // Nobody has the disk: all modes are given.
    for (mode, password, access) in [
        ("R", "readpw", "R/O"),
        ("RR", "PASS= READPW", "R/O"),
        ("W", "WRITEPW", "R/W"),
        ("WR", "WRITEPW", "R/W"),
        ("M", "MULTPW", "R/W"),
        ("MR", "PASS=MULTPW", "R/W"),
        ("MW", "MULTPW", "R/W"),
    ] {
        let command = format!("LINK TO DUMB 191 AS 291 {mode} {password}");
        assert_eq!(answer(&cp, &fred, &command).await, linked(&format!("DASD 0291 LINKED {access}")));
        assert_eq!(answer(&cp, &fred, "DETACH 291").await, linked("DASD 0291 DETACHED"));
    }
    // A reader keeps out who wants the disk alone; a writer keeps out most.
    let op = cp.autolog(user("OPERATOR"), None).unwrap();
    assert_eq!(answer(&cp, &op, "LINK DUMB 191 391 RR READPW").await.0, 0);
    assert_eq!(answer(&cp, &fred, "LINK DUMB 191 291 W WRITEPW").await.0, 102);
    let line = "DASD 0291 LINKED R/O; R/O BY OPERATOR";
    assert_eq!(answer(&cp, &fred, "LINK DUMB 191 291 WR WRITEPW").await, linked(line));
    assert_eq!(answer(&cp, &fred, "DETACH 291").await.0, 0);
    let dumb = cp.autolog(user("DUMB"), None).unwrap();
    for mode in ["R READPW", "W WRITEPW", "M MULTPW"] {
        assert_eq!(answer(&cp, &fred, &format!("LINK DUMB 191 291 {mode}")).await.0, 101, "{mode}");
    }
    let line = "DASD 0291 LINKED R/O; R/W BY DUMB; R/O BY OPERATOR";
    assert_eq!(answer(&cp, &fred, "LINK DUMB 191 291 MR MULTPW").await, linked(line));
    assert_eq!(answer(&cp, &fred, "LINK DUMB 192 292").await.0, 101, "R is the default");
    assert_eq!(answer(&cp, &fred, "LINK DUMB 192 292 RR").await.0, 0);
    let who = ["DUMB     0191 R/W, FRED     0291 R/O, OPERATOR 0391 R/O"];
    assert_eq!(answer(&cp, &dumb, "QUERY LINKS 191").await.1, who);
    // The disks go with the machine.
    cp.logoff(&fred, None).await;
    assert_eq!(answer(&cp, &dumb, "QUERY LINKS 192").await.1, ["DUMB     0192 R/W"]);
}

#[tokio::test]
async fn observers_see_each_other() {
    let cp = system();
    let op = cp.autolog(user("OPERATOR"), None).unwrap();
    let fred = cp.autolog(user("FRED"), None).unwrap();
    let (mut seen_by_op, mut seen_by_fred) = (op.console.attach(), fred.console.attach());
    assert_eq!(answer(&cp, &op, "SET OBSERVER FRED OPERATOR").await.0, 0);
    assert_eq!(answer(&cp, &op, "SET OBSERVER OPERATOR FRED").await.0, 0);
    fred.console.write("from fred");
    let lines = |receiver: &mut Receiver<cp::console::TerminalEvent>| {
        let events = std::iter::from_fn(|| receiver.try_recv().ok());
        events
            .map(|event| format!("{event:?}"))
            .filter(|event| event.contains("from fred"))
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(&mut seen_by_op), ["Line(\"FRED    : from fred\")"]);
    assert_eq!(lines(&mut seen_by_fred), ["Line(\"from fred\")"]);
    assert_eq!(answer(&cp, &op, "SET OBSERVER FRED OFF").await.0, 0);
    fred.console.write("from fred");
    assert!(lines(&mut seen_by_op).is_empty());
}

#[tokio::test]
async fn autolog_force_and_send() {
    let cp = system();
    let op = cp.autolog(user("OPERATOR"), None).unwrap();
    let mut screen = op.console.attach();
    let fred = cp.autolog(user("FRED"), None).unwrap();
    assert_eq!(answer(&cp, &fred, "XAUTOLOG DUMB").await.0, 59);
    assert_eq!(answer(&cp, &fred, "XAUTOLOG SERVER # one").await, (0, vec!["Command accepted".into()]));
    assert_eq!(
        answer(&cp, &op, "XAUTOLOG SERVER").await,
        (54, vec!["HCPXAU054E Already logged on DISCONNECT".into()])
    );
    assert_eq!(answer(&cp, &op, "XAUTOLOG NOSUCH").await.1, ["HCPXAU053E NOSUCH not in CP directory"]);
    assert_eq!(answer(&cp, &op, "XAUTOLOG NOBODY").await.0, 56);
    assert_eq!(answer(&cp, &op, "AUTOLOG DUMB x").await.0, 0);
    let mut next = async |text: &str| {
        loop {
            let event = tokio::time::timeout(Duration::from_secs(120), screen.recv()).await;
            let line = format!("{:?}", event.unwrap_or_else(|_| panic!("no '{text}'")));
            if line.contains(text) {
                return line;
            }
        }
    };
    next("AUTO LOGON  ***       SERVER   USERS = 3").await;
    next("SERVER  : echo one").await;
    assert_eq!(answer(&cp, &op, "SEND SERVER two").await.0, 0);
    next("SERVER  : echo two").await;
    assert_eq!(answer(&cp, &op, "SEND CP SERVER QUERY USERID").await.0, 0);
    next("SERVER  : SERVER AT ENDICOTT").await;
    assert_eq!(answer(&cp, &fred, "SEND SERVER x").await.0, 68);
    assert_eq!(answer(&cp, &op, "FORCE SERVER").await, (0, vec![]));
    next("USER DSC   LOGOFF AS  SERVER   USERS = 3 FORCED BY OPERATOR").await;
    assert!(cp.machine(user("SERVER")).is_none());
    assert_eq!(answer(&cp, &op, "FORCE SERVER").await, (45, vec!["HCPFRC045E SERVER not logged on".into()]));
    assert_eq!(answer(&cp, &op, "XAUTOLOG SERVER").await.0, 0);
}

#[tokio::test]
async fn nobody_is_logged_on_twice_and_shutdown_asks() {
    let cp = system();
    let op = cp.autolog(user("OPERATOR"), None).unwrap();
    assert_eq!(answer(&cp, &op, "SHUTDOWN NOW").await.0, 3);
    assert_eq!(answer(&cp, &op, "SHUTDOWN").await.0, 0);
    cp.shutdown_requested().await;
    assert_eq!(answer(&cp, &op, "XAUTOLOG FRED").await.0, 59);
}
