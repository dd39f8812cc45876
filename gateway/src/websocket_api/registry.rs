//! The registry of open connections.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::connection::Connection;

#[derive(Debug, Default)]
pub(super) struct Registry {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By id.
    open: HashMap<String, Arc<Connection>>,
    closed: bool,
}

impl Registry {
    /// False once the registry is closed; the connection is then not registered.
    pub(super) fn register(&self, connection: &Arc<Connection>) -> bool {
        let mut state = self.write();
        if !state.closed {
            state.open.insert(connection.facts.connection_id.clone(), Arc::clone(connection));
        }
        !state.closed
    }

    pub(super) fn forget(&self, connection: &Connection) {
        self.write().open.remove(&connection.facts.connection_id);
    }

    pub(super) fn find(&self, connection_id: &str) -> Option<Arc<Connection>> {
        self.read().open.get(connection_id).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.read().open.len()
    }

    /// Takes no more connections and gives back those that are open.
    pub(super) fn close(&self) -> Vec<Arc<Connection>> {
        let mut state = self.write();
        state.closed = true;
        state.open.drain().map(|(_, connection)| connection).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
