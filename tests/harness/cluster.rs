//! A cluster of three primaries that share the slots.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gateway::valkey::Valkey;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Value};

use crate::log_file;
use crate::servers::{connect, valkey};

const PRIMARIES: u16 = 3;
const SLOTS: u16 = 16_384;

/// How long the primaries may take to find each other.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the primaries, prepares each, and awaits that they have found each other.
pub(crate) async fn start(mut prepare: impl AsyncFnMut(&mut MultiplexedConnection, &Valkey)) -> Vec<Valkey> {
    let primaries = join_all((0..PRIMARIES).map(|_| async {
        let state = state_file();
        // The default, 10,000 above the port, may not be a port at all.
        let bus = free_port().to_string();
        let settings = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-config-file", &state];
        (valkey(None, &settings).await, bus)
    }))
    .await;
    for (number, (primary, _)) in (0..).zip(&primaries) {
        let mut connection = connect(primary).await;
        prepare(&mut connection, primary).await;
        let (first, last) = (SLOTS / PRIMARIES * number, SLOTS / PRIMARIES * (number + 1) - 1);
        let last = if number + 1 == PRIMARIES { SLOTS - 1 } else { last };
        let _: () = ask(&mut connection, "ADDSLOTSRANGE", &[&first.to_string(), &last.to_string()]).await;
        let _: () = ask(&mut connection, "SET-CONFIG-EPOCH", &[&(number + 1).to_string()]).await;
    }
    let mut first = connect(&primaries[0].0).await;
    for (primary, bus) in &primaries[1..] {
        let _: () = ask(&mut first, "MEET", &["127.0.0.1", &primary.port().to_string(), bus]).await;
    }
    for (primary, _) in &primaries {
        wait_until_complete(&mut connect(primary).await).await;
    }
    primaries.into_iter().map(|(primary, _)| primary).collect()
}

/// Lets clients know a node by name and by this port only.
pub(crate) async fn announce(connection: &mut MultiplexedConnection, port: u16) {
    let mut command = redis::cmd("CONFIG");
    command.arg("SET").arg("cluster-announce-port").arg(port);
    command.arg("cluster-announce-hostname").arg("localhost");
    command.arg("cluster-preferred-endpoint-type").arg("hostname");
    let _: () = command.query_async(connection).await.unwrap_or_else(|error| panic!("CONFIG SET: {error}"));
}

/// Waits until a primary knows who has which slot and how to reach them, and that all are well.
async fn wait_until_complete(connection: &mut MultiplexedConnection) {
    let deadline = Instant::now() + PATIENCE;
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
    let mut command = redis::cmd("CLUSTER");
    command.arg(what).arg(arguments);
    command.query_async(connection).await.unwrap_or_else(|error| panic!("CLUSTER {what}: {error}"))
}

/// Where a primary keeps what it knows of the others: beside the test's executable, too.
fn state_file() -> String {
    let name = format!("nodes-{}.conf", uuid::Uuid::now_v7());
    log_file().with_file_name(name).display().to_string()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}
