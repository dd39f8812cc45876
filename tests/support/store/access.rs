//! Users and their rights on a store like the one that a deployment creates.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use redis::RedisResult;
use redis::aio::MultiplexedConnection;

use crate::environment::root;

/// The commands that ElastiCache Serverless forbids every user:
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/SupportedCommands.html>. `CLIENT SETINFO` is neither
/// among these there nor among the supported ones; `DEBUG`, which is, servers refuse before they check rights.
pub const RESTRICTED: &str = "\
    acl|deluser acl|load acl|log acl|save acl|setuser \
    bgrewriteaof bgsave \
    client|caching client|getredir client|id client|info client|kill client|list client|no-evict client|pause \
    client|setinfo client|tracking client|trackinginfo client|unblock client|unpause \
    cluster|addslots cluster|addslotsrange cluster|bumpepoch cluster|count-failure-reports cluster|delslots \
    cluster|delslotsrange cluster|failover cluster|flushslots cluster|forget cluster|links cluster|meet \
    cluster|setslot \
    commandlog|get commandlog|help commandlog|len commandlog|reset \
    config|get config|help config|resetstat config|rewrite config|set \
    fcall fcall_ro \
    function|delete function|dump function|flush function|help function|kill function|list function|load \
    function|restore function|stats \
    keys lastsave \
    latency|doctor latency|graph latency|help latency|histogram latency|history latency|latest latency|reset \
    memory|doctor memory|help memory|malloc-stats memory|purge memory|stats memory|usage \
    migrate monitor move \
    object|encoding object|freq object|help object|idletime object|refcount \
    pfdebug pfselftest psubscribe psync pubsub|numpat punsubscribe replicaof save script|kill shutdown slaveof \
    slowlog|get slowlog|help slowlog|len slowlog|reset \
    swapdb sync wait";

/// A user and their password.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login {
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
}

/// The login of functions.
pub(crate) const FUNCTIONS: Login = Login { user: "functions", password: "p@ss/word" };

/// The login of tests that ask the servers themselves.
pub(crate) const ADMIN: Login = Login { user: "admin", password: "admin" };

impl Login {
    /// The part of a URL before the host.
    pub(crate) fn in_url(self) -> String {
        format!("{}:{}@", self.user, utf8_percent_encode(self.password, NON_ALPHANUMERIC))
    }
}

/// Closes a server to all but these two users, and gives functions the rights that the template gives them, but for
/// the restricted commands.
pub(crate) async fn restrict(connection: &mut MultiplexedConnection) {
    let template = std::fs::read_to_string(root().join("template.yaml")).expect("the template");
    let access = template.lines().find_map(|line| line.trim().strip_prefix("AccessString: "));
    let access: Vec<_> = access.expect("the rights of the functions' user").split(' ').collect();
    set_user(connection, FUNCTIONS, &access).await.unwrap_or_else(|error| panic!("{access:?}: {error}"));
    for command in RESTRICTED.split(' ') {
        // An older server may not know it.
        let _ = set_user(connection, FUNCTIONS, &[&format!("-{command}")]).await;
    }
    set_user(connection, ADMIN, &["on", "~*", "&*", "+@all"]).await.expect("rights there are");
    let mut command = redis::cmd("ACL");
    command.arg(&["SETUSER", "default", "off"]);
    command.query_async::<()>(connection).await.expect("a user there is");
}

async fn set_user(connection: &mut MultiplexedConnection, login: Login, rules: &[&str]) -> RedisResult<()> {
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg(login.user).arg(format!(">{}", login.password)).arg(rules);
    command.query_async(connection).await
}
