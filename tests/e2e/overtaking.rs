//! The platform handles each frame in its own invocation, so frames overtake each other: here on demand.

use rstest::rstest;
use serde_json::json;
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, Device, User};

async fn start_with(fault: &str) -> App {
    App::builder().on(SecureCluster).faults(&[fault]).start().await
}

async fn send_candidates(device: &mut Device, from: &User, to: &User, count: u64) {
    for number in 0..count {
        device.signal("candidate", from, to, json!(number)).await;
    }
}

/// Asserts that the next frames are a description and then exactly these candidates, in any order.
async fn assert_described_first(device: &mut Device, kind: &str, count: u64) {
    assert_eq!(device.next().await["type"], kind);
    let mut numbers = Vec::new();
    for _ in 0..count {
        let frame = device.next().await;
        assert_eq!(frame["type"], "candidate");
        numbers.push(frame["data"].as_u64().expect("a number"));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..count).collect::<Vec<_>>());
}

#[rstest]
#[tokio::test]
async fn candidates_never_come_before_their_offer_or_answer(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::open_on(store).await;
    for _ in 0..10 {
        let (alice, bob) = (app.user("alice"), app.user("bob"));
        let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
        phone.signal("offer", &alice, &bob, json!("v=0")).await;
        send_candidates(&mut phone, &alice, &bob, 12).await;
        assert_described_first(&mut laptop, "offer", 12).await;
        laptop.signal("answer", &bob, &alice, json!("v=0")).await;
        send_candidates(&mut laptop, &bob, &alice, 12).await;
        assert_described_first(&mut phone, "answer", 12).await;
        phone.expect_silence().await;
        laptop.expect_silence().await;
    }
}

/// Alice's candidates overtake her offer, which is delayed by this much.
async fn assert_offer_first(delay: &str) {
    let app = start_with(&format!("frames:offer:delay={delay}")).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    phone.signal("offer", &alice, &bob, json!("v=0")).await;
    send_candidates(&mut phone, &alice, &bob, 5).await;
    assert_described_first(&mut laptop, "offer", 5).await;
}

/// Bob's candidates overtake his answer, which is delayed by this much.
async fn assert_answer_first(delay: &str) {
    let app = start_with(&format!("frames:answer:delay={delay}")).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    phone.signal("offer", &alice, &bob, json!("v=0")).await;
    laptop.expect("offer").await;
    laptop.signal("answer", &bob, &alice, json!("v=0")).await;
    send_candidates(&mut laptop, &bob, &alice, 5).await;
    assert_described_first(&mut phone, "answer", 5).await;
}

#[tokio::test]
async fn candidates_that_overtake_their_offer_are_delivered_right_after_it() {
    assert_offer_first("300ms").await;
}

#[tokio::test]
async fn candidates_that_overtake_their_answer_are_delivered_right_after_it() {
    assert_answer_first("300ms").await;
}

#[tokio::test]
async fn candidates_that_overtake_their_answer_by_far_are_still_held() {
    assert_answer_first("2s").await;
}

#[tokio::test]
async fn candidates_that_overtake_their_offer_by_far_are_still_held() {
    assert_offer_first("2s").await;
}

#[tokio::test]
async fn one_pair_s_early_candidates_wait_for_nobody_else_s_offer() {
    let app = start_with("frames:offer:delay=300ms").await;
    let (alice, bob, carol) = (app.user("alice"), app.user("bob"), app.user("carol"));
    let (mut phone, mut tablet) = (alice.connect().await, carol.connect().await);
    let mut laptop = bob.connect().await;
    phone.signal("offer", &alice, &bob, json!("from alice")).await;
    send_candidates(&mut phone, &alice, &bob, 3).await;
    tablet.signal("offer", &carol, &bob, json!("from carol")).await;
    send_candidates(&mut tablet, &carol, &bob, 3).await;
    let mut described = Vec::new();
    for _ in 0..8 {
        let frame = laptop.next().await;
        let sender = frame["sender"].as_str().expect("a sender").to_owned();
        match frame["type"].as_str() {
            Some("offer") => described.push(sender),
            _ => assert!(described.contains(&sender), "a candidate came before its offer: {frame}"),
        }
    }
    assert_eq!(described.len(), 2);
}

#[tokio::test]
async fn reordered_frames_are_all_answered() {
    let app = start_with("frames:reorder=0.5").await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let (mut phone, mut laptop) = (alice.connect().await, bob.connect().await);
    phone.signal("offer", &alice, &bob, json!("v=0")).await;
    send_candidates(&mut phone, &alice, &bob, 20).await;
    assert_described_first(&mut laptop, "offer", 20).await;
    laptop.expect_silence().await;
}
