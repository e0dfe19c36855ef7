//! Certificates for tests, signed by an authority of their own.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Who signs certificates, in a folder.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    /// File of its certificate, PEM.
    pub certificate: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// Files of a certificate and its key, PEM.
#[derive(Debug)]
pub struct Issued {
    /// File of the certificate.
    pub certificate: PathBuf,
    /// File of its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one with files in this folder that begin with its name.
    pub fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no name is wrong");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = folder.join(name).with_extension("ca.pem");
        let pem = params.self_signed(&key).expect("an authority signs itself").pem();
        fs::write(&certificate, pem).expect("the folder can be written");
        Self { folder: folder.to_owned(), certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for this machine's loopback, whether it is a server's or a client's.
    pub fn issue(&self, name: &str) -> Issued {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
            .expect("these are names of machines");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("keys can be made");
        let pem = params.signed_by(&key, &self.issuer).expect("an authority signs").pem();
        let issued = Issued {
            certificate: self.folder.join(name).with_extension("pem"),
            key: self.folder.join(name).with_extension("key.pem"),
        };
        fs::write(&issued.certificate, pem).expect("the folder can be written");
        fs::write(&issued.key, key.serialize_pem()).expect("the folder can be written");
        issued
    }
}
