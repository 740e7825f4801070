//! The `gatehouse` binary.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The one library for cryptography, also where another should come into the tree some day. It
    // fails only where a provider is set already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
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
