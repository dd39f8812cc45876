//! A store that is there and refuses: clean failures while it does, and none after that.

use futures_util::future::join;
use redis::Value;
use redis::aio::MultiplexedConnection;
use rstest::rstest;
use serde_json::json;
use support::store::Version::{self, Redis6, Redis7, Valkey};
use support::store::tell;
use support::{App, Reply, TestStore, read_log, wait_until};

/// Lets servers refuse; the second undoes it.
type Commands = (&'static [&'static str], &'static [&'static str]);

/// Only the link to a primary that is not there, so what it holds is old.
const MASTERDOWN: Commands =
    (&["CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 1"], &["REPLICAOF NO ONE"]);
const NOREPLICAS: Commands =
    (&["CONFIG SET min-replicas-to-write 1"], &["CONFIG SET min-replicas-to-write 0"]);
/// For whoever connects again.
const NOAUTH: Commands =
    (&["ACL SETUSER default >other", "CLIENT KILL TYPE normal"], &["ACL SETUSER default nopass"]);
const WRONGPASS: Commands = (
    &["ACL SETUSER functions <password >other", "CLIENT KILL TYPE normal"],
    &["ACL SETUSER functions >password"],
);
const MAXCLIENTS: Commands =
    (&["CONFIG SET maxclients 1", "CLIENT KILL TYPE normal"], &["CONFIG SET maxclients 100"]);
const READONLY: Commands = (&["REPLICAOF 127.0.0.1 1"], &["REPLICAOF NO ONE"]);

#[rstest]
#[case::masterdown(MASTERDOWN)]
#[case::noreplicas(NOREPLICAS)]
#[case::wrongpass(WRONGPASS)]
#[case::too_many_clients(MAXCLIENTS)]
#[case::readonly(READONLY)]
#[tokio::test]
async fn a_store_that_refuses_costs_a_503_until_it_does_not(
    #[case] (refuse, relent): Commands,
    #[values(Valkey, Redis7, Redis6)] version: Version,
) {
    let Some(store) = TestStore::start_version(version, &[]).await else { return };
    if version == Redis6 && refuse == NOREPLICAS.0 {
        // It lets scripts write all the same.
        return;
    }
    let scene = Scene::start(store).await;
    for _ in 0..2 {
        scene.tell(refuse).await;
        scene.assert_unavailable().await;
        scene.tell(relent).await;
        scene.assert_available().await;
    }
}

#[rstest]
#[tokio::test]
async fn a_store_that_asks_for_a_login_costs_a_503(#[values(Valkey, Redis7, Redis6)] version: Version) {
    let Some(store) = TestStore::start_version(version, &[]).await else { return };
    let url = store.url().to_owned();
    let scene = Scene::start_at(store, &url).await;
    scene.tell(NOAUTH.0).await;
    scene.assert_unavailable().await;
    scene.tell(NOAUTH.1).await;
    scene.assert_available().await;
}

#[rstest]
#[tokio::test]
async fn a_store_that_is_busy_with_a_script_costs_a_503(#[values(Valkey, Redis7, Redis6)] version: Version) {
    let Some(store) = TestStore::start_version(version, &["--lua-time-limit", "1"]).await else { return };
    let scene = Scene::start(store).await;
    let mut busy = scene.store.connect().await;
    let script = async {
        let ended = redis::cmd("EVAL").arg("while true do end").arg(0).query_async::<()>(&mut busy).await;
        ended.expect_err("it was killed");
    };
    let meanwhile = async {
        wait_until("the script", async || scene.refuses_with("BUSY").await).await;
        scene.assert_unavailable().await;
        scene.tell(&["SCRIPT KILL"]).await;
    };
    join(script, meanwhile).await;
    scene.assert_available().await;
}

#[rstest]
#[tokio::test]
async fn a_store_that_cannot_save_costs_a_503(#[values(Valkey, Redis7, Redis6)] version: Version) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let settings = ["--dir", &path];
    let Some(store) = TestStore::start_version(version, &settings).await else { return };
    let scene = Scene::start(store).await;
    let set_saves = async |saves: &str| {
        let mut save = redis::cmd("CONFIG");
        save.arg(&["SET", "save", saves]);
        save.query_async::<()>(&mut scene.admin.clone()).await.expect("a setting there is");
    };
    set_saves("3600 1").await;
    folder.close().expect("a folder that can go");
    scene.store.tell("BGSAVE").await;
    wait_until("the save to fail", async || scene.store.info("rdb_last_bgsave_status").await == "err").await;
    scene.assert_unavailable().await;
    // With nothing to save it also ends when it is told to.
    set_saves("").await;
    scene.assert_available().await;
}

#[tokio::test]
async fn a_store_that_loads_its_data_costs_a_503() {
    let settings = ["--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024"];
    let Some(store) = TestStore::start_version(Valkey, &settings).await else { return };
    let scene = Scene::start(store).await;
    scene.tell(&["DEBUG POPULATE 1000 key 100", "CONFIG SET key-load-delay 10000"]).await;
    let mut loading = scene.store.connect().await;
    let reload = async {
        // It takes longer than the connection waits.
        let _ = redis::cmd("DEBUG").arg("RELOAD").query_async::<()>(&mut loading).await;
    };
    let meanwhile = async {
        wait_until("the load", async || scene.refuses_with("LOADING").await).await;
        scene.assert_unavailable().await;
    };
    join(reload, meanwhile).await;
    wait_until("the end of the load", async || !scene.refuses_with("LOADING").await).await;
    scene.assert_available().await;
}

#[tokio::test]
async fn rights_taken_away_are_a_500_with_their_cause_in_the_log() {
    let Some(store) = TestStore::start_version(Valkey, &[]).await else { return };
    let scene = Scene::start(store).await;
    scene.tell(&["ACL SETUSER functions -get -set"]).await;
    let reply = scene.app.get(&format!("/messages/{}", scene.id)).await;
    reply.assert_refused(500, "internal", "Internal server error");
    scene.try_post().await.assert_refused(500, "internal", "Internal server error");
    wait_until("the cause", async || {
        read_log().lines().any(|line| line.contains("request failed") && line.contains("NoPerm"))
    })
    .await;
    scene.tell(&["ACL SETUSER functions +@all"]).await;
    scene.assert_available().await;
}

/// Functions that log in to a store of their own.
struct Scene {
    store: TestStore,
    /// Open from the start: later the store may let nobody in.
    admin: MultiplexedConnection,
    app: App,
    /// A message that is there.
    id: String,
}

impl Scene {
    async fn start(store: TestStore) -> Self {
        store.tell("ACL SETUSER functions on >password ~* &* +@all").await;
        let url = format!("redis://functions:password@127.0.0.1:{}", store.port());
        Self::start_at(store, &url).await
    }

    async fn start_at(store: TestStore, url: &str) -> Self {
        let app = App::builder().at(url, None).one_instance().start().await;
        let (alice, bob) = (app.user_called("alice"), app.user_called("bob"));
        let message = alice.post_message(&bob, "before").await;
        let admin = store.connect().await;
        let scene = Self { store, admin, app, id: message["id"].as_str().expect("an id").to_owned() };
        scene.assert_available().await;
        scene
    }

    /// Tells the store as one client: it may let no other in.
    async fn tell(&self, commands: &[&str]) {
        for command in commands {
            tell::<Value>(&self.admin, command).await;
        }
    }

    /// Whether the store answers nothing but this code.
    async fn refuses_with(&self, code: &str) -> bool {
        let pong = redis::cmd("PING").query_async::<()>(&mut self.admin.clone()).await;
        pong.is_err_and(|error| error.code() == Some(code))
    }

    async fn try_post(&self) -> Reply {
        self.app.user_called("alice").try_post_message(&self.app.user_called("bob"), "hello").await
    }

    /// Writing is, by a request and by a frame.
    async fn assert_unavailable(&self) {
        for _ in 0..2 {
            let reply = self.try_post().await;
            reply.assert_unavailable();
            assert_eq!(reply.header("retry-after"), "1");
        }
        let mut phone = self.app.connect().await;
        phone.send(json!({ "type": "register", "userKey": "bob", "ref": "r" })).await;
        let error = phone.next().await;
        assert_eq!((&error["code"], &error["ref"]), (&json!("unavailable"), &json!("r")));
    }

    async fn assert_available(&self) {
        let mut phone = self.app.user_called("bob").connect().await;
        let reply = self.try_post().await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(phone.expect("new_message").await["data"], reply.data());
        let read = self.app.get(&format!("/messages/{}", self.id)).await;
        assert_eq!(read.status, 200, "{}", read.text());
        for function in ["CreateMessage", "GetMessage", "Register"] {
            assert_eq!(self.app.ended(function), Some(0), "{function}");
        }
    }
}
