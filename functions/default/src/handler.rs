//! Answer what no other route knows. This route is two-way: the error frame is its response.

use shared::error::FrameError;
use shared::ids::ConnectionId;
use shared::protocol::client::ClientFrame;

pub(crate) async fn handle(_connection: &ConnectionId, _frame: ClientFrame<'_>) -> Result<(), FrameError> {
    Err(FrameError::UnknownType)
}
