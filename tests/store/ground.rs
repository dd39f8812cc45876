//! The servers that all tests share, each kind started once. They end with this process.

use std::sync::OnceLock;

use harness::outside;
use harness::servers::Servers;
use tokio::runtime::Runtime;

/// One server.
pub(crate) fn single() -> &'static Servers {
    static SINGLE: OnceLock<Servers> = OnceLock::new();
    SINGLE.get_or_init(|| outside(|| runtime().block_on(Servers::single())))
}

/// A cluster.
pub(crate) fn cluster() -> &'static Servers {
    static CLUSTER: OnceLock<Servers> = OnceLock::new();
    CLUSTER.get_or_init(|| outside(|| runtime().block_on(Servers::cluster())))
}

/// A cluster like the one that a deployment creates.
pub(crate) fn secure() -> &'static Servers {
    static SECURE: OnceLock<Servers> = OnceLock::new();
    SECURE.get_or_init(|| outside(|| runtime().block_on(Servers::secure(runtime().handle()))))
}

/// The thread that serves them and watches them.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread for the servers")
    })
}
