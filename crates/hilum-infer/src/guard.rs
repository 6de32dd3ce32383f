use crate::InferError;
use crate::engine::StopSignal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Run `work`; a panic in it becomes its message. What `work` held is dropped or not used again by the callers.
pub(crate) fn no_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
    })
}

/// How long a stopped run may take to come back before its thread is left behind.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// Do `work` on a thread of its own. When the deadline passes `stop` fires, and a thread that does not end soon is
/// left to finish alone. A panic becomes [`InferError::Defect`].
pub(crate) fn within<T: Send + 'static>(
    deadline: Duration,
    stop: &StopSignal,
    work: impl FnOnce() -> Result<T, InferError> + Send + 'static,
) -> Result<T, InferError> {
    let (send, receive) = sync_channel(1);
    let job = move || {
        let result = no_panic(work).unwrap_or_else(|panic| Err(InferError::Defect(panic)));
        // Nobody receives when the deadline has passed.
        let _ = send.send(result);
    };
    let spawned = std::thread::Builder::new().name("hilum-infer".to_owned()).spawn(job);
    spawned.map_err(|e| InferError::Defect(format!("no thread for a run: {e}")))?;
    match receive.recv_timeout(deadline) {
        Ok(result) => result,
        Err(RecvTimeoutError::Disconnected) => Err(InferError::Defect("a run ended without a result".to_owned())),
        Err(RecvTimeoutError::Timeout) => {
            stop.stop();
            if receive.recv_timeout(STOP_GRACE).is_err() {
                tracing::warn!("a run past its deadline does not stop; its thread is left behind");
            }
            Err(InferError::Deadline { seconds: deadline.as_secs_f64() })
        }
    }
}
