//! What logs and metrics are told of calls.

use crate::call::{Call, Line, Reason, State};
use crate::telemetry::{self, Count};

/// Tells of the call that lives now, and of the end of the one that `was` alive, if it has ended.
pub(super) fn tell(was: Option<&Call>, line: &Line) {
    if let Some(call) = line.live() {
        let state = if matches!(call.state, State::Active) { "active" } else { "ringing" };
        telemetry::call(&call.id, Some(state), None);
    }
    let Some(was) = was.filter(|was| line.live().is_none_or(|is| is.id != was.id)) else { return };
    let Some(reason) = line.fate(&was.id) else { return };
    telemetry::call(&was.id, Some("ended"), Some(reason.as_str()));
    if let Some(outcome) = outcome(was.state, reason) {
        telemetry::count(outcome, 1);
    }
}

/// How a call went; none for one in whose place another began.
fn outcome(was: State, reason: Reason) -> Option<Count> {
    let answered = matches!(was, State::Active);
    Some(match reason {
        Reason::Replaced => return None,
        Reason::Failed => Count::CallsFailed,
        Reason::Disconnected if answered => Count::CallsFailed,
        _ if answered => Count::CallsCompleted,
        Reason::Declined | Reason::Busy => Count::CallsRefused,
        _ => Count::CallsMissed,
    })
}
