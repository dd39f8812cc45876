//! How long things last in a call, in milliseconds.

/// How long an offer is held for connections that are still to come.
pub const HELD_MS: u64 = 60_000;

/// How long a side may be away before its call is over.
pub const AWAY_MS: u64 = 30_000;

/// How long an ended call stays readable, and its id may not ring.
pub const OVER_MS: u64 = 120_000;

/// An offer given for less than this may have crossed the one that its receiver sends.
pub(super) const CROSSING_MS: u64 = 500;

/// How long after a call an `end_call` without id may be an echo.
pub(super) const ECHO_MS: u64 = 5_000;

/// A description that is not delivered within this never will be: its function died.
pub(super) const DELIVERY_MS: u64 = 3_000;
