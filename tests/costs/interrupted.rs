//! Functions that die, or lose their connection to the store, after any single command of an operation: repeating the
//! request leads to exactly one complete outcome, in every view.

use std::cell::Cell;

use hyper::Method;
use serde_json::{Value, json};
use support::proxy::{Interruption, Order};
use support::{App, Message, Reply, User, wait_until};

use crate::meter::Meter;

/// More commands than any operation has.
const COMMANDS: usize = 12;

/// An interruption of an operation.
#[derive(Clone, Copy, Debug)]
struct Trial {
    commands: usize,
    order: Order,
    what: Interruption,
}

/// Two users of functions that can be interrupted.
struct Scene {
    meter: Meter,
}

impl Scene {
    async fn start() -> Self {
        Self { meter: Meter::start_with(App::builder().one_instance()).await }
    }

    /// Interrupts an operation after every one of its commands, in either order of those that are sent together, in
    /// both ways; `run` carries it out on fresh users, with the interruption armed by what it is given.
    async fn interrupt(&self, function: &str, run: impl AsyncFn(&Interrupted<'_>)) {
        for what in [Interruption::Cut, Interruption::Hold] {
            for order in [Order::Sent, Order::Reversed] {
                let first = usize::from(what == Interruption::Cut);
                let mut unharmed = false;
                for commands in first..COMMANDS {
                    let trial = Trial { commands, order, what };
                    let nothing_happened = Cell::new(false);
                    run(&Interrupted { meter: &self.meter, function, trial, unharmed: &nothing_happened })
                        .await;
                    self.meter.idle().await;
                    unharmed = nothing_happened.get();
                    if unharmed {
                        assert!(commands > 3, "{trial:?} interrupted nothing");
                        break;
                    }
                }
                assert!(unharmed, "an operation has fewer commands");
            }
        }
    }
}

/// An operation that is interrupted once.
struct Interrupted<'a> {
    meter: &'a Meter,
    function: &'a str,
    trial: Trial,
    /// Set where the operation has fewer commands.
    unharmed: &'a Cell<bool>,
}

impl Interrupted<'_> {
    /// Sends a request that is interrupted; its answer does not matter, but for what a cut connection leads to.
    async fn send(&self, request: impl Future<Output = Reply>) -> Reply {
        let Trial { commands, order, what } = self.trial;
        self.meter.interrupt_after(commands, order, what);
        let mut request = std::pin::pin!(request);
        let held = wait_until("the interruption", async || self.meter.is_held());
        let reply = tokio::select! {
            reply = &mut request => reply,
            () = held => {
                assert!(self.meter.app.try_kill(self.function), "it is busy");
                let reply = request.await;
                assert!(reply.status >= 500, "{:?}: {}", self.trial, reply.text());
                wait_until("the end of what the function held", async || !self.meter.is_held()).await;
                self.meter.resume();
                reply
            }
        };
        // The next command is to pass.
        self.unharmed.set(self.meter.take_interruption());
        if what == Interruption::Cut || self.unharmed.get() {
            assert!(reply.status < 300, "{:?}: {}", self.trial, reply.text());
        }
        reply
    }

    fn users(&self) -> [User; 2] {
        ["alice", "bob"].map(|name| self.meter.app.user(name))
    }

    /// Fails unless these are the messages, in every view.
    async fn assert_messages(&self, [alice, bob]: [&User; 2], expected: &[Message]) {
        let trial = self.trial;
        for message in expected {
            assert_eq!(alice.read_message(message).await.json(), *message, "{trial:?}");
        }
        assert_eq!(alice.list_messages().await, expected, "{trial:?}");
        assert_eq!(bob.list_messages().await, expected, "{trial:?}");
        assert_eq!(alice.list_conversation(bob).await, expected, "{trial:?}");
        assert_eq!(bob.list_conversation(alice).await, expected, "{trial:?}");
        let mut everything = self.meter.app.list("").await;
        everything
            .retain(|message| [&message["sender_id"], &message["receiver_id"]].contains(&&json!(alice.key)));
        assert_eq!(everything, expected, "{trial:?}");
    }

    /// Fails unless this is all that a user's log tells since a position; returns the position after it.
    async fn assert_events(&self, user: &User, since: &str, expected: &[(&str, Value)]) -> String {
        let page = self.follow(user, since).await;
        let events = page["events"].as_array().expect("a list");
        let told: Vec<_> = events
            .iter()
            .map(|event| (event["type"].as_str().expect("a type"), event["data"].clone()))
            .collect();
        assert_eq!(told, expected, "{:?}", self.trial);
        assert_eq!(page["more"], false);
        page["event_id"].as_str().expect("a position").to_owned()
    }

    /// Fails unless each of the two has as much to read from the other as a list shows, though nothing was repeated.
    async fn assert_unread(&self, [alice, bob]: [&User; 2]) {
        for (reader, peer) in [(alice, bob), (bob, alice)] {
            let reply = self.meter.app.get(&format!("/conversations?user={}", reader.key)).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let listed = reader.list_conversation(peer).await;
            let received = listed.iter().filter(|message| message["sender_id"] == peer.key.as_str()).count();
            let conversations = reply.json();
            let conversation = conversations.as_array().and_then(|listed| listed.first());
            assert_eq!(conversation.is_some(), !listed.is_empty(), "{:?}", self.trial);
            if let Some(conversation) = conversation {
                assert_eq!(conversation["unread"], received, "{:?}", self.trial);
                assert_eq!(Some(&conversation["last_message"]), listed.last(), "{:?}", self.trial);
            }
        }
    }

    async fn follow(&self, user: &User, since: &str) -> Value {
        let reply = self.meter.app.get(&format!("/events?user={}&since={since}", user.key)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }
}

/// How many events there were up to a position.
fn number(position: &str) -> u64 {
    position.split_once('-').and_then(|(number, _)| number.parse().ok()).expect("<n>-<tag>")
}

fn draft(alice: &User, bob: &User) -> String {
    json!({ "sender_id": alice.key, "receiver_id": bob.key, "content": "hello", "client_id": "name" })
        .to_string()
}

#[tokio::test]
async fn a_send_under_a_name_is_one_message_once_it_is_repeated() {
    let scene = Scene::start().await;
    scene
        .interrupt("CreateMessage", async |interrupted| {
            let [alice, bob] = interrupted.users();
            let app = &interrupted.meter.app;
            let first = interrupted.send(app.post("/messages", draft(&alice, &bob))).await;
            let again = app.post("/messages", draft(&alice, &bob)).await;
            assert_eq!(again.status, 201, "{:?}: {}", interrupted.trial, again.text());
            let message = again.data();
            assert!(first.status >= 500 || first.data() == message, "{:?}", interrupted.trial);
            interrupted.assert_messages([&alice, &bob], std::slice::from_ref(&message)).await;
            for user in [&alice, &bob] {
                let told = [("new_message", message.clone())];
                let position = interrupted.assert_events(user, "0-0", &told).await;
                assert_eq!(number(&position), 1, "{:?}", interrupted.trial);
            }
        })
        .await;
}

#[tokio::test]
async fn a_send_without_a_name_is_never_doubled_by_the_server() {
    let scene = Scene::start().await;
    scene
        .interrupt("CreateMessage", async |interrupted| {
            let [alice, bob] = interrupted.users();
            let reply = interrupted.send(alice.try_post_message(&bob, "hello")).await;
            interrupted.assert_unread([&alice, &bob]).await;
            if reply.status == 201 {
                let message = reply.data();
                interrupted.assert_messages([&alice, &bob], std::slice::from_ref(&message)).await;
            }
            for user in [&alice, &bob] {
                let listed = user.list_messages().await;
                let page = interrupted.follow(user, "0-0").await;
                let told = number(page["event_id"].as_str().expect("a position"));
                assert!(listed.len() <= 1, "{:?}: {listed:?}", interrupted.trial);
                assert_eq!(told, listed.len() as u64, "{:?}", interrupted.trial);
            }
        })
        .await;
}

#[tokio::test]
async fn an_edit_is_complete_once_it_is_repeated() {
    let scene = Scene::start().await;
    scene
        .interrupt("UpdateMessage", async |interrupted| {
            let [alice, bob] = interrupted.users();
            let message = alice.post_message(&bob, "hello").await;
            let mut since = Vec::new();
            for user in [&alice, &bob] {
                since.push(interrupted.assert_events(user, "0-0", &[("new_message", message.clone())]).await);
            }
            interrupted.send(alice.try_edit_message(&message, "bye")).await;
            let edited = alice.edit_message(&message, "bye").await;
            assert_eq!(edited["content"], "bye");
            assert!(edited["updated_at"].as_str() > message["created_at"].as_str());
            interrupted.assert_messages([&alice, &bob], std::slice::from_ref(&edited)).await;
            for (user, since) in [&alice, &bob].into_iter().zip(&since) {
                let told = [("update_message", edited.clone())];
                let position = interrupted.assert_events(user, since, &told).await;
                // One of its own for each of the two edits at most.
                assert!([2, 3].contains(&number(&position)), "{:?}: {position}", interrupted.trial);
            }
        })
        .await;
}

#[tokio::test]
async fn a_delete_is_complete_once_it_is_repeated() {
    let scene = Scene::start().await;
    scene
        .interrupt("DeleteMessage", async |interrupted| {
            let [alice, bob] = interrupted.users();
            let kept = alice.post_message(&bob, "kept").await;
            let message = alice.post_message(&bob, "hello").await;
            interrupted.send(alice.try_delete_message(&message)).await;
            interrupted.assert_unread([&alice, &bob]).await;
            let again = alice.try_delete_message(&message).await;
            assert!([200, 404].contains(&again.status), "{:?}: {}", interrupted.trial, again.text());
            alice.try_delete_message(&message).await.assert_not_found();
            alice.read_message(&message).await.assert_not_found();
            interrupted.assert_messages([&alice, &bob], std::slice::from_ref(&kept)).await;
            for user in [&alice, &bob] {
                let told =
                    [("new_message", kept.clone()), ("delete_message", json!({ "id": message["id"] }))];
                let position = interrupted.assert_events(user, "0-0", &told).await;
                assert_eq!(number(&position), 3, "{:?}", interrupted.trial);
            }
        })
        .await;
}

/// A delete that died leaves a message in no list that is readable by its id.
#[tokio::test]
async fn erasing_a_user_takes_what_a_delete_that_died_left() {
    let scene = Scene::start().await;
    scene
        .interrupt("DeleteMessage", async |interrupted| {
            let [alice, bob] = interrupted.users();
            let message = alice.post_message(&bob, "hello").await;
            interrupted.send(alice.try_delete_message(&message)).await;
            erase(&bob).await;
            alice.read_message(&message).await.assert_not_found();
            interrupted.assert_messages([&alice, &bob], &[]).await;
        })
        .await;
}

#[tokio::test]
async fn an_erasure_that_died_is_complete_once_it_is_repeated() {
    let scene = Scene::start().await;
    scene
        .interrupt("EraseMe", async |interrupted| {
            let [alice, bob] = interrupted.users();
            let message = alice.post_message(&bob, "hello").await;
            interrupted.send(alice.request(Method::DELETE, "/me", None)).await;
            erase(&alice).await;
            alice.read_message(&message).await.assert_not_found();
            interrupted.assert_messages([&alice, &bob], &[]).await;
            let told = [("delete_message", json!({ "id": message["id"] }))];
            let position = interrupted.assert_events(&bob, "0-0", &told).await;
            assert_eq!(number(&position), 2, "{:?}", interrupted.trial);
        })
        .await;
}

/// A long history: what the log and the ids of the latest deletes say of the messages of a step that died is trimmed
/// by the time that all others are erased.
#[tokio::test]
async fn an_erasure_that_died_long_ago_is_complete_once_it_is_repeated() {
    let scene = Scene::start().await;
    scene
        .interrupt("EraseMe", async |interrupted| {
            let [alice, bob] = interrupted.users();
            let sent = alice.post_message(&bob, "to bob").await;
            let note = alice.post_message(&alice, "to herself").await;
            interrupted.send(alice.request(Method::DELETE, "/me", None)).await;
            interrupted.meter.forget_history(&alice).await;
            erase(&alice).await;
            for message in [&sent, &note] {
                alice.read_message(message).await.assert_not_found();
            }
            interrupted.assert_messages([&alice, &bob], &[]).await;
        })
        .await;
}

/// Repeats the erasure of a user until it is done.
async fn erase(user: &User) {
    for _ in 0..5 {
        let reply = user.request(Method::DELETE, "/me", None).await;
        assert!([200, 202].contains(&reply.status), "{}", reply.text());
        if reply.status == 200 {
            return;
        }
    }
    panic!("it does not end");
}

/// A repetition completes a send that nobody knew of, or finds it deleted by somebody who did.
#[tokio::test]
async fn a_send_that_is_deleted_before_it_is_repeated_stays_deleted() {
    let scene = Scene::start().await;
    scene
        .interrupt("CreateMessage", async |interrupted| {
            let [alice, bob] = interrupted.users();
            let app = &interrupted.meter.app;
            interrupted.send(app.post("/messages", draft(&alice, &bob))).await;
            let mut seen = alice.list_messages().await;
            seen.extend(bob.list_messages().await);
            for message in &seen {
                alice.try_delete_message(message).await;
            }
            let again = app.post("/messages", draft(&alice, &bob)).await;
            assert_eq!(again.status, 201, "{:?}: {}", interrupted.trial, again.text());
            let (messages, events) = match seen.first() {
                Some(deleted) => {
                    assert_eq!(again.data(), *deleted);
                    (Vec::new(), vec![("delete_message", json!({ "id": deleted["id"] }))])
                }
                None => (vec![again.data()], vec![("new_message", again.data())]),
            };
            interrupted.assert_messages([&alice, &bob], &messages).await;
            for user in [&alice, &bob] {
                interrupted.assert_events(user, "0-0", &events).await;
            }
        })
        .await;
}
