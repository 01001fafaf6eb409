//! Ports that IMAP CONFIG chooses instead of the host, in a whole system.

use std::net::{Ipv4Addr, TcpListener};

use tests::python;
use tests::system::{Running, System};

use super::auth_exit::write_config_files;

/// A login by the port that the system says it listens on.
fn login(running: &Running) {
    let script = r#"
import imaplib
imaplib.IMAP4("127.0.0.1", int(sys.argv[1])).login("vmuser1", "SECRET1")
"#;
    python::run(script, &[running.port("imap").to_string()]);
}

#[test]
fn the_ports_of_imap_config_count_from_the_next_start_on() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let base = "FilePoolID IMAPPOOL\nBadFileID POSTMSTR\n";
    write_config_files(
        &system,
        &[
            ("BAD", "CONFIG", &format!("{base}Port 0\n")),
            ("OTHER", "CONFIG", &format!("{base}Port {free}\nSecurePort OFF\n")),
        ],
    );
    let running = system.start();
    let usual = running.port("imap");
    running.cmd_ok("MAINT", "LINK IMAP 191 391 MW");
    running.cmd_ok("MAINT", "ACCESS 391 B");
    let put = |from: &str| {
        running.cmd_ok("MAINT", &format!("COPYFILE {from} CONFIG A IMAP CONFIG B ( REPLACE"));
        running.cmd("MAINT", "IMAP CONFIG").1
    };
    assert!(put("BAD").contains("record 3: 0: a number from 1 to 65535, or OFF, is needed"));
    let answer = put("OTHER");
    assert!(answer.contains("DTCIMP3020W In force with the next start only: Port, SecurePort"), "{answer}");
    assert_eq!(running.port("imap"), usual);
    login(&running);
    assert!(running.shutdown().success());

    let running = system.start();
    assert_eq!(running.port("imap"), free);
    login(&running);
    let listeners = std::fs::read_to_string(system.path().join("run/listeners.json")).unwrap();
    assert!(listeners.contains("\"imap\"") && !listeners.contains("\"imaps\""), "{listeners}");
    assert!(running.shutdown().success());
}
