//! What deriving costs.

fn main() {
    divan::main();
}
