//! Servers that forget the scripts they were sent, as a failover or an operator makes them.

use shared::store::{Candidates, Description};

use crate::on_every_server;
use crate::world::{World, connection, user};

on_every_server! {
    everything_works_again_once_the_server_forgot_its_scripts,
}

async fn everything_works_again_once_the_server_forgot_its_scripts(world: World) {
    let (alice, bob, phone) = (user("alice"), user("bob"), connection("phone"));
    let mut sent = 0;
    for _ in 0..3 {
        world.raw::<()>(redis::cmd("SCRIPT").arg("FLUSH")).await;

        world.register(&phone, &bob).await;
        let (message, feeds) = world.send_heard(&alice, &bob, "hello").await;
        sent += 1;
        let heard: Vec<_> = feeds.iter().map(|feed| (feed.user == bob, feed.connections.len())).collect();
        assert_eq!(heard, [(false, 0), (true, 1)]);
        assert!(feeds.iter().all(|feed| feed.event_id.starts_with(&format!("{sent}-"))), "{feeds:?}");

        let (edited, _) = world.edit(&message, "bye").await.expect("it exists");
        assert_eq!(edited.content, "bye");
        assert!(!world.delete(&message).await.0, "it was there");
        sent += 2;

        let called = world.store.describe(Description::Offer, &phone, &bob, &alice).await;
        called.expect("the store answers");
        let held = world.store.candidate("candidate", &phone, &bob, &alice).await;
        assert_eq!(held.expect("the store answers").0, Candidates::Held);
        let released = world.store.described(&phone, &bob, &alice).await;
        assert_eq!(released.expect("the store answers"), ["candidate"]);
    }
}
