//! The figures as lines of a table, and the bounds that they are held to.

use std::time::Duration;

use crate::instance::Cost;
use crate::lambda::Costs;

pub(crate) const HEAD: &str = "\
                         unconnected start         and first event   start, connected  first event       later events
function                   wall   CPU (x floor)      wall    CPU       wall    CPU       wall    CPU       p50    p99    CPU   peak MB  size MB";

/// One function, in medians.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    alone: Cost,
    connecting: Cost,
    ready: Cost,
    first: Cost,
    warm: Cost,
    warm_p99: Duration,
    peak_mb: f64,
    size_mb: f64,
}

impl Row {
    pub(crate) fn new(name: &str, costs: &Costs, size_mb: f64) -> Self {
        let warm = sorted(costs.warm.iter().map(|cost| cost.wall));
        let mut peaks = costs.peak_mb.clone();
        peaks.sort_by(f64::total_cmp);
        Self {
            name: name.to_owned(),
            alone: median(&costs.alone),
            connecting: median(&costs.connecting),
            ready: median(&costs.ready),
            first: median(&costs.first),
            warm: median(&costs.warm),
            warm_p99: warm.get(warm.len() * 99 / 100).copied().unwrap_or_default(),
            peak_mb: peaks.get(peaks.len() / 2).copied().unwrap_or_default(),
            size_mb,
        }
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// The times in milliseconds.
    pub(crate) fn print(&self, floor: Option<&Self>) {
        let ratio = floor.map(|floor| format!("({:.2})", self.alone_over(floor))).unwrap_or_default();
        print!("{:<23} {:>7.2} {:>5.2} {ratio:<9}", self.name, ms(self.alone.wall), ms(self.alone.cpu));
        for cost in [self.connecting, self.ready, self.first] {
            print!(" {:>7.2} {:>6.2}   ", ms(cost.wall), ms(cost.cpu));
        }
        let (p50, p99, cpu) = (ms(self.warm.wall), ms(self.warm_p99), ms(self.warm.cpu));
        println!("  {p50:>6.2} {p99:>6.2} {cpu:>6.2} {:>9.1} {:>8.1}", self.peak_mb, self.size_mb);
    }

    /// How many times faster and leaner it is.
    pub(crate) fn print_beside(&self, peer: &Self) {
        let cold = |row: &Self| row.ready.cpu + row.first.cpu;
        println!(
            "  {} is {:.0} times faster to its first answer (CPU), and {:.1} times leaner",
            self.name,
            cold(peer).as_secs_f64() / cold(self).as_secs_f64(),
            peer.peak_mb / self.peak_mb,
        );
    }

    fn alone_over(&self, floor: &Self) -> f64 {
        self.alone.cpu.as_secs_f64() / floor.alone.cpu.as_secs_f64()
    }
}

/// Says which functions are beyond the bounds.
pub(crate) fn judge(floor: &Row, rows: &[Row]) {
    let worst = |name: &str, unit: &str, of: &dyn Fn(&Row) -> f64| {
        if let Some(row) = rows.iter().max_by(|one, other| of(one).total_cmp(&of(other))) {
            println!("{name}: {:.2}{unit} at most, {}", of(row), row.name);
        }
    };
    println!();
    worst("ready without connections, CPU over the floor's", "", &|row| row.alone_over(floor));
    worst("ready with connections, CPU over the floor's", "", &|row| {
        row.ready.cpu.as_secs_f64() / floor.ready.cpu.as_secs_f64()
    });
    worst("first event, CPU over the floor's", "", &|row| {
        row.first.cpu.as_secs_f64() / floor.first.cpu.as_secs_f64()
    });
    worst("peak memory", " MB", &|row| row.peak_mb);
    worst("size", " MB", &|row| row.size_mb);
}

fn median(costs: &[Cost]) -> Cost {
    let middle = |times: Vec<Duration>| times.get(times.len() / 2).copied().unwrap_or_default();
    Cost {
        wall: middle(sorted(costs.iter().map(|cost| cost.wall))),
        cpu: middle(sorted(costs.iter().map(|cost| cost.cpu))),
    }
}

fn sorted(times: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
