//! Spool commands as transcripts against the documented columns and texts.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::*;
use cp::console::TerminalEvent;
use spool::unit_record::{PRINTER, PUNCH};
use spool::{CloseOptions, Queue, UnitRecord};

fn shown(screen: &mut tokio::sync::mpsc::Receiver<TerminalEvent>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Ok(event) = screen.try_recv() {
        if let TerminalEvent::Line(line) = event {
            lines.push(line);
        }
    }
    lines
}

#[tokio::test]
async fn query_shows_the_documented_columns() {
    let cp = cp_with(&warm(&fresh()));
    let (smtp, fred) = (guest(&cp, "SMTP"), guest(&cp, "FRED"));
    assert_eq!(answer(&fred, "QUERY RDR").await, (0, vec!["NO RDR FILES".into()]));
    assert_eq!(answer(&fred, "Q PRT").await.1, ["NO PRT FILES"]);
    assert_eq!(answer(&fred, "Q PUN").await.1, ["NO PUN FILES"]);
    assert_eq!(answer(&fred, "Q F").await.1, ["FILES:   NO RDR,   NO PRT,   NO PUN"]);
    send(&smtp, "FRED", &[b"1", b"2"]).await.unwrap();
    let short = answer(&fred, "Q RDR").await.1;
    assert_eq!(short[0], "ORIGINID FILE CLASS RECORDS  CPY HOLD FORM     DEST     KEEP MSG");
    assert_eq!(short[1], "SMTP     0001 A PUN 00000002 001 NONE STANDARD OFF      OFF  ON");
    let all = answer(&fred, "QUERY READER ALL").await.1;
    assert_eq!(all[0], "ORIGINID FILE CLASS RECORDS  CPY HOLD DATE  TIME     NAME      TYPE     DIST");
    assert_eq!(all[1], "SMTP     0001 A PUN 00000002 001 NONE 08/17 21:48:25 NOTE      MAIL     SMTP");
    // What programs slice out of the columns.
    for (from, to, item) in [
        (0, 8, "SMTP    "),
        (9, 13, "0001"),
        (14, 15, "A"),
        (16, 19, "PUN"),
        (20, 28, "00000002"),
        (29, 32, "001"),
        (33, 37, "NONE"),
        (38, 43, "08/17"),
        (44, 52, "21:48:25"),
        (53, 57, "NOTE"),
        (63, 67, "MAIL"),
        (72, 76, "SMTP"),
    ] {
        assert_eq!(&all[1][from..to], item);
    }
    assert!(answer(&fred, "Q RDR ALL ISODATE").await.1[1].contains("NONE 2026-08-17 21:48:25 NOTE"));
    assert_eq!(answer(&fred, "Q F").await.1, ["FILES: 0001 RDR,   NO PRT,   NO PUN"]);
    let op = guest(&cp, "OPERATOR");
    let system = answer(&op, "Q RDR").await.1;
    assert!(system[0].starts_with("OWNERID  FILE CLASS") && system[1].starts_with("FRED     0001 A PUN"));
    assert_eq!(answer(&op, "Q F SYSTEM").await.1, ["FILES: 0000001 RDR,      NO PRT,      NO PUN"]);
    assert_eq!(answer(&op, "Q RDR FRED").await.1.len(), 2);
    assert_eq!(answer(&fred, "Q RDR SMTP").await, (3, vec!["HCPCQR003E Invalid option - SMTP".into()]));
    assert_eq!(answer(&fred, "Q RDR 7").await, (42, vec!["HCPCQR042E Spoolid 0007 does not exist".into()]));
    assert_eq!(answer(&fred, "Q RDR CLASS B").await.1, ["NO RDR FILES"]);
    assert_eq!(answer(&fred, "Q RDR CLASS ??").await.0, 28);
}

#[tokio::test]
async fn arrival_and_transfer_are_announced_in_the_old_form() {
    let cp = cp_with(&warm(&fresh()));
    let smtp = guest(&cp, "SMTP");
    let (fred, smith) = (guest(&cp, "FRED"), guest(&cp, "SMITH"));
    let (mut one, mut two, mut three) =
        (fred.vm().console.attach(), smith.vm().console.attach(), smtp.vm().console.attach());
    send(&smtp, "FRED", &[b"x"]).await.unwrap();
    assert_eq!(
        shown(&mut one),
        ["RDR FILE 0001 SENT FROM SMTP     PUN WAS 0001 RECS 0001 CPY  001 A NOHOLD NOKEEP"]
    );
    assert_eq!(
        shown(&mut three),
        ["PUN FILE 0001 SENT TO   FRED     RDR AS  0001 RECS 0001 CPY  001 A NOHOLD NOKEEP"]
    );
    send(&smtp, "SMITH", &[b"x"]).await.unwrap();
    shown(&mut two);
    assert_eq!(answer(&fred, "TRANSFER RDR 1 TO SMITH").await, (0, vec!["0000001 FILE  TRANSFERRED".into()]));
    assert_eq!(
        shown(&mut one),
        ["RDR FILE 0001 SENT TO   SMITH    RDR AS  0002 RECS 0001 CPY  001 A NOHOLD NOKEEP"]
    );
    assert_eq!(
        shown(&mut two),
        ["RDR FILE 0002 SENT FROM FRED     RDR WAS 0001 RECS 0001 CPY  001 A NOHOLD NOKEEP"]
    );
    let kept = UnitRecord::of(&smith).unwrap().reader_files();
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|f| f.origin == user("SMTP") && f.name == "NOTE" && f.tag == "joe@example.com"));
    assert_eq!(answer(&fred, "TRANSFER RDR 1 TO SMITH").await.0, 42);
    assert_eq!(
        answer(&smith, "TRANSFER RDR ALL NOSUCH").await,
        (53, vec!["HCPCST053E NOSUCH not in CP directory".into()])
    );
    assert_eq!(answer(&smtp, "TRANSFER RDR 1 FROM SMITH").await.1, ["0000001 FILE  TRANSFERRED"]);
    assert_eq!(answer(&smith, "TRANSFER RDR").await.0, 27);
    assert_eq!(answer(&smith, "TRANSFER").await.0, 29);
    let op = guest(&cp, "OPERATOR");
    assert_eq!(answer(&op, "TRANSFER SMITH RDR ALL TO FRED").await.1, ["0000001 FILE  TRANSFERRED"]);
}

#[tokio::test]
async fn purge_change_order_and_tag() {
    let cp = cp_with(&warm(&fresh()));
    let (smtp, fred) = (guest(&cp, "SMTP"), guest(&cp, "FRED"));
    assert_eq!(answer(&fred, "PURGE RDR ALL").await, (0, vec!["NO FILES PURGED".into()]));
    for _ in 0..6 {
        send(&smtp, "FRED", &[b"x"]).await.unwrap();
    }
    let ids = async || -> Vec<u16> {
        UnitRecord::of(&fred).unwrap().reader_files().iter().map(|f| f.id.get()).collect()
    };
    assert_eq!(answer(&fred, "ORDER RDR 5 3").await.1, ["0000002 FILES ORDERED"]);
    assert_eq!(ids().await, [5, 3, 1, 2, 4, 6]);
    assert_eq!(
        answer(&fred, "CHANGE RDR 5 HOLD CLASS B COPY *3 FORM SPECIAL NAME a b").await.1,
        ["0000001 FILE  CHANGED"]
    );
    let line = answer(&fred, "Q RDR 5 ALL").await.1[1].clone();
    assert!(line.starts_with("SMTP     0005 B PUN 00000001*003 USER 08/17"), "{line}");
    assert!(line.contains(" A         B        SMTP"));
    assert_eq!(answer(&fred, "CHANGE RDR 5 SYSHOLD").await.0, 3);
    assert_eq!(answer(&fred, "CHANGE RDR 5 COPY 256").await.0, 2);
    assert_eq!(answer(&fred, "CHANGE RDR 5 COPY 255").await.0, 0);
    assert_eq!(answer(&fred, "CHANGE RDR 5 FORM NINECHARS").await.0, 432);
    assert_eq!(answer(&fred, "CHANGE RDR 5").await.0, 26);
    assert_eq!(answer(&fred, "CHANGE RDR 5 FROB").await.0, 3);
    assert!(
        UnitRecord::of(&fred).unwrap().open_file(cp::name::SpoolId::new(5).unwrap()).await.is_err(),
        "held"
    );
    assert_eq!(answer(&fred, "PURGE RDR 3").await.1, ["0000001 FILE  PURGED"]);
    assert_eq!(answer(&fred, "PUR RDR CLASS B").await.1, ["0000001 FILE  PURGED"]);
    assert_eq!(answer(&fred, "PURGE SMTP RDR ALL").await.0, 29, "class G has only his own");
    assert_eq!(answer(&fred, "PURGE RDR 0").await.0, 27);
    assert_eq!(answer(&fred, "PURGE RDR 10000").await.0, 27);
    assert_eq!(answer(&fred, "PURGE ALL ALL").await.1, ["0000004 FILES PURGED"]);
    assert_eq!(answer(&smtp, "TAG DEV PUN joe at example").await.0, 0);
    assert_eq!(answer(&smtp, "TAG QUERY DEV PUN").await.1, ["joe at example"]);
    assert_eq!(answer(&smtp, &format!("TAG DEV PUN {}", "x".repeat(137))).await.0, 432);
    assert_eq!(answer(&smtp, "TAG DEV RDR x").await.0, 8);
    assert_eq!(answer(&smtp, "TAG QUERY DEV PRT").await.1, ["TAG NOT SET"]);
}

#[tokio::test]
async fn devices_spool_and_close() {
    let cp = cp_with(&warm(&fresh()));
    let (smtp, fred) = (guest(&cp, "SMTP"), guest(&cp, "FRED"));
    let ur = UnitRecord::of(&smtp).unwrap();
    assert_eq!(answer(&smtp, "SPOOL PUNCH TO FRED CLASS M NAME ab cd").await, (0, vec![]));
    ur.punch(b"card one").await.unwrap();
    ur.punch(b"card two").await.unwrap();
    let lines = answer(&smtp, "Q V D").await.1;
    assert_eq!(lines[0], "PUN  000D CL M NOCONT NOHOLD COPY 001    READY FORM STANDARD");
    assert!(lines[1].starts_with("     000D TO FRED     RDR DIST SMTP"));
    assert!(lines[2].contains("OPEN 0001"), "{lines:?}");
    assert_eq!(answer(&smtp, "CLOSE PUNCH HOLD").await, (0, vec![]));
    assert_eq!(answer(&smtp, "CLOSE 00D").await, (0, vec![]));
    let files = UnitRecord::of(&fred).unwrap().reader_files();
    assert_eq!(files.len(), 1);
    assert_eq!(
        (files[0].class, files[0].name.as_str(), files[0].hold.user, files[0].records),
        ('M', "AB", true, 2)
    );
    answer(&smtp, "SPOOL 00D OFF CONT NONAME").await;
    ur.punch(b"a").await.unwrap();
    assert_eq!(ur.close(PUNCH, &CloseOptions::default()).await.unwrap(), None, "CONT");
    ur.punch(b"b").await.unwrap();
    answer(&smtp, "SPOOL PUN NOCONT CLOSE").await;
    let own = cp.ext.get::<spool::Spool>().unwrap().files(user("SMTP"), Queue::Punch);
    assert_eq!(own[0].records, 2);
    ur.print(0x09, b"line").await.unwrap();
    answer(&smtp, "SPOOL PRT PURGE").await;
    assert_eq!(ur.close(PRINTER, &CloseOptions::default()).await.unwrap(), None);
    assert_eq!(
        answer(&smtp, "SPOOL 123 HOLD").await,
        (40, vec!["HCPCSS040E Device 0123 does not exist".into()])
    );
    assert_eq!(answer(&smtp, "SPOOL PUN TO NOSUCH").await.0, 53);
    assert_eq!(answer(&smtp, "SPOOL RDR COPY 2").await.0, 3);
    assert_eq!(answer(&smtp, "SPOOL XYZ HOLD").await.0, 22);
    // LOGOFF closes what is open.
    answer(&smtp, "SPOOL PUN TO FRED").await;
    ur.punch(b"late").await.unwrap();
    cp.logoff(smtp.vm(), None).await;
    assert_eq!(UnitRecord::of(&fred).unwrap().reader_files().len(), 2);
}

#[tokio::test]
async fn a_spooled_console_is_a_file_of_its_lines() {
    let cp = cp_with(&warm(&fresh()));
    let fred = guest(&cp, "FRED");
    fred.write("before").await;
    assert_eq!(answer(&fred, "SPOOL CONSOLE START TO FRED").await, (0, vec![]));
    for n in 0..5000 {
        fred.write(&format!("line {n} of a long session")).await;
    }
    assert_eq!(answer(&fred, "SPOOL CONS STOP CLOSE").await, (0, vec![]));
    fred.write("after").await;
    let ur = UnitRecord::of(&fred).unwrap();
    let files = ur.reader_files();
    assert_eq!(
        (files.len(), files[0].records, files[0].device.as_str(), files[0].class),
        (1, 5000, "CON", 'T')
    );
    let lines = read_all(&ur, files[0].id).await;
    assert_eq!(cp::codepage::to_text(&lines[4999].data), "line 4999 of a long session");
    assert_eq!(answer(&fred, "CLOSE CONS").await, (0, vec![]));
    assert_eq!(ur.reader_files().len(), 1);
}

#[tokio::test]
async fn a_reader_reads_by_class_and_disposes_as_it_is_told() {
    let cp = cp_with(&warm(&fresh()));
    let (smtp, fred) = (guest(&cp, "SMTP"), guest(&cp, "FRED"));
    let ur = UnitRecord::of(&fred).unwrap();
    send(&smtp, "FRED", &[b"1", b"2"]).await.unwrap();
    send(&smtp, "FRED", &[b"3"]).await.unwrap();
    ur.wait_for_file().await;
    answer(&fred, "SPOOL RDR CLASS B").await;
    assert_eq!(ur.read_card().await.unwrap(), None);
    answer(&fred, "CHANGE RDR 2 CLASS B").await;
    assert_eq!(&ur.read_card().await.unwrap().unwrap().data[..], b"3");
    assert_eq!(ur.read_card().await.unwrap(), None);
    assert_eq!(ur.reader_files().len(), 1);
    answer(&fred, "SPOOL RDR CLASS * HOLD").await;
    assert_eq!(&ur.read_card().await.unwrap().unwrap().data[..], b"1");
    answer(&fred, "CLOSE RDR").await;
    assert!(ur.reader_files()[0].hold.user, "kept, in hold");
    answer(&fred, "CHANGE RDR ALL NOHOLD").await;
    answer(&fred, "SPOOL RDR NOHOLD").await;
    ur.read_card().await.unwrap().unwrap();
    answer(&fred, "CLOSE RDR").await;
    assert!(ur.reader_files().is_empty(), "a file closed half read is gone");
}

#[test]
fn abbreviations_name_their_own_rows() {
    use cp::command::Family;
    let cp = cp_with(&warm(&fresh()));
    let all = cp.entry(user("OPERATOR")).unwrap();
    for family in [Family::Command, Family::Query, Family::Set] {
        for row in cp.commands.all(family) {
            for word in [&row.name[..row.min], row.name] {
                let found = cp.commands.find(family, word, &all).unwrap();
                assert_eq!(found.name, row.name, "{word} names another row");
            }
            assert!(!row.syntax.is_empty() && row.summary.ends_with('.'), "{} has no help", row.name);
        }
    }
}
