//! NAMES files: entries of tags and values.
//!
//! An entry starts at a `:nick.` tag; a tag is `:tag.value`, and its value reaches to the next tag, over record ends,
//! with runs of blanks made one. A record that starts with `*` is a comment. Tags and nicknames are compared without
//! case.

/// One entry: its tags in order, names in lower case.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NamesEntry {
    tags: Vec<(String, String)>,
}

impl NamesEntry {
    /// The value of a tag; `None` when the entry has no such tag.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|(t, _)| t.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The nickname.
    pub fn nick(&self) -> &str {
        self.tag("nick").unwrap_or("")
    }

    /// The blank-delimited words of a tag's value.
    pub fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.tag(name).unwrap_or("").split_ascii_whitespace()
    }

    /// All tags in order.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(t, v)| (t.as_str(), v.as_str()))
    }
}

/// Reads the entries of a NAMES file.
pub fn parse<'a>(records: impl Iterator<Item = &'a str>) -> Vec<NamesEntry> {
    let mut entries: Vec<NamesEntry> = Vec::new();
    for record in records.filter(|r| !r.starts_with('*')) {
        for word in record.split_ascii_whitespace() {
            take_word(&mut entries, word);
        }
    }
    entries
}

fn take_word(entries: &mut Vec<NamesEntry>, word: &str) {
    if let Some((tag, value)) = tag_of(word) {
        if tag == "nick" {
            entries.push(NamesEntry::default());
        }
        // A tag before the first nickname belongs to nobody.
        if let Some(entry) = entries.last_mut() {
            entry.tags.push((tag, value.to_owned()));
        }
        return;
    }
    if let Some((_, value)) = entries.last_mut().and_then(|e| e.tags.last_mut()) {
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(word);
    }
}

/// `:tag.value`, the tag in lower case.
fn tag_of(word: &str) -> Option<(String, &str)> {
    let (tag, value) = word.strip_prefix(':')?.split_once('.')?;
    let name = !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_alphanumeric());
    name.then(|| (tag.to_ascii_lowercase(), value))
}

/// The entry with this nickname.
pub fn find<'a>(entries: &'a [NamesEntry], nick: &str) -> Option<&'a NamesEntry> {
    entries.iter().find(|e| e.nick().eq_ignore_ascii_case(nick))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_run_over_records() {
        let text = "* administrators\n:nick.VMIPC\n  :list.MAINT   OPERATOR\n   smith\n:nick.JOE :userid.JOEB :name.Joe  B.\n";
        let entries = parse(text.lines());
        assert_eq!(entries.len(), 2);
        let vmipc = find(&entries, "vmipc").unwrap();
        assert_eq!(vmipc.words("list").collect::<Vec<_>>(), ["MAINT", "OPERATOR", "smith"]);
        assert_eq!(find(&entries, "joe").unwrap().tag("name"), Some("Joe B."));
        assert!(find(&entries, "none").is_none());
    }
}
