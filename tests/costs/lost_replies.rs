//! A connection to the store that breaks after the server did what it was told: the round trip is repeated, which
//! costs one more and changes nothing.

use serde_json::json;

use crate::meter::{Meter, assert_pushed};

#[tokio::test]
async fn a_message_is_sent_edited_and_deleted_once_whichever_reply_was_lost() {
    let meter = Meter::start().await;
    let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
    let mut devices = meter.connect(&alice, 1).await;
    devices.extend(meter.connect(&bob, 2).await);
    let mut events = 0;
    for (sent, edited, deleted) in [(0, 0, 0), (1, 1, 1), (1, 2, 2)] {
        meter.lose_replies_after(sent);
        let (message, bill) = meter.measure(alice.post_message(&bob, "hello")).await;
        bill.assert(3);
        assert_pushed(&mut devices, &["new_message"]).await;
        assert_eq!(alice.list_messages().await, std::slice::from_ref(&message));

        meter.lose_replies_after(edited);
        let (_, bill) = meter.measure(alice.edit_message(&message, "bye")).await;
        bill.assert(4);
        assert_pushed(&mut devices, &["update_message"]).await;

        meter.lose_replies_after(deleted);
        let ((), bill) = meter.measure(alice.delete_message(&message)).await;
        bill.assert(4);
        assert_pushed(&mut devices, &["delete_message"]).await;

        events += 3;
        let registered = devices[1].register(&bob.key).await;
        let latest =
            registered["event_id"].as_str().and_then(|id| id.split_once('-')).map(|(number, _)| number);
        assert_eq!(latest, Some(events.to_string().as_str()));
        meter.idle().await;
    }
}

#[tokio::test]
async fn a_connection_registers_and_closes_once_whichever_reply_was_lost() {
    let meter = Meter::start().await;
    for (registered, closed) in [(0, 0), (0, 1)] {
        let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
        let mut device = [meter.app.connect().await];
        meter.lose_replies_after(registered);
        let register = json!({ "type": "register", "userKey": bob.key });
        meter.measure_unseen(device[0].send(register)).await.assert(2);
        assert_pushed(&mut device, &["registered"]).await;
        alice.post_message(&bob, "hello").await;
        assert_pushed(&mut device, &["new_message"]).await;

        let [device] = device;
        meter.lose_replies_after(closed);
        meter.measure_unseen(device.close()).await.assert(3);
        // Had it stayed behind, this would find it gone and forget it.
        let (_, bill) = meter.measure(alice.post_message(&bob, "hello")).await;
        bill.assert(2);
    }
}

#[tokio::test]
async fn a_connection_leaves_its_former_user_whichever_reply_was_lost() {
    let meter = Meter::start().await;
    for lost in 0..2 {
        let (alice, bob) = (meter.app.user("alice"), meter.app.user("bob"));
        let mut devices = meter.connect(&alice, 1).await;
        meter.lose_replies_after(lost);
        let register = json!({ "type": "register", "userKey": bob.key });
        meter.measure_unseen(devices[0].send(register)).await.assert(3);
        assert_pushed(&mut devices, &["registered"]).await;
        alice.post_message(&alice, "not for bob").await;
        assert_pushed(&mut devices, &[]).await;
        // Or what it costs to forget them would be measured next.
        for device in devices {
            meter.measure_unseen(device.close()).await.assert(2);
        }
    }
}
