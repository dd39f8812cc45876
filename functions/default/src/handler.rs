//! Answer what no other route knows. This route is two-way: the error frame is its response.

use shared::error::FrameError;
use shared::protocol::client::ClientFrame;
use shared::websocket::Arrival;

pub(crate) async fn handle(_arrival: &Arrival, _frame: ClientFrame<'_>) -> Result<(), FrameError> {
    Err(FrameError::UnknownType)
}
