//! Tickets, which open a WebSocket where tokens are asked for, and the user that it then speaks for.

use std::collections::{BTreeSet, HashSet};

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;
use support::StoreKind::{self, SecureCluster, Single};
use support::{App, TestStore, read_log, wait_until};

/// A guarded gateway on a store of its own, and a client for that store.
async fn start_with_store() -> (App, TestStore) {
    let store = TestStore::start(Single).await;
    let app = App::builder().guarded().on_store(&store).start().await;
    (app, store)
}

#[rstest]
#[tokio::test]
async fn a_ticket_lets_in_once(#[values(Single, SecureCluster)] store: StoreKind) {
    let app = App::guarded_on(store).await;
    let alice = app.sign_in(&app.user("alice"));
    let ticket = alice.take_ticket().await;
    app.enter(&ticket).await.expect("let in").close().await;
    assert_eq!(app.enter(&ticket).await.err(), Some(401));

    let ticket = alice.take_ticket().await;
    let attempts = join_all((0..5).map(|_| app.enter(&ticket))).await;
    let refused: Vec<_> = attempts.iter().filter_map(|attempt| attempt.as_ref().err()).collect();
    assert_eq!(refused, [&401; 4], "at the same time, too");
}

#[tokio::test]
async fn an_upgrade_without_a_good_ticket_is_refused() {
    let app = App::guarded().await;
    let user = app.user("alice");
    let alice = app.sign_in(&user);
    let token = App::issuer().token(&user.key).sign();
    let ticket = alice.take_ticket().await;
    let made_up = "0123456789abcdef".repeat(3);
    let (longer, shorter) = (format!("{ticket}0"), &ticket[1..]);
    let other_case = ticket.to_uppercase();
    for query in [
        "".to_owned(),
        "?ticket=".to_owned(),
        format!("?ticket={made_up}"),
        format!("?ticket={longer}"),
        format!("?ticket={shorter}"),
        format!("?ticket={token}"),
        format!("?token={token}"),
        format!("?Ticket={ticket}"),
        "?ticket=*".to_owned(),
        format!("?ticket={}", "%7D".repeat(48)),
    ] {
        let refused = app.try_connect(&format!("/{query}"), &[]).await.err();
        assert_eq!(refused, Some(401), "{query}");
    }
    if other_case != ticket {
        assert_eq!(app.enter(&other_case).await.err(), Some(401));
    }
    let bearer = format!("Bearer {token}");
    let refused = app.try_connect("/", &[("authorization", &bearer)]).await.err();
    assert_eq!(refused, Some(401), "a token is no ticket");
    assert!(app.enter(&ticket).await.is_ok(), "trying others did not spend it");
}

#[tokio::test]
async fn a_ticket_lives_for_thirty_seconds() {
    let (app, store) = start_with_store().await;
    let mut redis = store.connect().await;
    let alice = app.sign_in(&app.user("alice"));
    let ticket = alice.take_ticket().await;
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("*{ticket}*")).query_async(&mut redis).await.expect("keys");
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    let left: i64 = redis::cmd("PTTL").arg(key).query_async(&mut redis).await.expect("a time to live");
    assert!((1..=30_000).contains(&left), "{left}");
    // This does what the passing of that time does.
    let expired: bool =
        redis::cmd("PEXPIREAT").arg(key).arg(1).query_async(&mut redis).await.expect("expired");
    assert!(expired);
    assert_eq!(app.enter(&ticket).await.err(), Some(401));
}

#[tokio::test]
async fn tickets_cannot_be_guessed() {
    let app = App::guarded().await;
    let alice = app.sign_in(&app.user("alice"));
    let mut tickets = Vec::new();
    for _ in 0..20 {
        tickets.extend(join_all((0..5).map(|_| alice.take_ticket())).await);
    }
    assert_eq!(tickets.iter().collect::<HashSet<_>>().len(), tickets.len());
    let length = tickets[0].len();
    assert!(tickets.iter().all(|ticket| ticket.len() == length && ticket.is_ascii()));
    // The number of values seen in each place bounds its randomness; a counter, a time or a user key varies less.
    let bits: f64 = (0..length)
        .map(|place| {
            let seen: BTreeSet<_> = tickets.iter().map(|ticket| ticket.as_bytes()[place]).collect();
            (seen.len() as f64).log2()
        })
        .sum();
    assert!(bits >= 128.0, "{bits} bits");
}

#[rstest]
#[tokio::test]
async fn a_connection_registers_as_the_user_of_its_ticket_whether_or_not_it_says_so(
    #[values(Single, SecureCluster)] store: StoreKind,
) {
    let app = App::guarded_on(store).await;
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let writer = app.sign_in(&bob);
    for register in [
        json!({ "type": "register" }),
        json!({ "type": "register", "userKey": null }),
        json!({ "type": "register", "userKey": alice.key }),
    ] {
        let mut device = app.sign_in(&alice).connect().await;
        device.send(register).await;
        assert_eq!(device.expect("registered").await["userKey"], alice.key);
        let message = writer.post_message(&alice, "hello").await;
        assert_eq!(device.expect("new_message").await["data"], message);
        device.close().await;
    }
}

#[tokio::test]
async fn a_connection_cannot_register_as_another_user() {
    let app = App::guarded_on(SecureCluster).await;
    let (alice, bob, mallory) = (app.user("alice"), app.user("bob"), app.user("mallory"));
    let mut phone = app.sign_in(&mallory).connect().await;
    for _ in 0..2 {
        phone.send(json!({ "type": "register", "userKey": bob.key, "ref": "mine" })).await;
        let refusal = phone.expect("error").await;
        assert_eq!((&refusal["code"], &refusal["ref"]), (&json!("forbidden"), &json!("mine")));
        assert_eq!(refusal["request_type"], "register");
        // The second time, as one who has registered.
        phone.send(json!({ "type": "register" })).await;
        assert_eq!(phone.expect("registered").await["userKey"], mallory.key);
    }
    let writer = app.sign_in(&alice);
    let mut bobs = app.sign_in(&bob).register().await;
    let message = writer.post_message(&bob, "for your eyes only").await;
    assert_eq!(bobs.expect("new_message").await["data"], message);
    phone.expect_silence().await;
}

#[tokio::test]
async fn a_connection_speaks_for_the_user_of_its_ticket_only() {
    let app = App::guarded().await;
    let (alice, bob, carol) = (app.user("alice"), app.user("bob"), app.user("carol"));
    let mut laptop = app.sign_in(&bob).register().await;
    let mut phone = app.sign_in(&alice).connect().await;
    for registered in [false, true] {
        if registered {
            phone.send(json!({ "type": "register" })).await;
            phone.expect("registered").await;
        }
        for kind in ["offer", "answer", "end_call"] {
            phone
                .send(json!({
                    "type": kind, "target": bob.key, "userKey": carol.key, "sender": carol.key, "data": registered
                }))
                .await;
            let relayed = laptop.expect(kind).await;
            assert_eq!(relayed["sender"], alice.key, "{relayed}");
            assert_eq!(relayed["userKey"], alice.key, "{relayed}");
            assert_eq!(relayed["data"], registered);
        }
    }
    phone.send(json!({ "type": "offer", "target": bob.key, "data": "no name at all" })).await;
    assert_eq!(laptop.expect("offer").await["sender"], alice.key);
}

#[tokio::test]
async fn neither_tickets_nor_tokens_are_logged() {
    let (app, mut store) = start_with_store().await;
    let user = app.user("alice");
    let token = App::issuer().token(&user.key).sign();
    let alice = app.client(token.clone());
    let (used, unused, worthless) = (alice.take_ticket().await, alice.take_ticket().await, "f".repeat(48));
    let mut device = app.enter(&used).await.expect("let in");
    device.register(&user.key).await;
    assert_eq!(app.enter(&used).await.err(), Some(401));
    assert_eq!(app.enter(&worthless).await.err(), Some(401));
    let forged = App::issuer().token(&user.key).forged().sign();
    assert_eq!(app.client(forged.clone()).get(&format!("/messages?token={forged}")).await.status, 401);

    store.stop_node().await;
    assert_eq!(app.enter(&unused).await.err(), Some(503));
    assert_eq!(alice.get("/messages").await.status, 503);

    // These lines show that the log holds this run: the gateway's lines, and the functions', which come a little later.
    for line in
        ["a connection was refused", "request failed", "GET /messages: refused by", "POST /tickets 201"]
    {
        wait_until(&format!("the line {line}"), async || read_log().contains(line)).await;
    }
    let log = read_log();
    for (what, secret) in [("used", &used), ("unused", &unused), ("worthless", &worthless)] {
        assert!(!log.contains(secret.as_str()), "the {what} ticket is in the log");
    }
    for token in [&token, &forged] {
        let (_, signature) = token.rsplit_once('.').expect("three parts");
        assert!(!log.contains(signature), "a token is in the log");
    }
}
