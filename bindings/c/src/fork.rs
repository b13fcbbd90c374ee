//! What a fork does: the child has the memory of its parent and none of its threads.

/// Watches for forks of this process, from now on.
pub(crate) fn watch() {
    #[cfg(unix)]
    // SAFETY: three functions that live as long as the library does, which is never unloaded.
    // Without memory for the registration, handles opened before a fork cannot know of it; there is nobody to tell.
    unsafe {
        libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child));
    }
}

#[cfg(unix)]
extern "C" fn before() {
    // First what others may still be using a handle for; then nobody gets at one.
    partnersam::fork::prepare();
    crate::handle::hold_for_fork();
}

#[cfg(unix)]
extern "C" fn after_in_parent() {
    crate::handle::release_after_fork();
    partnersam::fork::resume();
}

#[cfg(unix)]
extern "C" fn after_in_child() {
    crate::handle::release_after_fork();
    partnersam::fork::note_child();
}
