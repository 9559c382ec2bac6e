//! What a request is called, and since when it waits: what its head says of that,
//! or what the server makes.

use super::context::Context;
use crate::exchange::{Client, Names};
use crate::http::{
    Head, TRACEPARENT, TraceMode, TraceParent, field_so_far, is_request_id, settle_trace,
    stamp_start,
};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

impl Context {
    /// Names the request with this head, and puts into the head what the app is to
    /// see of it.
    pub fn name(&self, client: &Client, head: &mut Head) -> Names {
        let rules = &self.rules.exchange;
        if rules.stamps_start {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let millis = now.unwrap_or_default().as_millis() as u64;
            stamp_start(head, client.trusted, millis);
        }
        let trace = match rules.trace {
            TraceMode::Off => None,
            _ => settle_trace(head, client.trusted, || self.new_trace()),
        };
        Names {
            id: self.request_id(client, |name| head.field(name)),
            trace: trace.map(Arc::new),
        }
    }

    /// Names a request whose head is incomplete or invalid. `received` are its
    /// bytes so far.
    pub fn name_part(&self, client: &Client, received: &[u8]) -> Names {
        let trace = match self.rules.exchange.trace {
            TraceMode::Off => None,
            _ => field_so_far(received, TRACEPARENT)
                .filter(|_| client.trusted)
                .and_then(TraceParent::parse)
                .or_else(|| self.new_trace()),
        };
        Names {
            id: self.request_id(client, |name| field_so_far(received, name)),
            trace: trace.map(Arc::new),
        }
    }

    /// Names a client whose request is not read.
    pub fn name_unread(&self) -> Names {
        let has_ids = self.rules.exchange.request_id.is_some();
        Names {
            id: has_ids.then(|| self.ids().next_id().into()),
            trace: self.new_trace().map(Arc::new),
        }
    }

    /// The id of a request, if requests have ids: the value of the `field` with
    /// this name if a trusted client sent a valid one, else a new id.
    fn request_id<'a>(
        &self,
        client: &Client,
        field: impl FnOnce(&str) -> Option<&'a [u8]>,
    ) -> Option<Arc<str>> {
        let name = self.rules.exchange.request_id.as_ref()?;
        let sent = match client.trusted {
            true => field(name).filter(|id| is_request_id(id)),
            false => None,
        };
        let sent = sent.and_then(|id| str::from_utf8(id).ok());
        Some(sent.map_or_else(|| self.ids().next_id().into(), Arc::from))
    }

    /// A new trace, if the server makes any.
    fn new_trace(&self) -> Option<TraceParent> {
        if self.rules.exchange.trace != TraceMode::Make {
            return None;
        }
        let mut ids = self.ids();
        // Half of a number is as random as the whole.
        Some(TraceParent::new(
            ids.next_number(),
            ids.next_number() as u64,
        ))
    }
}
