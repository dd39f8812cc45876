//! A cluster of three primaries that share the slots.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gateway::valkey::Valkey;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisResult, Value};

use super::{connect, try_valkey};
use crate::log::log_file;
use crate::wait_until;

const PRIMARIES: u16 = 3;
const SLOTS: u16 = 16_384;

/// How long the primaries may take to find each other.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Starts the primaries, prepares each, and awaits that they have found each other.
pub(crate) async fn start(mut prepare: impl AsyncFnMut(&mut MultiplexedConnection, &Valkey)) -> Vec<Valkey> {
    let primaries = join_all((0..PRIMARIES).map(|_| start_one(None))).await;
    for (number, (primary, _)) in (0..).zip(&primaries) {
        let mut connection = connect(primary, None).await;
        prepare(&mut connection, primary).await;
        let (first, last) = (SLOTS / PRIMARIES * number, SLOTS / PRIMARIES * (number + 1) - 1);
        let last = if number + 1 == PRIMARIES { SLOTS - 1 } else { last };
        let _: () = ask(&mut connection, "ADDSLOTSRANGE", &[&first.to_string(), &last.to_string()]).await;
        let _: () = ask(&mut connection, "SET-CONFIG-EPOCH", &[&(number + 1).to_string()]).await;
    }
    let mut first = connect(&primaries[0].0, None).await;
    for (primary, bus) in &primaries[1..] {
        let _: () = ask(&mut first, "MEET", &["127.0.0.1", &primary.port().to_string(), bus]).await;
    }
    for (primary, _) in &primaries {
        wait_until_complete(&mut connect(primary, None).await).await;
    }
    primaries.into_iter().map(|(primary, _)| primary).collect()
}

/// The same without preparation, and with a replica for each primary, in their order, after them. Replicas keep files in
/// this folder.
pub(crate) async fn start_replicated(timeout: Duration, folder: &Path) -> Vec<Valkey> {
    let mut nodes = start(async |_, _| ()).await;
    for number in 0..usize::from(PRIMARIES) {
        let (replica, bus) = start_one(Some(folder)).await;
        let mut first = connect(&nodes[0], None).await;
        let _: () = ask(&mut first, "MEET", &["127.0.0.1", &replica.port().to_string(), &bus]).await;
        let id: String = ask(&mut connect(&nodes[number], None).await, "MYID", &[]).await;
        let mut connection = connect(&replica, None).await;
        wait_until("the replica to know its primary", async || {
            let known: String = ask(&mut connection.clone(), "NODES", &[]).await;
            known.lines().any(|line| line.starts_with(&id) && line.contains("connected"))
        })
        .await;
        let _: () = ask(&mut connection, "REPLICATE", &[&id]).await;
        wait_until("the replica to hold what its primary does", async || {
            let mut connection = connection.clone();
            let told: String =
                redis::cmd("INFO").query_async(&mut connection).await.expect("the node answers");
            told.contains("master_link_status:up")
        })
        .await;
        nodes.push(replica);
    }
    for node in &nodes {
        let mut connection = connect(node, None).await;
        let mut config = redis::cmd("CONFIG");
        config.arg(&["SET", "cluster-node-timeout", &timeout.as_millis().to_string()]);
        let _: () = config.query_async(&mut connection).await.expect("a setting there is");
        wait_until("every node to know of all replicas", async || {
            let ranges: Vec<(u16, u16, Value, Value)> =
                match try_ask(&mut connection.clone(), "SLOTS", &[]).await {
                    Ok(ranges) => ranges,
                    Err(_) => return false,
                };
            ranges.len() == usize::from(PRIMARIES)
        })
        .await;
    }
    nodes
}

/// Starts a server that is in no cluster yet; also returns the port on which other nodes reach it.
async fn start_one(folder: Option<&Path>) -> (Valkey, String) {
    let mut last = None;
    for _ in 0..5 {
        let state = state_file();
        // The default, 10,000 above the port, may not be a port at all. Another process may take this one before the
        // server listens on it.
        let bus = free_port().to_string();
        let mut settings =
            vec!["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-config-file", &state];
        let files = folder.map(|folder| (folder.display().to_string(), format!("{bus}.rdb")));
        if let Some((folder, file)) = &files {
            settings.extend(["--dir", folder, "--dbfilename", file]);
        }
        match try_valkey(None, &settings).await {
            Ok(server) => return (server, bus),
            Err(error) => last = Some(error),
        }
    }
    panic!("{}", last.expect("it was tried"))
}

/// Announces a node to clients by name and by this port only.
pub(crate) async fn announce(connection: &mut MultiplexedConnection, port: u16) {
    let mut command = redis::cmd("CONFIG");
    command.arg("SET").arg("cluster-announce-port").arg(port);
    command.arg("cluster-announce-hostname").arg("localhost");
    command.arg("cluster-preferred-endpoint-type").arg("hostname");
    let _: () = command.query_async(connection).await.unwrap_or_else(|error| panic!("CONFIG SET: {error}"));
}

/// Waits until a primary knows each slot's node and its address, and finds the cluster in order.
async fn wait_until_complete(connection: &mut MultiplexedConnection) {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let info: String = ask(connection, "INFO", &[]).await;
        let ranges: Vec<(u16, u16, Vec<Value>)> = ask(connection, "SLOTS", &[]).await;
        // A node whose name is not known yet is called `?`.
        let named =
            |(_, _, node): &(u16, u16, Vec<Value>)| node.first() != Some(&Value::BulkString(b"?".into()));
        if info.contains("cluster_state:ok")
            && ranges.len() == usize::from(PRIMARIES)
            && ranges.iter().all(named)
        {
            return;
        }
        assert!(Instant::now() < deadline, "the cluster is not complete: {info}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ask<T: FromRedisValue>(connection: &mut MultiplexedConnection, what: &str, arguments: &[&str]) -> T {
    try_ask(connection, what, arguments).await.unwrap_or_else(|error| panic!("CLUSTER {what}: {error}"))
}

async fn try_ask<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    what: &str,
    arguments: &[&str],
) -> RedisResult<T> {
    let mut command = redis::cmd("CLUSTER");
    command.arg(what).arg(arguments);
    command.query_async(connection).await
}

/// Where a primary keeps what it knows of the others: beside the test's executable, as its log.
fn state_file() -> String {
    let name = format!("nodes-{}.conf", uuid::Uuid::now_v7());
    log_file().with_file_name(name).display().to_string()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound port").port()
}
