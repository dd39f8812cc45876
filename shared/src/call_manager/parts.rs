//! The parts of the call manager that all of it shares.

use crate::call::Sender;
use crate::error::Error;
use crate::ids::{ConnectionId, UserKey};
use crate::protocol::client::Signal;
use crate::push::Pusher;
use crate::store::Store;

/// How often a swap is tried. Only a store that answers nonsense gets that far.
pub(super) const MOST_SWAPS: usize = 200;

/// Carries out calls; cheap to clone.
#[derive(Clone, Debug)]
pub struct CallManager {
    pub(super) store: Store,
    pub(super) pusher: Pusher,
}

/// A signal, and where it came from.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// The frame.
    pub signal: &'a Signal<'a>,
    /// Its sender.
    pub from: Sender,
    /// Whether its connection has registered.
    pub registered: bool,
}

impl Incoming<'_> {
    /// The connection that it came on, its user, and whether the former has registered.
    pub(super) fn part(&self) -> (&ConnectionId, &UserKey, bool) {
        (&self.from.connection, &self.from.user, self.registered)
    }
}

impl CallManager {
    /// Carries out calls with this store, and tells of them through this pusher.
    pub(crate) fn new(store: Store, pusher: Pusher) -> Self {
        Self { store, pusher }
    }
}

/// Others change a call faster than it can be read.
pub(super) fn too_busy() -> Error {
    Error::Unavailable("a call changes too fast".into())
}
