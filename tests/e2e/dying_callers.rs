//! Connections that die while they begin to take part in a call: whichever function is faster, nothing rings on, and no
//! side seems to be there that is not.

use futures_util::future::join;
use hyper::Method;
use rstest::rstest;
use serde_json::json;
use support::Mode::{self, Guarded, Open};
use support::StoreKind::Single;
use support::proxy::{CountingProxy, Interruption, Order};
use support::{App, TestStore, User, wait_until};

use crate::calling::{Phone, active, read_call};

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
    async fn start(mode: Mode) -> Self {
        let store = TestStore::start(Single).await;
        let proxy = CountingProxy::start(store.port());
        let app =
            App::builder().mode(mode).on_store(&store).environment("REDIS_URL", &proxy.url()).start().await;
        let scene = Self { app, proxy, _store: store };
        // From then on the store knows every script, and an operation has the same commands each time.
        let (alice, bob) = scene.users();
        let (phone, laptop) = scene.active(&alice, &bob).await;
        for phone in [phone, laptop] {
            scene.leaves(phone).await;
        }
        scene
    }

    /// A call, of which nothing is left to be done.
    async fn active(&self, alice: &User, bob: &User) -> (Phone, Phone) {
        let phones = active(alice, bob, Some(ID)).await;
        wait_until("the end of the answer", async || self.is_idle("Signaling")).await;
        phones
    }

    fn is_idle(&self, function: &str) -> bool {
        self.app.gateway().lambda().busy(function) == 0
    }

    /// A connection ends, and nothing of that is left to be done.
    async fn leaves(&self, phone: Phone) {
        let before = self.proxy.count();
        phone.device.cut().await;
        self.done("Disconnect", before).await;
    }

    fn users(&self) -> (User, User) {
        (self.app.user("alice"), self.app.user("bob"))
    }

    fn is_done(&self, function: &str, before: usize) -> bool {
        self.proxy.count() > before && self.is_idle(function)
    }

    /// Awaits the end of what a function does, which has not begun after so many round trips.
    async fn done(&self, function: &str, before: usize) {
        wait_until(&format!("the end of {function}"), async || self.is_done(function, before)).await;
    }

    /// Whether a function is held, which is else done: it has fewer commands.
    async fn holds(&self, function: &str, before: usize) -> bool {
        self.holds_so_many(1, function, before).await
    }

    /// The same where one is held already.
    async fn holds_another(&self, function: &str, before: usize) -> bool {
        self.holds_so_many(2, function, before).await
    }

    async fn holds_so_many(&self, count: usize, function: &str, before: usize) -> bool {
        let are_held = || self.proxy.held() == count;
        wait_until("the interruption", async || are_held() || self.is_done(function, before)).await;
        let is_held = are_held();
        if !is_held {
            // Nor is another held in its place.
            self.proxy.resume();
        }
        is_held
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
    let scene = Scene::start(mode).await;
    for commands in 0..COMMANDS {
        let trial = format!("{commands} commands");
        let (alice, bob) = scene.users();
        let (mut phone, mut laptop) = (scene.caller(&alice, is_registered).await, Phone::of(&bob).await);
        let before = scene.hold_after(commands, order);
        phone.offer(&bob, Some(ID)).await;
        let is_held = scene.holds("Signaling", before).await;
        scene.leaves(phone).await;
        scene.proxy.resume();
        wait_until("the end of the offer", async || scene.is_idle("Signaling")).await;
        scene.nothing_rings(&alice, &bob, &mut laptop, &trial).await;
        scene.leaves(laptop).await;
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
    let scene = Scene::start(mode).await;
    for commands in 0..COMMANDS {
        let trial = format!("{commands} commands");
        let (alice, bob) = scene.users();
        let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
        let before = scene.hold_after(0, order);
        phone.offer(&bob, Some(ID)).await;
        assert!(scene.holds("Signaling", before).await, "{trial}");
        let before = scene.hold_after(commands, order);
        phone.device.cut().await;
        let is_held = scene.holds_another("Disconnect", before).await;
        if is_held {
            scene.proxy.resume_first();
        }
        wait_until("the end of the offer", async || scene.is_idle("Signaling")).await;
        scene.proxy.resume();
        wait_until("the end of the connection", async || scene.is_idle("Disconnect")).await;
        scene.nothing_rings(&alice, &bob, &mut laptop, &trial).await;
        scene.leaves(laptop).await;
        if !is_held {
            assert!(commands > 1, "{trial} are all of it");
            return;
        }
    }
    panic!("the end of a connection has fewer commands");
}

#[rstest]
#[tokio::test]
async fn a_decline_that_an_answer_overtakes_hides_no_call(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Order::Sent, Order::Reversed)] order: Order,
) {
    let scene = Scene::start(mode).await;
    for commands in 0..COMMANDS {
        let (alice, bob) = scene.users();
        let (mut phone, mut laptop) = (Phone::of(&alice).await, Phone::of(&bob).await);
        phone.offer(&bob, Some(ID)).await;
        laptop.device.expect("offer").await;
        wait_until("the end of the offer", async || scene.is_idle("Signaling")).await;
        let before = scene.hold_after(commands, order);
        let path = format!("/calls/{}/end", alice.key);
        let declining = bob.request(Method::POST, &path, json!({ "call_id": ID, "reason": "declined" }));
        let answering = async {
            let is_held = scene.holds("EndCall", before).await;
            if is_held {
                let before = scene.proxy.count();
                laptop.answer(&alice, Some(ID)).await;
                scene.done("Signaling", before).await;
                scene.proxy.resume();
            }
            is_held
        };
        let (declined, is_held) = join(declining, answering).await;
        assert_eq!(declined.status, 200, "{}", declined.text());
        let lives = read_call(&alice, &bob).await["state"] == "active";
        for user in [&alice, &bob] {
            let listed = user.request(Method::GET, "/calls", None).await.json();
            assert_eq!(
                !listed.as_array().expect("a list").is_empty(),
                lives,
                "{commands} commands: {listed}"
            );
        }
        scene.leaves(phone).await;
        scene.leaves(laptop).await;
        if !is_held {
            assert!(commands > 1, "{commands} commands are all of it");
            return;
        }
    }
    panic!("a decline has fewer commands");
}

#[rstest]
#[tokio::test]
async fn a_connection_that_dies_while_it_takes_up_a_call_is_away(
    #[values(Open, Guarded)] mode: Mode,
    #[values(Order::Sent, Order::Reversed)] order: Order,
) {
    let scene = Scene::start(mode).await;
    for commands in 0..COMMANDS {
        let (alice, bob) = scene.users();
        let (phone, laptop) = scene.active(&alice, &bob).await;
        scene.leaves(laptop).await;
        let mut back = Phone { device: bob.open().await, user: bob.clone() };
        let before = scene.hold_after(commands, order);
        back.device.send(json!({ "type": "register", "userKey": bob.key, "call_id": ID })).await;
        let is_held = scene.holds("Register", before).await;
        scene.leaves(back).await;
        scene.proxy.resume();
        wait_until("the end of the register", async || scene.is_idle("Register")).await;
        let call = read_call(&alice, &bob).await;
        assert!(call["away"].is_u64(), "{commands} commands: {call}");
        scene.leaves(phone).await;
        if !is_held {
            assert!(commands > 3, "{commands} commands are all of it");
            return;
        }
    }
    panic!("a register has fewer commands");
}
