//! Commands on messages: each is carried out, and its answer compared with what the model says.

use std::collections::BTreeSet;

use super::turn::{FLAGS, Flags, Turn, answer};

/// The letter of a message has fifteen octets.
const LETTER: &str = "{15}\r\nSubject: x\r\n\r\ny";

fn flags(flags: &[usize]) -> Flags {
    flags.iter().map(|f| FLAGS[*f].to_owned()).collect()
}

fn listed(flags: &Flags) -> String {
    flags.iter().cloned().collect::<Vec<_>>().join(" ")
}

impl Turn<'_> {
    /// SELECT or EXAMINE.
    pub async fn select(&mut self, mailbox: usize, examine: bool) {
        let (tester, model, me) = self.parts();
        let word = if examine { "EXAMINE" } else { "SELECT" };
        let expected = model.need(me, mailbox, "r");
        tester.leave();
        let text = tester.run(&format!("{word} {}", model.name(me, mailbox))).await;
        assert_eq!(answer(&text), expected.code());
        if let Ok(id) = expected.0 {
            let rights = model.boxes[&id].rights(me);
            // One's own `\Seen` is nothing that others see (RFC 4314 section 5.2).
            let changing = if model.boxes[&id].own(me) { "ietw" } else { "iestw" };
            let told = examine || !rights.chars().any(|r| changing.contains(r));
            let read_only = examine || !rights.chars().any(|r| "iestw".contains(r));
            assert_eq!(text.contains("[READ-ONLY]"), told, "{text}");
            let kept = text.split_once("PERMANENTFLAGS (").unwrap().1.split(')').next().unwrap();
            let kept: Vec<&str> = kept.split(' ').collect();
            for (flag, right) in [("\\Seen", 's'), ("\\Deleted", 't'), ("\\Flagged", 'w'), ("\\*", 'w')] {
                assert_eq!(kept.contains(&flag), !read_only && rights.contains(right), "{text}");
            }
            (tester.selected, tester.examined) = (Some((id, read_only)), examine);
            (tester.told_read_only, tester.keeps_flags) = (told, kept != [""]);
            tester.look(model).await;
        }
    }

    /// CLOSE.
    pub async fn close(&mut self) {
        let (tester, model, me) = self.parts();
        let Some((id, read_only)) = tester.selected else { return };
        assert_eq!(answer(&tester.run("CLOSE").await), "OK");
        if !read_only && let Some(mailbox) = model.boxes.get_mut(&id).filter(|m| m.has(me, "e")) {
            mailbox.messages.retain(|_, m| !m.flags.contains("\\Deleted"));
        }
        tester.leave();
    }

    /// APPEND.
    pub async fn append(&mut self, mailbox: usize, asked: &[usize]) {
        let (tester, model, me) = self.parts();
        let asked = flags(asked);
        let expected = model.need(me, mailbox, "i").or_create();
        let command = format!("APPEND {} ({}) {LETTER}", model.name(me, mailbox), listed(&asked));
        assert_eq!(answer(&tester.run(&command).await), expected.code());
        if let Ok(id) = expected.0 {
            model.boxes.get_mut(&id).unwrap().add(me, &asked);
        }
    }

    /// STORE.
    pub async fn store(&mut self, uids: (u32, u32), how: &str, asked: &[usize]) {
        let (tester, model, me) = self.parts();
        let Some((id, read_only)) = tester.selected else { return };
        let asked = flags(asked);
        let seen = model.view(id, &tester.known, uids);
        let command = format!("UID STORE {}:{} {how} ({})", uids.0, uids.1, listed(&asked));
        let text = tester.run(&command).await;
        let allowed = match model.boxes.get(&id) {
            _ if read_only => false,
            Some(mailbox) => mailbox.may_store(me, &asked),
            // Deleted by another session.
            None => return assert!(["NONEXISTENT", "NOPERM"].contains(&answer(&text)), "{text}"),
        };
        assert_eq!(answer(&text), if allowed { "OK" } else { "NOPERM" }, "{text}");
        if allowed {
            let mailbox = model.boxes.get_mut(&id).unwrap();
            mailbox.store(me, &seen, how, &asked);
            if how.ends_with("SILENT") {
                // What a client changed in silence it must know itself; this one does not reckon.
                seen.iter().for_each(|uid| drop(tester.flags.remove(uid)));
            }
        }
    }

    /// FETCH of a body, which sets `\\Seen`.
    pub async fn read(&mut self, uids: (u32, u32)) {
        let (tester, model, me) = self.parts();
        let Some((id, read_only)) = tester.selected else { return };
        let seen = model.view(id, &tester.known, uids);
        let text = tester.run(&format!("UID FETCH {}:{} (BODY[TEXT])", uids.0, uids.1)).await;
        let Some(mailbox) = model.boxes.get_mut(&id) else { return };
        assert_eq!(answer(&text), "OK", "{text}");
        if !read_only && mailbox.has(me, "s") {
            mailbox.store(me, &seen, "+FLAGS", &BTreeSet::from(["\\Seen".to_owned()]));
        }
    }

    /// COPY or MOVE.
    pub async fn copy(&mut self, uids: (u32, u32), to: usize, remove: bool) {
        let (tester, model, me) = self.parts();
        let Some((id, read_only)) = tester.selected else { return };
        let word = if remove { "MOVE" } else { "COPY" };
        let command = format!("UID {word} {}:{} {}", uids.0, uids.1, model.name(me, to));
        let seen = model.view(id, &tester.known, uids);
        let target = model.need(me, to, "i").or_create();
        let source = !remove || (!read_only && model.boxes.get(&id).is_some_and(|m| m.has(me, "te")));
        let text = tester.run(&command).await;
        if !model.boxes.contains_key(&id) {
            // Deleted by another session; it is not the target that can be made.
            let wrong = answer(&text) == "TRYCREATE" && target.0.is_ok();
            return assert!(!wrong, "{text}");
        }
        match (target.0, source) {
            (Ok(to), true) => {
                assert_eq!(answer(&text), "OK", "{text}");
                model.copy(me, (id, &seen), to, remove);
            }
            // Either is reason enough.
            (Err(code), false) => assert!([code, "NOPERM"].contains(&answer(&text)), "{text}"),
            (Err(code), true) => assert_eq!(answer(&text), code),
            (Ok(_), false) => assert_eq!(answer(&text), "NOPERM"),
        }
    }

    /// REPLACE.
    pub async fn replace(&mut self, uid: u32, to: usize, asked: &[usize]) {
        let (tester, model, me) = self.parts();
        let Some((id, read_only)) = tester.selected else { return };
        let asked = flags(asked);
        let command = format!("UID REPLACE {uid} {} ({}) {LETTER}", model.name(me, to), listed(&asked));
        let seen = model.view(id, &tester.known, (uid, uid));
        let known = tester.known.contains(&uid);
        let target = model.need(me, to, "i").or_create();
        let source = !read_only && model.boxes.get(&id).is_some_and(|m| m.has(me, "te"));
        let text = tester.run(&command).await;
        let got = answer(&text);
        if !model.boxes.contains_key(&id) {
            return assert!(got != "OK" && (got != "TRYCREATE" || target.0.is_err()), "{text}");
        }
        match (target.0, source) {
            (Ok(to), true) if seen.contains(&uid) => {
                assert_eq!(got, "OK", "{text}");
                model.boxes.get_mut(&id).unwrap().messages.remove(&uid);
                model.boxes.get_mut(&to).unwrap().add(me, &asked);
            }
            (Ok(_), true) => assert_eq!(got, if known { "EXPUNGEISSUED" } else { "NONEXISTENT" }),
            (Err(code), false) => assert!([code, "NOPERM"].contains(&got), "{text}"),
            (Err(code), true) => assert!([code, "NONEXISTENT"].contains(&got), "{text}"),
            (Ok(_), false) => assert_eq!(got, "NOPERM"),
        }
    }

    /// EXPUNGE.
    pub async fn expunge(&mut self) {
        let (tester, model, me) = self.parts();
        let Some((id, read_only)) = tester.selected else { return };
        let text = tester.run("EXPUNGE").await;
        let Some(mailbox) = model.boxes.get_mut(&id) else { return };
        let allowed = !read_only && mailbox.has(me, "e");
        assert_eq!(answer(&text), if allowed { "OK" } else { "NOPERM" }, "{text}");
        if allowed {
            mailbox.messages.retain(|_, m| !m.flags.contains("\\Deleted"));
        }
    }
}
