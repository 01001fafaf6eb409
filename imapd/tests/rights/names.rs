//! Commands on names and rights: each is carried out, and its answer compared with what the model says.

use super::model::{Message, Model};
use super::turn::{Turn, answer};

impl Turn<'_> {
    /// SETACL.
    pub async fn set_acl(&mut self, mailbox: usize, who: &str, how: &str, rights: &str) {
        let (tester, model, me) = self.parts();
        let expected = model.need(me, mailbox, "a");
        let name = model.name(me, mailbox);
        let text = tester.run(&format!("SETACL {name} {who} \"{how}{rights}\"")).await;
        assert_eq!(answer(&text), expected.code());
        if let Ok(id) = expected.0 {
            model.boxes.get_mut(&id).unwrap().set_acl(who, how, rights);
        }
    }

    /// DELETEACL.
    pub async fn delete_acl(&mut self, mailbox: usize, who: &str) {
        let (tester, model, me) = self.parts();
        let expected = model.need(me, mailbox, "a");
        let text = tester.run(&format!("DELETEACL {} {who}", model.name(me, mailbox))).await;
        assert_eq!(answer(&text), expected.code());
        if let Ok(id) = expected.0 {
            model.boxes.get_mut(&id).unwrap().acl.remove(&who.to_ascii_uppercase());
        }
    }

    /// MYRIGHTS.
    pub async fn my_rights(&mut self, mailbox: usize) {
        let (tester, model, me) = self.parts();
        let text = tester.run(&format!("MYRIGHTS {}", model.name(me, mailbox))).await;
        let rights = model.find(mailbox).map(|id| model.boxes[&id].rights(me)).unwrap_or_default();
        if rights.chars().any(|r| "lrikxa".contains(r)) {
            let shown = text.lines().next().unwrap().rsplit(' ').next().unwrap();
            let shown: String = shown.chars().filter(|r| !"cd".contains(*r)).collect();
            assert_eq!(shown, rights, "{text}");
        } else {
            assert_eq!(answer(&text), "NONEXISTENT");
        }
    }

    /// STATUS.
    pub async fn status(&mut self, mailbox: usize) {
        let (tester, model, me) = self.parts();
        let expected = model.need(me, mailbox, "r");
        let text = tester.run(&format!("STATUS {} (MESSAGES UNSEEN)", model.name(me, mailbox))).await;
        assert_eq!(answer(&text), expected.code());
        if let Ok(id) = expected.0 {
            let mailbox = &model.boxes[&id];
            let unseen = |m: &&Message| !mailbox.flags(me, m).contains("\\Seen");
            let (all, unseen) = (mailbox.messages.len(), mailbox.messages.values().filter(unseen).count());
            assert!(text.contains(&format!("(MESSAGES {all} UNSEEN {unseen})")), "{text} {unseen}");
        }
    }

    /// What only answers with what it may.
    pub async fn ask(&mut self, command: &str, mailbox: usize) {
        let (tester, model, me) = self.parts();
        let expected = match command.split_once(' ').unwrap().0 {
            "GETACL" | "LISTRIGHTS" => model.need(me, mailbox, "a"),
            "GETQUOTAROOT" => model.need(me, mailbox, "r"),
            // Source: RFC 5464 section 3.3.
            _ => model.need(me, mailbox, "l").and_any(model, me, "rswip"),
        };
        let text = tester.run(&command.replace('#', &model.name(me, mailbox))).await;
        // Source: RFC 9208 section 4.1.2. A mailbox of one's own has a quota root before it is there.
        let would_have = command.starts_with("GETQUOTAROOT")
            && Model::OWNERS[mailbox] == me
            && model.find(mailbox).is_none();
        assert_eq!(answer(&text), if would_have { "OK" } else { expected.code() }, "{text}");
    }

    /// LIST.
    pub async fn list(&mut self) {
        let (tester, model, me) = self.parts();
        let text = tester.run("LIST \"\" *").await;
        // A name above one that is seen is no mailbox to him who may not see it, and what he may not read cannot be selected.
        let lines = |name: &str| {
            let ends = [format!("\"/\" {name}"), format!("\"/\" {}", name.trim_matches('"'))];
            text.lines().filter(move |l| ends.iter().any(|end| l.ends_with(end)))
        };
        for i in 0..Model::NAMES.len() {
            let may = |right| {
                model.find(i).is_some_and(|id| model.boxes[&id].has(me, right) || Model::OWNERS[i] == me)
            };
            let name = model.name(me, i);
            let selectable = lines(&name).any(|l| !l.contains("\\Noselect"));
            assert_eq!(selectable, may("l") && may("r"), "{name}: {text}");
            assert!(lines(&name).next().is_some() || !may("l"), "{name}: {text}");
        }
    }

    /// CREATE of the mailbox that comes and goes: `desk/sub`, once `desk/alt`.
    pub async fn create(&mut self) {
        let (tester, model, me) = self.parts();
        let may = model.need(me, 0, "k");
        let exists = model.find(Model::SUB).is_some();
        let text = tester.run(&format!("CREATE {}", model.name(me, Model::SUB))).await;
        match may.0 {
            Err(code) => assert_eq!(answer(&text), code),
            Ok(_) if exists => assert_eq!(answer(&text), "ALREADYEXISTS"),
            Ok(_) => {
                assert!(text.contains(" OK ["), "{text}");
                model.create_sub();
            }
        }
    }

    /// DELETE.
    pub async fn delete(&mut self) {
        let (tester, model, me) = self.parts();
        let expected = model.need(me, Model::SUB, "x");
        let text = tester.run(&format!("DELETE {}", model.name(me, Model::SUB))).await;
        assert_eq!(answer(&text), expected.code());
        if let Ok(id) = expected.0 {
            model.boxes.remove(&id);
            if tester.selected.is_some_and(|(selected, _)| selected == id) {
                tester.leave();
            }
        }
    }

    /// RENAME, there and back.
    pub async fn rename(&mut self, back: bool) {
        let (tester, model, me) = self.parts();
        let (from, to) = if back { (Model::ALT, Model::SUB) } else { (Model::SUB, Model::ALT) };
        let (source, parent) = (model.need(me, from, "x"), model.need(me, 0, "k"));
        let exists = model.find(to).is_some();
        let command = format!("RENAME {} {}", model.name(me, from), model.name(me, to));
        let text = tester.run(&command).await;
        match (source.0, parent.0) {
            (Ok(_), Ok(_)) if exists => assert_eq!(answer(&text), "ALREADYEXISTS"),
            (Ok(id), Ok(_)) => {
                assert_eq!(answer(&text), "OK");
                model.boxes.get_mut(&id).unwrap().name = Model::NAMES[to];
            }
            (Err(code), Ok(_)) | (Ok(_), Err(code)) => assert_eq!(answer(&text), code),
            (Err(a), Err(b)) => assert!([a, b].contains(&answer(&text)), "{text}"),
        }
    }
}
