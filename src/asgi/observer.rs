//! Who is told of a call's end.

use crate::exchange::{Exchange, Finished};

/// Is told what happens to an exchange. The worker implements it.
pub trait Observer: Send {
    /// The connection carries another protocol from now on.
    fn upgraded(&mut self);

    /// The response is complete, or was broken off. The exchange ends after
    /// this call.
    fn finished(&mut self, exchange: &Exchange, finished: &Finished<'_>);
}
