//! What the server under load uses: CPU and memory of a process and of all that it has started, from `/proc`.

use std::collections::{HashMap, HashSet};
use std::fs;

/// Ticks a second in `/proc/PID/stat`, the same on all machines of today.
const TICKS: f64 = 100.0;

/// CPU time above which ticks are fine enough; below it the threads are asked, which forget those that have ended.
const ENOUGH: f64 = 0.5;

/// A process and its descendants.
#[derive(Debug, Clone, Copy)]
pub struct Processes {
    /// The first of them.
    pub root: u32,
}

/// CPU time used so far.
#[derive(Debug, Default)]
pub struct Used {
    /// Seconds of all, of those that have ended too.
    ticks: f64,
    /// Nanoseconds by process and thread.
    threads: HashMap<(u32, u32), u64>,
}

impl Used {
    /// Seconds from `before` to this.
    pub fn since(&self, before: &Self) -> f64 {
        let coarse = self.ticks - before.ticks;
        if coarse >= ENOUGH {
            return coarse;
        }
        let of =
            |(id, now): (&(u32, u32), &u64)| now - before.threads.get(id).copied().unwrap_or(0).min(*now);
        self.threads.iter().map(of).sum::<u64>() as f64 / 1e9
    }
}

/// Numbers of the folders in a folder of `/proc`.
fn numbers(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

/// The fields of `/proc/PID/stat` from the third on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

impl Processes {
    fn all(self) -> Vec<u32> {
        let parents: HashMap<u32, u32> = numbers("/proc")
            .into_iter()
            .filter_map(|pid| Some((pid, stat(pid)?.get(1)?.parse().ok()?)))
            .collect();
        let mut ours = HashSet::from([self.root]);
        loop {
            let more: Vec<u32> = parents
                .iter()
                .filter(|(pid, parent)| ours.contains(parent) && !ours.contains(pid))
                .map(|(pid, _)| *pid)
                .collect();
            if more.is_empty() {
                return ours.into_iter().collect();
            }
            ours.extend(more);
        }
    }

    /// CPU time used so far, user's and system's.
    pub fn used(self) -> Used {
        let mut used = Used::default();
        for pid in self.all() {
            if let Some(fields) = stat(pid) {
                let ticks = fields.iter().skip(11).take(4).filter_map(|f| f.parse::<f64>().ok());
                used.ticks += ticks.sum::<f64>() / TICKS;
            }
            for thread in numbers(&format!("/proc/{pid}/task")) {
                let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat"));
                let first = text.ok().and_then(|t| t.split(' ').next().and_then(|n| n.parse().ok()));
                used.threads.extend(first.map(|n: u64| ((pid, thread), n)));
            }
        }
        used
    }

    /// Private memory of all in KiB.
    pub fn private_kib(self) -> u64 {
        let of = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let private =
                text.lines().filter(|l| l.starts_with("Private_Clean:") || l.starts_with("Private_Dirty:"));
            private.filter_map(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>()
        };
        self.all().into_iter().map(of).sum()
    }
}
