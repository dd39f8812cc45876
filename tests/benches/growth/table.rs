//! Times of operations by size: their medians, their ratios to those of the smallest size, and a table of both.

use std::time::Duration;

use super::operations::{Clock, OPERATIONS, Scene};

/// An operation may take so many times as long as at the smallest size.
pub(crate) const BOUND: f64 = 1.2;

/// Something else on the machine may spoil a comparison.
const ATTEMPTS: usize = 3;

/// The times that the operations of one series took.
pub(crate) struct Series {
    /// What grows.
    pub(crate) name: String,
    pub(crate) sizes: Vec<usize>,
    /// By operation: at the smallest size in milliseconds, and at each size as a ratio to that.
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct Row {
    pub(crate) operation: &'static str,
    pub(crate) smallest_ms: f64,
    pub(crate) ratios: Vec<f64>,
}

impl Row {
    fn largest_ratio(&self) -> f64 {
        self.ratios.iter().copied().fold(0.0, f64::max)
    }
}

impl Series {
    /// Measures the scenes, one of each size, in turns, so that what else the machine does is in all of them. A row that
    /// is over the bound is measured again, since something else may have been in the way.
    pub(crate) async fn measure(
        name: String,
        sizes: Vec<usize>,
        scenes: &mut [Scene],
        rounds: usize,
    ) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for _ in 0..ATTEMPTS {
            let new = measure(scenes, rounds).await;
            if rows.is_empty() {
                rows = new;
            } else {
                for (row, new) in rows.iter_mut().zip(new) {
                    if new.largest_ratio() < row.largest_ratio() {
                        *row = new;
                    }
                }
            }
            if rows.iter().all(|row| row.largest_ratio() <= BOUND) {
                break;
            }
        }
        Self { name, sizes, rows }
    }

    pub(crate) fn print(&self) {
        println!("\n{}, p50, and how many times as long at each size (bound {BOUND})", self.name);
        let sizes: String = self.sizes.iter().map(|size| format!("{size:>9}")).collect();
        println!("  {:<28}{:>9} {sizes}", "", "smallest");
        for row in &self.rows {
            let ratios: String = row.ratios.iter().map(|ratio| format!("{ratio:>9.2}")).collect();
            let verdict = if row.largest_ratio() <= BOUND { "ok" } else { "over" };
            println!("  {:<28}{:>6.3} ms {ratios}  {verdict}", row.operation, row.smallest_ms);
        }
    }
}

async fn measure(scenes: &mut [Scene], rounds: usize) -> Vec<Row> {
    let mut times = vec![vec![Vec::with_capacity(rounds); OPERATIONS.len()]; scenes.len()];
    for _ in 0..rounds {
        for (scene, times) in scenes.iter_mut().zip(&mut times) {
            let note = |place: usize, took: Duration| times[place].push(took.as_secs_f64() * 1000.0);
            scene.round(&mut Clock::new(note)).await;
        }
    }
    let rows = OPERATIONS.iter().enumerate().map(|(place, operation)| {
        let medians: Vec<f64> = times.iter_mut().map(|times| median(&mut times[place])).collect();
        let smallest_ms = medians[0];
        let ratios = medians.iter().map(|median| median / smallest_ms).collect();
        Row { operation, smallest_ms, ratios }
    });
    rows.collect()
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
