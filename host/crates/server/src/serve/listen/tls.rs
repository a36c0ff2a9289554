//! TLS by rustls: certificates from files, which are read again when they change.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Where certificates are, as PEM.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate of the host, and those up to its authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Authorities of clients: with them, each client has to have a certificate of one.
    pub clients: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
#[error("TLS: {path}: {cause}", path = path.display())]
pub struct Error {
    path: PathBuf,
    cause: String,
}

/// What is spoken once both sides have agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

pub struct Tls {
    files: Files,
    now: RwLock<(Vec<Vec<u8>>, Arc<ServerConfig>)>,
}

impl Tls {
    pub fn open(files: Files) -> Result<Self, Error> {
        let bytes = read(&files)?;
        let config = Arc::new(config(&files)?);
        Ok(Self { files, now: RwLock::new((bytes, config)) })
    }

    /// Looks whether files have changed. What does not fit together, such as a key that is replaced before its
    /// certificate, is not taken. Blocks.
    pub fn refresh(&self) {
        let changed = read(&self.files).and_then(|bytes| {
            let same = self.now.read().unwrap_or_else(PoisonError::into_inner).0 == bytes;
            if same { Ok(None) } else { config(&self.files).map(|config| Some((bytes, Arc::new(config)))) }
        });
        match changed {
            Ok(None) => {}
            Ok(Some(changed)) => {
                *self.now.write().unwrap_or_else(PoisonError::into_inner) = changed;
                tracing::info!(certificate = %self.files.certificate.display(), "the certificate was read anew");
            }
            Err(error) => tracing::error!(%error, "the certificate is as it was"),
        }
    }

    pub async fn accept<I: AsyncRead + AsyncWrite + Unpin>(&self, io: I) -> io::Result<(TlsStream<I>, Protocol)> {
        let config = Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner).1);
        let stream = TlsAcceptor::from(config).accept(io).await?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Ok((stream, protocol))
    }
}

fn read(files: &Files) -> Result<Vec<Vec<u8>>, Error> {
    let paths = [Some(&files.certificate), Some(&files.key), files.clients.as_ref()];
    let read = |path: &PathBuf| std::fs::read(path).map_err(|cause| failed(path, cause));
    paths.into_iter().flatten().map(read).collect()
}

fn config(files: &Files) -> Result<ServerConfig, Error> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|cause| failed(&files.key, cause))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|cause| failed(&files.certificate, cause))?;
    let builder = match &files.clients {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = rustls::RootCertStore::empty();
            for authority in certificates(path)? {
                roots.add(authority).map_err(|cause| failed(path, cause))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|cause| failed(path, cause))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|cause| failed(&files.certificate, cause))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A session that is taken up again would not ask for a certificate of the client's again.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).map_err(|cause| failed(path, cause))?;
    let all: Vec<_> = read.collect::<Result<_, _>>().map_err(|cause| failed(path, cause))?;
    if all.is_empty() { Err(failed(path, "there is no certificate in it")) } else { Ok(all) }
}

fn failed(path: &std::path::Path, cause: impl ToString) -> Error {
    Error { path: path.to_owned(), cause: cause.to_string() }
}
