//! Tells the path of the protobuf compiler that came as a package.

fn main() {
    let path = protoc_bin_vendored::protoc_bin_path().expect("the package has a compiler for this machine");
    println!("{}", path.display());
}
