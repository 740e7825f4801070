//! The `gatehouse` binary.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(gatehouse::cli::run()),
        Err(error) => {
            eprintln!("gatehouse: cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}
