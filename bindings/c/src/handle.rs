//! Handles: what a pointer that C holds stands for.
//!
//! A handle is no address and is never followed. It names a slot of one table, the generation of that slot, and the kind of object; whatever does not
//! fit (null, freed, of another kind, or any other number) is an error, never undefined behaviour.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use partnersam::{Error, ErrorKind, Result};

/// The kinds of handles. A number is part of the handle, so a mistaken one is recognized for what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    App = 1,
    Token = 2,
    ConsentLink = 3,
    Consented = 4,
    Grants = 5,
    Error = 6,
    Cancel = 7,
    Explanation = 8,
    Checkup = 9,
    Document = 10,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::App,
        Self::Token,
        Self::ConsentLink,
        Self::Consented,
        Self::Grants,
        Self::Error,
        Self::Cancel,
        Self::Explanation,
        Self::Checkup,
        Self::Document,
    ];

    /// The type's name in C.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::App => "psam_app",
            Self::Token => "psam_token",
            Self::ConsentLink => "psam_consent_link",
            Self::Consented => "psam_consented",
            Self::Grants => "psam_grants",
            Self::Error => "psam_error",
            Self::Cancel => "psam_cancel",
            Self::Explanation => "psam_explanation",
            Self::Checkup => "psam_checkup",
            Self::Document => "psam_document",
        }
    }
}

/// What a handle of the table stands for.
pub(crate) trait Object: Any + Send + Sync {
    /// The opaque type that C sees.
    type Handle;
    /// Its kind.
    const KIND: Kind;
}

/// Puts `object` into the table.
///
/// Errors: `NotSupported` when more handles are open than a handle can count.
pub(crate) fn open<T: Object>(object: T) -> Result<*mut T::Handle> {
    let address = table().insert(T::KIND, Arc::new(object))?;
    Ok(ptr::without_provenance_mut(address.encode()))
}

/// The object that `handle` stands for. It lives as long as the handle, or as long as this reference, whichever is longer.
pub(crate) fn get<T: Object>(handle: *const T::Handle) -> Result<Arc<T>> {
    let address = Address::of(handle, T::KIND)?;
    let object = table().get(address).ok_or_else(|| freed(T::KIND))?;
    object
        .downcast()
        .map_err(|_| Error::new(ErrorKind::Internal, "call", "a handle leads to an object of another kind"))
}

/// Ends the handle. Null is no error, as with `free`.
pub(crate) fn close<T: Object>(handle: *mut T::Handle) -> Result<()> {
    if handle.is_null() {
        return Ok(());
    }
    let address = Address::of(handle, T::KIND)?;
    // Bound to a name, so that the object is dropped when the table is free again: an app's end can take a moment.
    let object = table().remove(address);
    object.map(drop).ok_or_else(|| freed(T::KIND))
}

fn freed(kind: Kind) -> Error {
    Error::new(ErrorKind::HandleInvalid, "call", format!("the {} was freed already, or never opened", kind.name()))
}

/// Where a handle leads: bits from the low end are zero (no odd addresses), kind, slot, generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) kind: Kind,
    pub(crate) slot: usize,
    pub(crate) generation: usize,
}

const IS_WIDE: bool = usize::BITS >= 64;
const ZERO_BITS: u32 = if IS_WIDE { 4 } else { 2 };
const KIND_BITS: u32 = 4;
const SLOT_BITS: u32 = if IS_WIDE { 28 } else { 14 };
const GENERATION_BITS: u32 = usize::BITS - ZERO_BITS - KIND_BITS - SLOT_BITS;

impl Address {
    /// Reads a handle that should be of `kind`.
    pub(crate) fn of<H>(handle: *const H, kind: Kind) -> Result<Self> {
        let invalid = |message: String| Err(Error::new(ErrorKind::HandleInvalid, "call", message));
        if handle.is_null() {
            return invalid(format!("the {} is null", kind.name()));
        }
        match Self::decode(handle.addr()) {
            Some(address) if address.kind == kind => Ok(address),
            Some(other) => invalid(format!("a {} was expected and a {} was given", kind.name(), other.kind.name())),
            None => invalid(format!("this is no {}", kind.name())),
        }
    }

    pub(crate) fn encode(self) -> usize {
        let Self { kind, slot, generation } = self;
        (((generation << SLOT_BITS | slot) << KIND_BITS) | kind as usize) << ZERO_BITS
    }

    pub(crate) fn decode(handle: usize) -> Option<Self> {
        let mut rest = handle;
        let mut take = |bits: u32| {
            let part = rest & ((1 << bits) - 1);
            rest >>= bits;
            part
        };
        if take(ZERO_BITS) != 0 {
            return None;
        }
        let kind = take(KIND_BITS);
        let kind = Kind::ALL.into_iter().find(|known| *known as usize == kind)?;
        Some(Self { kind, slot: take(SLOT_BITS), generation: take(GENERATION_BITS) })
    }
}

/// The generation after `generation`; never 0, so that no handle is null. After 2^28 uses of one slot (2^12 where pointers have 32 bits) it begins anew.
pub(crate) fn next_generation(generation: usize) -> usize {
    match (generation + 1) & ((1 << GENERATION_BITS) - 1) {
        0 => 1,
        next => next,
    }
}

#[derive(Debug)]
struct Table {
    slots: Vec<Slot>,
    /// Taken from the front, put back at the end: a freed handle stays recognizable as long as can be.
    free: VecDeque<usize>,
}

#[derive(Debug)]
struct Slot {
    generation: usize,
    kind: Kind,
    object: Option<Arc<dyn Any + Send + Sync>>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { slots: Vec::new(), free: VecDeque::new() });

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    fn insert(&mut self, kind: Kind, object: Arc<dyn Any + Send + Sync>) -> Result<Address> {
        if let Some(slot) = self.free.pop_front()
            && let Some(free) = self.slots.get_mut(slot)
        {
            free.generation = next_generation(free.generation);
            free.kind = kind;
            free.object = Some(object);
            return Ok(Address { kind, slot, generation: free.generation });
        }
        let slot = self.slots.len();
        if slot >= 1 << SLOT_BITS {
            return Err(Error::new(ErrorKind::NotSupported, "call", format!("too many handles are open: {slot}"))
                .with_hint("free handles that are no longer needed"));
        }
        self.slots.push(Slot { generation: 1, kind, object: Some(object) });
        Ok(Address { kind, slot, generation: 1 })
    }

    fn get(&self, address: Address) -> Option<Arc<dyn Any + Send + Sync>> {
        let slot = self.slots.get(address.slot).filter(|slot| slot.is_named_by(address))?;
        slot.object.clone()
    }

    fn remove(&mut self, address: Address) -> Option<Arc<dyn Any + Send + Sync>> {
        let slot = self.slots.get_mut(address.slot).filter(|slot| slot.is_named_by(address))?;
        let object = slot.object.take()?;
        self.free.push_back(address.slot);
        Some(object)
    }
}

impl Slot {
    fn is_named_by(&self, address: Address) -> bool {
        self.generation == address.generation && self.kind == address.kind
    }
}

/// Keeps forks out for a moment.
pub(crate) fn lock() -> impl Drop {
    table()
}

thread_local! {
    static HELD: RefCell<Option<MutexGuard<'static, Table>>> = const { RefCell::new(None) };
}

/// Holds the table while this thread forks: the child must not inherit it half changed, or locked by a thread that it does not have.
pub(crate) fn hold_for_fork() {
    let table = table();
    // Past the end of this thread's own data there is no place to keep the guard: it is let go at once.
    let _ = HELD.try_with(|held| held.replace(Some(table)));
}

/// Lets go of the table after a fork, in the parent and in the child.
pub(crate) fn release_after_fork() {
    let _ = HELD.try_with(RefCell::take);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    struct Thing(u32);
    enum CThing {}
    impl Object for Thing {
        type Handle = CThing;
        const KIND: Kind = Kind::Grants;
    }

    struct Other;
    impl Object for Other {
        type Handle = CThing;
        const KIND: Kind = Kind::Token;
    }

    fn message<T>(result: Result<T>) -> String {
        let error = result.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::HandleInvalid);
        error.message().to_owned()
    }

    #[test]
    fn a_handle_leads_to_its_object_until_it_is_freed() {
        let handle = open(Thing(7)).unwrap();
        let object = get::<Thing>(handle).unwrap();
        assert_eq!(object.0, 7);
        close::<Thing>(handle).unwrap();
        assert_eq!(object.0, 7, "who still works with the object keeps it");
        assert_eq!(message(get::<Thing>(handle)), "the psam_grants was freed already, or never opened");
        assert_eq!(message(close::<Thing>(handle)), "the psam_grants was freed already, or never opened");
        close::<Thing>(ptr::null_mut()).unwrap();
    }

    #[test]
    fn what_is_no_handle_is_refused_and_never_followed() {
        let handle = open(Thing(1)).unwrap();
        assert_eq!(message(get::<Other>(handle)), "a psam_token was expected and a psam_grants was given");
        assert_eq!(message(get::<Thing>(ptr::null())), "the psam_grants is null");
        assert_eq!(message(get::<Thing>(handle.wrapping_byte_add(1))), "this is no psam_grants");
        for bits in [1_usize, 16, usize::MAX, usize::MAX << ZERO_BITS, 0x7fff_dead] {
            assert!(get::<Thing>(ptr::without_provenance(bits)).is_err(), "{bits:x} passed");
        }
        close::<Thing>(handle).unwrap();
    }

    #[test]
    fn a_slot_that_is_used_again_does_not_revive_its_old_handle() {
        let mut table = Table { slots: Vec::new(), free: VecDeque::new() };
        let first = table.insert(Kind::App, Arc::new(())).unwrap();
        table.remove(first).unwrap();
        let second = table.insert(Kind::App, Arc::new(())).unwrap();
        assert_eq!(first.slot, second.slot);
        assert!(table.get(first).is_none());
        assert!(table.remove(first).is_none());
        assert!(table.get(second).is_some());
    }

    #[test]
    fn every_address_is_read_back_as_it_was_written() {
        let most = |bits: u32| (1_usize << bits) - 1;
        for kind in Kind::ALL {
            for (slot, generation) in [
                (0, 1),
                (1, 1),
                (most(SLOT_BITS), 1),
                (0, most(GENERATION_BITS)),
                (most(SLOT_BITS), most(GENERATION_BITS)),
            ] {
                let address = Address { kind, slot, generation };
                assert_eq!(Address::decode(address.encode()), Some(address));
                assert_ne!(address.encode(), 0);
            }
        }
        assert_eq!(next_generation(most(GENERATION_BITS)), 1);
    }
}
