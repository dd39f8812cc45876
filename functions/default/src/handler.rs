//! Answer what no other route knows with an error frame. This route is two-way: the frame is the answer.

use shared::error::FrameError;
use shared::protocol::Frame;
use shared::websocket::{Answer, Event};

pub(crate) async fn handle(event: Event) -> Answer {
    Answer::frame(match Frame::parse(&event.body) {
        Err(error) => Frame::refuse_unreadable(&error),
        Ok(frame) if frame.text("type").is_none() => {
            frame.refuse(&FrameError::InvalidFrame("A frame needs a type, which is a string"))
        }
        Ok(frame) => frame.refuse(&FrameError::UnknownType),
    })
}
