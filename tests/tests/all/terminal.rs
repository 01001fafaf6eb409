//! The operator's console at a pseudo-terminal and on a pipe, and the ends of the program.

use std::process::Command;

use tests::python;
use tests::system::{System, binary};

/// Types at a pseudo-terminal: arguments are the program, the folder.
const DIALOGUE: &str = r##"
import os, pty, re, select, time

program, folder = sys.argv[1:3]
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execv(program, [program, "ipl", "--system", folder])
screen = b""

def wait(pattern, seconds=40):
    """Waits for a pattern on the screen after what has been seen; gives what came up to its end."""
    global screen
    until = time.monotonic() + seconds
    while True:
        found = re.search(pattern, screen)
        if found:
            seen, screen = screen[:found.end()], screen[found.end():]
            return seen
        left = until - time.monotonic()
        assert left > 0, (pattern, screen[-2000:])
        if select.select([fd], [], [], left)[0]:
            data = os.read(fd, 65536)
            # The editor asks where the cursor is; a terminal answers.
            for _ in range(data.count(b"\x1b[6n")):
                os.write(fd, b"\x1b[1;1R")
            screen += data

def line(text):
    os.write(fd, text.encode() + b"\r")

wait(rb"ENDICOTT READY")
wait(rb"Ready;")
line("QUERY USERID")
wait(rb"OPERATOR AT ENDICOTT")
wait(rb"Ready;")
line("LOGOFF")
wait(rb"LOGOFF AT")
wait(rb"MSG userid message")
line("LOGON VMUSER1")
wait(rb"ENTER PASSWORD")
line("SECRET1")
seen = wait(rb"Ready;")
assert b"LOGON AT" in seen and b"SECRET1" not in seen, seen
line("QUERY ACCESSED")
wait(rb"VMSYSU:VMUSER1\.")
wait(rb"Ready;")
line("#CP QUERY USERID")
wait(rb"VMUSER1 AT ENDICOTT")

def ipl(first):
    """IPLs CMS, types the first line that it reads, and gives the answer to QUERY ACCESSED."""
    line("#CP IPL CMS PARM FILEPOOL VMSYSU")
    wait(rb"VM/ESA V2\.4\.0")
    line(first)
    answer = wait(rb"Ready[^;]*;")
    line("QUERY ACCESSED")
    wait(rb"Label/Directory")
    return answer, wait(rb"Ready;")

answer, accessed = ipl("ACCESS (NODISK")
assert b"CMS190" in accessed and b"MNT19E" in accessed and b"VMUSER1" not in accessed, accessed
line("ACCESS (NODISK")
wait(rb"DMSACC003E Invalid option: NODISK")
answer, accessed = ipl("ACC(NOPROF")
assert b"CMS190" in accessed and b"A     R/W          0  DIR   VMSYSU:VMUSER1." in accessed, accessed
answer, accessed = ipl("ACCESS 999 B (NOPROF")
assert b"DMSACC113S B(999) not attached" in answer and b"VMUSER1" not in accessed, (answer, accessed)
# Any other command waits until A is accessed.
answer, accessed = ipl("LISTDIR")
assert b"VMSYSU:VMUSER1." in accessed, accessed
answer, accessed = ipl("")
assert b"VMSYSU:VMUSER1." in accessed, accessed
line("#CP")
line("QUERY NAMES")
wait(rb"VMUSER1  - SYSC")
line("BEGIN")
line("LOGOFF")
wait(rb"LOGOFF AT")
wait(rb"MSG userid message")
line("LOGON MAINT " + sys.argv[3])
wait(rb"Ready;")
line("SHUTDOWN")
wait(rb"SYSTEM SHUTDOWN COMPLETE")
done, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
history = open(folder + "/console.history").read()
assert "QUERY ACCESSED" in history and "SECRET1" not in history, history
"##;

#[test]
fn a_person_at_a_terminal() {
    let system = System::generate(&[("VMUSER1", "SECRET1"), ("VMUSER2", "SECRET2")]);
    let passwords = std::fs::read_to_string(system.path().join("passwords.txt")).unwrap();
    let maint = passwords.lines().find_map(|l| l.strip_prefix("MAINT ")).unwrap().trim().to_owned();
    let program = binary().to_string_lossy().into_owned();
    python::run(DIALOGUE, &[program, system.path().to_string_lossy().into_owned(), maint]);
}

#[test]
fn the_end_of_the_console_is_not_the_end_of_the_system() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let (running, console) = system.start_with_console();
    drop(console);
    let answer = std::iter::repeat_with(|| running.cmd_ok("MAINT", "QUERY OPERATOR"))
        .take(200)
        .find(|answer| answer.contains("OPERATOR - DSC"));
    assert!(answer.is_some(), "the operator is disconnected when the pipe ends");
    assert!(running.shutdown().success());
}

#[test]
fn sigterm_ends_it_in_order() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let (running, mut console) = system.start_with_console();
    console.type_line("QUERY USERID");
    console.wait_for("an answer", |line| line == "OPERATOR AT ENDICOTT");
    let sent = Command::new("kill").arg("-TERM").arg(running.pid().to_string()).status().unwrap();
    assert!(sent.success());
    console.wait_for("the end", |line| line == "SYSTEM SHUTDOWN COMPLETE");
    assert_eq!(running.wait().code(), Some(0));
    for gone in ["run/ready", "run/listeners.json"] {
        assert!(!system.path().join(gone).exists(), "{gone} is left");
    }
}

#[test]
fn a_damaged_configuration_is_named() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    for (text, names) in [
        ("[listen]\nimap = \"no port\"\n", "imap"),
        ("[listen]\nimpa = 0\n", "impa"),
        ("[listen\n", "line 1"),
        ("[listen]\naddress = \"nowhere\"\n", "address"),
        ("[mail]\ndomain = \"two words\"\n", "domain"),
    ] {
        system.write_config(text);
        let ended = Command::new(binary())
            .args(["ipl", "--no-console", "--system"])
            .arg(system.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{text}\n{said}");
        assert!(said.contains("endicott.toml") && said.contains(names), "{text}\n{said}");
    }
}
