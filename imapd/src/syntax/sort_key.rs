//! Sort keys and threading algorithms (RFC 5256 section 5, RFC 5957 section 4).

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
    Size,
    Subject,
    To,
}

impl SortField {
    /// All fields with their names.
    pub const TABLE: [(&'static str, Self); 9] = [
        ("ARRIVAL", Self::Arrival),
        ("CC", Self::Cc),
        ("DATE", Self::Date),
        ("DISPLAYFROM", Self::DisplayFrom),
        ("DISPLAYTO", Self::DisplayTo),
        ("FROM", Self::From),
        ("SIZE", Self::Size),
        ("SUBJECT", Self::Subject),
        ("TO", Self::To),
    ];

    /// Whether the index alone tells it.
    pub fn is_in_index(self) -> bool {
        matches!(self, Self::Arrival | Self::Size)
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
}
