//! Callers whose connections die while their offers are handled: whichever function is faster, nothing rings on.

use hyper::Method;
use rstest::rstest;
use support::Mode::{self, Guarded, Open};
use support::StoreKind::Single;
use support::proxy::{CountingProxy, Interruption, Order};
use support::{App, TestStore, User, wait_until};

use crate::calling::{Phone, active};

const ID: &str = "call-one";

/// More commands than an offer has.
const COMMANDS: usize = 12;

/// Functions that can be held between any two of their commands.
struct Scene {
    app: App,
    proxy: CountingProxy,
    _store: TestStore,
}

impl Scene {
    async fn start(mode: Mode, faults: &[&str]) -> Self {
        let store = TestStore::start(Single).await;
        let proxy = CountingProxy::start(store.port());
        let app = App::builder().mode(mode).faults(faults);
        let app = app.on_store(&store).environment("REDIS_URL", &proxy.url()).start().await;
        let scene = Self { app, proxy, _store: store };
        // From then on the store knows every script, and an operation has the same commands each time.
        let (alice, bob) = scene.users();
        let (phone, _laptop) = active(&alice, &bob, Some(ID)).await;
        let before = scene.proxy.count();
        phone.device.cut().await;
        scene.done("Disconnect", before).await;
        scene
    }

    fn users(&self) -> (User, User) {
        (self.app.user("alice"), self.app.user("bob"))
    }

    fn is_done(&self, function: &str, before: usize) -> bool {
        self.proxy.count() > before && self.app.gateway().lambda().busy(function) == 0
    }

    /// Awaits the end of what a function does, which has not begun after so many round trips.
    async fn done(&self, function: &str, before: usize) {
        wait_until(&format!("the end of {function}"), async || self.is_done(function, before)).await;
    }

    /// Holds the next function after so many commands. Returns whether it has that many, or else is done.
    async fn holds(&self, function: &str, before: usize) -> bool {
        let is_held = || self.proxy.held() > 0;
        wait_until("the interruption", async || is_held() || self.is_done(function, before)).await;
        is_held()
    }

    fn hold_after(&self, commands: usize, order: Order) -> usize {
        self.proxy.interrupt_after(commands, order, Interruption::HoldAlone);
        self.proxy.count()
    }

    async fn caller(&self, alice: &User, is_registered: bool) -> Phone {
        if is_registered {
            return Phone::of(alice).await;
        }
        Phone { device: alice.open().await, user: alice.clone() }
    }

    /// No call of the two lives, and each device that rang was told of the end.
    async fn nothing_rings(&self, alice: &User, bob: &User, laptop: &mut Phone, trial: &str) {
        let call = bob.request(Method::GET, &format!("/calls/{}", alice.key), None).await;
        assert!(call.status == 404 || call.json()["state"] == "ended", "{trial}: {}", call.text());
        let frames = laptop.device.take_all().await;
        let last = frames.last().map(|frame| frame["type"].clone());
        assert!(last.is_none_or(|last| last == "end_call"), "{trial}: {frames:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_connection_that_dies_while_its_offer_is_handled_rings_for_nobody(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Order::Sent, Order::Reversed)] order: Order,
    #[values(true, false)] is_registered: bool,
) {
    let scene = Scene::start(mode, &[]).await;
    for commands in 0..COMMANDS {
        let trial = format!("{commands} commands");
        let (alice, bob) = scene.users();
        let (mut phone, mut laptop) = (scene.caller(&alice, is_registered).await, Phone::of(&bob).await);
        let before = scene.hold_after(commands, order);
        phone.offer(&bob, Some(ID)).await;
        let is_held = scene.holds("Signaling", before).await;
        let before = scene.proxy.count();
        phone.device.cut().await;
        scene.done("Disconnect", before).await;
        scene.proxy.resume();
        wait_until("the end of the offer", async || scene.app.gateway().lambda().busy("Signaling") == 0)
            .await;
        scene.nothing_rings(&alice, &bob, &mut laptop, &trial).await;
        if !is_held {
            assert!(commands > 3, "{trial} are all of it");
            return;
        }
    }
    panic!("an offer has fewer commands");
}

#[rstest]
#[tokio::test]
async fn an_offer_that_is_handled_while_its_connection_is_forgotten_rings_for_nobody(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Order::Sent, Order::Reversed)] order: Order,
) {
    // Were the offer faster nevertheless, this would be but another order.
    let scene = Scene::start(mode, &["frames:offer:delay=300ms"]).await;
    for commands in 0..COMMANDS {
        let trial = format!("{commands} commands");
        let (alice, bob) = scene.users();
        let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
        let before = scene.hold_after(commands, order);
        phone.offer(&bob, Some(ID)).await;
        phone.device.cut().await;
        let is_held = scene.holds("Disconnect", before).await;
        let before = scene.proxy.count();
        scene.done("Signaling", before).await;
        scene.proxy.resume();
        wait_until("the end of the connection", async || {
            scene.app.gateway().lambda().busy("Disconnect") == 0
        })
        .await;
        scene.nothing_rings(&alice, &bob, &mut laptop, &trial).await;
        if !is_held {
            assert!(commands > 1, "{trial} are all of it");
            return;
        }
    }
    panic!("the end of a connection has fewer commands");
}
