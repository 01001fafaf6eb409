//! MODULEs: native programs that CMS finds by name.
//!
//! A program that would have been an object MODULE on the real system is a Rust function registered here under the same
//! name (`IMAPMAIN`, `SMTP`). The table is the system's; every CMS sees the same programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use cp::Cp;
use futures::future::BoxFuture;
use parking_lot::RwLock;

use crate::cms::Cms;

/// A native program.
pub trait Program: Send + Sync {
    /// One line that says what it does, for HELP.
    fn summary(&self) -> &str;

    /// Runs it with its argument string; the result is the return code.
    fn run(&self, cms: Arc<Cms>, args: String) -> BoxFuture<'static, i32>;
}

/// All programs of the system.
#[derive(Default)]
pub struct ProgramTable {
    programs: RwLock<BTreeMap<String, Arc<dyn Program>>>,
}

impl ProgramTable {
    /// The table of a system.
    pub fn of(cp: &Cp) -> Arc<Self> {
        cp.ext.get_or_insert_with(Self::default)
    }

    /// Makes a program known under `name`.
    pub fn register(&self, name: &str, program: Arc<dyn Program>) {
        self.programs.write().insert(name.to_ascii_uppercase(), program);
    }

    /// The program of that name.
    pub fn find(&self, name: &str) -> Option<Arc<dyn Program>> {
        self.programs.read().get(&name.to_ascii_uppercase()).cloned()
    }

    /// Names and summaries of all programs.
    pub fn list(&self) -> Vec<(String, String)> {
        self.programs.read().iter().map(|(n, p)| (n.clone(), p.summary().to_owned())).collect()
    }
}
