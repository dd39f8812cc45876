//! CPU time and memory of processes, where the system tells (Linux).

use std::fs;

/// The kernel counts CPU time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds so far: of the parts of a server, and of the load, which runs on the same machine.
pub(crate) struct Cpu {
    parts: Vec<(&'static str, f64)>,
    load: f64,
}

impl Cpu {
    /// A gateway, its functions, and the stores that this process has started, which is the gateway's or this one.
    pub(crate) fn of_gateway(pid: u32, parent_of_stores: u32) -> Self {
        let functions = descendants(pid).into_iter().filter(|process| !process.is_store()).collect();
        let stores = descendants(parent_of_stores).into_iter().filter(Process::is_store).collect();
        let sum = |processes: Vec<Process>| processes.iter().map(|process| process.cpu).sum();
        Self::beside_load(vec![("gateway", cpu(pid)), ("functions", sum(functions)), ("store", sum(stores))])
    }

    pub(crate) fn of_node(pid: u32, store: u32) -> Self {
        Self::beside_load(vec![("node", cpu(pid)), ("store", cpu(store))])
    }

    fn beside_load(parts: Vec<(&'static str, f64)>) -> Self {
        Self { parts, load: cpu(std::process::id()) }
    }

    pub(crate) fn since(mut self, before: &Self) -> Self {
        for ((_, now), (_, before)) in self.parts.iter_mut().zip(&before.parts) {
            *now -= before;
        }
        self.load -= before.load;
        self
    }

    /// Per create, and what share of the server each part has.
    pub(crate) fn print(&self, creates: usize) {
        let all: f64 = self.parts.iter().map(|(_, cpu)| cpu).sum();
        if all <= 0.0 {
            return;
        }
        let each = |cpu: f64| cpu / creates as f64 * 1e6;
        let parts = self
            .parts
            .iter()
            .map(|(name, cpu)| format!("{name} {:.0} µs ({:.0} %)", each(*cpu), cpu / all * 100.0));
        let parts = parts.collect::<Vec<_>>().join(", ");
        println!("           CPU per create: {parts}; load {:.0} µs", each(self.load));
    }
}

#[derive(Debug)]
struct Process {
    pid: u32,
    parent: u32,
    name: String,
    cpu: f64,
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in parentheses and may hold anything.
        let (before, after) = stat.rsplit_once(") ")?;
        let name = before.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = after.split(' ').collect();
        let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
        let cpu = (number(11)? + number(12)?) as f64 / TICKS_PER_SECOND;
        Some(Self { pid, parent: u32::try_from(number(1)?).ok()?, name, cpu })
    }

    fn is_store(&self) -> bool {
        self.name.starts_with("valkey") || self.name.starts_with("redis")
    }
}

fn cpu(pid: u32) -> f64 {
    Process::read(pid).map(|process| process.cpu).unwrap_or_default()
}

fn descendants(pid: u32) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let all = entries.filter_map(|entry| Process::read(entry.ok()?.file_name().to_str()?.parse().ok()?));
    all.filter(|process| process.parent == pid).collect()
}

pub(crate) fn resident_mb(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or_default() / 1024
}

/// The memory of the functions that a gateway runs, and how many processes they are.
pub(crate) fn resident_mb_of_functions(pid: u32) -> (u64, usize) {
    let functions: Vec<_> = descendants(pid).into_iter().filter(|process| !process.is_store()).collect();
    (functions.iter().map(|process| resident_mb(process.pid)).sum(), functions.len())
}
