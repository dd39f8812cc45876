//! A cluster that changes under load: a failover, a node that is killed for good, slots that move.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use support::store::tell;
use support::{App, Clock, TestStore, User, wait_until};

/// After this a replica takes over from a primary that is away.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

/// The same in a cluster whose nodes all stay, so long that none seems to be away on a busy machine.
const CALM_NODE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a replica may take to take over: two nodes must miss the primary, and elect the replica.
const FAILOVER: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_failover_that_was_asked_for_costs_no_request() {
    let store = TestStore::start_replicated_cluster(CALM_NODE_TIMEOUT).await;
    let app = App::builder().on_store(&store).start().await;
    let load = Load::new(&app);
    let changing = async {
        for replica in [3, 4, 5] {
            load.go_on(100).await;
            store.tell_node(replica, "CLUSTER FAILOVER").await;
            wait_until("the replica to be the primary", async || is_primary(&store, replica).await).await;
        }
        load.go_on(100).await;
    };
    load.run_during(changing).await;
    load.print("three failovers");
    assert_eq!(load.refused.get(), 0);
    load.assert_kept().await;
}

#[tokio::test]
async fn a_named_node_killed_for_good_costs_requests_until_its_replica_takes_over() {
    let store = TestStore::start_replicated_cluster(NODE_TIMEOUT).await;
    // The functions know of no other node.
    let app = App::builder().on_store(&store).start().await;
    let load = Load::new(&app);
    let changing = async {
        load.go_on(100).await;
        store.kill_node(0).await;
        let started = Instant::now();
        wait_until("the replica to be the primary", async || is_primary(&store, 3).await).await;
        let took = started.elapsed();
        assert!(took < FAILOVER, "it took {took:?}");
        // The other primaries may be told a little later, and an instance that had nothing to do, with its next request.
        wait_until("200 requests that are not refused", async || {
            let refused = load.refused.get();
            load.go_on(200).await;
            load.refused.get() == refused
        })
        .await;
        took
    };
    let took = load.run_during(changing).await;
    load.print(&format!("a named node killed for good, whose replica took {took:?}"));
    assert!(load.refused.get() < load.total.get() / 2);
    for function in ["CreateMessage", "GetMessage"] {
        assert_eq!(app.ended(function), Some(0), "{function}");
    }

    // Functions that start from now on need another name.
    let ports = store.node_ports();
    let url = format!("redis://127.0.0.1:{},127.0.0.1:{}", ports[0], ports[1]);
    let fresh = App::builder().at(url, None).start().await;
    let (alice, bob) = (fresh.user("alice"), fresh.user("bob"));
    let message = alice.post_message(&bob, "hello").await;
    assert_eq!(bob.list_messages().await, [message]);
}

#[tokio::test]
async fn a_function_that_was_idle_while_its_named_node_went_reaches_the_others() {
    let Some(clock) = Clock::start() else { return };
    let store = TestStore::start_replicated_cluster(NODE_TIMEOUT).await;
    let app = App::builder().on_store(&store).clock(&clock).one_instance().start().await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let message = alice.post_message(&bob, "before").await;
    assert_eq!(bob.read_message(&message).await.json(), message);
    assert_eq!(bob.list_messages().await, std::slice::from_ref(&message));
    store.kill_node(0).await;
    wait_until("the replica to be the primary", async || is_primary(&store, 3).await).await;
    wait_until("the cluster to be in order", async || {
        let told = store.tell_node(1, "CLUSTER INFO").await;
        redis::from_redis_value::<String>(told).is_ok_and(|told| told.contains("cluster_state:ok"))
    })
    .await;
    // They check before they trust what they have, and open everything anew.
    clock.advance(Duration::from_secs(60));
    assert_eq!(bob.read_message(&message).await.json(), message);
    let again = alice.post_message(&bob, "after").await;
    assert_eq!(bob.list_messages().await, [message, again]);
}

#[tokio::test]
async fn slots_that_move_cost_no_request() {
    let store = TestStore::start_replicated_cluster(CALM_NODE_TIMEOUT).await;
    let app = App::builder().on_store(&store).start().await;
    let load = Load::new(&app);
    let changing = async {
        load.go_on(100).await;
        let moved = move_slots(&store, 0, 1).await + move_slots(&store, 1, 2).await;
        load.go_on(100).await;
        moved
    };
    let moved = load.run_during(changing).await;
    load.print(&format!("{moved} slots moved"));
    assert!(moved > 10);
    assert_eq!(load.refused.get(), 0);
    load.assert_kept().await;
}

/// Messages of several conversations that are sent and read until told otherwise.
struct Load {
    pairs: Vec<(User, User)>,
    over: Cell<bool>,
    total: Cell<usize>,
    refused: Cell<usize>,
    /// Which pair sent what.
    acknowledged: RefCell<Vec<(usize, String)>>,
}

impl Load {
    fn new(app: &App) -> Self {
        Self {
            pairs: (0..6).map(|_| (app.user("alice"), app.user("bob"))).collect(),
            over: Cell::default(),
            total: Cell::default(),
            refused: Cell::default(),
            acknowledged: RefCell::default(),
        }
    }

    async fn run_during<T>(&self, changing: impl Future<Output = T>) -> T {
        let changing = async {
            let outcome = changing.await;
            self.over.set(true);
            outcome
        };
        let sending = join_all((0..self.pairs.len()).map(|pair| self.send(pair)));
        join(changing, sending).await.0
    }

    async fn send(&self, pair: usize) {
        let (alice, bob) = &self.pairs[pair];
        let mut number = 0;
        while !self.over.get() {
            number += 1;
            let content = number.to_string();
            let reply = alice.try_post_message(bob, &content).await;
            self.total.set(self.total.get() + 1);
            if reply.status != 201 {
                reply.assert_unavailable();
                self.refused.set(self.refused.get() + 1);
                continue;
            }
            self.acknowledged.borrow_mut().push((pair, content));
            let read = bob.read_message(&reply.data()).await;
            self.total.set(self.total.get() + 1);
            match read.status {
                // A replica that took over may not have got it.
                200 | 404 => {}
                _ => {
                    read.assert_unavailable();
                    self.refused.set(self.refused.get() + 1);
                }
            }
        }
    }

    /// Awaits so many more requests.
    async fn go_on(&self, requests: usize) {
        let so_far = self.total.get();
        wait_until("the load", async || self.total.get() >= so_far + requests).await;
    }

    fn print(&self, what: &str) {
        println!("{what}: {} of {} requests were refused", self.refused.get(), self.total.get());
    }

    /// Whatever was acknowledged is in both users' lists, once.
    async fn assert_kept(&self) {
        for (pair, (alice, bob)) in self.pairs.iter().enumerate() {
            let sent: Vec<_> =
                self.acknowledged.borrow().iter().filter(|(of, _)| *of == pair).cloned().collect();
            for user in [alice, bob] {
                // On a slow machine the cluster changes for longer than a page of messages takes to send.
                let listed = user.list_every_message().await;
                let mut times = HashMap::new();
                for message in &listed {
                    *times.entry(message["content"].as_str().expect("text")).or_insert(0) += 1;
                }
                for (_, content) in &sent {
                    assert_eq!(times.get(content.as_str()), Some(&1), "{content} of pair {pair}");
                }
            }
        }
    }
}

async fn is_primary(store: &TestStore, node: usize) -> bool {
    let redis::Value::Array(role) = store.tell_node(node, "ROLE").await else { return false };
    role.first() == Some(&redis::Value::BulkString(b"master".into()))
}

/// Moves every slot that holds keys from one primary to another, and returns how many; keys move one by one.
async fn move_slots(store: &TestStore, from: usize, to: usize) -> usize {
    let (source, target) = (store.connect_to_node(from).await, store.connect_to_node(to).await);
    let port = store.node_ports()[to];
    let [source_id, target_id]: [String; 2] =
        [tell(&source, "CLUSTER MYID").await, tell(&target, "CLUSTER MYID").await];
    let mut moved = 0;
    let ranges: Vec<(u16, u16, redis::Value, redis::Value)> = tell(&source, "CLUSTER SLOTS").await;
    for slot in ranges.iter().flat_map(|(first, last, ..)| *first..=*last) {
        let keys: usize = tell(&source, &format!("CLUSTER COUNTKEYSINSLOT {slot}")).await;
        if keys == 0 {
            continue;
        }
        let _: () = tell(&target, &format!("CLUSTER SETSLOT {slot} IMPORTING {source_id}")).await;
        let _: () = tell(&source, &format!("CLUSTER SETSLOT {slot} MIGRATING {target_id}")).await;
        loop {
            let keys: Vec<String> = tell(&source, &format!("CLUSTER GETKEYSINSLOT {slot} 1")).await;
            let Some(key) = keys.first() else { break };
            let _: redis::Value = tell(&source, &format!("MIGRATE 127.0.0.1 {port} {key} 0 5000")).await;
        }
        for node in [&target, &source] {
            let _: () = tell(node, &format!("CLUSTER SETSLOT {slot} NODE {target_id}")).await;
        }
        moved += 1;
    }
    moved
}
