//! The program. All it does is to hand over to the command line.

fn main() -> std::process::ExitCode {
    bot::cli::main()
}
