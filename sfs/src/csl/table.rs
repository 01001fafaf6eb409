//! The table of CSL routines: names, parameters, their kinds, directions and lengths, for callers that name routines and pass
//! variables (REXX `CALL CSL`).
//!
//! Every routine begins with RETCODE and REASCODE (INT 4, out), which the table leaves out. A varying character parameter is
//! followed by an INT 4 with its length, which counts as a parameter of its own and is left out here too. Parameters in
//! `optional` may be left off from the right, group by group.

use super::MAX_USER_DATA;
use crate::reason::Origin;

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Characters of that fixed length.
    Char(u16),
    /// Characters of varying length, at most that many; an INT 4 with the length follows.
    Varying(u32),
    /// Option words with blanks between, at most [`OPTIONS_LENGTH`] characters; an INT 4 with the length follows. The words of each
    /// routine are in [`super::words`].
    Options,
    /// INT 4.
    Int,
}

/// Whether a parameter is set by the caller, the routine, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// By the caller.
    In,
    /// By the routine.
    Out,
    /// By both.
    InOut,
}

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the descriptions.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Who sets it.
    pub direction: Direction,
}

/// One routine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routine {
    /// Its name.
    pub name: &'static str,
    /// Whether the order of the required parameters is the original's (from its descriptions, or from programs written for it), or
    /// ours because it is not known. That of the optional ones is exact where the description says so.
    pub order: Origin,
    /// Parameters that must be given.
    pub required: &'static [Parameter],
    /// Parameters that may be left off.
    pub optional: &'static [Parameter],
    /// How many of them belong together, in order: of a group all are given or none.
    pub groups: &'static [usize],
}

/// Greatest length of a file identifier: name, type, directory, mode number, blanks between.
const FILEID: u32 = 8 + 1 + 8 + 1 + 153 + 2;
const DIRNAME: u32 = 153;
/// Greatest length of a string of option words.
pub const OPTIONS_LENGTH: u32 = 80;
const BUFFER: u32 = i32::MAX as u32;

macro_rules! kind {
    (fileid) => {
        Kind::Varying(FILEID)
    };
    (dirname) => {
        Kind::Varying(DIRNAME)
    };
    (options) => {
        Kind::Options
    };
    (userdata) => {
        Kind::Varying(MAX_USER_DATA as u32)
    };
    (buffer) => {
        Kind::Varying(BUFFER)
    };
    (poolid) => {
        Kind::Varying(8)
    };
    (c1) => {
        Kind::Char(1)
    };
    (c4) => {
        Kind::Char(4)
    };
    (c8) => {
        Kind::Char(8)
    };
    (c10) => {
        Kind::Char(10)
    };
    (c16) => {
        Kind::Char(16)
    };
    (int) => {
        Kind::Int
    };
}

macro_rules! routines {
    ($($name:ident $order:ident ($($p:ident $k:ident $d:ident),*) [$($($o:ident $ok:ident $od:ident),+);*];)*) => {
        /// All routines, by name.
        pub const ROUTINES: &[Routine] = &[$(Routine {
            name: stringify!($name),
            order: Origin::$order,
            required: &[$(Parameter { name: stringify!($p), kind: kind!($k), direction: Direction::$d }),*],
            optional: &[$($(Parameter { name: stringify!($o), kind: kind!($ok), direction: Direction::$od }),+),*],
            groups: &[$([$(stringify!($o)),+].len()),*],
        }),*];
    };
}

routines! {
    DMSCATTR Ours (fileid fileid In, options options In) [workunitid int In; wuerror buffer Out; requestid int InOut];
    DMSCHECK Ours (requestid int In, option options In) [wuerror buffer Out];
    DMSCLDBK Ours (token c8 In, options options In) [date c10 Out; time c8 Out; wuerror buffer Out; requestid int InOut];
    DMSCLDIR Exact (token c8 In, options options In) [wuerror buffer Out; requestid int InOut];
    DMSCLOSE Exact (token c8 In, options options In) [date c10 Out; time c8 Out; wuerror buffer Out; requestid int InOut];
    DMSCOMM Exact () [workunitid int In; wuerror buffer Out];
    DMSCRALI Ours (base fileid In, alias fileid In, options options In) [workunitid int In; wuerror buffer Out; requestid int InOut];
    DMSCRDIR Ours (dirname dirname In, options options In) [workunitid int In; wuerror buffer Out; requestid int InOut];
    DMSCRFIL Ours (fileid fileid In, options options In, recfm c1 In, lrecl int In) [workunitid int In; wuerror buffer Out];
    DMSCRLOC Ours (object fileid In, options options In) [workunitid int In; wuerror buffer Out];
    DMSCROB Ours (fileid fileid In, data buffer In, options options In) [workunitid int In; wuerror buffer Out];
    DMSDELOC Ours (object fileid In) [userid c8 In; workunitid int In; wuerror buffer Out];
    DMSDEUSR Ours (userid c8 In, filepoolid c8 In) [wuerror buffer Out];
    DMSDIRAT Ours (dirname dirname In, options options In) [workunitid int In; wuerror buffer Out];
    DMSDISFS Ours (userid c8 In, filepoolid c8 In, options options In) [wuerror buffer Out];
    DMSDISSG Ours (storage_group int In, filepoolid c8 In, options options In) [wuerror buffer Out];
    DMSENAFS Ours (userid c8 In, filepoolid c8 In) [wuerror buffer Out];
    DMSENASG Ours (storage_group int In, filepoolid c8 In) [wuerror buffer Out];
    DMSENUSR Ours (userids buffer In, filepoolid c8 In, blocks int In) [storage_group int In; wuerror buffer Out];
    DMSERASE Exact (fileid fileid In, options options In) [workunitid int In; wuerror buffer Out; requestid int InOut];
    DMSEXIDI Exact (dirname dirname In, options options In) [workunitid int In; wuerror buffer Out];
    DMSEXIFI Exact (fileid fileid In, options options In) [workunitid int In; wuerror buffer Out];
    DMSEXIST Ours (object fileid In) [workunitid int In; wuerror buffer Out];
    DMSFILEC Exact (source fileid In, target fileid In, options options In) [workunitid int In; wuerror buffer Out];
    DMSGETDA Ours (token c8 In, dirname dirname Out) [dir_attr c1 Out; wuerror buffer Out];
    DMSGETDD Ours (token c8 In, dirname dirname Out) [dir_attr c1 Out; wuerror buffer Out; requestid int InOut];
    DMSGETDF Exact (token c8 In, fileid c16 Out, fm_no c1 Out)
        [rd_auth c1 Out, wr_auth c1 Out, extern_protect c1 Out; status c1 Out, recform c1 Out, rec_len int Out; num_blks int Out, num_recs int Out, date c10 Out; time c8 Out, owner_userid c8 Out; wuerror buffer Out, dir_attr c1 Out; migrated c1 Out, unique_id c16 Out, out_fm c1 Out; requestid int InOut, date_format options In];
    DMSGETDI Exact (token c8 In, buffer buffer Out, number int In) [wuerror buffer Out; requestid int InOut];
    DMSGETDK Ours (token c8 In, userid c8 Out, kind c1 Out, duration c1 Out) [wuerror buffer Out];
    DMSGETDL Ours (token c8 In, fileid c16 Out, status c1 Out, base fileid Out) [wuerror buffer Out];
    DMSGETDS Ours (token c8 In, fileid c16 Out, dirname dirname Out) [rd_auth c1 Out; wr_auth c1 Out; wuerror buffer Out];
    DMSGETDT Ours (token c8 In, userid c8 Out, authority int Out) [wuerror buffer Out];
    DMSGETDX Ours (token c8 In, fileid c16 Out, create_date c10 Out, create_time c8 Out, date_ref c10 Out) [recover c1 Out; overwrite c1 Out; wuerror buffer Out; requestid int InOut];
    DMSGETER Ours () [workunitid int In; wuerror buffer Out];
    DMSGETWU Exact (workunitid int Out) [];
    DMSGRANT Ours (object fileid In, userids buffer In, options options In) [workunitid int In; wuerror buffer Out; requestid int InOut];
    DMSOPDBK Exact (fileid fileid In, options options In, token c8 Out)
        [blksize int Out, lrecl int InOut; numrecs int InOut, recform c1 Out; fm_no c1 Out, workunitid int In; wuerror buffer Out, userdata buffer In; create_date c10 Out, create_time c8 Out, requestid int InOut];
    DMSOPDIR Exact (dirspec fileid In, intent options In, token c8 Out)
        [workunitid int In, wuerror buffer Out; userdata buffer In; requestid int InOut, buffersize int In, number int In];
    DMSOPEN Exact (fileid fileid In, options options In, token c8 Out)
        [lrecl int InOut; numrecs int Out, recform c1 Out; fm_no c1 Out, workunitid int In; wuerror buffer Out, userdata buffer In; create_date c10 Out, create_time c8 Out, requestid int InOut];
    DMSPOINT Ours (token c8 In, read_ptr int In, write_ptr int In) [wuerror buffer Out];
    DMSPOPA Ours () [userid c8 Out];
    DMSPOPWU Ours () [workunitid int Out];
    DMSPURWU Exact () [force options In; wuerror buffer Out];
    DMSPUSHA Ours (userid c8 In) [];
    DMSPUSWU Ours (workunitid int In) [];
    DMSQCONN Ours (filepoolids buffer Out) [wuerror buffer Out];
    DMSQLIMA Ours (filepoolid c8 In, buffer buffer Out) [wuerror buffer Out];
    DMSQLIMD Ours (buffer buffer In, entry_num int In, userid c8 Out, limit int Out, used int Out, threshold int Out) [storage_group int Out];
    DMSQLIMU Ours (userid c8 In, filepoolid c8 In, limit int Out, used int Out, threshold int Out) [wuerror buffer Out];
    DMSQOBJ Ours (fileid fileid In, data buffer Out) [workunitid int In; wuerror buffer Out];
    DMSQSFSL Exact (filepoolid poolid In, server_level int Out) [wuerror buffer Out];
    DMSQUSG Ours (filepoolid c8 In, storage_group int In, buffer buffer Out) [wuerror buffer Out];
    DMSQWUID Ours (workunitid int Out) [];
    DMSRDDBK Ours (token c8 In, block int In, buffer buffer Out) [wuerror buffer Out; requestid int InOut];
    DMSREAD Exact (token c8 In, num_recs int InOut, rec_len int In, buffer buffer Out, bytes_read int Out) [wuerror buffer Out; requestid int InOut];
    DMSRELOC Ours (object fileid In, dirname dirname In, options options In) [workunitid int In; wuerror buffer Out];
    DMSRENAM Exact (old fileid In, new fileid In, options options In) [workunitid int In; wuerror buffer Out];
    DMSRETWU Exact (workunitid int In) [];
    DMSREVOK Ours (object fileid In, userids buffer In, options options In) [workunitid int In; wuerror buffer Out; requestid int InOut];
    DMSROLLB Ours () [workunitid int In; wuerror buffer Out];
    DMSTRUNC Ours (token c8 In, record_number int In) [wuerror buffer Out];
    DMSUDATA Ours (userdata userdata In) [workunitid int In; wuerror buffer Out];
    DMSVALDT Ours (name fileid In) [wuerror buffer Out];
    DMSWRDBK Ours (token c8 In, block int In, buffer buffer In) [wuerror buffer Out; requestid int InOut];
    DMSWRITE Ours (token c8 In, num_recs int In, rec_len int In, buffer buffer In) [options options In; wuerror buffer Out; requestid int InOut];
    DMSWUERR Exact (wuerror buffer In, fperror_num int In, number_returned int Out, total_errors int Out, filepoolid c8 Out, workunitid int Out)
        [error_reascode int Out, prev_retcode int Out; userid_index int Out, level_sub1 c4 Out; level_sub2 int Out, warning1 int Out, warning2 int Out, warning3 int Out, warning4 int Out, warning5 int Out, warning6 int Out, warning7 int Out, warning8 int Out, warning9 int Out, warning10 int Out, warning11 int Out, warning12 int Out, warning13 int Out, warning14 int Out, warning15 int Out, warning16 int Out; error_reascode_info int Out, failing_filepoolid c8 Out];
}

/// The routine of that name.
pub fn routine(name: &str) -> Option<&'static Routine> {
    ROUTINES.binary_search_by(|r| r.name.cmp(name)).ok().and_then(|at| ROUTINES.get(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_routine_has_its_file_and_its_row_in_the_docs() {
        assert!(ROUTINES.is_sorted_by(|a, b| a.name < b.name));
        assert_eq!(routine("DMSCOMM").map(|r| r.required.len()), Some(0));
        assert!(routine("DMSNONE").is_none());
        for routine in ROUTINES {
            assert_eq!(routine.groups.iter().sum::<usize>(), routine.optional.len(), "{}", routine.name);
        }
        assert_eq!(routine("DMSOPDBK").map(|r| r.groups), Some(&[2, 2, 2, 2, 3][..]));
        assert_eq!(routine("DMSWUERR").map(|r| r.groups), Some(&[2, 2, 17, 2][..]));
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/csl");
        for routine in ROUTINES.iter().filter(|r| r.name != "DMSWUERR") {
            let file = folder.join(format!("{}.rs", routine.name.to_lowercase()));
            assert!(file.is_file(), "{} has no file", routine.name);
        }
        let files =
            std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
        let docs = std::fs::read_to_string(folder.join("../../../docs/accuracy.md")).unwrap();
        let listed =
            docs.split("### CSL routines").nth(1).and_then(|t| t.split("\n\nNot there").next()).unwrap();
        let words: Vec<&str> = listed.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        for routine in ROUTINES {
            assert!(words.contains(&routine.name), "{} is not in docs/accuracy.md", routine.name);
        }
        for file in files.filter(|f| f.starts_with("dms")) {
            let name = file.trim_end_matches(".rs").to_uppercase();
            assert!(routine(&name).is_some(), "{name} is not in the table");
        }
    }
}
