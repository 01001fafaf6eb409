//! The user directory through its public edge: source in, errors or image out, object and back.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use cp::directory::object::{self, ObjectError};
use cp::directory::source::{self, SourceErrorKind};
use cp::directory::*;
use cp::name::{UserId, Vdev};
use proptest::prelude::*;

const SAMPLE: &str = "\
* A comment
DIRECTORY 123 3390 ESARES
*
PROFILE IBMDFLT
 MACHINE ESA
 SPOOL 00C 2540 READER *
 SPOOL 00D 2540 PUNCH A
 SPOOL 00E 1403 A
 CONSOLE 009 3215 T
 LINK MAINT 190 190 RR
USER MAINT secret12 32M 64M ABCDEFG
 INCLUDE IBMDFLT
 ACCOUNT 1 SYSPROG
 OPTION LNKNOPAS MAINTCCW
 MDISK 190 3390 1 100 ESARES MR ALL WRITE12 MULT12                      00000001
 CONSOLE 009 3270 T OPERATOR OBSERVER
USER IMAPSF AUTOONLY 64M 64M BG
 IUCV *IDENT RESANY GLOBAL
 OPTION MAXCONN 2000 APPLMON
 IPL CMS PARM AUTOCR
USER IMAP 'a long  phrase''s' 64M 128M BG
 INCLUDE IBMDFLT
 IUCV *SPL
 IUCV ANY MSGLIMIT 255
 IUCV ALLOW
 POSIXINFO UID 0 GNAME system
 OPTION MAXCONN 1024 ,
  DIAG88
 XAUTOLOG AUTOLOG1 OP1 MAINT
 NAMESAVE GCS
";

fn image(text: &str) -> DirectoryImage {
    let mut next = 0u8;
    let mut random = |bytes: &mut [u8]| {
        for b in bytes {
            next = next.wrapping_mul(5).wrapping_add(3);
            *b = next;
        }
    };
    source::read(text).unwrap().seal(&mut random).unwrap()
}

fn entry(image: &DirectoryImage, user: &str) -> std::sync::Arc<DirectoryEntry> {
    image.get(UserId::new(user).unwrap()).unwrap()
}

#[test]
fn a_source_becomes_entries() {
    let image = image(SAMPLE);
    assert_eq!(image.len(), 3);
    let maint = entry(&image, "maint");
    assert!(maint.password.verify("Secret12") && !maint.password.verify("secret13"));
    assert_eq!(maint.classes, PrivilegeClasses::IBM);
    assert_eq!((maint.storage.to_string(), maint.max_storage.to_string()), ("32M".into(), "64M".into()));
    assert_eq!(maint.dist_code(), "SYSPROG");
    assert_eq!(maint.spool.len(), 3);
    let console = maint.console.as_ref().unwrap();
    assert_eq!((console.kind, console.observer), (ConsoleKind::Full3270, true));
    assert_eq!(maint.mdisks[0].passwords.read, LinkPassword::Everybody);
    let LinkPassword::Hashed(hash) = &maint.mdisks[0].passwords.multiple else { panic!("not hashed") };
    assert!(hash.verify("mult12"));
    let imapsf = entry(&image, "imapsf");
    assert_eq!((imapsf.maxconn, imapsf.password.clone()), (2000, Password::AutoOnly));
    assert!(imapsf.iucv_towards("*IDENT").is_some() && imapsf.iucv_allow().is_none());
    assert_eq!(imapsf.ipl.as_ref().unwrap().parm.as_deref(), Some("AUTOCR"));
    let imap = entry(&image, "imap");
    assert!(imap.password.verify("a long  phrase's"));
    assert!(imap.has_option(OptionWord::Diag88) && imap.maxconn == 1024);
    assert_eq!(imap.iucv_towards("IMAPSF").unwrap().msglimit, Some(255));
    assert!(imap.iucv_towards("*SPL").is_some() && imap.iucv_towards("*ACCOUNT").is_none());
    assert_eq!(imap.autolog.len(), 3);
    assert_eq!(imap.others[0].keyword, "NAMESAVE");
}

#[test]
fn every_error_is_reported_with_its_record_and_reading_goes_on() {
    let text = "\
DIRECTORY 123 3390 ESARES
PROFILE P
 MDISK 191 3390 1 1 VOL MR
 SPOOL 00C 2540
USER TOOLONGNAME pw 1M 1M G
 MACHINE VAX
USER A pw 12 1M G
USER B pw 1M 1M GÜ
USER C pw 1M 1M G
 FROBNICATE 1
 MDISK 191 3390 1 1 VOL MR
 MDISK 191 3390 5 1 VOL MR
 OPTION MAXCONN ,
  65536
 IUCV *IDENT RESANY
 LINK MAINT
 INCLUDE P
USER C pw 1M 1M G
USER D pw 1M 1M G
 INCLUDE NOSUCH
 ACCOUNT 1 2 3
";
    let errors = source::read(text).unwrap_err();
    let seen: Vec<(usize, &str)> = errors.iter().map(|e| (e.line, e.token.as_str())).collect();
    let expected = [
        (3, "MDISK"),
        (4, ""),
        (5, "TOOLONGNAME"),
        (6, "VAX"),
        (7, "12"),
        (8, "GÜ"),
        (10, "FROBNICATE"),
        (12, "0191"),
        (14, "65536"),
        (15, ""),
        (16, ""),
        (17, "INCLUDE"),
        (18, "C"),
        (20, "NOSUCH"),
        (21, "3"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(errors[7].kind, SourceErrorKind::Duplicate);
    let answer = source::directxa_answer(&errors, false);
    assert_eq!(
        answer[8],
        "HCPDIR751E INVALID OPERAND - 65536 FOLLOWING USER C; RECORD 14: is not a number from 1 to 65535"
    );
    assert_eq!(answer.last().unwrap(), "EOJ DIRECTORY NOT UPDATED");
    assert_eq!(source::directxa_answer(&[], false), ["EOJ DIRECTORY UPDATED AND ON LINE"]);
    assert_eq!(source::directxa_answer(&[], true), ["EOJ DIRECTORY NOT UPDATED"]);
}

#[test]
fn columns_past_71_are_not_seen() {
    let wide = format!("DIRECTORY 123 3390 ESARES\nUSER A pw 1M 1M{:>56}G\n", "");
    assert_eq!(wide.lines().nth(1).unwrap().len(), 72);
    let image = image(&wide);
    assert_eq!(entry(&image, "A").classes, PrivilegeClasses::GENERAL);
    let just = format!("DIRECTORY 123 3390 ESARES\nUSER A pw 1M 1M{:>55}B\n", "");
    assert_eq!(entry(&self::image(&just), "A").classes.to_string(), "B");
}

#[test]
fn maxconn_and_maxspool_at_their_limits() {
    let with = |line: &str| source::read(&format!("DIRECTORY 123 3390 R\nUSER A NOPASS\n {line}\n"));
    assert!(with("OPTION MAXCONN 65535").is_ok());
    assert!(with("OPTION MAXCONN 65536").is_err());
    assert!(with("SPOOLFILE MAXSPOOL 9999").is_ok());
    assert!(with("SPOOLFILE MAXSPOOL 10000").is_err());
    assert!(with("STORAGE 32K").is_ok());
    assert!(with("STORAGE 31K").is_err());
}

#[test]
fn a_source_may_carry_hashes() {
    let sealed = image("DIRECTORY 123 3390 R\nUSER A pw12 1M 1M G\n");
    let Password::Hashed(verifier) = &entry(&sealed, "A").password else { panic!("not hashed") };
    let object = String::from_utf8(object::store(&sealed)).unwrap();
    assert!(!object.to_lowercase().contains("pw12"));
    let argon2 = object.lines().find(|l| l.contains("ARGON2ID")).unwrap();
    let words: Vec<&str> = argon2.split_whitespace().collect();
    let (head, tail) = (words[..6].join(" "), words[6]);
    let source = format!("DIRECTORY 123 3390 R\nUSER A VERIFIER 1M 1M G\n {head} ,\n  {tail}\n");
    let again = image(&source);
    let Password::Hashed(kept) = &entry(&again, "A").password else { panic!("not hashed") };
    assert_eq!(kept.argon2, verifier.argon2);
    assert!(entry(&again, "A").password.verify("PW12"));
    assert!(source::read("DIRECTORY 123 3390 R\nUSER A VERIFIER 1M 1M G\n").is_err());
}

#[test]
fn an_object_directory_round_trips_and_damage_shows() {
    let image = image(SAMPLE);
    let octets = object::store(&image);
    assert_eq!(object::load(&octets).unwrap(), image);
    for at in [0, 30, octets.len() / 2, octets.len() - 2] {
        let mut bad = octets.clone();
        bad[at] ^= 1;
        assert!(object::load(&bad).is_err(), "damage at {at} went unseen");
    }
    assert_eq!(object::load(&octets[..octets.len() - 1]), Err(ObjectError::Damaged));
    let newer = String::from_utf8(octets).unwrap().replacen("DIRECTORY 1 ", "DIRECTORY 2 ", 1);
    assert_eq!(object::load(newer.as_bytes()), Err(ObjectError::Version(2)));
}

fn some_userid() -> impl Strategy<Value = UserId> {
    "[A-Z][A-Z0-9$#@_-]{0,7}".prop_filter_map("reserved", |s| UserId::new(&s).ok())
}

prop_compose! {
    fn some_entry()(
        userid in some_userid(),
        kind in 0..4usize,
        kilobytes in 32u64..100_000_000,
        classes in "[A-Z1-6]{1,10}",
        account in prop::option::of(("[A-Z0-9]{1,8}", prop::option::of("[A-Z0-9]{1,8}"))),
        iucv in prop::collection::vec((0..4usize, some_userid(), any::<bool>(), prop::option::of(1u16..)), 0..4),
        options in prop::sample::subsequence(OptionWord::ALL, 0..5),
        maxconn in 1u32..=GREATEST_MAXCONN,
        disks in prop::collection::btree_map(0x100u16..0x200, (0u32..9999, 1u32..9999), 0..4),
        ipl in prop::option::of(("[A-Z]{1,8}", prop::option::of("[!-~]([ -~]{0,20}[!-+\\--~])?"))),
        posix in prop::option::of((any::<u32>(), any::<u32>(), prop::option::of("[!-+\\--~]{1,8}"))),
        autolog in prop::collection::btree_set(some_userid(), 0..4),
        editing in (any::<bool>(), any::<bool>()),
    ) -> DirectoryEntry {
        let password = [Password::NoLog, Password::NoPass, Password::AutoOnly, Password::LbyOnly][kind].clone();
        let mut entry = DirectoryEntry::new(userid, password);
        entry.storage = StorageSize::parse(&format!("{kilobytes}K")).unwrap();
        entry.max_storage = entry.storage;
        entry.classes = PrivilegeClasses::parse(&classes).unwrap();
        if let Some((number, dist)) = account {
            entry.account = Some(number);
            entry.dist = dist;
        }
        for (kind, user, priority, msglimit) in iucv {
            let target = match kind {
                0 => IucvTarget::Allow,
                1 => IucvTarget::Any,
                2 if !["ALLOW", "ANY"].contains(&user.as_str()) => IucvTarget::User(user),
                _ => IucvTarget::Ident { resource: IdentResource::Named("RES".into()), scope: IdentScope::Global, revoke: priority },
            };
            let statement = IucvStatement { target, priority, msglimit };
            if !entry.iucv.contains(&statement) { entry.iucv.push(statement); }
        }
        entry.options = options;
        entry.maxconn = maxconn;
        entry.mdisks = disks.into_iter().map(|(vdev, (start, count))| MdiskStatement {
            vdev: Vdev(vdev), device: "3390".into(),
            extent: MdiskExtent::Volume { start, count: Some(count).filter(|n| n % 2 == 0), volser: "VOL001".into() },
            mode: LinkMode::Mr,
            passwords: MdiskPasswords { read: LinkPassword::Everybody, ..MdiskPasswords::default() },
        }).collect();
        entry.ipl = ipl.map(|(name, parm)| IplStatement { target: IplTarget::System(name), parm });
        entry.posix = posix.map(|(uid, gid, gname)| PosixInfo { uid, gid, gname, ..PosixInfo::default() });
        entry.autolog = autolog.into_iter().collect();
        if editing.0 { entry.editing.line_end = None; }
        if editing.1 { entry.editing.escape = Some('\u{a7}'); }
        entry
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_image_survives_its_object_form(entries in prop::collection::vec(some_entry(), 1..5)) {
        let image = DirectoryImage::new(entries);
        prop_assert_eq!(object::load(&object::store(&image)).unwrap(), image);
    }

    #[test]
    fn no_source_makes_the_reader_panic(text in "(USER|PROFILE|INCLUDE|MDISK|IUCV|IPL|OPTION|SPOOL|,|'|\\*| |\n|[ -~éß]){0,80}") {
        let _ = source::read(&text);
    }
}
