//! What operations take of a serverless cache and of the logs, as docs/deploy.md says in its table, in which money is
//! worked out.
//!
//! A command costs one processing unit, or one for each kilobyte that it reads or writes. A script is billed by its time;
//! here each command that it runs counts as if it were sent alone, and itself as one, which is no less.

use std::collections::BTreeMap;
use std::fs;

use hyper::Method;
use redis::{Value, from_redis_value};
use serde_json::json;
use support::StoreKind::Single;
use support::{App, TestStore, User, Watch, root, wait_until};

/// How far a number may lie below what the document says before the document is out of date.
const TRUE_ENOUGH: f64 = 0.6;

struct Lab {
    app: App,
    store: TestStore,
}

/// What an operation took.
#[derive(Debug)]
struct Taken {
    units: f64,
    log_bytes: f64,
}

impl Lab {
    async fn start() -> Self {
        let store = TestStore::start(Single).await;
        let app = App::builder().guarded().on_store(&store);
        let limits = [("MessagesPerSecond", "5"), ("RegistersPerMinute", "30"), ("FramesPerSecond", "20")];
        let app = limits.iter().fold(app, |app, (name, value)| app.parameter(name, value)).start().await;
        Self { app, store }
    }

    /// Commands that the server has run so far, in scripts too, and kilobytes that it has read and written.
    async fn units(&self) -> f64 {
        let mut connection = self.store.connect().await;
        let mut info = async |section: &str| -> String {
            let told: Value =
                redis::cmd("INFO").arg(section).query_async(&mut connection).await.expect("told");
            from_redis_value(told).expect("a text")
        };
        let calls = info("commandstats").await;
        let calls = calls
            .lines()
            .filter(|line| !line.starts_with("cmdstat_info"))
            .filter_map(|line| line.split_once("calls=")?.1.split(',').next()?.parse::<f64>().ok());
        calls.sum()
    }

    async fn idle(&self) {
        let lambda = self.app.gateway().lambda();
        let functions = || self.app.gateway().project().functions.keys();
        wait_until("the end of the functions' work", async || functions().all(|one| lambda.busy(one) == 0))
            .await;
    }

    async fn measure<T>(&self, lines: &Watch, operation: impl Future<Output = T>) -> (T, Taken) {
        self.idle().await;
        let (units, logged) = (self.units().await, lines.lines().len());
        let outcome = operation.await;
        wait_until("its line", async || lines.lines().len() > logged).await;
        self.idle().await;
        // Asking takes a login, which is no command of the functions'.
        let units = self.units().await - units - self.asking().await;
        assert_eq!(
            lines.lines().len(),
            logged + 1,
            "an invocation is one line: {:#?}",
            &lines.lines()[logged..]
        );
        let log_bytes = lines.lines()[logged..].iter().map(|line| line.len() as f64).sum();
        (outcome, Taken { units, log_bytes })
    }

    /// What asking takes itself.
    async fn asking(&self) -> f64 {
        let before = self.units().await;
        self.units().await - before
    }
}

/// The rows of the document's table: units, and bytes of the function's line, by operation.
fn documented() -> BTreeMap<String, (f64, f64)> {
    let document = fs::read_to_string(root().join("docs/deploy.md")).expect("docs/deploy.md");
    let table = document.lines().skip_while(|line| !line.starts_with("| Operation | units |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let number = |cell: &str| cell.parse().unwrap_or_else(|_| panic!("{cell} is no number: {line}"));
        (cells[0].to_owned(), (number(cells[1]), number(cells[2])))
    });
    rows.collect()
}

#[tokio::test]
async fn operations_take_what_the_document_says() {
    let lab = Lab::start().await;
    let (alice, bob) = (lab.app.user("alice"), lab.app.user("bob"));
    let (of_alice, of_bob) = (alice.watch(), bob.watch());
    let mut devices = Vec::new();
    for user in [&alice, &bob] {
        for _ in 0..2 {
            devices.push(user.connect().await);
        }
    }
    let ask = async |user: &User, method: Method, path: &str, body| {
        let reply = lab.app.sign_in(user).send(method, path, body).await;
        assert!(reply.status < 300, "{}", reply.text());
        reply
    };
    let draft = |turn: usize| {
        let content = "x".repeat(100);
        json!({ "receiver_id": bob.key, "content": content, "client_id": format!("send-{turn}") })
    };
    let mut taken = BTreeMap::new();
    // The first time goes to functions that start and scripts that are learned.
    for turn in 0..2 {
        let (sent, send) =
            lab.measure(&of_alice, ask(&alice, Method::POST, "/messages", Some(draft(turn)))).await;
        let id = sent.data()["id"].as_str().expect("an id").to_owned();
        let path = format!("/messages/{id}");
        let edit = ask(&alice, Method::PUT, &path, Some(json!({ "content": "bye" })));
        let (_, edit) = lab.measure(&of_alice, edit).await;
        let mark = format!("/conversations/{}/read", alice.key);
        let mark = ask(&bob, Method::PUT, &mark, Some(json!({ "message_id": id })));
        let (_, mark) = lab.measure(&of_bob, mark).await;
        let (_, list) = lab.measure(&of_bob, ask(&bob, Method::GET, "/messages?limit=50", None)).await;
        let (_, conversations) = lab.measure(&of_bob, ask(&bob, Method::GET, "/conversations", None)).await;
        let (_, events) = lab.measure(&of_bob, ask(&bob, Method::GET, "/events?since=0-0", None)).await;
        let (_, delete) = lab.measure(&of_alice, ask(&alice, Method::DELETE, &path, None)).await;
        let (_, ticket) = lab.measure(&of_bob, ask(&bob, Method::POST, "/tickets", None)).await;
        let typing = devices[0].send(json!({ "type": "typing", "target": bob.key }));
        let (_, typing) = lab.measure(&of_alice, typing).await;
        taken = BTreeMap::from([
            ("send", send),
            ("edit", edit),
            ("delete", delete),
            ("mark as read", mark),
            ("list of messages", list),
            ("list of conversations", conversations),
            ("events since", events),
            ("ticket", ticket),
            ("typing", typing),
        ]);
    }
    let documented = documented();
    assert_eq!(taken.len(), documented.len(), "{documented:?}");
    let holds = |found: f64, said: f64| found <= said && found >= said * TRUE_ENOUGH;
    let wrong = taken.iter().filter(|(operation, taken)| {
        let (units, log_bytes) = documented.get(**operation).copied().unwrap_or_default();
        !holds(taken.units, units) || !holds(taken.log_bytes, log_bytes)
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "docs/deploy.md says {documented:#?}, but it is {wrong:#?}");
}
