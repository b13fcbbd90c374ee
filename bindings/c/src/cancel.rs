//! Cancelling: a flag that one thread waits under and another one, or a signal handler, trips.
//!
//! These handles are not in the table: tripping takes no lock and no memory, so that a signal handler may do it.

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use partnersam::{Error, ErrorKind, Result};

use crate::argument::Out;
use crate::boundary::{call, status};
use crate::error::psam_error;
use crate::handle::{self, Address, Kind, next_generation};
use crate::status::psam_status;

/// A way to end a wait. Given to operations that may wait, tripped from elsewhere; good for any number of operations at once, and for good once
/// it is tripped. Owned by whoever made it, who ends it with psam_cancel_free().
pub struct psam_cancel {
    _opaque: (),
}

/// Makes a cancel handle. About 260,000 can be open at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psam_cancel_new(out: *mut *mut psam_cancel, error: *mut *mut psam_error) -> psam_status {
    let body = || {
        // SAFETY: the rules for results in the header's preamble.
        let out = unsafe { Out::required(out, "out") }?;
        out.set(ptr::without_provenance_mut(take_slot()?.encode()));
        Ok(())
    };
    // SAFETY: the rules for results in the header's preamble.
    unsafe { call("cancel", error, body) }
}

/// Ends the waits under this handle, within a tenth of a second or so, and all that begin later: they return PSAM_ERROR_CANCELLED. What was
/// already sent is still saved, so that no grant is lost.
///
/// May be called from any thread and from a signal handler. Returns PSAM_ERROR_HANDLE_INVALID where the handle is not valid.
#[unsafe(no_mangle)]
pub extern "C" fn psam_cancel_trip(cancel: *const psam_cancel) -> psam_status {
    // Not by way of `boundary`, which prepares things on first use: this must neither wait nor allocate, and nothing in it can panic.
    match Ticket::read(cancel.addr()) {
        Some(ticket) => ticket.trip(),
        None => psam_status::from(ErrorKind::HandleInvalid.number()),
    }
}

/// Ends a cancel handle, once the operations that were given it have returned. One that still runs goes on, and can be stopped no more. NULL is
/// no error.
#[unsafe(no_mangle)]
pub extern "C" fn psam_cancel_free(cancel: *mut psam_cancel) -> psam_status {
    status(|| if cancel.is_null() { Ok(()) } else { give_slot_back(Address::of(cancel, Kind::Cancel)?) })
}

/// What an operation asks now and then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch(Option<Ticket>);

impl Watch {
    /// Watches `cancel`; nothing where it is null.
    pub(crate) fn over(cancel: *const psam_cancel) -> Result<Self> {
        if cancel.is_null() {
            return Ok(Self(None));
        }
        let address = Address::of(cancel, Kind::Cancel)?;
        Ticket::at(address)
            .filter(|ticket| ticket.state() != State::Other)
            .map(|ticket| Self(Some(ticket)))
            .ok_or_else(freed)
    }

    /// An error once it is tripped.
    pub(crate) fn check(&self) -> Result<()> {
        match self.0 {
            Some(ticket) if ticket.state() == State::Tripped => {
                Err(Error::new(ErrorKind::Cancelled, "cancel", "the operation was cancelled before it ended"))
            }
            _ => Ok(()),
        }
    }
}

fn freed() -> Error {
    Error::new(ErrorKind::HandleInvalid, "cancel", "the psam_cancel was freed already, or never opened")
}

/// Slots in a block, and blocks: a block is made when it is first needed, and stays.
const BLOCK: usize = 1024;
const BLOCKS: usize = if usize::BITS >= 64 { 256 } else { 16 };

/// The generation that a slot is in, times four, plus what it is.
static SLOTS: [OnceLock<Box<[AtomicUsize; BLOCK]>>; BLOCKS] = [const { OnceLock::new() }; BLOCKS];

const FREE: usize = 0;
const LIVE: usize = 1;
const TRIPPED: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Live,
    Tripped,
    /// Freed, and perhaps in use again by somebody else.
    Other,
}

/// A slot in the generation that a handle names.
#[derive(Clone, Copy, Debug)]
struct Ticket {
    slot: &'static AtomicUsize,
    generation: usize,
}

impl Ticket {
    fn at(address: Address) -> Option<Self> {
        let slot = SLOTS.get(address.slot / BLOCK)?.get()?.get(address.slot % BLOCK)?;
        Some(Self { slot, generation: address.generation })
    }

    /// Without an error to make: for signal handlers.
    fn read(handle: usize) -> Option<Self> {
        Address::decode(handle).filter(|address| address.kind == Kind::Cancel).and_then(Self::at)
    }

    fn state(self) -> State {
        match self.slot.load(Ordering::Acquire) {
            value if value == (self.generation << 2 | LIVE) => State::Live,
            value if value == (self.generation << 2 | TRIPPED) => State::Tripped,
            _ => State::Other,
        }
    }

    fn trip(self) -> psam_status {
        let (live, tripped) = (self.generation << 2 | LIVE, self.generation << 2 | TRIPPED);
        match self.slot.compare_exchange(live, tripped, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => crate::status::PSAM_OK,
            Err(value) if value == tripped => crate::status::PSAM_OK,
            Err(_) => psam_status::from(ErrorKind::HandleInvalid.number()),
        }
    }
}

fn take_slot() -> Result<Address> {
    /// Where the next search begins: freed slots rest as long as can be.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    // The lock that a fork waits for: the child must not inherit a block half made.
    let _lock = handle::lock();
    for _ in 0..BLOCK * BLOCKS {
        let slot = NEXT.fetch_add(1, Ordering::Relaxed) % (BLOCK * BLOCKS);
        let Some(block) = SLOTS.get(slot / BLOCK) else { continue };
        let block = block.get_or_init(|| Box::new([const { AtomicUsize::new(FREE) }; BLOCK]));
        let Some(state) = block.get(slot % BLOCK) else { continue };
        let value = state.load(Ordering::Acquire);
        if value & 3 != FREE {
            continue;
        }
        let generation = next_generation(value >> 2);
        if state.compare_exchange(value, generation << 2 | LIVE, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            return Ok(Address { kind: Kind::Cancel, slot, generation });
        }
    }
    Err(Error::new(ErrorKind::NotSupported, "cancel", "too many cancel handles are open")
        .with_hint("free handles that are no longer needed"))
}

fn give_slot_back(address: Address) -> Result<()> {
    let ticket = Ticket::at(address).ok_or_else(freed)?;
    let free = ticket.generation << 2 | FREE;
    for from in [LIVE, TRIPPED] {
        if ticket
            .slot
            .compare_exchange(ticket.generation << 2 | from, free, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            return Ok(());
        }
    }
    Err(freed())
}
