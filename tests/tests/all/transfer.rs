//! Files between the host and a running system: import, export, and a configuration that is changed so.

use std::path::Path;

use tests::python;
use tests::system::System;

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[test]
fn files_go_in_and_come_back() {
    let system = System::generate(&[]);
    let running = system.start();
    let folder = tempfile::tempdir().unwrap();
    let host = |name: &str| path(folder.path(), name);
    let every: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    std::fs::write(host("text"), "first line\n\n  Grüße, {brackets} [and] all\nlast without an end").unwrap();
    std::fs::write(host("every"), &every).unwrap();
    std::fs::write(host("deck"), "ABC\nDEFGH\n").unwrap();
    std::fs::write(host("euro"), "fine\n5 \u{20ac}\n").unwrap();
    let import = |file: &str, more: &[&str]| {
        let name = host(file);
        system.tool("import", &[&["-u", "MAINT", &name], more].concat())
    };
    let (rc, answer) = import("text", &["SOME", "TEXT"]);
    assert_eq!((rc, answer.as_str()), (0, "SOME TEXT A: 4 records, RECFM V\n"));
    assert_eq!(import("every", &["EVERY", "OCTET", "A", "--binary"]).0, 0);
    assert_eq!(
        import("deck", &["DECK", "JCL", "A1", "--fixed", "8"]).1,
        "DECK JCL A: 2 records, RECFM F 8\n"
    );
    assert_eq!(running.cmd_ok("MAINT", "TYPE DECK JCL A").trim(), "ABC\nDEFGH");
    // Refused, and nothing of it is there.
    let (rc, answer) = import("euro", &["EURO", "TEXT"]);
    assert_eq!((rc, answer.as_str()), (255, "line 2: '\u{20ac}' is not in code page 1047\n"));
    assert_eq!(import("every", &["EVERY", "TEXT"]).0, 255);
    assert_eq!(import("deck", &["DECK", "JCL", "Q"]).0, 255);
    let (rc, answer) = system.tool("import", &["-u", "OPERATOR", &host("deck"), "DECK", "JCL", "S"]);
    assert!(rc == 255 && answer.contains("DMSHST037E"), "{rc} {answer}");
    assert_ne!(import("deck", &["DECK"]).0, 0);
    assert_ne!(import("nothing", &["NO", "FILE"]).0, 0);
    let export = |file: &str, more: &[&str]| {
        let name = host(file);
        system.tool("export", &[&["-u", "MAINT", &name], more].concat())
    };
    assert_eq!(export("none", &["EURO", "TEXT"]).0, 255);
    assert!(!Path::new(&host("none")).exists());
    assert_eq!(export("text.back", &["SOME", "TEXT"]).0, 0);
    assert_eq!(
        std::fs::read_to_string(host("text.back")).unwrap(),
        "first line\n\n  Grüße, {brackets} [and] all\nlast without an end\n"
    );
    assert_eq!(export("every.back", &["EVERY", "OCTET", "--binary"]).0, 0);
    assert!(std::fs::read(host("every.back")).unwrap() == every);
    assert_eq!(export("deck.back", &["DECK", "JCL"]).0, 0);
    assert_eq!(std::fs::read_to_string(host("deck.back")).unwrap(), "ABC\nDEFGH\n");
    assert_ne!(export("deck.back", &["SOME", "TEXT"]).0, 0, "nothing is written over");
    assert_eq!(std::fs::read_to_string(host("deck.back")).unwrap(), "ABC\nDEFGH\n");
    // The greatest file there may be, and one octet more.
    let huge = std::fs::File::create(host("huge")).unwrap();
    huge.set_len(64 << 20).unwrap();
    let (rc, answer) = import("huge", &["HUGE", "ZEROS", "A", "--binary"]);
    assert_eq!((rc, answer.as_str()), (0, "HUGE ZEROS A: 1025 records, RECFM V\n"));
    assert_eq!(export("huge.back", &["HUGE", "ZEROS", "A", "--binary"]).0, 0);
    assert!(std::fs::read(host("huge.back")).unwrap() == vec![0; 64 << 20]);
    huge.set_len((64 << 20) + 1).unwrap();
    let (rc, answer) = import("huge", &["HUGE", "ZEROS", "A", "--binary"]);
    assert!(rc == 255 && answer.contains("at most 67108864"), "{rc} {answer}");
    // What was imported survives a sudden end.
    drop(running);
    let _running = system.start();
    assert_eq!(export("text.again", &["SOME", "TEXT", "A"]).0, 0);
    assert!(std::fs::read(host("text.again")).unwrap() == std::fs::read(host("text.back")).unwrap());
}

/// The way of an operator who changes IMAP CONFIG: export, an editor, import, IMAP CONFIG.
#[test]
fn a_configuration_is_changed_in_the_running_system() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let running = system.start();
    let folder = tempfile::tempdir().unwrap();
    let file = path(folder.path(), "imap.config");
    let of_imap = |command: &str| system.tool(command, &["-u", "IMAP", &file, "IMAP", "CONFIG"]);
    assert_eq!(of_imap("export").0, 0);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}Capability NOTIFY OFF\n")).unwrap();
    assert_eq!(of_imap("import").0, 0);
    let shown = running.cmd_ok("MAINT", "IMAP CONFIG");
    assert!(shown.contains("In force now: Capability"), "{shown}");
    python::run(
        "c = login(sys.argv[1], 'vmuser1', 'secret1')\nassert 'NOTIFY' not in c.capability()[1][0].decode().split()\n",
        &[running.port("imap").to_string()],
    );
    std::fs::write(&file, format!("{text}Nonsense 5\n")).unwrap();
    assert_eq!(of_imap("import").0, 0);
    let (rc, shown) = running.cmd("MAINT", "IMAP CONFIG");
    assert!(rc != 0 && shown.contains("Nonsense") && shown.contains("nothing has changed"), "{rc} {shown}");
    // A machine that is not logged on is logged on.
    let own = |command: &str, name: &str| {
        system.tool(command, &["-u", "VMUSER1", &path(folder.path(), name), "MY", "NOTES"])
    };
    assert!(!running.cmd_ok("MAINT", "QUERY NAMES").contains("VMUSER1"));
    assert_eq!(own("import", "imap.config").0, 0);
    assert_eq!(own("export", "notes").0, 0);
    assert_eq!(std::fs::read(path(folder.path(), "notes")).unwrap(), std::fs::read(&file).unwrap());
    assert!(running.shutdown().success());
    let (rc, answer) = of_imap("import");
    assert!(rc == 3 && answer.contains("no system runs"), "{rc} {answer}");
}
