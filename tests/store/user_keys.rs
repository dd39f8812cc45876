//! User keys made to break out of the store's keys: nobody meets anybody else's data.

use std::collections::HashSet;

use rstest::rstest;
use shared::access::MayList;
use shared::ids::UserKey;
use support::StoreKind::{self, SecureCluster, Single};
use uuid::Uuid;

use crate::world::{World, connection, user_called};

/// Keys around one random text, each a likely collision of another.
fn users() -> Vec<UserKey> {
    let x = Uuid::now_v7().simple().to_string();
    let keys = [
        x.clone(),
        x.to_uppercase(),
        format!("{{{x}}}"),
        format!("{{{x}"),
        format!("{x}}}"),
        format!("{x}}}:timeline"),
        format!("{x}:timeline"),
        format!("{x}:events"),
        format!("{x}:connections"),
        format!("%7B{x}%7D"),
        format!("{x}%"),
        format!("{x}%25"),
        format!("{x},{x}"),
        format!("{x}%2C{x}"),
        format!("{x},"),
        format!(",{x}"),
        format!("{x}:"),
        format!(" {x}"),
        format!("{x} "),
        format!("{x}*"),
        format!("{x}\\\""),
        format!("{x}😀"),
        format!("{x}é"),
        format!("{x}e\u{301}"),
        format!("{x}\u{200b}"),
    ];
    keys.iter().map(|key| user_called(key)).collect()
}

#[rstest]
#[tokio::test]
async fn hostile_user_keys_never_meet(#[values(Single, SecureCluster)] store: StoreKind) {
    let world = World::open(store).await;
    let users = users();
    let mut sent = Vec::new();
    let mut devices = Vec::new();
    for (place, user) in users.iter().enumerate() {
        let next = &users[(place + 1) % users.len()];
        sent.push(world.send(user, next, &format!("message {place}")).await);
        let device = connection("device");
        world.register(&device, user).await;
        devices.push(device);
    }
    for (place, user) in users.iter().enumerate() {
        let before = (place + users.len() - 1) % users.len();
        let next = &users[(place + 1) % users.len()];
        let listed: HashSet<_> = world.list(&MayList::User(user.clone())).await.into_iter().collect();
        assert_eq!(listed, [sent[before].to_json(), sent[place].to_json()].into(), "{user:?}");
        let conversation = MayList::Conversation(next.clone(), user.clone());
        assert_eq!(world.list(&conversation).await, [sent[place].to_json()], "{user:?}");
        assert_eq!(world.connections(user).await, [devices[place].as_str()], "{user:?}");
        assert_eq!(world.speaker(&devices[place]).await.as_ref(), Some(user));

        let (_, feeds) = world.send_and_tell(user, user, "to myself").await;
        assert_eq!(feeds[0].event_id.split_once('-').map(|(number, _)| number), Some("3"), "{user:?}");
    }
}
