//! TLS for a listener, with certificates that are read again when they change, and for asking that listener from this machine.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tracing::{info, warn};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Where a listener's certificates are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate chain, PEM.
    pub certificate: PathBuf,
    /// The server's private key, PEM.
    pub key: PathBuf,
    /// Certificates of authorities, PEM. When set, a client must show a certificate that one of them signed.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// The contents of the files; compared to see a change.
#[derive(PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// A listener's TLS. Cheap to clone; all clones see a reload.
#[derive(Clone)]
pub struct Tls {
    config: TlsConfig,
    current: Arc<ArcSwap<ServerConfig>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.config).finish()
    }
}

impl TlsConfig {
    fn read(&self) -> anyhow::Result<Files> {
        let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        Ok(Files {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            client_ca: self.client_ca.as_ref().map(read).transpose()?,
        })
    }

    /// Takes up TLS as a client with the server that has these very files: whatever name it is reached by, it must show this
    /// certificate. The same certificate is shown to it, for a server that asks for one; one authority for both is the usual case.
    pub async fn connect(&self, stream: TcpStream) -> anyhow::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let files = self.read()?;
        let chain = certificates(&files.certificate, "the certificate file")?;
        let key = PrivateKeyDer::from_pem_slice(&files.key).context("the key file holds no private key in PEM")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let expected = chain.first().context("the certificate file holds no certificate")?.clone();
        let verifier = ThisCertificate { expected, provider: Arc::clone(&provider) };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("no common TLS version")?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(chain, key)
            .context("certificate and key do not fit together")?;
        // Nobody looks at the name: see the verifier.
        let name = ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
        Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
    }
}

/// Takes one certificate and no other, whatever it says.
#[derive(Debug)]
struct ThisCertificate {
    expected: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ThisCertificate {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *shown == self.expected {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, shown, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, shown, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn certificates(pem: &[u8], what: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.with_context(|| format!("{what} is not PEM"))?;
    if found.is_empty() {
        bail!("{what} holds no certificate");
    }
    Ok(found)
}

fn server_config(files: &Files) -> anyhow::Result<ServerConfig> {
    let chain = certificates(&files.certificate, "the certificate file")?;
    let key = PrivateKeyDer::from_pem_slice(&files.key).context("the key file holds no private key in PEM")?;
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("no common TLS version")?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(pem, "the client CA file")? {
                roots.add(authority).context("the client CA file holds an unusable certificate")?;
            }
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.context("the client CA file is unusable")?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).context("certificate and key do not fit together")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

impl Tls {
    /// Reads the files. Errors say which file and what is wrong with it.
    pub fn open(config: &TlsConfig) -> anyhow::Result<Tls> {
        let current = server_config(&config.read()?)?;
        Ok(Tls { config: config.clone(), current: Arc::new(ArcSwap::from_pointee(current)) })
    }

    /// Takes the client's handshake.
    pub async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.current.load_full()).accept(stream).await
    }

    /// Looks at the files every two seconds and takes over what changed, for connections made from then on. Files that do not fit
    /// together are reported once and the last good ones stay in use.
    pub async fn watch(self, mut stop: watch::Receiver<bool>) {
        let mut known = self.config.read().ok();
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                _ = ticks.tick() => {}
            }
            let (config, tls) = (self.config.clone(), self.clone());
            let Ok(Ok(files)) = tokio::task::spawn_blocking(move || config.read()).await else { continue };
            if known.as_ref() == Some(&files) {
                continue;
            }
            match server_config(&files) {
                Ok(fresh) => {
                    tls.current.store(Arc::new(fresh));
                    info!(certificate = %tls.config.certificate.display(), "certificates read again");
                }
                Err(error) => {
                    warn!(error = format!("{error:#}"), "changed certificates are unusable, the old ones stay")
                }
            }
            known = Some(files);
        }
    }
}
