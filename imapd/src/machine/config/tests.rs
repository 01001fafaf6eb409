//! Statements: what is taken, what is refused and how that is told.

use proptest::prelude::*;

use super::*;
use crate::session::capability::Token;

#[test]
fn statements_defaults_and_errors() {
    let config = read("; x\nFilePoolID imappool:\nBADFILEID postmstr ; bad\n".lines()).unwrap();
    assert_eq!((config.file_pool.as_str(), config.mail_origin.as_str()), ("IMAPPOOL", "SMTP"));
    assert_eq!(config.idle_timeout, Duration::from_secs(1800));
    assert_eq!((config.login_timeout, config.auth_exit), (Duration::from_secs(180), None));
    let config = read("FilePoolID A\nBadFileID B\nAuthExit x1\n\nauthexit Frob\n".lines()).unwrap();
    let unknown = config.auth_exit.unwrap().unknown().to_string();
    assert_eq!(unknown, "IMAP CONFIG record 5: FROB: there is no exit of this name");
    for (seconds, good) in [(9, false), (10, true), (3600, true), (3601, false)] {
        let read = read(format!("FilePoolID A\nBadFileID B\nLoginTimeout {seconds}\n").lines());
        assert_eq!(read.is_ok_and(|c| c.login_timeout == Duration::from_secs(seconds)), good);
    }
    let errors = read("FilePoolID A B\nIdleTimeout 29\nFrob 1\nTokenExit NONE\n".lines()).unwrap_err();
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "IMAP CONFIG record 1: FilePoolID: takes exactly one operand",
            "IMAP CONFIG record 2: 29: a number from 30 to 10080 is needed",
            "IMAP CONFIG record 3: Frob: unknown statement",
            "IMAP CONFIG record 4: NONE: there is no exit of this name",
            "IMAP CONFIG record 0: FilePoolID: required statement",
            "IMAP CONFIG record 0: BadFileID: required statement",
        ]
    );
}

#[test]
fn translate_tables_and_statements_of_tls() {
    let base = "FilePoolID A\nBadFileID B\n";
    let table = |text: &str| {
        let config = read(format!("{base}{text}\n").lines());
        config.map(|c| c.translate_table.wrong("x".into()).to_string()).map_err(|e| e[0].to_string())
    };
    assert_eq!(table(""), Ok("IMAP CONFIG record 0: STANDARD: x".into()));
    let expected = "IMAP CONFIG record 4: 02730819: x";
    assert_eq!(table("TranslateTable other\ntranslatetable 02730819 ; German"), Ok(expected.into()));
    let expected = "IMAP CONFIG record 3: TranslateTable: takes exactly one operand";
    assert_eq!(table("TranslateTable"), Err(expected.into()));
    assert!(
        table("TranslateTable TOOLONGNAME").unwrap_err().starts_with("IMAP CONFIG record 3: TOOLONGNAME: ")
    );
    for keyword in ["TLSLabel", "Tls", "SSL", "Certificate"] {
        let told = table(&format!("{keyword} x")).unwrap_err();
        assert!(told.contains("endicott.toml") && told.contains("ClearPasswords OFF"), "{told}");
    }
}

#[test]
fn ports() {
    let port = |text: &str| {
        let config = read(format!("FilePoolID A\nBadFileID B\n{text}\n").lines());
        config.map(|c| (c.port, c.secure_port)).map_err(|e| e[0].to_string())
    };
    assert_eq!(port(""), Ok((PortChoice::Host, PortChoice::Host)));
    assert_eq!(port("Port 143"), Ok((PortChoice::Number(143), PortChoice::Host)));
    assert_eq!(port("PORT off\nSecurePort 65535"), Ok((PortChoice::Off, PortChoice::Number(65535))));
    for wrong in ["0", "65536", "imap", "-1"] {
        let told = format!("IMAP CONFIG record 3: {wrong}: a number from 1 to 65535, or OFF, is needed");
        assert_eq!(port(&format!("Port {wrong}")), Err(told));
    }
}

#[test]
fn message_limits() {
    let limit = |text: &str| {
        let config = read(format!("FilePoolID A\nBadFileID B\n{text}\n").lines());
        config.map(|c| c.message_limit).map_err(|e| e[0].to_string())
    };
    assert_eq!(limit(""), Ok(None));
    assert_eq!(limit("MessageLimit 1"), Ok(Some(MessageLimit { messages: 1, saves_only: false })));
    let most = MessageLimit { messages: MessageLimit::MAX, saves_only: true };
    assert_eq!(limit("messagelimit 1000000 save"), Ok(Some(most)));
    let error = |text: &str| limit(text).unwrap_err();
    assert_eq!(error("MessageLimit"), "IMAP CONFIG record 3: MessageLimit: takes a number, and perhaps SAVE");
    for wrong in ["0", "1000001", "x"] {
        let expected = format!("IMAP CONFIG record 3: {wrong}: a number from 1 to 1000000 is needed");
        assert_eq!(error(&format!("MessageLimit {wrong}")), expected);
    }
    assert_eq!(
        error("MessageLimit 5 MOVE"),
        "IMAP CONFIG record 3: MOVE: SAVE is all that may follow the number"
    );
}

#[test]
fn mailbox_referrals() {
    let read = |text: &str| read(format!("FilePoolID A\nBadFileID B\n{text}\n").lines());
    let config =
        read("MailboxReferral Old%20mail imap://a.example/\nmailboxreferral x imap://b/y joe").unwrap();
    let joe = UserId::new("JOE").unwrap();
    let names: Vec<_> = config.mailbox_referrals.names(joe).map(MailboxName::as_str).collect();
    assert_eq!(names, ["x", "Old mail"]);
    let wrong = [
        ("MailboxReferral", "MailboxReferral: takes a mailbox, a URL, and perhaps a user id"),
        ("MailboxReferral x//y imap://a/", "x//y: the name of a mailbox is needed, written as in a URL"),
        ("MailboxReferral %zz imap://a/", "%zz: the name of a mailbox is needed, written as in a URL"),
        ("MailboxReferral inbox/x imap://a/", "inbox/x: INBOX is where the user logs in"),
        ("MailboxReferral x http://a/", "http://a/: not an IMAP URL: it does not begin with imap://"),
        (
            "MailboxReferral x imap://[::1]/",
            "imap://[::1]/: the URL names a server by its host name, and perhaps a mailbox on it",
        ),
    ];
    for (text, expected) in wrong {
        assert_eq!(read(text).unwrap_err()[0].to_string(), format!("IMAP CONFIG record 3: {expected}"));
    }
    assert!(read("MailboxReferral x imap://a/ TOOLONGNAME").is_err());
    for (count, good) in [(MailboxReferrals::MAX, true), (MailboxReferrals::MAX + 1, false)] {
        assert_eq!(read(&"MailboxReferral x imap://a/\n".repeat(count)).is_ok(), good);
    }
}

#[test]
fn login_referrals() {
    let base = "FilePoolID A\nBadFileID B\n";
    let config = read(format!("{base}LoginReferral joe imap://other.example:1143/\n").lines()).unwrap();
    let url = &config.referrals[&UserId::new("JOE").unwrap()];
    assert_eq!((url.server.host.as_str(), url.server.port), ("other.example", Some(1143)));
    for wrong in ["joe", "joe http://x/", "joe imap://x/INBOX", "joe imap://[::1]/", "TOOLONGNAME imap://x/"]
    {
        let errors = read(format!("{base}LoginReferral {wrong}\n").lines()).unwrap_err();
        assert_eq!(errors[0].record, 3, "{wrong}");
    }
}

#[test]
fn proxies_and_clear_passwords() {
    let base = "FilePoolID A\nBadFileID B\n";
    let config = read(base.lines()).unwrap();
    assert!(config.clear_passwords && config.proxies.is_empty());
    let text =
        format!("{base}ClearPasswords off\nProxyFrom 10.0.0.0/8\nproxyfrom ::1 imaps ; the local one\n");
    let config = read(text.lines()).unwrap();
    assert!(!config.clear_passwords && config.proxies.len() == 2);
    assert!(config.proxies[1].is("::1".parse().unwrap(), true));
    let wrong =
        "ClearPasswords MAYBE\nProxyFrom\nProxyFrom x\nProxyFrom ::1 SMTP\nProxyFrom ::1 IMAP IMAPS\n";
    let errors = read(format!("{base}{wrong}").lines()).unwrap_err();
    let shown: Vec<String> =
        errors.iter().map(|e| format!("{} {}: {}", e.record, e.token, e.reason)).collect();
    assert_eq!(
        shown,
        [
            "3 MAYBE: ON or OFF is needed",
            "4 ProxyFrom: takes an address, and perhaps IMAP or IMAPS",
            "5 x: an address is needed",
            "6 SMTP: IMAP or IMAPS is needed",
            "7 ProxyFrom: takes an address, and perhaps IMAP or IMAPS",
        ]
    );
    for (count, good) in [(MAX_PROXIES, true), (MAX_PROXIES + 1, false)] {
        let text = format!("{base}{}", "ProxyFrom ::1\n".repeat(count));
        assert_eq!(read(text.lines()).is_ok(), good);
    }
}

#[test]
fn eight_bit_headers() {
    let accepted = |text: &str| {
        let config = read(format!("FilePoolID A\nBadFileID B\n{text}\n").lines());
        config.map(|c| c.eight_bit_headers).map_err(|e| e[0].to_string())
    };
    assert_eq!(accepted(""), Ok(true));
    assert_eq!(accepted("EightBitHeaders REFUSE"), Ok(false));
    assert_eq!(accepted("eightbitheaders refuse\nEIGHTBITHEADERS Accept ; again"), Ok(true));
    let error = |text: &str| accepted(text).unwrap_err();
    assert_eq!(error("EightBitHeaders OFF"), "IMAP CONFIG record 3: OFF: ACCEPT or REFUSE is needed");
    assert_eq!(error("EightBitHeaders"), "IMAP CONFIG record 3: EightBitHeaders: takes exactly one operand");
}

#[test]
fn capabilities_on_and_off() {
    let base = "FilePoolID A\nBadFileID B\n";
    let text = format!("{base}capability move off\nCAPABILITY Move On JOE ; he needs it\n");
    let tokens = read(text.lines()).unwrap().tokens;
    let joe = UserId::new("JOE").unwrap();
    assert!(tokens.off(None).has(Token::Move) && !tokens.off(Some(joe)).has(Token::Move));
    let wrong = "Capability\nCapability FROB OFF\nCapability MOVE MAYBE\nCapability IMAP4rev1 OFF\n\
                 Capability ID OFF JOE\nCapability MOVE OFF NOT+GOOD+AT+ALL\n";
    let errors = read(format!("{base}{wrong}").lines()).unwrap_err();
    let shown: Vec<String> =
        errors.iter().map(|e| format!("{} {}: {}", e.record, e.token, e.reason)).collect();
    assert_eq!(shown[0], "3 Capability: takes a capability, ON or OFF, and perhaps a user id");
    assert_eq!(shown[1], "4 FROB: unknown capability");
    assert_eq!(shown[2], "5 MAYBE: ON or OFF is needed");
    assert_eq!(shown[3], "6 IMAP4rev1: this capability cannot be switched off");
    assert_eq!(shown[4], "7 ID: this capability is shown before login and cannot be set for one user");
    assert!(shown[5].starts_with("8 NOT+GOOD+AT+ALL: "), "{}", shown[5]);
    assert_eq!(shown.len(), 6);
}

proptest! {
    #[test]
    fn any_record_gets_an_answer(record in "(TranslateTable|Capability|LoginReferral|MailboxReferral|MessageLimit|ProxyFrom|AuthExit|LoginTimeout|Comment)? ?[ -~\u{e9}]{0,40}") {
        let read = read(["FilePoolID A", "BadFileID B", &record].into_iter());
        if let Err(errors) = read {
            prop_assert_eq!((errors.len(), errors[0].record), (1, 3));
        }
    }
}
