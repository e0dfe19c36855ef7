//! Empty: cargo wants a target, the wire test wants only the dependency's source.
