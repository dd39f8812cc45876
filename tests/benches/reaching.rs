//! The time until devices are reached: from an offer until the other device rings, and from a message until the last of
//! several devices has it.

use std::time::Instant;

use serde_json::json;
use uuid::Uuid;

use crate::clients::{Listener, Sender, Wire};
use crate::creates::Times;

const DEVICES: [usize; 3] = [1, 5, 20];

/// Offers so many calls, one after the other, and prints how long they took to ring.
pub(crate) async fn ring(name: &str, port: u16, wire: Wire, rings: usize) {
    let mut caller = Listener::register(port, wire, "caller").await;
    let mut callee = Listener::register(port, wire, "callee").await;
    let mut times = Vec::with_capacity(rings);
    for _ in 0..rings {
        let call = Uuid::new_v4();
        let frame = |kind: &str| {
            let data = json!({ "type": kind, "sdp": "v=0\r\na=ice-ufrag:abcd\r\n" });
            json!({ "type": kind, "target": "callee", "userKey": "caller", "call_id": call, "data": data })
        };
        let started = Instant::now();
        caller.send(&frame("offer")).await;
        times.push(callee.expect("offer").await - started);
        caller.send(&frame("end_call")).await;
        callee.expect("end_call").await;
    }
    print(name, times.into_iter().collect());
}

/// Sends so many messages to a user with few and with many devices, and prints how long the last device waited.
pub(crate) async fn tell_devices(port: u16, messages: usize) {
    let mut sender = Sender::connect(port).await;
    for devices in DEVICES {
        let user = format!("with-{devices}-devices");
        let mut listeners = Listener::register_all(port, Wire::Plain, &vec![user.clone(); devices]).await;
        let mut times = Vec::with_capacity(messages);
        for _ in 0..messages {
            let started = Instant::now();
            let telling = async {
                let mut last = started;
                for listener in &mut listeners {
                    last = listener.expect("new_message").await;
                }
                last - started
            };
            let (sent, took) = tokio::join!(sender.create("sender", &user), telling);
            sent.unwrap();
            times.push(took);
        }
        print(&format!("{devices} devices"), times.into_iter().collect());
    }
}

fn print(name: &str, times: Times) {
    println!("  {name:<12} p50 {:.2} ms  p99 {:.2} ms", times.percentile(0.5), times.percentile(0.99));
}
