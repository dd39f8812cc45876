//! One kind of event that a function serves, and what it took, in medians.

use std::collections::BTreeMap;
use std::fmt;

use support::proxy::Wave;

use crate::lambda::Served;
use crate::trips::{Trips, median};

pub(crate) const HEAD: &str = "\
operation                                trips  commands   bytes  pushes   CPU ms   time ms   its trips'   (ratio)";

/// An operation.
#[derive(Debug)]
pub(crate) struct Operation {
    name: String,
    waves: Vec<Wave>,
    bytes: f64,
    pushes: f64,
    cpu_ms: f64,
    /// By the function's own clock, from the event to the answer.
    took_ms: f64,
    /// What its round trips take at least.
    least_ms: f64,
}

impl Operation {
    /// The operations among the events of one function.
    pub(crate) fn all(counted: Vec<Served>, timed: Vec<Served>, trips: &Trips) -> Vec<Self> {
        let mut kinds: BTreeMap<String, (Vec<Served>, Vec<Served>)> = BTreeMap::new();
        for served in counted {
            kinds.entry(kind(&served)).or_default().0.push(served);
        }
        for served in timed {
            kinds.entry(kind(&served)).or_default().1.push(served);
        }
        let whole =
            kinds.into_iter().filter(|(_, (counted, timed))| !counted.is_empty() && !timed.is_empty());
        whole.map(|(kind, (counted, timed))| Self::new(kind, counted, &timed, trips)).collect()
    }

    fn new(name: String, mut counted: Vec<Served>, timed: &[Served], trips: &Trips) -> Self {
        counted.sort_by_key(|served| served.waves.len());
        let usual = counted.swap_remove(counted.len() / 2);
        let of = |number: &dyn Fn(&Served) -> f64| median(&timed.iter().map(number).collect::<Vec<_>>());
        let told = |name: &'static str| of(&|served| served.line[name].as_f64().unwrap_or_default());
        let pushes = told("PushesDelivered");
        Self {
            name: format!("{} {name}", usual.function),
            bytes: usual.bytes as f64,
            least_ms: trips.least(&usual.waves, pushes > 0.0),
            waves: usual.waves,
            pushes,
            cpu_ms: of(&|served| served.cpu_ms),
            took_ms: told("milliseconds"),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its time over that of its round trips; 0 where it makes none.
    pub(crate) fn ratio(&self) -> f64 {
        if self.least_ms > 0.0 { self.took_ms / self.least_ms } else { 0.0 }
    }
}

/// The route, of a function that has several.
fn kind(served: &Served) -> String {
    let route = served.line["route"].as_str().unwrap_or_default();
    if route.contains(['/', '$']) { String::new() } else { route.to_owned() }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, waves, bytes, pushes, cpu_ms, took_ms, least_ms } = self;
        let commands: usize = waves.iter().map(Vec::len).sum();
        write!(f, "{name:<40} {:>5} {commands:>9} {bytes:>7} {pushes:>7}", waves.len())?;
        write!(f, " {cpu_ms:>8.2} {took_ms:>9.3} {least_ms:>12.3} {:>9}", format!("({:.2})", self.ratio()))
    }
}
