//! Connections that are gone, and the calls that they took part in.

use futures_util::{StreamExt, stream};

use super::parts::CallManager;
use crate::call::Event;
use crate::ids::{ConnectionId, UserKey};
use crate::push::Deadline;
use crate::store::Pair;

/// How often connections may be found gone while others are told of it.
const MOST_ROUNDS: usize = 5;

/// How many connections, and calls of one, are dealt with at once.
const CONCURRENT: usize = 32;

impl CallManager {
    /// Forgets connections that are gone, and ends or suspends the calls that they took part in. Never fails: what is left
    /// expires.
    pub async fn forget(&self, gone: Vec<(UserKey, ConnectionId)>, deadline: Deadline) {
        let mut gone = gone;
        for _ in 0..MOST_ROUNDS {
            if gone.is_empty() {
                return;
            }
            let forgetting = stream::iter(gone).map(|(user, connection)| async move {
                let noted = self.store.forget(Some(&user), &connection).await.inspect_err(|error| {
                    tracing::warn!(%error, "a gone connection could not be forgotten");
                });
                self.lose(&connection, noted.unwrap_or_default(), deadline).await
            });
            gone = forgetting.buffer_unordered(CONCURRENT).flat_map(stream::iter).collect().await;
        }
    }

    /// A connection has left these calls: it closed, or speaks for another user.
    pub async fn leave(&self, connection: &ConnectionId, pairs: Vec<Pair>, deadline: Deadline) {
        let gone = self.lose(connection, pairs, deadline).await;
        self.forget(gone, deadline).await;
    }

    /// Returns the connections that were found gone.
    async fn lose(
        &self,
        connection: &ConnectionId,
        pairs: Vec<Pair>,
        deadline: Deadline,
    ) -> Vec<(UserKey, ConnectionId)> {
        let losing = stream::iter(pairs).map(|pair| async move {
            let event = Event::Lost(connection.clone());
            let lost = async {
                let opened = self.store.open_line(&pair, false).await?;
                self.happen(&pair, opened, event, None, deadline).await
            };
            match lost.await {
                Ok((outcome, _)) => outcome.gone,
                Err(error) => {
                    tracing::warn!(%error, "a lost connection is still in its call");
                    Vec::new()
                }
            }
        });
        losing.buffer_unordered(CONCURRENT).flat_map(stream::iter).collect().await
    }
}
