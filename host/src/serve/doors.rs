//! Doors: who may come in, as `kinora serve` is told.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::BoolishValueParser;
use kinora_access::Options;
use kinora_server::serve::Doors;
use kinora_server::tls;

use kinora::cli::key_file;

use super::issuer::{self, Issuer};

#[derive(Args)]
#[command(next_help_heading = "Who may come in")]
pub struct Arguments {
    /// Answer only those with a key (`kinora keys`); on all addresses but loopback ones, and wherever there
    /// are keys, this holds anyhow
    #[arg(long, env = "KINORA_AUTHENTICATE", value_parser = BoolishValueParser::new())]
    authenticate: bool,
    /// Let everybody do everything, from other machines, too
    #[arg(
        long, env = "KINORA_INSECURE", value_parser = BoolishValueParser::new(),
        conflicts_with_all = ["authenticate", "token_issuer"],
    )]
    insecure: bool,
    /// Take keys over plain HTTP from other machines: something in front of this host encrypts
    #[arg(
        long, env = "KINORA_PLAIN_HTTP", value_parser = BoolishValueParser::new(), conflicts_with = "tls_certificate",
    )]
    plain_http: bool,
    /// A name by which this host is asked for, where everybody may do everything; may be repeated
    #[arg(long = "host-name", env = "KINORA_HOST_NAMES", value_name = "NAME", value_delimiter = ',')]
    names: Vec<String>,
    /// Let in whoever shows a token (JWT) of this issuer, too: what its tokens say as `iss`
    #[arg(long, env = "KINORA_TOKEN_ISSUER", value_name = "NAME", requires_all = ["token_audience", "token_keys"])]
    token_issuer: Option<String>,
    /// Whom such a token has to be for: what it says as `aud`
    #[arg(long, env = "KINORA_TOKEN_AUDIENCE", value_name = "NAME", requires = "token_issuer")]
    token_audience: Option<String>,
    /// The issuer's public keys as a JSON Web Key Set: a file, read again when it changes, or an address, asked every
    /// minute
    #[arg(long, env = "KINORA_TOKEN_KEYS", value_name = "FILE|URL", requires = "token_issuer")]
    token_keys: Option<issuer::Keys>,
    /// A second address, for operators, with connections of its own
    #[arg(long, env = "KINORA_OPERATOR_LISTEN", value_name = "ADDRESS")]
    operator_listen: Option<SocketAddr>,
    /// The certificate for TLS and those up to its authority, as PEM; read again when it changes
    #[arg(long, env = "KINORA_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key, as PEM
    #[arg(long, env = "KINORA_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Authorities, as PEM: each client has to have a certificate of one of them
    #[arg(long, env = "KINORA_TLS_CLIENTS", value_name = "FILE", requires = "tls_certificate")]
    tls_clients: Option<PathBuf>,
}

impl Arguments {
    /// Whose tokens are believed.
    pub fn issuer(&self, data: &Path) -> Option<Issuer> {
        let (name, audience) = (self.token_issuer.clone()?, self.token_audience.clone()?);
        Some(Issuer::new(name, audience, self.token_keys.clone()?, data))
    }

    pub fn doors(self, data: &Path, listen: SocketAddr, issuer: Option<&Issuer>) -> Doors {
        let keys = key_file(data);
        let is_far = [Some(listen), self.operator_listen].into_iter().flatten().any(|at| !at.ip().is_loopback());
        let known = !self.insecure && (self.authenticate || is_far || keys.exists() || self.token_issuer.is_some());
        let tls = match (self.tls_certificate, self.tls_key) {
            (Some(certificate), Some(key)) => Some(tls::Files { certificate, key, clients: self.tls_clients }),
            _ => None,
        };
        Doors {
            access: Options { keys: known.then_some(keys), tokens: issuer.map(|issuer| issuer.tokens.clone()) },
            tls,
            operators: self.operator_listen,
            names: self.names,
            insecure: self.insecure,
            plain_http: self.plain_http,
        }
    }
}
