//! STORE TCPXLBIN, in the file space of the IMAP machine itself: the translate table that the notes of the store are written in.
//!
//! The form is that of every translate table, so that it can be copied to a disk and used as one. There is none as long as the store
//! is written in the built-in table, code page 1047. The table is the store's own: which one it is can change only while no mailbox
//! holds a note, and what the configuration says has to agree with it before the first note is written or read, lest octets of mail
//! come out as others than went in.

use cms::cp::translate_table::{CODES, TranslateTable};
use cms::csl::{
    CommitOption, CslError, DirIntent, DirRecord, FilePattern, FileRef, Intent, OpenOptions, ReasonCode,
    WorkUnitId,
};

use super::{SfsBackend, file, store_error};
use crate::mailstore::error::StoreError;

/// What a table has to do with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The store is written in it.
    Written,
    /// The store is written in another one, and there is no mail in it: it can be this one from now on.
    Empty,
}

impl SfsBackend {
    /// The table that notes are written in and read by.
    pub fn table(&self) -> &TranslateTable {
        &self.table
    }

    /// Makes sure that [`Self::table`] is the one that the store is written in. A store without mail takes it.
    ///
    /// # Errors
    /// [`StoreError::OtherTable`]; when the file pool does not answer, and it is asked again the next time.
    pub async fn agree(&self) -> Result<(), StoreError> {
        if self.agreed.initialized() {
            return Ok(());
        }
        let agreed = self.agreed.get_or_try_init(|| async {
            match self.compare_table(&self.table).await? {
                Agreement::Written => Ok(()),
                Agreement::Empty => self.keep_table().await,
            }
        });
        agreed.await.copied()
    }

    /// What this table has to do with the store.
    ///
    /// # Errors
    /// [`StoreError::OtherTable`] when there is mail in the store, and it is written in another one.
    pub async fn compare_table(&self, table: &TranslateTable) -> Result<Agreement, StoreError> {
        let written = self.read_table().await?;
        if written.is_same(table) {
            return Ok(Agreement::Written);
        }
        if self.holds_mail().await? {
            return Err(StoreError::OtherTable { written: written.id(), wanted: table.id() });
        }
        Ok(Agreement::Empty)
    }

    fn table_file(&self) -> Result<FileRef, StoreError> {
        file(&self.top(self.csl.userid()), "STORE", "TCPXLBIN")
    }

    /// The table that the store is written in.
    async fn read_table(&self) -> Result<TranslateTable, StoreError> {
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let read = self.table_records(&self.table_file()?, unit).await;
        self.done_reading(unit).await;
        let damaged = |what: String| {
            StoreError::Damaged(format!("STORE TCPXLBIN, which says how the notes are written, {what}"))
        };
        let image = match read {
            Ok(image) => image,
            Err(e)
                if matches!(
                    e.reason,
                    ReasonCode::FileNotFound | ReasonCode::SpaceNotFound | ReasonCode::DirectoryNotFound
                ) =>
            {
                return Ok(TranslateTable::builtin());
            }
            Err(e) if e.reason == ReasonCode::Damaged => return Err(damaged("cannot be read".into())),
            Err(e) => return Err(store_error(&e)),
        };
        let records = || image.chunks(CODES);
        let name = records().next().and_then(TranslateTable::name_in);
        let name = name.ok_or_else(|| damaged("does not name its table".into()))?;
        TranslateTable::read(name, records()).map_err(|e| damaged(format!("cannot be used: {e}")))
    }

    async fn table_records(&self, file: &FileRef, unit: WorkUnitId) -> Result<Vec<u8>, CslError> {
        let status = self.csl.dmsexifi(file, unit).await?;
        if status.lrecl as usize != CODES || status.records != 3 {
            return Ok(Vec::new());
        }
        self.records(file, CODES, unit).await
    }

    /// Whether any mailbox holds a note.
    async fn holds_mail(&self) -> Result<bool, StoreError> {
        let users = self.csl.enrolled_users(self.pool).await.map_err(|e| store_error(&e))?;
        for (user, _) in users {
            for record in self.list(&self.top(user), DirIntent::Dir).await? {
                let DirRecord::Directory(directory) = record else { continue };
                let dir = self.dir(user, &directory.level)?;
                let files = self.list(&dir, DirIntent::File(FilePattern::ALL)).await?;
                let is_note = |r: &DirRecord| matches!(r, DirRecord::File(f) if f.id.kind.as_str() == "NOTE" && f.id.name.as_str() != "NOTE");
                if files.iter().any(is_note) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Writes down that the store is written in [`Self::table`].
    async fn keep_table(&self) -> Result<(), StoreError> {
        let file = self.table_file()?;
        if !self.table.is_builtin() {
            self.make_own_space().await?;
        }
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let kept = if self.table.is_builtin() {
            self.erase(file, unit).await
        } else {
            self.put_table(&file, unit).await
        };
        self.end(unit, kept).await
    }

    async fn put_table(&self, file: &FileRef, unit: WorkUnitId) -> Result<(), CslError> {
        let options = OpenOptions::fixed(CODES as u32);
        let opened = self.csl.dmsopen(file, Intent::Replace, &options, unit).await?;
        self.write_fixed(opened.token, self.table.image(), CODES).await?;
        self.csl.dmsclose(opened.token, CommitOption::NoCommit).await.map(drop)
    }
}
