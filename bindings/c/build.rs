//! How the shared library is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // Worker threads may still run when a program closes the library: its code must stay in memory.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // Without a name of its own, programs would remember the path that it had on the machine that built them.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libpartnersam_c.so");
    }
}
