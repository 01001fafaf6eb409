//! Sort keys and threading algorithms (RFC 5256 section 5, RFC 5957 section 4, RFC 6203 section 6).

/// What messages are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the key of its name")]
pub enum SortField {
    Arrival,
    Cc,
    Date,
    DisplayFrom,
    DisplayTo,
    From,
    Relevancy,
    Size,
    Subject,
    To,
}

impl SortField {
    /// All fields with their names.
    pub const TABLE: [(&'static str, Self); 10] = [
        ("ARRIVAL", Self::Arrival),
        ("CC", Self::Cc),
        ("DATE", Self::Date),
        ("DISPLAYFROM", Self::DisplayFrom),
        ("DISPLAYTO", Self::DisplayTo),
        ("FROM", Self::From),
        ("RELEVANCY", Self::Relevancy),
        ("SIZE", Self::Size),
        ("SUBJECT", Self::Subject),
        ("TO", Self::To),
    ];

    /// Whether no header is looked at for it.
    pub fn is_in_index(self) -> bool {
        matches!(self, Self::Arrival | Self::Relevancy | Self::Size)
    }
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// What is compared.
    pub field: SortField,
    /// Whether the greatest comes first.
    pub reverse: bool,
}

impl SortKey {
    /// Most keys of one command: each once in each direction.
    pub const MAX: usize = 2 * SortField::TABLE.len();
}

/// How messages become threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadAlgorithm {
    /// `ORDEREDSUBJECT`
    OrderedSubject,
    /// `REFERENCES`
    References,
    /// `REFS` (draft-ietf-morg-inthread)
    Refs,
}
