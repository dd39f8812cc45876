//! A share of one core, as Lambda gives a function by its memory: 256 MB have a seventh.

use std::fs;
use std::path::PathBuf;

/// Time is shared out in slices as short as Lambda's, so that a start of some milliseconds is slowed, too.
const PERIOD_US: u32 = 20_000;

/// A group of processes that have a part of a core together; dropped, it goes with them.
#[derive(Debug)]
pub(crate) struct Share {
    folder: PathBuf,
}

impl Share {
    /// One part of so many; `None` where this user may not share time out.
    pub(crate) fn one_of(parts: u32) -> Option<Self> {
        let name = format!("share-{}-{parts}", std::process::id());
        let quota = PERIOD_US / parts;
        let first = PathBuf::from("/sys/fs/cgroup/cpu").join(&name);
        let second = PathBuf::from("/sys/fs/cgroup").join(&name);
        if fs::create_dir(&first).is_ok() {
            let this = Self { folder: first };
            fs::write(this.folder.join("cpu.cfs_period_us"), PERIOD_US.to_string()).ok()?;
            fs::write(this.folder.join("cpu.cfs_quota_us"), quota.to_string()).ok()?;
            return Some(this);
        }
        fs::create_dir(&second).ok()?;
        let this = Self { folder: second };
        fs::write(this.folder.join("cpu.max"), format!("{quota} {PERIOD_US}")).ok()?;
        Some(this)
    }

    /// Has this process in it from now on.
    pub(crate) fn add(&self, pid: u32) {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string()).expect("processes may be moved");
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}
