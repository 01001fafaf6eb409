//! Names of segment files, of logs and volumes: a prefix and a number of six digits or more.
//!
//! Whatever else begins with the prefix, a copy that somebody made of a segment, is none.

/// The name of segment file `number`.
pub(crate) fn of(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:06}")
}

/// The number in the name of a segment file; `None` for every other name.
pub(crate) fn number(name: &str, prefix: &str) -> Option<u64> {
    let number = name.strip_prefix(prefix)?.parse().ok()?;
    (of(prefix, number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_segments_have_numbers() {
        for n in [0, 7, 999_999, 1_000_000, u64::MAX] {
            assert_eq!(number(&of("VOL", n), "VOL"), Some(n));
        }
        for other in ["VOL", "VOL1", "VOL0000001", "VOL+00001", "VOL000001.bak", "LOG000001", "vol000001"] {
            assert_eq!(number(other, "VOL"), None, "{other}");
        }
    }
}
