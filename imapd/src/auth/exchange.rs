//! One AUTHENTICATE exchange: what the client says next and what it comes to.
//!
//! A mechanism is a state of [`Exchange`]; [`Exchange::take`] is given a decoded response and says what follows. The
//! transport of the messages (base 64, `+`, `*`) is [`crate::command::authenticate`].

use std::net::IpAddr;

use super::scram::{Binding, ClientFirst, ScramError, ServerFirst, server_final};
use super::{Authenticator, Client, LoginError, Verdict, bearer, sasl};
use crate::vm::{ScramHash, UserId};

/// A mechanism under way.
#[derive(Debug)]
pub enum Exchange {
    /// PLAIN waits for its one message.
    Plain,
    /// LOGIN waits for the name.
    LoginName,
    /// LOGIN waits for the password.
    LoginPassword(Vec<u8>),
    /// CRAM-MD5 waits for the answer to this challenge.
    CramMd5(String),
    /// SCRAM waits for the client's first message.
    Scram(ScramHash, Binding),
    /// SCRAM waits for the client's final message.
    ScramFinal(Box<ServerFirst>),
    /// SCRAM has shown its signature; the client may say that it does not like it.
    ScramOver(UserId),
    /// EXTERNAL waits for its one message; the names in the client's certificate.
    External(Vec<String>),
    /// OAUTHBEARER waits for its message.
    Bearer,
    /// OAUTHBEARER has told that the token is not good; the client has to say that it understood.
    BearerRefused,
}

/// What follows a response.
#[derive(Debug)]
pub enum Turn {
    /// Another challenge.
    More(Exchange, Vec<u8>),
    /// It is over.
    Over(Verdict),
    /// The response breaks the rules of the mechanism.
    Malformed,
}

impl Exchange {
    /// The challenge with which the mechanism begins; `None` when the client speaks first.
    pub fn challenge(&self) -> Option<&[u8]> {
        match self {
            Self::LoginName => Some(b"Username:"),
            Self::CramMd5(challenge) => Some(challenge.as_bytes()),
            _ => None,
        }
    }

    /// Whether the client may send its first message with the command (RFC 4959): where the server speaks first only
    /// for the form's sake, it may.
    pub fn takes_initial(&self) -> bool {
        !matches!(self, Self::CramMd5(_))
    }

    /// Whether the next response carries what binds it to the channel.
    pub fn is_bound(&self) -> bool {
        matches!(self, Self::ScramFinal(server) if server.is_bound())
    }

    /// The command, with the mechanism.
    fn command(&self) -> &'static str {
        let scram = |hash| match hash {
            ScramHash::Sha1 => "AUTHENTICATE SCRAM-SHA-1",
            ScramHash::Sha256 => "AUTHENTICATE SCRAM-SHA-256",
        };
        match self {
            Self::Plain => "AUTHENTICATE PLAIN",
            Self::LoginName | Self::LoginPassword(_) => "AUTHENTICATE LOGIN",
            Self::CramMd5(_) => "AUTHENTICATE CRAM-MD5",
            Self::Scram(hash, _) => scram(*hash),
            Self::ScramFinal(server) => scram(server.hash),
            Self::ScramOver(_) => "AUTHENTICATE SCRAM",
            Self::External(_) => "AUTHENTICATE EXTERNAL",
            Self::Bearer | Self::BearerRefused => "AUTHENTICATE OAUTHBEARER",
        }
    }

    /// Takes a response.
    ///
    /// # Errors
    /// [`LoginError`] when it cannot be judged.
    pub async fn take(
        self,
        auth: &Authenticator,
        (peer, tls): (IpAddr, bool),
        response: &[u8],
    ) -> Result<Turn, LoginError> {
        let client = Client { peer, tls, command: self.command() };
        Ok(match self {
            Self::Plain => match sasl::plain(response) {
                Some(message) => Turn::Over(plain(auth, client, message).await?),
                None => Turn::Malformed,
            },
            Self::LoginName => Turn::More(Self::LoginPassword(response.to_vec()), b"Password:".to_vec()),
            Self::LoginPassword(name) => Turn::Over(auth.login(client, &name, response).await?),
            Self::CramMd5(challenge) => match sasl::cram_md5(response) {
                Some((name, digest)) => {
                    let check = auth.proof(client, name, |directory, user| {
                        directory.check_cram_md5(user, challenge.as_bytes(), &digest).then_some(())
                    });
                    over(check.await?)
                }
                None => Turn::Malformed,
            },
            Self::Scram(hash, binding) => match ClientFirst::parse(response, binding) {
                Ok(first) => {
                    let salt = auth.scram_salt(first.name.as_bytes(), hash)?;
                    let server = first.answer(hash, &auth.nonce(), &salt);
                    let text = server.text.clone().into_bytes();
                    Turn::More(Self::ScramFinal(Box::new(server)), text)
                }
                Err(e) => failed(auth, peer, e),
            },
            Self::ScramFinal(server) => match server.finish(response) {
                Ok(p) => {
                    let check = auth.proof(client, server.name.as_bytes(), |directory, user| {
                        directory.check_scram(user, server.hash, &p.message, &p.proof)
                    });
                    let is = |user, wanted: &String| auth.user_id(wanted.as_bytes()) == Some(user);
                    match check.await? {
                        Some((user, _)) if server.wanted.as_ref().is_some_and(|wanted| !is(user, wanted)) => {
                            return Err(LoginError::OtherIdentity);
                        }
                        Some((user, signature)) => {
                            Turn::More(Self::ScramOver(user), server_final(&signature).into_bytes())
                        }
                        None => Turn::Over(Verdict::Refused),
                    }
                }
                Err(e) => failed(auth, peer, e),
            },
            Self::ScramOver(user) if response.is_empty() => Turn::Over(Verdict::Accepted(user)),
            Self::ScramOver(_) => Turn::Malformed,
            Self::Bearer => match bearer::parse(response) {
                Some(message) => bearer(auth, client, &message).await?,
                None => Turn::Malformed,
            },
            Self::BearerRefused if response == bearer::REFUSAL_ANSWER => Turn::Over(Verdict::Refused),
            Self::BearerRefused => Turn::Malformed,
            Self::External(names) => over(auth.certificate(client, &names, response).await?),
        })
    }
}

/// Judges the message of PLAIN. Acting for another user is not offered; that is told to those alone who have shown who they are.
async fn plain(
    auth: &Authenticator,
    client: Client,
    message: sasl::Plain<'_>,
) -> Result<Verdict, LoginError> {
    let verdict = auth.login(client, message.user, message.password).await?;
    match verdict {
        Verdict::Accepted(user)
            if !message.wanted.is_empty() && auth.user_id(message.wanted) != Some(user) =>
        {
            Err(LoginError::OtherIdentity)
        }
        verdict => Ok(verdict),
    }
}

/// Judges the message of OAUTHBEARER.
async fn bearer(
    auth: &Authenticator,
    client: Client,
    message: &bearer::Bearer<'_>,
) -> Result<Turn, LoginError> {
    if message.host.is_some_and(|host| !auth.is_our_host(host)) {
        // Whoever has the token may have been another server's client.
        auth.count_refusal(client.peer, None, message.host.unwrap_or_default());
        return Ok(Turn::More(Exchange::BearerRefused, bearer::OTHER_HOST.to_vec()));
    }
    let Some(token) = message.token else {
        return Ok(Turn::More(Exchange::BearerRefused, bearer::REFUSAL.to_vec()));
    };
    let wanted = message.user.as_deref().unwrap_or_default();
    match auth.bearer(client, token, wanted.as_bytes()).await {
        Ok(Some((user, ()))) => Ok(Turn::Over(Verdict::Accepted(user))),
        // A token of somebody else is not good for this user.
        Ok(None) | Err(LoginError::OtherIdentity) => {
            Ok(Turn::More(Exchange::BearerRefused, bearer::REFUSAL.to_vec()))
        }
        Err(e) => Err(e),
    }
}

fn over<T>(found: Option<(UserId, T)>) -> Turn {
    Turn::Over(found.map_or(Verdict::Refused, |(user, _)| Verdict::Accepted(user)))
}

/// A wrong channel and the answer to another exchange are refusals, and counted as such; the rest is bad grammar.
fn failed(auth: &Authenticator, peer: IpAddr, error: ScramError) -> Turn {
    match error {
        ScramError::Malformed | ScramError::Extension => Turn::Malformed,
        ScramError::Nonce | ScramError::Binding => {
            auth.count_refusal(peer, None, error.to_string().as_bytes());
            Turn::Over(Verdict::Refused)
        }
    }
}
