//! What round trips take while functions are measured: a bare one to the store, what the store itself takes for each
//! command, and one to the management API.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use redis::aio::MultiplexedConnection;
use support::TestStore;
use support::proxy::Wave;

/// So many of each, every time.
const TIMES: usize = 50;

/// The round trips, in milliseconds.
pub(crate) struct Trips {
    store: MultiplexedConnection,
    http: Client<HttpConnector, Full<Bytes>>,
    /// Of the management API, for a connection that there is none of.
    url: String,
    pings: Vec<f64>,
    pushes: Vec<f64>,
    /// The time of the store's own, by command.
    commands: BTreeMap<String, f64>,
}

impl Trips {
    pub(crate) async fn start(store: &TestStore, gateway: u16) -> Self {
        let mut store = store.connect().await;
        redis::cmd("CONFIG").arg("RESETSTAT").exec_async(&mut store).await.unwrap();
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new()).build(tcp);
        let url = format!("http://localhost:{gateway}/@connections/bm9uZQ%3D%3D");
        let (pings, pushes, commands) = Default::default();
        Self { store, http, url, pings, pushes, commands }
    }

    /// Takes the time of some of them, now.
    pub(crate) async fn measure(&mut self) {
        for _ in 0..TIMES {
            let started = Instant::now();
            redis::cmd("PING").exec_async(&mut self.store).await.unwrap();
            self.pings.push(started.elapsed().as_secs_f64() * 1e3);
            let started = Instant::now();
            let push = Request::post(&self.url).body(Full::from("{}")).unwrap();
            self.http.request(push).await.unwrap().into_body().collect().await.unwrap();
            self.pushes.push(started.elapsed().as_secs_f64() * 1e3);
        }
        let told: String = redis::cmd("INFO").arg("commandstats").query_async(&mut self.store).await.unwrap();
        for line in told.lines() {
            // cmdstat_get:calls=3,usec=12,usec_per_call=4.00,…
            let Some((name, told)) = line.strip_prefix("cmdstat_").and_then(|line| line.split_once(':'))
            else {
                continue;
            };
            let time = told.split(',').find_map(|part| part.strip_prefix("usec_per_call="));
            self.commands.insert(name.to_uppercase(), time.unwrap().parse::<f64>().unwrap() / 1e3);
        }
    }

    /// What these waves take at least, one after the other, and a wave of pushes, where there is one.
    pub(crate) fn least(&self, waves: &[Wave], pushes: bool) -> f64 {
        let commands = waves.iter().flatten().filter_map(|command| self.commands.get(command));
        let store = waves.len() as f64 * median(&self.pings) + commands.sum::<f64>();
        store + if pushes { median(&self.pushes) } else { 0.0 }
    }
}

impl fmt::Display for Trips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ping, push) = (median(&self.pings), median(&self.pushes));
        write!(f, "a bare round trip: {ping:.3} ms to the store, {push:.3} ms to the management API")
    }
}

pub(crate) fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
