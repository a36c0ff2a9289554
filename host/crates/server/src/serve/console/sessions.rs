//! Sessions of those who have shown their key to a page. They are in memory only, and so end with the host; the key
//! itself is kept nowhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use axum::response::Response;
use kinora_access::Principal;
use kinora_api::Kind;
use kinora_console::Visitor;
use sha2::{Digest, Sha256};

use crate::edge::problem::Problem;
use crate::serve::console::reply;

/// A working day: whoever comes back the next one shows their key again.
const LASTS: Duration = Duration::from_secs(12 * 60 * 60);

/// Sessions at once; the one that ends first makes room.
const MOST: usize = 1_000;

const NAME: &str = "kinora_session";

/// A browser takes a cookie of this name from a host by TLS only, and sends it to no other one.
const NAME_BY_TLS: &str = "__Host-kinora_session";

pub struct Sessions {
    is_encrypted: bool,
    everybody: String,
    /// By the hash of their secret: a look at this memory opens nothing.
    known: Mutex<HashMap<[u8; 32], Known>>,
}

struct Known {
    principal: Arc<Principal>,
    token: String,
    until: Instant,
}

/// Whoever looks at a page.
#[derive(Clone)]
pub struct Session {
    /// `None`, where the host knows nobody.
    pub principal: Option<Arc<Principal>>,
    /// What its forms show.
    pub token: String,
    id: Option<[u8; 32]>,
}

impl Session {
    pub fn visitor(&self) -> Visitor {
        match &self.principal {
            None => Visitor::default(),
            Some(principal) => Visitor {
                name: Some(principal.name.clone()),
                roles: principal.roles.iter().map(|role| role.name().to_owned()).collect(),
            },
        }
    }

    /// Hashes are compared, so that how long it takes tells nothing.
    pub fn is_token(&self, shown: &str) -> bool {
        hash(shown) == hash(&self.token)
    }
}

impl Sessions {
    pub fn new(is_encrypted: bool) -> Self {
        let everybody = secret().unwrap_or_else(|_| uuid::Uuid::new_v4().to_string());
        Self { is_encrypted, everybody, known: Mutex::default() }
    }

    /// Where the host knows nobody, all have one session; where it does, those who have not signed in yet.
    pub fn of_everybody(&self) -> Session {
        Session { principal: None, token: self.everybody.clone(), id: None }
    }

    pub fn find(&self, headers: &HeaderMap) -> Option<Session> {
        let id = hash(self.cookie(headers)?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(&id)?;
        if found.until <= Instant::now() || found.principal.is_gone() {
            known.remove(&id);
            return None;
        }
        Some(Session { principal: Some(Arc::clone(&found.principal)), token: found.token.clone(), id: Some(id) })
    }

    fn cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.name()).map(|(_, value)| value)
    }

    fn name(&self) -> &'static str {
        if self.is_encrypted { NAME_BY_TLS } else { NAME }
    }

    /// Begins a session, and gives its cookie.
    pub fn begin(&self, principal: Arc<Principal>) -> Result<String, Problem> {
        let (id, token, until) = (secret()?, secret()?, Instant::now() + LASTS);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, one| one.until > Instant::now() && !one.principal.is_gone());
        if known.len() >= MOST
            && let Some(first) = known.iter().min_by_key(|(_, one)| one.until).map(|(id, _)| *id)
        {
            known.remove(&first);
        }
        known.insert(hash(&id), Known { principal, token, until });
        Ok(self.cookie_of(&id, LASTS.as_secs()))
    }

    pub fn end(&self, session: &Session, response: Response) -> Response {
        if let Some(id) = session.id {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        }
        reply::with_cookie(response, &self.cookie_of("", 0))
    }

    fn cookie_of(&self, id: &str, seconds: u64) -> String {
        let secure = if self.is_encrypted { "; Secure" } else { "" };
        format!("{}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", self.name())
    }
}

/// What is sent without the token of a session.
pub fn forged() -> Problem {
    Problem::new(Kind::ForeignOrigin, "the form is of no page of this console, or of one from before it was restarted")
        .hint("load the page again, and send it once more")
}

/// What nobody can guess.
fn secret() -> Result<String, Problem> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|cause| Problem::new(Kind::Internal, format!("the system gives no random bytes: {cause}")))?;
    Ok(hex::encode(bytes))
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
