//! Servers that forget the scripts they were sent, as a failover or an operator makes them.

use rstest::rstest;
use shared::store::{Held, List, Moves, Pair, Swap};
use support::StoreKind::{self, SecureCluster, Single};

use crate::world::{World, connection, user};

#[rstest]
#[tokio::test]
async fn everything_works_again_once_the_server_forgot_its_scripts(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let world = World::open(store).await;
    let (alice, bob, phone) = (user("alice"), user("bob"), connection("phone"));
    let mut sent = 0;
    for _ in 0..3 {
        world.raw::<()>(redis::cmd("SCRIPT").arg("FLUSH")).await;

        world.register(&phone, &bob).await;
        let (message, feeds) = world.send_and_tell(&alice, &bob, "hello").await;
        sent += 1;
        let told: Vec<_> = feeds.iter().map(|feed| (feed.user == bob, feed.connections.len())).collect();
        assert_eq!(told, [(false, 0), (true, 1)]);
        assert!(feeds.iter().all(|feed| feed.event_id.starts_with(&format!("{sent}-"))), "{feeds:?}");

        let (edited, _) = world.edit(&message, "bye").await.expect("it exists");
        assert_eq!(edited.content.as_str(), "bye");
        assert!(!world.delete(&message).await.0, "it was there");
        sent += 2;

        let pair = Pair::of(&bob, &alice);
        let opened = world.store.open_line(&pair, true).await.expect("the store answers");
        let held = Held { at: 1, id: None, ufrag: None, frame: "{}".to_owned() };
        let changed = world.store.hold(&pair, &opened, List::Early(&phone), &held).await;
        assert!(changed.expect("the store answers").is_none());
        let moves = Moves { early_of: Some(&phone), ..Moves::default() };
        match world.store.swap_line(&pair, &opened, opened.line.clone(), moves).await {
            Ok(Swap::Done(_, handed)) => assert_eq!(handed.early.last(), Some(&held)),
            other => panic!("{other:?}"),
        }
    }
}
