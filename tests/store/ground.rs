//! The servers that all tests share, each started once: a single Valkey, and a cluster of three primaries.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gateway::valkey::{Options, Valkey};
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use tokio::runtime::Runtime;

const PRIMARIES: u16 = 3;
const SLOTS: u16 = 16_384;

/// How long the primaries may take to find each other.
const PATIENCE: Duration = Duration::from_secs(30);

/// Servers, how to reach them, and the threads that watch them. They end with this process.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) url: String,
    pub(crate) clustered: bool,
    servers: Vec<Valkey>,
    _runtime: Runtime,
}

impl Ground {
    /// Where the first server listens.
    pub(crate) fn port(&self) -> u16 {
        self.servers[0].port()
    }
}

/// One server.
pub(crate) fn single() -> &'static Ground {
    static SINGLE: OnceLock<Ground> = OnceLock::new();
    SINGLE.get_or_init(|| outside(|| ground(async { vec![start(&[]).await] }, false)))
}

/// Three primaries that share the slots.
pub(crate) fn cluster() -> &'static Ground {
    static CLUSTER: OnceLock<Ground> = OnceLock::new();
    CLUSTER.get_or_init(|| outside(|| ground(start_cluster(), true)))
}

fn ground(starting: impl Future<Output = Vec<Valkey>>, clustered: bool) -> Ground {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a thread for the servers");
    let servers = runtime.block_on(starting);
    Ground { url: servers[0].url(), clustered, servers, _runtime: runtime }
}

async fn start(settings: &[&str]) -> Valkey {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.local");
    let options = Options { tools: Some(tools), ..Options::default() };
    Valkey::start_with(options, settings).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn start_cluster() -> Vec<Valkey> {
    let primaries = join_all((0..PRIMARIES).map(|_| async {
        let state = state_file();
        // The default, 10,000 above the port, may not be a port at all.
        let bus = free_port().to_string();
        let settings = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-config-file", &state];
        (start(&settings).await, bus)
    }))
    .await;
    for (number, (primary, _)) in (0..).zip(&primaries) {
        let mut connection = connect(primary).await;
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

/// Waits until a primary knows who has which slot, and that all are well.
async fn wait_until_complete(connection: &mut MultiplexedConnection) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let info: String = ask(connection, "INFO", &[]).await;
        let ranges: Vec<redis::Value> = ask(connection, "SLOTS", &[]).await;
        if info.contains("cluster_state:ok") && ranges.len() == usize::from(PRIMARIES) {
            return;
        }
        assert!(Instant::now() < deadline, "the cluster is not complete: {info}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn connect(server: &Valkey) -> MultiplexedConnection {
    let client = redis::Client::open(server.url()).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("the server answers")
}

async fn ask<T: FromRedisValue>(connection: &mut MultiplexedConnection, what: &str, arguments: &[&str]) -> T {
    let mut command = redis::cmd("CLUSTER");
    command.arg(what).arg(arguments);
    command.query_async(connection).await.unwrap_or_else(|error| panic!("CLUSTER {what}: {error}"))
}

/// Where a primary keeps what it knows of the others.
fn state_file() -> String {
    let file: PathBuf =
        [env!("CARGO_TARGET_TMPDIR"), &format!("nodes-{}.conf", uuid::Uuid::now_v7())].iter().collect();
    file.display().to_string()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Runs this on a thread that is not part of any runtime, as blocking on one demands.
fn outside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
