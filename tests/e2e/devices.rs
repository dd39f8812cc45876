//! A user's several connections, and how many there may be.

use rstest::rstest;
use serde_json::json;
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, Device, User};

/// Most connections of one user.
const MOST: usize = 20;

async fn connect_several(user: &User, count: usize) -> Vec<Device> {
    let mut devices = Vec::with_capacity(count);
    for _ in 0..count {
        devices.push(user.connect().await);
    }
    devices
}

#[rstest]
#[tokio::test]
async fn the_21st_connection_closes_the_oldest(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::open_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut devices = connect_several(&alice, MOST).await;
    for device in &mut devices {
        device.expect_silence().await;
    }
    devices.push(alice.connect().await);
    devices.remove(0).expect_close().await;
    let message = bob.post_message(&alice, "hello").await;
    for device in &mut devices {
        assert_eq!(device.next().await["data"], message);
        device.expect_silence().await;
    }
}

#[tokio::test]
async fn registering_again_makes_no_connection_newer_and_closes_none() {
    let app = App::open_on(SecureCluster).await;
    let alice = app.user("alice");
    let mut devices = connect_several(&alice, MOST).await;
    for _ in 0..3 {
        devices[5].register(&alice.key).await;
    }
    for device in &mut devices {
        device.expect_silence().await;
    }
}

#[tokio::test]
async fn a_closed_connection_makes_room() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut devices = connect_several(&alice, MOST).await;
    devices.remove(3).close().await;
    // Where `$disconnect` has not been handled yet, this push finds the connection gone.
    bob.post_message(&alice, "hello").await;
    devices.push(alice.connect().await);
    for device in &mut devices[..MOST - 1] {
        device.expect("new_message").await;
    }
    for device in &mut devices {
        device.expect_silence().await;
    }
}

#[tokio::test]
async fn a_connection_that_moved_to_another_user_makes_room() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut devices = connect_several(&alice, MOST).await;
    devices[3].register(&bob.key).await;
    devices.push(alice.connect().await);
    for device in &mut devices {
        device.expect_silence().await;
    }
}

#[tokio::test]
async fn a_user_who_comes_back_after_a_reload_is_told_again() {
    let app = App::open_on(SecureCluster).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    for turn in 0..5 {
        let mut phone = bob.connect().await;
        let message = alice.post_message(&bob, &turn.to_string()).await;
        assert_eq!(phone.next().await["data"], message);
        phone.signal("offer", &bob, &alice, json!("v=0")).await;
        assert_eq!(phone.next().await["code"], "peer_unavailable");
        phone.close().await;
    }
}
