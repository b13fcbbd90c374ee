//! partnersam without Python: what the core itself costs, beside the bare client.
//!
//! Configured by the environment as every face is. `fill` imports so many grants; `refresh` renews one grant again and again, `bulk` renews every grant of the store once; in a
//! store that has none, as `memory:`, both import first.
//! Prints one JSON object: operations, client CPU (user and system, all threads) and wall time per operation.

use std::error::Error;
use std::io::Write as _;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use partnersam::app::import::ImportOptions;
use partnersam::clock::UnixTime;
use partnersam::secret::RefreshToken;
use partnersam::{Audience, TenantRef, blocking};

/// As in the Python module, whose core this is.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Renews grants at the benchmark's token server.
#[derive(Parser)]
#[command(name = "bench-core")]
struct Options {
    /// What to do
    #[arg(long, value_enum)]
    measure: Measure,
    /// Measured operations of `refresh`, grants of `fill`
    #[arg(long, default_value_t = 2000)]
    ops: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Measure {
    Fill,
    Refresh,
    Bulk,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let app = blocking::App::from_env()?;
    let (ops, cpu, wall) = match options.measure {
        Measure::Fill => fill(&app, options.ops)?,
        Measure::Refresh => refresh(&app, options.ops)?,
        Measure::Bulk => bulk(&app, options.ops)?,
    };
    let each = u128::from(ops.max(1));
    let result = serde_json::json!({ "ops": ops, "cpu_ns_per_op": cpu / each, "wall_ns_per_op": wall / each });
    writeln!(std::io::stdout(), "{result}")?;
    Ok(())
}

fn fill(app: &blocking::App, grants: u64) -> Result<(u64, u128, u128), Box<dyn Error>> {
    let (wall, cpu) = (Instant::now(), cpu_ns());
    let options = ImportOptions { audiences: vec![Audience::Graph], ..ImportOptions::default() };
    for number in 0..grants {
        let partner: TenantRef = tenant(number).parse()?;
        let token = RefreshToken::new("r".repeat(1_100));
        app.import_grant(&partner, token, &options, &mut blocking::never)?;
    }
    Ok((grants, cpu_ns() - cpu, wall.elapsed().as_nanos()))
}

fn fill_where_empty(app: &blocking::App, grants: u64) -> Result<(), Box<dyn Error>> {
    if app.grants(&mut blocking::never)?.is_empty() {
        fill(app, grants)?;
    }
    Ok(())
}

fn tenant(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

fn refresh(app: &blocking::App, ops: u64) -> Result<(u64, u128, u128), Box<dyn Error>> {
    const WARM_UP: u64 = 200;
    let partner: TenantRef = tenant(0).parse()?;
    fill_where_empty(app, 1)?;
    for _ in 0..WARM_UP {
        app.renew(&partner, &mut blocking::never)?;
    }
    let (wall, cpu) = (Instant::now(), cpu_ns());
    for _ in 0..ops {
        app.renew(&partner, &mut blocking::never)?;
    }
    Ok((ops, cpu_ns() - cpu, wall.elapsed().as_nanos()))
}

fn bulk(app: &blocking::App, grants: u64) -> Result<(u64, u128, u128), Box<dyn Error>> {
    fill_where_empty(app, grants)?;
    let (wall, cpu) = (Instant::now(), cpu_ns());
    let mut renewed = 0;
    let ended = app.renew_due(UnixTime(i64::MAX), |_, _, _| renewed += 1, &mut blocking::never)?;
    let (cpu, wall) = (cpu_ns() - cpu, wall.elapsed().as_nanos());
    for each in ended {
        each.result?;
    }
    Ok((renewed, cpu, wall))
}

#[cfg(unix)]
fn cpu_ns() -> u128 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u128::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000 + u128::try_from(time.tv_nsec).unwrap_or_default()
}

#[cfg(not(unix))]
compile_error!("the benchmarks count CPU time by POSIX clocks");
