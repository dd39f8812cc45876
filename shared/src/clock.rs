//! The time, by this machine's clock, corrected by the store's where the two are far apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// Clocks this near to each other, in milliseconds, are left as they are: a correction would add the noise of the
/// network to the order of ids.
const TOLERANCE_MS: i64 = 500;

/// A clock; clones share their correction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    correction_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The present.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let now = system_ms() + self.correction_ms.load(Ordering::Relaxed);
        DateTime::from_timestamp_millis(now).unwrap_or_default()
    }

    /// Compares with what the store's clock showed between two moments of this machine's clock.
    pub(crate) fn compare(&self, sent_ms: i64, store_ms: i64, received_ms: i64) {
        let off = match store_ms {
            early if early < sent_ms => early - sent_ms,
            late if late > received_ms => late - received_ms,
            _ => 0,
        };
        let correction = if off.abs() > TOLERANCE_MS { off } else { 0 };
        self.correction_ms.store(correction, Ordering::Relaxed);
    }
}

/// This machine's clock, in milliseconds since 1970.
pub(crate) fn system_ms() -> i64 {
    Utc::now().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off_by(sent: i64, store: i64, received: i64) -> i64 {
        let clock = Clock::default();
        clock.compare(sent, store, received);
        clock.correction_ms.load(Ordering::Relaxed)
    }

    #[test]
    fn a_clock_near_the_stores_is_left_alone() {
        assert_eq!(off_by(1_000, 1_005, 1_010), 0);
        assert_eq!(off_by(1_000, 600, 1_010), 0);
        assert_eq!(off_by(1_000, 1_500, 1_010), 0);
        // However long the answer took.
        assert_eq!(off_by(1_000, 1_001, 9_000), 0);
        assert_eq!(off_by(1_000, 8_999, 9_000), 0);
    }

    #[test]
    fn a_clock_far_from_the_stores_is_corrected() {
        assert_eq!(off_by(10_000, 6_000, 10_010), -4_000);
        assert_eq!(off_by(10_000, 14_010, 10_010), 4_000);
        let clock = Clock::default();
        clock.compare(0, 3_600_000, 0);
        assert!(clock.now().timestamp_millis() >= system_ms() + 3_599_000);
        clock.compare(0, 0, 0);
        assert!(clock.now().timestamp_millis() <= system_ms());
    }
}
