//! DMSCHECK - Check: on an asynchronous request.
//!
//! Any routine can be started as an asynchronous request: [`Csl::request`] gives its request id at once, DMSCHECK its result when
//! it has been done. A request that is dropped unchecked goes on by itself.

use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::{Csl, CslError, ReasonCode};

/// Identifies an asynchronous request of a virtual machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u32);

/// WAIT or NOWAIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckWait {
    /// Return when the request is done.
    Wait,
    /// Return at once.
    NoWait,
}

/// An asynchronous request under way.
#[derive(Debug)]
pub struct PendingRequest<T> {
    id: RequestId,
    result: Option<oneshot::Receiver<T>>,
}

impl<T> PendingRequest<T> {
    /// The request id.
    pub fn id(&self) -> RequestId {
        self.id
    }
}

/// What DMSCHECK found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked<T> {
    /// The request is done; this is its result.
    Done(T),
    /// The request is still under way (NOWAIT only).
    InProgress,
}

impl Csl {
    /// Starts a routine as an asynchronous request: `csl.request(|csl| async move { csl.dmscomm(unit).await })`. Must be called
    /// inside an async runtime.
    pub fn request<T, F>(&self, routine: impl FnOnce(Csl) -> F) -> PendingRequest<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        // 1 asks for asynchronous processing in the original, so ids begin behind it.
        let id = RequestId(self.inner.next_request.fetch_add(1, Ordering::Relaxed).max(2));
        let (done, result) = oneshot::channel();
        let work = routine(self.clone());
        tokio::spawn(async move {
            // Nobody may want the result any more.
            let _ = done.send(work.await);
        });
        PendingRequest { id, result: Some(result) }
    }

    /// DMSCHECK: the result of an asynchronous request.
    ///
    /// # Errors
    /// `RequestUnknown` when its result has been taken already.
    pub async fn dmscheck<T>(
        &self,
        request: &mut PendingRequest<T>,
        wait: CheckWait,
    ) -> Result<Checked<T>, CslError> {
        let mut result = request.result.take().ok_or(ReasonCode::RequestUnknown)?;
        if wait == CheckWait::NoWait {
            return match result.try_recv() {
                Ok(done) => Ok(Checked::Done(done)),
                Err(oneshot::error::TryRecvError::Empty) => {
                    request.result = Some(result);
                    Ok(Checked::InProgress)
                }
                Err(oneshot::error::TryRecvError::Closed) => Err(ReasonCode::RequestUnknown.into()),
            };
        }
        result.await.map(Checked::Done).map_err(|_| ReasonCode::RequestUnknown.into())
    }
}
