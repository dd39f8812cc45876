//! One node's connection, as the cluster client uses it.

use std::io;
use std::time::Duration;

use futures_util::FutureExt;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::Connect;
use redis::{Arg, AsyncConnectionConfig, Cmd, IntoConnectionInfo, Pipeline, RedisError, RedisFuture, Value};

/// How long a node may take to connect, and then to say that it is there or which slots are where. The cluster client
/// lets every request wait while it asks one node after another.
pub(super) const NODE_TIMEOUT: Duration = Duration::from_millis(500);

/// The commands that the cluster client sends by itself.
const OWN_COMMANDS: [&[u8]; 2] = [b"CLUSTER", b"PING"];

/// A connection whose answers to the cluster client's own commands do not keep others waiting for long.
#[derive(Clone, Debug)]
pub(super) struct Node(MultiplexedConnection);

impl ConnectionLike for Node {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let own =
            matches!(command.args_iter().next(), Some(Arg::Simple(name)) if OWN_COMMANDS.contains(&name));
        let answer = self.0.req_packed_command(command);
        if !own {
            return answer;
        }
        let answer = async move {
            let late = |_| Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut)));
            tokio::time::timeout(NODE_TIMEOUT, answer).await.unwrap_or_else(late)
        };
        answer.boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.0.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

impl Connect for Node {
    fn connect_with_config<'a, T>(info: T, config: AsyncConnectionConfig) -> RedisFuture<'a, Self>
    where
        T: IntoConnectionInfo + Send + 'a,
    {
        MultiplexedConnection::connect_with_config(info, config).map(|connected| connected.map(Self)).boxed()
    }
}
