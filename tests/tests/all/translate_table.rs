//! TranslateTable in IMAP CONFIG and SMTP CONFIG: notes are written by another code page, and every octet comes back.

use std::sync::Arc;

use cp::clock::ManualClock;
use cp::codepage;
use cp::name::{FileName, FileType, UserId, Vdev};
use sfs::csl::OpenOptions;
use sfs::minidisk::{LinkMode, MinidiskStore};
use sfs::pool::{Pool, PoolConfig};
use sfs::types::{FileId, Intent};
use tests::python;
use tests::system::{Running, System};

use super::auth_exit::write_config_files;

/// What the scripts share: a message with all octets, sent, appended and looked at.
const OCTETS: &str = r#"
import socket
OCTETS = b"".join(bytes(range(i, i + 16)) + b"\r\n" for i in range(0, 256, 16))
MESSAGE = b"From: a@b.example\r\nTo: vmuser1@vm.localhost\r\nSubject: NAMED [brackets] {braces} |bar| !@^~\\\r\n\r\n" + OCTETS

def message(subject):
    return MESSAGE.replace(b"NAMED", subject)

def receive(port, subject):
    with smtplib.SMTP("127.0.0.1", int(port), timeout=120) as s:
        s.sendmail("a@b.example", ["vmuser1@vm.localhost"], message(subject), ["BODY=8BITMIME"])

class Client:
    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", int(port)), timeout=120)
        self.f = self.s.makefile("rb")
        self.f.readline()
        self.do(b"LOGIN vmuser1 SECRET1")
    def do(self, command, literal=None):
        self.s.sendall(b"a " + command + b"\r\n")
        if literal is not None:
            assert self.f.readline().startswith(b"+")
            self.s.sendall(literal + b"\r\n")
        out = b""
        while True:
            line = self.f.readline()
            if line.startswith(b"a "):
                assert line.startswith(b"a OK"), (command, line)
                return out
            assert line, out
            out += line
    def append(self, subject):
        m = message(subject)
        self.do(b"APPEND INBOX ~{%d}" % len(m), m)
    def wait(self, n):
        for _ in range(200000):
            if b"* %d EXISTS" % n in self.do(b"SELECT INBOX"):
                return
        raise SystemExit("%d messages have not arrived" % n)
    def look(self, n, subject):
        raw = self.do(b"FETCH %d BINARY.PEEK[]" % n)
        assert raw.count(message(subject)) == 1, raw
        one = self.do(b"FETCH %d (BODY.PEEK[TEXT]<20.40>)" % n)
        assert OCTETS[20:60] in one, one
        assert self.do(b'SEARCH SUBJECT "%b [brackets]"' % subject) == b"* SEARCH %d\r\n" % n
        assert b" %d" % n in self.do(b'SEARCH BODY "pqrstuvwxyz{|}~"')
"#;

fn script(running: &Running, text: &str) {
    let ports = ["smtp", "imap"].map(|name| running.port(name).to_string());
    python::run(&format!("{OCTETS}\nsmtp, imap = sys.argv[1:3]\n{text}"), &ports);
}

const IMAP: &str = "FilePoolID IMAPPOOL\nBadFileID POSTMSTR\n";
const SMTP: &str = "SMTPCMDS EXIT IMAPCMDX EXEC FOR PUNCH RCPT ON\n";

/// A system whose MAINT has configurations on his A-disk, one for each table.
fn system(tables: &[&str]) -> System {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    for table in tables {
        let statement = format!("TranslateTable {table}\n");
        write_config_files(
            &system,
            &[
                (table, "IMAPCONF", &format!("{IMAP}{statement}")),
                (table, "SMTPCONF", &format!("{SMTP}{statement}")),
            ],
        );
    }
    write_config_files(&system, &[("NONE", "IMAPCONF", IMAP), ("NONE", "SMTPCONF", SMTP)]);
    system
}

/// Gives MAINT the disks of both machines.
fn with_disks(running: Running) -> Running {
    for (owner, vdev, mode) in [("IMAP", "391", "B"), ("SMTP", "491", "C")] {
        running.cmd_ok("MAINT", &format!("LINK {owner} 191 {vdev} MW"));
        running.cmd_ok("MAINT", &format!("ACCESS {vdev} {mode}"));
    }
    running
}

fn configure(running: &Running, server: &str, table: &str) {
    let mode = if server == "IMAP" { "B" } else { "C" };
    running.cmd_ok("MAINT", &format!("COPYFILE {table} {server}CONF A {server} CONFIG {mode} ( REPLACE"));
}

/// Ends a service machine and begins it anew.
fn again(running: &Running, server: &str) {
    running.cmd_ok("OPERATOR", &format!("FORCE {server}"));
    running.cmd_ok("OPERATOR", &format!("XAUTOLOG {server}"));
    running.listens_again(&server.to_ascii_lowercase());
}

/// Makes a table of its source, where every machine finds it.
fn make(running: &Running, table: &str, mode: &str) {
    running.cmd_ok("MAINT", &format!("CONVXLAT {table}"));
    running.cmd_ok("MAINT", &format!("COPYFILE {table} TCPXLBIN A = = {mode} ( REPLACE"));
}

#[test]
fn every_octet_comes_back_through_another_code_page() {
    let system = system(&["02730819", "00370819", "NOSUCH"]);
    let running = with_disks(system.start());
    make(&running, "02730819", "Y");
    // A table that is not there changes nothing.
    configure(&running, "IMAP", "NOSUCH");
    let (rc, answer) = running.cmd("MAINT", "IMAP CONFIG");
    let wrong = "IMAP CONFIG record 3: NOSUCH: there is no file NOSUCH TCPXLBIN on an accessed disk";
    assert!(rc == 28 && answer.contains(wrong) && answer.contains("DTCIMP3018E"), "{answer}");
    // The store is empty: it takes the table with the next start.
    configure(&running, "IMAP", "02730819");
    configure(&running, "SMTP", "02730819");
    let answer = running.cmd_ok("MAINT", "IMAP CONFIG");
    assert!(answer.contains("DTCIMP3020W In force with the next start only: TranslateTable"), "{answer}");
    assert!(running.cmd_ok("MAINT", "IMAP QUERY STATUS").contains("Translate table  STANDARD/"));
    assert!(running.shutdown().success());

    let (running, mut console) = system.start_with_console();
    let running = with_disks(running);
    assert!(running.cmd_ok("MAINT", "IMAP QUERY STATUS").contains("Translate table  02730819/"));
    let mail = "receive(smtp, b'one')\nc = Client(imap)\nc.wait(1)\nc.append(b'two')\nc.wait(2)\nc.look(1, b'one')\nc.look(2, b'two')\n";
    script(&running, mail);
    // As CMS sees it: an opening bracket is X'63' in 273, X'AD' in 1047.
    running.cmd_ok("MAINT", "ACCESS IMAPPOOL:VMUSER1.INBOX D");
    let records = running.cmd_ok("MAINT", "TYPE 00000002 NOTE D 1 * ( HEX").replace(' ', "");
    assert!(records.contains("63829981839285A3A2FC") && !records.contains("AD8299"), "{records}");
    let answer = running.cmd_ok("MAINT", "IMAP CHECK VMUSER1");
    assert!(answer.contains("agree with 2 notes"), "{answer}");

    // A store with mail refuses another table, with CONFIG and at the start.
    configure(&running, "IMAP", "NONE");
    let (rc, answer) = running.cmd("MAINT", "IMAP CONFIG");
    let refused = "DTCIMP1010E Say TranslateTable 02730819 in IMAP CONFIG";
    assert!(rc == 28 && answer.contains(refused) && answer.contains("DTCIMP3018E"), "{answer}");
    running.cmd_ok("OPERATOR", "FORCE IMAP");
    running.cmd_ok("OPERATOR", "XAUTOLOG IMAP");
    console.wait_for(refused, |line| line.contains(refused));
    console.wait_for("the refused start", |line| line.contains("DTCIMP1002E The IMAP server cannot start"));
    assert_ne!(running.cmd("MAINT", "IMAP QUERY STATUS").0, 0);
    configure(&running, "IMAP", "02730819");
    again(&running, "IMAP");
    script(&running, "c = Client(imap)\nc.wait(2)\nc.look(1, b'one')\nc.look(2, b'two')\n");

    // Indexes made anew from the notes.
    running.cmd_ok("MAINT", "ERASE NOTE INDEX IMAPPOOL:VMUSER1.INBOX");
    assert_eq!(running.cmd("MAINT", "IMAP CHECK VMUSER1").0, 4);
    running.cmd_ok("MAINT", "IMAP REBUILD VMUSER1");
    assert!(running.cmd_ok("MAINT", "IMAP CHECK VMUSER1").contains("agree with 2 notes"));
    script(&running, "c = Client(imap)\nc.wait(2)\nc.look(1, b'one')\nc.look(2, b'two')\n");
    assert!(running.shutdown().success());
    let running = system.start();
    script(&running, "c = Client(imap)\nc.wait(2)\nc.look(1, b'one')\nc.look(2, b'two')\n");
    assert!(running.shutdown().success());
}

/// Records say which table they are written by, so that nothing becomes wrong where the two statements differ.
#[test]
fn the_ends_of_the_spool_may_differ() {
    let system = system(&["02730819", "00370819", "05000819"]);
    let (running, mut console) = system.start_with_console();
    let running = with_disks(running);
    make(&running, "02730819", "B");
    make(&running, "00370819", "Y");
    make(&running, "05000819", "C");
    configure(&running, "IMAP", "02730819");
    again(&running, "IMAP");
    // SMTP has no statement, then one that IMAP finds the table of.
    script(&running, "receive(smtp, b'one')\nc = Client(imap)\nc.wait(1)\nc.look(1, b'one')\n");
    configure(&running, "SMTP", "00370819");
    again(&running, "SMTP");
    script(&running, "receive(smtp, b'two')\nc = Client(imap)\nc.wait(2)\nc.look(2, b'two')\n");
    // One that IMAP has not waits in the reader until it is there.
    configure(&running, "SMTP", "05000819");
    again(&running, "SMTP");
    script(&running, "receive(smtp, b'three')\n");
    let listed = std::iter::repeat_with(|| running.cmd("OPERATOR", "QUERY RDR IMAP ALL").1)
        .take(1_000)
        .find(|answer| answer.contains("SMTP "));
    assert!(listed.is_some());
    let told = "stays in the reader: it is written by translate table 05000819/";
    console.wait_for(told, |line| line.contains(told) && line.contains("there is no file 05000819 TCPXLBIN"));
    script(&running, "c = Client(imap)\nc.wait(2)\n");
    make(&running, "05000819", "B");
    running.cmd_ok("MAINT", "IMAP RETRY");
    script(&running, "c = Client(imap)\nc.wait(3)\nc.look(3, b'three')\n");
    // A table that is not there ends the start of SMTP, which says why.
    running.cmd_ok("MAINT", "ERASE 05000819 TCPXLBIN C");
    running.cmd_ok("OPERATOR", "FORCE SMTP");
    running.cmd_ok("OPERATOR", "XAUTOLOG SMTP");
    let told = "SMTP cannot start: SMTP CONFIG record 2: 05000819: there is no file 05000819 TCPXLBIN";
    console.wait_for(told, |line| line.contains(told));
    configure(&running, "SMTP", "NONE");
    again(&running, "SMTP");
    script(&running, "receive(smtp, b'four')\nc = Client(imap)\nc.wait(4)\nc.look(4, b'four')\n");
    assert!(running.shutdown().success());
}

/// While the file pool does not answer, nobody knows the table of the store: the server runs, and no note is written or read before.
#[test]
fn a_table_that_is_not_known_yet_is_not_guessed() {
    let system = system(&["02730819"]);
    let running = with_disks(system.start());
    make(&running, "02730819", "Y");
    configure(&running, "IMAP", "02730819");
    again(&running, "IMAP");
    script(&running, "receive(smtp, b'one')\nc = Client(imap)\nc.wait(1)\n");
    assert!(running.shutdown().success());

    let (running, mut console) = system.start_with_console();
    let running = with_disks(running);
    // The pool is away, and the configuration names a table that the store is not written by.
    configure(&running, "IMAP", "NONE");
    for server in ["IMAP", "IMAPSF"] {
        running.cmd_ok("OPERATOR", &format!("FORCE {server}"));
    }
    running.cmd_ok("OPERATOR", "XAUTOLOG IMAP");
    let told = "DTCIMP1011W The translate table of the mail store is not known yet";
    console.wait_for(told, |line| line.contains(told));
    running.listens_again("imap");
    running.cmd_ok("OPERATOR", "XAUTOLOG IMAPSF");
    console.wait_for("the file pool", |line| line.starts_with("IMAPSF") && line.contains("IMAPPOOL"));
    // Senders are asked to come again.
    let later = "try:\n    receive(smtp, b'two')\nexcept smtplib.SMTPRecipientsRefused as e:\n    assert all(code == 452 for code, _ in e.recipients.values())\nelse:\n    raise SystemExit('taken')\n";
    script(&running, later);
    let (rc, answer) = running.cmd("MAINT", "IMAP CHECK VMUSER1");
    assert!(rc == 28 && answer.contains("are written by translate table 02730819/"), "{answer}");
    configure(&running, "IMAP", "02730819");
    again(&running, "IMAP");
    script(
        &running,
        "receive(smtp, b'two')\nc = Client(imap)\nc.wait(2)\nc.look(1, b'one')\nc.look(2, b'two')\n",
    );
    assert!(running.shutdown().success());
}

/// Notes that wait on the disk of SMTP are in no table yet: the one that is in force when they are punched counts. Here it is that of
/// STANDARD TCPXLBIN, which both machines take when no statement names one.
#[test]
fn a_note_that_waits_is_punched_by_the_table_of_its_time() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let running = system.start();
    running.cmd_ok("MAINT", "CONVXLAT 02730819 STANDARD");
    running.cmd_ok("MAINT", "COPYFILE STANDARD TCPXLBIN A = = Y");
    assert!(running.shutdown().success());
    let octets = (0..16u8).map(|row| (0..16).map(|i| row * 16 + i).collect::<Vec<u8>>());
    let head = [&b"Subject: waiting [brackets] {braces}"[..], b""].map(<[u8]>::to_vec);
    let note: Vec<Vec<u8>> = head.into_iter().chain(octets).collect();
    let block =
        ["ADDRBLOK 1 00000041 1700000000000000 8BITMIME 0 0 host", "<>", "VMUSER1 <vmuser1@vm.localhost>"];
    let block = block.map(|line| line.as_bytes().to_vec()).to_vec();
    put_waiting(&system, &[("NOTE", note), ("ADDRBLOK", block)]);
    let running = system.start();
    let status = running.cmd_ok("MAINT", "IMAP QUERY STATUS");
    assert!(
        status.contains("Translate table  STANDARD/") && !status.contains("STANDARD/90FF674C"),
        "{status}"
    );
    let look = "c = Client(imap)\nc.wait(1)\nraw = c.do(b'FETCH 1 BINARY.PEEK[]')\nassert b'waiting [brackets] {braces}\\r\\n\\r\\n' + OCTETS in raw, raw\n";
    script(&running, look);
    assert!(running.shutdown().success());
}

/// Writes files of note 00000041 to SMTP's 191 while the system is stopped, as SMTP keeps them.
fn put_waiting(system: &System, files: &[(&str, Vec<Vec<u8>>)]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dasd: Arc<dyn dasd::Dasd> = Arc::new(dasd::HostDasd::new(system.path().join("dasd")).unwrap());
        let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
        let pool = Pool::open(&dasd, &PoolConfig::default(), clock).unwrap();
        let store = MinidiskStore::new(pool.clone());
        let disk = store.link(UserId::new("SMTP").unwrap(), Vdev(0x191), LinkMode::ReadWrite).unwrap();
        for (kind, records) in files {
            let id = FileId::new(FileName::new("00000041").unwrap(), FileType::new(kind).unwrap());
            let mut file = disk.open(id, Intent::Replace, &OpenOptions::variable()).await.unwrap();
            for record in records {
                let written = codepage::translated(record, &codepage::LATIN1_TO_EBCDIC, 0);
                file.write(&written.into(), 1).await.unwrap();
            }
            file.close().await.unwrap();
        }
        pool.close().await;
    });
}
