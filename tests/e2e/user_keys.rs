//! User keys made to break out of a store's keys: nobody meets anybody else's data.

use futures_util::future::join_all;
use serde_json::json;
use support::StoreKind::SecureCluster;
use support::{App, Device, Message, User};
use uuid::Uuid;

/// Keys around one random text, each a likely collision of another.
fn keys() -> Vec<String> {
    let t = Uuid::now_v7().simple().to_string();
    let upper = t.to_uppercase();
    vec![
        t.clone(),
        format!("{{{t}}}"),
        format!("{{{t}"),
        format!("{t}}}"),
        format!("{t}}}:timeline"),
        format!("{t}:timeline"),
        format!("{t}:events"),
        format!("{t}:connections"),
        format!("%7B{t}%7D"),
        format!("{t}%"),
        format!("{t}%25"),
        format!("{t}%2525"),
        format!("{t},"),
        format!(",{t}"),
        format!("{t},{t}"),
        format!("{t}%2C{t}"),
        format!("{t},{{{t}}}"),
        format!("{t}:"),
        format!(" {t}"),
        format!("{t} "),
        format!("{t}*"),
        format!("{t}?"),
        format!("[{t}]"),
        format!("{t}\\"),
        format!("{t}\""),
        format!("{t}'"),
        format!("{t}😀"),
        format!("{t}👩‍👩‍👧"),
        format!("{t}\u{e9}"),
        format!("{t}e\u{301}"),
        format!("{t}\u{200b}"),
        upper,
    ]
}

/// The users, and for each the one they write to.
fn neighbors(users: &[User]) -> Vec<(&User, &User)> {
    (0..users.len()).map(|place| (&users[place], &users[(place + 1) % users.len()])).collect()
}

async fn users(app: &App) -> Vec<User> {
    keys().iter().map(|key| app.user_called(key)).collect()
}

async fn connect_all(users: &[User]) -> Vec<Device> {
    join_all(users.iter().map(User::connect)).await
}

async fn write_to_neighbors(users: &[User]) -> Vec<Message> {
    join_all(neighbors(users).into_iter().map(|(from, to)| from.post_message(to, &from.key))).await
}

#[tokio::test]
async fn a_timeline_holds_ones_own_messages_only() {
    let app = App::open_on(SecureCluster).await;
    let users = users(&app).await;
    let posted = write_to_neighbors(&users).await;
    for (place, user) in users.iter().enumerate() {
        let before = (place + users.len() - 1) % users.len();
        let mut expected = vec![posted[before].clone(), posted[place].clone()];
        expected.sort_by_key(|message| message["id"].to_string());
        assert_eq!(user.list_messages().await, expected, "{:?}", user.key);
    }
}

#[tokio::test]
async fn a_conversation_holds_the_messages_of_its_two_users_only() {
    let app = App::open_on(SecureCluster).await;
    let users = users(&app).await;
    let posted = write_to_neighbors(&users).await;
    for (place, (user, neighbor)) in neighbors(&users).into_iter().enumerate() {
        let expected = [posted[place].clone()];
        assert_eq!(user.list_conversation(neighbor).await, expected, "{:?}", user.key);
        assert_eq!(neighbor.list_conversation(user).await, expected, "{:?}", user.key);
        let stranger = &users[(place + 5) % users.len()];
        assert!(user.list_conversation(stranger).await.is_empty(), "{:?}", user.key);
    }
}

#[tokio::test]
async fn notifications_reach_ones_own_devices_only() {
    let app = App::open_on(SecureCluster).await;
    let users = users(&app).await;
    let mut devices = connect_all(&users).await;
    let posted = write_to_neighbors(&users).await;
    for (place, device) in devices.iter_mut().enumerate() {
        let before = (place + users.len() - 1) % users.len();
        let mut told: Vec<_> =
            device.expect_many("new_message", 2).await.iter().map(|frame| frame["data"].clone()).collect();
        told.sort_by_key(|message| message["id"].to_string());
        let mut expected = vec![posted[before].clone(), posted[place].clone()];
        expected.sort_by_key(|message| message["id"].to_string());
        assert_eq!(told, expected, "{:?}", users[place].key);
        device.expect_silence().await;
    }
}

#[tokio::test]
async fn calls_reach_their_target_only() {
    let app = App::open_on(SecureCluster).await;
    let users = users(&app).await;
    let mut devices = connect_all(&users).await;
    for (place, (user, neighbor)) in neighbors(&users).into_iter().enumerate() {
        for kind in ["offer", "candidate"] {
            devices[place].signal(kind, user, neighbor, json!(user.key)).await;
        }
    }
    for (place, device) in devices.iter_mut().enumerate() {
        let before = &users[(place + users.len() - 1) % users.len()];
        for kind in ["offer", "candidate"] {
            let frame = device.next().await;
            assert_eq!(frame["type"], kind, "{:?}", users[place].key);
            assert_eq!(frame["sender"], before.key.as_str());
        }
    }
    for device in &mut devices {
        device.settle().await;
    }
    for device in &mut devices {
        device.expect_silence().await;
    }
}

/// Pairs whose keys would be the same text if they were only joined.
#[tokio::test]
async fn pairs_that_look_alike_have_calls_and_conversations_of_their_own() {
    let app = App::open_on(SecureCluster).await;
    let t = Uuid::now_v7().simple().to_string();
    let user = |key: String| app.user_called(&key);
    let pairs = [
        (user(format!("{t}a")), user(format!("{t}b,{t}c"))),
        (user(format!("{t}a,{t}b")), user(format!("{t}c"))),
        (user(format!("{t}a%2C{t}b")), user(format!("{t}c}}"))),
        (user(format!("{{{t}a")), user(format!("{t}b}},{t}c"))),
    ];
    for (one, other) in &pairs {
        one.post_message(other, &one.key).await;
    }
    for (one, other) in &pairs {
        let conversation = one.list_conversation(other).await;
        assert_eq!(conversation.len(), 1);
        assert_eq!(conversation[0]["content"], one.key.as_str());
    }
    // The first pair is in a call; an end in the others does not touch it.
    let (mut caller, mut callee) = (pairs[0].0.connect().await, pairs[0].1.connect().await);
    caller.signal("offer", &pairs[0].0, &pairs[0].1, json!("v=0")).await;
    callee.expect("offer").await;
    for (one, other) in &pairs[1..] {
        let mut phone = one.connect().await;
        phone.signal("end_call", one, other, json!(null)).await;
        phone.settle().await;
    }
    callee.signal("answer", &pairs[0].1, &pairs[0].0, json!("v=0")).await;
    caller.expect("answer").await;
    caller.expect_silence().await;
    callee.expect_silence().await;
}
