//! COPYFILE with OLDDATE: a copy has the date of its original, on a minidisk and in a directory.

use std::time::Instant;

use tests::system::{PATIENCE, Running, System};

/// Date and time of a file's last update, as LISTFILE shows them.
fn date(running: &Running, file: &str) -> String {
    let line = running.cmd_ok("MAINT", &format!("LISTFILE {file} (DATE NOHEADER"));
    let mut words = line.split_whitespace().rev();
    let (time, day) = (words.next().unwrap().to_owned(), words.next().unwrap());
    format!("{day} {time}")
}

#[test]
fn olddate_keeps_the_date() {
    let system = System::generate(&[]);
    let running = system.start();
    running.cmd_ok("MAINT", "ACCESS VMSYSU:MAINT. B");
    running.cmd_ok("MAINT", "COPYFILE PROFILE EXEC A FIRST DATA A");
    let first = date(&running, "FIRST DATA A");
    // Copies have the date of now, which is another one a moment later.
    let patience = Instant::now() + PATIENCE;
    running.cmd_ok("MAINT", "COPYFILE FIRST DATA A = COPY =");
    while date(&running, "FIRST COPY A") == first {
        assert!(Instant::now() < patience);
        running.cmd_ok("MAINT", "COPYFILE FIRST DATA A = COPY = (REPLACE");
    }
    for place in ["A", "B"] {
        running.cmd_ok("MAINT", &format!("COPYFILE FIRST DATA A = DATED {place} (OLDDATE"));
        assert_eq!(date(&running, &format!("FIRST DATED {place}")), first);
        running.cmd_ok("MAINT", &format!("COPYFILE FIRST DATED {place} (UPCASE OLDDATE"));
        running.cmd_ok("MAINT", &format!("COPYFILE FIRST DATED {place} = PACKED = (PACK OLDDATE"));
        assert_eq!(date(&running, &format!("FIRST DATED {place}")), first);
        assert_eq!(date(&running, &format!("FIRST PACKED {place}")), first);
        running.cmd_ok("MAINT", &format!("COPYFILE FIRST DATED {place} (NEWDATE"));
        assert_ne!(date(&running, &format!("FIRST DATED {place}")), first);
    }
}
