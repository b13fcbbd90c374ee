//! What C hands in: texts, lists, places for results, structs that grow.

use std::ffi::{CStr, c_char};
use std::ptr::NonNull;

use partnersam::{Audience, Error, ErrorKind, Result, TenantRef};

/// A text longer than this is a mistake, or an attack: 1 MiB.
const MOST_TEXT: usize = 1 << 20;

/// The text at `text`, which must be there.
///
/// Errors: `InvalidArgument` when it is null, not UTF-8, or longer than 1 MiB.
///
/// # Safety
///
/// `text` is null or ends with NUL, and stays unchanged while the result is in use.
pub(crate) unsafe fn text<'a>(text: *const c_char, name: &str) -> Result<&'a str> {
    // SAFETY: the caller's promise, passed on.
    unsafe { optional_text(text, name) }?.ok_or_else(|| invalid(format!("{name} is null")))
}

/// The text at `text`, or none where it is null.
///
/// Errors: `InvalidArgument` when it is not UTF-8 or longer than 1 MiB.
///
/// # Safety
///
/// As for [`text`].
pub(crate) unsafe fn optional_text<'a>(text: *const c_char, name: &str) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not null, and by the caller's promise it ends with NUL.
    let text = unsafe { CStr::from_ptr(text) };
    if text.count_bytes() > MOST_TEXT {
        return Err(invalid(format!("{name} is longer than {MOST_TEXT} bytes")));
    }
    // The text is not repeated: it may be a secret.
    text.to_str()
        .map(Some)
        .map_err(|error| invalid(format!("{name} is not valid UTF-8 at byte {}", error.valid_up_to())))
}

/// The bytes at `bytes`, or none where it is null.
///
/// Errors: `InvalidArgument` when they are more than 1 MiB, or when it is null and `length` is not 0.
///
/// # Safety
///
/// `bytes` is null or points to `length` readable bytes, which stay unchanged while the result is in use.
pub(crate) unsafe fn optional_bytes<'a>(bytes: *const u8, length: usize, name: &str) -> Result<Option<&'a [u8]>> {
    if bytes.is_null() {
        return if length == 0 { Ok(None) } else { Err(invalid(format!("{name} is null and has a length"))) };
    }
    if length > MOST_TEXT {
        return Err(invalid(format!("{name} is longer than {MOST_TEXT} bytes")));
    }
    // SAFETY: not null, and readable by the caller's promise.
    Ok(Some(unsafe { std::slice::from_raw_parts(bytes, length) }))
}

/// A tenant's id or domain, which must be there.
///
/// # Safety
///
/// As for [`text`].
pub(crate) unsafe fn tenant(name: *const c_char, what: &str) -> Result<TenantRef> {
    // SAFETY: the caller's promise, passed on.
    unsafe { text(name, what) }?.parse()
}

/// A tenant's id or domain, or none where it is null.
///
/// # Safety
///
/// As for [`text`].
pub(crate) unsafe fn optional_tenant(name: *const c_char, what: &str) -> Result<Option<TenantRef>> {
    // SAFETY: the caller's promise, passed on.
    unsafe { optional_text(name, what) }?.map(str::parse).transpose()
}

/// A list of audiences, separated by commas; empty where it is null.
///
/// # Safety
///
/// As for [`text`].
pub(crate) unsafe fn audiences(list: *const c_char, name: &str) -> Result<Vec<Audience>> {
    // SAFETY: the caller's promise, passed on.
    let Some(list) = (unsafe { optional_text(list, name) })? else { return Ok(Vec::new()) };
    list.split(',').map(str::parse).collect()
}

/// A place that C gives for a result. It is written at most once, and only when all went well.
#[derive(Debug)]
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// A place that must be there.
    ///
    /// # Safety
    ///
    /// `place` is null or valid for writing until the result is used up.
    pub(crate) unsafe fn required(place: *mut T, name: &str) -> Result<Self> {
        // SAFETY: the caller's promise, passed on.
        unsafe { Self::optional(place) }
            .ok_or_else(|| invalid(format!("{name}, where the result goes, is null or not aligned")))
    }

    /// A place that may be left out.
    ///
    /// # Safety
    ///
    /// As for [`Out::required`].
    pub(crate) unsafe fn optional(place: *mut T) -> Option<Self> {
        NonNull::new(place).filter(|place| place.is_aligned()).map(Self)
    }

    pub(crate) fn set(self, value: T) {
        // SAFETY: not null, aligned, and valid for writing by the promise that it was made with.
        unsafe { self.0.write(value) };
    }
}

/// A struct of options whose first field is its size, so that a later library can have more fields. Plain data: any bytes are a valid value.
pub(crate) trait Options: Copy {
    /// Size of the struct in the first library that had it.
    const FIRST_SIZE: usize;

    /// Nothing asked for.
    fn none() -> Self;
}

/// The options at `options`, or none where it is null.
///
/// A smaller struct, of an older header, has its missing fields unset. A larger one, of a newer header, is accepted as long as what this library does
/// not know of is zero.
///
/// Errors: `InvalidArgument` for a size that no header has; `NotSupported` for an option that this library does not know.
///
/// # Safety
///
/// `options` is null or points to as many readable bytes as its first field says.
pub(crate) unsafe fn options<T: Options>(options: *const T) -> Result<T> {
    /// No struct of options will ever be larger.
    const MOST: usize = 4096;
    let mut known = T::none();
    if options.is_null() {
        return Ok(known);
    }
    // SAFETY: not null, and the size comes first in every version of the struct.
    let size = unsafe { options.cast::<usize>().read_unaligned() };
    if size < T::FIRST_SIZE || size > MOST {
        return Err(invalid(format!("struct_size of the options must be the size of the struct: {size}"))
            .with_hint("initialize the options with struct_size = sizeof(options)"));
    }
    let bytes = options.cast::<u8>();
    // SAFETY: so many bytes are readable by the caller's promise, and are not written while this function runs.
    let given = unsafe { std::slice::from_raw_parts(bytes, size) };
    if given.iter().skip(size_of::<T>()).any(|byte| *byte != 0) {
        return Err(Error::new(
            ErrorKind::NotSupported,
            "call",
            "an option is set that this version of partnersam does not know",
        )
        .with_hint("load a library that is not older than the header"));
    }
    // SAFETY: both sides are at least that long and do not overlap; by the trait's contract any bytes are a valid value.
    unsafe { std::ptr::copy_nonoverlapping(bytes, (&raw mut known).cast::<u8>(), size.min(size_of::<T>())) };
    Ok(known)
}

/// Flags of which this library knows `known`.
pub(crate) fn flags(flags: u32, known: u32) -> Result<u32> {
    match flags & !known {
        0 => Ok(flags),
        unknown => Err(Error::new(ErrorKind::NotSupported, "call", format!("unknown flags: {unknown:#x}"))),
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, "call", message)
}
