//! WUERROR and FPERROR: the extended error information of a call as the original lays it out.
//!
//! Numbers are big-endian, characters in code page 1047, padded with blanks. Source: WUERROR and FPERROR control blocks (CMS
//! programming interfaces).

use cp::codepage::{to_ebcdic, to_text};
use cp::name::FilePoolId;

use super::{CslError, ReasonCode, ReturnCode, WorkUnitId};

/// Octets of the WUERROR prefix.
pub const WUERROR_PREFIX: usize = 12;
/// Octets of one FPERROR group.
pub const FPERROR_LENGTH: usize = 136;
/// Warning reason codes in one group.
pub const MAX_WARNINGS: usize = 16;

/// One FPERROR group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FpError {
    /// The file pool; `None`: blanks.
    pub filepoolid: Option<FilePoolId>,
    /// The work unit.
    pub workunitid: WorkUnitId,
    /// Error reason code; 0 when there are only warnings.
    pub error_reascode: i32,
    /// Return code.
    pub prev_retcode: i32,
    /// Warning reason codes, up to 16.
    pub warnings: Vec<i32>,
    /// Index into the list of user ids, from 1; 0 without a list.
    pub userid_index: i32,
    /// Level of the server.
    pub level: u32,
    /// Augments the reason code.
    pub error_reascode_info: i32,
    /// The pool where the error was detected.
    pub failing_filepoolid: Option<FilePoolId>,
}

impl From<&CslError> for FpError {
    fn from(error: &CslError) -> Self {
        Self {
            filepoolid: error.pool,
            workunitid: error.unit.unwrap_or(WorkUnitId::DEFAULT),
            error_reascode: error.reason.number(),
            prev_retcode: error.rc.code(),
            warnings: Vec::new(),
            userid_index: i32::try_from(error.index).unwrap_or(i32::MAX),
            level: crate::server::SERVER_LEVEL,
            error_reascode_info: 0,
            failing_filepoolid: error.pool,
        }
    }
}

impl FpError {
    /// The group of a commit that was done with warnings.
    pub(super) fn warned(pool: FilePoolId, unit: WorkUnitId, warnings: &[ReasonCode]) -> Self {
        let done = CslError {
            rc: ReturnCode::Warning,
            pool: Some(pool),
            unit: Some(unit),
            ..ReasonCode::None.into()
        };
        let warnings = warnings.iter().take(MAX_WARNINGS).map(|w| w.number()).collect();
        Self { warnings, ..Self::from(&done) }
    }
}

fn name8(pool: Option<FilePoolId>) -> [u8; 8] {
    let mut out = [b' '; 8];
    if let Some(pool) = pool {
        out[..pool.as_str().len()].copy_from_slice(pool.as_str().as_bytes());
    }
    to_ebcdic(&mut out);
    out
}

const EBCDIC_BLANK: u8 = 0x40;

impl FpError {
    fn encode(&self) -> [u8; FPERROR_LENGTH] {
        let mut out = [0; FPERROR_LENGTH];
        let mut int = |at: usize, v: i32| out[at..at + 4].copy_from_slice(&v.to_be_bytes());
        int(16, self.workunitid.0.cast_signed());
        int(20, self.error_reascode);
        int(32, self.prev_retcode);
        for (n, warning) in self.warnings.iter().take(MAX_WARNINGS).enumerate() {
            int(36 + 4 * n, *warning);
        }
        int(100, self.userid_index);
        int(108, self.level.cast_signed());
        int(112, self.error_reascode_info);
        out[..8].copy_from_slice(&name8(self.filepoolid));
        out[104..108].fill(EBCDIC_BLANK);
        out[116..124].copy_from_slice(&name8(self.failing_filepoolid));
        out
    }

    fn decode(group: &[u8]) -> Option<Self> {
        let int = |at: usize| group.get(at..at + 4)?.try_into().ok().map(i32::from_be_bytes);
        let pool = |at: usize| {
            let text = to_text(group.get(at..at + 8)?);
            Some(FilePoolId::new(text.trim_end()).ok())
        };
        let warnings = (0..MAX_WARNINGS).map(|n| int(36 + 4 * n)).collect::<Option<Vec<_>>>()?;
        Some(Self {
            filepoolid: pool(0)?,
            workunitid: WorkUnitId(int(16)?.cast_unsigned()),
            error_reascode: int(20)?,
            prev_retcode: int(32)?,
            warnings: warnings.into_iter().take_while(|w| *w != 0).collect(),
            userid_index: int(100)?,
            level: int(108)?.cast_unsigned(),
            error_reascode_info: int(112)?,
            failing_filepoolid: pool(116)?,
        })
    }
}

/// Lays groups out in a caller's area of `length` octets: as many as fit. Length 0 means the parameter is omitted.
///
/// # Errors
/// `WuerrorLength` for a length that is not 0 and below 12.
pub fn encode_wuerror(groups: &[FpError], length: usize) -> Result<Vec<u8>, ReasonCode> {
    if length == 0 {
        return Ok(Vec::new());
    }
    if length < WUERROR_PREFIX {
        return Err(ReasonCode::WuerrorLength);
    }
    let fit = ((length - WUERROR_PREFIX) / FPERROR_LENGTH).min(groups.len());
    let mut out = Vec::with_capacity(WUERROR_PREFIX + fit * FPERROR_LENGTH);
    for number in [length - WUERROR_PREFIX, fit, groups.len()] {
        // Areas and lists are far below 2 GiB.
        out.extend_from_slice(&(number as u32).to_be_bytes());
    }
    groups.iter().take(fit).for_each(|g| out.extend_from_slice(&g.encode()));
    Ok(out)
}

/// What DMSWUERR returns beside the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WuError {
    /// Groups in the area.
    pub number_returned: u32,
    /// Groups there were.
    pub total_errors: u32,
    /// The group asked for.
    pub group: FpError,
}

/// DMSWUERR - Work Unit Error Data Deblocker: group `fperror_num` (from 1) of a WUERROR area.
///
/// # Errors
/// `WuerrorLength` for an area that holds no such group.
pub fn dmswuerr(area: &[u8], fperror_num: u32) -> Result<WuError, ReasonCode> {
    let bad = ReasonCode::WuerrorLength;
    let int = |at: usize| area.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
    let (number_returned, total_errors) = (int(4).ok_or(bad)?, int(8).ok_or(bad)?);
    if fperror_num == 0 || fperror_num > number_returned {
        return Err(bad);
    }
    let at = (fperror_num as usize - 1)
        .checked_mul(FPERROR_LENGTH)
        .and_then(|at| at.checked_add(WUERROR_PREFIX))
        .ok_or(bad)?;
    let group = area.get(at..at + FPERROR_LENGTH).and_then(FpError::decode).ok_or(bad)?;
    Ok(WuError { number_returned, total_errors, group })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn group(unit: u32, warnings: Vec<i32>) -> FpError {
        FpError {
            filepoolid: FilePoolId::new("MAIL").ok(),
            workunitid: WorkUnitId(unit),
            error_reascode: 90_300,
            prev_retcode: 8,
            warnings,
            userid_index: 2,
            level: 40,
            error_reascode_info: 7,
            failing_filepoolid: FilePoolId::new("USERS").ok(),
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let area = encode_wuerror(&[group(0x0102_0304, vec![5])], 12 + 136).unwrap();
        assert_eq!(area.len(), 148);
        assert_eq!(area[..12], [0, 0, 0, 136, 0, 0, 0, 1, 0, 0, 0, 1]);
        let fperror = &area[12..];
        assert_eq!(fperror[..8], [0xd4, 0xc1, 0xc9, 0xd3, 0x40, 0x40, 0x40, 0x40]);
        assert_eq!(fperror[16..20], [1, 2, 3, 4]);
        assert_eq!(fperror[20..24], 90_300i32.to_be_bytes());
        assert_eq!(fperror[32..40], [0, 0, 0, 8, 0, 0, 0, 5]);
        assert_eq!(fperror[100..104], [0, 0, 0, 2]);
        assert_eq!(fperror[108..116], [0, 0, 0, 40, 0, 0, 0, 7]);
        assert_eq!(fperror[116..124], [0xe4, 0xe2, 0xc5, 0xd9, 0xe2, 0x40, 0x40, 0x40]);
    }

    #[test]
    fn an_area_takes_what_fits() {
        let groups = [group(1, vec![]), group(2, vec![])];
        assert!(encode_wuerror(&groups, 0).unwrap().is_empty());
        assert_eq!(encode_wuerror(&groups, 11), Err(ReasonCode::WuerrorLength));
        assert_eq!(encode_wuerror(&groups, 12).unwrap()[4..], [0, 0, 0, 0, 0, 0, 0, 2]);
        let area = encode_wuerror(&groups, 12 + 136 + 135).unwrap();
        let found = dmswuerr(&area, 1).unwrap();
        assert_eq!((found.number_returned, found.total_errors, &found.group), (1, 2, &groups[0]));
        assert_eq!(dmswuerr(&area, 2), Err(ReasonCode::WuerrorLength));
        assert_eq!(dmswuerr(&area, 0), Err(ReasonCode::WuerrorLength));
    }

    proptest! {
        #[test]
        fn groups_read_back(unit: u32, warnings in prop::collection::vec(1i32.., 0..=16)) {
            let groups = [group(unit, warnings)];
            let area = encode_wuerror(&groups, 148).unwrap();
            prop_assert_eq!(&dmswuerr(&area, 1).unwrap().group, &groups[0]);
        }

        #[test]
        fn no_area_makes_the_deblocker_panic(area in prop::collection::vec(any::<u8>(), 0..300), n: u32) {
            let _ = dmswuerr(&area, n);
        }
    }
}
