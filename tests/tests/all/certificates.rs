//! Certificates that change while the system runs: new ones for new connections, a broken file changes nothing.

use std::path::Path;

use tests::python;
use tests::system::System;

#[test]
fn certificates_change_while_the_system_runs() {
    let system = System::generate(&[("VMUSER1", "SECRET1")]);
    let other = System::generate(&[]);
    // The certificate is made by the first start.
    assert!(other.start().shutdown().success());
    let running = system.start();
    let file = |system: &System, name: &str| system.path().join("tls").join(name);
    let copy = |name: &str| std::fs::copy(file(&other, name), file(&system, name)).map(drop).unwrap();
    let port = running.port("imaps").to_string();
    let shown = |port: &str| {
        let script = r#"
import ssl
print(ssl.get_server_certificate(("127.0.0.1", int(sys.argv[1]))))
"#;
        python::run(script, &[port.to_owned()])
    };
    let pem = |path: &Path| std::fs::read_to_string(path).unwrap().split_whitespace().collect::<String>();
    let is = |text: String, wanted: &str| text.split_whitespace().collect::<String>() == wanted;
    let (old, new) = (pem(&file(&system, "certificate.pem")), pem(&file(&other, "certificate.pem")));
    assert!(old != new && is(shown(&port), &old));

    std::fs::write(file(&system, "certificate.pem"), "rubbish").unwrap();
    let (rc, answer) = running.cmd("MAINT", "IMAP CONFIG");
    assert_eq!(rc, 28, "{answer}");
    assert!(answer.contains("DTCIMP3027E The former certificate stays in force: "), "{answer}");
    assert!(is(shown(&port), &old));

    ["key.pem", "certificate.pem"].into_iter().for_each(copy);
    let answer = running.cmd_ok("MAINT", "IMAP CONFIG");
    assert!(answer.contains("DTCIMP3026I") || answer.contains("DTCIMP3021I"), "{answer}");
    assert!(is(shown(&port), &new));
    assert!(running.shutdown().success());
}
