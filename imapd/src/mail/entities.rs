//! Named character references of HTML (HTML 4.01 section 24): those of Latin-1, and of what typography adds to mail.
//!
//! Greek letters and mathematics, which hardly a mail names so, are not here.

/// Names of U+00A0 to U+00FF, in order.
const LATIN_1: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo",
    "not", "shy", "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot",
    "cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",
    "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute",
    "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash",
    "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc", "atilde",
    "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc",
    "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave",
    "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
];

/// Others, sorted.
const OTHERS: [(&str, char); 46] = [
    ("Dagger", '\u{2021}'),
    ("OElig", '\u{152}'),
    ("Prime", '\u{2033}'),
    ("Scaron", '\u{160}'),
    ("Yuml", '\u{178}'),
    ("amp", '&'),
    ("apos", '\''),
    ("bdquo", '\u{201e}'),
    ("bull", '\u{2022}'),
    ("dagger", '\u{2020}'),
    ("darr", '\u{2193}'),
    ("emsp", '\u{2003}'),
    ("ensp", '\u{2002}'),
    ("euro", '\u{20ac}'),
    ("ge", '\u{2265}'),
    ("gt", '>'),
    ("harr", '\u{2194}'),
    ("hearts", '\u{2665}'),
    ("hellip", '\u{2026}'),
    ("larr", '\u{2190}'),
    ("ldquo", '\u{201c}'),
    ("le", '\u{2264}'),
    ("lrm", '\u{200e}'),
    ("lsaquo", '\u{2039}'),
    ("lsquo", '\u{2018}'),
    ("lt", '<'),
    ("mdash", '\u{2014}'),
    ("minus", '\u{2212}'),
    ("ndash", '\u{2013}'),
    ("ne", '\u{2260}'),
    ("oelig", '\u{153}'),
    ("permil", '\u{2030}'),
    ("prime", '\u{2032}'),
    ("quot", '"'),
    ("rarr", '\u{2192}'),
    ("rdquo", '\u{201d}'),
    ("rlm", '\u{200f}'),
    ("rsaquo", '\u{203a}'),
    ("rsquo", '\u{2019}'),
    ("sbquo", '\u{201a}'),
    ("scaron", '\u{161}'),
    ("thinsp", '\u{2009}'),
    ("trade", '\u{2122}'),
    ("uarr", '\u{2191}'),
    ("zwj", '\u{200d}'),
    ("zwnj", '\u{200c}'),
];

/// What the name stands for, in the case it is written in.
pub fn named(name: &str) -> Option<char> {
    if let Ok(at) = OTHERS.binary_search_by_key(&name, |(name, _)| name) {
        return Some(OTHERS[at].1);
    }
    let at = LATIN_1.iter().position(|n| *n == name)?;
    // 96 names from U+00A0 on.
    char::from_u32(0xA0 + u32::try_from(at).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        assert!(OTHERS.is_sorted_by_key(|(name, _)| name));
        for (name, expected) in [
            ("nbsp", '\u{a0}'),
            ("auml", 'ä'),
            ("Auml", 'Ä'),
            ("yuml", 'ÿ'),
            ("amp", '&'),
            ("euro", '€'),
            ("Prime", '″'),
        ] {
            assert_eq!(named(name), Some(expected), "{name}");
        }
        assert_eq!(named("AUML"), None);
        assert_eq!(named(""), None);
    }
}
