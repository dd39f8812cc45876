//! Telling the operator on standard error how far it is.

/// Lines between two reports.
const INTERVAL: u64 = 10_000;

/// A count that is reported now and then.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    count: u64,
}

impl Progress {
    pub(crate) fn of(what: &'static str) -> Self {
        Self { what, count: 0 }
    }

    pub(crate) fn add(&mut self, more: usize) {
        let before = self.count;
        self.count += u64::try_from(more).unwrap_or(u64::MAX);
        if before / INTERVAL != self.count / INTERVAL {
            eprintln!("{} {}", self.count, self.what);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The last report, with what else there is to say.
    pub(crate) fn end(&self, more: &str) {
        eprintln!("{} {} in all{more}", self.count, self.what);
    }
}
